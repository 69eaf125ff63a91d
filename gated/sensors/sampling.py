"""Presence and plateau from a stream of samples: pure, no device, no clock.

A person who walks up warms the view until they stand still; what is wanted is the temperature on
that plateau. First sample, mean and maximum were compared on simulated approaches and are wrong by
−9, −1.3 and +0.2 °C; the plateau by less than 0.05 °C (docs/drivers.md).

With a distance, every sample of a plateau was taken where a forehead fills the view, of somebody
who no longer came nearer; whoever stands still elsewhere is ``TooFar``.

Two limits by design: whoever does not look at least 30 °C warm is not seen as a person (clothing of
a tall person before the low thermometer should not be one; above an ambient of about 26 °C it may
be, and then reads as a cold face), and a background hotter than a face hides people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from gated.errors import SensorFault
from gated.messages import PresenceEnded, PresenceStarted
from gated.optics import reach_m
from gated.sensors.background import Background
from gated.sensors.distance_watch import NEARER_M, DistanceWatch
from gated.sensors.plateau import FAST_PERIOD_S, Look, Plateau, PlateauRules, PlateauWindow
from gated.sensors.port import DistanceSample, TemperatureSample, Traits
from gated.units import MonoSeconds

__all__ = ["Finding", "Plateau", "Sampling", "SamplingRules", "TooFar", "stuck_after"]

STEP_C = 0.02
STUCK_CHANCE = 1e-9
"""A working chip that reads twice a second is called stuck once in fifteen years."""
FROZEN_SLOW, FROZEN_FAST = 4, 8
"""Identical readings in a row after which nobody vouches for whoever was measured before them: a
working chip does so once in 5,000 samples (slow, a noise of 5 steps) or less, and then only has
somebody measured anew."""
DISTANCE_MAX_AGE_S = 0.5
"""A walking person is a third of a metre further by then."""

LEFT_VIEW_S = 2.0
"""What a chip shows sooner after somebody warm is partly them: three samples of a slow one."""


@dataclass(frozen=True, slots=True)
class SamplingRules:
    """What counts as a person, where they can be measured, and what as standing still."""

    plateau: PlateauRules
    presence_samples: int
    presence_rise_c: float  # above the background
    max_distance_m: float  # beyond it a forehead does not fill the view
    max_gap_s: float  # between two samples: after more it may be somebody else
    frozen_samples: int  # identical ones in a row: the same
    stuck_samples: int  # identical ones in a row: the chip does not work
    exchange_rise_c: float  # above their own plateau: somebody else, or measured with a bad aim
    min_distance_m: float = 0.0
    presence_min_c: float = 30.0
    leave_drop_c: float = 1.5  # below the threshold of coming
    leave_s: float = 0.5
    exchange_drop_c: float = 2.0  # below their own plateau: they left, or somebody else came
    exchange_step_m: float = 0.3  # farther away than at their own plateau: the same
    turning_away_c: float = 0.5  # from one sample to the next: somebody goes

    @classmethod
    def for_traits(cls, traits: Traits) -> Self:
        """Return the rules for one thermometer variant."""
        is_fast = traits.settle_s <= FAST_PERIOD_S
        return cls(
            plateau=PlateauRules.for_traits(traits),
            presence_samples=3 if is_fast else 2,
            presence_rise_c=max(3.0, 6 * traits.noise_c),
            max_distance_m=reach_m(traits.fov_deg),
            # One void sample of a slow chip, four of a fast one: nobody else stands there so soon.
            max_gap_s=max(0.6, 2.3 * traits.settle_s),
            frozen_samples=FROZEN_FAST if is_fast else FROZEN_SLOW,
            stuck_samples=stuck_after(traits.noise_c),
            exchange_rise_c=max(0.8, 5 * traits.noise_c),
        )


@dataclass(frozen=True, slots=True)
class TooFar:
    """Somebody stands still where they cannot be measured. Raised about once a second."""

    at: MonoSeconds
    distance_m: float | None  # beyond the gate, or nearer than it; None: not in the sensor's range


Finding = PresenceStarted | PresenceEnded | Plateau | TooFar


class Sampling:
    """Finds people and plateaus in the samples of one thermometer.

    One plateau is found for each presence as soon as one holds, and one more, sharing no sample
    with any before, for each ``measure_again``.
    """

    def __init__(self, thermometer: str, rules: SamplingRules) -> None:
        self._thermometer = thermometer
        self._rules = rules
        self._window = PlateauWindow(rules.plateau)
        self._distances = DistanceWatch(rules.min_distance_m, rules.max_distance_m)
        self._background = Background()
        self._is_present = False
        self._is_owed = False
        self._threshold_c = rules.presence_min_c
        self._plateau: Plateau | None = None  # of whoever is present
        self._before_c = -math.inf  # the sample before, for telling coming from going
        self._warm_samples = 0
        self._last_warm_at: MonoSeconds | None = None
        self._look: Look | None = None
        self._last: TemperatureSample | None = None
        self._repeats = 0

    @property
    def is_present(self) -> bool:
        """Whether somebody stands there."""
        return self._is_present

    @property
    def is_owed(self) -> bool:
        """Whether somebody stands there who still waits for a plateau."""
        return self._is_present and self._is_owed

    @property
    def is_doubtful(self) -> bool:
        """Whether the chip has repeated itself: look again before it is believed."""
        return self._repeats > 1

    def sees_as_far_as(self, behind_m: float) -> bool:
        """Return whether the last sample shows what stands ``behind_m`` away, and nobody before it.

        The distance sensor says so: clothing, and people who walk through, are cool as well.
        """
        look = self._look
        if look is None or self._is_present or look.object_c >= self._threshold_c:
            return False
        is_after = (
            self._last_warm_at is not None and look.taken_at - self._last_warm_at < LEFT_VIEW_S
        )
        is_free = look.distance_m is None or look.distance_m > behind_m - NEARER_M
        return look.has_distance and is_free and not is_after

    def surroundings_c(self, at: MonoSeconds) -> float | None:
        """Return what was seen in the last seconds before ``at`` with nobody there, or None."""
        return self._background.surroundings_c(at)

    def measure_again(self) -> None:
        """Find one more plateau of whoever is present, from samples yet to come."""
        if self._is_present:
            self._window.clear()
            self._is_owed = True

    def give_up(self) -> None:
        """The sensor was lost: drop the samples before the gap; nothing more is owed."""
        self._window.clear()
        self._is_owed = False

    def feed(
        self, sample: TemperatureSample, distance: DistanceSample | None = None
    ) -> tuple[Finding, ...]:
        """Take one good sample and return what follows from it.

        Args:
            sample: what the thermometer shows.
            distance: of the moment; None: there is no distance sensor, or it has nothing to say.

        Raises: SensorFault: the chip repeats one value.
        """
        before, self._last = self._last, sample
        self._watch_for_repeats(before, sample)
        found: tuple[Finding, ...] = ()
        is_gap = before is not None and sample.taken_at - before.taken_at > self._rules.max_gap_s
        if is_gap or self._repeats == self._rules.frozen_samples:
            found = self._begin_anew(sample)
        look = Look(sample)
        if distance is not None and sample.taken_at - distance.taken_at <= DISTANCE_MAX_AGE_S:
            is_inside = self._distances.is_inside(distance.distance_m)
            look = Look(sample, True, distance.distance_m, is_inside)
        self._look = look
        found += self._feed_present(look) if self._is_present else self._feed_absent(look)
        return (*found, *self._watch_distance(look))

    def look_again(self, sample: TemperatureSample) -> tuple[Finding, ...]:
        """Take a sample that came too soon to measure with: it says whether the chip is frozen.

        Raises: SensorFault: it is.
        """
        before, self._last = self._last, sample
        self._watch_for_repeats(before, sample)
        is_frozen = self._repeats == self._rules.frozen_samples
        return self._begin_anew(sample) if is_frozen else ()

    def watch_distance(self, distance: DistanceSample) -> tuple[PresenceEnded, ...]:
        """Take a distance from between two samples: a slow chip sees nothing of an exchange.

        Whoever was measured has gone if there was room for somebody else meanwhile.
        """
        plateau = self._plateau
        if plateau is None or plateau.distance_m is None or distance.taken_at <= plateau.taken_at:
            return ()
        limit_m = plateau.distance_m + self._rules.exchange_step_m
        if distance.distance_m is not None and distance.distance_m <= limit_m:
            return ()
        return (self._end_presence(distance.taken_at),)

    def _begin_anew(self, sample: TemperatureSample) -> tuple[Finding, ...]:
        """Vouch for nobody across a gap: whoever was measured may have been exchanged in it."""
        self._window.clear()
        self._warm_samples = 0
        self._before_c = -math.inf
        return (self._end_presence(sample.taken_at),) if self._plateau is not None else ()

    def _feed_absent(self, look: Look) -> tuple[Finding, ...]:
        rules = self._rules
        level_c = self._background.level_c() + rules.presence_rise_c
        self._threshold_c = max(rules.presence_min_c, level_c)
        before_c, self._before_c = self._before_c, look.object_c
        if look.object_c < self._threshold_c:
            self._warm_samples = 0
            self._window.clear()
            is_empty = look.distance_m is None
            self._background.learn(look.object_c, look.taken_at, is_empty=is_empty)
            return ()
        is_turning_away = look.object_c < before_c - rules.turning_away_c
        if is_turning_away or not look.sample.is_clear:
            self._warm_samples = 0  # somebody on the way out; who comes gets warmer
            self._window.clear()
            return ()
        self._warm_samples += 1
        self._last_warm_at = look.taken_at
        self._take(look)
        if self._warm_samples < rules.presence_samples:
            return ()
        self._is_present = self._is_owed = True
        started = PresenceStarted(self._thermometer, look.taken_at)
        return (started, *self._find_plateau())

    def _feed_present(self, look: Look) -> tuple[Finding, ...]:
        is_off = self._plateau is not None and self._has_moved_off(look, self._plateau)
        if is_off and look.sample.is_clear:
            return (self._end_presence(look.taken_at),)
        if not is_off and look.object_c >= self._threshold_c - self._rules.leave_drop_c:
            self._last_warm_at = look.taken_at
            return self._find_plateau() if self._take(look) else ()
        self._window.clear()
        # Slow chips see one person leave and the next one come within two samples: a single cold
        # one must do. Missing an exchange would let somebody in on another's temperature. (An array
        # that loses the face for one picture is fast.)
        if (
            self._last_warm_at is not None
            and look.taken_at - self._last_warm_at < self._rules.leave_s
        ):
            return ()
        return (self._end_presence(look.taken_at),)

    def _has_moved_off(self, look: Look, plateau: Plateau) -> bool:
        """Return whether this can no longer be whoever was measured.

        The next in a queue is warm, too, but fills less of the view while they come up: a spot of
        5° has them 2 °C below their own plateau until about 1 m. Without this, who steps in behind
        somebody who leaves would be let in on that person's temperature. Where a slow chip sees
        nothing of an exchange, it still sees that the new one is much hotter.
        """
        above_c = look.object_c - plateau.object_c
        if not -self._rules.exchange_drop_c <= above_c <= self._rules.exchange_rise_c:
            return True
        if plateau.distance_m is None or not look.has_distance:
            return False
        limit_m = plateau.distance_m + self._rules.exchange_step_m
        return look.distance_m is None or look.distance_m > limit_m

    def _end_presence(self, at: MonoSeconds) -> PresenceEnded:
        self._is_present = self._is_owed = False
        self._plateau = None
        self._warm_samples = 0
        self._before_c = math.inf if self._last is None else self._last.object_c
        self._window.clear()
        return PresenceEnded(self._thermometer, at)

    def _take(self, look: Look) -> bool:
        """Put a sample that may be part of a plateau into the window; return whether it is one."""
        # A chip that is stuck repeats itself from its first bad sample on. A good one does so now
        # and then: it has to wait for one more sample.
        if not look.sample.is_clear or self._repeats > 1:
            return False
        self._window.take(look)
        return True

    def _find_plateau(self) -> tuple[Plateau, ...]:
        plateau = self._window.find() if self._is_owed else None
        if plateau is None:
            return ()
        self._is_owed = False
        self._window.clear()
        self._plateau = plateau
        return (plateau,)

    def _watch_distance(self, look: Look) -> tuple[TooFar, ...]:
        if not look.has_distance:
            return ()
        at = look.taken_at
        self._distances.feed(look.distance_m, at, is_anybody=self._is_present)
        is_waiting = self._is_owed or not self._is_present
        if is_waiting and self._distances.notice_too_far(at, is_owed=self.is_owed):
            return (TooFar(at, look.distance_m),)
        return ()

    def _watch_for_repeats(
        self, before: TemperatureSample | None, sample: TemperatureSample
    ) -> None:
        is_repeat = before is not None and sample.object_c == before.object_c
        self._repeats = self._repeats + 1 if is_repeat else 1
        if self._repeats >= self._rules.stuck_samples:
            raise SensorFault(
                f"{self._thermometer}: {sample.object_c:.2f} °C {self._repeats} times in a row: "
                "stuck",
                device=self._thermometer,
            )


def stuck_after(noise_c: float) -> int:
    """Return how many identical readings in a row a working chip gives only by STUCK_CHANCE.

    Two readings of Gaussian noise fall on the same step of 0.02 K with the chance step / (2 √π σ);
    a specimen with half of its datasheet's noise is allowed for.
    """
    repeats = STEP_C / (2 * math.sqrt(math.pi) * max(noise_c / 2, STEP_C))
    return 1 + math.ceil(math.log(STUCK_CHANCE) / math.log(repeats))
