"""Faults at random moments, over many seeds: no plateau from a bad sample, nobody on another's."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gated.errors import BusError, ChecksumError, SensorFault
from gated.messages import PresenceEnded
from gated.sensors.compensation import true_surface_c
from gated.sensors.mlx90614 import DRIVER
from gated.sensors.sampling import Finding, Plateau, Sampling, SamplingRules
from gated.simulation.approach import Person
from gated.simulation.bus import Fault
from gated.simulation.chips.mlx90614 import Unit
from gated.simulation.faults import Breaks, Comes, Event, Rehearsal
from gated.units import MonoSeconds

STOP_M = {"DCI": 0.30, "DCH": 0.12, "DCC": 0.035}
REPEATS = {Fault.STUCK, Fault.HALTED}
FAULTS = [
    Fault.NACK, Fault.BAD_CHECK, Fault.ALL_ONES, Fault.ERROR_FLAG, Fault.STUCK, Fault.ASLEEP
]  # fmt: skip
SEEDS = {"DCI": range(6), "DCH": range(6), "DCC": range(2)}  # fast chips take long to play


def calm(body_c: float, stop_m: float) -> Person:
    """Somebody who keeps the forehead where it is: what goes wrong here is the sensor."""
    return Person(body_c, stop_m=stop_m, restlessness=0.2)


@dataclass
class Played:
    """What a rehearsal gave, in its script's time."""

    rehearsal: Rehearsal
    found: list[tuple[float, Finding]] = field(default_factory=list)
    windows: list[list[MonoSeconds]] = field(default_factory=list)  # when their samples were taken
    bad_at: set[MonoSeconds] = field(default_factory=set)
    claims: list[tuple[float, float, Plateau]] = field(default_factory=list)  # (begun, still, of)

    def plateaus(self) -> list[tuple[float, Plateau]]:
        return [(at_s, f) for at_s, f in self.found if isinstance(f, Plateau)]

    def error_c(self, at_s: float, plateau: Plateau) -> float:
        """Return how far the plateau is from whoever stood there then, or just came or went."""
        scene = self.rehearsal.scene
        clock_s = float(plateau.taken_at)
        (walker,) = (
            walker
            for walker in scene.people
            if any(walker.is_standing(clock_s + late_s) for late_s in (0.0, 0.5, -0.5))
        )
        skin = true_surface_c(plateau.object_c, scene.air.ambient_c(clock_s), 0.98)
        return skin - scene.true_c(walker, clock_s)


def play(
    script: Sequence[Event], *, seed: int, variant: str = "DCI", for_s: float, has_distance: bool
) -> Played:
    """Sample like the worker does: void samples are dropped."""
    rehearsal = Rehearsal(script, seed=seed, unit=Unit(variant=variant))
    played = Played(rehearsal)
    traits = rehearsal.options.traits()
    sampling = Sampling("adult", SamplingRules.for_traits(traits))
    driver = DRIVER.make(rehearsal.bus, rehearsal.options, rehearsal.clock, rehearsal.advance)
    measured: tuple[float, Plateau] | None = None
    with driver as device:
        while rehearsal.elapsed_s < for_s:
            rehearsal.advance(traits.settle_s)
            is_repeat = any(breaks.fault in REPEATS for breaks in rehearsal.broken())
            try:
                sample = device.read()
                if is_repeat:
                    played.bad_at.add(sample.taken_at)
                window = [*(look.taken_at for look in sampling._window._looks), sample.taken_at]
                findings = sampling.feed(sample, rehearsal.distance() if has_distance else None)
            except (BusError, ChecksumError, SensorFault):
                continue
            now_s = rehearsal.elapsed_s
            for finding in findings:
                played.found.append((now_s, finding))
                if isinstance(finding, Plateau):
                    measured = now_s, finding
                    played.windows.append(window[-finding.samples :])
                elif isinstance(finding, PresenceEnded):
                    measured = None
            if measured is not None and not is_repeat:
                played.claims.append((measured[0], now_s, measured[1]))
    return played


