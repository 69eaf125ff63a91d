"""One act on the stage: where each person stands, what they hold up, how they answer prompts.

Pure: told the time, the prompts and the relay's level, it says what is seen and pressed.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

from gated.simulation.approach import Walker, seen_temperature_c
from gated.simulation.optics import forehead_height_m
from gated.simulation.scenario import Act, Role
from gated.vocabulary import Prompt

LOOKS_FOR_PHONE_S = 0.5
"""From standing still to holding the code up."""
HOLDS_UP_EACH_S = 1.4
"""Two people with codes hold them up one after the other."""
REACTS_AFTER_S = 0.4
PASSES_AFTER_S = 1.0
"""From seeing the go lamp to the light barrier."""
WAITS_ASIDE_S = 1.0
PATIENCE_S = 45.0
PAUSE_S = 1.5
"""Somebody who walks through hesitates this long, too short to be measured and asked."""
STAFF_SHOWS_S = 1.3
FOLLOWS_S = 1.0

_SENT_AWAY = frozenset(
    {
        Prompt.WAIT_STAFF,
        Prompt.THANK_YOU_WAIT_OUTSIDE,
        Prompt.SHOW_ANOTHER_CODE,
        Prompt.ONE_CODE_ONLY,
        Prompt.CLOSED,
        Prompt.OUT_OF_ORDER,
    }
)


class Press(enum.StrEnum):
    """What an act does to the gate's inputs."""

    PASSAGE = "passage"
    ATTENDANT = "attendant"


@dataclass
class Actor:
    """One person."""

    role: Role
    walker: Walker
    has_left: bool = False
    passes_at_s: float | None = None

    def leave(self, at_s: float) -> None:
        if not self.has_left:
            self.has_left = True
            self.walker.leave(at_s)


@dataclass
class Staging:
    """An act as it is being played.

    Args:
        act: who and what is expected.
        starts_at_s: when they come into view.
        attendant: the staff card's text, for a release.
    """

    act: Act
    starts_at_s: float
    attendant: str
    seed: int
    actors: list[Actor] = field(default_factory=list)
    visit_ids: list[str] = field(default_factory=list)
    release_from_s: float | None = None
    _has_pressed: bool = False
    has_released: bool = False

    def __post_init__(self) -> None:
        for index, role in enumerate(self.act.roles):
            walker = Walker(
                role.person,
                seed=self.seed + index,
                arrives_at_s=self.starts_at_s,
                stops=True,
            )
            if not role.stops:
                walker.leave(walker.stands_from_s + PAUSE_S)
            self.actors.append(Actor(role, walker, has_left=not role.stops))

    def take_prompt(self, prompt: Prompt, at_s: float) -> None:
        """React to a prompt for one of this act's visits."""
        if prompt is Prompt.GO:
            if self.release_from_s is not None:
                self.has_released = True
                self.actors[0].passes_at_s = at_s + PASSES_AFTER_S
                return
            # The child goes; whoever came along stays outside.
            self.actors[0].passes_at_s = at_s + PASSES_AFTER_S
            self.actors[0].leave(at_s + REACTS_AFTER_S)
        elif prompt in _SENT_AWAY:
            leaving = self.actors[1:] if prompt is Prompt.THANK_YOU_WAIT_OUTSIDE else self.actors
            for actor in leaving or self.actors:
                actor.leave(at_s + REACTS_AFTER_S)
            if self.act.release is not None and self.release_from_s is None:
                self.release_from_s = at_s + WAITS_ASIDE_S

    def presses(self, at_s: float) -> list[Press]:
        """Return what is pressed at ``at_s``; each once."""
        pressed = []
        for actor in self.actors:
            if actor.passes_at_s is not None and actor.passes_at_s <= at_s:
                actor.passes_at_s = None
                pressed.append(Press.PASSAGE)
        from_s = self.release_from_s
        if from_s is not None and not self._has_pressed and at_s >= from_s + 2 * STAFF_SHOWS_S:
            self._has_pressed = True
            pressed.append(Press.ATTENDANT)
        return pressed

    def held_up(self, at_s: float) -> str | Path | None:
        """Return what is before the camera."""
        if self.release_from_s is not None:
            turn = int((at_s - self.release_from_s) // STAFF_SHOWS_S)
            contact = f"GV1:{self.act.contact_c:.1f}"
            return {0: self.attendant, 1: contact}.get(turn)
        carriers = [actor for actor in self.actors if actor.role.shows is not None]
        if not carriers:
            return None
        first_s = max(a.walker.stands_from_s for a in self.actors) + LOOKS_FOR_PHONE_S
        if at_s < first_s:
            return None
        turn = min(int((at_s - first_s) // HOLDS_UP_EACH_S), len(carriers) - 1)
        carrier = carriers[turn]
        return None if carrier.has_left else carrier.role.shows

    def seen_c(self, height_m: float, fov_deg: float, at_s: float, ambient_c: float) -> float:
        """Return what a thermometer at ``height_m`` sees of these people."""
        own = [a for a in self.actors if self._stands_before(a, height_m)]
        return max(
            (seen_temperature_c(a.walker, height_m, fov_deg, at_s, ambient_c) for a in own),
            default=ambient_c,
        )

    def _stands_before(self, actor: Actor, height_m: float) -> bool:
        """Return whether this person is the one before it: the nearest head, where two stand."""
        nearest = min(
            self.actors,
            key=lambda a: abs(forehead_height_m(a.role.person.stature_m) - height_m),
        )
        return nearest is actor

    def frees_front(self, at_s: float) -> bool:
        """Return whether the next in the queue may come up."""
        if self.act.release is not None:
            return self.is_over(at_s)
        # The next one is on the way while the last one still turns aside; not behind somebody who
        # only walks through: nothing but a gap tells these two apart.
        ahead_s = FOLLOWS_S if all(actor.role.stops for actor in self.actors) else 0.0
        return all(actor.has_left and actor.walker.is_gone(at_s + ahead_s) for actor in self.actors)

    def is_over(self, at_s: float) -> bool:
        """Return whether nothing more will happen."""
        if at_s - self.starts_at_s > PATIENCE_S:
            return True
        is_everybody_gone = all(actor.walker.is_gone(at_s) for actor in self.actors)
        is_passage_due = any(actor.passes_at_s is not None for actor in self.actors)
        if self.act.release is not None and not self.has_released:
            return False
        return is_everybody_gone and not is_passage_due
