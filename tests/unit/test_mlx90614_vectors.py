"""The MLX90614's published vectors, and what its order codes say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gated.errors import ChecksumError, SensorFault
from gated.sensors.crc import pec
from gated.sensors.mlx90614 import DRIVER, RAM_DIE, RAM_OBJECT, Options, checked, decode

ADDRESS = 0x5A


def raw(word: int) -> bytes:
    return word.to_bytes(2, "little")


@pytest.mark.parametrize(
    ("register", "answer", "expected_c"),
    [
        (0x07, "D2 3A 30", 28.01),  # datasheet, figure 8
        (0x06, "E1 39 E9", 23.19),  # eldruin/mlx9061x-rs
        (0x06, "61 3A 56", 25.75),
        (0x06, "6B 3A D4", 25.95),
        (0x06, "26 3A 66", 24.57),
        (0x07, "26 3A 70", 24.57),
        (0x07, "7A 3C 92", 36.49),
        (0x07, "A1 3C BF", 37.27),
        (0x07, "A2 3C 80", 37.29),  # the two neighbours of 37.3
        (0x07, "A3 3C 95", 37.31),
        (0x07, "C5 3C 1E", 37.99),
    ],
)
def test_published_answers_decode(register: int, answer: str, expected_c: float) -> None:
    word = checked(ADDRESS, register, bytes.fromhex(answer))
    assert decode(word, register) == pytest.approx(expected_c, abs=1e-9)


def test_the_published_answer_of_the_second_zone_has_its_own_pec() -> None:
    assert checked(ADDRESS, 0x08, bytes.fromhex("26 3A A2")) == bytes.fromhex("26 3A")
    with pytest.raises(ChecksumError):
        checked(ADDRESS, RAM_OBJECT, bytes.fromhex("26 3A A2"))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("B4 22 07 C8", 0x48),  # a write to the EEPROM, datasheet, figure 9
        ("B4 FF", 0xE8),  # sleep, figure 11
        ("B4 24 00 00", 0x28),  # eldruin: erasing the emissivity, then 0.7
        ("B4 24 33 B3", 0xFE),
        ("B4 24 B5 33 B3", 0x24),  # and reading it
        ("B4 2E 00 00", 0xAF),  # eldruin: erasing the address, then 0x5C
        ("B4 2E 5C 00", 0x5F),
        ("B4 3C B5 34 12", 0xF6),  # the identity 0x123456789ABCDEF0
        ("B4 3D B5 78 56", 0x9C),
        ("B4 3E B5 BC 9A", 0x75),
        ("B4 3F B5 F0 DE", 0x1F),
    ],
)
def test_the_pec_of_every_published_message(message: str, expected: int) -> None:
    assert pec(bytes.fromhex(message)) == expected


def test_the_published_emissivity_is_seven_tenths() -> None:
    assert int.from_bytes(bytes.fromhex("33 B3"), "little") / 0xFFFF == pytest.approx(0.7, abs=1e-5)
    assert round(0.98 * 0xFFFF) == 0xFAE0


@pytest.mark.parametrize(
    ("word", "expected_c"),
    [(0x27AD, -70.01), (0x3AF7, 28.75), (0x3AF8, 28.77), (0x7FFF, 382.19)],
)
def test_object_temperatures_decode_to_the_limits_of_the_chip(word: int, expected_c: float) -> None:
    assert decode(raw(word), RAM_OBJECT) == pytest.approx(expected_c, abs=1e-9)


@pytest.mark.parametrize(("word", "expected_c"), [(0x2DE4, -38.19), (0x4DC4, 125.01)])
def test_die_temperatures_decode_to_the_limits_of_the_chip(word: int, expected_c: float) -> None:
    assert decode(raw(word), RAM_DIE) == pytest.approx(expected_c, abs=1e-9)


@pytest.mark.parametrize(
    ("word", "register"),
    [
        (0x27AC, RAM_OBJECT),
        (0x0000, RAM_OBJECT),  # −273.15 °C
        (0x8000, RAM_OBJECT),
        (0xFFFF, RAM_OBJECT),  # 1037.55 °C
        (0xBCA3, RAM_OBJECT),  # 37.31 with the error flag
        (0x2DE3, RAM_DIE),
        (0x4DC5, RAM_DIE),
        (0x0000, RAM_DIE),
        (0xFFFF, RAM_DIE),
    ],
)
def test_what_the_chip_cannot_measure_is_a_fault(word: int, register: int) -> None:
    with pytest.raises(SensorFault):
        decode(raw(word), register)


@pytest.mark.parametrize(
    "answer",
    ["E1 39 EA", "FF FF FF", "00 00 00", "00 80 8E", "E1 39", "", "39 E1 E9"],
)
def test_a_wrong_pec_is_a_checksum_error(answer: str) -> None:
    with pytest.raises(ChecksumError):
        checked(ADDRESS, RAM_DIE, bytes.fromhex(answer))


@pytest.mark.parametrize("answer", ["FF FF 22", "00 00 06", "00 80 8F"])
def test_garbage_with_a_right_pec_is_still_a_fault(answer: str) -> None:
    word = checked(ADDRESS, RAM_OBJECT, bytes.fromhex(answer))
    with pytest.raises(SensorFault):
        decode(word, RAM_OBJECT)


# --- variants ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "fov_deg", "settle_s", "noise_c"),
    [
        ("DAA", 90.0, 0.10, 0.05),
        ("DCC", 35.0, 0.14, 0.18),
        ("DCH", 12.0, 0.65, 0.10),
        ("DCI", 5.0, 0.65, 0.10),
        ("ACF", 10.0, 1.33, 0.10),
        ("BCK", 13.0, 3.23, 0.30),
        ("BAA", 90.0, 0.10, 0.05),  # the usual GY-906
    ],
)
def test_the_order_code_says_what_the_optics_are(
    variant: str, fov_deg: float, settle_s: float, noise_c: float
) -> None:
    traits = Options(variant=variant).traits()
    assert (traits.fov_deg, traits.settle_s, traits.noise_c) == (fov_deg, settle_s, noise_c)
    assert traits.supply_error_c == 0.0
    assert not traits.is_presence_only
    assert DRIVER.has_checksum


@pytest.mark.parametrize(
    ("variant", "supply_v", "error_c"), [("DCI", 3.3, 0.18), ("DCI", 2.8, -0.12), ("AAA", 5.0, 0)]
)
def test_a_supply_that_is_not_nominal_adds_six_tenths_of_a_degree_per_volt(
    variant: str, supply_v: float, error_c: float
) -> None:
    traits = Options(variant=variant, supply_v=supply_v).traits()
    assert traits.supply_error_c == pytest.approx(error_c)


@pytest.mark.parametrize("variant", ["", "DC", "dci", "XCI", "DCI2", "DCX"])
def test_an_order_code_that_does_not_exist_is_refused(variant: str) -> None:
    with pytest.raises(ValidationError):
        Options(variant=variant)


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError):
        DRIVER.options.model_validate({"variant": "DCI", "emissivity": 0.95})
