"""The person at the front, from the first sign of them to the decision."""

from __future__ import annotations

from dataclasses import replace

from gated.contents import AlarmName
from gated.judgement import Judgement, admit_reading, judge_temperature
from gated.messages import (
    CodeNotRead,
    Credential,
    MeasureAgain,
    PresenceEnded,
    PresenceStarted,
    Reading,
)
from gated.policy import Context, Decision, decide
from gated.units import MonoSeconds
from gated.visit.presented import Presented
from gated.visit.records import alarm_commit, visit_commit
from gated.visit.state import (
    COME_CLOSER_S,
    FLICKER_S,
    LEAVE_GRACE_S,
    Phase,
    Visit,
)
from gated.visit.step import HINT_OF_CAUSE, has_been_near, has_shown_no_code, with_code_shown
from gated.visit.uses import use_of
from gated.vocabulary import (
    Check,
    CredentialStatus,
    HolderCategory,
    Mode,
    Outcome,
    Prompt,
    Reason,
    Verdict,
)

FAR = Reason.OUT_OF_DISTANCE
LANE_TAKEN = frozenset({Phase.PASSING, Phase.RELEASING})
DENIED_ALARM_AFTER = 5
"""Refusals in a row that raise an alarm (GB 50396: at most five wrong tries)."""


