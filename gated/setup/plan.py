"""What a new gate's files will hold: everything is checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gated.config.doubts import warnings
from gated.config.gate import GateConfig
from gated.config.load import parse_gate, refuse, validate
from gated.config.writing import commented
from gated.controller.driver_keys import ask_drivers
from gated.credentials.pseudonym import new_site_key, parse_site_key
from gated.credentials.trust import parse_key_file
from gated.errors import ConfigError
from gated.mqtt.certificates import parse_certificates
from gated.sensors.calibration import FOLDER as CALIBRATIONS
from gated.sensors.calibration import Calibration

PASSWORD_FILE, SITE_KEY_FILE, TRUST_FOLDER = "mqtt.password", "site.key", "trust"
CA_FILE, CERTIFICATE_FILE, KEY_FILE = "ca.pem", "gate.pem", "gate.key"
PLATFORM_CA_FILE = "platform-ca.pem"
"""Beside the configuration, unless it names other places."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for, unread."""

    tables: Mapping[str, Any]  # of gated.toml: what is not said stays at its default
    mqtt_password: str | None = field(default=None, repr=False)
    site_key: str | None = field(default=None, repr=False)
    ca: bytes | None = None
    trust: Mapping[str, bytes] = field(default_factory=dict)
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    platform_ca: bytes | None = None
    calibrations: Mapping[str, bytes] = field(default_factory=dict)
    recordings: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of the gate's."""

    path: Path
    data: bytes = field(repr=False)
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be written, in this order."""

    config: GateConfig
    files: tuple[PlannedFile, ...]
    doubts: tuple[str, ...]
    makes_site_key: bool

    @property
    def config_file(self) -> Path:
        return self.files[-1].path


def plan(wishes: Wishes, config_file: Path, origin: str) -> Plan:
    """Return what to write for ``wishes``. Reads what is there, writes nothing.

    Args:
        wishes: what was asked for.
        config_file: where the configuration will be.
        origin: what errors call the wishes.

    Raises: ConfigError: listing everything that is wrong.
    """
    tables = _with_places(wishes, config_file.parent)
    found = validate(GateConfig, tables)
    faults = list(found) if isinstance(found, tuple) else list(ask_drivers(found)[0])
    faults += _faults_of_files(wishes)
    if faults or isinstance(found, tuple):
        refuse(faults, origin)
    text = commented(tables)
    config = parse_gate(text, str(config_file))
    site_key = None if wishes.site_key is None else f"{wishes.site_key.strip()}\n".encode()
    makes_site_key = site_key is None and not config.credentials.site_key_file.exists()
    files = [
        *_files(wishes, config, new_site_key() if makes_site_key else site_key),
        PlannedFile(config_file, text.encode()),
    ]
    doubts = warnings(config, ask_drivers(config)[1])
    return Plan(config, tuple(files), tuple(doubts), makes_site_key)


def with_key(tables: Mapping[str, Any], section: str, name: str, value: str) -> dict[str, Any]:
    """Return ``tables`` with one key set."""
    changed = deepcopy(dict(tables))
    table = changed.setdefault(section, {})
    if isinstance(table, dict):  # else the configuration's own error says so
        table[name] = value
    return changed


def is_plain_name(name: str) -> bool:
    """Return whether ``name`` can only be a file in the folder that it is looked for in."""
    return name.isprintable() and Path(name).name == name and not name.startswith(".")


def _with_places(wishes: Wishes, folder: Path) -> dict[str, Any]:
    """Return the tables with the places of the files that come along."""
    tables = deepcopy(dict(wishes.tables))
    places = {
        ("credentials", "site_key_file"): folder / SITE_KEY_FILE,
        ("credentials", "trust"): folder / TRUST_FOLDER,
    }
    if wishes.mqtt_password is not None:
        places["uplink", "password_file"] = folder / PASSWORD_FILE
    if wishes.ca is not None:
        places["uplink", "ca_file"] = folder / CA_FILE
    if wishes.platform_ca is not None:
        places["verifier", "ca_file"] = folder / PLATFORM_CA_FILE
    if wishes.certificate is not None:
        places["uplink", "cert_file"] = folder / CERTIFICATE_FILE
        places["uplink", "key_file"] = folder / KEY_FILE
    for (section, name), path in places.items():
        table = tables.setdefault(section, {})
        if isinstance(table, dict):  # else the configuration's own error says so
            table.setdefault(name, str(path))
    return tables


def _faults_of_files(wishes: Wishes) -> Iterator[str]:
    """Yield what is wrong with what comes along."""
    try:
        if wishes.site_key is not None:
            parse_site_key(wishes.site_key.encode(), "(站点密钥)")
        if wishes.ca is not None:
            parse_certificates(wishes.ca, CA_FILE)
    except ConfigError as exc:
        yield str(exc)
    for name, data in wishes.calibrations.items():
        try:
            Calibration.model_validate_json(data)
        except ValueError:
            yield f"calibrations/{name}: no calibration (标定文件已损坏)"
    if wishes.mqtt_password is not None and not wishes.mqtt_password.strip():
        yield "the MQTT password is empty (MQTT 密码为空)"
    for name, data in wishes.trust.items():
        keys = parse_key_file(data, name)
        if not is_plain_name(name):
            yield f"{name!a} is not a plain file name (文件名无效)"
        elif keys.has_private_key:
            yield (
                f"{name} holds a private key, which stays with whoever signs: take the public one, "
                "NAME.jwks.json (私钥不得放在闸机上)"
            )
        elif not keys.keys:
            yield f"{name} has no key that can be used: {'; '.join(keys.problems)} (没有可用的公钥)"


def _files(wishes: Wishes, config: GateConfig, site_key: bytes | None) -> Iterator[PlannedFile]:
    uplink, credentials = config.uplink, config.credentials
    for name, data in wishes.calibrations.items():
        yield PlannedFile(config.paths.state / CALIBRATIONS / name, data)
    if config.outputs.voice is not None:
        for name, data in wishes.recordings.items():
            yield PlannedFile(config.outputs.voice.folder / name, data)
    if wishes.platform_ca is not None and config.verifier.ca_file is not None:
        yield PlannedFile(config.verifier.ca_file, wishes.platform_ca)
    for name, data in wishes.trust.items():
        yield PlannedFile(credentials.trust / name, data)
    if site_key is not None:
        yield PlannedFile(credentials.site_key_file, site_key, is_secret=True)
    if wishes.mqtt_password is not None and uplink.password_file is not None:
        password = f"{wishes.mqtt_password.strip()}\n".encode()
        yield PlannedFile(uplink.password_file, password, is_secret=True)
    if wishes.ca is not None and uplink.ca_file is not None:
        yield PlannedFile(uplink.ca_file, wishes.ca)
    if wishes.key is not None and uplink.key_file is not None:
        yield PlannedFile(uplink.key_file, wishes.key, is_secret=True)
    if wishes.certificate is not None and uplink.cert_file is not None:
        yield PlannedFile(uplink.cert_file, wishes.certificate)
