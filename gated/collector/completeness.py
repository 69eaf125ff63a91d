"""For which times nothing can be missing: the reasoning behind every zero in a report. Pure.

A gate numbers its events without a hole. Two stored events with everything between them stored
prove the time between them: whatever happened then is there. What is not proven is a gap, and a day
that a gap touches is incomplete. The whole argument stands in docs/collector.md.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gated.collector.store import ChainEvidence, GateRow, Problem

STATE_MARGIN_MS = 5_000
"""A gate's state may be a moment behind its ledger; it proves nothing about its last seconds."""


class GapReason(enum.StrEnum):
    """Why a time is not proven."""

    MISSING = "missing"  # numbers that were never received
    REPLACED = "replaced"  # another ledger began; the end of the one before may be lost
    NOTHING_SINCE = "nothing_since"  # no later event, and no state that says there is none
    NO_SIGN_OF_LIFE = "no_sign_of_life"  # nothing is missing, but the gate may have been off
    UNREADABLE = Problem.UNREADABLE.value
    CONFLICT = Problem.CONFLICT.value
    CHAIN = Problem.CHAIN.value


@dataclass(frozen=True, slots=True)
class Gap:
    """A time for which something may be missing; None stands for an end that is not known."""

    reason: GapReason
    from_ms: int | None
    to_ms: int | None
    records: int | None = None  # how many are missing, if that is known

    def touches(self, from_ms: int, to_ms: int) -> bool:
        """Return whether any of [from_ms, to_ms) is in this gap."""
        begins = self.from_ms is None or self.from_ms < to_ms
        return begins and (self.to_ms is None or self.to_ms > from_ms)


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of one lane's whole past."""

    since_ms: int | None  # the lane's very first event; None if it may be older than all we know
    gaps: tuple[Gap, ...]

    def was_in_service(self, to_ms: int) -> bool:
        """Return whether the lane may have recorded anything before ``to_ms``."""
        return self.since_ms is None or self.since_ms < to_ms


def prove(evidence: Sequence[ChainEvidence], gate: GateRow) -> Proof:
    """Return what the records of a lane prove. ``evidence`` is in the order of first contact."""
    gaps = [*_gaps_between_runs(evidence, gate), *_flawed(evidence)]
    return Proof(_first_event_ms(evidence), tuple(gaps))


def _first_event_ms(evidence: Sequence[ChainEvidence]) -> int | None:
    """Return when the lane's first event was made; None: nobody knows, or it never came."""
    if not evidence or not evidence[0].runs or evidence[0].runs[0].first_seq != 1:
        return None
    known = [evidence[0].runs[0].first_at_ms]
    for undated in evidence[0].undated:
        if undated.after_ms is None:  # they came before any time that is known
            if undated.visits and undated.since_ms is None:
                return None
            known.append(undated.since_ms)
    return min((at_ms for at_ms in known if at_ms is not None), default=None)


def _gaps_between_runs(evidence: Sequence[ChainEvidence], gate: GateRow) -> Iterator[Gap]:
    proven_ms: int | None = None  # everything up to here is proven, back to the last gap
    open_gaps: list[Gap] = []  # their ends are not known yet
    for number, chain in enumerate(evidence):
        last_seq = 0
        for run in chain.runs:
            missing = run.first_seq - last_seq - 1
            if missing:
                open_gaps.append(Gap(GapReason.MISSING, proven_ms, None, missing))
            elif last_seq == 0 and number > 0:
                open_gaps.append(Gap(GapReason.REPLACED, proven_ms, None))
            last_seq = run.last_seq
            if run.first_at_ms is not None:
                yield from (replace(gap, to_ms=run.first_at_ms) for gap in open_gaps)
                open_gaps.clear()
            if run.last_at_ms is not None:
                proven_ms = run.last_at_ms
        if not chain.runs:
            open_gaps.append(Gap(GapReason.MISSING, proven_ms, None))
    yield from open_gaps
    yield _tail(evidence, gate, proven_ms)


def _tail(evidence: Sequence[ChainEvidence], gate: GateRow, proven_ms: int | None) -> Gap:
    """Return the gap after the last event; a state that names no later event shortens it."""
    state, runs = gate.state, evidence[-1].runs if evidence else ()
    if state is None or state.newest_seq is None or not runs:
        return Gap(GapReason.NOTHING_SINCE, proven_ms, None)
    if state.epoch != evidence[-1].chain.epoch:
        return Gap(GapReason.NOTHING_SINCE, proven_ms, None)
    waiting = state.newest_seq - runs[-1].last_seq
    if waiting > 0:
        return Gap(GapReason.NOTHING_SINCE, proven_ms, None, waiting)
    if gate.state_at_ms is not None:
        proven_ms = max(proven_ms or 0, gate.state_at_ms - STATE_MARGIN_MS)
    return Gap(GapReason.NOTHING_SINCE, proven_ms, None)


def _flawed(evidence: Sequence[ChainEvidence]) -> Iterator[Gap]:
    for chain in evidence:
        for flaw in chain.flaws:
            yield Gap(GapReason(flaw.problem.value), flaw.after_ms, flaw.before_ms, 1)
