from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gated.scanner.motion import (
    EXAMINE_EVERY_S,
    Interest,
    MotionGate,
    Sample,
    StuckWatch,
    differs,
    sample_frame,
)
from gated.units import MonoSeconds


def _room(seed: int, *, noise: float = 3.0, hand_at: int | None = None) -> Sample:
    """Return a sample of a room; ``hand_at`` is the column where something is held up."""
    y, x = np.mgrid[:90, :160]
    room = 90 + 60 * np.sin(x / 20) * np.cos(y / 15)
    if hand_at is not None:
        room[30:60, hand_at : hand_at + 20] = 230
    noisy: NDArray[np.float64] = room + np.random.default_rng(seed).normal(0, noise, room.shape)
    return noisy.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [0.5, 2.0, 5.0, 9.0])
def test_the_noise_of_a_sensor_is_not_motion(noise: float) -> None:
    moved = [differs(_room(2 * n, noise=noise), _room(2 * n + 1, noise=noise)) for n in range(50)]
    assert sum(moved) == 0


@pytest.mark.parametrize("noise", [0.5, 2.0, 5.0])
def test_something_held_up_is_motion(noise: float) -> None:
    assert differs(_room(1, noise=noise), _room(2, noise=noise, hand_at=60))
    assert differs(_room(1, noise=noise, hand_at=60), _room(2, noise=noise, hand_at=66))


def test_another_picture_size_is_motion() -> None:
    assert differs(_room(1), _room(1)[:50])


@pytest.mark.parametrize("shape", [(720, 1280, 3), (720, 1280), (90, 160, 3), (3, 319, 3), (1, 1)])
def test_a_frame_of_any_shape_can_be_sampled_and_compared(shape: tuple[int, ...]) -> None:
    sample = sample_frame(np.zeros(shape, np.uint8))
    assert max(sample.shape) <= 160
    assert differs(sample, sample) is (min(shape[:2]) == 1)


def test_the_sample_does_not_change_with_its_frame() -> None:
    frame = np.zeros((90, 160, 3), np.uint8)
    sample = sample_frame(frame)
    frame[:] = 255
    assert int(sample.max()) == 0


def test_an_empty_place_is_examined_every_two_and_a_half_seconds() -> None:
    gate = MotionGate()
    interests = [gate.judge(_room(n), MonoSeconds(n / 10)) for n in range(80)]
    assert [n for n, interest in enumerate(interests) if interest is Interest.ROUTINE] == [
        0, 25, 50, 75,
    ]  # fmt: skip
    assert set(interests) == {Interest.ROUTINE, Interest.NONE}


def test_what_moves_is_examined_at_once_and_for_a_while_after_it_stopped() -> None:
    gate = MotionGate()
    gate.judge(_room(0), MonoSeconds(0.0))
    assert gate.judge(_room(1), MonoSeconds(0.1)) is Interest.NONE
    assert gate.judge(_room(2, hand_at=60), MonoSeconds(0.2)) is Interest.LIVELY
    still = [gate.judge(_room(n, hand_at=60), MonoSeconds(n / 10)) for n in range(3, 30)]
    assert still[:24] == [Interest.LIVELY] * 24
    assert still[24:] == [Interest.NONE] * 3


def test_motion_too_slow_for_one_frame_is_seen_against_the_last_examined_one() -> None:
    gate = MotionGate()
    judged = [
        gate.judge(_room(n, noise=0.5, hand_at=20 + n // 4), MonoSeconds(n * EXAMINE_EVERY_S / 40))
        for n in range(40)
    ]
    assert Interest.LIVELY in judged


def test_a_camera_that_repeats_its_frame_is_stuck_after_two_seconds() -> None:
    watch = StuckWatch()
    frame = _room(1)
    stuck = [watch.is_stuck(frame, MonoSeconds(n / 10)) for n in range(30)]
    assert stuck.index(True) == 20
    assert all(stuck[20:])
    assert not watch.is_stuck(_room(2), MonoSeconds(3.0))
    assert not watch.is_stuck(_room(2), MonoSeconds(3.1))


def test_a_few_equal_frames_far_apart_are_not_yet_stuck() -> None:
    watch = StuckWatch()
    assert not any(watch.is_stuck(_room(1), MonoSeconds(float(at))) for at in (0, 10, 20))


def test_noise_is_never_stuck() -> None:
    watch = StuckWatch()
    assert not any(watch.is_stuck(_room(n, noise=0.5), MonoSeconds(n / 10)) for n in range(50))
