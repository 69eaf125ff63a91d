"""The workers that own a sensor: one reading for everyone owed one, loss and return told once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import replace

import pytest

from gated.clock import FakeClock
from gated.errors import DeviceNotFound
from gated.messages import DeviceChanged, DriftNoticed, MeasureAgain, Reading, ReadingTaken
from gated.sensors.bus import I2CBus
from gated.sensors.compensation import CompensationRules, DeviceCalibration
from gated.sensors.mlx90614 import DRIVER as MLX90614
from gated.sensors.mlx90614 import Options as Mlx90614Options
from gated.sensors.newest import AMBIENT_EVERY_S, NewestWorker
from gated.sensors.owner import RETRY_MAX_S, Fitted, SensorEvent
from gated.sensors.port import AmbientSample, DistanceSample
from gated.sensors.sht3x import DRIVER as SHT3X
from gated.sensors.sht3x import Options as Sht3xOptions
from gated.sensors.site import SITES
from gated.sensors.worker import LOOK_AGAIN_S, Beside, ThermometerWorker
from gated.simulation.bus import Fault, NotAcknowledged, SimulatedBus
from gated.simulation.chips.mlx90614 import Mlx90614Model, Unit
from gated.simulation.chips.sht3x import Sht3xModel
from gated.units import MonoSeconds
from gated.vocabulary import Reason, Site, TemperatureFlag

SPOT = 0x5A
AIR = 0x44
ROOM_C = 22.0
FOREHEAD = SITES[Site.FOREHEAD_SPOT]
FACE_C = 34.2
COLD_START = CompensationRules(warm_up_s=0.0)
PLATE = replace(COLD_START, plate_distance_m=2.0, plate_emissivity=1.0)
OUT_OF_DISTANCE = Reason.OUT_OF_DISTANCE


class Rig:
    """A worker on a simulated bus, driven step by step on a fake clock."""

    def __init__(
        self,
        unit: Unit | None = None,
        *,
        rules: CompensationRules = COLD_START,
        has_distance: bool = False,
        has_plate: bool = False,
    ) -> None:
        self.clock = FakeClock()
        self.bus = SimulatedBus()
        self.view_c = ROOM_C
        self.ambient_c: float | None = ROOM_C
        self.distance_m: float | None = 2.0
        self.is_distance_lost = False
        self.passing: list[float | None] = []
        self.plate_c = ROOM_C
        self.die_c_per_min = 0.0
        unit = unit or Unit()
        model = Mlx90614Model(self.clock, lambda _: self.view_c, die=self.die_c, unit=unit, seed=5)
        self.bus.attach(SPOT, model)
        self.events: list[SensorEvent] = []
        self.requests: queue.SimpleQueue[MeasureAgain] = queue.SimpleQueue()
        supply_v = unit.supply_v if isinstance(unit.supply_v, float) else None
        options = Mlx90614Options(variant=unit.variant, supply_v=supply_v)
        self.worker = ThermometerWorker(
            Fitted("adult", MLX90614, options, self.open_bus),
            beside=Beside(
                self.newest_ambient,
                self.distances if has_distance else None,
                self.newest_plate if has_plate else None,
            ),
            clock=self.clock,
            publish=self.events.append,
            requests=self.requests,
            rules=rules,
        )
        self.has_bus = True
        self.waits: list[float] = []
        self._steps: Generator[float] = self.worker.steps(self.clock.advance)

    def open_bus(self) -> I2CBus:
        if not self.has_bus:
            raise DeviceNotFound("/dev/i2c-1 is missing", device="/dev/i2c-1")
        return self.bus.open()

    def newest_ambient(self) -> AmbientSample | None:
        if self.ambient_c is None:
            return None
        return AmbientSample(self.ambient_c, 45.0, self.clock.monotonic_s())

    def distances(self) -> tuple[DistanceSample, ...]:
        if self.is_distance_lost:
            return ()
        now_s = self.clock.monotonic_s()
        passing, self.passing = [*self.passing, self.distance_m], []
        count = len(passing)
        return tuple(
            DistanceSample(distance_m, MonoSeconds(now_s - 0.1 * (count - 1 - n)))
            for n, distance_m in enumerate(passing)
        )

    def newest_plate(self) -> AmbientSample:
        return AmbientSample(self.plate_c, None, self.clock.monotonic_s())

    def die_c(self, at_s: float) -> float:
        return 25.0 + self.die_c_per_min * at_s / 60.0

    def run_for(self, for_s: float) -> list[SensorEvent]:
        """Let the worker work ``for_s`` seconds and return what it published."""
        before, until_s = len(self.events), self.clock.elapsed_s + for_s
        while self.clock.elapsed_s < until_s:
            wait_s = next(self._steps)
            self.waits.append(wait_s)
            self.clock.advance(wait_s)
        return self.events[before:]

    def run_until_presence(self) -> None:
        while names(self.run_for(0.1)) != ["PresenceStarted"]:
            pass

    def run_until_reading(self, within_s: float = 5.0) -> Reading:
        until_s = self.clock.elapsed_s + within_s
        while self.clock.elapsed_s < until_s:
            for event in self.run_for(0.1):
                if isinstance(event, ReadingTaken):
                    return event.reading
        raise AssertionError("no reading")


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.run_for(5.0)
    return rig


def readings(events: list[SensorEvent]) -> list[Reading]:
    return [event.reading for event in events if isinstance(event, ReadingTaken)]


def changes(events: list[SensorEvent]) -> list[bool]:
    return [event.is_working for event in events if isinstance(event, DeviceChanged)]


def names(events: list[SensorEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_working_sensor_is_told_once(rig: Rig) -> None:
    assert rig.events == [DeviceChanged("adult", True, "", rig.events[0].at)]


def test_a_person_gives_presence_one_reading_and_departure(rig: Rig) -> None:
    rig.view_c = FACE_C
    came = rig.run_for(6.0)
    rig.view_c = ROOM_C
    went = rig.run_for(2.0)
    assert names(came) == ["PresenceStarted", "ReadingTaken"]
    assert names(went) == ["PresenceEnded"]
    (reading,) = readings(came)
    assert reading.refusal is None
    assert reading.body_c is not None
    assert reading.thermometer == "adult"
    # 0.24 °C for emissivity, then the line of the forehead spot
    assert reading.body_c == pytest.approx(
        FACE_C + 0.24 + FOREHEAD.a_c - FOREHEAD.b * ROOM_C, abs=0.25
    )


def test_the_bus_is_quiet_for_the_settling_time_before_each_read(rig: Rig) -> None:
    hasty = {LOOK_AGAIN_S, 0.65 - LOOK_AGAIN_S}  # where a value repeated itself by chance
    assert set(rig.waits) - hasty == {0.65}
    assert rig.waits.count(0.65) > 0.7 * len(rig.waits)


def test_the_supply_of_the_options_is_taken_out() -> None:
    rig = Rig(Unit(supply_v=3.3, noise_c=0.02))
    rig.run_for(5.0)
    rig.view_c = FACE_C
    reading = rig.run_until_reading()
    assert reading.skin_c == pytest.approx(FACE_C + 0.24, abs=0.08)


def test_each_request_gives_one_more_reading(rig: Rig) -> None:
    rig.view_c = FACE_C
    rig.run_for(5.0)
    rig.requests.put(MeasureAgain("adult"))
    again = rig.run_for(5.0)
    assert names(again) == ["ReadingTaken"]


def test_a_request_for_another_thermometer_is_dropped(rig: Rig) -> None:
    rig.view_c = FACE_C
    rig.run_for(5.0)
    rig.requests.put(MeasureAgain("child"))
    assert rig.run_for(5.0) == []
    assert rig.requests.empty()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.BAD_CHECK, Reason.CHECKSUM),
        (Fault.ALL_ONES, Reason.CHECKSUM),
        (Fault.ALL_ZEROS, Reason.CHECKSUM),
        (Fault.ERROR_FLAG, Reason.SENSOR_FAULT),
        (Fault.NACK, Reason.SENSOR_LOST),
        (Fault.TIMEOUT, Reason.SENSOR_LOST),
        (Fault.ASLEEP, Reason.SENSOR_LOST),
    ],
)
def test_a_fault_before_the_plateau_gives_a_refusal_and_never_a_number(
    rig: Rig, fault: Fault, reason: Reason
) -> None:
    rig.view_c = FACE_C
    rig.run_until_presence()
    rig.bus.inject(SPOT, fault)
    events = rig.run_for(30.0)
    assert names(events) == ["DeviceChanged", "ReadingTaken"]
    assert changes(events) == [False]
    (reading,) = readings(events)
    assert (reading.body_c, reading.refusal) == (None, reason)


def test_a_fault_after_the_answer_gives_no_second_reading(rig: Rig) -> None:
    rig.view_c = FACE_C
    rig.run_for(5.0)
    rig.bus.inject(SPOT, Fault.NACK)
    assert names(rig.run_for(30.0)) == ["DeviceChanged"]


def test_a_request_to_a_lost_sensor_is_answered_with_a_refusal(rig: Rig) -> None:
    rig.bus.inject(SPOT, Fault.NACK)
    rig.run_for(10.0)
    rig.requests.put(MeasureAgain("adult"))
    (reading,) = readings(rig.run_for(RETRY_MAX_S + 1.0))
    assert reading.refusal is Reason.SENSOR_LOST


@pytest.mark.parametrize(("variant", "voids"), [("DCI", 2), ("DAA", 4)])
def test_a_few_void_samples_in_a_row_are_no_loss(variant: str, voids: int) -> None:
    rig = Rig(Unit(variant=variant))
    rig.run_for(10.0)
    for _ in range(5):
        rig.bus.inject(SPOT, Fault.BAD_CHECK, messages=voids)
        assert rig.run_for(6.5) == []


@pytest.mark.parametrize("variant", ["DCI", "DAA", "DCC", "DCH", "ACF"])
def test_a_sensor_that_is_unplugged_is_told_within_two_seconds(variant: str) -> None:
    rig = Rig(Unit(variant=variant))
    rig.run_for(10.0)
    rig.bus.detach(SPOT)
    pulled_s = rig.clock.monotonic_s()
    (lost,) = rig.run_for(10.0)
    assert isinstance(lost, DeviceChanged)
    assert not lost.is_working
    assert lost.at - pulled_s < 2.0


class HangingChip:
    """Holds the clock low, until the kernel's driver gives the message up."""

    fault: Fault | None = None

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
        self._clock.advance(1.0)
        raise NotAcknowledged


