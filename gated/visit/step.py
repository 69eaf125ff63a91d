"""The state as one call of ``advance`` changes it: visits, commands, the prompt that is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gated.messages import ShowPrompt
from gated.units import MonoSeconds
from gated.visit.state import (
    RELAY,
    Command,
    LaneState,
    Phase,
    Visit,
    new_visit_id,
)
from gated.vocabulary import Check, Mode, Prompt, Reason, UnreadCause


class Step:
    """One call of ``advance``: the state as it changes, and the commands so far."""

    def __init__(self, state: LaneState) -> None:
        self.state = state
        self.commands: list[Command] = []

    def _in(self, phase: Phase) -> list[Visit]:
        return [visit for visit in self.state.visits if visit.phase is phase]

    def _find(self, visit_id: str) -> Visit | None:
        return next((v for v in self.state.visits if v.visit_id == visit_id), None)

    def _new_visit(self, at: MonoSeconds) -> Visit:
        visit_id = new_visit_id(self.state.lane.id_seed, self.state.count)
        self.state = replace(self.state, count=self.state.count + 1)
        return Visit(visit_id=visit_id, started_at=at, last_progress_at=at)

    def _put(self, visit: Visit) -> None:
        """Replace the visit of this id, in its place, or add it at the end."""
        visits = self.state.visits
        if any(v.visit_id == visit.visit_id for v in visits):
            visits = tuple(visit if v.visit_id == visit.visit_id else v for v in visits)
        else:
            visits = (*visits, visit)
        self.state = replace(self.state, visits=visits)

    def _drop(self, visit: Visit) -> None:
        left = tuple(v for v in self.state.visits if v.visit_id != visit.visit_id)
        self.state = replace(self.state, visits=left)

    def _show(
        self, prompt: Prompt, visit_id: str | None = None, *, is_spoken: bool = False
    ) -> None:
        mode = self.state.mode
        if (prompt, mode) != (self.state.prompt, self.state.prompt_mode) or is_spoken:
            self.state = replace(self.state, prompt=prompt, prompt_mode=mode)
            self.commands.append(ShowPrompt(prompt, visit_id, is_spoken, mode))
            self._remember_hint(prompt, visit_id, is_spoken=is_spoken)

    def _remember_hint(self, prompt: Prompt, visit_id: str | None, *, is_spoken: bool) -> None:
        """Keep what somebody was asked to do beyond the usual, for the visit's record."""
        visit = None if visit_id is None else self._find(visit_id)
        is_hint = prompt in HINTS or is_spoken
        if visit is None or not is_hint or visit.phase is not Phase.MEASURING:
            return
        if prompt not in visit.hints[-1:]:
            self._put(replace(visit, hints=(*visit.hints, prompt)))

    def _refresh_prompt(self) -> None:
        """Show what the person at the front needs next."""
        for visit in reversed(self.state.visits):
            if visit.phase is Phase.MEASURING:
                self._show(self._need(visit), visit.visit_id)
                return
        for visit in self.state.visits:
            if visit.is_present and visit.decision is not None and visit.phase is not Phase.PASSING:
                self._show(visit.decision.prompt, visit.visit_id)
                return
        is_open = self._in(Phase.PASSING) and RELAY not in self.state.lost
        self._show(Prompt.GO if is_open else idle_prompt(self.state))

    def _need(self, visit: Visit) -> Prompt:
        rules = self.state.lane.rules
        if visit.is_waiting_for_lane:
            return Prompt.ONE_MOMENT
        if self.state.mode is Mode.CLOSED and visit.credential is None:
            return Prompt.CLOSED
        if visit.credential is not None and visit.credential.is_ambiguous:
            return Prompt.ONE_CODE_ONLY
        if not has_been_near(visit) and rules.check_temperature is not Check.OFF:
            if visit.thermometer is None or visit.readings:
                return Prompt.COME_CLOSER
            return Prompt.STAND_STILL if visit.has_hinted else Prompt.FACE
        if visit.rechecks_asked >= len(visit.readings) > 0:
            return Prompt.MEASURE_AGAIN
        if visit.awaited is not None:
            # What is shown stays for a moment: most answers come before anybody would read more.
            return Prompt.ONE_MOMENT if visit.is_answer_slow else self.state.prompt
        return HINT_OF_CAUSE[visit.unread[-1]] if visit.unread else Prompt.SHOW_CODE


def has_been_near(visit: Visit) -> bool:
    """Return whether there is a reading that was not only refused for being too far away."""
    return any(reading.refusal is not Reason.OUT_OF_DISTANCE for reading in visit.readings)


def with_code_shown(visit: Visit, at: MonoSeconds) -> Visit:
    """Return ``visit`` at the moment of a code. Whoever shows it is there, though unfelt yet."""
    # With a reading it would be the code of one and the temperature of another.
    left_at = at if visit.left_at is not None and not visit.readings else visit.left_at
    return replace(visit, last_progress_at=at, has_hinted=False, left_at=left_at)


def has_shown_no_code(visit: Visit) -> bool:
    """Return whether there is no code of this visit, nor one that the platform is asked about."""
    return visit.credential is None and visit.awaited is None


HINT_OF_CAUSE: Mapping[UnreadCause, Prompt] = {
    UnreadCause.TOO_SMALL: Prompt.HOLD_CLOSER,
    UnreadCause.TOO_LARGE: Prompt.HOLD_FURTHER,
    UnreadCause.TOO_DARK: Prompt.BRIGHTER_SCREEN,
    UnreadCause.TOO_BRIGHT: Prompt.TURN_FROM_GLARE,
    UnreadCause.GLARE: Prompt.TURN_FROM_GLARE,
    UnreadCause.BLURRED: Prompt.HOLD_STILL,
}
HINTS = frozenset({*HINT_OF_CAUSE.values(), Prompt.ONE_CODE_ONLY})
"""What nobody hears on the usual way; kept in the record, as is whatever had to be spoken."""


def idle_prompt(state: LaneState) -> Prompt:
    """Return what is shown to whoever comes up next, with nobody in the lane."""
    thermometers = set(state.lane.thermometers)
    if RELAY in state.lost or (thermometers and thermometers <= state.lost):
        return Prompt.OUT_OF_ORDER
    if state.gate is not None and state.gate.is_told:
        return Prompt.SHUT_GATE
    if state.mode is Mode.CLOSED:
        return Prompt.CLOSED
    return Prompt.READY if state.come_closer_until is None else Prompt.COME_CLOSER
