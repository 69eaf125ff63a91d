"""One act on the stage: where each person stands, what they hold up, how they answer prompts.

Pure: told the time and the prompts, it says what is seen, pressed and turned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from gated.sensors.site import SITES
from gated.simulation.acts import Act, Help, Role
from gated.simulation.approach import Walker, forehead_c, seen_temperature_c
from gated.simulation.camera import Held
from gated.simulation.optics import View, forehead_height_m
from gated.simulation.physics import is_in_cone
from gated.simulation.screens import Shown
from gated.vocabulary import Mode, Prompt, Site

HOLDS_UP_EACH_S = 1.4
"""Two people with codes hold them up one after the other."""
REACTS_AFTER_S = 0.4
MENDS_AFTER_S = 1.2
"""From a hint to the code held well."""
OPENS_BEFORE_S = 0.4
SHUTS_AFTER_S = 0.8
"""The gate opens before, and falls shut after, whoever goes through the light barrier."""
LEAVES_OPEN_S = 6.0
MISSED_AFTER_S = 4.0
"""So long after somebody has walked through the gate has noticed, and recorded, that they left."""
TURNS_BACK_S = 7.0
"""So long the gate waits at most for somebody who does not go through."""
WAITS_ASIDE_S = 1.0
PATIENCE_S = 45.0
PAUSE_S = 1.5
"""Somebody who walks through hesitates this long, too short to be measured and asked."""
STAFF_SHOWS_S = 1.0
FOLLOWS_S = 1.8
"""So long before the one ahead is out of view the next one steps up: at the front of a queue people
stand 0.9 m apart, and move when the lamp turns green."""
SUN_C = 7.0
"""What a wall in the sun is warmer than the air; a face more than that is still told from it."""
SUN_LEAD_S = 6.0
MODE_LEAD_S = 1.0
ARRAY_SITE = SITES[Site.FOREHEAD_MAX]
BREAK_LEAD_S = 3.5
"""The sun shines, the mode holds, the failure has been noticed, before anybody comes."""

_SENT_AWAY = frozenset(
    {
        Prompt.WAIT_STAFF,
        Prompt.AGAIN_LATER,
        Prompt.THANK_YOU_WAIT_OUTSIDE,
        Prompt.SHOW_ANOTHER_CODE,
        Prompt.ONE_CODE_ONLY,
        Prompt.CLOSED,
        Prompt.OUT_OF_ORDER,
    }
)


@dataclass(frozen=True, slots=True)
class Touch:
    """A hand on one of the gate's inputs."""

    at_s: float
    name: str
    level: bool | None = None  # None: a pulse


@dataclass
class Actor:
    """One person."""

    role: Role
    walker: Walker
    has_left: bool = False
    shows: Held | None = None
    mends_at_s: float | None = None
    mended: Shown | None = None

    def leave(self, at_s: float) -> None:
        if not self.has_left:
            self.has_left = True
            self.walker.leave(at_s)

    def held_up(self, at_s: float) -> Held | None:
        if self.mends_at_s is not None and at_s >= self.mends_at_s:
            return self.mended
        return self.shows


