"""The MLX90640 driver on the wire: its messages, its waits, its faults, and which chip it takes."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from gated.clock import FakeClock
from gated.errors import BusError, DeviceNotFound, SensorFault
from gated.sensors.melexis_array import CLEAR_NEW_DATA, CONTROL, RAM, STATUS, Subpage
from gated.sensors.mlx90640 import DRIVER, Mlx90640, Options, convert
from gated.sensors.mlx90640_eeprom import parse
from gated.simulation.bus import Fault, SimulatedBus
from gated.simulation.chips.melexis_array import ADDRESS, NOT_READY
from gated.simulation.chips.mlx90640 import example_eeprom
from gated.simulation.thermal_scene import MovingScene
from gated.units import MonoSeconds
from tests.array_rig import ArrayRig, TimedBus, golden_words, seen, somebody

AT_ONCE = MonoSeconds(0.0)
CHESS = DEFAULT_CONTROL = 0x1901


def raw_array(rig: ArrayRig) -> Mlx90640:
    return Mlx90640(rig.bus, rig.options, rig.clock, rig.clock.advance)


def written(rig: ArrayRig) -> list[tuple[int, int]]:
    return [
        (int.from_bytes(m.written[:2]), int.from_bytes(m.written[2:]))
        for m in rig.wires.transcript
        if len(m.written) == 4
    ]


def test_open_reads_the_identity_and_sets_pace_and_pattern() -> None:
    rig = ArrayRig()
    rig.thermometer.open()
    assert rig.thermometer.chip_id == "1710a2240185"
    assert written(rig)[0] == (CONTROL, 0x1A81), "16 Hz, 18 bit, chess, subpages"
    asked = [m.written for m in rig.wires.transcript][:2]
    assert asked == [b"\x24\x00"] * 2, "the EEPROM is read twice"


@pytest.mark.parametrize(("hz", "expected"), [(8, 0x1A01), (16, 0x1A81), (32, 0x1B01)])
def test_the_pace_is_what_the_configuration_says(hz: int, expected: int) -> None:
    rig = ArrayRig(options=Options.model_validate({"refresh_hz": hz}), speed_hz=1e6)
    rig.thermometer.open()
    assert written(rig)[0] == (CONTROL, expected)
    times = [sample.taken_at for sample in rig.samples(6)]
    assert np.diff(times) == pytest.approx(2 / hz, abs=0.006)


def test_an_interleaved_calibration_is_measured_interleaved() -> None:
    words = example_eeprom()
    words[10] |= 0x0800
    rig = ArrayRig(somebody(0.4), words=words, noise_share=0.0)
    with raw_array(rig) as array:
        picture = array.read_picture().picture_c
    assert written(rig)[0] == (CONTROL, 0x0A81)
    assert picture == pytest.approx(seen(somebody(0.4)), abs=0.5)


def test_nothing_is_ever_written_but_status_and_control() -> None:
    rig = ArrayRig(somebody(0.4))
    with rig.thermometer:
        rig.samples(5)
    registers = {register for register, _ in written(rig)}
    assert registers == {STATUS, CONTROL}
    assert {value for register, value in written(rig) if register == STATUS} == {CLEAR_NEW_DATA}
    assert not [m for m in rig.wires.transcript if len(m.written) > 4]


def test_a_read_is_two_subpages_each_cleared_before_and_looked_after() -> None:
    rig = ArrayRig(somebody(0.4))
    rig.thermometer.open()
    rig.samples(2)
    rig.wires.transcript.clear()
    rig.samples(1)
    steps = [m.written.hex() for m in rig.wires.transcript]
    once = [step for n, step in enumerate(steps) if n == 0 or step != steps[n - 1]]
    assert once == ["8000", "80000030", "0400", "8000", "80000030", "0400", "8000"]
    assert len(steps) <= 12


def test_without_noise_a_face_is_seen_but_for_whole_counts() -> None:
    rig = ArrayRig(somebody(0.4), noise_share=0.0)
    with raw_array(rig) as array:
        picture = array.read_picture()
    assert picture.picture_c == pytest.approx(seen(somebody(0.4)), abs=0.2)
    assert picture.supply_v == pytest.approx(3.3, abs=0.001)


def test_the_first_pictures_after_a_change_of_settings_are_let_pass() -> None:
    rig = ArrayRig(somebody(0.4), noise_share=0.0)
    with raw_array(rig) as array:
        first = array.read_picture().picture_c
    assert np.abs(first - seen(somebody(0.4))).max() < 0.2, "the model's first ones are 10 °C off"


def test_both_halves_of_a_picture_are_newer_than_the_picture_before() -> None:
    rig = ArrayRig(noise_share=0.0)
    zero_s = rig.clock.monotonic_s()
    rig.show(lambda at_s: 10.0 * (at_s - zero_s))
    before_s = 0.0
    with raw_array(rig) as array:
        for pause_s in (0.0, 0.05, 0.1, 0.13, 0.2, 0.4, 0.0, 5.0, 0.06):
            rig.clock.advance(pause_s)
            began_s = rig.clock.monotonic_s()
            picture = array.read_picture()
            assert began_s <= picture.taken_at <= rig.clock.monotonic_s() < began_s + 0.45
            older_s = zero_s + float(np.nanmedian(picture.picture_c[:, ::2][::2])) / 10
            newer_s = zero_s + float(np.nanmedian(picture.picture_c[:, 1::2][::2])) / 10
            assert min(older_s, newer_s) > before_s - 0.02
            assert min(older_s, newer_s) > began_s - 0.05
            before_s = picture.taken_at - 0.04  # its reading took so long


def test_a_bus_of_100_khz_is_told_that_it_is_too_slow() -> None:
    rig = ArrayRig(speed_hz=100_000.0)
    with raw_array(rig) as array:
        for _ in range(3):
            with pytest.raises(SensorFault, match="too slow for 16 Hz"):
                array.read_picture()


def test_a_missed_subpage_is_no_striped_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = ArrayRig(somebody(0.4))
    with raw_array(rig) as array:
        array.read_picture()
        status = rig.chip._status
        with monkeypatch.context() as patch:
            patch.setattr(rig.chip, "_status", lambda: status() & ~1)
            with pytest.raises(SensorFault, match="came twice"):
                array.read_picture()
        array.read_picture()


def test_a_subpage_overwritten_while_it_is_read_is_void_and_the_next_is_not() -> None:
    rig = ArrayRig(somebody(0.4))
    with raw_array(rig) as array:
        array.read_picture()
        rig.bus.speed_hz = 80_000.0
        with pytest.raises(SensorFault, match="overwritten"):
            array.read_picture()
        rig.bus.speed_hz = 400_000.0
        array.read_picture()


@pytest.mark.parametrize("at", [*range(0, 768, 64), 768, 776, 778, 800, 808, 810])
def test_a_line_or_an_auxiliary_word_that_was_not_measured_voids_the_picture(at: int) -> None:
    calibration = parse(golden_words("eeprom").view(np.uint16))
    words = golden_words("subpage-0").copy()
    words[at] = NOT_READY
    with pytest.raises(SensorFault, match="0x7FFF"):
        convert(calibration, Subpage(0, words, CHESS, AT_ONCE))


def test_a_line_of_the_other_subpage_does_not_matter() -> None:
    calibration = parse(golden_words("eeprom").view(np.uint16))
    words = golden_words("subpage-0").copy()
    words[32] = NOT_READY
    convert(calibration, Subpage(0, words, CHESS, AT_ONCE))


@pytest.mark.parametrize(
    ("at", "value", "what"),
    [
        (810, -6_000, "supply"),
        (810, -16_000, "supply"),
        (800, 3_000, "die"),
        (778, 1_000, "gain"),
        (778, 0, "empty"),
    ],
)
def test_a_state_that_no_chip_has_is_a_fault(at: int, value: int, what: str) -> None:
    calibration = parse(golden_words("eeprom").view(np.uint16))
    words = golden_words("subpage-0").copy()
    words[at] = value
    with pytest.raises(SensorFault, match=what):
        convert(calibration, Subpage(0, words, CHESS, AT_ONCE))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.NACK, BusError),
        (Fault.TIMEOUT, BusError),
        (Fault.ALL_ONES, SensorFault),
        (Fault.ALL_ZEROS, SensorFault),
        (Fault.ERROR_FLAG, SensorFault),
        (Fault.HALTED, SensorFault),
        (Fault.ASLEEP, BusError),
    ],
)
def test_every_fault_is_an_error_in_less_than_a_second_and_over_when_it_is(
    fault: Fault, error: type[Exception]
) -> None:
    rig = ArrayRig(somebody(0.4))
    with rig.thermometer:
        rig.samples(2)
        rig.wires.inject(ADDRESS, fault)
        for _ in range(3):
            began_s = rig.clock.monotonic_s()
            with pytest.raises(error) as raised:
                rig.thermometer.read()
            assert rig.clock.monotonic_s() - began_s < 1.0
            assert getattr(raised.value, "device", "") == "simulated/0x33"
        rig.wires.clear(ADDRESS)
        rig.samples(2)


def test_a_chip_that_lost_its_settings_is_noticed() -> None:
    rig = ArrayRig(somebody(0.4))
    with rig.thermometer:
        rig.samples(2)
        rig.chip._set_control(DEFAULT_CONTROL)  # a dip of the supply: 2 Hz again
        with pytest.raises(SensorFault, match="no subpage"):
            rig.samples(3)


def test_a_stuck_chip_repeats_itself_to_the_last_digit() -> None:
    rig = ArrayRig(somebody(0.4))
    with rig.thermometer:
        rig.samples(8)
        rig.wires.inject(ADDRESS, Fault.STUCK)
        rig.samples(8)
        assert len({sample.object_c for sample in rig.samples(3)}) == 1, "sampling will notice"


def test_asked_to_stop_a_read_ends_at_once() -> None:
    rig = ArrayRig()
    rig.thermometer.open()
    stopped = DRIVER.make(rig.bus, rig.options, rig.clock, lambda _: True)
    with pytest.raises(DeviceNotFound, match="no subpage"):
        stopped.open()
    assert len(rig.wires.transcript) < 300


# --- which chip it is -----------------------------------------------------------------------------


@pytest.mark.parametrize("word", [0x0000, 0xFFFF])
def test_an_eeprom_without_an_identity_is_no_chip(word: int) -> None:
    rig = ArrayRig()
    rig.chip.eeprom = [word] * 832
    with pytest.raises(DeviceNotFound, match="not an MLX90640"):
        rig.thermometer.open()


def test_an_mlx90641_is_not_taken_for_it() -> None:
    rig = ArrayRig()
    rig.chip.eeprom[10] |= 0x0040
    with pytest.raises(DeviceNotFound, match="an MLX90641 answers"):
        rig.thermometer.open()
    assert not written(rig), "a stranger's registers are left alone"


def test_an_eeprom_that_reads_differently_twice_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = ArrayRig()
    read, calls = rig.chip._read, [0]

    def flaky(register: int, words: int) -> object:
        answer = read(register, words)
        calls[0] += 1
        if calls[0] == 1:
            answer[200] ^= 4
        return answer

    monkeypatch.setattr(rig.chip, "_read", flaky)
    with pytest.raises(DeviceNotFound, match="two readings of the EEPROM differ"):
        rig.thermometer.open()


@pytest.mark.parametrize(("at", "value"), [(48, 0), (51, 0x00FF), (50, 0xFC00)])
def test_an_eeprom_without_calibration_is_refused(at: int, value: int) -> None:
    rig = ArrayRig()
    rig.chip.eeprom[at] = value
    with pytest.raises(DeviceNotFound, match="holds no calibration"):
        rig.thermometer.open()


def test_a_chip_that_does_not_take_its_settings_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = ArrayRig()
    monkeypatch.setattr(rig.chip, "_set_control", lambda value: None)
    with pytest.raises(DeviceNotFound, match="does not take its settings"):
        rig.thermometer.open()


def test_broken_and_outlying_pixels_are_left_dark_and_told_of() -> None:
    words = example_eeprom()
    words[64 + 5 * 32 + 7] = 0
    words[64 + 12 * 32 + 16] |= 1
    rig = ArrayRig(somebody(0.4), words=words)
    with rig.thermometer:
        picture = rig.thermometer.read_picture().picture_c
        rows, columns = np.nonzero(np.isnan(picture))
        assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(5, 7), (12, 16)]
        assert rig.samples(3)[-1].is_clear


def test_a_pixel_without_sensitivity_is_refused() -> None:
    words = example_eeprom()
    words[33] = 0
    with pytest.raises(DeviceNotFound, match="no sensitivity"):
        ArrayRig(words=words).thermometer.open()


def test_an_answer_that_is_too_short_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = ArrayRig()
    with raw_array(rig) as array:
        ask = rig.bus.write_then_read
        monkeypatch.setattr(rig.bus, "write_then_read", lambda *args: ask(*args)[:-2])
        with pytest.raises(SensorFault, match="0 bytes instead of 2"):
            array.read_picture()


def test_the_chip_model_takes_no_other_message() -> None:
    rig = ArrayRig()
    assert rig.wires.read(ADDRESS, 2) == b"\x00\xae", "where the last register was set"
    for message in (b"\x24", b"\x24\x10\x00\x01", b"\x80\x00\x00\x30\x00"):
        with pytest.raises(BusError):
            rig.wires.write(ADDRESS, message)
    rig.wires.write(ADDRESS, b"\x80\x00\x00\x38")  # the flag is left as it is


def test_more_bad_pixels_than_a_good_part_has_are_refused() -> None:
    words = example_eeprom()
    for at in range(5):
        words[64 + 90 * at] |= 1
    with pytest.raises(DeviceNotFound, match="5 bad pixels"):
        ArrayRig(words=words).thermometer.open()


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("optics", "fov_deg"), [("BAB", 3.4375), ("BAA", 6.875)])
@pytest.mark.parametrize(("hz", "noise_c"), [(8, 0.1414), (16, 0.2), (32, 0.2828)])
def test_optics_and_pace_are_its_traits(
    optics: str, fov_deg: float, hz: int, noise_c: float
) -> None:
    options = Options.model_validate({"optics": optics, "refresh_hz": hz})
    clock = FakeClock()
    traits = DRIVER.make(SimulatedBus(), options, clock, clock.advance).traits
    assert traits.fov_deg == fov_deg
    assert traits.noise_c == pytest.approx(noise_c, abs=1e-4)
    assert traits.settle_s < 1 / hz
    assert traits.supply_error_c == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"optics": "BCB"},
        {"refresh_hz": 4},
        {"refresh_hz": 64},
        {"address": 0x80},
        {"turned_deg": 45},
        {"reference_box": [0, 0, 24, 3]},
        {"reference_box": [5, 5, 4, 6]},
        {"reference_box": [0, 0, 1, 32]},
        {"reference_box": [1, 2, 3]},
        {"emissivity": 0.98},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DRIVER.options.model_validate(wrong)


def test_a_box_of_a_turned_picture_is_a_box_of_the_upright_one() -> None:
    assert Options(turned_deg=90, reference_box=(30, 20, 31, 23)).reference_box is not None
    with pytest.raises(ValidationError, match="rows 0–23"):
        Options(reference_box=(30, 20, 31, 23))


def test_the_driver_has_no_checksum() -> None:
    assert not DRIVER.has_checksum


def test_one_message_reads_the_whole_ram() -> None:
    rig = ArrayRig()
    with rig.thermometer:
        rig.samples(1)
    reads = [len(m.read) for m in rig.wires.transcript if m.written == RAM.to_bytes(2)]
    assert set(reads) == {1_664}


def test_moving_scenes_are_seen_as_of_their_subpages() -> None:
    rig = ArrayRig(noise_share=0.0)
    began_s = rig.clock.monotonic_s()
    rig.show(MovingScene(lambda _: (), lambda at_s: 20 + 8 * (at_s - began_s)))
    with raw_array(rig) as array:
        picture = array.read_picture().picture_c
    halves = [float(np.mean(picture[0::2, n::2])) for n in (0, 1)]
    assert abs(halves[0] - halves[1]) == pytest.approx(0.5, abs=0.1), (
        "a sixteenth of a second apart"
    )


def test_the_timed_bus_keeps_the_wires_rules() -> None:
    rig = ArrayRig()
    assert isinstance(rig.bus, TimedBus)
    rig.bus.close()
    with pytest.raises(BusError):
        rig.bus.write_then_read(ADDRESS, b"\x24\x00", 2)
