"""Answers made from segno's matrices, each frame with its own errors."""

from __future__ import annotations

import numpy as np
import pytest
import segno

from gated.scanner.decoders import ZxingDecoder
from gated.scanner.grid import draw_modules, known_modules
from gated.scanner.joining import KEPT_S, MAX_CODES, Joiner
from gated.scanner.regions import Levels
from gated.units import MonoSeconds

ALPHABET = list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$%*+-./:")
AT = MonoSeconds(100.0)


def _text(seed: int) -> str:
    """Return as much as a code of version 6 holds: padding would be alike in all of them."""
    return "GP1:" + "".join(np.random.default_rng(seed).choice(ALPHABET, 150))


TEXT, OTHER = _text(0), _text(1)


def _code(text: str = TEXT, version: int = 6) -> Levels:
    """Return its modules without an error, 1 light and −1 dark."""
    code = segno.make_qr(text, version=version, mask=2, error="m", boost_error=False)
    return 1 - 2 * np.array([list(row) for row in code.matrix], np.float32)


def _noisy(true: Levels, seed: int, spread: float = 0.55) -> Levels:
    noise = np.random.default_rng(seed).normal(0, spread, true.shape)
    return (true + noise).astype(np.float32)


def _read(levels: Levels | None) -> tuple[str, ...]:
    return () if levels is None else ZxingDecoder().read(draw_modules(levels)).texts


def _later(seconds: float) -> MonoSeconds:
    return MonoSeconds(AT + seconds)


# --- one code ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_what_no_frame_shows_is_read_from_several(seed: int) -> None:
    true, joiner = _code(), Joiner()
    frames = [_noisy(true, 10 * seed + number) for number in range(4)]
    assert [_read(frame) for frame in frames] == [()] * 4
    joined = [joiner.add(frame, 1.0, _later(0.1 * n)) for n, frame in enumerate(frames)]
    assert joined[0] is None
    assert _read(joined[-1]) == (TEXT,)


def test_each_of_two_frames_shows_the_half_that_the_other_does_not() -> None:
    true, joiner = _code(), Joiner()
    left, right = true.copy(), true.copy()
    left[:, 23:] = 0.0
    right[:, :18] = 0.0
    assert [_read(left), _read(right)] == [(), ()]
    assert joiner.add(left, 1.0, AT) is None
    assert _read(joiner.add(right, 1.0, AT)) == (TEXT,)


def test_answers_add_up_by_their_weights() -> None:
    joiner, one = Joiner(), np.clip(_noisy(_code(), 1), -1, 1)
    other = np.clip(_noisy(_code(), 2), -1, 1)
    assert joiner.add(one, 0.9, AT) is None
    assert joiner.add(other, 0.25, AT) == pytest.approx(0.9 * one + 0.25 * other, abs=1e-5)
    assert joiner.add(one, 1.0, AT) == pytest.approx(1.9 * one + 0.25 * other, abs=1e-5)


def test_a_frame_that_is_worth_more_outvotes_a_poor_one() -> None:
    joiner, true = Joiner(), _code()
    poor = true.copy()
    poor[:, 15:26] *= -1
    assert _read(poor) == ()
    joiner.add(poor, 0.2, AT)
    assert _read(joiner.add(true, 0.9, AT)) == (TEXT,)
    joiner.forget()
    joiner.add(poor, 0.9, AT)
    assert _read(joiner.add(true, 0.2, AT)) == ()


def test_an_answer_counts_no_more_than_a_certain_one() -> None:
    joiner, true = Joiner(), _code()
    joiner.add(7 * true, 1.0, AT)
    assert joiner.add(3 * true, 1.0, AT) == pytest.approx(2 * true)


def test_what_was_handed_in_is_left_as_it_is() -> None:
    joiner, frames = Joiner(), [_noisy(_code(), seed) for seed in range(3)]
    kept = [frame.copy() for frame in frames]
    for frame in frames:
        joiner.add(frame, 0.5, AT)
    assert np.array_equal(frames, kept)


# --- several -------------------------------------------------------------------------------------


def test_answers_of_another_code_are_not_added() -> None:
    joiner = Joiner()
    one, other = _code(), _code(OTHER)
    assert joiner.add(one, 1.0, AT) is None
    assert joiner.add(other, 1.0, AT) is None
    assert joiner.add(one, 1.0, AT) == pytest.approx(2 * one)
    assert joiner.add(other, 1.0, AT) == pytest.approx(2 * other)


def test_what_every_code_shows_makes_no_two_codes_alike() -> None:
    """A small code is half known: that alone would correlate by far more than is asked for."""
    rng, joiner = np.random.default_rng(4), Joiner()
    known = known_modules(21)
    answers = [
        np.where(known >= 0, 1 - 2 * known, np.sign(rng.normal(0, 1, known.shape)))
        for _ in range(3)
    ]
    assert np.corrcoef(answers[0].ravel(), answers[1].ravel())[0, 1] > 0.3
    assert [joiner.add(each.astype(np.float32), 1.0, AT) for each in answers] == [None] * 3


def test_a_light_frame_and_a_dark_frame_are_not_alike_for_that() -> None:
    rng, joiner = np.random.default_rng(5), Joiner()
    for _ in range(3):
        overexposed = rng.normal(0.4, 0.2, (41, 41)).astype(np.float32)
        assert joiner.add(overexposed, 1.0, AT) is None


def test_codes_of_two_widths_are_two_codes() -> None:
    joiner = Joiner()
    assert joiner.add(_code(version=6), 1.0, AT) is None
    assert joiner.add(_code(version=7), 1.0, AT) is None


def test_four_codes_are_kept_and_not_a_fifth() -> None:
    codes = [_code(_text(seed)) for seed in range(5)]
    assert MAX_CODES == 4
    within = Joiner()
    assert [within.add(code, 1.0, AT) for code in codes[:4]] == [None] * 4
    assert all(within.add(code, 1.0, AT) is not None for code in codes[:4])
    beyond = Joiner()
    assert [beyond.add(code, 1.0, AT) for code in codes] == [None] * 5
    assert beyond.add(codes[0], 1.0, AT) is None


# --- time ----------------------------------------------------------------------------------------


def test_frames_far_apart_are_another_presentation() -> None:
    joiner, true = Joiner(), _code()
    assert joiner.add(true, 1.0, AT) is None
    assert joiner.add(true, 1.0, _later(KEPT_S)) is None
    assert joiner.add(true, 1.0, _later(KEPT_S + 0.1)) == pytest.approx(2 * true)


def test_a_code_is_kept_as_long_as_it_is_seen_again() -> None:
    joiner, true = Joiner(), _code()
    joined = [joiner.add(true, 1.0, _later(0.9 * KEPT_S * number)) for number in range(5)]
    assert joined[0] is None
    assert [float(np.abs(levels).max()) for levels in joined[1:] if levels is not None] == [
        2.0, 3.0, 4.0, 5.0,
    ]  # fmt: skip


def test_once_something_was_read_all_is_forgotten() -> None:
    joiner, codes = Joiner(), [_code(), _code(OTHER)]
    for code in codes:
        joiner.add(code, 1.0, AT)
    joiner.forget()
    assert [joiner.add(code, 1.0, AT) for code in codes] == [None] * 2


def test_answers_that_say_nothing_are_like_nothing() -> None:
    joiner, nothing = Joiner(), np.zeros((41, 41), np.float32)
    assert [joiner.add(nothing, 1.0, AT) for _ in range(2)] == [None] * 2
    assert joiner.add(_code(), 1.0, AT) is None
