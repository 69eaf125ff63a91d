"""``gated calibrate reference``: what a bath, a plate and a chip make of it; what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gated.calibrate.dialog import GivenUp
from gated.calibrate.reference import Wanted
from gated.errors import DeviceLost, ExitCode, GatedError, StorageError
from gated.facts.alone import Busy
from gated.ledger.files import WriterLock
from gated.sensors.calibration import Calibration
from gated.sensors.compensation import true_surface_c
from gated.sensors.two_point import NotCalibrated
from gated.simulation.bus import Fault, SimulatedBus
from gated.simulation.chips.mlx90614 import ADDRESS, Unit
from gated.simulation.chips.tmp117 import ADDRESS as PLATE_ADDRESS
from gated.simulation.chips.tmp117 import Tmp117Model
from tests.calibrate_rig import (
    AIR_C,
    CHIP,
    WATER,
    Workshop,
    seen_of,
)

SAMPLES = 93
"""A DCI's in a minute, one each 0.65 s."""
MEAN_SE_C = 0.10 / SAMPLES**0.5
"""Of their mean: a DCI's noise is 0.10 °C."""
SIGMAS = 4.0
SUPPLY_3V3_C = 0.18

YES = "yes"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def two_points(workshop: Workshop, *more: str, wanted: Wanted | None = None) -> Calibration | None:
    """Bring the bath to 33 and to 38 °C, then answer ``more``."""
    options = wanted or Wanted(emissivity=WATER, at_c=(33.0, 38.0))
    return workshop.reference(workshop.heat(33.0), workshop.heat(38.0), *more, wanted=options)


def error_of(unit: Unit, calibration: Calibration, surface_c: float) -> float:
    """Return how wrong the unit is at ``surface_c`` with its calibration, noise left out."""
    object_c = seen_of(surface_c) * unit.gain + unit.offset_c
    shown_c = true_surface_c(object_c, AIR_C, WATER)
    return calibration.gain * shown_c + calibration.offset_c - surface_c


# --- what comes of it ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "offset_c"), [(1.0, 0.0), (1.01, 0.1), (0.99, 0.5), (0.985, 0.0), (1.0, -1.2)]
)
def test_two_points_take_a_units_error_out(tmp_path: Path, gain: float, offset_c: float) -> None:
    unit = Unit(gain=gain, offset_c=offset_c, supply_v=3.3)
    made = two_points(Workshop(tmp_path, unit), YES)
    assert made is not None
    slope_se = 2**0.5 * MEAN_SE_C / 5.0
    assert made.gain == pytest.approx(1 / gain, abs=SIGMAS * slope_se)
    for surface_c in (33.0, 34.5, 36.0, 38.0):  # between the points a mean's error, no more
        assert abs(error_of(unit, made, surface_c)) < SIGMAS * MEAN_SE_C / WATER
    assert [point.reference_c for point in made.points] == [33.0, 38.0]
    assert (made.chip_id, made.name, made.site_a_c) == (CHIP, "child.1", None)


def test_one_point_sets_the_offset_and_leaves_the_gain(tmp_path: Path) -> None:
    unit = Unit(offset_c=0.4, supply_v=3.3)
    workshop = Workshop(tmp_path, unit)
    made = workshop.reference("35", "", YES) if workshop.heat(35.0)() is None else None
    assert made is not None
    assert made.gain == 1.0
    assert abs(error_of(unit, made, 35.0)) < SIGMAS * MEAN_SE_C / WATER
    assert "one point sets the offset only" in workshop.out.getvalue()


def test_a_second_calibration_starts_from_the_chip_and_not_from_the_first(
    tmp_path: Path,
) -> None:
    unit = Unit(gain=1.008, offset_c=0.3, supply_v=3.3)
    workshop = Workshop(tmp_path, unit)
    first, second = two_points(workshop, YES), two_points(workshop, YES)
    assert first is not None
    assert second is not None
    assert second.name == "child.2"
    assert second.gain == pytest.approx(first.gain, abs=2 * SIGMAS * 2**0.5 * MEAN_SE_C / 5)
    assert workshop.folder.load("child", 1) == first


def test_the_result_is_shown_before_anything_is_asked(workshop: Workshop) -> None:
    two_points(workshop, YES)
    shown = workshop.out.getvalue()
    for part in ("at 33.00 °C: was ", "old\n  device  as made", "new child.1\n  device  true = "):
        assert part in shown
    assert "written: " in shown
    assert "sudo systemctl start gated.target" in workshop.aside.getvalue()


def test_progress_says_what_is_waited_for(workshop: Workshop) -> None:
    two_points(workshop, YES)
    lines = [line for line in workshop.aside.getvalue().splitlines() if "/93  " in line]
    assert len(lines) >= 10
    assert all("drift" in line and "chip" in line for line in lines)


# --- nothing is written unless --------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["no", "", "maybe"])
def test_nothing_is_written_without_a_yes(workshop: Workshop, answer: str) -> None:
    with pytest.raises(GivenUp, match="nothing is written"):
        two_points(workshop, answer)
    assert not workshop.folder.path.exists()


