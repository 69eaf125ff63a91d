"""CRC-8 as the sensors use it. Computed here, so that real and simulated bus run the same check."""

from __future__ import annotations

SMBUS_POLYNOMIAL = 0x07
"""PEC: SMBus specification 3.1 §6.4.1, initial value 0, over every byte incl. both addresses."""
SENSIRION_POLYNOMIAL = 0x31
SENSIRION_INITIAL = 0xFF
"""SHT3x datasheet §4.12: over the two data bytes only."""


def crc8(data: bytes, polynomial: int, initial: int = 0) -> int:
    """Return the CRC-8 of ``data``, most significant bit first, not reflected, no final XOR."""
    crc = initial
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = ((crc << 1) ^ polynomial if crc & 0x80 else crc << 1) & 0xFF
    return crc


def pec(data: bytes) -> int:
    """Return the SMBus packet error code over ``data``, the address bytes included."""
    return crc8(data, SMBUS_POLYNOMIAL)


def sensirion_crc(word: bytes) -> int:
    """Return the checksum that follows each 16-bit word of a Sensirion chip."""
    return crc8(word, SENSIRION_POLYNOMIAL, SENSIRION_INITIAL)
