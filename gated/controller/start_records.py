"""What is recorded about the ledger when a controller starts, or when it was begun anew."""

from __future__ import annotations

from pathlib import Path

from gated.contents import AlarmContent, AlarmName, BootContent
from gated.ledger.writer import Opened

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


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