def test_nothing_is_written_when_the_terminal_goes(workshop: Workshop) -> None:
    with pytest.raises(GivenUp):
        workshop.reference("33")
    assert not workshop.folder.path.exists()


def test_nothing_is_written_after_ctrl_c(workshop: Workshop) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workshop.reference(workshop.heat(33.0), interrupt, wanted=Wanted(at_c=(33.0, 38.0)))
    assert not workshop.folder.path.exists()


def test_where_nobody_can_be_asked_the_temperatures_must_be_given(workshop: Workshop) -> None:
    with pytest.raises(GatedError, match="--at 33 --at 38"):
        workshop.reference(sits_there=False)


def test_where_nobody_can_be_asked_the_last_word_must_be_given_too(workshop: Workshop) -> None:
    with pytest.raises(GivenUp, match="--yes"):
        workshop.reference(wanted=Wanted(at_c=(33.0,)), sits_there=False)
    assert not workshop.folder.path.exists()
    made = workshop.reference(wanted=Wanted(at_c=(33.0,), is_sure=True), sits_there=False)
    assert made is not None


def test_a_second_point_is_waited_for_where_nobody_can_be_asked(workshop: Workshop) -> None:
    begin_s = workshop.clock.monotonic_s()
    workshop.bath = lambda at: 33.0 if at < begin_s + 120 else 38.0
    wanted = Wanted(at_c=(33.0, 38.0), is_sure=True)
    made = workshop.reference(wanted=wanted, sits_there=False)
    assert made is not None
    assert made.gain == pytest.approx(1.0, abs=SIGMAS * 2**0.5 * MEAN_SE_C / 5)
    assert "this is not the reference" in workshop.aside.getvalue()


# --- what is no calibration ----------------------------------------------------------------------


def test_a_bath_that_cools_is_no_reference(workshop: Workshop) -> None:
    begin_s = workshop.clock.monotonic_s()
    workshop.bath = lambda at: 34.0 - 0.4 * (at - begin_s) / 60
    with pytest.raises(NotCalibrated, match="stir the bath"):
        workshop.reference("33")


def test_a_bath_is_waited_for_until_it_is_steady(workshop: Workshop) -> None:
    begin_s = workshop.clock.monotonic_s()
    workshop.bath = lambda at: 33.0 + max(0.0, 1.0 - (at - begin_s) / 120)
    made = workshop.reference("33", "", YES)
    assert made is not None
    assert abs(made.offset_c) < SIGMAS * MEAN_SE_C + 0.05


def test_a_chip_that_warms_is_not_calibrated(workshop: Workshop) -> None:
    begin_s = workshop.clock.monotonic_s()
    workshop.die = lambda at: 25.0 + 0.5 * (at - begin_s) / 60
    with pytest.raises(NotCalibrated, match="let it warm up"):
        workshop.reference("33")


def test_a_wall_before_the_lens_is_not_taken_for_the_reference(workshop: Workshop) -> None:
    workshop.bath_c = AIR_C
    with pytest.raises(NotCalibrated, match="does it fill the view"):
        workshop.reference("33")


def test_something_that_moves_before_the_lens_is_told(workshop: Workshop) -> None:
    workshop.bath = lambda at: 33.0 + 0.8 * (round(at / 0.65) % 2)
    with pytest.raises(NotCalibrated, match="something moves"):
        workshop.reference("33.4")


def test_a_gain_that_no_sound_chip_has_is_refused(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, Unit(gain=1.05, offset_c=-1.7, supply_v=3.3))
    with pytest.raises(NotCalibrated, match="a gain of"):
        two_points(workshop, YES)
    assert not workshop.folder.path.exists()


def test_the_wrong_supply_in_the_configuration_shows_as_an_offset(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, Unit(supply_v=3.0))  # the configuration says 3.3 V
    made = two_points(workshop, YES)
    assert made is not None
    assert made.gain * 35 + made.offset_c - 35 == pytest.approx(SUPPLY_3V3_C / WATER, abs=0.08)


def test_a_thermometer_that_warms_up_must_wait(workshop: Workshop) -> None:
    workshop.clock.elapsed_s = 300.0
    with pytest.raises(NotCalibrated, match="10 min more"):
        workshop.reference("33")


def test_a_typed_temperature_that_says_nothing_is_asked_for_again(workshop: Workshop) -> None:
    made = workshop.reference("", "abc", "3,3", "300", "33,0", "", YES)
    assert made is not None
    assert workshop.aside.getvalue().count("a number from 28 to 45") == 3
    assert [point.reference_c for point in made.points] == [33.0]


def test_the_emissivity_is_asked_for_and_used(workshop: Workshop) -> None:
    made = workshop.reference("0.98", "33", "", YES, wanted=Wanted())
    assert made is not None
    assert made.points[0].shown_c < 32.9  # water taken for skin looks colder
    assert "(Enter: 0.95)" in workshop.aside.getvalue()


# --- wires ---------------------------------------------------------------------------------------