def test_everybody_is_measured_while_nothing_is_wrong() -> None:
    for variant, stop_m in STOP_M.items():
        for seed in SEEDS[variant]:
            script = [
                Comes(3.0, calm(36.8, stop_m)),
                Comes(11.0, calm(38.5, stop_m)),
            ]
            played = play(script, seed=seed, variant=variant, for_s=18.0, has_distance=True)
            errors_c = [played.error_c(*one) for one in played.plateaus()]
            assert len(errors_c) == 2, (variant, seed)
            assert max(map(abs, errors_c)) < 0.5, (variant, seed)


@pytest.mark.parametrize("has_distance", [True, False])
@pytest.mark.parametrize("variant", ["DCI", "DCC"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_plateau_is_built_from_a_bad_sample_and_the_next_person_is_measured(
    fault: Fault, variant: str, *, has_distance: bool
) -> None:
    for seed in SEEDS[variant]:
        chance = random.Random(seed)
        stop_m = STOP_M[variant]
        people = [Comes(at_s, calm(36.8, stop_m)) for at_s in (3.0, 11.0, 27.0)]
        bursts = [
            Breaks(chance.uniform(2.0, 13.0), fault, chance.choice((0.3, 1.0, 3.0, 8.0)))
            for _ in range(2)
        ]
        played = play(
            [*people, *bursts], seed=seed, variant=variant, for_s=34.0, has_distance=has_distance
        )
        for window in played.windows:
            assert played.bad_at.isdisjoint(window), seed
        assert all(abs(played.error_c(*one)) < 0.5 for one in played.plateaus()), seed
        assert len([at_s for at_s, _ in played.plateaus() if at_s > 27.0]) == 1, seed


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("fault", [Fault.BAD_CHECK, Fault.NACK, Fault.ERROR_FLAG, Fault.ALL_ONES])
def test_flips_now_and_then_cost_time_and_no_accuracy(fault: Fault, share: float) -> None:
    for variant, stop_m in STOP_M.items():
        for seed in SEEDS[variant]:
            rules = SamplingRules.for_traits(
                Rehearsal([], seed=0, unit=Unit(variant=variant)).options.traits()
            )
            script: list[Event] = [
                Comes(3.0, calm(36.8, stop_m), stands_s=6.0),
                Breaks(2.0, fault, 10.0, share),
            ]
            played = play(script, seed=seed, variant=variant, for_s=12.0, has_distance=True)
            for window in played.windows:
                assert window[-1] - window[0] <= 2 * rules.plateau.window_s
            assert all(abs(played.error_c(*one)) < 0.5 for one in played.plateaus())


@pytest.mark.parametrize("has_distance", [True, False])
@pytest.mark.parametrize("variant", ["DCI", "DCC"])
@pytest.mark.parametrize("fault", FAULTS)
def test_nobody_stands_there_on_the_temperature_of_whoever_was_there_before_the_gap(
    fault: Fault, variant: str, *, has_distance: bool
) -> None:
    """The next one in the queue comes up while the sensor is blind."""
    for seed in SEEDS[variant]:
        chance = random.Random(seed)
        stop_m = STOP_M[variant]
        stands_s = chance.uniform(2.5, 4.0)
        first = Comes(3.0, calm(36.6, stop_m), stands_s=stands_s)
        leaves_s = 3.0 + 2.0 + stands_s
        second = Comes(leaves_s - 0.3, calm(38.8, stop_m), stands_s=15.0)
        # Two repeats are what a good chip does, too: a chip is known to be stuck from the third on.
        at_least_s = 4.0 if fault in REPEATS else 1.0
        gap = Breaks(leaves_s - chance.uniform(0.0, 1.5), fault, chance.uniform(at_least_s, 8.0))
        played = play(
            [first, second, gap], seed=seed, variant=variant, for_s=25.0, has_distance=has_distance
        )
        one, two = played.rehearsal.scene.people
        for begun_s, still_s, plateau in played.claims:
            at_s = still_s - played.rehearsal.elapsed_s + played.rehearsal.clock.elapsed_s
            if one.is_standing(plateau.taken_at):
                assert not two.is_standing(at_s), (seed, begun_s, still_s)
        assert all(abs(played.error_c(*found)) < 0.5 for found in played.plateaus()), seed
