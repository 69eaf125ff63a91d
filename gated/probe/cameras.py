"""Cameras of this machine, and one look through one of them.

Which of the many /dev/video* is a camera is asked of the kernel (VIDIOC_QUERYCAP); nothing is
switched on for that. A frame is personal data: what is kept of it is its size, its brightness and
whether a code is in it.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gated.clock import Clock
from gated.config import Camera, ScannerSettings
from gated.durable import write_new_private_file
from gated.errors import DeviceError
from gated.probe.bounded import bounded
from gated.probe.findings import CameraFound, FrameSeen

if TYPE_CHECKING:
    from gated.scanner.frames import Frame, FrameSource
    from gated.scanner.picture import Pixels
    from gated.scanner.sources.picamera2 import PicameraModule

FRAME_WITHIN_S = 5.0
"""A cold USB camera was seen to take 2 s to its first frame."""
NEXT_WITHIN_S = 2.0
LIST_WITHIN_S = 5.0
_BRIGHTEST = 255.0
_PERCENT = 100.0

_QUERYCAP = 0x80685600  # _IOR('V', 0, struct v4l2_capability)
_CAPABILITY = struct.Struct("=16s32s32sIII12x")  # driver, card, bus, version, all, this node's
_HAS_OWN = 0x8000_0000  # V4L2_CAP_DEVICE_CAPS: the last word is filled in
_CAPTURES = 0x0000_1001  # V4L2_CAP_VIDEO_CAPTURE and its multi-planar kin
_CONVERTS = 0x0000_C000  # V4L2_CAP_VIDEO_M2M and its kin: an encoder, not a camera
_NOT_CAMERAS = frozenset({"bcm2835-isp", "pispbe", "bcm2835-codec", "rpi-hevc-dec"})
"""A Raspberry Pi's own image processors: they have capture nodes, but no lens."""
_RAW_SENSORS = frozenset({"unicam", "rp1-cfe"})
"""A Raspberry Pi's camera port, unprocessed: of use through picamera2 only."""
_NODE = re.compile(r"video(\d+)")

Ask = Callable[[Path], bytes]


def list_v4l2(dev: Path = Path("/dev"), ask: Ask | None = None) -> list[CameraFound]:
    """Return the USB cameras among ``dev``'s video nodes.

    Args:
        dev: where the nodes are.
        ask: returns a node's ``struct v4l2_capability``. Raises: OSError.
    """
    nodes = sorted(
        (int(match[1]), node)
        for node in dev.glob("video*")
        if (match := _NODE.fullmatch(node.name)) is not None
    )
    found = []
    for _, node in nodes:
        try:
            model = camera_model((ask or _ask_kernel)(node))
        except PermissionError:
            problem = f"{node} may not be opened by this user: add it to the group video"
            found.append(CameraFound(Camera.V4L2.value, str(node), "", problem))
        except OSError:
            continue  # no video node after all, or it has just gone
        else:
            if model is not None:
                found.append(CameraFound(Camera.V4L2.value, str(node), model))
    return found


def camera_model(capability: bytes) -> str | None:
    """Return what a video node calls its camera; None if it is none that V4L2 can use."""
    driver, card, _, _, every, own = _CAPABILITY.unpack(capability)
    name = _text(driver)
    does = own if every & _HAS_OWN else every
    if not does & _CAPTURES or does & _CONVERTS or name in _NOT_CAMERAS | _RAW_SENSORS:
        return None
    return f"{_text(card)} ({name})"


def _text(raw: bytes) -> str:
    text = raw.partition(b"\0")[0].decode(errors="replace")
    return "".join(c if c.isprintable() else "?" for c in text)


def _ask_kernel(node: Path) -> bytes:
    handle = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return fcntl.ioctl(handle, _QUERYCAP, bytes(_CAPABILITY.size))
    finally:
        os.close(handle)


