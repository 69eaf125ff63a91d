"""What a Raspberry Pi camera is told: libcamera's controls, by its names and numbers. Pure.

A camera without a control (most have no focus motor) is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gated.config.devices import Metering
from gated.scanner.frames import Region, Wish

LONGEST_FRAME_US = 100_000
"""In low light a frame may take so long, whatever rate is wanted: dark frames are of no use."""

Limits = Mapping[str, object]
"""{name: (least, most, default)}, as ``Picamera2.camera_controls`` gives them."""
Box = tuple[int, int, int, int]
"""x, y, width, height in px of the sensor."""

_METERING = {Metering.CENTRE: 0, Metering.SPOT: 1, Metering.AVERAGE: 2}
_EXPOSED_SHORTLY = 1  # hands move
_NOISE_REDUCED_FAST = 1  # by the image processor, at no cost; more than that smooths codes away
_FOCUS_MANUAL, _FOCUS_CONTINUOUS = 0, 2
_FOCUS_MACRO = 1  # codes are held close
_FOCUS_FAST = 1
_WHOLE_FRAME, _WINDOWS = 0, 1
_BOX_NUMBERS = 4


@dataclass(frozen=True, slots=True)
class PiOptions:
    """How a Raspberry Pi camera is set.

    Attributes:
        focus_m: it stays focused on this distance; None: it looks for what is near by itself.
        exposure_value: how much brighter (+) or darker (−) than usual, in EV.
        metering: which part of the frame it's exposed for.
        is_grey: frames are of brightness only.
    """

    focus_m: float | None = None
    exposure_value: float = -0.5
    metering: Metering = Metering.CENTRE
    is_grey: bool = False


def starting_controls(options: PiOptions, interval_us: int, has: Limits) -> dict[str, Any]:
    """Return what the camera is configured with.

    Args:
        options: as configured.
        interval_us: the shortest time between two frames.
        has: the camera's controls.
    """
    wanted = {
        "FrameDurationLimits": (interval_us, max(interval_us, LONGEST_FRAME_US)),
        "AeEnable": True,
        "AeMeteringMode": _METERING[options.metering],
        "AeExposureMode": _EXPOSED_SHORTLY,
        "ExposureValue": _within(options.exposure_value, has.get("ExposureValue")),
        "NoiseReductionMode": _NOISE_REDUCED_FAST,
        **_focus(options.focus_m, has.get("LensPosition")),
    }
    return _only(wanted, has)


def wished_controls(
    wish: Wish | None, options: PiOptions, has: Limits, view: Box | None
) -> dict[str, Any]:
    """Return what makes the camera attend to ``wish``, or be as configured again if that is None.

    libcamera has no windows to expose for on a Raspberry Pi, so a region moves the focus, and the
    steps move the exposure of the whole frame.

    Args:
        wish: what to attend to.
        options: as configured.
        has: the camera's controls.
        view: what the frame shows of the sensor; None: unknown.
    """
    wish = wish or Wish()
    exposure_value = options.exposure_value + wish.exposure_steps
    wanted: dict[str, Any] = {"ExposureValue": _within(exposure_value, has.get("ExposureValue"))}
    if options.focus_m is None:
        if wish.region is None or view is None:
            wanted["AfMetering"] = _WHOLE_FRAME
        else:
            wanted |= {"AfMetering": _WINDOWS, "AfWindows": [_on_sensor(wish.region, view)]}
    return _only(wanted, has)


def seen_part(crop: object, size: tuple[int, int]) -> Box | None:
    """Return the part of the sensor that a frame of ``size`` shows, or None if it can't be told.

    Args:
        crop: libcamera's ScalerCropMaximum: what the sensor's mode sees.
        size: width and height of the frame, in px.
    """
    if not isinstance(crop, tuple | list) or len(crop) != _BOX_NUMBERS:
        return None
    x, y, width, height = (int(n) for n in crop)
    if width <= 0 or height <= 0:
        return None
    # The scaler keeps the shape of things: it cuts off what is too wide or too high, on both sides.
    own_width = min(width, round(height * size[0] / size[1]))
    own_height = min(height, round(width * size[1] / size[0]))
    return x + (width - own_width) // 2, y + (height - own_height) // 2, own_width, own_height


def _on_sensor(region: Region, view: Box) -> Box:
    x, y, width, height = view
    return (
        x + int(region.x * width),
        y + int(region.y * height),
        max(1, int(region.width * width)),
        max(1, int(region.height * height)),
    )


def _focus(focus_m: float | None, lens: object) -> dict[str, Any]:
    if focus_m is None:
        return {"AfMode": _FOCUS_CONTINUOUS, "AfRange": _FOCUS_MACRO, "AfSpeed": _FOCUS_FAST}
    return {"AfMode": _FOCUS_MANUAL, "LensPosition": _within(1.0 / focus_m, lens)}  # in dioptres


def _within(value: float, limits: object) -> float:
    if not isinstance(limits, tuple | list):
        return value
    return float(min(max(value, limits[0]), limits[1]))


def _only(wanted: dict[str, Any], has: Limits) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if name in has}
