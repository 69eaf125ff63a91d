"""A gate's configuration without its identity, in one file: to make, and to read.

Nothing in it lets anybody in or signs in anywhere: no key, no password, no record, no list.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gated.config.explain import dump_tables
from gated.config.gate import GateConfig
from gated.config.load import parse_gate, parse_toml, read_text
from gated.credentials.trust import MAX_FILE_BYTES, parse_key_file
from gated.errors import ConfigError
from gated.sensors.calibration import FOLDER as CALIBRATIONS
from gated.setup.file import read_beside
from gated.setup.plan import (
    CA_FILE,
    PLATFORM_CA_FILE,
    SITE_KEY_FILE,
    TRUST_FOLDER,
    Wishes,
    is_plain_name,
)

ABOUT, TABLES = "about.txt", "setup.toml"
MAX_FILES = 2_000
MAX_BYTES = 128 * 2**20
_IDENTITY = {
    "gate": ("name",),
    "uplink": ("user", "password_file", "cert_file", "key_file", "ca_file"),
    "verifier": ("ca_file",),
}
"""Who this gate is, and where files lie that are put back where a gate of that name has them."""
_PLACES = {
    "trust": re.compile(r"trust/([^/]+)"),
    "calibrations": re.compile(r"calibrations/([a-z0-9][a-z0-9_.-]{0,50}\.json)"),
    "recordings": re.compile(r"voice/((?:zh-Hans|en)/[a-z_]{1,40}\.wav)"),
}
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
_ABOUT_TEXT = """\
A gate's configuration without its identity: gated backup. 闸机配置备份(不含身份)

setup.toml    what its gated.toml says, but for its name and its credentials 配置
trust/        public keys of issuers and of the centre's commands 公钥
ca.pem, platform-ca.pem    CAs of broker and platform CA 证书
calibrations/ of the thermometers, each bound to its chip 标定
voice/        the site's own recordings 自录语音

Not in it: keys, passwords, certificates of the gate, the ledger, records, lists of persons, of
duty and of revoked passes, what the centre has set from afar.
不含：密钥、密码、闸机证书、台账、记录、人员名单、值班与作废名单、中心远程设置的值。

Back: gated restore FILE --gate NAME 恢复
"""


@dataclass(frozen=True, slots=True)
class Backup:
    """What was put together. ``left_out``: files that the configuration names and that stay."""

    data: bytes = field(repr=False)
    names: tuple[str, ...]
    left_out: tuple[Path, ...]


def make_backup(config_file: Path, root: Path = Path("/")) -> Backup:
    """Return the backup of the gate that is configured in ``config_file``.

    Args:
        config_file: as the gate calls it.
        root: where the gate's card is mounted.

    Raises: ConfigError: the configuration or a file of it cannot be read.
    """
    card = _Card(root)
    file = card.path(config_file)
    text = read_text(file)
    config = parse_gate(text, str(file))
    tables = without_identity(parse_toml(text, str(file)), config_file.parent)
    members = {ABOUT: _ABOUT_TEXT.encode(), TABLES: dump_tables(tables).encode()}
    members |= {name: read_beside(path) for name, path in card.files(config)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in members.items():
            bundle.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return Backup(packed.getvalue(), tuple(members), tuple(card.left_out(config)))


def without_identity(tables: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return ``tables`` without who the gate is; ``folder``: where its configuration lies."""
    left = deepcopy(dict(tables))
    for section, names in _IDENTITY.items():
        for name in names:
            left.get(section, {}).pop(name, None)
    credentials = left.get("credentials", {})
    for name, place in (("site_key_file", SITE_KEY_FILE), ("trust", TRUST_FOLDER)):
        if credentials.get(name) == str(folder / place):
            del credentials[name]  # where every gate has it
    return {section: table for section, table in left.items() if table}


