"""Reports and the state of the gates as text for a terminal or a message, and as JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from gated.collector.completeness import Gap
from gated.collector.report import Completeness, Counts, LaneReport, Report
from gated.collector.store import GateRow, Lane, Progress
from gated.collector.texts import Lang, say
from gated.vocabulary import Direction, Outcome, PassageResult

_SHOWN_PASSAGES = (PassageResult.HELD_OPEN, PassageResult.FORCED, PassageResult.UNKNOWN)


# --- the report ----------------------------------------------------------------------------------


def report_text(report: Report, lang: Lang, zone: tzinfo) -> str:
    """Return ``report`` as lines of text, one block for each lane."""
    made = report.made_at.astimezone(zone).isoformat(sep=" ", timespec="minutes")
    lines = [f"{_r('title', lang)} {report.day} ({report.timezone}) · {_r('made_at', lang)} {made}"]
    if not report.lanes:
        return "\n".join([*lines, _r("no_gates", lang)])
    for lane in report.lanes:
        lines += ["", *_lane_lines(lane, lang, zone)]
    if len(report.lanes) > 1:
        status = say("completeness", report.completeness, lang)
        lines += ["", f"{_r('total', lang)} · {status}"]
        lines += _indented(_count_lines(report.total, lang, report.completeness))
        if report.is_zero_report:
            lines.append(f"  {_r('zero_report', lang)}")
    return "\n".join(lines)


def _lane_lines(report: LaneReport, lang: Lang, zone: tzinfo) -> Iterator[str]:
    status = say("completeness", report.completeness, lang)
    yield f"{report.lane.site} / {report.lane.gate} · {status}"
    if report.completeness is Completeness.INCOMPLETE:
        yield f"  {_r('not_complete', lang)}"
        for gap in report.gaps:
            yield f"  ! {gap_text(gap, lang, zone)}"
    yield from _indented(_count_lines(report.counts, lang, report.completeness))
    if report.is_zero_report:
        nobody = not report.counts.visits.total()
        yield f"  {_r('zero_report_nobody' if nobody else 'zero_report', lang)}"


def _count_lines(counts: Counts, lang: Lang, completeness: Completeness) -> Iterator[str]:
    visits = _r("visits", lang)
    if completeness is Completeness.INCOMPLETE and not counts.visits.total():
        yield f"{visits}: {_r('none_received', lang)}"  # a zero would say too much
    else:
        yield from _visit_lines(counts, lang, completeness)
    passages = Counter({result: counts.passages[result] for result in _SHOWN_PASSAGES})
    for title, group, counter in (
        ("refusals", "reason", counts.refusals),
        ("releases", "release", counts.releases),
        ("passages", "passage", passages),
        ("alarms", "alarm", counts.alarms),
    ):
        found = [f"{say(group, key, lang)} {n}" for key, n in counter.most_common() if n]
        if found:
            yield f"{_r(title, lang)}: {' · '.join(found)}"
    for name, number in (
        ("to_measure", counts.to_measure),
        ("second_measurements", counts.second_measurements),
        ("would_have_been_refused", counts.would_have_been_refused),
        ("boots", counts.boots),
        ("undated_visits", counts.undated_visits),
        ("drills", counts.drills),
    ):
        if number:
            yield f"{_r(name, lang)}: {number}"


def _visit_lines(counts: Counts, lang: Lang, completeness: Completeness) -> Iterator[str]:
    is_all = completeness is Completeness.COMPLETE
    is_least = completeness is Completeness.INCOMPLETE
    least = f" ({_r('at_least', lang)})" if is_least else ""
    ways = [
        f"{say('direction', way, lang)} {counts.visits[way]}"
        for way in Direction
        if counts.visits[way] or (is_all and way is not Direction.UNKNOWN)
    ]
    outcomes = [
        f"{say('outcome', outcome, lang)} {counts.outcomes[outcome]}"
        for outcome in Outcome
        if counts.outcomes[outcome] or is_all
    ]
    yield f"{_r('visits', lang)}{least}: {' · '.join(ways) or 0}"
    if outcomes:
        yield f"  {' · '.join(outcomes)}"


def gap_text(gap: Gap, lang: Lang, zone: tzinfo) -> str:
    """Return why a lane is incomplete, with the time and the number that are known."""
    words = [say("gap", gap.reason, lang)]
    if gap.records is not None:
        words.append(f"{gap.records} {_r('records', lang)}")
    if gap.from_ms is not None:
        words.append(f"{_r('from', lang)} {_local(gap.from_ms, zone)}")
    if gap.to_ms is not None:
        words.append(f"{_r('to', lang)} {_local(gap.to_ms, zone)}")
    return " · ".join(words)


def report_json(report: Report) -> dict[str, Any]:
    """Return ``report`` for programs. Names as on the wire, never translated."""
    return {
        "day": report.day.isoformat(),
        "timezone": report.timezone,
        "made_at": report.made_at.astimezone(UTC).isoformat(timespec="seconds"),
        "completeness": report.completeness.value,
        "zero_report": report.is_zero_report,
        "total": _counts_json(report.total),
        "lanes": [
            {
                "site": lane.lane.site,
                "gate": lane.lane.gate,
                "completeness": lane.completeness.value,
                "zero_report": lane.is_zero_report,
                "gaps": [
                    {
                        "reason": gap.reason.value,
                        "from": _utc(gap.from_ms),
                        "to": _utc(gap.to_ms),
                        "records": gap.records,
                    }
                    for gap in lane.gaps
                ],
                "counts": _counts_json(lane.counts),
            }
            for lane in report.lanes
        ],
    }


def _counts_json(counts: Counts) -> dict[str, Any]:
    return {
        "visits": dict(counts.visits),
        "outcomes": dict(counts.outcomes),
        "refusals": dict(counts.refusals),
        "releases": dict(counts.releases),
        "passages": dict(counts.passages),
        "alarms": dict(counts.alarms),
        "to_measure": counts.to_measure,
        "second_measurements": counts.second_measurements,
        "would_have_been_refused": counts.would_have_been_refused,
        "boots": counts.boots,
        "drills": counts.drills,
        "undated_visits": counts.undated_visits,
        "undated_others": counts.undated_others,
        "findings": counts.findings,
    }


# --- the gates -----------------------------------------------------------------------------------


def gates_text(
    gates: Sequence[GateRow], chains: Mapping[Lane, Sequence[Progress]], lang: Lang, zone: tzinfo
) -> str:
    """Return each gate with each of its chains. ``chains`` is by lane, oldest first."""
    if not gates:
        return _g("none", lang)
    return "\n".join(
        line for gate in gates for line in _gate_lines(gate, chains[gate.lane], lang, zone)
    )


def _gate_lines(
    gate: GateRow, chains: Sequence[Progress], lang: Lang, zone: tzinfo
) -> Iterator[str]:
    online = _g("online" if gate.is_online else "offline", lang)
    seen = f"{_g('last_seen', lang)} {_local(gate.last_seen_ms, zone)}"
    words = [f"{gate.lane.site} / {gate.lane.gate}", online, seen]
    if gate.state is not None and gate.state.backlog is not None:
        words.append(f"{_g('backlog', lang)} {gate.state.backlog}")
    yield " · ".join(words)
    for progress in chains:
        holes = _holes(progress)
        text = ", ".join(f"{first}–{last}" for first, last in holes) or "0"
        yield (
            f"  {progress.chain.epoch}  {_g('stored_upto', lang)} {progress.upto}"
            f"  {_g('gaps', lang)} {text}"
        )
    if gate.problems:
        found = " · ".join(f"{say('problem', name, lang)} {n}" for name, n in gate.problems)
        yield f"  ! {_g('quarantine', lang)}: {found}"


def _holes(progress: Progress) -> list[tuple[int, int]]:
    holes, last = [], progress.upto
    for first, end in progress.have:
        holes.append((last + 1, first - 1))
        last = end
    return holes


def gate_json(gate: GateRow, chains: Sequence[Progress] = ()) -> dict[str, Any]:
    """Return one gate for programs and for the page."""
    state = gate.state
    progress = gate.chain
    return {
        "site": gate.lane.site,
        "gate": gate.lane.gate,
        "online": gate.is_online,
        "last_seen": _utc(gate.last_seen_ms),
        "last_record": gate.last_record_at,
        "epoch": None if progress is None else progress.chain.epoch,
        "upto": None if progress is None else progress.upto,
        "holes": [] if progress is None else _holes(progress),
        "backlog": None if state is None else state.backlog,
        "mode": None if state is None or state.mode is None else state.mode.value,
        "drill": None if state is None else state.drill,
        "devices": {} if state is None else state.devices,
        "threshold_c": None if state is None else state.threshold_c,
        "software": None if state is None else state.software,
        "problems": {name.value: count for name, count in gate.problems},
        "chains": [
            {"epoch": chain.chain.epoch, "upto": chain.upto, "holes": _holes(chain)}
            for chain in chains
        ],
    }


# --- words ---------------------------------------------------------------------------------------


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _r(key: str, lang: Lang) -> str:
    return say("report", key, lang)


def _g(key: str, lang: Lang) -> str:
    return say("gates", key, lang)


def _local(at_ms: int, zone: tzinfo) -> str:
    moment = datetime.fromtimestamp(at_ms / 1_000, tz=zone)
    return moment.isoformat(sep=" ", timespec="minutes")


def _utc(at_ms: int | None) -> str | None:
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1_000, tz=UTC).isoformat(timespec="milliseconds")
