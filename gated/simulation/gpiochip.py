"""Simulated GPIO chips behind libgpiod's own interface (v2), with the kernel's rules.

``SimulatedGpiod`` stands in the place of the module ``gpiod``; ``SimulatedChip`` is the hardware,
and the hand on its wires. A line has one owner. An input floats to its pull, its edges are of the
logical level and come after the debounce period. An output that is let go becomes an input, or, as
on a Raspberry Pi, stays as it was driven. A chip that is pulled out answers ENODEV to whoever still
holds its lines. Time is the clock that is given: nothing here waits.

What is not here: drive modes, hardware clocks, info events, reconfiguring a request.
"""

from __future__ import annotations

import enum
import errno
import itertools
import os
import select
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType, SimpleNamespace
from typing import Self

from gated.actuators.gpio import Gpio
from gated.clock import Clock
from gated.simulation.gpiod_values import (
    Bias,
    ChipClosedError,
    ChipInfo,
    Direction,
    Edge,
    EdgeEvent,
    LineInfo,
    LineSettings,
    RequestReleasedError,
    Value,
)

EVENTS_A_LINE = 16
"""What the kernel keeps of unread edges for each line; then the oldest are lost."""


# --- the hardware --------------------------------------------------------------------------------


class WhenReleased(enum.Enum):
    """What becomes of an output when its owner lets go of it, or dies."""

    INPUT = "input"  # mainline: its pull decides
    PERSISTS = "persists"  # a Raspberry Pi without strict_gpiod (raspberrypi/linux #6117)


@dataclass
class Wire:
    """One line, physically. True is high."""

    offset: int
    name: str
    pull: bool = False  # the resistor on the board
    outside: bool | None = None  # who else drives it, a contact say; None: nobody
    driven: bool | None = None  # what the chip drives it to; None: it is an input
    settings: LineSettings = field(default_factory=LineSettings)
    consumer: str | None = None  # None: nobody holds it
    due_at_s: float | None = None  # when a change will have lasted for the debounce period
    settled: bool = False  # the logical level after debouncing
    seqno: int = 0

    @property
    def level(self) -> bool:
        if self.driven is not None:
            return self.driven
        if self.outside is not None:
            return self.outside
        if self.settings.bias in {Bias.PULL_UP, Bias.PULL_DOWN}:
            return self.settings.bias is Bias.PULL_UP
        return self.pull

    @property
    def is_active(self) -> bool:
        """Return the logical level as it is this moment."""
        return self.level is not self.settings.active_low


class SimulatedChip:
    """A GPIO chip and what is wired to it.

    Args:
        label: such as "pinctrl-bcm2711".
        names: of its lines, in the order of their offsets; "": without a name.
        may_open: False: the device node is not for this user.
        refused: lines that the chip cannot give, such as one that it needs itself.
    """

    def __init__(
        self,
        label: str,
        names: Iterable[str],
        clock: Clock,
        *,
        when_released: WhenReleased = WhenReleased.INPUT,
        may_open: bool = True,
        refused: frozenset[str] = frozenset(),
    ) -> None:
        self.label = label
        self.clock = clock
        self.when_released = when_released
        self.may_open = may_open
        self.refused = refused
        self.is_there = True
        self.wires = [Wire(offset, name) for offset, name in enumerate(names)]
        self._requests: list[LineRequest] = []

    def wire(self, name: str) -> Wire:
        return next(wire for wire in self.wires if wire.name == name)

    def hold(self, name: str, consumer: str) -> None:
        """Let another program take a line."""
        self.wire(name).consumer = consumer

    def let_go(self, name: str) -> None:
        self.wire(name).consumer = None

    def drive(self, name: str, level: bool | None) -> None:
        """Drive a line from outside: high, low, or (None) not at all."""
        self.wire(name).outside = level
        self.feel()

    def feel(self) -> None:
        """Let the chip look at its inputs: at a change, and when a debounce period is over."""
        for request in self._requests:
            request.feel()

    def pull_out(self) -> None:
        """Take the chip away, as an unplugged USB expander is."""
        self.is_there = False
        for request in self._requests:
            request.hang_up()

    def put_back(self) -> None:
        """The same chip anew: whoever held its lines holds nothing."""
        self._requests.clear()
        for wire in self.wires:
            wire.consumer, wire.driven, wire.settings = None, None, LineSettings()
        self.is_there = True

    def attach(self, request: LineRequest) -> None:
        self._requests.append(request)

    def detach(self, request: LineRequest) -> None:
        """Free a request's lines, as the kernel does when its descriptor is closed."""
        if request not in self._requests:
            return
        self._requests.remove(request)
        for wire in request.wires:
            persists = self.when_released is WhenReleased.PERSISTS
            wire.consumer = None
            wire.driven = wire.driven if persists else None
            wire.settings = LineSettings()


