"""Frames in their order: rendered ones, and a decoder that says what it was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from gated.scanner.cascade import Cascade, Decoded, Part
from gated.scanner.decoders import Code, Reading, ZxingDecoder, load_decoders
from gated.scanner.picture import Pixels, darkest_channel
from gated.scanner.stream import BY_JOINING, DOUBTFUL_LOOKS, PAUSE_S, VAIN_LOOKS, Stream
from gated.simulation.screens import (
    HEIGHT_PX,
    WIDTH_PX,
    Hold,
    Shown,
    add_noise,
    render_empty,
    render_shown,
)
from gated.units import MonoSeconds

TEXT = "GP1:" + "K7Q$ 9P60GO0Y906PC.W2" * 9  # as long as a pass
AMPLE_MS = 60_000.0
"""A slow machine takes as many steps as a fast one."""
FRAME_S = 0.1
EMPTY = np.full((HEIGHT_PX, WIDTH_PX, 3), (90, 100, 110), np.uint8)


def _times() -> Iterator[MonoSeconds]:
    return (MonoSeconds(50.0 + FRAME_S * number) for number in range(1_000))


# --- what each frame costs -----------------------------------------------------------------------

FULL, HALF = (HEIGHT_PX, WIDTH_PX), (HEIGHT_PX // 2, WIDTH_PX // 2)
TAKEN: dict[Part, list[tuple[int, ...]]] = {
    Part.FIRST: [HALF, FULL],
    Part.SECOND: [FULL, HALF],
    Part.GRID: [],  # nothing that looks like a code, so nothing to be read
}
SQUARE = np.array([[500, 200], [700, 200], [700, 400], [500, 400]], np.float32)


class CountingDecoder:
    """Answers as it's told to, and keeps what it was shown."""

    def __init__(self, name: str, answer: Reading | None = None) -> None:
        self.name = name
        self.answer = answer or Reading()
        self.shown: list[tuple[int, ...]] = []

    def read(self, view: Pixels) -> Reading:
        self.shown.append(view.shape)
        return self.answer

    def take(self) -> list[tuple[int, ...]]:
        """Return what it was shown since it was last asked."""
        shown, self.shown = self.shown, []
        return shown


class Rig:
    """A stream of like frames and the two decoders that look at them."""

    def __init__(self, frame: Pixels = EMPTY) -> None:
        self._frame = frame
        self.zxing, self.zbar = CountingDecoder("zxing"), CountingDecoder("pyzbar")
        self.stream = Stream(Cascade([self.zxing, self.zbar], max_cpu_ms=AMPLE_MS))
        self._times = _times()
        self.at = MonoSeconds(0.0)

    def step(self) -> tuple[list[tuple[int, ...]], int]:
        """Return what zxing was shown of the next frame, and of how many views zbar was."""
        self.at = next(self._times)
        self.stream.decode(self._frame, self.at)
        return self.zxing.take(), len(self.zbar.take())


def test_a_frame_without_a_code_gets_one_part_in_turn() -> None:
    rig = Rig()
    turns = [Part.FIRST, Part.GRID, Part.SECOND, Part.FIRST, Part.SECOND, Part.FIRST]
    assert [rig.step() for _ in range(12)] == [(TAKEN[part], 0) for part in turns * 2]


ALL = TAKEN[Part.FIRST] + TAKEN[Part.SECOND]
SUSPICIOUS = Reading(suspects=(SQUARE,))


def test_something_code_like_gets_all_parts_in_that_very_frame() -> None:
    rig = Rig()
    rig.zxing.answer = SUSPICIOUS
    assert rig.step() == (ALL, 1)


def _hopeless() -> Rig:
    """Return a rig that sees a clear code, but whose decoders never read anything."""
    return Rig(render_shown(Shown(TEXT), 1))


