"""One person before one thermometer: the product's driver and sampling, a simulated chip and scene.

Each pass is somebody who walks up, stands for 2 to 4 s and goes. They stop within a quarter of the
distance named, so that some of them stop where the optics do not fit.
"""

from __future__ import annotations

import importlib
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gated.clock import FakeClock
from gated.errors import DeviceError
from gated.sensors.compensation import CompensationRules, DeviceCalibration, skin_c
from gated.sensors.port import DistanceSample, TemperatureSample, Thermometer
from gated.sensors.registry import driver_names, load_thermometer_driver
from gated.sensors.sampling import Plateau, Sampling, SamplingRules, TooFar
from gated.simulation.approach import MIN_DISTANCE_M, Walker
from gated.simulation.bus import DeviceModel, SimulatedBus
from gated.simulation.chips.mlx90614 import Mlx90614Model, Unit, with_physics
from gated.simulation.physics import Air, Scene, drawn_person, drawn_specimen
from gated.simulation.thermal_scene import Lens, head, render
from gated.vocabulary import Site

MOUNT_HEIGHT_M = 1.55
AIR_C = 22.0
STOP_SPREAD = 0.25
DWELL_S = (2.0, 4.0)
DISTANCE_EVERY_S = 0.1
BEYOND_M = 0.01
"""So much farther than the reach the distance sensor's noise may let somebody be measured."""
STEP_S = 0.02
COMPARED_WINDOW_S = 0.8
WARM_C = 3.0


@dataclass(frozen=True, slots=True)
class Case:
    """Who looks, and from where."""

    name: str
    driver: str
    options: dict[str, str]
    stop_m: float
    is_whole_day: bool = False  # air of 10–32 °C, as it comes
    has_distance: bool = True
    nearest_m: float = 0.0  # nearer than this a picture does not hold a whole face
    share_of_passes: float = 1.0


def spot(
    fov_deg: int,
    variant: str,
    stop_cm: int,
    *,
    is_whole_day: bool = False,
    has_distance: bool = True,
) -> Case:
    name = f"{fov_deg}° ({variant}) at {stop_cm} cm"
    name += ", air of 10-32 °C" if is_whole_day else ""
    name += "" if has_distance else ", no distance sensor"
    return Case(name, "mlx90614", {"variant": variant}, stop_cm / 100, is_whole_day, has_distance)


SPOTS = (
    spot(5, "DCI", 25),
    spot(5, "DCI", 30),
    spot(5, "DCI", 35),
    spot(5, "DCI", 40),
    spot(5, "DCI", 50),
    spot(5, "DCI", 70),
    spot(5, "DCI", 30, is_whole_day=True),
    spot(5, "DCI", 30, has_distance=False),
    spot(12, "DCH", 15),
    spot(35, "DCC", 5),
    spot(35, "DCC", 15),
    spot(90, "DAA", 3),
    spot(90, "DAA", 10),
)
ARRAYS = tuple(
    Case(
        f"MLX90640 at {stop_cm} cm",
        "mlx90640",
        {},
        stop_cm / 100,
        nearest_m=0.23,
        share_of_passes=0.5,
    )
    for stop_cm in (30, 50)
)


def cases() -> list[Case]:
    """Return what can be measured here: arrays only where there is a driver for them."""
    return [*SPOTS, *(case for case in ARRAYS if case.driver in driver_names())]


@dataclass
class Pass:
    """One person's, and what came of it. Errors in °C against their true forehead."""

    stop_m: float
    is_fit: bool
    error_c: float | None = None  # None: no answer
    waited_s: float = 0.0  # since they stood still
    waited_within_reach_s: float = 0.0  # since they also were near enough
    is_from_beyond: bool = False  # a number for somebody out of reach
    was_told: bool = False  # to come closer
    others: dict[str, float] = field(default_factory=dict)  # estimators on the same samples


@dataclass(frozen=True, slots=True)
class Picture:
    """The same scene as an array has it before its lens."""

    scene: Scene

    def picture(
        self, at_s: float, rows: int, columns: int, height_deg: float, width_deg: float
    ) -> npt.NDArray[np.float64]:
        ambient_c = self.scene.air.ambient_c(at_s)
        shapes = [shape for view in self.scene.views(at_s) for shape in head(view, ambient_c)]
        return render(shapes, ambient_c, Lens(rows, columns, height_deg, width_deg))