@dataclass(frozen=True, slots=True)
class _Card:
    """A gate's files: of this machine, or of a card that is mounted somewhere."""

    root: Path

    def path(self, path: Path) -> Path:
        return self.root / path.relative_to("/") if path.is_absolute() else path

    def files(self, config: GateConfig) -> Iterator[tuple[str, Path]]:
        """Yield (name in the backup, file) of everything that goes beside the configuration."""
        if config.uplink.ca_file is not None:
            yield CA_FILE, self.path(config.uplink.ca_file)
        if config.verifier.ca_file is not None:
            yield PLATFORM_CA_FILE, self.path(config.verifier.ca_file)
        for path in _inside(self.path(config.credentials.trust).glob("*")):
            keys = parse_key_file(read_beside(path), path.name)
            if keys.keys and not keys.has_private_key:
                yield f"trust/{path.name}", path
        for path in _inside((self.path(config.paths.state) / CALIBRATIONS).glob("*.json")):
            yield f"calibrations/{path.name}", path
        if config.outputs.voice is not None:
            folder = self.path(config.outputs.voice.folder)
            for path in _inside(folder.glob("*/*.wav")):
                yield f"voice/{path.relative_to(folder)}", path

    def left_out(self, config: GateConfig) -> Iterator[Path]:
        """Yield the files that the configuration names and that are not for another gate."""
        credentials, uplink = config.credentials, config.uplink
        for path in (
            credentials.site_key_file,
            uplink.password_file,
            uplink.cert_file,
            uplink.key_file,
            config.verifier.key_file,
            credentials.persons_list_file,
            credentials.duty_list_file,
            credentials.revocation_file,
            credentials.revocations,
        ):
            if path is not None and self.path(path).exists():
                yield path


def _inside(found: Iterable[Path]) -> Iterator[Path]:
    """Yield the files of a folder, without what is being written there."""
    yield from (path for path in sorted(found) if path.is_file() and is_plain_name(path.name))


def read_backup(path: Path) -> Wishes:
    """Return what the backup at ``path`` asks for; the gate's name is still missing.

    Raises: ConfigError: it is none, or holds what no backup does.
    """
    members = _unpack(path)
    if TABLES not in members:
        raise ConfigError(f"{path}: no backup of a gate: {TABLES} is missing (不是闸机备份)")
    try:
        text = members.pop(TABLES).decode()
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}, {TABLES}: not UTF-8 (备份已损坏)") from exc
    members.pop(ABOUT, None)
    ca, platform_ca = members.pop(CA_FILE, None), members.pop(PLATFORM_CA_FILE, None)
    found: dict[str, dict[str, bytes]] = {what: {} for what in _PLACES}
    for name, data in members.items():
        for what, place in _PLACES.items():
            if match := place.fullmatch(name):
                found[what][match[1]] = data
                break
        else:
            raise ConfigError(f"{path}: {name!a} is in no backup of a gate (含有不该有的文件)")
    return Wishes(
        tables=parse_toml(text, f"{path}, {TABLES}"),
        ca=ca,
        platform_ca=platform_ca,
        trust=found["trust"],
        calibrations=found["calibrations"],
        recordings=found["recordings"],
    )


def _unpack(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            # Before anything is unpacked; a part never unpacks to more than it says: zipfile stops.
            size = sum(member.file_size for member in members)
            largest = max((member.file_size for member in members), default=0)
            if len(members) > MAX_FILES or size > MAX_BYTES or largest > MAX_FILE_BYTES:
                raise ConfigError(f"{path}: larger than any backup of a gate (文件过大)")
            return {member.filename: archive.read(member) for member in members}
    except FileNotFoundError as exc:
        raise ConfigError(f"{path} is missing (文件不存在)") from exc
    except _BAD_ZIP as exc:
        raise ConfigError(f"{path}: cannot be read as a backup: {exc} (备份已损坏)") from exc


def with_backup(claimed: Wishes, backup: Wishes) -> Wishes:
    """Return what a claim gave, with the configuration of a backup in place of the centre's.

    Identity, broker and secrets are the centre's, and its keys count as well.
    """
    gate = {**backup.tables.get("gate", {}), **_identity_in(claimed)}
    tables = {**backup.tables, "gate": gate, "uplink": claimed.tables["uplink"]}
    return replace(
        claimed,
        tables=tables,
        trust={**backup.trust, **claimed.trust},
        platform_ca=backup.platform_ca,
        calibrations=backup.calibrations,
        recordings=backup.recordings,
    )


def _identity_in(wishes: Wishes) -> dict[str, Any]:
    return {name: wishes.tables["gate"][name] for name in ("site", "name")}
