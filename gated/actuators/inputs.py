"""Inputs: contacts and buttons. The port, and the simulated wires."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from gated.clock import Clock
from gated.datagrams import Receiver
from gated.messages import ButtonPressed, PassageSensed
from gated.vocabulary import Button

InputEvent = PassageSensed | ButtonPressed


class InputSource(Protocol):
    """Wires whose changes are waited for with a selector. Debounced by the implementation."""

    def fileno(self) -> int: ...

    def read(self) -> list[InputEvent]:
        """Return what has happened since the last call; never blocks."""

    def close(self) -> None: ...


class SocketInputs:
    """Simulated wires: each event is a datagram such as ``{"input": "passage"}``."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._receiver = Receiver(path)
        self._clock = clock

    def fileno(self) -> int:
        return self._receiver.fileno()

    def read(self) -> list[InputEvent]:
        events: list[InputEvent] = []
        while (datagram := self._receiver.receive()) is not None:
            name = json.loads(datagram.payload)["input"]
            at = self._clock.monotonic_s()
            events.append(
                PassageSensed(at) if name == "passage" else ButtonPressed(Button(name), at)
            )
        return events

    def close(self) -> None:
        self._receiver.close()