@dataclass
class Staging:
    """An act as it is being played.

    Args:
        act: who and what is expected.
        starts_at_s: when they come into view.
        attendant: the staff card's text, for a release.
        heights_m: of all thermometers; each person brings the forehead to the nearest one.
    """

    act: Act
    starts_at_s: float
    attendant: str
    seed: int
    heights_m: tuple[float, ...] = ()
    actors: list[Actor] = field(default_factory=list)
    heard: dict[str, list[Prompt]] = field(default_factory=dict)  # by visit, in order
    touches: list[Touch] = field(default_factory=list)  # still to come
    modes: list[tuple[float, Mode]] = field(default_factory=list)  # still to be asked for
    help_from_s: float | None = None
    has_released: bool = False
    ended_at_s: float = math.inf  # when nothing more happened
    _busy_until_s: float = 0.0
    _typed: bool = False
    _is_set_back: bool = False

    def __post_init__(self) -> None:
        lead_s = self._lead_s()
        if self.act.mode is not None:
            self._ask_for_mode(self.starts_at_s, is_on=True)
        for index, role in enumerate(self.act.roles):
            arrives_at_s = self.starts_at_s + lead_s
            walker = Walker(
                role.person, seed=self.seed + index, arrives_at_s=arrives_at_s, stops=True
            )
            if not role.stops:
                walker.leave(walker.stands_from_s + PAUSE_S)
                self._busy_until_s = walker.stands_from_s + PAUSE_S + MISSED_AFTER_S
                if self.act.forces:
                    self._go_through(walker.stands_from_s + PAUSE_S)
            self.actors.append(Actor(role, walker, not role.stops, role.shows))

    def _lead_s(self) -> float:
        """Return how long what surrounds this act takes to begin, and to end."""
        if self.act.breaks is not None:
            return BREAK_LEAD_S
        if self.act.mode is not None:
            return MODE_LEAD_S
        return SUN_LEAD_S if self.act.is_sunny else 0.0

    @property
    def visit_ids(self) -> list[str]:
        """The visits that the gate has begun for these people."""
        return list(self.heard)

    def take_prompt(self, visit_id: str, prompt: Prompt, at_s: float) -> None:
        """React to a prompt for one of this act's visits."""
        self.heard.setdefault(visit_id, []).append(prompt)
        first = self.actors[0]
        if prompt is Prompt.GO:
            if self.help_from_s is not None:
                self.has_released = True
            else:
                first.leave(at_s + REACTS_AFTER_S)
            # The child goes; whoever came along stays outside.
            if first.role.passes_after_s is not None:
                self._go_through(at_s + first.role.passes_after_s)
            else:
                self._busy_until_s = at_s + TURNS_BACK_S
        elif prompt in _SENT_AWAY:
            leaving = self.actors[1:] if prompt is Prompt.THANK_YOU_WAIT_OUTSIDE else self.actors
            for actor in leaving or self.actors:
                actor.leave(at_s + REACTS_AFTER_S)
            if self.act.help is not None and self.help_from_s is None:
                self._call_for_help(self.act.help, at_s + WAITS_ASIDE_S)
        if prompt is Prompt.COME_CLOSER:
            self.come_closer(at_s)
        for actor in self.actors:
            if prompt in actor.role.mends and actor.mends_at_s is None:
                actor.mends_at_s, actor.mended = at_s + MENDS_AFTER_S, actor.role.mends[prompt]

    def turn_away(self, at_s: float) -> None:
        """Go without an answer: the gate has gone dark. Staff do nothing more, either."""
        self.has_released = True
        for actor in self.actors:
            actor.leave(at_s + REACTS_AFTER_S)

    def come_closer(self, at_s: float) -> None:
        """Have been asked to, whether or not the gate has begun a visit."""
        for actor in self.actors:
            if not actor.has_left:
                actor.walker.come_closer(at_s + REACTS_AFTER_S)

    def _go_through(self, at_s: float) -> None:
        shuts_s = at_s + (LEAVES_OPEN_S if self.act.leaves_open else SHUTS_AFTER_S)
        self.touches += [
            Touch(at_s - OPENS_BEFORE_S, "contact", level=False),
            Touch(at_s, "passage"),
            Touch(shuts_s, "contact", level=True),
        ]

    def _call_for_help(self, help_: Help, from_s: float) -> None:
        self.help_from_s = from_s
        if help_.is_by_key:
            self.touches += [
                Touch(from_s, "key_release", level=True),
                Touch(from_s + STAFF_SHOWS_S, "key_release", level=False),
            ]
        self.touches.append(Touch(from_s + 2 * STAFF_SHOWS_S, "attendant"))
        self.has_released = help_.result.value == "isolated"  # nothing more will be shown

    def _ask_for_mode(self, at_s: float, *, is_on: bool) -> None:
        if self.act.is_by_key:
            self.touches.append(Touch(at_s, "key_mode", level=is_on))
        elif self.act.mode is not None:
            self.modes.append((at_s, self.act.mode if is_on else Mode.NORMAL))

    def due_touches(self, at_s: float) -> list[Touch]:
        """Return what is pressed or moved by ``at_s``, in order; each once."""
        due = sorted((t for t in self.touches if t.at_s <= at_s), key=lambda touch: touch.at_s)
        self.touches = [touch for touch in self.touches if touch.at_s > at_s]
        return due

    def due_mode(self, at_s: float) -> Mode | None:
        """Return the mode that is to be asked for by ``at_s``, once."""
        if not self.modes or self.modes[0][0] > at_s:
            return None
        return self.modes.pop(0)[1]

    @property
    def broken(self) -> str | None:
        """The device that does not work at this moment."""
        return None if self._is_set_back else self.act.breaks

    def typed(self, at_s: float) -> str | None:
        """Return the code that is shown to the serial reader, once."""
        for actor in self._carriers():
            is_time = at_s >= actor.walker.stands_from_s + actor.role.holds_up_after_s
            if actor.role.is_at_serial and is_time and not self._typed:
                self._typed = True
                return str(actor.role.shows)
        return None

    def held_up(self, at_s: float) -> Held | None:
        """Return what is before the camera."""
        if self.help_from_s is not None and self.act.help is not None:
            turn = int((at_s - self.help_from_s) // STAFF_SHOWS_S)
            shown = {0: None if self.act.help.is_by_key else self.attendant}
            if self.act.help.contact_c is not None:
                shown[1] = f"GV1:{self.act.help.contact_c:.1f}"
            return shown.get(turn)
        carriers = [actor for actor in self._carriers() if not actor.role.is_at_serial]
        if not carriers:
            return None
        first_s = max(a.walker.stands_from_s for a in self.actors)
        first_s += carriers[0].role.holds_up_after_s
        if at_s < first_s:
            return None
        turn = min(int((at_s - first_s) // HOLDS_UP_EACH_S), len(carriers) - 1)
        carrier = carriers[turn]
        return None if carrier.has_left else carrier.held_up(at_s)

    def _carriers(self) -> list[Actor]:
        return [actor for actor in self.actors if actor.role.shows is not None]

    def seen_c(self, height_m: float, fov_deg: float, at_s: float, ambient_c: float) -> float:
        """Return what a thermometer at ``height_m`` sees of these people and of the sun."""
        own = [a for a in self.actors if self._stands_before(a, height_m)]
        people_c = max(
            (
                seen_temperature_c(
                    actor.walker,
                    height_m,
                    fov_deg,
                    at_s,
                    ambient_c,
                    bends=self._bends_to(actor, height_m),
                )
                for actor in own
            ),
            default=ambient_c,
        )
        return max(people_c, self.background_c(ambient_c))

    def background_c(self, ambient_c: float) -> float:
        """Return what stands behind these people, in °C."""
        is_sunny = self.act.is_sunny and not self._is_set_back
        return ambient_c + SUN_C if is_sunny else ambient_c

    def views(self, height_m: float, at_s: float, ambient_c: float) -> list[View]:
        """Return the heads that a thermal array at ``height_m`` has before it."""
        seen = []
        for actor in self.actors:
            if not self._stands_before(actor, height_m):
                continue
            here_s = max(at_s - actor.walker.arrives_at_s, 0.0)
            skin_c = forehead_c(actor.role.person, ambient_c, ARRAY_SITE, here_s=here_s)
            bends = self._bends_to(actor, height_m)
            view = actor.walker.view(at_s, height_m, skin_c, bends=bends)
            if view is not None:
                is_low = forehead_height_m(actor.role.person.stature_m) < height_m
                above_m = -view.above_m if is_low else view.above_m
                seen.append(replace(view, above_m=above_m))
        return seen

    def distance_m(self, height_m: float, at_s: float) -> float:
        """Return how far away the nearest of these people is before a distance sensor, in m."""
        near_m = math.inf
        for actor in self.actors:
            view = actor.walker.view(at_s, height_m, 0.0)
            if view is not None and is_in_cone(view):
                near_m = min(near_m, view.distance_m)
        return near_m

    def _stands_before(self, actor: Actor, height_m: float) -> bool:
        """Return whether this person is the one before it: the nearest head, where two stand."""
        nearest = min(
            self.actors,
            key=lambda a: abs(forehead_height_m(a.role.person.stature_m) - height_m),
        )
        return nearest is actor

    def _bends_to(self, actor: Actor, height_m: float) -> bool:
        """Return whether this thermometer is the nearest one to this person's forehead."""
        forehead_m = forehead_height_m(actor.role.person.stature_m)
        nearest_m = min(self.heights_m, key=lambda h: abs(h - forehead_m), default=height_m)
        return nearest_m == height_m

    def frees_front(self, at_s: float) -> bool:
        """Return whether the next in the queue may come up."""
        if self.act.help is not None or self.act.is_alone:
            return self.is_over(at_s)
        # The next one is on the way while the last one still turns aside; not behind somebody who
        # only walks through: nothing but a gap tells these two apart.
        ahead_s = FOLLOWS_S if all(actor.role.stops for actor in self.actors) else 0.0
        return all(actor.has_left and actor.walker.is_gone(at_s + ahead_s) for actor in self.actors)

    def is_over(self, at_s: float) -> bool:
        """Return whether nothing more will happen; once nobody is there, put things back."""
        if at_s - self.starts_at_s > PATIENCE_S:
            return True
        if not all(actor.walker.is_gone(at_s) for actor in self.actors) or self.touches:
            return False
        if self.act.help is not None and not self.has_released:
            return False
        lead_s = self._lead_s()
        if lead_s > 0 and not self._is_set_back:
            self._is_set_back = True
            self._busy_until_s = at_s + lead_s
            self._ask_for_mode(at_s, is_on=False)
            return False
        return not self.modes and at_s >= self._busy_until_s
