"""Orders of the centre: one opening, or another mode. Pure. That they are genuine is known already.

Whoever gives an order does not stand at the gate. So an opening by order waits for nobody and lets
nobody by: not while somebody is measured, asked, refused or on the way through, and not while
somebody waits whom only staff at the gate may let in.
"""

from __future__ import annotations

from dataclasses import replace

from gated.contents import CommandOutcome, CommandReason
from gated.policy import CALLS_STAFF
from gated.units import MonoSeconds
from gated.visit.awaiting import Awaiting
from gated.visit.records import opening_commit, order_commit
from gated.visit.state import (
    KEY_SWITCH,
    LEAVE_GRACE_S,
    RELAY,
    LaneState,
    ModeRequested,
    OpenOrdered,
    Ordered,
    Phase,
    Visit,
)
from gated.vocabulary import Direction, Mode, PassageResult

ORDER_HOLDS_S = 10.0
"""As long as ``gated command`` waits for an answer: after that nobody expects the gate to open."""


def why_not_open(state: LaneState) -> CommandReason | None:
    """Return why an order must not open the gate now; None: it may."""
    if state.mode not in (Mode.NORMAL, Mode.OBSERVE):
        return CommandReason.MODE_CLOSED
    if state.lane.rules.direction is not Direction.IN:
        return CommandReason.NOT_AN_ENTRY
    if RELAY in state.lost:
        return CommandReason.RELAY_LOST
    if state.gate is not None:
        return CommandReason.GATE_OPEN
    if any(visit.phase is not Phase.WAITING_STAFF for visit in state.visits):
        return CommandReason.SOMEBODY_THERE
    for visit in state.visits:
        if visit.decision is None or CALLS_STAFF & set(visit.decision.reasons):
            return CommandReason.NEEDS_STAFF
    return None


def why_not_mode(state: LaneState) -> CommandReason | None:
    """Return why an order must not set mode or drill now: whoever turned the key closed the gate.

    Not even to closed: that would end by itself, or be taken back from afar.
    """
    is_locked = state.mode is Mode.CLOSED and state.mode_by == KEY_SWITCH
    return CommandReason.KEY_SWITCH if is_locked else None


class Ordering(Awaiting):
    """What the centre orders."""

    def _open_ordered(self, event: OpenOrdered) -> None:
        why = why_not_open(self.state)
        if why is not None:
            self.commands.append(order_commit(event.order, CommandOutcome.REFUSED, why))
            return
        visit = replace(self._new_visit(event.at), phase=Phase.RELEASING, order=event.order)
        self._put(visit)
        self.commands.append(opening_commit(visit, event.order))

    def _opening_committed(self, visit: Visit, order: Ordered, at: MonoSeconds) -> None:
        why = self._why_not_any_more(visit, at)
        if why is None:
            self._open(visit, at)
            return
        self._end_passage(visit, PassageResult.NOBODY_PASSED, at)
        # "Done" had to be durable before anybody knew.
        self.commands.append(order_commit(order, CommandOutcome.FAILED, why, is_counted=True))

    def _why_not_any_more(self, visit: Visit, at: MonoSeconds) -> CommandReason | None:
        """Return why this opening, now that it is durable, is not made; None: it is."""
        if RELAY in self.state.lost:
            return CommandReason.RELAY_LOST
        waited_s = at - visit.started_at
        if waited_s <= LEAVE_GRACE_S:
            return None
        if waited_s > ORDER_HOLDS_S:
            return CommandReason.STORAGE_FAILED
        others = tuple(v for v in self.state.visits if v.visit_id != visit.visit_id)
        return why_not_open(replace(self.state, visits=others))

    def _is_refused(self, request: ModeRequested) -> bool:
        """Return whether ``request`` is an order that is refused, which is answered then."""
        why = why_not_mode(self.state)
        if request.order is None or why is None:
            return False
        self.commands.append(order_commit(request.order, CommandOutcome.REFUSED, why))
        return True

    def _answer(
        self, request: ModeRequested | None, outcome: CommandOutcome, why: CommandReason | None
    ) -> None:
        """Answer the order behind ``request``, if there is one."""
        if request is not None and request.order is not None:
            is_counted = outcome is not CommandOutcome.FAILED  # with the mode's own record
            answer = order_commit(request.order, outcome, why, is_counted=is_counted)
            self.commands.append(answer)