def test_every_third_of_the_frames_that_get_all_gets_the_slow_steps_too() -> None:
    rig = _hopeless()
    rig.zxing.answer = SUSPICIOUS
    slow = [views > 0 for _, views in (rig.step() for _ in range(7))]
    assert slow == [True, False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("make", "looks"), [(Rig, DOUBTFUL_LOOKS), (_hopeless, VAIN_LOOKS)], ids=["doubtful", "certain"]
)
def test_after_so_many_vain_looks_it_rests_and_then_tries_again(
    make: Callable[[], Rig], looks: int
) -> None:
    rig = make()
    rig.zxing.answer = SUSPICIOUS
    full_at: list[float] = []
    while len(full_at) < 2 * looks:
        shown, _ = rig.step()
        if shown.count(HALF) > 1:  # as it is, and sharpened: both of the decoders' parts
            full_at.append(rig.at)
    pauses = np.diff(full_at)
    rests = np.full(2 * looks - 1, FRAME_S)
    rests[looks - 1] = PAUSE_S
    assert pauses == pytest.approx(rests, abs=0.02)


def test_while_it_rests_every_frame_still_gets_the_decoders() -> None:
    rig = Rig()
    rig.zxing.answer = SUSPICIOUS
    for _ in range(DOUBTFUL_LOOKS):
        rig.step()
    shown = [rig.step() for _ in range(12)]
    first, second = (TAKEN[Part.FIRST], 0), (TAKEN[Part.SECOND], 0)
    assert shown == [first, second, first, first, (TAKEN[Part.GRID], 0), second] * 2


def test_what_had_no_finders_is_not_looked_for_while_it_rests() -> None:
    rig = Rig()
    rig.stream._pause_until = MonoSeconds(1e9)  # as after something that only promised a code
    first, second = TAKEN[Part.FIRST], TAKEN[Part.SECOND]
    assert [rig.step()[0] for _ in range(6)] == [first, first, second, first, second, first]


def test_a_reading_makes_all_looks_before_it_be_no_vain_ones() -> None:
    rig = Rig()
    for _ in range(4):
        rig.zxing.answer = SUSPICIOUS
        full = [len(rig.step()[0]) == len(ALL) for _ in range(DOUBTFUL_LOOKS - 1)]
        assert full == [True] * (DOUBTFUL_LOOKS - 1)
        rig.zxing.answer = Reading((Code("found", SQUARE),))
        rig.step()


def test_after_a_reading_the_next_frame_begins_with_the_first_part() -> None:
    rig = Rig()
    found, nothing = Reading((Code("found", SQUARE),)), Reading()
    steps = []
    for rig.zxing.answer in (nothing, nothing, found, found, found, nothing, nothing, nothing):
        shown, _ = rig.step()
        steps.append(shown)
    assert steps == [
        TAKEN[Part.FIRST],
        TAKEN[Part.GRID],
        [FULL],  # of the second part: read at once
        [HALF],  # of the first
        [HALF],
        TAKEN[Part.FIRST],  # it isn't there any more
        TAKEN[Part.FIRST],  # the turns go on
        TAKEN[Part.SECOND],
    ]


def test_what_was_read_is_told_with_its_place_and_its_decoder() -> None:
    rig = Rig()
    rig.zxing.answer = Reading((Code("found", SQUARE),))
    decoded, look = rig.stream.decode(EMPTY, MonoSeconds(1.0))
    assert (decoded.texts, decoded.decoder) == (("found",), "zxing")
    assert np.array_equal(decoded.codes[0].corners, 2 * SQUARE)  # seen in the half
    assert look.is_read


def test_far_codes_are_looked_for_every_second_time() -> None:
    zxing = CountingDecoder("zxing")
    stream = Stream(Cascade([zxing], max_cpu_ms=AMPLE_MS))
    far = render_shown(Shown("GP1:" + "K7Q9" * 8, hold=Hold(code_px=45)), 0)
    times = iter([MonoSeconds(10.0 * number) for number in range(1, 25)])  # no alert lasts
    found = [stream.decode(far, next(times))[1].is_code_like for _ in range(24)]
    assert [number for number, is_found in enumerate(found) if is_found] == [1, 13]


# --- several frames of one code ------------------------------------------------------------------


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return Cascade(load_decoders()[0], max_cpu_ms=AMPLE_MS)


