"""Sources of frames: one file each, found by its name, which is ``scanner.camera`` in gated.toml.

Every file offers ``make(settings, clock)``; only the configured one is loaded (``auto`` loads those
of the two kinds of cameras). ``shared`` can't be configured: it's for ``gated demo``.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Protocol, cast

from gated.clock import Clock
from gated.config import Camera, ScannerSettings
from gated.config.devices import NO_EYES
from gated.errors import ConfigError

if TYPE_CHECKING:
    from gated.scanner.frames import FrameSource


log = logging.getLogger(__name__)

CAMERAS = frozenset({Camera.AUTO, Camera.PICAMERA2, Camera.V4L2})
"""The others show what somebody prepared."""


class SourceModule(Protocol):
    def make(self, settings: ScannerSettings, clock: Clock) -> FrameSource: ...


def make_source(settings: ScannerSettings, clock: Clock) -> FrameSource:
    """Return the source that ``settings`` names, not yet open.

    Raises: ConfigError: if the gate has no camera.
    """
    if settings.camera is Camera.NONE:
        raise ConfigError(NO_EYES)
    if settings.camera not in CAMERAS:
        log.warning(
            'scanner.camera = "%s" is no camera: for trials, not for a gate (不是摄像头，仅供试验)',
            settings.camera.value,
        )
    module = importlib.import_module(f"{__name__}.{settings.camera.value}")
    return cast("SourceModule", module).make(settings, clock)
