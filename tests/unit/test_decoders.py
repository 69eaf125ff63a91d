from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.scanner.cascade import Cascade, Part
from gated.scanner.decoders import (
    Code,
    Decoder,
    Reading,
    ZbarDecoder,
    ZxingDecoder,
    load_decoders,
    undo_zbar_guess,
)
from gated.scanner.picture import Pixels, Unreadable, darkest_channel, read_picture, to_grey
from gated.simulation.screens import Hold, render_empty, render_phone
from gated.vocabulary import CodeColour

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "qr"
TEXTS: dict[str, list[str]] = json.loads((GOLDEN / "texts.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return Cascade(load_decoders()[0])


def _golden(name: str) -> Pixels:
    picture = read_picture(GOLDEN / name)
    assert not isinstance(picture, Unreadable)
    return picture


class CountingDecoder:
    """Reads what a function says, and keeps what it was shown."""

    def __init__(
        self, name: str, answer: Callable[[Pixels], Reading] = lambda _: Reading()
    ) -> None:
        self.name = name
        self._answer = answer
        self.shown: list[tuple[int, ...]] = []

    def read(self, view: Pixels) -> Reading:
        assert view.ndim == 2
        assert view.dtype == np.uint8
        self.shown.append(view.shape)
        return self._answer(view)


# --- the two families ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ZxingDecoder, ZbarDecoder])
@pytest.mark.parametrize("text", ["GP1:ABC", "立信小学 访客 7", "Grüße, größer", "HC1:6BF+70790"])
def test_each_family_reads_plain_chinese_and_german_texts(
    make: Callable[[], Decoder], text: str
) -> None:
    frame = render_phone(text, seed=3)
    assert make().read(darkest_channel(frame)).texts == (text,)


@pytest.mark.parametrize("make", [ZxingDecoder, ZbarDecoder])
def test_neither_family_sees_a_code_where_there_is_none(make: Callable[[], Decoder]) -> None:
    decoder = make()
    assert [decoder.read(to_grey(render_empty(seed))) for seed in range(3)] == [Reading()] * 3


@pytest.mark.parametrize("make", [ZxingDecoder, ZbarDecoder])
def test_a_picture_of_one_pixel_holds_no_code(make: Callable[[], Decoder]) -> None:
    assert make().read(np.zeros((1, 1), np.uint8)) == Reading()


def test_a_code_that_is_spoilt_is_told_from_no_code() -> None:
    frame = darkest_channel(render_phone("GP1:" + "ABCD" * 40, seed=3, hold=Hold(tilt_deg=0)))
    frame[280:430, 600:780] = 255  # more than the error correction can mend
    reading = ZxingDecoder().read(frame)
    assert reading.texts == ()
    assert reading.suspects
    assert reading.suspects[0].mean(axis=0) == pytest.approx((640, 360), abs=150)


@pytest.mark.parametrize(
    ("true_text", "guess"), [("測試", "big5"), ("日本", "shift_jis"), ("Grüße", "latin-1")]
)
def test_what_zbar_took_for_another_encoding_is_undone(true_text: str, guess: str) -> None:
    mangled = true_text.encode().decode(guess)
    assert mangled != true_text
    assert undo_zbar_guess(mangled.encode()) == true_text


def test_a_text_that_zbar_got_right_is_left_alone() -> None:
    for text in ("ﾃﾞｻﾞｲﾝQR", "测试", "plain", "Grüße"):
        assert undo_zbar_guess(text.encode()) == text


@given(st.binary(max_size=100))
def test_whatever_zbar_returns_is_text_or_nothing(data: bytes) -> None:
    text = undo_zbar_guess(data)
    assert text == "" or text.encode()


# --- the cascade ---------------------------------------------------------------------------------

FOUND = Code("found", np.zeros((4, 2), np.float32))
AMPLE_MS = 60_000.0
"""For tests that count steps: a slow machine takes as many as a fast one."""


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_the_cascade_reads_the_golden_pictures(cascade: Cascade, name: str) -> None:
    decoded = cascade.decode_picture(_golden(name))
    assert sorted(decoded.texts) == sorted(TEXTS[name])
    assert (decoded.decoder is None) is (TEXTS[name] == [])
    assert decoded.cpu_ms > 0


@pytest.mark.parametrize("colour", [CodeColour.GREEN, CodeColour.YELLOW, CodeColour.RED])
def test_the_first_steps_alone_read_every_colour(cascade: Cascade, colour: CodeColour) -> None:
    for seed in range(4):
        look = cascade.begin(render_phone("GP1:COLOURED", colour, seed))
        look.take(Part.FIRST)
        assert look.result().texts == ("GP1:COLOURED",)


def test_without_zxing_the_cascade_reads_with_zbar_alone() -> None:
    decoded = Cascade([ZbarDecoder()]).decode_picture(_golden("phone-green.webp"))
    assert decoded.texts == tuple(TEXTS["phone-green.webp"])
    assert decoded.decoder == "pyzbar"


def test_the_second_family_looks_at_what_the_first_could_not_read() -> None:
    zxing = CountingDecoder("zxing")
    zbar = CountingDecoder("pyzbar", lambda _: Reading((FOUND,)))
    decoded = Cascade([zxing, zbar], max_cpu_ms=AMPLE_MS).decode_picture(render_empty(1))
    assert (decoded.texts, decoded.decoder) == (("found",), "pyzbar")
    assert zxing.shown == [(360, 640), (720, 1280), (720, 1280), (360, 640)]
    assert zbar.shown == [(360, 640)]


def test_what_a_decoder_suspects_is_a_code_only_if_it_looks_like_one_where_it_is() -> None:
    phone = render_phone("GP1:" + "K7Q9" * 8, seed=1)
    (code,) = ZxingDecoder().read(darkest_channel(phone)).codes
    for picture, is_code in ((phone, True), (render_empty(1), False)):
        zxing = CountingDecoder("zxing", lambda _: Reading(suspects=(code.corners,)))
        look = Cascade([zxing], max_cpu_ms=AMPLE_MS).begin(picture)
        look.check_suspicion()
        assert not look.is_found
        look.take(Part.FIRST)
        look.check_suspicion()
        assert look.is_found is is_code


def test_a_part_is_taken_once() -> None:
    zxing = CountingDecoder("zxing")
    look = Cascade([zxing], max_cpu_ms=AMPLE_MS).begin(render_empty(1))
    look.take(Part.SECOND)
    look.take(Part.SECOND)
    assert len(zxing.shown) == 2


def test_a_small_grey_picture_is_not_looked_at_twice_in_the_same_view() -> None:
    zxing = CountingDecoder("zxing")
    Cascade([zxing]).decode_picture(np.zeros((40, 60), np.uint8))
    assert zxing.shown == [(40, 60), (40, 60)]  # as it is, and sharpened


def test_no_step_begins_once_the_time_is_spent() -> None:
    zxing = CountingDecoder("zxing")
    decoded = Cascade([zxing], max_cpu_ms=0.0).decode_picture(render_empty(1))
    assert decoded.texts == ()
    assert len(zxing.shown) <= 1


def test_a_code_without_text_is_counted_once() -> None:
    zxing = CountingDecoder("zxing", lambda _: Reading(unreadable=1))
    assert Cascade([zxing]).decode_picture(render_empty(1)).unreadable == 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5_000, 3), (5_000, 2, 3), (2, 2)])