def _mirror(frame: Pixels, x_px: float, y_px: float, diameter_px: float) -> Pixels:
    """Return ``frame`` with the lamp that a glossy surface mirrors there."""
    y, x = np.ogrid[: frame.shape[0], : frame.shape[1]]
    far_squared = ((x - x_px) ** 2 + (y - y_px) ** 2) / (diameter_px / 2) ** 2
    lamp = 255 * 2.7 * np.exp(-(far_squared**2))
    return np.asarray(np.minimum(frame + lamp[..., np.newaxis], 255), np.uint8)


REFLEX_PLACES = ((-0.28, 0.0), (0.0, 0.28), (0.28, 0.0), (0.0, -0.28), (0.2, 0.2))
"""From the middle of the code, in its widths."""


def _under_a_lamp(seed: int, text: str = TEXT) -> list[Pixels]:
    """Return a code that a hand tilts: the reflex moves over it, and it moves a little itself."""
    hold = Hold(tilt_deg=10)
    held = render_shown(Shown(text, hold=hold), seed)
    corners = ZxingDecoder().read(darkest_channel(held)).codes[0].corners
    x, y = (float(n) for n in corners.mean(axis=0))
    return [
        add_noise(
            _mirror(
                np.roll(held, (number % 3 - 1, number), axis=(0, 1)),
                x + across * hold.code_px,
                y + down * hold.code_px,
                0.47 * hold.code_px,
            ),
            100 * seed + number,
        )
        for number, (across, down) in enumerate(REFLEX_PLACES)
    ]


def _decode(stream: Stream, frames: list[Pixels], began_s: float = 50.0) -> list[Decoded]:
    return [
        stream.decode(frame, MonoSeconds(began_s + FRAME_S * number))[0]
        for number, frame in enumerate(frames)
    ]


@pytest.mark.parametrize("seed", [0, 4])
def test_under_a_reflex_that_moves_no_frame_is_read_and_all_of_them_are(
    cascade: Cascade, seed: int
) -> None:
    frames = _under_a_lamp(seed)
    assert [cascade.decode_picture(frame).texts for frame in frames] == [()] * 5
    decoded = _decode(Stream(cascade), frames)
    joined = [each for each in decoded if each.texts]
    assert {(*set(each.texts), each.decoder) for each in joined} == {(TEXT, BY_JOINING)}
    assert joined[0].codes[0].corners.mean(axis=0) == pytest.approx((640, 360), abs=140)
    assert all(each.decoder is None for each in decoded if not each.texts)
    assert all(each.cpu_ms > 0 for each in decoded)


def test_frames_too_far_apart_are_not_joined(cascade: Cascade) -> None:
    stream = Stream(cascade)
    frames = _under_a_lamp(1)
    decoded = [
        stream.decode(frame, MonoSeconds(50.0 + 10 * number))[0]
        for number, frame in enumerate(frames)
    ]
    assert [each.texts for each in decoded] == [()] * 5


def test_frames_of_different_codes_are_not_joined(cascade: Cascade) -> None:
    """Each frame is of another person's pass."""
    rng = np.random.default_rng(1)
    alphabet = list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    frames = [
        _under_a_lamp(1, "GP1:" + "".join(rng.choice(alphabet, 189)))[number] for number in range(4)
    ]
    assert [each.texts for each in _decode(Stream(cascade), frames)] == [()] * 4


def test_a_clear_code_is_read_in_its_first_frame_and_in_each_after_it(cascade: Cascade) -> None:
    clear = render_shown(Shown(TEXT), 1)
    frames = [render_empty(1), *(add_noise(clear, number) for number in range(4))]
    decoded = _decode(Stream(cascade), frames)
    assert [each.texts for each in decoded[:1]] == [()]
    assert [each.texts for each in decoded[2:]] == [(TEXT,)] * 3


@pytest.mark.parametrize(
    "make", [render_empty, lambda seed: np.zeros((1, 1, 3), np.uint8)], ids=["empty", "tiny"]
)
def test_where_there_is_no_code_nothing_is_read_and_nothing_stirs(
    cascade: Cascade, make: Callable[[int], Pixels]
) -> None:
    stream = Stream(cascade)
    for number in range(6):
        decoded, look = stream.decode(make(1), MonoSeconds(number / 10))
        seen = (decoded.texts, decoded.decoder, look.is_code_like, decoded.answers)
        assert seen == ((), None, False, ())
