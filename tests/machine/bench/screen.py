"""What is before the guest's camera: an empty place or a printed pass, as frames of a V4L2 device.

The file says what is shown: a code's text, nothing, or "STALLED" (the camera gives no frames).
"""

from __future__ import annotations

import fcntl
import struct
import threading
from pathlib import Path

import cv2
import numpy as np

from gated.simulation.screens import render_empty, render_paper

DEVICE = "/dev/video0"
SHOWN = Path("/run/bench/shown")
STALLED = "STALLED"
WIDTH, HEIGHT = 640, 480
MARGIN = 160
"""Columns cut off each side of a picture of 1280 x 720, to make it one of 4:3."""

FRAMES_HZ = 10.0
YUYV = 0x56595559
VIDIOC_S_FMT = 0xC0D05605
OUTPUT = 2
PICTURES = 4
"""Of each view, with noise of their own: a camera never gives the same frame twice."""


def views(text: str) -> list[bytes]:
    large = (render_paper(text, 0) if text else render_empty(0))[:, MARGIN:-MARGIN]
    small = cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.int16)
    frames = []
    for seed in range(PICTURES):
        noise = np.random.default_rng(seed).integers(-3, 4, small.shape, np.int16)
        noisy = (small + noise).clip(0, 255).astype(np.uint8)
        frames.append(cv2.cvtColor(noisy, cv2.COLOR_BGR2YUV_YUY2).tobytes())
    return frames


def main() -> None:
    pause = threading.Event()
    with Path(DEVICE).open("wb", buffering=0) as camera:
        size = WIDTH * HEIGHT * 2
        shape = struct.pack("=I4xIIIIIIII", OUTPUT, WIDTH, HEIGHT, YUYV, 1, WIDTH * 2, size, 8, 0)
        fcntl.ioctl(camera, VIDIOC_S_FMT, bytearray(shape.ljust(208, b"\0")))
        shown, frames, at = "", views(""), 0
        while True:
            wanted = SHOWN.read_text().strip() if SHOWN.exists() else ""
            if wanted not in (shown, STALLED):
                shown, frames = wanted, views(wanted)
            if wanted != STALLED:
                at = (at + 1) % len(frames)
                camera.write(frames[at])
            pause.wait(1 / FRAMES_HZ)


main()
