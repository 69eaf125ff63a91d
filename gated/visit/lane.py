"""Everything that can happen to a lane: the ledger's answers, time, devices and modes."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from gated.contents import AlarmName, CommandOutcome, CommandReason
from gated.messages import (
    ButtonPressed,
    CallStaff,
    CodeAwaited,
    CodeNotRead,
    CommitFailed,
    Committed,
    ContactValueSeen,
    CredentialChecked,
    DeviceChanged,
    DriftNoticed,
    GateMoved,
    KeyTurned,
    PassageSensed,
    PresenceEnded,
    PresenceStarted,
    ReadingTaken,
)
from gated.policy import Decision
from gated.units import MonoSeconds
from gated.visit.modes import drill_request, end_request, key_request, with_end
from gated.visit.ordering import Ordering
from gated.visit.passing import held_open_at
from gated.visit.records import (
    alarm_commit,
    clock_commit,
    device_commit,
    drift_commit,
    mode_commit,
    restart_commit,
)
from gated.visit.state import (
    CLAIM_S,
    INPUTS,
    LEAVE_GRACE_S,
    RELAY,
    ClockChanged,
    Command,
    DrillRequested,
    Event,
    LaneState,
    ModeEndJudged,
    ModeKeyTurned,
    ModeRequested,
    OpenOrdered,
    PassbackReset,
    Phase,
    Restarted,
    SettingsChanged,
    Tick,
    Timing,
    UsesShared,
    Visit,
)
from gated.visit.uses import after_reset, learn_uses
from gated.vocabulary import Mode, Outcome, PassageResult, Prompt, Reason

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
    if state.come_closer_until is not None:
        times.append(state.come_closer_until)
    held_open = held_open_at(state)
    if held_open is not None:
        times.append(held_open)
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


class _Lane(Ordering):
    """Everything that can happen to a lane."""

    def handle(self, event: Event) -> None:  # noqa: PLR0912, PLR0915 - one branch for each kind of event
        match event:
            case PresenceStarted():
                self._presence_started(event)
            case PresenceEnded():
                self._presence_ended(event)
            case ReadingTaken():
                self._reading_taken(event.reading, event.at)
            case CredentialChecked() if event.awaited is not None:
                self._answer_came(event.awaited, event.credential, event.at)
            case CredentialChecked():
                self._credential_checked(event.credential, event.at)
            case CodeAwaited():
                self._code_awaited(event)
            case CodeNotRead():
                self._code_not_read(event)
            case ContactValueSeen():
                self._contact_value_seen(event)
            case GateMoved():
                self._gate_moved(event)
            case KeyTurned():
                self._key_turned(event)
            case PassageSensed():
                self._passage_sensed(event.at)
            case ButtonPressed():
                self._button_pressed(event.button, event.at)
            case DeviceChanged():
                self._device_changed(event)
            case DriftNoticed():
                self.commands.append(drift_commit(event))
            case Committed():
                self._committed(event)
                self._tell_unrecorded()  # after the relay, which comes first
            case CommitFailed():
                self._commit_failed(event)
            case Tick():
                self._tick(event.at)
            case ModeRequested():
                self._mode_requested(event)
            case DrillRequested():
                self._mode_requested(drill_request(self.state, event))
            case ModeKeyTurned():
                asked = key_request(self.state, event)
                if asked is not None:
                    self._mode_requested(asked)
            case ModeEndJudged():
                self.state = with_end(self.state, event)
            case OpenOrdered():
                self._open_ordered(event)
            case ClockChanged():
                self.state = replace(self.state, time_quality=event.quality)
                self.commands.append(clock_commit(event.quality, event.step_ms))
            case SettingsChanged():
                self.state = replace(self.state, lane=event.lane)
            case PassbackReset():
                self.state = after_reset(self.state)
            case UsesShared():
                self.state = learn_uses(self.state, event)
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
            self._release_committed(visit, event.at)
        elif kind == "open" and visit.phase is Phase.RELEASING and visit.order is not None:
            self._opening_committed(visit, visit.order, event.at)

    def _tell_unrecorded(self) -> None:
        if self.state.unrecorded:
            detail = f"{self.state.unrecorded} events could not be recorded; nobody was let in"
            self.commands.append(alarm_commit(AlarmName.LEDGER_FULL, detail=detail))
            self.state = replace(self.state, unrecorded=0)

    def _visit_committed(self, visit: Visit, decision: Decision, at: MonoSeconds) -> None:
        match decision.outcome:
            case Outcome.GRANTED if self._comes_too_late(visit, at):
                used, why = self._count_use(visit, at), Reason.WALKED_AWAY
                self._end_passage(used, PassageResult.NOBODY_PASSED, at, why)
            case Outcome.GRANTED:
                self._open(self._count_use(visit, at), at)
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

    def _release_committed(self, visit: Visit, at: MonoSeconds) -> None:
        used = self._count_use(visit, at)
        if at - visit.last_progress_at <= CLAIM_S:
            self._open(used, at)
        else:
            # Longer than staff's word holds: they may have gone by now, and somebody else come.
            self._cannot_open(used, at, Reason.STORAGE_FAILED)

    def _commit_failed(self, event: CommitFailed) -> None:
        kind, _, visit_id = event.tag.partition("/")
        self.state = replace(self.state, unrecorded=self.state.unrecorded + 1)
        if event.tag == self._mode_tag():
            failed, why = CommandOutcome.FAILED, CommandReason.STORAGE_FAILED
            self._answer(self.state.pending_mode, failed, why)
            self.state = replace(self.state, pending_mode=None)
        visit = self._find(visit_id)
        if visit is None:
            return
        if kind == "release" and visit.phase is Phase.RELEASING:
            self._put(replace(visit, phase=Phase.WAITING_STAFF))
        elif (kind, visit.phase) in (("visit", Phase.COMMITTING), ("open", Phase.RELEASING)):
            self._drop(visit)
        else:
            return
        self.commands.append(CallStaff(visit.visit_id, Reason.STORAGE_FAILED))
        self._serve_the_next(event.at)
        self._show(Prompt.OUT_OF_ORDER, visit.visit_id)

    # --- time, devices, modes -----------------------------------------------------------------

    def _tick(self, at: MonoSeconds) -> None:
        self._tick_claim(at)
        if self.state.mode_until is not None and self.state.mode_until <= at:
            # Asked again until it is durable; a request that is on its way comes first.
            self.state = replace(self.state, mode_until=MonoSeconds(at + MODE_RETRY_S))
            if self.state.pending_mode is None:
                self._mode_requested(end_request(self.state, at))
        until = self.state.come_closer_until
        if until is not None and until <= at:
            self.state = replace(self.state, come_closer_until=None)
            self._refresh_prompt()
        # A passage that ends serves whoever waits: last, so that nobody is ticked as they were.
        for visit in sorted(self.state.visits, key=lambda visit: visit.phase is Phase.PASSING):
            self._tick_visit(visit, at)
        self._tick_gate(at)

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
                self._passage_time_out(visit, at)
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
        if not event.is_working:
            self._stop_vouching(event.device, event.at)
        if event.device == RELAY and not event.is_working:
            # Whoever was just told to go stands before a gate that does not open.
            self.commands.extend(CallStaff(v.visit_id, None) for v in self._in(Phase.PASSING))
        if event.device == INPUTS and not event.is_working:
            for visit in self._in(Phase.PASSING):
                self._put(replace(visit, is_unwatched=True))
        self._refresh_prompt()

    def _mode_requested(self, request: ModeRequested) -> None:
        if self._is_refused(request):
            return
        refused, why = CommandOutcome.REFUSED, CommandReason.SUPERSEDED
        self._answer(self.state.pending_mode, refused, why)
        count = self.state.mode_requests + 1
        self.state = replace(self.state, pending_mode=request, mode_requests=count)
        self.commands.append(mode_commit(request, self._mode_tag()))
        if request.mode is Mode.CLOSED:
            # The safe direction does not wait for the disk, nor for an older mode's expiry.
            self._hold(request)

    def _mode_tag(self) -> str:
        """Return the tag of the newest request: an answer to an older one changes nothing."""
        return f"mode/{self.state.mode_requests}"

    def _apply_mode(self, request: ModeRequested) -> None:
        self._hold(request)
        self.state = replace(self.state, drill=request.drill, pending_mode=None)
        self._answer(request, CommandOutcome.DONE, None)
        self._refresh_prompt()

    def _hold(self, request: ModeRequested) -> None:
        held = request.held
        self.state = replace(
            self.state,
            mode=held.mode,
            mode_by=held.by,
            mode_until=held.until,
            mode_expires_at=held.expires_at,
            before_key=request.before_key,
        )