@pytest.mark.parametrize("variant", ["DCI", "DAA", "DCC"])
def test_a_bus_that_hangs_is_told_within_two_seconds_too(variant: str) -> None:
    rig = Rig(Unit(variant=variant))
    rig.run_for(10.0)
    rig.bus.attach(SPOT, HangingChip(rig.clock))
    hung_s = rig.clock.monotonic_s() - rig.waits[-1]  # right after the last good read
    (lost,) = rig.run_for(10.0)
    assert isinstance(lost, DeviceChanged)
    assert not lost.is_working
    assert lost.at - hung_s < 2.0


def test_loss_and_return_are_told_once_each(rig: Rig) -> None:
    rig.bus.detach(SPOT)
    lost = rig.run_for(120.0)
    rig.bus.attach(SPOT, Mlx90614Model(rig.clock, lambda _: rig.view_c, unit=Unit(), seed=6))
    back = rig.run_for(30.0)
    assert (changes(lost), changes(back)) == ([False], [True])
    rig.view_c = FACE_C
    assert rig.run_until_reading().refusal is None


def test_retries_are_spaced_out_up_to_a_cap(rig: Rig) -> None:
    rig.has_bus = False
    rig.bus.detach(SPOT)
    rig.waits.clear()
    rig.run_for(120.0)
    retries = rig.waits[rig.waits.index(0.5) :]
    assert retries[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, RETRY_MAX_S]
    assert set(retries[6:]) == {RETRY_MAX_S}


