"""Checksums against the datasheets' figures and other projects' tests."""

from __future__ import annotations

import pytest

from gated.sensors.crc import pec, sensirion_crc


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("B4 07 B5 D2 3A", 0x30),  # datasheet MLX90614, figure 8: read the object temperature
        ("B4 22 07 C8", 0x48),  # figure 9: write EEPROM
        ("B4 FF", 0xE8),  # figure 11: sleep
        ("B4 06 B5 E1 39", 0xE9),  # eldruin/mlx9061x-rs, as the next ones
        ("B4 06 B5 61 3A", 0x56),
        ("B4 06 B5 6B 3A", 0xD4),
        ("B4 06 B5 26 3A", 0x66),
        ("B4 07 B5 26 3A", 0x70),
        ("B4 08 B5 26 3A", 0xA2),
        ("B4 24 00 00", 0x28),  # erase, then write the emissivity 0.7, then read it
        ("B4 24 33 B3", 0xFE),
        ("B4 24 B5 33 B3", 0x24),
        ("B4 2E 00 00", 0xAF),  # give the chip the address 0x5C
        ("B4 2E 5C 00", 0x5F),
        ("B4 3C B5 34 12", 0xF6),  # the identity 0x123456789ABCDEF0
        ("B4 3D B5 78 56", 0x9C),
        ("B4 3E B5 BC 9A", 0x75),
        ("B4 3F B5 F0 DE", 0x1F),
        ("B4 07 B5 FF FF", 0x22),  # what garbage would need
        ("B4 07 B5 00 00", 0x06),
        ("B4 07 B5 00 80", 0x8F),
        ("B6 26 B7 E1 39", 0x35),  # an MLX90615
        ("B6 27 B7 26 3A", 0xAC),
        ("B6 C6", 0x6D),
        ("15 FA 00 6D 01", 0x5B),  # OMRON D6T: seeded with the read address
    ],
)
def test_the_pec_covers_both_addresses(message: str, expected: int) -> None:
    assert pec(bytes.fromhex(message)) == expected


def test_the_sensirion_crc_is_the_datasheets() -> None:
    assert sensirion_crc(bytes.fromhex("BE EF")) == 0x92


def test_any_single_flipped_bit_changes_the_pec() -> None:
    message = bytes.fromhex("B4 07 B5 D2 3A")
    for bit in range(8 * len(message)):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        assert pec(bytes(flipped)) != 0x30
