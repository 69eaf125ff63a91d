"""The MLX90641 driver: its Hamming code, the datasheet's worked example, and the wire."""

from __future__ import annotations

import itertools
import random
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gated.clock import FakeClock
from gated.errors import DeviceNotFound, SensorFault
from gated.optics import reach_m
from gated.sensors.melexis_array import (
    CONTROL,
    STATUS,
    Conditions,
    Subpage,
    ThermalPicture,
    basic_object_c,
    exchange_k4,
)
from gated.sensors.mlx90641 import DRIVER, Mlx90641, Options, compensated, convert
from gated.sensors.mlx90641_eeprom import Calibration, decoded, parse
from gated.simulation.bus import Fault, SimulatedBus
from gated.simulation.chips.melexis_array import ADDRESS, NOT_READY, Unit
from gated.simulation.chips.mlx90641 import (
    FIELD_DEG,
    Mlx90641Model,
    encoded,
    example_eeprom,
)
from gated.simulation.thermal_scene import MovingScene
from gated.units import MonoSeconds
from tests.array_rig import TimedBus, somebody

AT_ONCE = MonoSeconds(0.0)
CONTROL_18_BIT = 0x0901
PIXEL = 5 * 16 + 8  # the datasheet's pixel (6, 9)
SKIN_SEEN_C = 34.26


@pytest.fixture(scope="module")
def worked() -> Calibration:
    return parse(np.array(example_eeprom(), dtype=np.uint16))


@pytest.fixture
def worked_subpage() -> Subpage:
    words = np.full(448, 972, dtype=np.int16)
    words[384:] = 0
    for at, value in ((384, 19540), (392, -105), (394, 9734), (416, 1752), (424, -105)):
        words[at] = value
    words[426] = -13430
    return Subpage(0, words, CONTROL_18_BIT, AT_ONCE)


# --- the Hamming code -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "word"), [(0x0658, 0x2658), (0x07FF, 0xFFFF), (0x01E6, 0x19E6), (0, 0)]
)
def test_published_words_decode(data: int, word: int) -> None:
    assert encoded(data) == word
    assert decoded(np.array([word], dtype=np.uint16)).tolist() == [data]


def test_every_word_decodes_to_what_was_encoded() -> None:
    words = np.array([encoded(data) for data in range(2_048)], dtype=np.uint16)
    assert decoded(words).tolist() == list(range(2_048))


@given(st.integers(0, 2_047), st.integers(0, 15))
def test_any_single_wrong_bit_is_corrected(data: int, bit: int) -> None:
    word = encoded(data) ^ 1 << bit
    assert decoded(np.array([word], dtype=np.uint16)).tolist() == [data]


@given(st.integers(0, 2_047), st.integers(0, 15), st.integers(1, 15))
def test_any_two_wrong_bits_are_refused(data: int, bit: int, further: int) -> None:
    word = encoded(data) ^ 1 << bit ^ 1 << (bit + further) % 16
    with pytest.raises(ValueError, match="beyond its Hamming code"):
        decoded(np.array([word], dtype=np.uint16))


def test_an_eeprom_with_a_wrong_bit_in_every_word_is_whole(worked: Calibration) -> None:
    chance = random.Random(1)
    words = example_eeprom()
    words[16:] = [word ^ 1 << chance.randrange(16) for word in words[16:]]
    repaired = parse(np.array(words, dtype=np.uint16))
    assert repaired.common.gain == worked.common.gain
    assert (repaired.alpha == worked.alpha).all()
    assert (repaired.offset[1] == worked.offset[1]).all()


# --- the datasheet's worked example, § 11.2 -------------------------------------------------------


def test_the_worked_example_s_constants(worked: Calibration) -> None:
    common = worked.common
    assert (common.k_vdd, common.vdd_25, common.resolution) == (-3136, -13568, 2)
    assert (common.kv_ptat, common.kt_ptat) == (0.005615234375, 42.75)
    assert (common.v_ptat_25, common.alpha_ptat, common.gain) == (12280, 9.0, 9972)
    assert (common.ks_ta, common.tgc) == (-0.002197265625, 0.0)
    assert worked.emissivity == 0.94921875
    assert (worked.offset[0][PIXEL], worked.offset[1][PIXEL]) == (-673, -675)
    assert worked.k_ta[PIXEL] == pytest.approx(0.0031013489)
    assert worked.k_v[PIXEL] == pytest.approx(0.3251953)
    assert worked.alpha[PIXEL] == pytest.approx(3.45520675182343e-7)
    assert worked.cp_offset == -119
    assert worked.cp_alpha == pytest.approx(3.01952240988612e-9)
    assert (worked.cp_k_ta, worked.cp_k_v) == pytest.approx((0.0023193359, 0.3125))
    assert common.ranges.ks_to == pytest.approx([-0.00069999695] * 8)
    assert common.ranges.corners_c.tolist() == [-40, -20, 0, 80, 120, 200, 400, 600]


