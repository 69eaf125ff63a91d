"""How far a chain is whole, and its hash: the arithmetic behind every ack. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gated.wire import GENESIS

PREV_BYTES = 8
"""A body quotes this many leading bytes of h(seq - 1)."""


class Step(NamedTuple):
    """What the chain needs of one record. ``prev`` is None for one that could not be read."""

    body_sha: bytes
    prev: bytes | None


@dataclass(slots=True)
class Head:
    """The end of the part of a chain that has no hole."""

    upto: int = 0
    hash: bytes = GENESIS


@dataclass(frozen=True, slots=True)
class Advance:
    """What ``advance`` found: h(n) of each seq it passed, and those whose ``prev`` disagrees."""

    hashes: dict[int, bytes]
    breaks: tuple[int, ...]


def link_hash(prev: bytes, seq: int, body_sha: bytes) -> bytes:
    """Return h(seq) as ``wire.chain_hash`` does, from the body's hash: the body may be gone."""
    return hashlib.sha256(prev + seq.to_bytes(8, "big") + body_sha).digest()


def advance(head: Head, find: Callable[[int], Step | None]) -> Advance:
    """Move ``head`` over every next record that ``find`` has, and return what was passed."""
    hashes: dict[int, bytes] = {}
    breaks: list[int] = []
    while (step := find(head.upto + 1)) is not None:
        seq = head.upto + 1
        if step.prev is not None and step.prev != head.hash[:PREV_BYTES]:
            breaks.append(seq)
        head.hash = hashes[seq] = link_hash(head.hash, seq, step.body_sha)
        head.upto = seq
    return Advance(hashes, tuple(breaks))
