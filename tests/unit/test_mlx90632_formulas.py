"""The MLX90632's formulas, with Melexis' own unit tests as vectors."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gated.errors import SensorFault
from gated.sensors.mlx90632 import decode, registers
from gated.sensors.mlx90632_formulas import (
    CONSTANT_WORDS,
    Calibration,
    decode_calibration,
    die_c,
    die_signal,
    object_c,
    object_signal,
    signed,
)
from gated.simulation.chips.mlx90632 import CONSTANTS, raw_words

NEW, OLD = 22454, 23030
EEPROM: Mapping[int, int] = {
    address + offset: value >> 16 * offset & 0xFFFF
    for address, (value, bits) in CONSTANTS.items()
    for offset in range(bits // 16)
}
CHIP = decode_calibration(EEPROM)
"""The constants of melexis/mlx90632-library, test/TestDSP.c."""


def seen_c(
    raw: float,
    new: float = NEW,
    chip: Calibration = CHIP,
    emissivity: float = 1.0,
    reflected_c: float | None = None,
) -> float:
    amb = die_signal(new, OLD, chip)
    obj = object_signal(raw, new, OLD, chip)
    return object_c(obj, amb, chip, emissivity=emissivity, reflected_c=reflected_c)


# --- vectors -------------------------------------------------------------------------------------


def test_the_constants_are_read_with_the_lower_word_first_and_with_their_signs() -> None:
    assert set(CONSTANT_WORDS) == set(EEPROM)
    assert CHIP.p_r * 2**8 == 0x00587F5B
    assert CHIP.p_g * 2**20 == 0x04A10289
    assert CHIP.p_t * 2**44 == 0xFFF966F8 - 2**32
    assert CHIP.p_o * 2**8 == 0x1E0F
    assert (CHIP.ea * 2**16, CHIP.eb * 2**8) == (4859535, 5686508)
    assert (CHIP.fa * 2**46, CHIP.fb * 2**36, CHIP.ga * 2**36) == (53855361, 42874149, -14556410)
    assert (CHIP.gb * 2**10, CHIP.ka * 2**10) == (9728, 10752)
    assert (CHIP.ha, CHIP.hb) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("new", "old", "amb", "temperature_c"),
    [
        (22454, 23030, 24041.274, 48.724),
        (100, 150, 19065.018, -18.735),
        (32767, 32766, 24385.904, 53.351),
        (19700, 23030, None, 25.030),
    ],
)
def test_the_die_s_two_words_give_its_temperature(
    new: int, old: int, amb: float | None, temperature_c: float
) -> None:
    signal = die_signal(new, old, CHIP)
    assert amb is None or signal == pytest.approx(amb, abs=1e-3)
    assert die_c(signal, CHIP) == pytest.approx(temperature_c, abs=1e-3)


@pytest.mark.parametrize(
    ("first", "second", "obj"),
    [
        (3237, 3239, 3314.890),
        (149, 151, 153.562),
        (-149, -151, -153.562),
        (32767, 32767, 33545.087),
        (-32767, -32767, -33545.087),
    ],
)
def test_two_object_values_give_their_signal(first: int, second: int, obj: float) -> None:
    assert object_signal((first + second) / 2, NEW, OLD, CHIP) == pytest.approx(obj, abs=1e-3)


@pytest.mark.parametrize(
    ("first", "second", "temperature_c"),
    [
        (609, 611, 55.507),
        (149, 151, 51.124),
        (-149, -151, 48.171),
        (32767, 32767, 212.844),
        (-5000, -5000, -16.653),
        (26901, 26899, 193.918),
        (27105, 27095, 194.600),
    ],
)
def test_two_object_values_give_a_temperature(
    first: int, second: int, temperature_c: float
) -> None:
    assert seen_c((first + second) / 2) == pytest.approx(temperature_c, abs=1e-3)


@pytest.mark.parametrize(("reflected_c", "temperature_c"), [(49.66, 98.141), (40.00, 143.956)])
def test_an_emissivity_and_a_room_as_the_library_has_them_with_its_whole_numbers(
    reflected_c: float, temperature_c: float
) -> None:
    amb, obj = int(die_signal(NEW, OLD, CHIP)), int(object_signal(610, NEW, OLD, CHIP))
    shown_c = object_c(obj, amb, CHIP, emissivity=0.1, reflected_c=reflected_c)
    assert shown_c == pytest.approx(temperature_c, abs=1e-3)
    exact_c = seen_c(610, emissivity=0.1, reflected_c=reflected_c)
    assert 0.03 < exact_c - shown_c < 0.06, "the fractions are worth this much at so little"


def test_a_room_as_warm_as_the_die_makes_no_difference() -> None:
    dut_c = (die_signal(NEW, OLD, CHIP) - CHIP.eb) / CHIP.ea + 25
    assert seen_c(610, reflected_c=dut_c) == pytest.approx(seen_c(610), abs=1e-9)


@pytest.mark.parametrize(
    ("raw", "emissivity", "reflected_c", "temperature_c"),
    [
        (905, 1.0, None, 37.297),  # the two neighbours of 37.3 are 0.012 °C apart
        (904, 1.0, None, 37.285),
        (905, 0.98, None, 37.516),
        (905, 0.98, 22.0, 37.587),
    ],
)
def test_the_range_of_a_body_at_a_die_of_25_degrees(
    raw: int, emissivity: float, reflected_c: float | None, temperature_c: float
) -> None:
    shown_c = seen_c(raw, 19700, emissivity=emissivity, reflected_c=reflected_c)
    assert shown_c == pytest.approx(temperature_c, abs=1e-3)


@pytest.mark.parametrize(
    ("raw", "temperature_c"),
    [
        (305, 55.507),
        (75, 51.123),
        (-75, 48.171),
        (32767, 292.381),
        (-2500, -16.653),
        (13550, 194.599),
        (26900, 267.609),
        (27100, 268.508),
    ],
)
def test_the_extended_range(raw: int, temperature_c: float) -> None:
    chip = CHIP.for_extended_range()
    # The library rounds its signals and half of a constant; its own tests allow 0.02.
    assert seen_c(raw, chip=chip, reflected_c=25.0) == pytest.approx(temperature_c, abs=0.01)


@pytest.mark.parametrize(
    ("raw", "temperature_c"),
    [(610, 45.495), (150, 41.121), (-150, 38.174), (32767, 202.628), (-5000, -26.457)],
)
def test_the_customer_s_offset_is_taken_off(raw: int, temperature_c: float) -> None:
    chip = decode_calibration({**EEPROM, 0x2482: 10240})
    assert chip.hb == 10.0
    assert seen_c(raw, chip=chip) == pytest.approx(temperature_c, abs=0.01)  # whole numbers, too


def test_words_are_twos_complement() -> None:
    assert [signed(word) for word in (0x0000, 0x7FFF, 0x8000, 0xFFFF)] == [0, 32767, -32768, -1]


def test_decoding_takes_the_registers_in_their_order() -> None:
    assert [hex(r) for r in registers("medical")] == [
        "0x4003", "0x4004", "0x4006", "0x4007", "0x4005", "0x4008"
    ]  # fmt: skip
    assert [hex(r) for r in registers("extended")] == [
        "0x4033", "0x4034", "0x4036", "0x4037", "0x4039", "0x403a", "0x4035", "0x4038"
    ]  # fmt: skip
    shown_c, own_c = decode((609, 611, 609, 611, NEW, OLD), "medical", CHIP)
    assert (shown_c, own_c) == pytest.approx((55.507, 48.724), abs=1e-3)
    words = [value & 0xFFFF for value in (80, -70, -70, 80, 90, 65, NEW, OLD)]  # 150 + 155
    shown_c, own_c = decode(words, "extended", CHIP)
    assert (shown_c, own_c) == pytest.approx((55.507, 48.724), abs=1e-3)


@pytest.mark.parametrize(
    "words",
    [
        (0, 0, 0, 0, 0, 0),
        (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF),
        (0x7FFF, 905, 905, 905, 19700, 23030),  # at the limit of its converter
        (905, 905, 905, 0x8000, 19700, 23030),
        (905, 905, 905, 905, 0, 23030),  # the die's word is missing
        (905, 905, 905, 905, 19700, 0),
        (0xD000, 0xD000, 0xD000, 0xD000, 19700, 23030),  # colder than 0 K
    ],
)
def test_raw_words_that_no_chip_can_mean_are_a_fault(words: tuple[int, ...]) -> None:
    with pytest.raises(SensorFault):
        decode(words, "medical", CHIP)


def test_without_a_reference_there_is_no_signal() -> None:
    with pytest.raises(SensorFault, match="no reference voltage"):
        die_signal(0, 0, CHIP)
    with pytest.raises(SensorFault, match="that cold"):
        seen_c(-0x7000, 19700)


@pytest.mark.parametrize("cell", [0x240E, 0x2424, 0x2428, 0x2481])
def test_an_eeprom_without_a_calibration_is_a_fault(cell: int) -> None:
    with pytest.raises(SensorFault, match="no calibration"):
        decode_calibration({**EEPROM, cell: 0, **({} if cell == 0x2481 else {cell + 1: 0})})


def test_the_chip_model_is_the_formulas_the_other_way_round() -> None:
    new, raw = raw_words(37.3, 25.0)
    assert abs(new - 19697) < 2
    assert seen_c(raw, new) == pytest.approx(37.3, abs=1e-3)
