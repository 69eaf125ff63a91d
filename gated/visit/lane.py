"""After the decision: opening, passing, staff, time, devices and modes."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from gated.contents import AlarmName
from gated.messages import (
    ButtonPressed,
    CallStaff,
    CodeNotRead,
    CommitFailed,
    Committed,
    ContactValueSeen,
    CredentialChecked,
    DeviceChanged,
    EnergiseRelay,
    GateMoved,
    KeyTurned,
    MeasureAgain,
    PassageSensed,
    PresenceEnded,
    PresenceStarted,
    ReadingTaken,
    StopCallingStaff,
)
from gated.policy import Decision
from gated.units import MonoSeconds
from gated.visit.front import Front
from gated.visit.records import (
    alarm_commit,
    clock_commit,
    device_commit,
    mode_commit,
    passage_commit,
    release_commit,
    release_result,
    restart_commit,
)
from gated.visit.state import (
    LEAVE_GRACE_S,
    ClockChanged,
    Command,
    Event,
    LaneState,
    ModeRequested,
    PassbackReset,
    Phase,
    Restarted,
    SettingsChanged,
    StaffClaim,
    Tick,
    Timing,
    Use,
    Visit,
)
from gated.vocabulary import Button, Mode, Outcome, PassageResult, Prompt, Reason, ReleaseResult

MODE_RETRY_S = 10.0
"""An expiry that could not be recorded is tried again after this long."""


def advance(state: LaneState, event: Event) -> tuple[LaneState, tuple[Command, ...]]:
    """Return the state after ``event`` and what is to be done, in order."""
    step = _Lane(state)
    step.handle(event)
    return step.state, tuple(step.commands)


def next_deadline(state: LaneState) -> MonoSeconds | None:
    """Return when the next ``Tick`` is wanted, or None."""
    times = [time for visit in state.visits for time in _deadlines(visit, state)]
    if state.claim is not None:
        times.append(state.claim.until)
    if state.mode_until is not None:
        times.append(state.mode_until)
    return min(times, default=None)


def _deadlines(visit: Visit, state: LaneState) -> list[MonoSeconds]:
    timing = state.lane.timing
    if visit.phase is Phase.MEASURING:
        times = []
        if visit.left_at is not None:
            times.append(MonoSeconds(visit.left_at + LEAVE_GRACE_S))
        if not visit.is_waiting_for_lane:
            times.append(MonoSeconds(visit.last_progress_at + patience_s(visit, timing)))
            if not visit.has_hinted:
                times.append(MonoSeconds(visit.last_progress_at + timing.hint_after_s))
        return times
    if visit.phase is Phase.REFUSED:
        return [MonoSeconds(visit.last_progress_at + timing.staff_after_s)]
    if visit.phase is Phase.WAITING_STAFF:
        return [MonoSeconds(visit.last_progress_at + timing.release_within_s)]
    return [] if visit.deadline is None else [visit.deadline]


def patience_s(visit: Visit, timing: Timing) -> float:
    """Return how long a visit may stand without progress before staff is called."""
    return timing.credential_hold_s if visit.thermometer is None else timing.staff_after_s


def _is_due(visit: Visit, after_s: float, at: MonoSeconds) -> bool:
    """Return whether ``after_s`` have passed, by the same sum that ``next_deadline`` gives."""
    return visit.last_progress_at + after_s <= at


class _Lane(Front):
    """Everything that can happen to a lane."""

    def handle(self, event: Event) -> None:  # noqa: PLR0912 - one branch for each kind of event
        match event:
            case PresenceStarted():
                self._presence_started(event)
            case PresenceEnded():
                self._presence_ended(event)
            case ReadingTaken():
                self._reading_taken(event.reading, event.at)
            case CredentialChecked():
                self._credential_checked(event.credential, event.at)
            case ContactValueSeen():
                claim = self._claim(event.at)
                if claim is not None:
                    claim = replace(claim, contact_c=event.contact_c)
                    self.state = replace(self.state, claim=claim)
            case CodeNotRead() | GateMoved() | KeyTurned():
                pass
            case PassageSensed():
                self._passage_sensed(event.at)
            case ButtonPressed():
                self._button_pressed(event.button, event.at)
            case DeviceChanged():
                self._device_changed(event)
            case Committed():
                self._committed(event)
                self._tell_unrecorded()  # after the relay, which comes first
            case CommitFailed():
                self._commit_failed(event)
            case Tick():
                self._tick(event.at)
            case ModeRequested():
                self._mode_requested(event)
            case ClockChanged():
                self.state = replace(self.state, time_quality=event.quality)
                self.commands.append(clock_commit(event.quality, event.step_ms))
            case SettingsChanged():
                self.state = replace(self.state, lane=event.lane)
            case PassbackReset():
                uses = {ref: replace(u, is_before_reset=True) for ref, u in self.state.uses.items()}
                self.state = replace(self.state, uses=uses)
            case Restarted():
                self.commands.extend(restart_commit(visit_id) for visit_id in event.visit_ids)
            case _:
                assert_never(event)

    # --- what the ledger answers --------------------------------------------------------------

    def _committed(self, event: Committed) -> None:
        kind, _, visit_id = event.tag.partition("/")
        if self.state.pending_mode is not None and event.tag == self._mode_tag():
            self._apply_mode(self.state.pending_mode)
            return
        visit = self._find(visit_id)
        if visit is None:
            return
        if kind == "visit" and visit.phase is Phase.COMMITTING and visit.decision is not None:
            self._visit_committed(visit, visit.decision, event.at)
        elif kind == "release" and visit.phase is Phase.RELEASING:
            self._open(visit, event.at)

    def _tell_unrecorded(self) -> None:
        if self.state.unrecorded:
            detail = f"{self.state.unrecorded} events could not be recorded; nobody was let in"
            self.commands.append(alarm_commit(AlarmName.LEDGER_FULL, detail=detail))
            self.state = replace(self.state, unrecorded=0)

    def _visit_committed(self, visit: Visit, decision: Decision, at: MonoSeconds) -> None:
        match decision.outcome:
            case Outcome.GRANTED:
                self._open(self._count_use(visit), at)
                return
            case Outcome.SEE_STAFF:
                self._put(replace(visit, phase=Phase.WAITING_STAFF, last_progress_at=at))
                self.commands.append(CallStaff(visit.visit_id, decision.reason))
                self._show(decision.prompt, visit.visit_id)
            case Outcome.DENIED if visit.is_present:
                self._put(replace(visit, phase=Phase.REFUSED, last_progress_at=at))
                self._show(decision.prompt, visit.visit_id)
            case Outcome.SCREENED_ONLY if visit.is_present:
                until = MonoSeconds(at + self.state.lane.timing.hold_s)
                self._put(replace(visit, phase=Phase.LEAVING, deadline=until))
                self._show(decision.prompt, visit.visit_id)
            case _:
                self._drop(visit)
                self._refresh_prompt()

    def _open(self, visit: Visit, at: MonoSeconds) -> None:
        """Command the relay for a visit whose grant or release is durable. Once."""
        if visit.has_opened:
            return
        timing = self.state.lane.timing
        is_slow = visit.credential is not None and visit.credential.is_slow
        hold_s = timing.hold_slow_s if is_slow else timing.hold_s
        deadline = MonoSeconds(at + hold_s)
        self._put(replace(visit, phase=Phase.PASSING, has_opened=True, deadline=deadline))
        self.commands.append(EnergiseRelay(visit.visit_id, timing.pulse_s))
        self._show(Prompt.GO, visit.visit_id)

    def _commit_failed(self, event: CommitFailed) -> None:
        kind, _, visit_id = event.tag.partition("/")
        self.state = replace(self.state, unrecorded=self.state.unrecorded + 1)
        if event.tag == self._mode_tag():
            self.state = replace(self.state, pending_mode=None)
        visit = self._find(visit_id)
        if visit is None:
            return
        if kind == "release" and visit.phase is Phase.RELEASING:
            self._put(replace(visit, phase=Phase.WAITING_STAFF))
        elif kind == "visit" and visit.phase is Phase.COMMITTING:
            self._drop(visit)
        else:
            return
        self.commands.append(CallStaff(visit.visit_id, Reason.STORAGE_FAILED))
        self._serve_the_next(event.at)
        self._show(Prompt.OUT_OF_ORDER, visit.visit_id)

    def _count_use(self, visit: Visit) -> Visit:
        """Count one more use of the visit's pass; return the visit, which knows how it was."""
        pass_ref = visit.credential.pass_ref if visit.credential is not None else None
        if pass_ref is None:
            return visit
        before = self.state.uses.get(pass_ref, Use(0, self.state.lane.rules.direction))
        used = Use(before.count + 1, self.state.lane.rules.direction)
        self.state = replace(self.state, uses={**self.state.uses, pass_ref: used})
        return replace(visit, use_before=before)

    def _give_back_use(self, visit: Visit) -> None:
        """Nobody passed: the pass is as it was. A release by staff has used none."""
        pass_ref = visit.credential.pass_ref if visit.credential is not None else None
        if pass_ref is not None and visit.use_before is not None:
            uses = {**self.state.uses, pass_ref: visit.use_before}
            self.state = replace(self.state, uses=uses)

    # --- passing, and staff -------------------------------------------------------------------

    def _passage_sensed(self, at: MonoSeconds) -> None:
        passing = self._in(Phase.PASSING)
        if not passing:
            self.commands.append(passage_commit(None, PassageResult.FORCED, at))
            self.commands.append(alarm_commit(AlarmName.PASSAGE_FORCED))
            return
        self._end_passage(passing[0], PassageResult.PASSED, at)

    def _end_passage(self, visit: Visit, result: PassageResult, at: MonoSeconds) -> None:
        self.commands.append(passage_commit(visit, result, at))
        if result is PassageResult.NOBODY_PASSED:
            self._give_back_use(visit)
        self._drop(visit)
        if result is PassageResult.PASSED and visit.is_present and visit.thermometer is not None:
            self._greet_the_next(visit.thermometer, at)
        self._serve_the_next(at)

    def _greet_the_next(self, thermometer: str, at: MonoSeconds) -> None:
        """Somebody went through and yet stands before the sensor: that is the next one."""
        if any(v.thermometer == thermometer for v in self._in(Phase.MEASURING)):
            return
        visit = self._visit_to_bind(thermometer) or self._new_visit(at)
        self._put(replace(visit, thermometer=thermometer, is_present=True, last_progress_at=at))
        self.commands.append(MeasureAgain(thermometer))

    def _serve_the_next(self, at: MonoSeconds) -> None:
        self._refresh_prompt()
        for visit in self._in(Phase.MEASURING):
            if visit.is_waiting_for_lane:
                visit = replace(visit, is_waiting_for_lane=False, last_progress_at=at)
                self._put(visit)
                self._evaluate(visit, at)
                return

    def _button_pressed(self, button: Button, at: MonoSeconds) -> None:
        if button is Button.CALL:
            self.commands.append(CallStaff(None, None))
            self.commands.append(alarm_commit(AlarmName.STAFF_CALLED, detail="call button"))
            return
        self.commands.append(StopCallingStaff())
        waiting, claim = self._in(Phase.WAITING_STAFF), self._claim(at)
        if claim is None or not waiting or self._is_lane_taken():
            return  # neither card nor button alone opens
        visit = self._whom_to_release(waiting, claim)
        result = release_result(claim.contact_c, self.state.lane.rules)
        self.commands.append(release_commit(visit, claim, result))
        self.state = replace(self.state, claim=None)
        if result is ReleaseResult.ISOLATED:
            self._drop(visit)
        else:
            self._put(replace(visit, phase=Phase.RELEASING))

    def _whom_to_release(self, waiting: list[Visit], claim: StaffClaim) -> Visit:
        """Return the visit whose own pass staff showed after the card, else the latest one."""
        for visit in waiting:
            if visit.visit_id == claim.visit_id:
                return visit
        return max(waiting, key=lambda visit: visit.last_progress_at)

    # --- time, devices, modes -----------------------------------------------------------------

    def _tick(self, at: MonoSeconds) -> None:
        if self.state.claim is not None and self.state.claim.until <= at:
            self.state = replace(self.state, claim=None)
        if self.state.mode_until is not None and self.state.mode_until <= at:
            # Asked again until it is durable; a request that is on its way comes first.
            self.state = replace(self.state, mode_until=MonoSeconds(at + MODE_RETRY_S))
            if self.state.pending_mode is None:
                self._mode_requested(ModeRequested(Mode.NORMAL, False, "expiry", at))
        # A passage that ends serves whoever waits: last, so that nobody is ticked as they were.
        for visit in sorted(self.state.visits, key=lambda visit: visit.phase is Phase.PASSING):
            self._tick_visit(visit, at)

    def _tick_visit(self, visit: Visit, at: MonoSeconds) -> None:
        timing = self.state.lane.timing
        match visit.phase:
            case Phase.MEASURING:
                if self._has_been_gone(visit, at):
                    self._evaluate(visit, at, is_time_out=True)
                elif visit.is_waiting_for_lane:
                    return
                elif _is_due(visit, patience_s(visit, timing), at):
                    self._evaluate(visit, at, is_time_out=True)
                elif _is_due(visit, timing.hint_after_s, at) and not visit.has_hinted:
                    visit = replace(visit, has_hinted=True)
                    self._put(visit)
                    self._show(self._need(visit), visit.visit_id, is_spoken=True)
                    if self.state.mode is Mode.OBSERVE:
                        self._evaluate(visit, at)
            case Phase.REFUSED if _is_due(visit, timing.staff_after_s, at):
                self._put(replace(visit, phase=Phase.WAITING_STAFF, last_progress_at=at))
                reason = visit.decision.reason if visit.decision is not None else None
                self.commands.append(CallStaff(visit.visit_id, reason))
                self.commands.append(alarm_commit(AlarmName.STAFF_CALLED, visit.visit_id))
                self._show(Prompt.WAIT_STAFF, visit.visit_id)
            case Phase.WAITING_STAFF if _is_due(visit, timing.release_within_s, at):
                self._drop(visit)
                self._refresh_prompt()
            case Phase.PASSING if visit.deadline is not None and visit.deadline <= at:
                has_sensor = self.state.lane.has_passage_sensor
                result = PassageResult.NOBODY_PASSED if has_sensor else PassageResult.UNKNOWN
                self._end_passage(visit, result, at)
            case Phase.LEAVING if visit.deadline is not None and visit.deadline <= at:
                self._drop(visit)
                self._refresh_prompt()

    def _device_changed(self, event: DeviceChanged) -> None:
        lost = (
            self.state.lost - {event.device}
            if event.is_working
            else self.state.lost | {event.device}
        )
        if lost == self.state.lost:
            return
        self.state = replace(self.state, lost=lost)
        self.commands.append(device_commit(event))
        self._refresh_prompt()

    def _mode_requested(self, request: ModeRequested) -> None:
        count = self.state.mode_requests + 1
        self.state = replace(self.state, pending_mode=request, mode_requests=count)
        self.commands.append(mode_commit(request, self._mode_tag()))
        if request.mode is Mode.CLOSED:
            # The safe direction does not wait for the disk, nor for an older mode's expiry.
            self.state = replace(self.state, mode=Mode.CLOSED, mode_until=None)

    def _mode_tag(self) -> str:
        """Return the tag of the newest request: an answer to an older one changes nothing."""
        return f"mode/{self.state.mode_requests}"

    def _apply_mode(self, request: ModeRequested) -> None:
        until = None if request.for_s is None else MonoSeconds(request.at + request.for_s)
        self.state = replace(
            self.state,
            mode=request.mode,
            drill=request.drill,
            mode_until=until,
            pending_mode=None,
        )
        self._refresh_prompt()
