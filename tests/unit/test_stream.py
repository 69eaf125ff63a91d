"""Frames in their order: rendered ones, and a decoder that says what it was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from gated.scanner.cascade import Cascade, Decoded, Look, Part
from gated.scanner.decoders import Code, Reading, ZxingDecoder, load_decoders
from gated.scanner.picture import Pixels, darkest_channel
from gated.scanner.regions import Corners
from gated.scanner.stream import BY_JOINING, PAUSE_S, VAIN_LOOKS, Stream
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

FULL: tuple[int, ...] = (HEIGHT_PX, WIDTH_PX)
HALF: tuple[int, ...] = (HEIGHT_PX // 2, WIDTH_PX // 2)
TAKEN: dict[Part, list[tuple[int, ...]]] = {
    Part.FIRST: [HALF, FULL],
    Part.SECOND: [FULL, HALF],
    Part.GRID: [],  # nothing that looks like a code, so nothing to be read
}
SQUARE = np.array([[500, 200], [700, 200], [700, 400], [500, 400]], np.float32)


class CountingDecoder:
    """Answers as it's told to, and keeps what it was shown.

    Attributes:
        answer: what it reads.
        suspect: where it says that there's a code that it can't read, in px of the frame.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.answer = Reading()
        self.suspect: Corners | None = None
        self.shown: list[tuple[int, ...]] = []

    def read(self, view: Pixels) -> Reading:
        self.shown.append(view.shape)
        if self.suspect is None:
            return self.answer
        return Reading(suspects=(self.suspect * np.float32(view.shape[1] / WIDTH_PX),))

    def take(self) -> list[tuple[int, ...]]:
        """Return what it was shown since it was last asked."""
        shown, self.shown = self.shown, []
        return shown


class Rig:
    """A stream of like frames and the two decoders that look at them."""

    def __init__(self, frame: Pixels = EMPTY) -> None:
        self.frame = frame
        self.zxing, self.zbar = CountingDecoder("zxing"), CountingDecoder("pyzbar")
        self.stream = Stream(Cascade([self.zxing, self.zbar], max_cpu_ms=AMPLE_MS))
        self._times = _times()
        self.at = MonoSeconds(0.0)

    def step(self) -> tuple[list[tuple[int, ...]], int]:
        """Return what zxing was shown of the next frame, and of how many views zbar was."""
        self.look()
        views = [shape for shape in self.zxing.take() if shape in {FULL, HALF}]  # or drawn anew
        return views, len(self.zbar.take())

    def look(self) -> Look:
        """Return the look that is told of at the next frame."""
        self.at = next(self._times)
        return self.stream.decode(self.frame, self.at)[1]


def test_a_frame_without_a_code_gets_one_part_in_turn() -> None:
    rig = Rig()
    turns = [Part.FIRST, Part.GRID, Part.SECOND, Part.FIRST, Part.SECOND, Part.FIRST]
    assert [rig.step() for _ in range(12)] == [(TAKEN[part], 0) for part in turns * 2]


ALL = TAKEN[Part.FIRST] + TAKEN[Part.SECOND]
HELD = render_shown(Shown(TEXT), 1)
SHORT = render_shown(Shown("GP1:" + "K7Q9" * 8), 1)
"""Is taken apart in a tenth of the time."""


def _locate(frame: Pixels) -> Corners:
    return ZxingDecoder().read(darkest_channel(frame)).codes[0].corners


def _hopeless() -> Rig:
    """Return a rig that sees a clear code, whose decoders know where it is and never read it."""
    rig = Rig(SHORT)
    rig.zxing.suspect = _locate(SHORT)
    return rig


def test_a_code_that_a_decoder_suspects_gets_all_parts_in_that_very_frame() -> None:
    assert _hopeless().step() == (ALL, 1)


def test_what_a_decoder_suspects_and_is_no_code_stirs_nothing() -> None:
    rig = Rig()
    rig.zxing.suspect = SQUARE
    turns = [Part.FIRST, Part.GRID, Part.SECOND, Part.FIRST, Part.SECOND, Part.FIRST]
    assert [rig.step() for _ in range(12)] == [(TAKEN[part], 0) for part in turns * 2]


def test_a_code_that_nobody_suspects_gets_all_parts_in_the_frame_in_which_it_is_found() -> None:
    rig = Rig(HELD)
    # The search takes two bits: it begins in the second frame and finds the code in the third.
    then_all = TAKEN[Part.SECOND] + TAKEN[Part.FIRST]
    assert [rig.step() for _ in range(3)] == [(TAKEN[Part.FIRST], 0), ([], 0), (then_all, 1)]


