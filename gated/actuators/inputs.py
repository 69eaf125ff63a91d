"""Inputs: contacts, buttons, key switch. The port, and the simulated wires."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from gated.clock import Clock
from gated.datagrams import Receiver
from gated.errors import DeviceError, DeviceNotFound, StorageError
from gated.messages import ButtonPressed, GateMoved, KeyTurned, PassageSensed
from gated.units import MonoSeconds
from gated.vocabulary import Button, Key

log = logging.getLogger(__name__)

DEVICE = "inputs"  # their name in alarms and in the status
PASSAGE, CONTACT = "passage", "contact"
PULSES = frozenset({PASSAGE, *(button.value for button in Button)})
"""Inputs of which only the beginning is told."""
LEVELS = frozenset({CONTACT, *(key.value for key in Key)})
"""Inputs whose level is told: at first, and at each change."""

InputEvent = PassageSensed | ButtonPressed | GateMoved | KeyTurned


class InputSource(Protocol):
    """Wires whose changes are waited for with a selector. Debounced by the implementation.

    Made closed. After ``close`` it may be opened again.
    """

    def open(self) -> None:
        """Take the wires. Read once right after it: the present levels are waiting.

        Raises: DeviceError: they cannot be taken; says why, and how to mend it.
        """

    def fileno(self) -> int:
        """Return what is readable when something happens. Raises: DeviceError: not open."""

    def read(self) -> list[InputEvent]:
        """Return what has happened since the last call; never blocks.

        Called at least once a second, also when nothing is readable: not every kernel wakes those
        who wait on a chip that has gone. Raises: DeviceLost: close it, and open it again later.
        """

    def close(self) -> None:
        """Let go. Idempotent."""


def pulse_event(name: str, at: MonoSeconds) -> InputEvent:
    """Return what the beginning of ``name`` means, one of PULSES."""
    return PassageSensed(at) if name == PASSAGE else ButtonPressed(Button(name), at)


class Levels:
    """What was last told of each input that has a level: the same is not told twice."""

    def __init__(self) -> None:
        self._told: dict[str, bool] = {}

    def changes(self, levels: Iterable[tuple[str, bool]], at: MonoSeconds) -> list[InputEvent]:
        """Return an event for each of ``levels`` (name of LEVELS, is on) that is news."""
        events: list[InputEvent] = []
        for name, is_on in levels:
            if self._told.get(name) is not is_on:
                self._told[name] = is_on
                # A made contact is a shut gate: a cut wire does not pass for one.
                moved = GateMoved(is_on, at) if name == CONTACT else KeyTurned(Key(name), is_on, at)
                events.append(moved)
        return events


class SocketInputs:
    """Simulated wires: each change is a datagram.

    ``{"input": "passage"}`` is a pulse, ``{"input": "contact", "on": false}`` a level. What was
    last set stands in the file beside the socket, as a real contact keeps its position while
    nobody looks. A datagram that is no such thing, or that names an input which is not wired, is
    dropped with a warning.

    Args:
        path: of the socket; made by ``open``.
        wired: names of PULSES and LEVELS. The gate starts shut, the keys are off.
    """

    def __init__(self, path: Path, wired: Collection[str], clock: Clock) -> None:
        self._path = path
        self._pulses = PULSES & set(wired)
        self._wired_levels = {name: name == CONTACT for name in sorted(LEVELS & set(wired))}
        self._clock = clock
        self._receiver: Receiver | None = None
        self._levels = Levels()
        self._waiting: list[InputEvent] = []

    def open(self) -> None:
        self.close()
        try:
            self._receiver = Receiver(self._path)
        except StorageError as exc:
            raise DeviceNotFound(str(exc), device=DEVICE) from exc
        try:
            kept = _read_levels(levels_file(self._path))
        except DeviceNotFound:
            self.close()
            raise
        self._levels = Levels()
        present = {name: kept.get(name, level) for name, level in self._wired_levels.items()}
        self._waiting = self._levels.changes(present.items(), self._clock.monotonic_s())

    def fileno(self) -> int:
        return self._opened().fileno()

    def read(self) -> list[InputEvent]:
        receiver = self._opened()
        events, self._waiting = self._waiting, []
        while (datagram := receiver.receive()) is not None:
            events += self._events(datagram.payload)
        return events

    def close(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.close()

    def _opened(self) -> Receiver:
        if self._receiver is None:
            raise DeviceError("the inputs are not open", device=DEVICE)
        return self._receiver

    def _events(self, payload: bytes) -> list[InputEvent]:
        at = self._clock.monotonic_s()
        try:
            raw = json.loads(payload)
        except (ValueError, RecursionError):
            raw = None
        match raw:
            case {"input": str(name), "on": bool(is_on)} if name in self._wired_levels:
                return self._levels.changes([(name, is_on)], at)
            case {"input": str(name), **rest} if name in self._pulses and not rest:
                return [pulse_event(name, at)]
            case _:
                log.warning("inputs: not an input of this gate: %.80r", payload)
                return []


def levels_file(path: Path) -> Path:
    """Return where the levels of the simulated wires at the socket ``path`` stand."""
    return path.with_suffix(".levels")


def _read_levels(path: Path) -> Mapping[str, bool]:
    """Return {input: is on}; nothing where nobody has set one yet."""
    try:
        kept = json.loads(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise DeviceNotFound(f"cannot read {path}: {exc}", device=DEVICE) from exc
    return {name: level is True for name, level in kept.items()} if isinstance(kept, dict) else {}
