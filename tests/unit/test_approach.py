"""The whole way from a simulated person to a reading, over hundreds of seeded approaches."""

from __future__ import annotations

import queue
import random
import statistics
from dataclasses import dataclass

import pytest

from gated.clock import FakeClock
from gated.messages import MeasureAgain, PresenceEnded, PresenceStarted, Reading, ReadingTaken
from gated.sensors.compensation import CompensationRules
from gated.sensors.mlx90614 import DRIVER, Options
from gated.sensors.port import AmbientSample
from gated.sensors.worker import Fitted, SensorEvent, ThermometerWorker
from gated.simulation.approach import COMES_INTO_VIEW_M, Person, Walker, seen_temperature_c
from gated.simulation.bus import SimulatedBus
from gated.simulation.chips.mlx90614 import Mlx90614Model, Unit

MOUNT_M = 1.60


@dataclass(frozen=True)
class Pass:
    """What came of one approach."""

    events: list[SensorEvent]
    body_c: float
    stands_from_s: float

    @property
    def readings(self) -> list[Reading]:
        return [event.reading for event in self.events if isinstance(event, ReadingTaken)]


def play(
    seed: int,
    *,
    variant: str = "DCI",
    stop_m: float = 0.30,
    stops: bool = True,
    ambient_c: float = 22.0,
    stature_m: float = 1.68,
    asks_again: bool = False,
) -> Pass:
    """Let one person walk up and stand for 4 s, or walk through."""
    chance = random.Random(seed)
    clock, bus = FakeClock(), SimulatedBus()
    body_c = chance.gauss(36.8, 0.35)
    walker = Walker(
        Person(body_c, stature_m=stature_m, stop_m=stop_m),
        seed=seed,
        arrives_at_s=clock.elapsed_s + 3.0 + chance.random(),
        stops=stops,
    )
    options = Options(variant=variant)

    def heat(at_s: float) -> float:
        return seen_temperature_c(walker, MOUNT_M, options.traits().fov_deg, at_s, ambient_c)

    bus.attach(0x5A, Mlx90614Model(clock, heat, unit=Unit(variant=variant), seed=seed))
    events: list[SensorEvent] = []
    requests: queue.SimpleQueue[MeasureAgain] = queue.SimpleQueue()
    worker = ThermometerWorker(
        Fitted("adult", DRIVER, options, bus.open),
        ambient=lambda: AmbientSample(ambient_c, 45.0, clock.monotonic_s()),
        clock=clock,
        publish=events.append,
        requests=requests,
        rules=CompensationRules(warm_up_s=0.0),
    )
    end_s = walker.stands_from_s + 4.0
    has_asked = not asks_again
    for wait_s in worker.steps(clock.advance):
        clock.advance(wait_s)
        if not has_asked and any(isinstance(event, ReadingTaken) for event in events):
            requests.put(MeasureAgain("adult"))
            end_s, has_asked = end_s + 3.0, True
        if stops and clock.elapsed_s >= end_s:
            walker.leave(end_s)
        if clock.elapsed_s > end_s + 4.0:
            break
    return Pass(events, body_c, walker.stands_from_s)


@pytest.mark.parametrize(("stop_m", "approaches"), [(0.25, 60), (0.30, 200), (0.35, 60)])
def test_who_stands_before_5_degree_optics_is_measured_without_bias(
    stop_m: float, approaches: int
) -> None:
    errors_c, waits_s = [], []
    for seed in range(approaches):
        done = play(seed, stop_m=stop_m)
        (reading,) = done.readings
        assert reading.body_c is not None
        errors_c.append(reading.body_c - done.body_c)
        waits_s.append(reading.taken_at - done.stands_from_s)
    # What remains is aim and sway: part of the spot is face beside the forehead, 1 °C colder.
    assert abs(statistics.fmean(errors_c)) < 0.08
    assert statistics.stdev(errors_c) < 0.12
    assert max(errors_c) < 0.3
    within = sum(wait_s <= 2.5 for wait_s in waits_s)
    assert within >= 0.95 * approaches


