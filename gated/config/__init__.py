"""The file a technician edits: TOML in, frozen models out, every error at once.

Load once, at the edge, and pass down the smallest section that is needed.
"""

from gated.config.broker import BrokerSettings, Endpoint, UplinkSettings
from gated.config.collector import CollectorConfig, CollectorSettings
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
from gated.config.gate import (
    CheckSettings,
    ClockSettings,
    ClockSource,
    CredentialSettings,
    GateConfig,
    GateSettings,
    Language,
    LedgerSettings,
    PathSettings,
    VisitSettings,
)
from gated.config.secret import Secret, read_secret
from gated.config.temperature import (
    AmbientSettings,
    TemperatureSettings,
    ThermometerSettings,
    WhenNotJudged,
)

__all__ = [
    "AmbientSettings",
    "BrokerSettings",
    "BuzzerSettings",
    "CallStaffSettings",
    "Camera",
    "CheckSettings",
    "ClockSettings",
    "ClockSource",
    "CollectorConfig",
    "CollectorSettings",
    "ColourUse",
    "CredentialSettings",
    "Endpoint",
    "GateConfig",
    "GateSettings",
    "InputLine",
    "InputSettings",
    "LampSettings",
    "Language",
    "LedgerSettings",
    "OutputSettings",
    "PathSettings",
    "RelaySettings",
    "ScannerSettings",
    "Secret",
    "TemperatureSettings",
    "ThermometerSettings",
    "UplinkSettings",
    "VisitSettings",
    "VoiceDriver",
    "VoiceSettings",
    "WhenNotJudged",
    "read_secret",
]
