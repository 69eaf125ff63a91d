"""How often the controller has crashed lately: it counts itself, from one start to the next.

A start that finds the last one's mark still there follows a crash: a kill, a watchdog's abort, a
segmentation fault, a defect (exit 70). The count lies in the service's run folder, which a power
cut or a restart of the machine empties: neither is a crash. A stop that was asked for begins anew.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from gated.clock import Clock
from gated.controller.status import write_atomically
from gated.errors import ExitCode, GatedError, StorageError
from gated.texts import Pair

log = logging.getLogger(__name__)

CRASHES_FILE = "controller.crashes"
SAFE_AFTER = 5
WITHIN_S = 600.0
RETRY_AFTER_S = 1_800.0
"""In safe mode, until a normal start is tried again: it may have been the weather."""
SAYS_WHAT_IT_LACKS = frozenset({ExitCode.UNAVAILABLE, ExitCode.IO, ExitCode.CONFIG})
"""Ends that are no crash and no stop either: tried again, and told in the log."""
_MAX_KEPT = 100


class _Noted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    crashes_ms: tuple[int, ...] = ()  # CLOCK_BOOTTIME at the start after each
    is_running: bool = False


def counted(run: Callable[[int], int], clock: Clock, folder: Path | None = None) -> int:
    """Return ``run(crashes)``, with the crashes of the last ``WITHIN_S``; note how it ends.

    ``folder``: by default the service's; 0 crashes where nobody has one, as by hand.
    """
    if folder is None:
        named = os.environ.get("RUNTIME_DIRECTORY")  # systemd.exec(5)
        if not named:
            return run(0)
        folder = Path(named)
    path = folder / CRASHES_FILE
    crashes_ms = _begin(path, clock)
    try:
        code = run(len(crashes_ms))
    except GatedError as exc:
        _end(path, crashes_ms, exc.exit_code)
        raise
    _end(path, crashes_ms, code)
    return code


def _begin(path: Path, clock: Clock) -> tuple[int, ...]:
    noted, now_ms = _read(path), clock.boottime_ms()
    crashes_ms = (*noted.crashes_ms, now_ms) if noted.is_running else noted.crashes_ms
    oldest_ms = now_ms - WITHIN_S * 1_000
    crashes_ms = tuple(ms for ms in crashes_ms if oldest_ms <= ms <= now_ms)[-_MAX_KEPT:]
    _write(path, _Noted(crashes_ms=crashes_ms, is_running=True))
    return crashes_ms


def _end(path: Path, crashes_ms: tuple[int, ...], code: int) -> None:
    if code == ExitCode.OK:
        path.unlink(missing_ok=True)
    elif code in SAYS_WHAT_IT_LACKS:
        _write(path, _Noted(crashes_ms=crashes_ms))


def _read(path: Path) -> _Noted:
    try:
        return _Noted.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return _Noted()
    except (OSError, ValidationError) as exc:
        log.warning("%s is begun anew: %s", path, str(exc).splitlines()[0])
        return _Noted()


def _write(path: Path, noted: _Noted) -> None:
    try:
        write_atomically(path, noted.model_dump_json().encode())
    except StorageError as exc:
        log.warning("crashes are not counted: %s", exc)


def sentence(crashes: int) -> Pair:
    """Return what safe mode is, and the way out of it."""
    within, retry, unit = f"{WITHIN_S / 60:g}", f"{RETRY_AFTER_S / 60:g}", "gated-controller"
    return (
        (
            f"安全模式：主控 {within} 分钟内崩溃 {crashes} 次，无人能进。"
            f"查看 journalctl -u {unit}，再 sudo systemctl restart {unit}"
            f"（{retry} 分钟后也会自动重试）"
        ),
        (
            f"safe mode: the controller crashed {crashes} times within {within} min, nobody "
            f"enters: see journalctl -u {unit}, then sudo systemctl restart {unit} (after "
            f"{retry} min it tries again by itself)"
        ),
    )
