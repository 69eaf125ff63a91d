"""GPIO lines by libgpiod v2: the chip is found by its label, never by its number.

The Pi 5 moved its header from gpiochip4 to gpiochip0 with a kernel update (raspberrypi/linux
#6144); the label "pinctrl-…" stayed. A line is requested de-energised in one step, so that there is
no blip between taking it and setting it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from gated.actuators.inputs import InputEvent
from gated.clock import Clock
from gated.errors import ActuationError, DeviceError, DeviceLost
from gated.messages import ButtonPressed, PassageSensed
from gated.vocabulary import Button

if TYPE_CHECKING:
    import gpiod


class GpioLine:
    """One output line of a real GPIO chip.

    Raises: ActuationError: no such chip or line, a busy line, or no permission; says which.
    """

    def __init__(self, name: str, line: str, chip_label: str, *, active_low: bool) -> None:
        import gpiod
        from gpiod.line import Direction, Value

        self._name = name
        self._line = line
        self._active, self._inactive = Value.ACTIVE, Value.INACTIVE
        settings = gpiod.LineSettings(
            direction=Direction.OUTPUT, output_value=Value.INACTIVE, active_low=active_low
        )
        device = _find_chip(name, line, chip_label)
        try:
            self._request: gpiod.LineRequest | None = gpiod.request_lines(
                str(device), consumer="gated", config={line: settings}
            )
        except OSError as exc:
            raise ActuationError(
                f"{name}: cannot take {line} of {device}: {_in_words(exc)}", device=name
            ) from exc

    def set(self, *, energised: bool) -> None:
        if self._request is None:
            raise ActuationError(f"{self._name}: the line is closed", device=self._name)
        try:
            self._request.set_value(self._line, self._active if energised else self._inactive)
        except OSError as exc:
            raise ActuationError(f"{self._name}: {exc.strerror}", device=self._name) from exc

    def close(self) -> None:
        if self._request is None:
            return
        request, self._request = self._request, None
        try:
            request.set_value(self._line, self._inactive)
        except OSError as exc:
            raise ActuationError(f"{self._name}: {exc.strerror}", device=self._name) from exc
        finally:
            request.release()


@dataclass(frozen=True, slots=True)
class InputWire:
    """One input line as the configuration describes it."""

    line: str
    active_low: bool  # the contact pulls the line to ground; the pull-up is then on
    debounce_ms: int


class GpioInputs:
    """The wired inputs of one real GPIO chip; the kernel debounces them.

    Args:
        wires: "passage", "attendant" or "call" → its line. At least one.

    Raises: DeviceError: no such chip or line, a busy line, or no permission; says which.
    """

    def __init__(self, wires: Mapping[str, InputWire], chip_label: str, clock: Clock) -> None:
        import gpiod
        from gpiod.line import Bias, Direction, Edge

        self._clock = clock
        config: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None] = {
            wire.line: gpiod.LineSettings(
                direction=Direction.INPUT,
                edge_detection=Edge.RISING,  # of the logical level: active_low is taken in
                bias=Bias.PULL_UP if wire.active_low else Bias.PULL_DOWN,
                active_low=wire.active_low,
                debounce_period=timedelta(milliseconds=wire.debounce_ms),
            )
            for wire in wires.values()
        }
        first, *_ = wires.values()
        device = _find_chip("inputs", first.line, chip_label)
        try:
            self._request = gpiod.request_lines(str(device), consumer="gated", config=config)
            with gpiod.Chip(str(device)) as chip:
                self._name_of = {
                    chip.line_offset_from_id(wire.line): name for name, wire in wires.items()
                }
        except OSError as exc:
            lines = ", ".join(wire.line for wire in wires.values())
            raise DeviceError(
                f"inputs: cannot take {lines} of {device}: {_in_words(exc)}", device="inputs"
            ) from exc

    def fileno(self) -> int:
        return self._request.fd

    def read(self) -> list[InputEvent]:
        try:
            ready = self._request.wait_edge_events(timedelta(0))
            edges = self._request.read_edge_events() if ready else []
        except OSError as exc:
            raise DeviceLost(f"inputs: {exc.strerror}", device="inputs") from exc
        return [self._event(edge.line_offset) for edge in edges]

    def _event(self, offset: int) -> InputEvent:
        name, at = self._name_of[offset], self._clock.monotonic_s()
        return PassageSensed(at) if name == "passage" else ButtonPressed(Button(name), at)

    def close(self) -> None:
        self._request.release()


_EBUSY = 16


def _in_words(exc: OSError) -> str:
    return "another process holds it" if exc.errno == _EBUSY else str(exc.strerror)


def _find_chip(name: str, line: str, label: str, devices: Iterable[Path] | None = None) -> Path:
    """Return the device of the chip whose label matches and that has ``line``."""
    import gpiod

    seen = []
    for device in sorted(devices if devices is not None else Path("/dev").glob("gpiochip*")):
        try:
            with gpiod.Chip(str(device)) as chip:
                info = chip.get_info()
                seen.append(info.label)
                if not fnmatch(info.label, label):
                    continue
                chip.line_offset_from_id(line)
                return device
        except OSError:
            continue  # not this chip: no permission, gone, or it has no such line
    found = ", ".join(seen) or "no GPIO chip at all (is the user in the group gpio?)"
    raise ActuationError(
        f'{name}: no chip "{label}" with a line {line}; found: {found}', device=name
    )
