"""How ``gated collector status`` and ``gaps`` answer: one screen, or JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from gated.errors import ExitCode

if TYPE_CHECKING:
    from gated.collector.archive import Archive
    from gated.collector.gaps import NumberGap
    from gated.collector.overview import Overview
    from gated.collector.store import GateRow, Reader
    from gated.collector.texts import Lang

Pair = tuple[str, str]

_GATES: Pair = ("闸机", "gates")
_ONLINE: Pair = ("在线", "online")
_NEWEST: Pair = ("最近一条记录", "newest record")
_AGO: Pair = ("前", " ago")
_NONE: Pair = ("尚无", "none yet")
_BACKLOG: Pair = ("闸机待传", "waiting in the gates")
_QUARANTINE: Pair = ("隔离区", "quarantine")
_ALARMS: Pair = ("未解除的提醒", "open alarms")
_WEBHOOK: Pair = ("待推送的提醒", "alarms that wait for the webhook")
_SINCE: Pair = ("自", "since")
_FINE: Pair = ("一切正常", "all is well")
_LOOK: Pair = ("需要查看", "something needs a look")
_NO_GAPS: Pair = ("没有缺口", "nothing is missing")
_STATES: dict[str, Pair] = {
    "awaited": ("等待补传", "awaited"),
    "lost": ("已丢失", "lost"),
    "flawed": ("不可信", "flawed"),
}
_SPANS = ((86_400, ("天", " d")), (3_600, ("小时", " h")), (60, ("分钟", " min")))


def status(
    args: argparse.Namespace, reader: Reader, archive: Archive, undelivered: int, now: datetime
) -> int:
    """Print the overview; return FAILED if something needs a look."""
    from gated.collector.overview import overview

    with reader.snapshot():
        gates = reader.gates()
    found = overview(gates, archive.last_alarms(), archive.newest_received_ms(), undelivered)
    if args.json:
        print(json.dumps(_status_json(found, now), ensure_ascii=False, indent=2))
    else:
        print("\n".join(_status_lines(found, now, args.lang)))
    return int(ExitCode.OK if found.is_fine else ExitCode.FAILED)


def _status_lines(found: Overview, now: datetime, lang: Lang) -> Iterator[str]:
    from gated.collector.texts import say as named

    online = len(found.gates) - len(found.offline)
    yield _line(_GATES, f"{len(found.gates)}, {online} {_say(_ONLINE, lang)}", lang)
    for gate in found.gates:
        yield f"  {_gate_line(gate, now, lang)}"
    newest = found.newest_received_ms
    yield _line(_NEWEST, _say(_NONE, lang) if newest is None else _ago(newest, now, lang), lang)
    yield _line(_BACKLOG, str(found.backlog), lang)
    counts = (
        f"{named('problem', name, lang)} {count}" for name, count in found.quarantined.items()
    )
    yield _line(_QUARANTINE, " · ".join(counts) or "0", lang)
    yield _line(_ALARMS, str(len(found.open_alarms)), lang)
    for alarm in found.open_alarms:
        words = [f"{alarm.lane.site}/{alarm.lane.gate}", named("alarm", alarm.alarm, lang)]
        yield "  ! " + " · ".join(
            [*words, *filter(None, [alarm.device]), f"{_say(_SINCE, lang)} {alarm.at}"]
        )
    if found.undelivered:
        yield _line(_WEBHOOK, str(found.undelivered), lang)
    yield _say(_FINE if found.is_fine else _LOOK, lang)


def _gate_line(gate: GateRow, now: datetime, lang: Lang) -> str:
    from gated.collector.texts import say as named

    words = [
        f"{gate.lane.site}/{gate.lane.gate}",
        named("gates", "online" if gate.is_online else "offline", lang),
        _ago(gate.last_seen_ms, now, lang),
    ]
    state = gate.state
    if state is not None:
        if state.backlog is not None:
            words.append(f"{_say(_BACKLOG, lang)} {state.backlog}")
        if state.mode is not None:
            words.append(named("mode", state.mode.value, lang))
    return " · ".join(words)


def _status_json(found: Overview, now: datetime) -> dict[str, Any]:
    from gated.collector.render import gate_json

    newest = found.newest_received_ms
    return {
        "at": _utc(round(now.timestamp() * 1_000)),
        "fine": found.is_fine,
        "gates": [gate_json(gate) for gate in found.gates],
        "offline": [f"{lane.site}/{lane.gate}" for lane in found.offline],
        "newest_record_received_at": _utc(newest),
        "newest_record_age_s": None if newest is None else _age_s(newest, now),
        "backlog": found.backlog,
        "quarantine": {name.value: count for name, count in found.quarantined.items()},
        "open_alarms": [
            {
                "site": alarm.lane.site,
                "gate": alarm.lane.gate,
                "alarm": alarm.alarm,
                "device": alarm.device,
                "since": alarm.at,
            }
            for alarm in found.open_alarms
        ],
        "undelivered_alarms": found.undelivered,
    }


def gaps(args: argparse.Namespace, reader: Reader, zone: tzinfo) -> int:
    """Print what is missing; return FAILED if anything is."""
    from gated.collector.gaps import number_gaps

    with reader.snapshot():
        found = [
            gap
            for gate in reader.gates()
            for gap in number_gaps(reader.evidence(gate.lane), reader.chains(gate.lane), gate)
        ]
    if args.json:
        print(json.dumps([_gap_json(gap) for gap in found], ensure_ascii=False, indent=2))
    else:
        print("\n".join(_gap_lines(found, args.lang, zone)))
    return int(ExitCode.FAILED if found else ExitCode.OK)


def _gap_lines(found: Sequence[NumberGap], lang: Lang, zone: tzinfo) -> Iterator[str]:
    if not found:
        yield _say(_NO_GAPS, lang)
    for gap in found:
        chain = gap.chain
        numbers = f"{gap.first_seq}–{gap.last_seq}" if gap.records > 1 else str(gap.first_seq)
        span = f"{_local(gap.after_ms, zone)} … {_local(gap.before_ms, zone)}"
        state = _say(_STATES[gap.state], lang) + (f" ({gap.detail})" if gap.detail else "")
        place = f"{chain.site}/{chain.gate}  {chain.epoch}"
        yield f"{place}  {numbers} ({gap.records})  {span}  {state}"


def _gap_json(gap: NumberGap) -> dict[str, Any]:
    return {
        "site": gap.chain.site,
        "gate": gap.chain.gate,
        "epoch": gap.chain.epoch,
        "first_seq": gap.first_seq,
        "last_seq": gap.last_seq,
        "records": gap.records,
        "after": _utc(gap.after_ms),
        "before": _utc(gap.before_ms),
        "state": gap.state.value,
        "problem": gap.detail or None,
    }


# --- words and times -----------------------------------------------------------------------------


def _say(pair: Pair, lang: Lang) -> str:
    return pair[0] if lang == "zh" else pair[1]


def _line(title: Pair, value: str, lang: Lang) -> str:
    return f"{_say(title, lang)}: {value}"


def _age_s(at_ms: int, now: datetime) -> float:
    return max(0.0, round(now.timestamp() - at_ms / 1_000, 1))


def _ago(at_ms: int, now: datetime, lang: Lang) -> str:
    age_s = _age_s(at_ms, now)
    for span_s, unit in _SPANS:
        if age_s >= span_s:
            return f"{age_s // span_s:.0f}{_say(unit, lang)}{_say(_AGO, lang)}"
    return f"{age_s:.0f}{_say(('秒', ' s'), lang)}{_say(_AGO, lang)}"


def _utc(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1_000, tz=UTC).isoformat(timespec="milliseconds")


def _local(at_ms: int | None, zone: tzinfo) -> str:
    if at_ms is None:
        return "?"
    return datetime.fromtimestamp(at_ms / 1_000, tz=zone).isoformat(sep=" ", timespec="seconds")
