"""Diagnostics: what helps to find a fault from afar, in one small zip.

Only what is counted, measured or configured: no record, no code, no pseudonym, no key, and of log
lines and alarms nothing that somebody wrote into them. Everything comes from files, so the gate
makes the same bundle for the centre and for somebody who stands before it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import logging
import os
import platform
import re
import shutil
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend as openssl

from gated import __version__
from gated.carried import BUNDLE_FILE, MAX_BUNDLE_BYTES
from gated.clock import Clock
from gated.config import GateConfig
from gated.config.explain import masked
from gated.config.overlay import read_overlay
from gated.contents import CommandReason, Kind
from gated.controller.status import STATUS_FILE, write_atomically
from gated.errors import ConfigError, StorageError, WireError
from gated.ledger.mailbox import MailboxReader
from gated.ledger.reader import EventFilter, LedgerReader
from gated.units import MonoSeconds
from gated.wire import parse_json

log = logging.getLogger(__name__)

MIN_BETWEEN_S = 60.0
ALARM_DAYS = 7
_MOST_ALARMS = 2_000
_MOST_RECORDS = 50_000
"""The newest, of which alarms are counted: a week at a busy gate, and it must not take seconds."""
_MOST_ROWS = 300
_MOST_CHARS = 48_000
"""Of one file in the bundle: all of them together fit, however badly they compress."""
_ABOUT = """\
Diagnostics of a gate. 闸机诊断信息

status.json    the controller's own words, at most a second old 主控状态
versions.json  gated, Python, libraries, kernel 版本
config.toml    the configuration in force; secrets are hidden 当前配置(密钥已隐藏)
ledger.json    which records there are, how many wait, the last ack 记录与积压
machine.json   clock, disk, memory, load, temperatures 机器
alarms.json    how often each alarm came, by day and device, of the last 7 days 提醒次数
log.txt        the controller's newest log lines; every text that was filled in is "…" 日志

In none of them: names, numbers of persons, pseudonyms, passes, codes, keys, passwords.
其中不含姓名、证件号、化名、通行码、密钥和密码。
"""
_NO_LOG = "this process keeps no log; at the gate: journalctl -u gated-controller\n"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that lies where the uplink takes it."""

    size_bytes: int
    sha256: str  # hex


class Diagnostician:
    """Makes a bundle for the centre, at most one a minute. In the thread of commands.

    Args:
        config: returns the one in force.
        log_lines: returns the newest, without texts.
    """

    def __init__(
        self, config: Callable[[], GateConfig], clock: Clock, log_lines: Callable[[], Sequence[str]]
    ) -> None:
        self._config = config
        self._clock = clock
        self._log_lines = log_lines
        self._made_at = MonoSeconds(float("-inf"))

    def gather(self) -> Bundle | CommandReason:
        """Leave a bundle in the run folder, in the place of the one before; or return why not."""
        if self._clock.monotonic_s() - self._made_at < MIN_BETWEEN_S:
            return CommandReason.TOO_SOON
        self._made_at = self._clock.monotonic_s()
        config = self._config()
        data = make_bundle(config, self._clock, self._log_lines())
        try:
            write_atomically(config.paths.run / BUNDLE_FILE, data)
        except StorageError as exc:
            log.error("diagnostics: %s", exc)
            return CommandReason.NOT_WRITABLE
        return Bundle(len(data), hashlib.sha256(data).hexdigest())


def make_bundle(config: GateConfig, clock: Clock, log_lines: Sequence[str] | None) -> bytes:
    """Return the zip. What cannot be found out is said in its place; never raises for it.

    Args:
        config: the one in force.
        clock: for the age of things.
        log_lines: without texts; None: this process has none to give.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in _files(config, clock, log_lines):
            bundle.writestr(zipfile.ZipInfo(name), text[:_MOST_CHARS], zipfile.ZIP_DEFLATED)
    data = packed.getvalue()
    assert len(data) <= MAX_BUNDLE_BYTES  # noqa: S101  seven files of bounded length
    return data


def _files(
    config: GateConfig, clock: Clock, log_lines: Sequence[str] | None
) -> Iterator[tuple[str, str]]:
    yield "about.txt", _ABOUT
    yield "status.json", _text_of(config.paths.run / STATUS_FILE)
    yield "versions.json", _json(_versions())
    yield "config.toml", _config(config)
    yield "ledger.json", _json(_ledger(config.paths.state))
    yield "machine.json", _json(_machine(config.paths.state, clock))
    yield "alarms.json", _json(_alarms(config.paths.state, clock))
    yield "log.txt", _NO_LOG if log_lines is None else "\n".join(log_lines) + "\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _text_of(path: Path) -> str:
    """Return the text of a small file of ours or the kernel's; why not, if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_CHARS).decode(errors="replace").rstrip("\0\n") + "\n"
    except OSError as exc:
        return f"cannot be read: {exc.strerror}\n"


