from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gated.errors import WireError
from gated.messages import MAX_CODE_CHARACTERS, CodeSeen
from gated.scanner.sighting import (
    CameraState,
    ScannerHealth,
    decode_sighting,
    encode_sighting,
    is_acceptable,
)
from gated.vocabulary import CodeColour

SEEN = CodeSeen("GP1:甲", "zxing", CodeColour.NONE, "0123456789abcdef")
HEALTH = ScannerHealth(frames=12, last_frame_age_ms=40, state=CameraState.OK)

texts = st.text(
    st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=MAX_CODE_CHARACTERS
)


@given(texts, st.sampled_from(CodeColour))
def test_every_acceptable_code_arrives_as_it_was_sent(text: str, colour: CodeColour) -> None:
    seen = CodeSeen(text, "pyzbar", colour, "a1")
    assert decode_sighting(encode_sighting(seen)) == seen


@given(st.integers(0, 2**63 - 1), st.none() | st.integers(0, 2**40), st.sampled_from(CameraState))
def test_every_health_arrives_as_it_was_sent(
    frames: int, age_ms: int | None, state: CameraState
) -> None:
    health = ScannerHealth(frames, age_ms, state, "no camera at /dev/video0", 3)
    assert decode_sighting(encode_sighting(health)) == health


def test_an_ambiguous_sighting_carries_no_text() -> None:
    seen = CodeSeen("", "zxing", CodeColour.NONE, "a1", is_ambiguous=True)
    assert decode_sighting(encode_sighting(seen)) == seen
    with pytest.raises(WireError):
        decode_sighting(
            encode_sighting(CodeSeen("x", "zxing", CodeColour.NONE, "a", is_ambiguous=True))
        )


@given(st.binary(max_size=300))
@example(b"[]")
@example(b"null")
@example(b'{"kind":"code"}')
@example(b'{"kind":["code"]}')
@example(b"\xff")
@example(b"[" * 100_000)
def test_any_bytes_give_a_sighting_or_a_wire_error(payload: bytes) -> None:
    try:
        sighting = decode_sighting(payload)
    except WireError:
        return
    assert encode_sighting(sighting) == payload


def _changed(sighting: CodeSeen | ScannerHealth, **changes: object) -> bytes:
    fields = json.loads(encode_sighting(sighting))
    fields.update(changes)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


@pytest.mark.parametrize(
    "payload",
    [
        _changed(SEEN, text="a\nb"),
        _changed(SEEN, text="a\0b"),
        _changed(SEEN, text="\x1b[2J"),
        _changed(SEEN, text="\x85"),
        _changed(SEEN, text="x" * (MAX_CODE_CHARACTERS + 1)),
        _changed(SEEN, text=None),
        _changed(SEEN, text=["GP1"]),
        _changed(SEEN, colour="mauve"),
        _changed(SEEN, colour=[]),
        _changed(SEEN, decoder="Ze Decoder"),
        _changed(SEEN, presentation=""),
        _changed(SEEN, presentation="x" * 33),
        _changed(SEEN, is_ambiguous=0),
        _changed(SEEN, extra=1),
        _changed(HEALTH, frames=-1),
        _changed(HEALTH, frames=True),
        _changed(HEALTH, frames=1.0),
        _changed(HEALTH, frames=2**63),
        _changed(HEALTH, state="fine"),
        _changed(HEALTH, state={}),
        _changed(HEALTH, reason="x" * 401),
        _changed(HEALTH, reason="a\nb"),
        _changed(HEALTH, reason=None),
        _changed(HEALTH, kind="healthy"),
        encode_sighting(HEALTH) + b" ",
        encode_sighting(HEALTH).replace(b"12", b"1" * 5_000),
        encode_sighting(HEALTH).replace(b'"frames":12', b'"frames":9,"frames":12'),
        _changed(SEEN, text="").replace(b'"text":""', b'"text":"\\ud800"'),
        encode_sighting(HEALTH).replace(b"12", b"NaN"),
    ],
)
def test_what_is_odd_in_any_way_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        decode_sighting(payload)


def test_a_refusal_never_quotes_the_text() -> None:
    with pytest.raises(WireError) as caught:
        decode_sighting(_changed(SEEN, text="SECRET\n"))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("HC1:6BF", True),
        ("测试 ﾃﾞｻﾞ 🎫", True),
        (" ", True),
        ("x" * MAX_CODE_CHARACTERS, True),
        ("x" * (MAX_CODE_CHARACTERS + 1), False),
        ("", False),
        ("a\tb", False),
        ("a\x7f", False),
        ("a\x9f", False),
        ("a\ud800", False),
        ("a\0", False),
    ],
)
def test_only_a_line_of_text_may_leave_the_scanner(text: str, is_one: bool) -> None:
    assert is_acceptable(text) is is_one


def test_the_controller_gets_neither_numpy_nor_opencv_with_it() -> None:
    program = (
        "import sys, gated.scanner.sighting; "
        "print(sorted({'numpy', 'cv2', 'pyzbar', 'zxingcpp'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_a_code_whose_contents_cannot_be_passed_on_is_a_sighting_without_text() -> None:
    sighting = replace(SEEN, text="")
    assert decode_sighting(encode_sighting(sighting)) == sighting