def test_a_picture_of_any_shape_can_be_decoded(cascade: Cascade, shape: tuple[int, ...]) -> None:
    assert cascade.decode_picture(np.full(shape, 200, np.uint8)).texts == ()


# --- what a machine may lack ---------------------------------------------------------------------


def _without(modules: list[str], program: str) -> subprocess.CompletedProcess[str]:
    """Run ``program`` in an interpreter that can't import ``modules``."""
    block = f"import sys; sys.modules.update(dict.fromkeys({modules!r})); "
    return subprocess.run(
        [sys.executable, "-c", block + program], capture_output=True, text=True, check=False
    )


def test_without_zxing_the_machine_still_has_a_decoder_and_says_what_is_missing() -> None:
    answer = _without(
        ["zxingcpp"],
        "from gated.scanner.decoders import load_decoders as load; found, missing = load(); "
        "print([each.name for each in found], len(missing), 'zxing-cpp' in missing[0])",
    )
    assert answer.stdout.strip() == "['pyzbar'] 1 True"


def test_without_libzbar_the_machine_still_has_a_decoder_and_says_what_to_install() -> None:
    answer = _without(
        ["pyzbar"],
        "from gated.scanner.decoders import load_decoders as load; found, missing = load(); "
        "print([each.name for each in found], len(missing), 'libzbar0' in missing[0])",
    )
    assert answer.stdout.strip() == "['zxing'] 1 True"


@pytest.mark.parametrize(
    ("modules", "said"), [(["pyzbar", "zxingcpp"], "no QR decoder"), (["cv2"], "opencv-python")]
)
def test_a_machine_that_cannot_scan_says_what_is_missing_in_one_line(
    modules: list[str], said: str
) -> None:
    answer = _without(
        modules,
        f"from gated.cli import main; sys.exit(main(['scan', {str(GOLDEN)!r}]))",
    )
    assert answer.returncode == 69
    assert said in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
