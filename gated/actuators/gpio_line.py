"""GPIO output lines by libgpiod v2: the chip is found by its label, never by its number.

The Pi 5 moved its header from gpiochip4 to gpiochip0 with a kernel update (raspberrypi/linux
#6144); the label "pinctrl-…" stayed. A line is requested de-energised in one step, so that there is
no blip between taking it and setting it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ActuationError

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
            hint = "another process holds it" if exc.errno == _EBUSY else exc.strerror
            raise ActuationError(
                f"{name}: cannot take {line} of {device}: {hint}", device=name
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


_EBUSY = 16


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