@pytest.mark.parametrize("variant", ["DCI", "DCH", "DCC", "DAA"])
def test_who_walks_through_without_stopping_gets_no_reading(variant: str) -> None:
    done = [play(seed, variant=variant, stops=False) for seed in range(25)]
    assert [reading for one in done for reading in one.readings] == []


def test_a_fast_chip_answers_within_1200_ms_of_standing_still() -> None:
    waits_s = []
    for seed in range(25):
        done = play(seed, variant="DCC", stop_m=0.05)
        (reading,) = done.readings
        waits_s.append(reading.taken_at - done.stands_from_s)
    assert statistics.median(waits_s) <= 1.2


def test_a_second_reading_is_as_good_and_independent() -> None:
    first_c, second_c = [], []
    for seed in range(60):
        done = play(seed, asks_again=True)
        readings = done.readings
        assert len(readings) == 2
        assert readings[1].taken_at - readings[0].taken_at >= 3 * 0.65 - 0.01
        errors_c = [r.body_c - done.body_c for r in readings if r.body_c is not None]
        first_c.append(errors_c[0])
        second_c.append(errors_c[1])
    assert abs(statistics.fmean(second_c)) < 0.08
    # sharing aim they are alike, but not copies
    assert statistics.stdev(a - b for a, b in zip(first_c, second_c, strict=True)) > 0.05


def test_presence_begins_and_ends_once() -> None:
    for seed in range(20):
        kinds = [type(event) for event in play(seed).events]
        assert kinds.count(PresenceStarted) == 1
        assert kinds.count(PresenceEnded) == 1


@pytest.mark.parametrize("ambient_c", [12.0, 18.0, 26.0, 30.0])
def test_the_air_s_temperature_does_not_move_the_result(ambient_c: float) -> None:
    errors_c = []
    for seed in range(40):
        done = play(seed, ambient_c=ambient_c)
        errors_c += [r.body_c - done.body_c for r in done.readings if r.body_c is not None]
    assert len(errors_c) >= 39
    assert abs(statistics.fmean(errors_c)) < 0.08


def test_a_90_degree_chip_at_a_gate_gives_nobody_a_number() -> None:
    for seed in range(6):
        assert [r.body_c for r in play(seed, variant="DAA", stop_m=0.30).readings] == []


def test_a_child_is_nobody_to_the_high_thermometer() -> None:
    for seed in range(20):
        assert play(seed, stature_m=1.15).readings == []


def test_a_walk_repeats_with_its_seed_and_asks_nothing_of_the_order() -> None:
    def walker(seed: int) -> Walker:
        return Walker(Person(36.8), seed=seed, arrives_at_s=10.0)

    times_s = [10.0 + 0.1 * i for i in range(60)]
    forwards = [seen_temperature_c(walker(4), MOUNT_M, 5.0, at_s, 22.0) for at_s in times_s]
    one = walker(4)
    backwards = [seen_temperature_c(one, MOUNT_M, 5.0, at_s, 22.0) for at_s in reversed(times_s)]
    assert forwards == backwards[::-1]
    other = [seen_temperature_c(walker(5), MOUNT_M, 5.0, at_s, 22.0) for at_s in times_s]
    assert forwards != other


def test_who_has_left_is_gone() -> None:
    walker = Walker(Person(36.8), seed=1, arrives_at_s=10.0)
    assert seen_temperature_c(walker, MOUNT_M, 5.0, 9.9, 22.0) == 22.0
    standing_s = walker.stands_from_s + 60.0
    assert seen_temperature_c(walker, MOUNT_M, 5.0, standing_s, 22.0) > 33.0
    walker.leave(standing_s)
    assert not walker.is_gone(standing_s + 0.1)
    assert walker.is_gone(standing_s + 4.0)
    assert seen_temperature_c(walker, MOUNT_M, 5.0, standing_s + 4.0, 22.0) == 22.0


def test_people_come_into_view_at_one_and_a_half_metres() -> None:
    walker = Walker(Person(36.8), seed=1, arrives_at_s=10.0)
    view = walker.view(10.0, MOUNT_M, 34.0)
    assert view is not None
    assert view.distance_m == pytest.approx(COMES_INTO_VIEW_M, abs=0.05)
