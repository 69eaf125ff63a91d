"""What is missing, by number and by time: ``gated collector gaps``. Pure.

A report asks whether a *time* is proven (``completeness``); whoever has to find the records asks
for their *numbers*, and whether their gate can still send them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gated.collector.store import ChainEvidence, ChainKey, GateRow, Progress


class GapState(enum.StrEnum):
    """What becomes of records that are missing."""

    AWAITED = "awaited"  # the gate has them, or nobody has said that it has not
    LOST = "lost"  # the gate no longer has them
    FLAWED = "flawed"  # they came, and cannot be relied on: see the quarantine


@dataclass(frozen=True, slots=True)
class NumberGap:
    """Numbers of one chain, and the known times around them (None: not known)."""

    chain: ChainKey
    first_seq: int
    last_seq: int
    after_ms: int | None
    before_ms: int | None
    state: GapState
    detail: str = ""  # of a flaw: its problem

    @property
    def records(self) -> int:
        return self.last_seq - self.first_seq + 1


def number_gaps(
    evidence: Sequence[ChainEvidence], progress: Sequence[Progress], gate: GateRow
) -> list[NumberGap]:
    """Return all that is missing of one lane, chain by chain in the order of first contact."""
    upto = {found.chain: found.upto for found in progress}
    return [gap for chain in evidence for gap in _of_chain(chain, upto.get(chain.chain, 0), gate)]


def _of_chain(evidence: ChainEvidence, upto: int, gate: GateRow) -> Iterator[NumberGap]:
    chain, last_seq, after_ms = evidence.chain, 0, None
    for run in evidence.runs:
        if run.first_seq > last_seq + 1:
            last = run.first_seq - 1
            # Behind ``upto`` nothing is waited for: what is missing there was written down as lost.
            state = GapState.LOST if last <= upto else GapState.AWAITED
            yield NumberGap(chain, last_seq + 1, last, after_ms, run.first_at_ms, state)
        last_seq = run.last_seq
        after_ms = run.last_at_ms if run.last_at_ms is not None else after_ms
    if upto > last_seq:
        yield NumberGap(chain, last_seq + 1, upto, after_ms, None, GapState.LOST)
        last_seq = upto
    said = gate.state
    if said is not None and said.epoch == chain.epoch and (said.newest_seq or 0) > last_seq:
        newest, at_ms = said.newest_seq or 0, gate.state_at_ms
        yield NumberGap(chain, last_seq + 1, newest, after_ms, at_ms, GapState.AWAITED)
    for flaw in evidence.flaws:
        yield NumberGap(
            chain,
            flaw.seq,
            flaw.seq,
            flaw.after_ms,
            flaw.before_ms,
            GapState.FLAWED,
            flaw.problem.value,
        )