def list_picameras(load: Callable[[], PicameraModule] | None = None) -> list[CameraFound]:
    """Return the cameras at a Raspberry Pi's own ports; none where there is no picamera2.

    Args:
        load: returns picamera2. Raises: ImportError.
    """
    from gated.scanner.sources.picamera2 import load_picamera2

    try:
        names = bounded(lambda: _ask_picamera2(load or load_picamera2), LIST_WITHIN_S, "picamera2")
    except DeviceError as exc:
        return [CameraFound(Camera.PICAMERA2.value, "", "", f"picamera2: {exc}")]
    return [CameraFound(Camera.PICAMERA2.value, "", name) for name in names]


def _ask_picamera2(load: Callable[[], PicameraModule]) -> list[str]:
    try:
        cameras = load().Picamera2.global_camera_info()
    except (ImportError, ValueError):  # not installed; ValueError: a part is for another NumPy
        return []
    except (RuntimeError, OSError, LookupError, AssertionError) as exc:
        raise DeviceError(f"the camera stack failed: {exc}", device="camera") from exc
    # Those on USB are listed as what they are to us: V4L2 cameras.
    return [str(c.get("Model", "")) for c in cameras if "usb" not in str(c.get("Id", "")).lower()]


def list_cameras() -> list[CameraFound]:
    """Return every camera that the scanner could use."""
    return [*list_picameras(), *list_v4l2()]


def settings_for(camera: CameraFound) -> ScannerSettings:
    """Return the settings under which the gate would use ``camera``."""
    return ScannerSettings(camera=Camera(camera.source), device=camera.device or "/dev/video0")


def look(
    settings: ScannerSettings,
    clock: Clock,
    save: Path | None,
    *,
    decode: bool,
    within_s: float = FRAME_WITHIN_S,
) -> FrameSeen:
    """Return one frame's size and brightness, and with ``decode`` whether it shows a code.

    A camera must also show that the next one is another.

    Args:
        settings: which camera.
        clock: for the time-out.
        save: a new file for the picture itself, readable by its owner only.
        decode: also look for a code; what it says is neither kept nor shown.
        within_s: how long a frame is waited for.

    Raises: DeviceError: no camera, or no frame from it. GatedError: ``save`` cannot be written.
    """
    from gated.scanner.picture import encode_picture
    from gated.scanner.sources import CAMERAS, make_source

    source = make_source(settings, clock)
    try:
        source.open()
        frame = source.next_frame(within_s)
        if frame is None:
            raise DeviceError(
                f"{source.name} opens, but no frame came within {within_s:g} s: unplug it and "
                "plug it in again, try another cable or port",
                device="camera",
            )
        if settings.camera in CAMERAS:
            check_fresh(source, frame)
    finally:
        source.close()
    if save is not None:
        write_new_private_file(save, encode_picture(frame.pixels, save.suffix))
    height_px, width_px = frame.pixels.shape[:2]
    return FrameSeen(
        device=source.name,
        width_px=width_px,
        height_px=height_px,
        brightness_percent=float(frame.pixels.mean()) / _BRIGHTEST * _PERCENT,
        has_code=decode and _has_code(frame.pixels),
        saved_as=str(save) if save is not None else "",
    )


def check_fresh(source: FrameSource, first: Frame) -> None:
    """Return once a frame came that is another one than ``first``: of a working camera, the next.

    Raises: DeviceError: none does.
    """
    from gated.scanner.motion import REPEATED, STUCK_FRAMES, sample_frame

    seen = sample_frame(first.pixels)
    for _ in range(STUCK_FRAMES):
        frame = source.next_frame(NEXT_WITHIN_S)
        if frame is None:
            raise DeviceError(
                f"{source.name} gave one frame, and no further one within {NEXT_WITHIN_S:g} s: "
                "try another cable or port",
                device="camera",
            )
        sample = sample_frame(frame.pixels)
        # Noise alone makes two frames of a working camera differ, also in the dark.
        if sample.shape != seen.shape or (sample != seen).any():
            return
    raise DeviceError(REPEATED, device="camera")


def _has_code(pixels: Pixels) -> bool:
    from gated.scanner.cascade import Cascade
    from gated.scanner.decoders import load_decoders

    decoders, _ = load_decoders()
    seen = Cascade(decoders).decode_picture(pixels)
    return bool(seen.texts) or seen.unreadable > 0
