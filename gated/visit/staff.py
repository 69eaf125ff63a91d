"""What staff do at the gate: the card or the key, the contact value, the button. Pure.

Neither card nor key nor button alone opens. Each step is an event of its own, linked to the visit.
"""

from __future__ import annotations

from dataclasses import replace

from gated.clock import TimeQuality
from gated.contents import AlarmName
from gated.messages import (
    CallStaff,
    ContactValueSeen,
    Credential,
    KeyTurned,
    StopCallingStaff,
)
from gated.units import MonoSeconds
from gated.visit.passing import Passing
from gated.visit.records import alarm_commit, claim_commit, release_commit, release_result
from gated.visit.state import CLAIM_S, Phase, StaffClaim, Visit
from gated.vocabulary import (
    Button,
    Check,
    ClaimStep,
    CredentialStatus,
    Key,
    Prompt,
    ReleaseResult,
)


class Staff(Passing):
    """Claims and releases."""

    def _credential_checked(self, credential: Credential, at: MonoSeconds) -> None:
        is_good = (
            credential.status is CredentialStatus.VALID
            and not credential.is_listed
            and self._is_of_now(credential)
            and self._is_of_here(credential)
        )
        waiting = self._latest_to_wait()
        if credential.is_attendant and is_good and waiting is not None:
            # Always the claim, never the entry of whoever stands there: the card must not open
            # for a pupil at the sensor.
            self._make_claim(credential, waiting, at)
        elif not self._names_whom_to_release(credential, at):
            super()._credential_checked(credential, at)

    def _is_of_now(self, credential: Credential) -> bool:
        """Return whether a changing card is more than a picture of it, as far as a clock can say.

        Without a clock its age was not judged. What the policy refuses for entry releases nobody.
        """
        is_unjudged = credential.code_made_s is not None and TimeQuality.UNKNOWN in (
            credential.time_quality,
            self.state.time_quality,
        )
        return not (is_unjudged and self.state.lane.rules.clock.dynamic_when_unknown is Check.HARD)

    def _is_of_here(self, credential: Credential) -> bool:
        """Return whether the card holds here: who works in one yard releases at its gates."""
        return not credential.zones or self.state.lane.rules.zone in credential.zones

    def _key_turned(self, event: KeyTurned) -> None:
        if event.key is not Key.RELEASE or not event.is_on:
            return
        waiting = self._latest_to_wait()
        if waiting is not None:
            self._make_claim(None, waiting, event.at)
        else:
            self.commands.append(claim_commit(ClaimStep.KEY, None, None))

    def _make_claim(self, credential: Credential | None, visit: Visit, at: MonoSeconds) -> None:
        """Begin a release of ``visit``, by the card or, with None, by the key.

        Whoever is sent to staff later is not meant: each step is recorded with whom it is about.
        """
        claim = StaffClaim(credential, MonoSeconds(at + CLAIM_S), visit.visit_id)
        step = ClaimStep.KEY if credential is None else ClaimStep.CARD
        self.state = replace(self.state, claim=claim)
        self.commands.append(claim_commit(step, visit, claim))
        self._tell_staff(Prompt.STAFF_PRESS_BUTTON)

    def _tell_staff(self, prompt: Prompt) -> None:
        """Show staff what to do, unless somebody is on the way through: theirs is the go lamp."""
        if not self._in(Phase.PASSING):
            self._show(prompt)

    def _contact_value_seen(self, event: ContactValueSeen) -> None:
        claim = self._claim(event.at)
        if claim is None:
            # Without a card before it, it is nobody's word: somebody has found the sheet.
            step, visit = ClaimStep.VALUE_WITHOUT_CARD, self._latest_to_wait()
            self.commands.append(claim_commit(step, visit, None, event.contact_c))
            self._tell_staff(Prompt.STAFF_CARD_FIRST)
            return
        until = MonoSeconds(event.at + CLAIM_S)
        claim = replace(claim, contact_c=event.contact_c, until=until)
        self.state = replace(self.state, claim=claim)
        visit = self._whom_to_release(claim)
        self.commands.append(claim_commit(ClaimStep.VALUE, visit, claim, event.contact_c))
        self._tell_staff(Prompt.STAFF_PRESS_BUTTON)

    def _button_pressed(self, button: Button, at: MonoSeconds) -> None:
        if button is Button.CALL:
            self.commands.append(CallStaff(None, None))
            self.commands.append(alarm_commit(AlarmName.STAFF_CALLED, detail="call button"))
            return
        self.commands.append(StopCallingStaff())
        claim = self._claim(at)
        visit = self._latest_to_wait() if claim is None else self._whom_to_release(claim)
        if visit is None:
            if claim is not None:
                self._tell_staff(Prompt.STAFF_CARD_FIRST)  # whom the card meant waits no longer
            return
        if claim is None:
            self.commands.append(claim_commit(ClaimStep.BUTTON, visit, None))
            return
        if self._is_lane_taken():
            return  # the claim stands: once the lane is free the button opens
        result = release_result(claim.contact_c, self.state.lane.rules)
        self.commands.append(release_commit(visit, claim, result, self.state.lane.rules))
        self.state = replace(self.state, claim=None)
        if result is ReleaseResult.ISOLATED:
            self._drop(visit)
            self._refresh_prompt()
        else:
            self._put(replace(visit, phase=Phase.RELEASING, last_progress_at=at))

    def _tick_claim(self, at: MonoSeconds) -> None:
        claim = self.state.claim
        if claim is not None and claim.until <= at:
            self.state = replace(self.state, claim=None)
            visit = self._whom_to_release(claim)
            self.commands.append(claim_commit(ClaimStep.EXPIRED, visit, claim))
            self._refresh_prompt()

    def _claim(self, at: MonoSeconds) -> StaffClaim | None:
        claim = self.state.claim
        return claim if claim is not None and at < claim.until else None

    def _latest_to_wait(self) -> Visit | None:
        """Return who was sent to staff last."""
        waiting = self._in(Phase.WAITING_STAFF)
        return max(waiting, key=lambda visit: visit.last_progress_at, default=None)

    def _whom_to_release(self, claim: StaffClaim) -> Visit | None:
        """Return whom the claim means; None: they wait no longer."""
        waiting = self._in(Phase.WAITING_STAFF)
        return next((visit for visit in waiting if visit.visit_id == claim.visit_id), None)

    def _names_whom_to_release(self, credential: Credential, at: MonoSeconds) -> bool:
        """After a staff card, the pass of somebody who waits says whom staff means."""
        claim = self._claim(at)
        if claim is None or credential.holder_ref is None:
            return False
        for visit in self._in(Phase.WAITING_STAFF):
            known = visit.credential
            if known is not None and known.holder_ref == credential.holder_ref:
                self._name(visit, claim)
                return True
        return False

    def _name(self, visit: Visit, claim: StaffClaim) -> None:
        """Staff say that they mean ``visit``: a value shown before is theirs, and recorded so."""
        if visit.visit_id == claim.visit_id:
            return
        self.state = replace(self.state, claim=replace(claim, visit_id=visit.visit_id))
        if claim.contact_c is not None:
            self.commands.append(claim_commit(ClaimStep.VALUE, visit, claim, claim.contact_c))
