"""The test pattern: always the same, always another frame, and never a pass."""

from __future__ import annotations

import numpy as np
import pytest

from gated.clock import FakeClock
from gated.config import Camera, ScannerSettings
from gated.credentials.trusted_keys import TrustList
from gated.credentials.verify import verify
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import load_decoders
from gated.scanner.sources import make_source
from gated.scanner.sources.test_pattern import CYCLE_FRAMES, TEXT, Pattern, PatternSource
from gated.vocabulary import CredentialStatus

SIZES = [(1_280, 720), (320, 240), (320, 3_072), (4_096, 240)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_frame_has_the_wanted_size_and_is_the_same_each_time_it_is_drawn(
    width: int, height: int
) -> None:
    for number in (0, 1, CYCLE_FRAMES // 2, CYCLE_FRAMES - 1):
        frame = Pattern(width, height).draw(number)
        assert frame.shape == (height, width, 3)
        assert np.array_equal(frame, Pattern(width, height).draw(number))


def test_no_two_frames_of_six_minutes_are_the_same() -> None:
    pattern = Pattern(64, 48)
    assert len({pattern.draw(number).tobytes() for number in range(3_599)}) == 3_599


@pytest.mark.parametrize(("width", "height"), [(1_280, 720), (640, 480), (320, 240)])
def test_the_code_can_be_read_for_half_of_the_time_wherever_it_is(width: int, height: int) -> None:
    cascade = Cascade(load_decoders()[0])
    pattern = Pattern(width, height)
    for number in (CYCLE_FRAMES // 2, CYCLE_FRAMES - 1, CYCLE_FRAMES * 3 // 2 + 9):
        assert cascade.decode_picture(pattern.draw(number)).texts == (TEXT,)
    for number in (0, CYCLE_FRAMES // 2 - 1, CYCLE_FRAMES):
        assert cascade.decode_picture(pattern.draw(number)).texts == ()


def test_its_text_is_no_pass() -> None:
    now = FakeClock().now()
    assert verify(TEXT, now=now, trust=TrustList()).status is CredentialStatus.UNSUPPORTED


def test_frames_come_at_the_configured_rate() -> None:
    clock = FakeClock()
    source = PatternSource(Pattern(320, 240), 10.0, clock)
    source.open()
    assert source.next_frame(0.0) is not None
    assert source.next_frame(0.0) is None
    clock.advance(0.1)
    assert source.next_frame(0.0) is not None
    clock.advance(5.0)  # nobody asked: what was missed is not made up for
    taken = [source.next_frame(0.0) for _ in range(4)]
    assert sum(frame is not None for frame in taken) <= 2


def test_it_is_configured_by_its_name() -> None:
    settings = ScannerSettings(camera=Camera.TEST_PATTERN, width=640, height=480)
    source = make_source(settings, FakeClock())
    source.open()
    frame = source.next_frame(1.0)
    assert frame is not None
    assert frame.pixels.shape == (480, 640, 3)
