"""Contacts, buttons and key switch on the lines of a GPIO chip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING

from gated.actuators.gpio import MACHINE, Gpio
from gated.actuators.inputs import DEVICE, LEVELS, InputEvent, Levels, pulse_event
from gated.clock import Clock
from gated.errors import DeviceError, DeviceLost, DeviceNotFound

if TYPE_CHECKING:
    from gated.actuators.gpio import EdgeEvent, LineRequest, LineSettings


@dataclass(frozen=True, slots=True)
class InputWire:
    """One input line as the configuration describes it."""

    line: str
    active_low: bool  # the contact pulls the line to ground; the pull-up is then on
    debounce_ms: int


class GpioInputs:
    """The wired inputs of one GPIO chip; the kernel debounces them.

    Args:
        wires: a name of PULSES or LEVELS → its line. At least one.
        chip_label: ``*`` stands for anything.
    """

    def __init__(
        self,
        wires: Mapping[str, InputWire],
        chip_label: str,
        clock: Clock,
        *,
        gpio: Gpio = MACHINE,
    ) -> None:
        self._wires = dict(wires)
        self._chip_label = chip_label
        self._clock = clock
        self._gpio = gpio
        self._request: LineRequest | None = None
        self._name_at: dict[int, str] = {}
        self._level_lines = {name: wires[name].line for name in sorted(LEVELS & wires.keys())}
        self._levels = Levels()

    def open(self) -> None:
        self.close()
        try:
            library = self._gpio.load()
            lines = {
                wire.line: _input_settings(library, name, wire)
                for name, wire in self._wires.items()
            }
            request = self._gpio.take(self._chip_label, lines, DEVICE)
        except DeviceNotFound as exc:
            exc.device = DEVICE
            raise
        self._request = request
        # A request keeps the order in which its lines were named.
        self._name_at = dict(zip(request.offsets, self._wires, strict=True))
        self._levels = Levels()

    def fileno(self) -> int:
        return self._opened().fd

    def read(self) -> list[InputEvent]:
        request, at = self._opened(), self._clock.monotonic_s()
        events: list[InputEvent] = []
        try:
            if request.wait_edge_events(timedelta(0)):
                for edge in request.read_edge_events():
                    name, is_on = self._name_at[edge.line_offset], _is_rising(edge)
                    events += (
                        self._levels.changes([(name, is_on)], at)
                        if name in self._level_lines
                        else [pulse_event(name, at)]
                    )
            # The levels themselves: at first, after edges that the kernel had no room to keep, and
            # to see whether the chip is still there.
            events += self._levels.changes(self._present(request), at)
        except OSError as exc:
            raise DeviceLost(f"the inputs' chip is gone: {exc.strerror}", device=DEVICE) from exc
        return events

    def close(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            request.release()

    def _present(self, request: LineRequest) -> Iterable[tuple[str, bool]]:
        # One is always asked for, also where no input has a level: a chip that is gone says so.
        lines = list(self._level_lines.values()) or [next(iter(self._wires.values())).line]
        values = request.get_values(lines)
        return zip(self._level_lines, (bool(value) for value in values), strict=False)

    def _opened(self) -> LineRequest:
        if self._request is None:
            raise DeviceError("the inputs are not open", device=DEVICE)
        return self._request


def _input_settings(library: ModuleType, name: str, wire: InputWire) -> LineSettings:
    kinds = library.line
    settings: LineSettings = library.LineSettings(
        direction=kinds.Direction.INPUT,
        # Edges of the logical level: active_low is taken in.
        edge_detection=kinds.Edge.BOTH if name in LEVELS else kinds.Edge.RISING,
        bias=kinds.Bias.PULL_UP if wire.active_low else kinds.Bias.PULL_DOWN,
        active_low=wire.active_low,
        debounce_period=timedelta(milliseconds=wire.debounce_ms),
    )
    return settings


def _is_rising(edge: EdgeEvent) -> bool:
    return edge.event_type is edge.Type.RISING_EDGE
