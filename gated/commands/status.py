"""``gated status``: how this gate is doing, on one screen. Reads only; changes nothing."""

from __future__ import annotations

import argparse
import json
import shutil
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gated.errors import StorageError

if TYPE_CHECKING:
    from gated.clock import Clock
    from gated.config import GateConfig
    from gated.facts.running import ControllerStatus, Silent
    from gated.facts.status import AlarmSeen, GateStatus, LedgerFacts
    from gated.ledger.reader import LedgerReader, StoredEvent

HELP = "how this gate is doing, on one screen 闸机状态"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code: 0 all is well, 1 something is wrong (it says what), 69 not running."
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="default: $GATED_CONFIG, or /etc/gated/gated.toml",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.commands.status_output import as_json, exit_code, screen
    from gated.config.load import default_file, load_gate
    from gated.texts import cli_language

    path = args.config or default_file()
    status = gather(load_gate(path), path, SystemClock())
    if args.json:
        print(json.dumps(as_json(status), ensure_ascii=False, indent=2))
    else:
        print("\n".join(screen(status, cli_language())))
    return int(exit_code(status))


def gather(config: GateConfig, config_file: Path, clock: Clock) -> GateStatus:
    """Return how the gate of ``config`` is doing. Never raises for what it finds missing."""
    from gated.facts.running import read_running
    from gated.facts.status import GateStatus

    zone = ZoneInfo(config.gate.timezone)
    now = clock.now().astimezone(zone)
    state = config.paths.state
    trouble: list[str] = []
    is_hidden = False
    controller: ControllerStatus | Silent | None = None
    try:
        controller = read_running(config.paths.run, clock)
    except StorageError as exc:
        trouble.append(_in_words(exc))
        is_hidden = isinstance(exc.__cause__, PermissionError)
    ledger = None
    try:
        ledger = _read_ledger(state / "ledger.db", now, zone)
    except StorageError as exc:
        trouble.append(_in_words(exc))
    acked_at, took_ms = None, None
    try:
        acked_at, took_ms = _read_ack(state / "uplink.db", zone)
    except StorageError as exc:
        trouble.append(_in_words(exc))
    return GateStatus(
        site=config.gate.site,
        gate=config.gate.name,
        now=now,
        config_file=config_file,
        controller=controller,
        ledger=ledger,
        acked_at=acked_at,
        took_ms=took_ms,
        free_bytes=_free_bytes(state),
        min_free_bytes=config.ledger.min_free_mb * 2**20,
        max_bytes=config.ledger.max_bytes,
        trouble=tuple(trouble),
        serial=tuple(scanner.name for scanner in config.scanner.serial),
        is_hidden=is_hidden,
    )


def _read_ledger(path: Path, now: datetime, zone: ZoneInfo) -> LedgerFacts:
    from gated.facts.status import FAULTS, LedgerFacts
    from gated.ledger.reader import LedgerReader

    with closing(LedgerReader(path)) as reader:
        bounds = reader.bounds()
        backlog = reader.backlog()
        waiting = reader.after(reader.acked_upto(), 1) if backlog else []
        return LedgerFacts(
            epoch=reader.identity().epoch,
            events=max(0, bounds.newest_seq - bounds.oldest_seq + 1),
            counts=reader.counts(now.date(), zone),
            backlog=backlog,
            waits_since=_moment(waiting[0].at, zone) if waiting else None,
            last_alarm=_newest_alarm(reader, frozenset()),
            last_fault=_newest_alarm(reader, frozenset(name.value for name in FAULTS)),
            mode_until=_moment(reader.setting("mode_expires_at") or "", zone),
            size_bytes=sum(
                file.stat().st_size
                for file in (path, path.with_name(f"{path.name}-wal"))
                if file.exists()
            ),
        )


def _newest_alarm(reader: LedgerReader, names: frozenset[str]) -> AlarmSeen | None:
    from gated.contents import Kind
    from gated.ledger.reader import EventFilter

    wanted = EventFilter(
        kinds=frozenset({Kind.ALARM.value}), outcomes=names, limit=1, newest_first=True
    )
    event = next(reader.events(wanted), None)
    return None if event is None else _alarm_of(event)


def _alarm_of(event: StoredEvent) -> AlarmSeen:
    from gated.commands.ledger_output import printable
    from gated.errors import WireError
    from gated.facts.status import AlarmSeen
    from gated.wire import parse_json

    try:
        body = parse_json(event.body)
    except WireError:  # damaged; `gated ledger verify` names it
        body = {}
    device, detail = body.get("device"), body.get("detail")
    return AlarmSeen(
        at=event.at,
        name=event.outcome or "",
        device=printable(device) if isinstance(device, str) else None,
        visit_id=event.visit_id,
        detail=printable(detail) if isinstance(detail, str) else "",
    )


def _read_ack(path: Path, zone: ZoneInfo) -> tuple[datetime | None, int | None]:
    from gated.ledger.mailbox import MailboxReader

    with closing(MailboxReader(path)) as mailbox:
        ack, took_ms = mailbox.latest_ack(), mailbox.latest_took_ms()
    return None if ack is None else _moment(ack.at, zone), took_ms


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # no such folder yet; what could not be read in it is said anyway
        return None


def _in_words(exc: StorageError) -> str:
    is_refused = isinstance(exc.__cause__, PermissionError)
    return f"{exc}; use sudo, or an account in the gate's group" if is_refused else str(exc)


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    """Return an RFC 3339 time in ``zone``; None for what is none (a damaged record)."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(zone) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