def test_the_worked_example_s_conditions(worked: Calibration, worked_subpage: Subpage) -> None:
    _, state = convert(worked, worked_subpage)
    assert state.supply_v == pytest.approx(3.25599, abs=5e-6)
    # The datasheet prints 42.022, which does not follow from its numbers.
    assert state.die_c == pytest.approx(42.0977, abs=5e-5)
    assert state.gain == pytest.approx(1.02445038)


def test_the_worked_example_s_pixel_and_temperature(
    worked: Calibration, worked_subpage: Subpage
) -> None:
    as_printed = Conditions(supply_v=3.25599, die_c=42.022, gain=1.02445038)
    v_ir = compensated(worked, worked_subpage, as_printed, emissivity=0.949218)
    assert v_ir[PIXEL] == pytest.approx(1784.78049, abs=0.01)
    alpha = worked.alpha[PIXEL : PIXEL + 1] * (1 + worked.common.ks_ta * (42.022 - 25))
    assert alpha[0] == pytest.approx(3.32641806639731e-7, rel=2e-4)  # printed with another die
    exchange = exchange_k4(42.022, 0.949218, 37.022)
    assert exchange == pytest.approx(9899175739.92, rel=1e-4)
    printed_alpha, printed_exchange = np.array([3.32641806639731e-7]), 9899175739.92
    slope = float(worked.common.ranges.ks_to[2])
    shown_c = basic_object_c(np.array([1785.0]), printed_alpha, printed_exchange, slope)
    assert shown_c[0] == pytest.approx(80.129812, abs=1e-4)


def test_each_subpage_has_its_own_pixels_and_offsets(
    worked: Calibration, worked_subpage: Subpage
) -> None:
    words = worked_subpage.words.copy()
    words[:384].reshape(-1, 2, 32)[:, 1] = 0
    subpage = replace(worked_subpage, words=words)
    first, _ = convert(worked, subpage)
    second, _ = convert(worked, replace(subpage, number=1))
    assert first.size == second.size == 192
    assert first.min() > second.max() + 10


@given(temperature_c=st.floats(-40, 300), die_c=st.floats(-5, 60))
@settings(max_examples=40)
def test_what_the_chip_model_is_shown_comes_back(temperature_c: float, die_c: float) -> None:
    clock, bus = FakeClock(), SimulatedBus()
    unit = Unit(*FIELD_DEG["BCB"], noise_share=0.0)
    chip = Mlx90641Model(clock, lambda _: temperature_c, unit=unit, die=lambda _: die_c, seed=0)
    bus.attach(ADDRESS, chip)
    with Mlx90641(bus, Options(), clock, clock.advance) as array:
        picture = array.read_picture()
    assert np.nanmean(picture.picture_c) == pytest.approx(temperature_c, abs=0.15)
    assert picture.die_c == pytest.approx(die_c, abs=0.06)


# --- on the wire ----------------------------------------------------------------------------------


class Rig:
    """One MLX90641 looking at somebody."""

    def __init__(self, distance_m: float = 0.26, words: list[int] | None = None) -> None:
        self.clock = FakeClock()
        self.wires = SimulatedBus()
        self.bus = TimedBus(self.wires, self.clock)
        shapes = somebody(distance_m, above_m=0.02)
        scene = MovingScene(lambda _: shapes, lambda _: 22.0)
        self.chip = Mlx90641Model(self.clock, scene, words=words, seed=5)
        self.wires.attach(ADDRESS, self.chip)
        self.thermometer = DRIVER.make(self.bus, Options(), self.clock, self.clock.advance)

    def array(self) -> Mlx90641:
        return Mlx90641(self.bus, Options(), self.clock, self.clock.advance)

    def picture(self) -> ThermalPicture:
        with self.array() as array:
            return array.read_picture()


def written(rig: Rig) -> list[tuple[int, int]]:
    return [
        (int.from_bytes(m.written[:2]), int.from_bytes(m.written[2:]))
        for m in rig.wires.transcript
        if len(m.written) == 4
    ]


def test_open_reads_the_identity_and_sets_the_pace() -> None:
    rig = Rig()
    rig.thermometer.open()
    assert rig.thermometer.chip_id == "1b2c0a416105"
    assert written(rig)[0] == (CONTROL, 0x0A01), "8 Hz, 18 bit, interleaved, subpages"
    assert {register for register, _ in written(rig)} == {STATUS, CONTROL}


