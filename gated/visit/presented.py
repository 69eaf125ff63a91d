"""Codes that begin nothing: held up still, or of somebody who is sent to staff. Pure."""

from __future__ import annotations

from gated.messages import Credential
from gated.policy import CALLS_STAFF
from gated.units import MonoSeconds
from gated.visit.state import Phase, Visit
from gated.visit.step import Step, has_shown_no_code
from gated.vocabulary import CredentialStatus, Prompt, Reason

READ_LAG_S = 0.5
"""A camera's frame and its reading take less than this; nobody steps up in that time."""


class Presented(Step):
    """Which codes are nobody's, so that they begin no visit and let nobody in."""

    def _begins_nothing(self, credential: Credential) -> bool:
        return self._is_being_served(credential) or self._is_told_to_wait(credential)

    def _is_being_served(self, credential: Credential) -> bool:
        """A pass that is still held up, and was out of view for a moment, begins nothing new.

        Except a changing pass whose old code was refused so far, and whose next one is good.
        """
        is_fresh = credential.code_made_s is not None
        return credential.pass_ref is not None and any(
            visit.credential is not None
            and visit.credential.pass_ref == credential.pass_ref
            and not (
                is_fresh
                and visit.phase is Phase.MEASURING
                and visit.credential.status is not CredentialStatus.VALID
            )
            for visit in self.state.visits
            if visit.phase in (Phase.MEASURING, Phase.COMMITTING, Phase.PASSING, Phase.LEAVING)
        )

    def _is_told_to_wait(self, credential: Credential) -> bool:
        """The pass of who waits with a fever begins nothing, wherever it is held up.

        A pass that is refused for itself, as that of a listed person, is judged again.
        """
        whose = [v for v in self._in(Phase.WAITING_STAFF) if _has_fever_and_pass(v, credential)]
        if whose and not self._in(Phase.MEASURING):  # else it would be said to somebody else
            self._show(Prompt.WAIT_STAFF, whose[0].visit_id)
        return bool(whose)

    def _is_of_who_is_sent_to_staff(self, at: MonoSeconds) -> bool:
        """Only staff let these in: no other code, and no third reading, talks it away.

        And whoever is next must not get in with what they held up.
        """
        for sent in (*self._in(Phase.COMMITTING), *self._in(Phase.WAITING_STAFF)):
            if _is_for_staff(sent) and _may_have_shown(sent, at):
                self._show(Prompt.WAIT_STAFF, sent.visit_id)
                return True
        return False


def _has_fever_and_pass(visit: Visit, credential: Credential) -> bool:
    """Return whether this pass is the visitor's, who has a fever and was not told to come back."""
    known, decision = visit.credential, visit.decision
    if known is None or known.pass_ref is None or decision is None:
        return False
    has_fever = Reason.TEMPERATURE_HIGH in decision.reasons
    is_to_wait = decision.prompt is not Prompt.AGAIN_LATER
    return known.pass_ref == credential.pass_ref and has_fever and is_to_wait


def _is_for_staff(visit: Visit) -> bool:
    """Return whether staff alone let this visitor in, also one whom a closed gate denied."""
    return visit.decision is not None and bool(CALLS_STAFF & set(visit.decision.reasons))


def _may_have_shown(visit: Visit, at: MonoSeconds) -> bool:
    """Return whether a code that is told of now may be this visitor's: reading takes a moment."""
    if visit.is_present:
        return True
    has_just_left = visit.left_at is not None and at - visit.left_at <= READ_LAG_S
    return has_just_left and has_shown_no_code(visit)
