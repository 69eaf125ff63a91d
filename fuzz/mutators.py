"""Mutators for whole inputs: the tree behind a selecting byte, or the bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from fuzz.trees import NotATree, Syntax, change

Mutator = Callable[[bytes, random.Random], bytes]


def of_tree(syntax: Syntax) -> Mutator:
    """Return a mutator of inputs that are one tree."""

    def mutate(data: bytes, chance: random.Random) -> bytes:
        try:
            return change(data, syntax, chance)
        except NotATree:
            return of_bytes(data, chance)

    return mutate


def of_layers(mutators: Sequence[Mutator]) -> Mutator:
    """Return a mutator of inputs whose first byte says which of ``mutators`` the rest is for."""

    def mutate(data: bytes, chance: random.Random) -> bytes:
        if not data or chance.random() < _ANOTHER_LAYER:
            return bytes([chance.randrange(len(mutators))]) + data[1:]
        return data[:1] + mutators[data[0] % len(mutators)](data[1:], chance)

    return mutate


_ANOTHER_LAYER = 0.02


def of_bytes(data: bytes, chance: random.Random) -> bytes:
    """Return ``data`` with a few bytes changed, cut out, doubled or put in."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                del changed[at : at + chance.choice((1, 2, 8, 64))]
            case 2:
                changed[at:at] = changed[at : at + chance.choice((1, 4, 32))]
            case _:
                changed[at:at] = bytes([chance.randrange(256)])
    return bytes(changed)


def of_fields(data: bytes, chance: random.Random) -> bytes:
    """Return ``data`` with a run of bytes overwritten, mostly at the same length: fixed fields."""
    if not data or chance.random() < _ANOTHER_LENGTH:
        return of_bytes(data, chance)
    width = chance.choice((1, 2, 4, 8))
    at = chance.randrange(len(data))
    number = chance.choice(
        (0, 1, 2 ** (8 * width - 1), 2 ** (8 * width) - 1, chance.getrandbits(8))
    )
    return (data[:at] + number.to_bytes(width, "big") + data[at + width :])[: len(data)]


_ANOTHER_LENGTH = 0.2

_QR_TEXT = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def of_text(data: bytes, chance: random.Random) -> bytes:
    """Return ``data`` with a few characters changed to others of a QR code's alphanumeric mode."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if not changed or chance.random() < _ODD_BYTES:
            return of_bytes(bytes(changed), chance)
        changed[chance.randrange(len(changed))] = ord(chance.choice(_QR_TEXT))
    return bytes(changed)


_ODD_BYTES = 0.3
