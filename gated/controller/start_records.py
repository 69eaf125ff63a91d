"""The ledger as a controller opens it, and what is recorded about that, or when it began anew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from gated import __version__
from gated.clock import Clock
from gated.config import GateConfig
from gated.contents import AlarmContent, AlarmName, BootContent, Content
from gated.ledger.reader import LedgerReader
from gated.ledger.room import RoomLimits
from gated.ledger.writer import Ledger, Opened

BYTES_A_MB = 1_048_576
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def open_ledger(config: GateConfig, clock: Clock) -> Opened:
    """Open the gate's ledger. Raises: StorageError, saying what to do."""
    return Ledger.open(
        config.paths.state / "ledger.db",
        site=config.gate.site,
        gate=config.gate.name,
        clock=clock,
        software=__version__,
        keep_person_days=config.uplink.keep_person_days,
        limits=RoomLimits(
            max_bytes=config.ledger.max_bytes,
            min_free_bytes=config.ledger.min_free_mb * BYTES_A_MB,
        ),
    )


def newest_record(ledger: Ledger) -> datetime | None:
    """Return when the ledger's newest event was: the clock cannot have been earlier."""
    with contextlib.closing(LedgerReader(ledger.path)) as reader:
        return reader.newest_time()


def start_contents(opened: Opened) -> Iterator[Content]:
    """Yield what every start records."""
    yield boot_content(opened)
    if opened.how in {"recovered", "forked"}:
        yield ledger_alarm(opened)


def boot_content(opened: Opened) -> BootContent:
    return BootContent.model_validate(
        {
            "boot_id": BOOT_ID.read_text(encoding="ascii").strip(),
            "ledger": opened.how,
            "previous_epoch": opened.previous_epoch,
            "detail": opened.detail[:200],
        }
    )


def ledger_alarm(opened: Opened) -> AlarmContent:
    is_fork = opened.how == "forked"
    alarm = AlarmName.CHAIN_MISMATCH if is_fork else AlarmName.LEDGER_RECOVERED
    return AlarmContent(alarm=alarm, device="ledger", detail=opened.detail[:200])