class Bench:
    """One thermometer with a scene before it."""

    def __init__(self, case: Case, seed: int) -> None:
        chance = random.Random(f"{case.name} {seed}")
        self.case = case
        self.clock = FakeClock()
        self.air = Air(AIR_C)
        if case.is_whole_day:
            noon_s = self.clock.elapsed_s - chance.uniform(0.0, 86_400.0)
            self.air = Air(21.0, 11.0, coldest_at_s=noon_s)
        driver = load_thermometer_driver(case.driver)
        options = driver.options.model_validate(case.options)
        bus = SimulatedBus()
        self.device = driver.make(bus, options, self.clock, self.clock.advance)
        traits = self.device.traits
        self.rules = replace(SamplingRules.for_traits(traits), min_distance_m=case.nearest_m)
        stop_m = min(max(chance.gauss(case.stop_m, STOP_SPREAD * case.stop_m), MIN_DISTANCE_M), 1.2)
        person = drawn_person(chance, Site.FOREHEAD_SPOT, stop_m=stop_m)
        starts_s = self.clock.elapsed_s
        arrives_s = starts_s + 3.0 + chance.random()
        self.walker = Walker(person, seed=chance.randrange(2**32), arrives_at_s=arrives_s)
        self.leaves_s = self.walker.stands_from_s + chance.uniform(*DWELL_S)
        self.walker.leave(self.leaves_s)
        self.scene = Scene(MOUNT_HEIGHT_M, traits.fov_deg, seed, air=self.air, people=[self.walker])
        offset_c, gain = drawn_specimen(chance)
        self.compensation = CompensationRules(
            calibration=DeviceCalibration("bench", 1 / gain, -offset_c / gain)
        )
        model = importlib.import_module(f"gated.simulation.chips.{case.driver}").MODEL
        if model.sees_picture:
            self.compensation = CompensationRules()
            chip = model.build(self.clock, Picture(self.scene), seed, options)
        else:
            chip = self._spot(case.options["variant"], offset_c, gain, seed)
        bus.attach(model.address, chip)

    def _spot(self, variant: str, offset_c: float, gain: float, seed: int) -> DeviceModel:
        unit = with_physics(Unit(variant=variant, offset_c=offset_c, gain=gain))
        die = lambda at_s: self.air.ambient_c(at_s) + 2.0  # noqa: E731 - a signal
        return Mlx90614Model(self.clock, self.scene.seen_c, die=die, unit=unit, seed=seed)

    def distance(self, at_s: float) -> DistanceSample | None:
        """Return the distance sensor's newest word at that time."""
        if not self.case.has_distance:
            return None
        return self.scene.ranged(math.floor(at_s / DISTANCE_EVERY_S) * DISTANCE_EVERY_S)

    def skin_c(self, object_c: float, at_s: float) -> float:
        ambient_c = self.air.ambient_c(at_s)
        return skin_c(object_c, ambient_c, self.device.traits.supply_error_c, self.compensation)

    def run(self) -> Pass:
        stop_m = self.walker.person.stop_m
        done = Pass(stop_m, self._is_within_reach(stop_m))
        sampling = Sampling("bench", self.rules)
        samples: list[TemperatureSample] = []
        with self.device as device:
            while self.clock.elapsed_s < self.leaves_s + 2.0:
                self.clock.advance(device.traits.settle_s)
                sample = _read(device)
                if sample is None:
                    continue
                samples.append(sample)
                for finding in sampling.feed(sample, self.distance(sample.taken_at)):
                    done.was_told |= isinstance(finding, TooFar)
                    if isinstance(finding, Plateau) and done.error_c is None:
                        self._note(finding, done)
        self._compare(samples, done)
        return done

    def _is_within_reach(self, distance_m: float) -> bool:
        return self.rules.min_distance_m <= distance_m <= self.rules.max_distance_m

    def _note(self, plateau: Plateau, done: Pass) -> None:
        at_s = float(plateau.taken_at)
        done.error_c = self.skin_c(plateau.object_c, at_s) - self.scene.true_c(self.walker, at_s)
        stands_s = near_s = self.walker.stands_from_s
        distances_m = []
        for step in range(int((at_s - stands_s) / STEP_S) + 1):
            distances_m.append(self.scene.distance_m(stands_s + step * STEP_S) or math.inf)
            if not self._is_within_reach(distances_m[-1]):
                near_s = stands_s + step * STEP_S
        done.waited_s, done.waited_within_reach_s = at_s - stands_s, at_s - near_s
        window_m = distances_m[-int(self.rules.plateau.window_s / STEP_S) :]
        is_beyond = statistics.median(window_m or [0.0]) > self.rules.max_distance_m + BEYOND_M
        done.is_from_beyond = self.case.has_distance and is_beyond

    def _compare(self, samples: Sequence[TemperatureSample], done: Pass) -> None:
        at_s = self.walker.stands_from_s
        warm_c = [s.object_c for s in samples if s.object_c > self.air.ambient_c(at_s) + WARM_C]
        if not warm_c:
            return
        period_s = (samples[-1].taken_at - samples[0].taken_at) / (len(samples) - 1)
        points = max(3, round(COMPARED_WINDOW_S / period_s))
        medians = [statistics.median(warm_c[n : n + points]) for n in range(len(warm_c) - points)]
        found = {
            "first": warm_c[0],
            "max": max(warm_c),
            "mean": statistics.fmean(warm_c),
            "hottest window": max(medians, default=max(warm_c)),
        }
        true_c = self.scene.true_c(self.walker, at_s)
        done.others = {name: self.skin_c(c, at_s) - true_c for name, c in found.items()}


def _read(device: Thermometer) -> TemperatureSample | None:
    try:
        return device.read()
    except DeviceError:
        return None  # an array's first pictures
