"""What ``gated status`` knows about a gate: values that it gathers, then shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gated.contents import AlarmName
from gated.facts.running import ControllerStatus, Silent

FAULTS = (
    AlarmName.DEVICE_LOST,
    AlarmName.SCANNER_LOST,
    AlarmName.LEDGER_RECOVERED,
    AlarmName.LEDGER_FULL,
    AlarmName.CHAIN_MISMATCH,
    AlarmName.COMMAND_REFUSED,
    AlarmName.PASSAGE_FORCED,
    AlarmName.HELD_OPEN,
    AlarmName.CERTIFICATE_EXPIRING,
    AlarmName.CERTIFICATE_REFUSED,
    AlarmName.SAFE_MODE,
)
"""Alarms about the gate; the others are about a person, or say that something works again."""


@dataclass(frozen=True, slots=True)
class AlarmSeen:
    """One alarm of the ledger."""

    at: str  # RFC 3339, as recorded
    name: str
    device: str | None
    visit_id: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What the ledger says. Counts are of today, by (kind, outcome), drills left out."""

    epoch: str
    events: int
    counts: Mapping[tuple[str, str], int]
    backlog: int
    waits_since: datetime | None  # the oldest event that is not acknowledged
    last_alarm: AlarmSeen | None
    last_fault: AlarmSeen | None
    mode_until: datetime | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class GateStatus:
    """Everything that the screen shows. ``None`` stands for what cannot be known now."""

    site: str
    gate: str
    now: datetime  # in the gate's time zone
    config_file: Path
    controller: ControllerStatus | Silent | None
    ledger: LedgerFacts | None
    acked_at: datetime | None
    took_ms: int | None  # from the newest record's commit to its acknowledgement
    free_bytes: int | None
    min_free_bytes: int
    max_bytes: int
    trouble: tuple[str, ...] = ()  # what could not be read, and what to do
    serial: tuple[str, ...] = ()  # names of the serial scanners
    is_hidden: bool = False  # this account may not look at the controller