class Front(Presented):
    """Who is there, what they show, and what follows from both."""

    def _presence_started(self, event: PresenceStarted) -> None:
        at, thermometer = event.at, event.thermometer
        self.state = replace(self.state, present=self.state.present | {thermometer})
        for visit in self.state.visits:
            if visit.thermometer == thermometer and visit.phase is Phase.REFUSED:
                self._drop(visit)
        for visit in self._in(Phase.MEASURING):
            if visit.thermometer == thermometer and self._is_somebody_else(visit, at):
                self._evaluate(replace(visit, is_present=False), at, is_time_out=True)
        visit = self._visit_to_bind(thermometer) or self._new_visit(at)
        others = [v for v in self._in(Phase.MEASURING) if v.is_present and v != visit]
        group_id = visit.group_id
        if others:
            group_id = others[0].group_id or others[0].visit_id
            self._put(replace(others[0], group_id=group_id))
        # Whoever comes back within the grace may be somebody else: measured anew.
        visit = replace(
            visit,
            thermometer=thermometer,
            is_present=True,
            left_at=None,
            readings=(),
            rechecks_asked=0,
            is_waiting_for_lane=False,
            has_hinted=False,
            last_progress_at=at,
            group_id=group_id,
        )
        self._put(visit)
        self._evaluate(visit, at)

    def _is_somebody_else(self, visit: Visit, at: MonoSeconds) -> bool:
        """Return whether a new presence leaves this visit behind, which has shown nothing yet.

        A gap of two samples or so is somebody who comes nearer, seen between face and clothing; it
        carries nothing over. Who was measured and went away is not who comes now.
        """
        if visit.credential is not None or visit.awaited is not None:
            return False
        is_long = visit.left_at is None or at - visit.left_at > FLICKER_S
        return bool(visit.readings) or is_long

    def _visit_to_bind(self, thermometer: str) -> Visit | None:
        """Return the visit that this presence continues: a code shown a moment ago, or so far."""
        measuring = self._in(Phase.MEASURING)
        for visit in measuring:
            if visit.thermometer == thermometer:
                return visit
        for visit in measuring:
            if visit.thermometer is None and self._fits(visit.credential, thermometer):
                return visit
        return None

    def _fits(self, credential: Credential | None, thermometer: str) -> bool:
        """An escort stands before a higher thermometer than the child does, where there are two."""
        names = self.state.lane.thermometers
        is_escort = (
            credential is not None
            and credential.category in self.state.lane.rules.escort_categories
        )
        return not (is_escort and len(names) > 1 and thermometer == names[0])

    def _presence_ended(self, event: PresenceEnded) -> None:
        gone = event.thermometer
        self.state = replace(self.state, present=self.state.present - {gone})
        for visit in self.state.visits:
            if visit.thermometer != gone or not visit.is_present:
                continue
            if visit.phase in (Phase.REFUSED, Phase.LEAVING) or self._was_nobody(visit, event.at):
                self._drop(visit)
            else:
                self._put(replace(visit, is_present=False, left_at=event.at))
        self._refresh_prompt()

    def _was_nobody(self, visit: Visit, at: MonoSeconds) -> bool:
        """Return whether this was only whoever went through, seen a moment longer."""
        has_shown_nothing = not visit.readings and has_shown_no_code(visit)
        return visit.is_greeted and has_shown_nothing and at - visit.started_at <= FLICKER_S

    def _reading_taken(self, reading: Reading, at: MonoSeconds) -> None:
        for visit in self._in(Phase.MEASURING):
            if visit.thermometer == reading.thermometer and not visit.is_waiting_for_lane:
                admitted = admit_reading(reading, at, self.state.lane.rules.temperature)
                measured = tuple(r for r in visit.readings if r.refusal is not FAR)
                if admitted.refusal is FAR:
                    self._too_far(replace(visit, readings=measured or (admitted,)), at)
                    return
                visit = replace(
                    visit,
                    readings=(*measured, admitted),
                    last_progress_at=at,
                    has_hinted=False,
                )
                self._put(visit)
                self._evaluate(visit, at)
                return
        if reading.refusal is FAR:
            # Too far away even to be felt as a person: there is no visit yet.
            until = MonoSeconds(at + COME_CLOSER_S)
            self.state = replace(self.state, come_closer_until=until)
            self._refresh_prompt()

    def _too_far(self, visit: Visit, at: MonoSeconds) -> None:
        """Ask them to come closer. No attempt is spent, and standing on there is no progress."""
        if Prompt.COME_CLOSER not in visit.hints:
            visit = replace(visit, last_progress_at=at, has_hinted=False)
        self._put(visit)
        self._show(Prompt.COME_CLOSER, visit.visit_id)
        self._remember_hint(Prompt.COME_CLOSER, visit.visit_id, is_spoken=True)

    def _stop_vouching(self, thermometer: str, at: MonoSeconds) -> None:
        """The thermometer was lost: nothing tells that whoever was measured still stands there.

        What it measured is kept, as of somebody near the threshold, but opens for nobody. Whoever
        stands there when it is back is measured anew.
        """
        rules = self.state.lane.rules.temperature
        for visit in self._in(Phase.MEASURING):
            is_normal = judge_temperature(visit.readings, rules).verdict is Verdict.NORMAL
            if visit.thermometer == thermometer and is_normal:
                lost = Reading(
                    thermometer,
                    at,
                    body_c=None,
                    calibration=visit.readings[-1].calibration,
                    refusal=Reason.SENSOR_LOST,
                )
                self._put(replace(visit, readings=(*visit.readings, lost)))

    # --- what they show -----------------------------------------------------------------------

    def _code_not_read(self, event: CodeNotRead) -> None:
        """Tell whoever holds up a code how it could be read. Each new cause is progress, once."""
        for visit in reversed(self._in(Phase.MEASURING)):
            if has_shown_no_code(visit):
                if event.cause not in visit.unread:
                    visit = replace(visit, last_progress_at=event.at, has_hinted=False)
                causes = (*(c for c in visit.unread if c is not event.cause), event.cause)
                self._put(replace(visit, unread=causes))
                # At once, also while the face is still measured: that needs no help meanwhile.
                self._show(HINT_OF_CAUSE[event.cause], visit.visit_id)
                return

    def _credential_checked(self, credential: Credential, at: MonoSeconds) -> None:
        if self._begins_nothing(credential):
            return
        visit = self._visit_of_code(credential, at)
        if visit is None:
            if credential.is_ambiguous:
                self._show(Prompt.ONE_CODE_ONLY)
            return
        visit = replace(with_code_shown(visit, at), credential=credential)
        self._put(visit)
        self._evaluate(visit, at)

    def _visit_of_code(self, credential: Credential, at: MonoSeconds) -> Visit | None:
        """Return the visit whose code this is, a new one for a code that comes first, or None."""
        measuring = [v for v in self._in(Phase.MEASURING) if self._accepts(v, credential)]
        if measuring:
            return self._by_height(measuring, credential)
        for refused in self._in(Phase.REFUSED):
            self._drop(refused)
            return self._measured_anew(refused, at)
        if credential.is_ambiguous or credential.status is CredentialStatus.UNSUPPORTED:
            return None  # a poster behind an empty lane
        if self._is_of_who_is_sent_to_staff(at):
            return None
        for waiting in self._in(Phase.WAITING_STAFF):
            if waiting.is_present:
                self._put(replace(waiting, is_present=False))
                return self._measured_anew(waiting, at)
        return self._new_visit(at)

    def _measured_anew(self, before: Visit, at: MonoSeconds) -> Visit:
        """Return a visit of whoever stands where ``before`` stood: they, or the next in the queue.

        Nothing tells the two apart, so nothing that was measured is carried over.
        """
        visit = replace(
            self._new_visit(at),
            thermometer=before.thermometer,
            is_present=before.is_present,
            group_id=before.group_id,
        )
        if visit.thermometer is not None:
            self.commands.append(MeasureAgain(visit.thermometer))
        return visit

    def _accepts(self, visit: Visit, credential: Credential) -> bool:
        known = visit.credential
        if known is not None and known.status is CredentialStatus.VALID and not known.is_ambiguous:
            return False
        return visit.thermometer is None or self._fits(credential, visit.thermometer)

    def _by_height(self, visits: list[Visit], credential: Credential) -> Visit:
        """Return whose code it is when two stand there: a pupil's belongs to the lower sensor."""
        names = self.state.lane.thermometers
        without = [v for v in visits if has_shown_no_code(v)] or visits

        def height(visit: Visit) -> int:
            return names.index(visit.thermometer) if visit.thermometer in names else -1

        is_student = credential.category is HolderCategory.STUDENT
        return (min if is_student else max)(without, key=height)

    # --- the decision -------------------------------------------------------------------------

    def _evaluate(self, visit: Visit, at: MonoSeconds, *, is_time_out: bool = False) -> None:
        """Decide if everything is there, time is out or nobody is; else ask for what is missing."""
        lane = self.state.lane
        judgement = judge_temperature(visit.readings, lane.rules.temperature)
        is_gone = visit.thermometer is not None and not visit.is_present
        is_final = is_time_out or (is_gone and self._has_been_gone(visit, at))
        if not is_final and not self._is_complete(visit, judgement, at):
            return
        decision = self._decision(visit, judgement, is_gone=is_gone and is_final)
        if decision.outcome is Outcome.GRANTED and self._is_lane_taken():
            self._put(replace(visit, is_waiting_for_lane=True))
            self._refresh_prompt()
            return
        self._commit(visit, judgement, decision, at)

    def _has_been_gone(self, visit: Visit, at: MonoSeconds) -> bool:
        return visit.left_at is not None and visit.left_at + LEAVE_GRACE_S <= at

    def _is_complete(self, visit: Visit, judgement: Judgement, at: MonoSeconds) -> bool:
        rules = self.state.lane.rules
        is_high = judgement.verdict is Verdict.HIGH and rules.check_temperature is Check.HARD
        if is_high and self.state.mode is not Mode.OBSERVE:
            return True  # known at once, whatever the code says; only observing waits for it
        is_open = judgement.verdict is Verdict.RECHECK or self._may_steady(visit, judgement)
        if is_open and visit.thermometer is not None:
            if visit.rechecks_asked < len(visit.readings):
                self.commands.append(MeasureAgain(visit.thermometer))
                self._put(replace(visit, rechecks_asked=len(visit.readings)))
            self._refresh_prompt()
            return False
        needs_reading = rules.check_temperature is not Check.OFF and not has_been_near(visit)
        if self.state.mode is Mode.OBSERVE:
            hint_at = visit.last_progress_at + self.state.lane.timing.hint_after_s
            needs_reading = needs_reading and at < hint_at
        needs_code = rules.check_credential is not Check.OFF and visit.credential is None
        if needs_reading or needs_code:
            self._refresh_prompt()
            return False
        return True

    def _may_steady(self, visit: Visit, judgement: Judgement) -> bool:
        """Return whether somebody who moved is still there, with a reading left to stand still."""
        has_moved = judgement.reasons == (Reason.SPREAD_TOO_LARGE,) and visit.is_present
        return has_moved and len(visit.readings) < self.state.lane.rules.temperature.max_attempts

    def _decision(self, visit: Visit, judgement: Judgement, *, is_gone: bool) -> Decision:
        state, rules = self.state, self.state.lane.rules
        pass_ref = visit.credential.pass_ref if visit.credential is not None else None
        used = use_of(pass_ref, state)
        context = Context(
            mode=state.mode,
            time_quality=state.time_quality,
            uses=used.count if used else 0,
            newest_code_s=used.newest_code_s if used else None,
            is_passback=used is not None
            and used.count > 0
            and not used.is_before_reset
            and used.direction is rules.direction,
            is_anybody_there=not is_gone,
        )
        if not visit.readings and self._is_blind(visit):
            judgement = replace(judgement, reasons=(Reason.SENSOR_LOST,))
        decision = decide(judgement, visit.credential, context, rules)
        if is_gone and decision.outcome is Outcome.GRANTED:
            reasons = (Reason.WALKED_AWAY,)
            return Decision(Outcome.ABANDONED, Prompt.READY, reasons, decision.noted)
        if decision.outcome is Outcome.GRANTED and self._is_unseen(visit):
            # Admitting who could not be judged is not admitting who was never there, or stood back.
            why = judgement.reasons or (Reason.NO_READING,)
            return Decision(Outcome.SEE_STAFF, Prompt.WAIT_STAFF, why, decision.noted)
        return decision

    def _is_unseen(self, visit: Visit) -> bool:
        """Return whether there is only a code so far, although the thermometers work."""
        is_measuring = self.state.lane.rules.check_temperature is not Check.OFF
        # Standing back must not be a way around the thermometer.
        stood_back = bool(visit.readings) and not has_been_near(visit)
        stood_back &= self.state.mode is not Mode.OBSERVE
        is_unseen = visit.thermometer is None or stood_back
        return is_measuring and is_unseen and not self._is_blind(visit)

    def _is_blind(self, visit: Visit) -> bool:
        names = {visit.thermometer} if visit.thermometer else set(self.state.lane.thermometers)
        return bool(names) and names <= self.state.lost

    def _is_lane_taken(self) -> bool:
        return any(
            visit.phase in LANE_TAKEN
            or (
                visit.phase is Phase.COMMITTING
                and visit.decision is not None
                and visit.decision.outcome is Outcome.GRANTED
            )
            for visit in self.state.visits
        )

    def _commit(
        self, visit: Visit, judgement: Judgement, decision: Decision, at: MonoSeconds
    ) -> None:
        shown = self._find(visit.visit_id)  # a hint may have been shown since
        visit = visit if shown is None else replace(visit, hints=shown.hints)
        self.commands.append(visit_commit(visit, judgement, decision, self.state.lane.rules, at))
        self.commands.extend(alarm_commit(alarm, visit.visit_id) for alarm in decision.alarms)
        is_denied = decision.outcome is Outcome.DENIED
        in_a_row = self.state.denied_in_a_row + 1 if is_denied else 0
        if in_a_row == DENIED_ALARM_AFTER:
            alarm = AlarmName.CODE_REFUSED_REPEATEDLY
            self.commands.append(alarm_commit(alarm, visit.visit_id))
            in_a_row = 0
        self.state = replace(self.state, denied_in_a_row=in_a_row)
        self._put(replace(visit, phase=Phase.COMMITTING, decision=decision, last_progress_at=at))