def test_every_third_of_the_frames_that_get_all_gets_the_slow_steps_too() -> None:
    rig = _hopeless()
    slow = [views > 0 for _, views in (rig.step() for _ in range(7))]
    assert slow == [True, False, False, True, False, False, True]


def test_after_so_many_vain_looks_it_rests_and_then_tries_again() -> None:
    rig = _hopeless()
    full_at: list[float] = []
    while len(full_at) < 2 * VAIN_LOOKS:
        shown, _ = rig.step()
        if shown.count(HALF) > 1:  # as it is, and sharpened: both of the decoders' parts
            full_at.append(rig.at)
    pauses = np.diff(full_at)
    rests = np.full(2 * VAIN_LOOKS - 1, FRAME_S)
    rests[VAIN_LOOKS - 1] = PAUSE_S
    assert pauses == pytest.approx(rests, abs=0.02)


def _looks(rig: Rig, number: int) -> list[bool]:
    """Return of so many frames whether each got all parts."""
    return [len(rig.step()[0]) == len(ALL) for _ in range(number)]


def test_while_it_rests_every_frame_still_gets_the_decoders() -> None:
    rig = _hopeless()
    assert _looks(rig, VAIN_LOOKS) == [True] * VAIN_LOOKS
    shown = [rig.step() for _ in range(12)]
    first, second = (TAKEN[Part.FIRST], 0), (TAKEN[Part.SECOND], 0)
    # The turns have gone on: it's the fifth's.
    turns = [first, (TAKEN[Part.GRID], 0), second, first, second, first]
    assert shown == [second, first, *turns, *turns[:4]]


def test_while_it_rests_it_is_still_told_what_is_there() -> None:
    rig = _hopeless()
    _looks(rig, VAIN_LOOKS)
    looks = [rig.look() for _ in range(12)]
    assert any(look.is_thorough and look.is_found for look in looks)


def test_new_motion_ends_the_rest() -> None:
    rig = _hopeless()
    _looks(rig, VAIN_LOOKS)
    assert _looks(rig, 1) == [False]
    rig.stream.begin()
    assert _looks(rig, 1) == [True]


def test_a_reading_makes_all_looks_before_it_be_no_vain_ones() -> None:
    rig = _hopeless()
    suspect = rig.zxing.suspect
    for _ in range(2):
        rig.zxing.suspect = suspect
        assert _looks(rig, VAIN_LOOKS - 1) == [True] * (VAIN_LOOKS - 1)
        rig.zxing.suspect = None
        rig.zxing.answer = Reading((Code("found", SQUARE),))
        rig.step()


# --- a search that takes several frames ----------------------------------------------------------


def _beside_a_tile() -> Pixels:
    """Return a code beside a clearer square of as dense a texture, in which it's found later."""
    frame = HELD.copy()
    left, top = (int(at) for at in _locate(HELD).min(axis=0))
    blocks = np.random.default_rng(1).integers(0, 2, (40, 40)).astype(np.uint8) * 255
    tile = blocks.repeat(6, 0).repeat(6, 1)
    frame[top : top + 240, left - 300 : left - 60] = tile[..., np.newaxis]
    return frame


def test_a_search_goes_on_in_the_next_frames_and_its_end_is_told() -> None:
    rig = Rig(render_empty(1))
    looks = [rig.look() for _ in range(6)]
    assert [look.is_thorough for look in looks].count(True) == 1
    told = next(look for look in looks if look.is_thorough)
    assert told.views.search.candidates == ()


def test_what_is_found_in_an_earlier_frame_stirs_the_newest() -> None:
    rig = Rig(_beside_a_tile())
    shown = [rig.step()[0] for _ in range(4)]
    assert shown[:2] == [TAKEN[Part.FIRST], TAKEN[Part.GRID]]
    assert ALL in shown[2:]


def test_new_motion_ends_a_search() -> None:
    rig = Rig(_beside_a_tile())
    for _ in range(2):
        rig.step()
    rig.stream.begin()
    rig.frame = EMPTY
    turns = [Part.FIRST, Part.GRID, Part.SECOND, Part.FIRST]
    assert [rig.step() for _ in turns] == [(TAKEN[part], 0) for part in turns]


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
        seen = (decoded.texts, decoded.decoder, look.is_found, decoded.answers)
        assert seen == ((), None, False, ())
