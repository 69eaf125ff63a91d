"""Base45 (RFC 9285), strictly: upper case only; the space is a digit and never stripped."""

from __future__ import annotations

from gated.credentials.malformed import MalformedCode

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
"""RFC 9285 table 1; also the alphanumeric mode of a QR code, which is why base45 exists."""

BASE = 45
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_DIGITS_OF_TWO_BYTES = 3
"""A last single byte takes 2 (RFC 9285 §4)."""


def encode(data: bytes) -> str:
    """Return ``data`` in base45: three characters for two bytes, two for a last single one."""
    digits: list[str] = []
    for start in range(0, len(data), 2):
        group = data[start : start + 2]
        number = int.from_bytes(group, "big")
        for _ in range(len(group) + 1):
            number, digit = divmod(number, BASE)
            digits.append(ALPHABET[digit])
    return "".join(digits)


def decode(text: str) -> bytes:
    """Return the bytes of ``text``.

    Raises: MalformedCode: a character outside the alphabet, a length no bytes have, or a group
        whose value does not fit its bytes.
    """
    if len(text) % _DIGITS_OF_TWO_BYTES == 1:
        raise MalformedCode("base45: a length that no bytes have")
    data = bytearray()
    for start in range(0, len(text), _DIGITS_OF_TWO_BYTES):
        group = text[start : start + _DIGITS_OF_TWO_BYTES]
        number = 0
        for character in reversed(group):
            value = _VALUES.get(character)
            if value is None:
                raise MalformedCode("base45: a character outside the alphabet")
            number = number * BASE + value
        width = len(group) - 1
        if number >> (8 * width):
            raise MalformedCode("base45: a group whose value does not fit its bytes")
        data += number.to_bytes(width, "big")
    return bytes(data)
