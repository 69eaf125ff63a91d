"""GPIO chips and their lines, by libgpiod. Looking takes no line and moves nothing."""

from __future__ import annotations

from types import ModuleType

from gated.actuators.gpio import Gpio
from gated.errors import DeviceNotFound
from gated.probe.findings import ChipFound, LineFound


def list_chips(gpio: Gpio | None = None) -> list[ChipFound]:
    """Return the chips of this machine, those lines listed that have a name or an owner."""
    gpio = gpio or Gpio()
    paths = gpio.paths()
    if not paths:
        return []
    try:
        library = gpio.load()
    except DeviceNotFound as exc:
        return [ChipFound(path, "", 0, problem=f"{path}: {exc}") for path in paths]
    return [_look_at(library, path) for path in paths]


def _look_at(library: ModuleType, path: str) -> ChipFound:
    try:
        with library.Chip(path) as chip:
            info = chip.get_info()
            lines = [chip.get_line_info(offset) for offset in range(info.num_lines)]
    except PermissionError:
        problem = f"{path} may not be opened by this user: add it to the group gpio"
        return ChipFound(path, "", 0, problem=problem)
    except OSError as exc:
        return ChipFound(path, "", 0, problem=f"{path}: {exc.strerror}")
    noted = tuple(
        LineFound(line.offset, line.name, (line.consumer or "?") if line.used else "")
        for line in lines
        if line.name or line.used
    )
    return ChipFound(path, info.label, info.num_lines, noted)