def test_a_missing_bus_at_the_start_is_told_once() -> None:
    rig = Rig()
    rig.has_bus = False
    events = rig.run_for(60.0)
    assert [event for event in events if not isinstance(event, DeviceChanged)] == []
    assert changes(events) == [False]
    assert isinstance(events[0], DeviceChanged)
    assert "/dev/i2c-1" in events[0].reason


@pytest.mark.parametrize("variant", ["DCI", "DCH", "DAA", "DCC"])
def test_a_frozen_sensor_is_told_within_two_seconds(variant: str) -> None:
    rig = Rig(Unit(variant=variant))
    rig.run_for(10.0)
    rig.bus.inject(SPOT, Fault.STUCK)
    frozen_s = rig.clock.monotonic_s()
    (lost,) = rig.run_for(5.0)
    assert isinstance(lost, DeviceChanged)
    assert "stuck" in lost.reason
    assert lost.at - frozen_s < 2.0


def test_a_chip_that_repeats_itself_by_chance_is_looked_at_again_and_believed(rig: Rig) -> None:
    rig.waits.clear()
    assert changes(rig.run_for(600.0)) == []
    hasty = rig.waits.count(LOOK_AGAIN_S)
    assert 0 < hasty < 0.15 * len(rig.waits)


def test_who_was_measured_is_not_believed_once_there_was_room_for_somebody_else() -> None:
    rig = Rig(has_distance=True)
    rig.run_for(5.0)
    rig.distance_m = 0.3
    rig.view_c = FACE_C
    rig.run_until_reading()
    rig.run_for(0.7)
    rig.passing = [0.3, 0.9, 0.3]  # between two samples somebody left and somebody came
    assert "PresenceEnded" in names(rig.run_for(1.4))


