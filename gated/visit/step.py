"""The state as one call of ``advance`` changes it: visits, commands, the prompt that is due."""

from __future__ import annotations

from dataclasses import replace

from gated.messages import ShowPrompt
from gated.units import MonoSeconds
from gated.visit.state import (
    Command,
    LaneState,
    Phase,
    Visit,
    new_visit_id,
)
from gated.vocabulary import Check, Mode, Prompt


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
        if prompt is not self.state.prompt or is_spoken:
            self.state = replace(self.state, prompt=prompt)
            self.commands.append(ShowPrompt(prompt, visit_id, is_spoken))

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
        self._show(Prompt.GO if self._in(Phase.PASSING) else idle_prompt(self.state))

    def _need(self, visit: Visit) -> Prompt:
        rules = self.state.lane.rules
        if visit.is_waiting_for_lane:
            return Prompt.ONE_MOMENT
        if self.state.mode is Mode.CLOSED and visit.credential is None:
            return Prompt.CLOSED
        if visit.credential is not None and visit.credential.is_ambiguous:
            return Prompt.ONE_CODE_ONLY
        if not visit.readings and rules.check_temperature is not Check.OFF:
            if visit.thermometer is None:
                return Prompt.COME_CLOSER
            return Prompt.STAND_STILL if visit.has_hinted else Prompt.FACE
        if visit.rechecks_asked >= len(visit.readings) > 0:
            return Prompt.MEASURE_AGAIN
        return Prompt.SHOW_CODE


def idle_prompt(state: LaneState) -> Prompt:
    """Return what is shown to whoever comes up next, with nobody in the lane."""
    thermometers = set(state.lane.thermometers)
    if thermometers and thermometers <= state.lost:
        return Prompt.OUT_OF_ORDER
    return Prompt.CLOSED if state.mode is Mode.CLOSED else Prompt.READY
