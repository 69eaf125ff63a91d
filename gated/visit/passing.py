"""From the opening to the passage outcome, and what the gate's own contact says. Pure."""

from __future__ import annotations

from dataclasses import replace

from gated.contents import AlarmName
from gated.messages import CallStaff, EnergiseRelay, GateMoved, MeasureAgain
from gated.units import MonoSeconds
from gated.visit.front import Front
from gated.visit.records import alarm_commit, held_open_commit, passage_commit
from gated.visit.state import (
    INPUTS,
    LEAVE_GRACE_S,
    RELAY,
    LaneState,
    OpenGate,
    Phase,
    Use,
    Visit,
)
from gated.vocabulary import PassageResult, Prompt, Reason


def held_open_at(state: LaneState) -> MonoSeconds | None:
    """Return when the open gate will have been open for too long; None: not open, or told."""
    gate = state.gate
    is_passing = any(visit.phase is Phase.PASSING for visit in state.visits)
    if gate is None or gate.is_told or is_passing:
        return None
    return MonoSeconds(gate.since + state.lane.timing.held_open_after_s)


def _newest(*codes_s: int | None) -> int | None:
    """Return when the newest of these changing codes was made; None stands for no such code."""
    return max((code_s for code_s in codes_s if code_s is not None), default=None)


