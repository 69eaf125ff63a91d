"""What a connection to the broker says. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_NO_MATCHING_SUBSCRIBERS = 0x10
_FIRST_FAILURE = 0x80
"""Reason codes from here on mean that the broker did not take it (MQTT 5.0, 2.4)."""


@dataclass(frozen=True, slots=True)
class Connected:
    receive_maximum: int
    max_packet_bytes: int | None


@dataclass(frozen=True, slots=True)
class Subscribed:
    refused: tuple[str, ...]  # topics that we may not read, each with the broker's reason


class Confirmed(NamedTuple):
    """A PUBACK. ``code`` is MQTT's reason code."""

    message_id: int
    code: int
    reason: str  # in words, of a failure

    @property
    def is_failure(self) -> bool:
        """Whether the broker did not take it."""
        return self.code >= _FIRST_FAILURE

    @property
    def is_unheard(self) -> bool:
        """Whether the broker took it for nobody. Not every broker says so."""
        return self.code == _NO_MATCHING_SUBSCRIBERS


class Received(NamedTuple):
    topic: str  # "" if it was not UTF-8: no topic of ours, but to be acknowledged as any other
    payload: bytes
    message_id: int
    qos: int
    user_properties: Sequence[tuple[str, str]]
    is_retained: bool = False  # published to be kept, or kept: nobody may be there who means it now


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended, or the broker did not want us."""

    reason: str


Happening = Connected | Subscribed | Confirmed | Received | Lost
