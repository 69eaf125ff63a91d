"""What is before the guest's camera: an empty place or a printed pass, as frames of a V4L2 device.

One file says what shall be shown, another what is: a code's text, nothing, or "STALLED" (the camera
gives no frames). With a code's text as argument, pictures of it are written for libcamera's virtual
camera instead.
"""

from __future__ import annotations

import fcntl
import struct
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gated.simulation.screens import render_empty, render_paper

DEVICE = "/dev/video0"
SHOWN = Path("/run/bench/shown")
SHOWING = Path("/run/bench/showing")
FOLDER = Path("/opt/bench/frames")
STALLED = "STALLED"
WIDTH, HEIGHT = 640, 480
MARGIN = 160
"""Columns cut off each side of a picture of 1280 x 720, to make it one of 4:3."""

FRAMES_HZ = 10.0
YUYV = 0x56595559
VIDIOC_S_FMT = 0xC0D05605
OUTPUT = 2
WITHOUT, WITH = 20, 30
"""Pictures without and with the pass for the virtual camera: ten a second, over and over."""

PICTURES = 4
"""Of each view, with noise of their own: a camera never gives the same frame twice."""


def pictures(text: str) -> list[NDArray[np.uint8]]:
    large = (render_paper(text, 0) if text else render_empty(0))[:, MARGIN:-MARGIN]
    small = cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.int16)
    noises = (
        np.random.default_rng(n).integers(-3, 4, small.shape, np.int16) for n in range(PICTURES)
    )
    return [(small + noise).clip(0, 255).astype(np.uint8) for noise in noises]


def frames(text: str) -> list[bytes]:
    return [cv2.cvtColor(one, cv2.COLOR_BGR2YUV_YUY2).tobytes() for one in pictures(text)]


def write_files(text: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    empty, shown = pictures(""), pictures(text)
    for number in range(WITHOUT + WITH):
        views = empty if number < WITHOUT else shown
        cv2.imwrite(str(FOLDER / f"{number}.jpg"), views[number % PICTURES])


def main() -> None:
    pause = threading.Event()
    painter = ThreadPoolExecutor(1)  # drawing takes seconds here, and the camera goes on meanwhile
    with Path(DEVICE).open("wb", buffering=0) as camera:
        size = WIDTH * HEIGHT * 2
        shape = struct.pack("=I4xIIIIIIII", OUTPUT, WIDTH, HEIGHT, YUYV, 1, WIDTH * 2, size, 8, 0)
        fcntl.ioctl(camera, VIDIOC_S_FMT, bytearray(shape.ljust(208, b"\0")))
        held, at = frames(""), 0
        shown = wanted = ""
        drawing: Future[list[bytes]] | None = None
        while True:
            asked = SHOWN.read_text().strip() if SHOWN.exists() else ""
            if drawing is not None and drawing.done():
                held, shown, drawing = drawing.result(), wanted, None
                SHOWING.write_text(shown)
            elif drawing is None and asked not in (shown, STALLED):
                wanted, drawing = asked, painter.submit(frames, asked)
            if asked != STALLED:
                at = (at + 1) % len(held)
                camera.write(held[at])
            pause.wait(1 / FRAMES_HZ)


if len(sys.argv) > 1:
    write_files(sys.argv[1])
else:
    main()