# --- libgpiod's interface ------------------------------------------------------------------------


class LineRequest:
    """Lines that are held. Its descriptor is readable while edges wait, or the chip has gone."""

    def __init__(self, chip: SimulatedChip, wires: list[Wire], room: int) -> None:
        self.wires = wires
        self._chip = chip
        self._events: deque[EdgeEvent] = deque(maxlen=room)
        self._seqno = itertools.count(1)
        self._descriptor, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._is_released = False
        for wire in wires:
            wire.settled, wire.due_at_s, wire.seqno = wire.is_active, None, 0
        chip.attach(self)

    @property
    def fd(self) -> int:
        self._check()
        return self._descriptor

    @property
    def offsets(self) -> list[int]:
        self._check()
        return [wire.offset for wire in self.wires]

    def get_value(self, line: int | str) -> Value:
        return self.get_values([line])[0]

    def get_values(self, lines: Iterable[int | str] | None = None) -> list[Value]:
        self._check_chip()
        self.feel()
        wires = self.wires if lines is None else [self._wire(line) for line in lines]
        return [Value(w.settled if _is_debounced(w) else w.is_active) for w in wires]

    def set_value(self, line: int | str, value: Value) -> None:
        self.set_values({line: value})

    def set_values(self, values: Mapping[int | str, Value]) -> None:
        self._check_chip()
        for line, value in values.items():
            wire = self._wire(line)
            if wire.driven is None:
                raise PermissionError(errno.EPERM, "Operation not permitted")  # an input
            wire.driven = bool(value) is not wire.settings.active_low

    def wait_edge_events(self, timeout: timedelta | float | None = None) -> bool:
        self._check()
        self.feel()
        wait_s = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        return bool(select.select([self._descriptor], [], [], wait_s)[0])

    def read_edge_events(self, max_events: int | None = None) -> list[EdgeEvent]:
        self._check_chip()
        count = len(self._events) if max_events is None else min(max_events, len(self._events))
        events = [self._events.popleft() for _ in range(count)]
        if not self._events:
            os.read(self._descriptor, EVENTS_A_LINE)
        return events

    def release(self) -> None:
        if self._is_released:
            return
        self._is_released = True
        self._chip.detach(self)
        self.hang_up()
        os.close(self._descriptor)

    # --- the chip's side ---

    def feel(self) -> None:
        """Note what has become of the inputs."""
        if self._is_orphaned:
            return
        now_s = self._chip.clock.monotonic_s()
        for wire in self.wires:
            if wire.driven is not None:
                continue
            if wire.is_active is wire.settled:
                wire.due_at_s = None  # it was bounce
                continue
            if wire.due_at_s is None:
                wire.due_at_s = now_s + wire.settings.debounce_period.total_seconds()
            if now_s >= wire.due_at_s:
                wire.settled, wire.due_at_s = wire.is_active, None
                self._tell(wire, now_s)

    def hang_up(self) -> None:
        """Wake whoever waits: no edge will come any more."""
        if self._writing >= 0:
            os.close(self._writing)
        self._writing = -1

    @property
    def _is_orphaned(self) -> bool:
        return self._writing < 0

    def _tell(self, wire: Wire, now_s: float) -> None:
        kind = EdgeEvent.Type.RISING_EDGE if wire.settled else EdgeEvent.Type.FALLING_EDGE
        wanted = {Edge.RISING: (1,), Edge.FALLING: (2,), Edge.BOTH: (1, 2)}
        if kind.value not in wanted.get(wire.settings.edge_detection, ()):
            return
        if not self._events:
            os.write(self._writing, b"!")
        wire.seqno += 1
        at_ns = round(now_s * 1e9)
        self._events.append(EdgeEvent(kind, at_ns, wire.offset, next(self._seqno), wire.seqno))

    def _wire(self, line: int | str) -> Wire:
        for wire in self.wires:
            if line in {wire.offset, wire.name}:
                return wire
        raise ValueError(f"unknown line name: {line}")

    def _check(self) -> None:
        if self._is_released:
            raise RequestReleasedError

    def _check_chip(self) -> None:
        self._check()
        if self._is_orphaned:
            raise OSError(errno.ENODEV, "No such device")