def test_void_readings_are_left_out(workshop: Workshop) -> None:
    bus = workshop.buses["/dev/i2c-1"]

    def bath(at: float) -> float:
        if round(at / 0.65) % 7 == 0:
            bus.inject(ADDRESS, Fault.BAD_CHECK, messages=1)
        return 33.0

    workshop.bath = bath
    made = workshop.reference("33", "", YES)
    assert made is not None
    assert made.points[0].samples == SAMPLES


def test_a_thermometer_that_goes_away_ends_it(workshop: Workshop) -> None:
    def pull() -> None:
        workshop.buses["/dev/i2c-1"].detach(ADDRESS)

    with pytest.raises(DeviceLost):
        workshop.reference(pull, wanted=Wanted(at_c=(33.0,), emissivity=WATER))
    assert not workshop.folder.path.exists()


def test_without_an_air_thermometer_the_air_is_typed(workshop: Workshop) -> None:
    temperature = workshop.config.temperature.model_copy(update={"ambient": None})
    workshop.config = workshop.config.model_copy(update={"temperature": temperature})
    with pytest.raises(GatedError, match="--ambient C"):
        workshop.reference("33")
    wanted = Wanted(at_c=(33.0,), ambient_c=AIR_C, emissivity=WATER)
    made = workshop.reference(workshop.heat(33.0), YES, wanted=wanted)
    assert made is not None
    assert abs(made.offset_c) < SIGMAS * MEAN_SE_C / WATER


def plate_on(workshop: Workshop, plate: Callable[[float], float]) -> None:
    bus = SimulatedBus("/dev/i2c-4")
    bus.attach(PLATE_ADDRESS, Tmp117Model(workshop.clock, plate, seed=4))
    workshop.buses["/dev/i2c-4"] = bus
    workshop.bath = plate


def test_a_plates_own_sensor_says_how_warm_it_is(workshop: Workshop) -> None:
    plate_on(workshop, lambda _: workshop.bath_c)
    wanted = Wanted(emissivity=WATER, plate="/dev/i2c-4:0x48")
    made = workshop.reference(workshop.heat(33.2), workshop.heat(38.4), "end", YES, wanted=wanted)
    assert made is not None
    references = [point.reference_c for point in made.points]
    assert references == pytest.approx([33.2, 38.4], abs=0.02)


def test_a_plate_is_waited_for_until_it_is_there(workshop: Workshop) -> None:
    begin_s = workshop.clock.monotonic_s()
    plate_on(workshop, lambda at: min(38.0, 33.0 + (at - begin_s) / 60))
    wanted = Wanted(at_c=(38.0,), plate="/dev/i2c-4", is_sure=True)
    made = workshop.reference(wanted=wanted, sits_there=False)
    assert made is not None
    assert made.points[0].reference_c > 37.0
    assert "waiting for the plate" in workshop.aside.getvalue()


@pytest.mark.parametrize(
    ("plate", "words"), [("i2c-4", "BUS or BUS:ADDRESS"), ("", "no temperature.reference")]
)
def test_a_plate_that_is_not_known_is_refused(workshop: Workshop, plate: str, words: str) -> None:
    with pytest.raises(GatedError, match=words):
        workshop.reference("", wanted=Wanted(emissivity=WATER, plate=plate))


# --- alone with the chip -------------------------------------------------------------------------


def test_a_running_gate_is_not_disturbed(workshop: Workshop) -> None:
    workshop.run_gate(child=CHIP)
    with pytest.raises(Busy, match=r"sudo systemctl stop gated\.target") as caught:
        workshop.reference("33")
    assert caught.value.exit_code is ExitCode.UNAVAILABLE
    assert list(workshop.buses["/dev/i2c-1"].transcript) == []


def test_a_controller_that_hangs_counts_as_running(workshop: Workshop) -> None:
    lock = WriterLock(workshop.config.paths.state / "ledger.db", "gated controller")
    try:
        with pytest.raises(Busy, match="another gated controller runs"):
            workshop.reference("33")
    finally:
        lock.release()
    assert workshop.reference("33", "", YES) is not None


def test_no_controller_starts_while_it_measures(workshop: Workshop) -> None:
    ledger = workshop.config.paths.state / "ledger.db"
    WriterLock(ledger, "gated controller").release()
    refused: list[str] = []

    def start_controller() -> None:
        with pytest.raises(StorageError, match="another") as caught:
            WriterLock(ledger, "gated controller")
        refused.append(str(caught.value))

    wanted = Wanted(at_c=(33.0,), emissivity=WATER)
    workshop.reference(start_controller, YES, wanted=wanted)
    assert len(refused) == 1
    WriterLock(ledger, "gated controller").release()


def test_it_makes_no_lock_that_a_gate_could_not_open(workshop: Workshop) -> None:
    workshop.reference("33", "", YES)
    assert not (workshop.config.paths.state / "ledger.db.lock").exists()


def test_where_nobody_can_tell_whether_a_gate_runs_nothing_is_touched(workshop: Workshop) -> None:
    (workshop.config.paths.run / "status.json").write_text("{}")
    with pytest.raises(Busy, match="not disturbed"):
        workshop.reference("33")
