"""Why a code can't be read: rendered frames and streams, each with one thing wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gated.clock import FakeClock
from gated.messages import CodeSeen, CodeUnread
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import load_decoders
from gated.scanner.picture import (
    Pixels,
    Unreadable,
    blur,
    darkest_channel,
    enlarge,
    read_picture,
)
from gated.scanner.process import ScannerLoop
from gated.scanner.search import Search
from gated.scanner.sighting import ScannerHealth, decode_sighting
from gated.scanner.unread import Unread, find_unread
from gated.simulation.screens import (
    HEIGHT_PX,
    WIDTH_PX,
    Hold,
    Shown,
    add_noise,
    render_empty,
    render_shown,
)
from gated.vocabulary import CodeColour, UnreadCause
from tests.frame_sources import ScriptedSource

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "qr"
TEXT = "GP1:" + "K7Q$ 9P60GO0Y906PC.W2" * 9  # as long as a pass
SEEDS = range(2)
HOLDS = {
    UnreadCause.TOO_SMALL: Hold(code_px=60, unsharp_px=0.9),
    UnreadCause.TOO_LARGE: Hold(code_px=1_000),
    UnreadCause.TOO_DARK: Hold(brightness=0.025),
    UnreadCause.GLARE: Hold(glare=0.6),
    UnreadCause.BLURRED: Hold(smear_px=26),
}


HOPELESS = {
    UnreadCause.TOO_DARK: Hold(brightness=0.15, veil_levels=60, smear_px=26, unsharp_px=3),
    UnreadCause.BLURRED: Hold(smear_px=26, unsharp_px=3.0),
}
"""Where the same code would be read, once several frames are joined."""


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return Cascade(load_decoders()[0])


def _shaken(frame: Pixels, number: int, seed: int) -> Iterator[Pixels]:
    """Yield exposures of ``frame`` in a hand that isn't quite still."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        by = tuple(int(n) for n in rng.integers(-3, 4, 2))
        yield add_noise(np.roll(frame, by, axis=(0, 1)), int(rng.integers(2**31)))


def _scan(cascade: Cascade, frames: Iterable[Pixels]) -> list[str]:
    """Return what the scanner told of ``frames``, ten of which are taken each second."""
    told: list[str] = []

    class Outbox:
        def send(self, payload: bytes) -> bool:
            sighting = decode_sighting(payload)
            if isinstance(sighting, CodeUnread):
                told.append(sighting.cause)
            elif isinstance(sighting, CodeSeen):
                told.append(sighting.text)
            else:
                assert isinstance(sighting, ScannerHealth)
            return True

    clock, script, stop = FakeClock(), list(frames), threading.Event()
    loop = ScannerLoop(ScriptedSource(clock, script), cascade, Outbox(), clock, hold_off_s=1.5)
    for _ in script:
        loop.step(stop)
    return told


def _find(frame: Pixels) -> tuple[Unread, ...]:
    return find_unread(Search(darkest_channel(frame)))


# --- one frame -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_paper", [False, True])
@pytest.mark.parametrize("cause", HOLDS)
def test_each_cause_is_told_from_the_others(cause: UnreadCause, is_paper: bool) -> None:
    for seed in SEEDS:
        found = _find(render_shown(Shown(TEXT, is_paper, HOLDS[cause]), seed))
        assert [code.cause for code in found] == [cause], seed


@pytest.mark.parametrize(
    ("hold", "cause"),
    [
        (Hold(code_px=76), UnreadCause.TOO_SMALL),
        (Hold(code_px=720), UnreadCause.TOO_LARGE),
        (Hold(code_px=1_400), UnreadCause.TOO_LARGE),
        (Hold(code_px=900, tilt_deg=20), UnreadCause.TOO_LARGE),
        (Hold(brightness=0.035, veil_levels=60), UnreadCause.TOO_DARK),
        (Hold(glare=0.5, unsharp_px=1.5), UnreadCause.GLARE),
        (Hold(unsharp_px=5), UnreadCause.BLURRED),
        (Hold(smear_px=24), UnreadCause.BLURRED),
    ],
)
def test_a_cause_is_told_near_and_far_and_in_every_light(hold: Hold, cause: UnreadCause) -> None:
    found = _find(render_shown(Shown(TEXT, hold=hold), 2))
    assert [code.cause for code in found] == [cause]


@pytest.mark.parametrize("colour", [CodeColour.GREEN, CodeColour.YELLOW, CodeColour.RED])
@pytest.mark.parametrize("cause", set(HOLDS) - {UnreadCause.TOO_DARK})
def test_the_colour_does_not_matter(cause: UnreadCause, colour: CodeColour) -> None:
    found = _find(render_shown(Shown(TEXT, hold=HOLDS[cause], colour=colour), 1))
    assert [code.cause for code in found] == [cause]


def test_it_is_told_where_the_code_is() -> None:
    frame = render_shown(Shown(TEXT, hold=Hold(unsharp_px=5)), 1)
    (code,) = _find(frame)
    (moved,) = _find(np.roll(frame, 80, axis=1))
    assert code.side_px == pytest.approx(330, rel=0.1)
    assert moved.x_px - code.x_px == pytest.approx(80, abs=10)
    assert not moved.is_at(code)
    assert Unread(None, code.x_px + 5, code.y_px, code.side_px).is_at(code)


