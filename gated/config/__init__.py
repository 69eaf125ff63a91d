"""The file a technician edits: TOML in, frozen models out, every error at once.

Load once, at the edge, and pass down the smallest section that is needed.
"""

from gated.config.broker import BrokerSettings, Endpoint, UplinkSettings
from gated.config.collector import CollectorConfig, CollectorSettings
from gated.config.credentials import CredentialSettings
from gated.config.devices import (
    BuzzerSettings,
    CallStaffSettings,
    Camera,
    ColourUse,
    InputLine,
    InputSettings,
    LampSettings,
    OutputSettings,
    RelaySettings,
    ScannerSettings,
    VoiceDriver,
    VoiceSettings,
)
from gated.config.doubts import warnings
from gated.config.explain import (
    ChangedKeys,
    changed_keys,
    dump_toml,
    masked,
    rules_version,
    with_paths,
)
from gated.config.gate import (
    CheckSettings,
    ClockSettings,
    ClockSource,
    GateConfig,
    GateSettings,
    LedgerSettings,
    PathSettings,
    VisitSettings,
)
from gated.config.load import (
    DEFAULT_FILE,
    default_file,
    load_collector,
    load_gate,
    parse_collector,
    parse_gate,
)
from gated.config.reference import schema
from gated.config.secret import Secret, read_secret
from gated.config.sensors import (
    AmbientSettings,
    DistanceSettings,
    ReferenceSettings,
    ThermometerSettings,
)
from gated.config.temperature import TemperatureSettings

__all__ = [
    "DEFAULT_FILE",
    "AmbientSettings",
    "BrokerSettings",
    "BuzzerSettings",
    "CallStaffSettings",
    "Camera",
    "ChangedKeys",
    "CheckSettings",
    "ClockSettings",
    "ClockSource",
    "CollectorConfig",
    "CollectorSettings",
    "ColourUse",
    "CredentialSettings",
    "DistanceSettings",
    "Endpoint",
    "GateConfig",
    "GateSettings",
    "InputLine",
    "InputSettings",
    "LampSettings",
    "LedgerSettings",
    "OutputSettings",
    "PathSettings",
    "ReferenceSettings",
    "RelaySettings",
    "ScannerSettings",
    "Secret",
    "TemperatureSettings",
    "ThermometerSettings",
    "UplinkSettings",
    "VisitSettings",
    "VoiceDriver",
    "VoiceSettings",
    "changed_keys",
    "default_file",
    "dump_toml",
    "load_collector",
    "load_gate",
    "masked",
    "parse_collector",
    "parse_gate",
    "read_secret",
    "rules_version",
    "schema",
    "warnings",
    "with_paths",
]