def test_every_subpage_is_a_sample() -> None:
    rig = Rig()
    times, values_c = [], []
    with rig.thermometer as thermometer:
        for _ in range(42):
            rig.clock.advance(thermometer.traits.settle_s)
            sample = thermometer.read()
            times.append(sample.taken_at)
            values_c.append(sample.object_c)
    gaps_s = [b - a for a, b in itertools.pairwise(times)]
    assert gaps_s == pytest.approx([0.125] * 41, abs=0.006)
    medians_c = [statistics.median(values_c[n : n + 6]) for n in range(2, 38, 6)]
    assert statistics.mean(medians_c) == pytest.approx(SKIN_SEEN_C, abs=0.06)


def test_its_small_area_is_a_forehead_half_as_far() -> None:
    traits = Rig().thermometer.traits
    assert reach_m(traits.fov_deg) == pytest.approx(0.28, abs=0.005)
    assert traits.noise_c == pytest.approx(0.0707, abs=1e-4)


@pytest.mark.parametrize("fault", [Fault.ALL_ONES, Fault.ALL_ZEROS, Fault.ERROR_FLAG, Fault.HALTED])
def test_every_fault_is_an_error_in_less_than_a_second(fault: Fault) -> None:
    rig = Rig()
    with rig.thermometer as thermometer:
        thermometer.read()
        rig.wires.inject(ADDRESS, fault)
        for _ in range(3):
            began_s = rig.clock.monotonic_s()
            with pytest.raises(SensorFault):
                thermometer.read()
            assert rig.clock.monotonic_s() - began_s < 1.0
        rig.wires.clear(ADDRESS)
        thermometer.read()


@pytest.mark.parametrize("at", [0, 384, 392, 394, 416, 424, 426])
def test_what_was_not_measured_voids_the_picture(
    worked: Calibration, worked_subpage: Subpage, at: int
) -> None:
    worked_subpage.words[at] = NOT_READY
    with pytest.raises(SensorFault, match="0x7FFF"):
        convert(worked, worked_subpage)


def test_a_read_before_open_is_refused() -> None:
    with pytest.raises(DeviceNotFound, match="is not open"):
        Rig().array().read_picture()


# --- which chip it is -----------------------------------------------------------------------------


def test_an_mlx90640_is_not_taken_for_it() -> None:
    rig = Rig()
    rig.chip.eeprom[10] &= ~0x0040
    with pytest.raises(DeviceNotFound, match="an MLX90640 answers"):
        rig.thermometer.open()
    assert not written(rig)


def test_a_damaged_eeprom_is_refused() -> None:
    rig = Rig()
    rig.chip.eeprom[300] ^= 0x0003
    with pytest.raises(DeviceNotFound, match="damaged in 1 words"):
        rig.thermometer.open()


@pytest.mark.parametrize("word", [0x0000, 0xFFFF])
def test_an_empty_eeprom_is_no_chip_though_its_code_is_right(word: int) -> None:
    rig = Rig()
    rig.chip.eeprom = [word] * 832
    with pytest.raises(DeviceNotFound, match="not an MLX90641"):
        rig.thermometer.open()


@pytest.mark.parametrize("at", [39, 42])
def test_an_eeprom_without_calibration_is_refused(at: int) -> None:
    rig = Rig()
    rig.chip.eeprom[at] = 0
    with pytest.raises(DeviceNotFound, match="holds no calibration"):
        rig.thermometer.open()


def test_a_broken_pixel_is_dark_and_two_are_refused() -> None:
    words = example_eeprom()
    for part in (64, 256, 448, 640):
        words[part + 40] = 0
    picture_c = Rig(words=words).picture().picture_c
    assert np.argwhere(np.isnan(picture_c)).tolist() == [[2, 8]]
    for part in (64, 256, 448, 640):
        words[part + 41] = 0
    with pytest.raises(DeviceNotFound, match="2 broken pixels"):
        Rig(words=words).picture()


def test_a_pixel_without_sensitivity_is_refused() -> None:
    words = example_eeprom()
    words[256 + 7] = encoded(0)
    with pytest.raises(DeviceNotFound, match="no sensitivity"):
        Rig(words=words).picture()


@pytest.mark.parametrize(
    "wrong", [{"optics": "BAB"}, {"refresh_hz": 2}, {"reference_box": [0, 0, 12, 3]}]
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DRIVER.options.model_validate(wrong)


def test_the_gradient_to_the_package_is_taken_out(worked: Calibration) -> None:
    """With a TGC, what warms the compensation pixel must not look like an object."""
    tgc = replace(worked, common=replace(worked.common, tgc=1.0))
    words = np.full(448, 900, dtype=np.int16)
    words[384:] = 0
    words[[384, 392, 394, 416, 424, 426]] = [19540, -105, 9734, 1752, -105, -13430]
    before_c, _ = convert(tgc, Subpage(0, words, CONTROL_18_BIT, AT_ONCE))
    words[:384] += 50
    words[[392, 424]] += 50
    after_c, _ = convert(tgc, Subpage(0, words, CONTROL_18_BIT, AT_ONCE))
    assert after_c == pytest.approx(before_c, abs=0.01)