def test_a_stuck_sensor_is_lost_and_stays_lost(rig: Rig) -> None:
    rig.bus.inject(SPOT, Fault.STUCK)
    events = rig.run_for(120.0)
    assert changes(events) == [False]
    assert isinstance(events[0], DeviceChanged)
    assert "stuck" in events[0].reason


def test_a_person_is_owed_nothing_twice_over_a_loss(rig: Rig) -> None:
    rig.view_c = FACE_C
    rig.run_until_presence()
    rig.bus.inject(SPOT, Fault.NACK)
    rig.run_for(20.0)
    rig.bus.clear(SPOT)
    events = rig.run_for(20.0)
    assert names(events) == ["DeviceChanged"]


OTHER_CHIP = DeviceCalibration("adult.7", chip_id="00000000000000ff")


def test_a_chip_that_is_not_the_calibrations_is_refused_and_told_once() -> None:
    rig = Rig(rules=replace(COLD_START, calibration=OTHER_CHIP))
    events = rig.run_for(60.0)
    (told,) = events
    assert isinstance(told, DeviceChanged)
    assert not told.is_working
    assert "gated calibrate confirm adult" in told.reason
    assert rig.worker.chip_id == f"{Unit().chip_id:016x}"
    rig.requests.put(MeasureAgain("adult"))
    (reading,) = readings(rig.run_for(RETRY_MAX_S + 1.0))
    assert (reading.body_c, reading.refusal) == (None, Reason.WRONG_CALIBRATION)


def test_a_chip_that_is_swapped_is_refused_until_it_is_confirmed() -> None:
    own = DeviceCalibration("adult.7", chip_id=f"{Unit().chip_id:016x}")
    rig = Rig(rules=replace(COLD_START, calibration=own))
    assert changes(rig.run_for(5.0)) == [True]
    swapped = Unit(chip_id=0xFF)
    rig.bus.detach(SPOT)
    rig.run_for(1.5)
    rig.bus.attach(SPOT, Mlx90614Model(rig.clock, lambda _: rig.view_c, unit=swapped, seed=6))
    rig.run_for(60.0)
    assert changes(rig.events) == [True, False]
    rig.worker.set_rules(replace(COLD_START, calibration=OTHER_CHIP))
    assert changes(rig.run_for(RETRY_MAX_S + 1.0)) == [True]


def test_a_calibration_for_another_chip_taken_over_while_it_works_judges_nobody(rig: Rig) -> None:
    rig.worker.set_rules(replace(COLD_START, calibration=OTHER_CHIP))
    rig.view_c = FACE_C
    assert rig.run_until_reading().refusal is Reason.WRONG_CALIBRATION


def test_who_stands_too_far_away_gets_no_number_until_they_come_closer() -> None:
    rig = Rig(has_distance=True)
    rig.run_for(5.0)
    rig.distance_m = 0.7
    rig.view_c = FACE_C
    far = readings(rig.run_for(6.0))
    assert {(reading.body_c, reading.refusal) for reading in far} == {(None, OUT_OF_DISTANCE)}
    assert far[-1].distance_m == pytest.approx(0.7)
    rig.distance_m = 0.3
    near = [r for r in readings(rig.run_for(6.0)) if r.refusal is not OUT_OF_DISTANCE]
    assert [reading.refusal for reading in near] == [None]
    assert near[0].distance_m == pytest.approx(0.3)


def test_a_silent_distance_sensor_leaves_nobody_judged() -> None:
    rig = Rig(has_distance=True)
    rig.run_for(5.0)
    rig.is_distance_lost = True
    rig.view_c = FACE_C
    assert rig.run_until_reading().refusal is Reason.SENSOR_LOST


def test_a_thermometer_that_the_plate_disproves_says_so_once_and_judges_nobody() -> None:
    rig = Rig(rules=PLATE, has_distance=True, has_plate=True)
    rig.plate_c = ROOM_C - 0.8  # it sees 22 °C, the plate has 21.2
    told = [e for e in rig.run_for(90.0) if isinstance(e, DriftNoticed)]
    assert [(event.thermometer, event.is_drifting) for event in told] == [("adult", True)]
    rig.view_c, rig.distance_m = FACE_C, 0.3
    assert rig.run_until_reading().refusal is Reason.UNCALIBRATED