class Chip:
    """An opened chip."""

    def __init__(self, path: str, chip: SimulatedChip) -> None:
        self._path = path
        self._chip: SimulatedChip | None = chip

    def __enter__(self) -> Self:
        self._opened()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._chip = None

    def get_info(self) -> ChipInfo:
        chip = self._opened()
        return ChipInfo(self._path.rpartition("/")[2], chip.label, len(chip.wires))

    def line_offset_from_id(self, id: str | int) -> int:  # noqa: A002 - libgpiod's own name
        wires = self._opened().wires
        if isinstance(id, str):
            named = next((wire.offset for wire in wires if id and wire.name == id), None)
            if named is None and not id.isdecimal():
                raise FileNotFoundError(errno.ENOENT, "No such file or directory")
            offset = int(id) if named is None else named
        else:
            offset = id
        if offset >= len(wires):
            raise ValueError("line offset of out range")
        return offset

    def get_line_info(self, line: int | str) -> LineInfo:
        wire = self._opened().wires[self.line_offset_from_id(line)]
        direction = Direction.INPUT if wire.driven is None else Direction.OUTPUT
        is_used = wire.consumer is not None
        return LineInfo(wire.offset, wire.name, is_used, wire.consumer or "", direction)

    def request_lines(
        self,
        config: Mapping[Iterable[int | str] | int | str, LineSettings | None],
        consumer: str | None = None,
        event_buffer_size: int | None = None,
    ) -> LineRequest:
        chip = self._opened()
        wanted = {self.line_offset_from_id(line): settings for line, settings in _each(config)}
        wires = [chip.wires[offset] for offset in wanted]
        if any(wire.consumer is not None for wire in wires):
            raise OSError(errno.EBUSY, "Device or resource busy")
        if any(wire.name in chip.refused for wire in wires):
            raise OSError(errno.EINVAL, "Invalid argument")
        for wire, settings in zip(wires, wanted.values(), strict=True):
            wire.consumer, wire.settings = consumer or "?", settings or LineSettings()
            if wire.settings.direction is Direction.OUTPUT:
                wire.driven = bool(wire.settings.output_value) is not wire.settings.active_low
            elif wire.settings.direction is Direction.INPUT:
                wire.driven = None
        return LineRequest(chip, wires, event_buffer_size or EVENTS_A_LINE * len(wires))

    def _opened(self) -> SimulatedChip:
        if self._chip is None:
            raise ChipClosedError
        if not self._chip.is_there:
            raise OSError(errno.ENODEV, "No such device")
        return self._chip


class SimulatedGpiod(ModuleType):
    """Stands in the place of the module ``gpiod``.

    Args:
        chips: as this machine has them, in the order of their numbers.
    """

    LineSettings = LineSettings
    EdgeEvent = EdgeEvent
    line = SimpleNamespace(Value=Value, Direction=Direction, Bias=Bias, Edge=Edge)

    def __init__(self, *chips: SimulatedChip) -> None:
        super().__init__("gpiod")
        self._chips = {f"/dev/gpiochip{number}": chip for number, chip in enumerate(chips)}

    def Chip(self, path: str) -> Chip:  # noqa: N802 - libgpiod's own name
        chip = self._chips.get(path)
        if chip is None or not chip.is_there:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if not chip.may_open:
            raise PermissionError(errno.EACCES, "Permission denied")
        return Chip(path, chip)

    def paths(self) -> list[str]:
        """Return where chips are now."""
        return [path for path, chip in self._chips.items() if chip.is_there]

    def gpio(self) -> Gpio:
        """Return this machine's chips as the adapter takes them."""
        return Gpio(self, self.paths)


def _is_debounced(wire: Wire) -> bool:
    return wire.driven is None and wire.settings.debounce_period > timedelta()


def _each(
    config: Mapping[Iterable[int | str] | int | str, LineSettings | None],
) -> Iterator[tuple[int | str, LineSettings | None]]:
    for key, settings in config.items():
        for line in (key,) if isinstance(key, (int, str)) else key:
            yield line, settings
