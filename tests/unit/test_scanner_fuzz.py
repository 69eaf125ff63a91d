"""Whatever a camera delivers and whoever draws the codes: the scanner answers, and never raises."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable

import numpy as np
import pytest
import segno
import zxingcpp
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gated.clock import FakeClock
from gated.errors import DeviceLost, WireError
from gated.messages import MAX_CODE_CHARACTERS, CodeSeen
from gated.scanner.cascade import MAX_CPU_MS, Cascade
from gated.scanner.colour import read_colour
from gated.scanner.decoders import Code, Reading, ZbarDecoder, load_decoders
from gated.scanner.frames import Frame
from gated.scanner.grid import known_modules, place_grid
from gated.scanner.joining import MAX_CODES, Joiner
from gated.scanner.motion import MotionGate, StuckWatch, sample_frame
from gated.scanner.picture import Pixels, Unreadable, encode_picture, parse_picture
from gated.scanner.process import ScannerLoop
from gated.scanner.search import Search
from gated.scanner.sighting import (
    CameraState,
    ScannerHealth,
    decode_sighting,
    encode_sighting,
    is_acceptable,
)
from gated.scanner.stream import Stream
from gated.scanner.unread import find_unread
from gated.simulation.screens import render_phone
from gated.units import MonoSeconds
from gated.vocabulary import CodeColour
from tests.frame_sources import ScriptedSource, noisy
from tests.scanner_outbox import Outbox

CASCADE = Cascade(load_decoders()[0])
QUICK = settings(max_examples=50)
FORMATS = (".png", ".jpg", ".webp", ".bmp")
RANDOM_CODES = 300
MODULE_PX = 4
QUIET_MODULES = 4
LAST_STEP_MS = 600.0
"""A step that has begun is finished; 270 ms is the longest on a machine of today."""


# --- arrays ---------------------------------------------------------------------------------------


def _fill(kind: str, shape: tuple[int, ...], seed: int) -> Pixels:
    rng = np.random.default_rng(seed)
    if kind == "even":
        return np.full(shape, rng.integers(0, 256), np.uint8)
    if kind == "noise":
        return rng.integers(0, 256, shape, np.uint8)
    if kind == "squares":  # as dense as a code
        side = int(rng.integers(1, 9))
        cells = (-(-shape[0] // side), -(-shape[1] // side))
        coarse = rng.integers(0, 2, cells, np.uint8) * np.uint8(255)
        fine = coarse.repeat(side, axis=0).repeat(side, axis=1)[: shape[0], : shape[1]]
        return np.ascontiguousarray(np.broadcast_to(fine.T, shape[::-1]).T)
    return rng.integers(0, 2, shape, np.uint8) * np.uint8(255)


@st.composite
def pictures(draw: st.DrawFn, *, least: int = 0) -> Pixels:
    """Pictures of any shape: grey and colour, nothing at all, one line of thousands of pixels."""
    short, long = st.integers(least, 40), st.sampled_from([64, 127, 300, 1281, 5_000])
    sides = draw(st.tuples(short, short) | st.tuples(short, long) | st.tuples(long, short))
    if draw(st.booleans()):
        sides = draw(st.sampled_from([(127, 128), (240, 320), (90, 1_300), (700, 65)]))
    shape = (*sides, 3) if draw(st.booleans()) else sides
    kind = draw(st.sampled_from(["even", "noise", "squares", "pixels"]))
    return _fill(kind, shape, draw(st.integers(0, 2**32 - 1)))


@QUICK
@given(pixels=pictures(least=1), other=pictures(least=1))
def test_any_two_frames_can_be_compared(pixels: Pixels, other: Pixels) -> None:
    gate, watch = MotionGate(), StuckWatch()
    for number, frame in enumerate((pixels, pixels, other, pixels)):
        sample = sample_frame(frame)
        assert max(sample.shape) <= 160
        gate.judge(sample, MonoSeconds(float(number)))
        assert not watch.is_stuck(sample, MonoSeconds(float(number)))


@QUICK
@given(pixels=pictures(least=1))
def test_any_picture_can_be_searched_and_holds_no_code(pixels: Pixels) -> None:
    decoded = CASCADE.decode_picture(pixels)
    assert decoded.texts == ()
    stream = Stream(CASCADE)
    for number in range(6):
        decoded, look = stream.decode(pixels, MonoSeconds(0.1 * number))
        assert decoded.texts == ()
        if look.is_thorough:
            find_unread(look.views.search)


@QUICK
@given(pixels=pictures(least=1), data=st.data())
def test_suspects_may_be_anywhere_and_of_any_form(pixels: Pixels, data: st.DataObject) -> None:
    grey = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., 1])
    search = Search(grey, grey)
    for grid in search.find_grids([data.draw(corners())]):
        for levels in search.read_grid(grid):
            assert levels.shape == (grid.modules, grid.modules)
            assert CASCADE.decode_modules(levels) == ()


@st.composite
def corners(draw: st.DrawFn) -> NDArray[np.float32]:
    """Four points: in view, far outside, all at one place, on one line."""
    reach = draw(st.sampled_from([0.0, 1.0, 50.0, 400.0, 1e5]))
    point = st.floats(-reach, reach, width=32)
    return np.array(draw(st.lists(point, min_size=8, max_size=8)), np.float32).reshape(4, 2)


@QUICK
@given(pixels=pictures(least=1), at=corners())
@example(np.full((90, 90, 3), 255, np.uint8), np.full((4, 2), np.nan, np.float32))
@example(np.full((90, 90, 3), 255, np.uint8), np.full((4, 2), np.inf, np.float32))
@example(
    np.zeros((90, 90, 3), np.uint8), np.array([[9, 9], [80, 9], [80, 80], [9, 80]], np.float32)
)
def test_any_corners_have_a_colour_or_none(pixels: Pixels, at: NDArray[np.float32]) -> None:
    reading = read_colour(pixels, at)
    assert 0.0 <= reading.confidence <= 1.0
    assert reading.colour in set(CodeColour)


def _finders(module_px: int) -> Pixels:
    """Return a frame full of finder patterns: what keeps a decoder busiest."""
    finder = np.full((9, 9), 255, np.uint8)
    finder[1:8, 1:8], finder[2:7, 2:7], finder[3:6, 3:6] = 0, 255, 0
    tile = finder.repeat(module_px, 0).repeat(module_px, 1)
    return np.tile(tile, (720 // len(tile) + 1, 1280 // len(tile) + 1))[:720, :1280].copy()


@pytest.mark.parametrize(
    "make",
    [
        lambda: _finders(1),
        lambda: _finders(2),
        lambda: _finders(4),
        lambda: _fill("noise", (720, 1280, 3), 1),
        lambda: _fill("squares", (720, 1280), 1),
        lambda: _fill("noise", (5_000, 8_000), 1),
    ],
)
def test_the_worst_frame_costs_little_more_than_it_may(make: Callable[[], Pixels]) -> None:
    decoded = CASCADE.decode_picture(make())
    assert decoded.texts == ()
    assert decoded.cpu_ms < MAX_CPU_MS + LAST_STEP_MS


# --- modules --------------------------------------------------------------------------------------


def test_random_modules_are_never_a_text() -> None:
    rng = np.random.default_rng(1)
    for number in range(RANDOM_CODES):
        modules = 21 + 4 * int(rng.integers(0, 40))
        levels = rng.normal(0, 1, (modules, modules)).astype(np.float32)
        if number % 3 == 0:
            levels = np.sign(levels)
        assert CASCADE.decode_modules(levels) == (), modules


@pytest.mark.parametrize("level", [0.0, np.nan, np.inf, -np.inf, 1e30])
def test_modules_without_sense_are_no_text(level: float) -> None:
    assert CASCADE.decode_modules(np.full((45, 45), level, np.float32)) == ()


@QUICK
@given(
    widths=st.lists(st.sampled_from([21, 25, 177]), min_size=1, max_size=12),
    level=st.sampled_from([0.0, 1.0, -1e30, np.inf, np.nan, None]),
    seed=st.integers(0, 99),
)
def test_answers_of_any_codes_are_joined_and_bounded(
    widths: list[int], level: float | None, seed: int
) -> None:
    joiner, rng = Joiner(), np.random.default_rng(seed)
    for number, width in enumerate(widths):
        drawn = (
            rng.normal(0, 1, (width, width)) if level is None else np.full((width, width), level)
        )
        joined = joiner.add(drawn.astype(np.float32), 0.5, MonoSeconds(0.1 * number))
        assert joined is None or joined.shape == (width, width)
        assert len(joiner._sums) <= MAX_CODES + 1


@QUICK
@given(
    finders=st.lists(st.floats(-50, 300), min_size=6, max_size=6),
    module_px=st.floats(1.0, 20.0),
    seed=st.integers(0, 99),
)
def test_a_grid_is_placed_from_any_finders_or_not_at_all(
    finders: list[float], module_px: float, seed: int
) -> None:
    levels = np.random.default_rng(seed).random((120, 120), np.float32)
    placed = place_grid(levels, np.array(finders).reshape(3, 2), module_px)
    assert placed is None or placed[2] <= 1.0


def test_every_width_of_a_code_has_known_modules() -> None:
    for modules in range(21, 178, 4):
        assert set(np.unique(known_modules(modules))) == {-1, 0, 1}


# --- the loop -------------------------------------------------------------------------------------


class Gate:
    """The real loop with the real decoders, and what leaves it."""

    def __init__(
        self, frames: list[Pixels | DeviceLost | None], cascade: Cascade = CASCADE
    ) -> None:
        self.clock = FakeClock()
        self.source = ScriptedSource(self.clock, frames)
        self.outbox = Outbox()
        self.payloads: list[bytes] = []
        self.loop = ScannerLoop(self.source, cascade, self, self.clock, hold_off_s=3.0)
        self._stop = threading.Event()
        self._stop.set()  # the loop's own pauses take no real time
        for _ in frames:
            self.loop.step(self._stop)

    def send(self, payload: bytes) -> bool:
        self.payloads.append(payload)
        return self.outbox.send(payload)  # which decodes it


@settings(max_examples=25)
@given(frames=st.lists(pictures() | st.none(), min_size=1, max_size=8))
def test_the_loop_goes_on_whatever_frames_come(frames: list[Pixels | None]) -> None:
    gate = Gate([*frames, *[noisy(seed) for seed in range(3)]])
    assert gate.outbox.healths
    assert gate.outbox.codes == []
    assert gate.loop._health(gate.clock.monotonic_s()).state is CameraState.OK


def test_a_camera_that_delivers_nothing_but_frames_of_no_size_is_said_to() -> None:
    gate = Gate([np.zeros((0, 0, 3), np.uint8)] * 60)
    last = gate.outbox.healths[-1]
    assert last.state is CameraState.NO_FRAMES
    assert last.reason


# --- codes ----------------------------------------------------------------------------------------


def _draw(code: segno.QRCode) -> Pixels:
    dark = np.array([list(row) for row in code.matrix], np.uint8)
    grid = np.pad(dark, QUIET_MODULES).repeat(MODULE_PX, 0).repeat(MODULE_PX, 1)
    return np.where(grid > 0, 0, 255).astype(np.uint8)


def _of(content: str | bytes, **how: object) -> Callable[[], Pixels]:
    return lambda: _draw(segno.make_qr(content, error="l", boost_error=False, **how))  # type: ignore[arg-type]  # as given


def _gs1() -> Pixels:
    code = zxingcpp.create_barcode(
        "(01)04012345123456(21)AB", zxingcpp.BarcodeFormat.QRCode, gs1=True
    )
    return np.asarray(zxingcpp.write_barcode_to_image(code, scale=MODULE_PX))


def _part_of_sequence(number: int) -> Callable[[], Pixels]:
    return lambda: _draw(segno.make_sequence("GP1:" + "SEQ" * 30, symbol_count=3)[number])


def _exposures(drawn: Pixels, number: int = 4) -> list[Pixels | DeviceLost | None]:
    rng = np.random.default_rng(1)
    room = np.minimum(drawn, 248)
    return [room + rng.integers(0, 8, drawn.shape, np.uint8) for _ in range(number)]


HOSTILE = {
    "invalid UTF-8": (_of(b"GP1:\xff\xfe\x80\xc3("), None),
    "UTF-8 of a lone surrogate": (_of(b"GP1:\xed\xa0\x80xxx"), None),
    "overlong UTF-8": (_of(b"GP1:\xc0\xafxxxx"), None),
    "an escape sequence": (_of("GP1:\x1b[2J\x07xx"), ""),
    "a NUL": (_of("GP1:before\0after"), ""),
    "nothing but NULs": (_of("\0" * 12), ""),
    "lines": (_of("GP1:ONE\r\nGP1:TWO"), ""),
    "a next line of latin-1": (_of(b"GP1:\x85xxxxxx"), None),
    "direction marks": (_of("GP1:\u202eabc\u2066\u200b\ufeff"), "GP1:\u202eabc\u2066\u200b\ufeff"),
    "a declared encoding": (
        _of("GP1:Grüße an 立信", eci=True, encoding="utf-8"),
        "GP1:Grüße an 立信",
    ),
    "kanji": (_of("点茗点茗点茗点茗", mode="kanji"), "点茗点茗点茗点茗"),
    "the longest text": (_of("A" * 4_296), "A" * 4_296),
    "longer than a text may be": (_of("3" * 7_089), ""),
    "bytes": (_of(bytes(range(256)) * 11), ""),
    "GS1": (_gs1, None),
    "the first of three": (_part_of_sequence(0), None),
    "the last of three": (_part_of_sequence(2), None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_leaves_the_scanner_is_a_text_of_a_code_or_none_at_all(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, text = HOSTILE[name]
    caplog.set_level(logging.DEBUG)
    gate = Gate(_exposures(make()))
    (seen,) = gate.outbox.codes
    assert not seen.is_ambiguous
    assert text in (seen.text, None)
    assert seen.text == "" or is_acceptable(seen.text)
    assert all(len(json.loads(p).get("text", "")) <= MAX_CODE_CHARACTERS for p in gate.payloads)
    assert "GP1" not in caplog.text
    assert (seen.text == "") == (gate.loop._presentations.unreadable == 1)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_second_family_alone_copes_with_such_codes_too(name: str) -> None:
    make, _ = HOSTILE[name]
    gate = Gate(_exposures(make()), Cascade([ZbarDecoder()]))
    assert gate.outbox.healths
    assert all(seen.text == "" or is_acceptable(seen.text) for seen in gate.outbox.codes)


@settings(max_examples=200)
@given(
    texts=st.lists(
        st.text(st.characters(), max_size=40) | st.just("A" * 4_297) | st.just("\ud800" * 9),
        max_size=3,
    ),
    unreadable=st.integers(0, 2),
)
def test_whatever_a_decoder_reads_leaves_as_a_sighting_or_stays(
    texts: list[str], unreadable: int
) -> None:
    class Says:
        name = "zxing"

        def read(self, view: Pixels) -> Reading:
            nowhere = np.full((4, 2), np.nan, np.float32)
            return Reading(tuple(Code(text, nowhere) for text in texts), unreadable)

    gate = Gate([noisy(seed) for seed in range(4)], Cascade([Says()]))
    assert all(decode_sighting(payload) for payload in gate.payloads)
    assert all(seen.text in {*texts, ""} for seen in gate.outbox.codes)


@settings(max_examples=300)
@given(data=st.data())
def test_a_changed_datagram_is_refused_or_says_what_can_be_said(data: st.DataObject) -> None:
    seen = CodeSeen("GP1:立信", "zxing", CodeColour.GREEN, "0123456789abcdef")
    health = ScannerHealth(7, 100, CameraState.SAME_FRAME, "the camera repeats one frame")
    payload = bytearray(
        data.draw(st.sampled_from([encode_sighting(seen), encode_sighting(health)]))
    )
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    payload = payload[: data.draw(st.integers(0, len(payload)))] + data.draw(st.binary(max_size=3))
    try:
        sighting = decode_sighting(bytes(payload))
    except WireError:
        return
    assert encode_sighting(sighting) == payload


# --- files ----------------------------------------------------------------------------------------

FILES = {
    suffix: encode_picture(render_phone("GP1:FILE", seed=1)[::4, ::4], suffix) for suffix in FORMATS
}


@settings(max_examples=150)
@given(suffix=st.sampled_from(FORMATS), data=st.data())
def test_a_damaged_file_is_a_frame_for_the_loop_or_a_reason(
    suffix: str, data: st.DataObject
) -> None:
    content = bytearray(FILES[suffix])
    for _ in range(data.draw(st.integers(0, 4))):
        # Headers are short: most hits belong there.
        at = data.draw(st.integers(0, 60) | st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    picture = parse_picture(bytes(content[: data.draw(st.integers(0, len(content)))]))
    if isinstance(picture, Unreadable):
        assert picture.reason
        assert "\n" not in picture.reason
    else:
        frame = Frame(picture, 1, MonoSeconds(0.0))
        assert frame.pixels.ndim == 3
        assert frame.pixels.size > 0