def test_a_code_that_is_sharp_and_bright_and_whole_and_still_not_read_is_no_telling() -> None:
    frame = render_shown(Shown(TEXT, hold=Hold(tilt_deg=0)), 3)
    assert {code.cause for code in _find(frame)} <= {None}


# --- where there is none -------------------------------------------------------------------------


def _cloth(kind: str, pitch_px: int, turn: float) -> Pixels:
    """Return a shirt that fills the frame."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX].astype(np.float64)
    across = (x + turn * y) // pitch_px % 2
    down = (y - turn * x) // pitch_px % 2
    woven = {"stripes": across, "checks": np.abs(across - down), "gingham": (across + down) / 2}
    cloth = np.repeat((40 + 170 * woven[kind])[..., np.newaxis], 3, axis=2).astype(np.uint8)
    return add_noise(blur(cloth, 2.0), pitch_px)


def _poster(seed: int) -> Pixels:
    """Return a sheet of lines that are broken into words."""
    rng = np.random.default_rng(seed)
    frame = np.full((HEIGHT_PX, WIDTH_PX, 3), 90, np.uint8)
    height, letter = int(rng.integers(200, 600)), int(rng.integers(3, 12))
    sheet = np.full((height, height, 3), 235, np.uint8)
    for top in range(3 * letter, height - 3 * letter, 3 * letter):
        inked = rng.random(height // letter) < 0.6
        line = np.repeat(inked, letter)[: height - 6 * letter]
        sheet[top : top + letter, 3 * letter : 3 * letter + len(line)][:, line] = 40
    frame[60 : 60 + height, 300 : 300 + height] = sheet
    return add_noise(blur(frame, 1.0), seed)


@pytest.mark.parametrize("kind", ["stripes", "checks", "gingham"])
@pytest.mark.parametrize("pitch_px", [14, 25, 60])
def test_cloth_is_no_code(kind: str, pitch_px: int) -> None:
    assert [_find(_cloth(kind, pitch_px, turn)) for turn in (0.0, 0.15)] == [(), ()]


@pytest.mark.parametrize("seed", range(6))
def test_print_is_no_code(seed: int) -> None:
    assert _find(_poster(seed)) == ()


@pytest.mark.parametrize("seed", range(6))
def test_a_place_with_nobody_in_it_is_no_code(seed: int) -> None:
    assert _find(render_empty(seed)) == ()


def test_noise_alone_is_no_code() -> None:
    dust = np.random.default_rng(1).integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3)).astype(np.uint8)
    blocks = enlarge(dust[:45, :80], 16.0)
    assert _find(dust) == ()
    assert _find(blocks) == ()


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.webp")))
def test_the_golden_pictures_give_no_hint(name: str) -> None:
    picture = read_picture(GOLDEN / name)
    assert not isinstance(picture, Unreadable)
    assert {code.cause for code in _find(picture)} <= {None}


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1), (2, 300), (63, 2_000, 3), (90, 160, 3)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_frame_of_any_shape_can_be_looked_at(shape: tuple[int, ...], level: int) -> None:
    assert _find(np.full(shape, level, np.uint8)) == ()


# --- a stream ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", HOLDS)
def test_the_cause_is_told_once_and_then_the_mended_code_is_read(
    cascade: Cascade, cause: UnreadCause
) -> None:
    is_paper = cause in {UnreadCause.TOO_SMALL, UnreadCause.GLARE}
    wrong = render_shown(Shown(TEXT, is_paper, HOPELESS.get(cause, HOLDS[cause])), 1)
    mended = render_shown(Shown(TEXT, is_paper, Hold(tilt_deg=14)), 1)
    frames = [render_empty(1), *_shaken(wrong, 14, 1), *_shaken(mended, 6, 2)]
    assert _scan(cascade, frames) == [cause, TEXT]


@pytest.mark.parametrize(
    "shown",
    [
        *(Shown(TEXT, colour=colour) for colour in CodeColour if colour is not CodeColour.UNSURE),
        Shown(TEXT, is_paper=True),
        Shown(TEXT, hold=Hold(code_px=200, tilt_deg=20, unsharp_px=1.5)),
    ],
    ids=str,
)
def test_a_code_that_is_raised_and_read_and_lowered_gives_no_hint(
    cascade: Cascade, shown: Shown
) -> None:
    held = render_shown(shown, 2)
    on_its_way = [
        np.roll(render_shown(Shown(TEXT, hold=Hold(code_px=px, smear_px=20)), 2), down, axis=0)
        for px, down in ((60, 200), (120, 120), (200, 60))
    ]
    frames = [
        render_empty(2), *on_its_way, *_shaken(held, 6, 3), *on_its_way[::-1],
        *_shaken(render_empty(2), 4, 4),
    ]  # fmt: skip
    assert _scan(cascade, frames) == [TEXT]


def test_somebody_who_walks_about_gives_no_hint(cascade: Cascade) -> None:
    shirt, empty = _cloth("gingham", 25, 0.1), render_empty(3)
    frames = []
    for step in range(16):
        frame = empty.copy()
        frame[200:, 40 * step : 40 * step + 400] = shirt[200:, 400:800]
        frames.append(add_noise(frame, step))
    assert _scan(cascade, frames) == []
