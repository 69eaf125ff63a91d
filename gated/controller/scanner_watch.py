"""Whether the scanner's eyes are alive: the camera and each serial scanner, told once each way."""

from __future__ import annotations

from collections.abc import Callable

from gated.clock import Clock
from gated.config import Camera, ScannerSettings
from gated.messages import DeviceChanged
from gated.scanner.sighting import CAMERA, ScannerHealth
from gated.units import MonoSeconds

SILENT_S = 2.5  # signs of life come each second
STARTS_WITHIN_S = 10.0
"""A scanner loads its decoders first; a gate that has just started does not call it lost."""


def eye_names(settings: ScannerSettings) -> tuple[str, ...]:
    """Return the devices that the scanner process must report on."""
    serial = tuple(scanner.name for scanner in settings.serial)
    has_camera = settings.camera is not Camera.NONE or not serial
    return (CAMERA, *serial) if has_camera else serial


class ScannerWatch:
    """Hears the scanner's signs of life. Used by one thread.

    Args:
        names: as ``eye_names`` gives them; what others say of themselves is not heard.
        publish: told of each eye once when it is lost and once when it is back.
    """

    def __init__(
        self, names: tuple[str, ...], clock: Clock, publish: Callable[[DeviceChanged], None]
    ) -> None:
        begins_s = MonoSeconds(clock.monotonic_s() + STARTS_WITHIN_S - SILENT_S)
        self._heard_s = dict.fromkeys(names, begins_s)
        self._is_well: dict[str, bool | None] = dict.fromkeys(names)
        self._clock = clock
        self._publish = publish

    def hear(self, health: ScannerHealth) -> None:
        """Take a sign of life."""
        if health.device not in self._heard_s:
            return
        self._heard_s[health.device] = self._clock.monotonic_s()
        self._tell(health.device, is_well=not health.trouble, reason=health.trouble)

    def watch(self) -> None:
        """Notice who has gone silent. Called several times a second."""
        now_s = self._clock.monotonic_s()
        for name, heard_s in self._heard_s.items():
            if now_s - heard_s > SILENT_S:
                self._tell(name, is_well=False, reason="no sign of life from the scanner")

    def _tell(self, name: str, *, is_well: bool, reason: str) -> None:
        before = self._is_well[name]
        if is_well is before:
            return
        if before is not None or not is_well:
            at = self._clock.monotonic_s()
            self._publish(DeviceChanged(name, is_well, "" if is_well else reason, at))
        self._is_well[name] = is_well
