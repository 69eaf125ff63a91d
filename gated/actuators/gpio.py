"""GPIO lines by libgpiod v2: the chip is found by its label, never by its number.

The Pi 5 moved its header from gpiochip4 to gpiochip0 with a kernel update (raspberrypi/linux
#6144); the label "pinctrl-…" stayed. A line is requested de-energised in one step, so that there is
no blip between taking it and setting it.

The relay's guard loads this file: it imports no more than it needs.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

from gated.errors import ActuationError, DeviceNotFound

if TYPE_CHECKING:
    import gpiod

    # For gpio_inputs: libgpiod has one adapter.
    EdgeEvent: TypeAlias = gpiod.EdgeEvent
    LineRequest: TypeAlias = gpiod.LineRequest
    LineSettings: TypeAlias = gpiod.LineSettings

CONSUMER = "gated"
_CONSUMER_CHARACTERS = 31  # the kernel's GPIO_MAX_NAME_SIZE is 32, with its zero


def _device_paths() -> list[str]:
    return sorted(str(path) for path in Path("/dev").glob("gpiochip*"))


class Gpio:
    """The GPIO chips of one machine.

    Args:
        library: libgpiod's module, or one that behaves like it (gated/simulation/gpiochip.py).
            None: libgpiod, loaded when it is needed.
        paths: returns where chips may stand.
    """

    def __init__(
        self,
        library: ModuleType | None = None,
        paths: Callable[[], list[str]] = _device_paths,
    ) -> None:
        self.library = library
        self.paths = paths

    def load(self) -> ModuleType:
        """Return the library. Raises: DeviceNotFound: it is not installed."""
        if self.library is not None:
            return self.library
        try:
            import gpiod
        except ImportError as exc:
            raise DeviceNotFound(
                "the Python package gpiod (2.2 or newer) is not installed: no GPIO line can be used"
            ) from exc
        return gpiod

    def take(
        self, label: str, lines: Mapping[str, gpiod.LineSettings], purpose: str
    ) -> gpiod.LineRequest:
        """Return a request of ``lines`` of the chip that has them and whose label matches.

        Args:
            label: of the chip; ``*`` stands for anything.
            lines: name of the line → how it is set.
            purpose: what others are told who want one of these lines (``gpioinfo`` shows it).

        Raises: DeviceNotFound: no such chip or line, a busy line, or no permission; says which,
            and how to mend it.
        """
        library = self.load()
        path, found = self._find(library, label, lines)
        try:
            with library.Chip(path) as chip:
                busy = [line for line in lines if chip.get_line_info(line).used]
                if busy:
                    raise DeviceNotFound(_who_holds(chip, busy[0], found))
                request: gpiod.LineRequest = chip.request_lines(
                    config=dict(lines), consumer=f"{CONSUMER} {purpose}"[:_CONSUMER_CHARACTERS]
                )
        except OSError as exc:
            names = ", ".join(lines)
            raise DeviceNotFound(
                f"chip {found} does not give {names}: {_in_words(exc)}; is it the right line?"
            ) from exc
        return request

    def _find(self, library: ModuleType, label: str, lines: Collection[str]) -> tuple[str, str]:
        """Return the device and the label of the chip that has ``lines``."""
        denied, labels, complaints = [], [], []
        for path in self.paths():
            try:
                with library.Chip(path) as chip:
                    found = chip.get_info().label
                    labels.append(found)
                    if not fnmatchcase(found, label):
                        continue
                    names = _names(chip)
            except PermissionError:
                denied.append(path)
                continue
            except OSError:
                continue  # it has gone meanwhile
            missing = [line for line in lines if line not in names]
            if not missing:
                return path, found
            complaints.append(_no_such_line(found, missing[0], names))
        if complaints:
            raise DeviceNotFound(complaints[0])
        if denied:
            raise DeviceNotFound(
                f"{' and '.join(denied)} may not be opened by this user: add it to the group gpio"
            )
        if not labels:
            raise DeviceNotFound(
                "this machine has no GPIO chip (no /dev/gpiochip*): connect one, or try the "
                "simulation, gated demo"
            )
        there = ", ".join(f'"{name}"' for name in dict.fromkeys(labels))
        raise DeviceNotFound(
            f'no GPIO chip has the label "{label}", found: {there}; correct outputs.chip'
        )


def _names(chip: gpiod.Chip) -> list[str]:
    count = chip.get_info().num_lines
    return [name for offset in range(count) if (name := chip.get_line_info(offset).name)]


def _no_such_line(chip: str, line: str, names: list[str]) -> str:
    from difflib import get_close_matches  # not for the guard, which must start fast

    close = get_close_matches(line, names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "gpioinfo lists those that it has"
    return f'chip {chip} has no line "{line}"; {hint}'


def _who_holds(chip: gpiod.Chip, line: str, label: str) -> str:
    consumer = chip.get_line_info(line).consumer or "the kernel or a program without a name"
    hint = "is gated running twice?" if consumer.startswith(CONSUMER) else "end it, or use another"
    return f"{line} of chip {label} is held by {consumer}; {hint}"


def _in_words(exc: OSError) -> str:
    return "another process holds it" if exc.errno == errno.EBUSY else str(exc.strerror or exc)


MACHINE = Gpio()


class GpioLine:
    """One output line of a GPIO chip.

    Args:
        name: the device's, for errors.
        line: its name on the chip, such as "GPIO17".
        chip_label: ``*`` stands for anything.

    Raises: ActuationError: no such chip or line, a busy line, or no permission; says which, and how
        to mend it.
    """

    def __init__(
        self, name: str, line: str, chip_label: str, *, active_low: bool, gpio: Gpio = MACHINE
    ) -> None:
        self._name = name
        self._line = line
        try:
            values = gpio.load().line
            self._active, self._inactive = values.Value.ACTIVE, values.Value.INACTIVE
            settings = gpio.load().LineSettings(
                direction=values.Direction.OUTPUT,
                output_value=self._inactive,
                active_low=active_low,
            )
            request = gpio.take(chip_label, {line: settings}, name)
        except DeviceNotFound as exc:
            raise ActuationError(str(exc), device=name) from exc
        self._request: gpiod.LineRequest | None = request

    def set(self, *, energised: bool) -> None:
        request = self._held()
        try:
            request.set_value(self._line, self._active if energised else self._inactive)
        except OSError as exc:
            raise self._lost(exc) from exc

    def check(self) -> None:
        request = self._held()
        try:
            request.get_value(self._line)
        except OSError as exc:
            raise self._lost(exc) from exc

    def close(self) -> None:
        request, self._request = self._request, None
        if request is None:
            return
        try:
            # A Raspberry Pi's kernel leaves an output as it was last driven.
            request.set_value(self._line, self._inactive)
        except OSError as exc:
            raise self._lost(exc) from exc
        finally:
            request.release()

    def _held(self) -> gpiod.LineRequest:
        if self._request is None:
            raise ActuationError(f"line {self._line} is closed", device=self._name)
        return self._request

    def _lost(self, exc: OSError) -> ActuationError:
        return ActuationError(
            f"line {self._line} cannot be reached: {exc.strerror}", device=self._name
        )