def _versions() -> Mapping[str, object]:
    distribution: Mapping[str, str] = {}
    with suppress(OSError):
        distribution = platform.freedesktop_os_release()
    kernel = os.uname()
    return {
        "gated": __version__,
        "python": platform.python_version(),
        "libraries": dict(_libraries()),
        "sqlite": sqlite3.sqlite_version,
        "openssl": openssl.openssl_version_text(),
        "libc": os.confstr("CS_GNU_LIBC_VERSION"),
        "kernel": f"{kernel.sysname} {kernel.release} {kernel.machine}",
        "system": distribution.get("PRETTY_NAME"),
        "board": _text_of(Path("/sys/firmware/devicetree/base/model")).strip(),
    }


def _libraries() -> Iterator[tuple[str, str | None]]:
    """Yield what gated needs, and which version is installed; none of them is loaded for it."""
    try:
        needed = importlib.metadata.requires("gated") or []
    except importlib.metadata.PackageNotFoundError:
        return
    for requirement in needed:
        name = re.match(r"[\w.-]+", requirement)
        if name is None or "extra ==" in requirement:
            continue
        try:
            yield name[0], importlib.metadata.version(name[0])
        except importlib.metadata.PackageNotFoundError:
            yield name[0], None


def _config(config: GateConfig) -> str:
    try:
        pushed = ", ".join(sorted(read_overlay(config.paths.state).values)) or "nothing"
    except ConfigError:
        pushed = "not readable"
    return f"# set from the centre: {pushed}\n{masked(config)}"


def _ledger(state: Path) -> Mapping[str, object]:
    path = state / "ledger.db"
    found: dict[str, object] = {}
    try:
        with closing(LedgerReader(path)) as reader:
            bounds = reader.bounds()
            found |= {
                "epoch": reader.identity().epoch,
                "oldest_seq": bounds.oldest_seq,
                "newest_seq": bounds.newest_seq,
                "acked_upto": reader.acked_upto(),
                "backlog": reader.backlog(),
                "mode_expires_at": reader.setting("mode_expires_at"),
            }
        with closing(MailboxReader(state / "uplink.db")) as mailbox:
            ack = mailbox.latest_ack()
        if ack is not None:
            last = {"upto": ack.upto, "at": ack.at, "collector": ack.collector, "epoch": ack.epoch}
            found["last_ack"] = last
    except StorageError as exc:
        found["trouble"] = str(exc)
    for name in ("ledger.db", "ledger.db-wal", "uplink.db"):
        with suppress(OSError):
            found[f"{name}_bytes"] = (state / name).stat().st_size
    return found


def _machine(state: Path, clock: Clock) -> Mapping[str, object]:
    found: dict[str, object] = {
        "now": clock.now().isoformat(timespec="seconds"),
        "boottime_s": clock.boottime_ms() // 1_000,
        "load": _text_of(Path("/proc/loadavg")).split()[:3],
        "memory": _text_of(Path("/proc/meminfo")).splitlines()[:5],
        "temperature_c": {zone.parent.name: _thousandth(zone) for zone in _thermal_zones()},
    }
    with suppress(OSError):
        disk = shutil.disk_usage(state)
        found["disk"] = {"total_bytes": disk.total, "free_bytes": disk.free}
    return found


def _thermal_zones() -> list[Path]:
    return sorted(Path("/sys/class/thermal").glob("thermal_zone*/temp"))


def _thousandth(path: Path) -> float | None:
    try:
        return int(_text_of(path)) / 1_000
    except ValueError:
        return None


def _alarms(state: Path, clock: Clock) -> object:
    """Return [day, alarm, device, how often], the newest day first; no detail: people wrote it."""
    counts: Counter[tuple[str, str, str]] = Counter()
    try:
        with closing(LedgerReader(state / "ledger.db")) as reader:
            wanted = EventFilter(
                kinds=frozenset({Kind.ALARM.value}),
                since=clock.now() - timedelta(days=ALARM_DAYS),
                after_seq=reader.bounds().newest_seq - _MOST_RECORDS,
                limit=_MOST_ALARMS,
                newest_first=True,
            )
            for event in reader.events(wanted):
                counts[event.at[:10], event.outcome or "", _device_of(event.body)] += 1
    except StorageError as exc:
        return {"trouble": str(exc)}
    newest_first = sorted(counts.items(), reverse=True)[:_MOST_ROWS]
    return [[*which, number] for which, number in newest_first]


def _device_of(body: bytes) -> str:
    try:
        device = parse_json(body).get("device")
    except WireError:
        return "damaged"
    return device if isinstance(device, str) else ""
