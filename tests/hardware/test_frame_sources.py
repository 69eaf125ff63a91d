"""The contract of frame sources over real cameras, where there are any.

    pytest --hw tests/hardware/test_frame_sources.py

GATED_HW_VIDEO names another device than /dev/video0. A frame that shows a perfectly black or
saturated scene is the same as the next one and isn't believed: take the lens cap off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from gated.config import ScannerSettings
from gated.scanner.sources import make_source
from gated.scanner.sources.picamera2 import load_picamera2
from tests.frame_sources import CLOCK, Bench, FrameSourceContract

pytestmark = [
    pytest.mark.hw,
    # picamera2 and what it imports use calls that newer Pythons warn of, on threads of their own.
    pytest.mark.filterwarnings("default"),
]

VIDEO = Path(os.environ.get("GATED_HW_VIDEO", "/dev/video0"))


def _require_v4l2() -> None:
    if not VIDEO.exists():
        pytest.skip(f"no {VIDEO}: plug a USB camera in, or set GATED_HW_VIDEO")


def _require_picamera2() -> None:
    if find_spec("picamera2") is None:
        pytest.skip("picamera2 is not installed: apt install python3-picamera2")
    try:
        cameras = load_picamera2().Picamera2.global_camera_info()
    except (ImportError, ValueError) as exc:
        pytest.skip(f"picamera2 cannot be loaded: {exc}")
    if not cameras:
        pytest.skip("libcamera finds no camera: rpicam-hello --list-cameras")


REQUIREMENTS: dict[str, Callable[[], None]] = {
    "picamera2": _require_picamera2,
    "v4l2": _require_v4l2,
}


@pytest.fixture(params=sorted(REQUIREMENTS))
def settings(request: pytest.FixtureRequest) -> ScannerSettings:
    REQUIREMENTS[request.param]()
    return ScannerSettings.model_validate({"camera": request.param, "device": str(VIDEO)})


@pytest.fixture
def bench(settings: ScannerSettings) -> Iterator[Bench]:
    source = make_source(settings, CLOCK)
    yield Bench(source)
    source.close()


class TestRealCamera(FrameSourceContract):
    def test_it_delivers_colour(self, bench: Bench) -> None:
        (frame,) = bench.take(1)
        assert frame.pixels.shape[2:] == (3,)