def test_a_plate_that_reads_a_little_too_warm_is_taken_off_every_reading() -> None:
    rig = Rig(Unit(offset_c=0.3, noise_c=0.03), rules=PLATE, has_distance=True, has_plate=True)
    rig.run_for(90.0)
    rig.view_c, rig.distance_m = FACE_C, 0.3
    reading = rig.run_until_reading()
    assert reading.drift_c == pytest.approx(0.3, abs=0.06)
    assert reading.skin_c == pytest.approx(FACE_C + 0.24, abs=0.12)


def test_clothing_before_a_spot_does_not_pass_for_its_plate() -> None:
    rig = Rig(rules=PLATE, has_distance=True, has_plate=True)
    rig.run_for(90.0)
    rig.view_c, rig.distance_m = 29.0, 0.35  # a tall person's coat before the low thermometer
    assert not [e for e in rig.run_for(60.0) if isinstance(e, DriftNoticed)]
    rig.view_c = FACE_C
    reading = rig.run_until_reading()
    assert reading.drift_c == pytest.approx(0.0, abs=0.06)
    assert reading.refusal is None


@pytest.mark.parametrize("plate_m", [None, 2.0])
def test_a_spot_that_cannot_know_what_stands_before_its_plate_never_looks_at_it(
    plate_m: float | None,
) -> None:
    rules = replace(PLATE, plate_distance_m=plate_m)
    rig = Rig(rules=rules, has_distance=plate_m is None, has_plate=True)
    rig.plate_c = ROOM_C - 0.8
    assert not [e for e in rig.run_for(90.0) if isinstance(e, DriftNoticed)]
    rig.view_c, rig.distance_m = FACE_C, 0.3
    reading = rig.run_until_reading()
    assert reading.refusal is None
    assert reading.drift_c == 0.0
    assert TemperatureFlag.REFERENCE_UNSEEN in reading.flags


def test_a_case_in_the_sun_is_refused_until_it_is_steady(rig: Rig) -> None:
    rig.die_c_per_min = 2.0
    rig.run_for(60.0)
    rig.view_c = FACE_C
    reading = rig.run_until_reading()
    assert reading.refusal is Reason.WARMING_UP
    assert TemperatureFlag.GRADIENT in reading.flags


def test_new_rules_hold_from_the_next_plateau(rig: Rig) -> None:
    rig.worker.set_rules(CompensationRules(warm_up_s=5_000.0))
    rig.view_c = FACE_C
    assert rig.run_until_reading().refusal is Reason.WARMING_UP


def test_without_air_temperature_nothing_is_judged(rig: Rig) -> None:
    rig.ambient_c = None
    rig.view_c = FACE_C
    assert rig.run_until_reading().refusal is Reason.NO_AMBIENT


def test_run_beats_and_ends_soon_after_stop() -> None:
    rig = Rig()
    stop = threading.Event()
    beats: list[None] = []

    def beat() -> None:
        beats.append(None)
        if len(beats) == 3:
            stop.set()

    rig.worker.run(stop, beat)
    assert len(beats) == 3


def ambient_worker(
    clock: FakeClock, bus: SimulatedBus, publish: Callable[[SensorEvent], None]
) -> NewestWorker[AmbientSample]:
    fitted = Fitted("ambient", SHT3X, Sht3xOptions(), bus.open)
    return NewestWorker[AmbientSample](
        fitted, every_s=AMBIENT_EVERY_S, clock=clock, publish=publish
    )


def test_the_ambient_worker_keeps_the_newest_sample() -> None:
    clock, bus = FakeClock(), SimulatedBus()
    air_c = [18.0]
    bus.attach(AIR, Sht3xModel(clock, lambda _: air_c[0], seed=2))
    events: list[SensorEvent] = []
    worker = ambient_worker(clock, bus, events.append)
    assert worker.newest() is None
    steps = worker.steps(clock.advance)
    for expected_c in (18.0, 25.0):
        air_c[0] = expected_c
        for _ in range(3):
            clock.advance(next(steps))
        newest = worker.newest()
        assert newest is not None
        assert newest.ambient_c == pytest.approx(expected_c, abs=0.3)
    assert changes(events) == [True]


def test_a_lost_ambient_sensor_lets_its_sample_grow_old() -> None:
    clock, bus = FakeClock(), SimulatedBus()
    bus.attach(AIR, Sht3xModel(clock, lambda _: 18.0, seed=2))
    events: list[SensorEvent] = []
    worker = ambient_worker(clock, bus, events.append)
    steps = worker.steps(clock.advance)
    for _ in range(3):
        clock.advance(next(steps))
    newest = worker.newest()
    bus.inject(AIR, Fault.BAD_CHECK)
    for _ in range(30):
        clock.advance(next(steps))
    assert worker.newest() is newest
    assert changes(events) == [True, False]