class Passing(Front):
    """Opening, and everything that can happen to an opened gate."""

    def _open(self, visit: Visit, at: MonoSeconds) -> None:
        """Command the relay for a visit whose grant or release is durable. Once."""
        if visit.has_opened:
            return
        if RELAY in self.state.lost:
            self._cannot_open(visit, at)
            return
        timing = self.state.lane.timing
        is_slow = visit.credential is not None and visit.credential.is_slow
        hold_s = timing.hold_slow_s if is_slow else timing.hold_s
        deadline = MonoSeconds(at + hold_s)
        is_unwatched = INPUTS in self.state.lost
        visit = replace(visit, was_gate_open=self.state.gate is not None, is_unwatched=is_unwatched)
        self._put(replace(visit, phase=Phase.PASSING, has_opened=True, deadline=deadline))
        self.commands.append(EnergiseRelay(visit.visit_id, timing.pulse_s))
        self._show(Prompt.GO, visit.visit_id)

    def _cannot_open(self, visit: Visit, at: MonoSeconds, why: Reason | None = None) -> None:
        """It is durable, and yet not made: nobody is told to go, and the pass is as it was."""
        self._end_passage(visit, PassageResult.NOBODY_PASSED, at)
        self.commands.append(CallStaff(visit.visit_id, why))
        self._show(Prompt.OUT_OF_ORDER, visit.visit_id)  # last: whoever is next has been served

    def _comes_too_late(self, visit: Visit, at: MonoSeconds) -> bool:
        """Return whether the disk took so long that the grant would open for somebody else.

        Whoever is still felt has waited. Where nobody is felt it counts as long as a code does.
        """
        waited_s = at - visit.last_progress_at
        if visit.thermometer is None:
            return waited_s > self.state.lane.timing.credential_hold_s
        is_felt = visit.is_present and visit.thermometer not in self.state.lost
        return waited_s > LEAVE_GRACE_S and not is_felt

    def _count_use(self, visit: Visit, at: MonoSeconds) -> Visit:
        """Count one more use of the visit's pass; return the visit, which knows how it was."""
        credential = visit.credential
        if credential is None or credential.pass_ref is None:
            return visit
        pass_ref = credential.pass_ref
        before = self.state.uses.get(pass_ref, Use(0, self.state.lane.rules.direction))
        used = Use(
            before.count + 1,
            self.state.lane.rules.direction,
            newest_code_s=_newest(before.newest_code_s, credential.code_made_s),
            at=at,
        )
        self.state = replace(self.state, uses={**self.state.uses, pass_ref: used})
        return replace(visit, use_before=before)

    def _give_back_use(self, visit: Visit) -> None:
        """Nobody passed: the pass is as it was.

        The code of a changing pass stays used: the gate has opened for it once, and whoever took a
        picture of it must not open it again. The holder's next code comes within half a minute.
        """
        pass_ref = visit.credential.pass_ref if visit.credential is not None else None
        if pass_ref is not None and visit.use_before is not None:
            now = self.state.uses.get(pass_ref, visit.use_before)
            as_before = replace(visit.use_before, newest_code_s=now.newest_code_s)
            self.state = replace(self.state, uses={**self.state.uses, pass_ref: as_before})

    # --- the passage --------------------------------------------------------------------------

    def _passage_sensed(self, at: MonoSeconds) -> None:
        passing = self._in(Phase.PASSING)
        if passing:
            self._end_passage(passing[0], PassageResult.PASSED, at)
            return
        self.commands.append(passage_commit(None, PassageResult.FORCED, at))
        if self.state.gate is None or not self.state.gate.is_forced:  # else it was told already
            self.commands.append(alarm_commit(AlarmName.PASSAGE_FORCED))

    def _passage_time_out(self, visit: Visit, at: MonoSeconds) -> None:
        """The time to pass is over. Without a light barrier the contact says what came of it.

        Of a gate that stood open already it cannot say who went through; and without inputs nothing
        can.
        """
        lane = self.state.lane
        result = PassageResult.NOBODY_PASSED
        if not lane.has_passage_sensor and visit.has_opened_gate:
            result = PassageResult.PASSED
        elif visit.is_unwatched or (
            not lane.has_passage_sensor and (visit.was_gate_open or not lane.has_contact)
        ):
            result = PassageResult.UNKNOWN
        self._end_passage(visit, result, at)

    def _end_passage(
        self, visit: Visit, result: PassageResult, at: MonoSeconds, reason: Reason | None = None
    ) -> None:
        self.commands.append(passage_commit(visit, result, at, reason))
        if result is PassageResult.NOBODY_PASSED:
            self._give_back_use(visit)
        self._drop(visit)
        if self.state.gate is not None:
            self.state = replace(self.state, gate=replace(self.state.gate, since=at))
        if result is PassageResult.PASSED and visit.is_present and visit.thermometer is not None:
            self._greet_the_next(visit.thermometer, at)
        self._serve_the_next(at)

    def _greet_the_next(self, thermometer: str, at: MonoSeconds) -> None:
        """Somebody went through and yet stands before the sensor: that is the next one."""
        if any(v.thermometer == thermometer for v in self._in(Phase.MEASURING)):
            return
        visit = self._visit_to_bind(thermometer) or self._new_visit(at)
        visit = replace(visit, thermometer=thermometer, is_present=True, last_progress_at=at)
        self._put(replace(visit, is_greeted=visit.credential is None))
        self.commands.append(MeasureAgain(thermometer))

    def _serve_the_next(self, at: MonoSeconds) -> None:
        """Decide on whoever waits for the lane, one after the other, until it is taken again."""
        self._refresh_prompt()
        while not self._is_lane_taken():
            waiting = [v for v in self._in(Phase.MEASURING) if v.is_waiting_for_lane]
            if not waiting:
                return
            visit = replace(waiting[0], is_waiting_for_lane=False, last_progress_at=at)
            self._put(visit)
            self._evaluate(visit, at)

    # --- the contact --------------------------------------------------------------------------

    def _gate_moved(self, event: GateMoved) -> None:
        was_known, before = self.state.is_gate_known, self.state.gate
        self.state = replace(self.state, is_gate_known=True)
        if event.is_shut:
            self._gate_shut(before, event.at)
        elif before is None:
            self._gate_opened(event.at, was_known=was_known)

    def _gate_opened(self, at: MonoSeconds, *, was_known: bool) -> None:
        passing = self._in(Phase.PASSING)
        if passing:
            self._put(replace(passing[0], has_opened_gate=True))
            self.state = replace(self.state, gate=OpenGate(at, passing[0].visit_id))
            return
        # Found open at the start: nobody knows who opened it, only that it should be shut.
        self.state = replace(self.state, gate=OpenGate(at, None, is_forced=was_known))
        if was_known:
            self.commands.append(passage_commit(None, PassageResult.FORCED, at))
            self.commands.append(alarm_commit(AlarmName.PASSAGE_FORCED, detail="gate contact"))

    def _gate_shut(self, before: OpenGate | None, at: MonoSeconds) -> None:
        self.state = replace(self.state, gate=None)
        if before is not None and before.is_told:
            self.commands.append(alarm_commit(AlarmName.GATE_SHUT_AGAIN, before.visit_id))
        passing = self._in(Phase.PASSING)
        if passing and passing[0].has_opened_gate and not self.state.lane.has_passage_sensor:
            self._end_passage(passing[0], PassageResult.PASSED, at)
        else:
            self._refresh_prompt()

    def _tick_gate(self, at: MonoSeconds) -> None:
        due_at, gate = held_open_at(self.state), self.state.gate
        if due_at is None or gate is None or due_at > at:
            return
        self.state = replace(self.state, gate=replace(gate, is_told=True))
        self.commands.append(held_open_commit(gate.visit_id))
        self.commands.append(alarm_commit(AlarmName.HELD_OPEN, gate.visit_id))
        self._refresh_prompt()
