"""Codes cut by their length: frames of the GM65 family, lies about lengths, answers in between."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.scanner.serial_codes import QUIET_S, SerialCodes
from gated.scanner.serial_lengths import CODE_HEAD_BYTES, Answer, Lengths, crc
from gated.scanner.serial_lines import MAX_CODE_BYTES
from gated.units import MonoSeconds

START = MonoSeconds(100.0)
RECORDED = bytes.fromhex("03 00 0A 30 33 32 31 35 36 33 38 34 30")  # Tasmota's driver of the GM861
DONE = bytes.fromhex("02 00 00 01 00 33 31")  # GM65 user manual, §8.3
SIGN_OF_LIFE = bytes.fromhex("03 00 00 01 00 33 31")  # Tasmota
PIECES = st.lists(st.tuples(st.binary(max_size=300), st.floats(0, 0.5)), max_size=40)


def frame(text: str, *, start: bytes = b"\x03", length: int | None = None) -> bytes:
    data = text.encode()
    return start + (len(data) if length is None else length).to_bytes(2, "big") + data


class Stream:
    """A stream of codes with a clock that moves for pauses only."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.framing = Lengths(self.answers.append)
        self.codes = SerialCodes(self.framing)
        self.now = START

    def feed(self, *pieces: bytes) -> list[str]:
        return [text for piece in pieces for text in self.codes.feed(piece, self.now)]

    def pause(self) -> list[str]:
        self.now = MonoSeconds(self.now + QUIET_S)
        return self.codes.feed(b"", self.now)


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.mark.parametrize(
    ("content", "check"),
    [
        # GM65 user manual, §8.2-8.4: a read, its answer, a write, its answer, a save
        ("07 01 00 0A 01", "EE 8A"),
        ("00 01 3E", "E4 AC"),
        ("08 01 00 0A 3E", "4C CF"),
        ("00 01 00", "33 31"),
        ("09 01 00 00 00", "DE C8"),
        # Tasmota's driver of the GM861: two bytes read
        ("00 02 39 01", "C1 4C"),
    ],
)
def test_the_check_is_the_manuals(content: str, check: str) -> None:
    assert crc(bytes.fromhex(content)) == bytes.fromhex(check)


def test_a_recorded_code_is_read(stream: Stream) -> None:
    assert stream.feed(RECORDED) == ["0321563840"]
    assert not stream.codes.is_waiting()


@pytest.mark.parametrize("start", [b"\x03", b"\x04"])
@pytest.mark.parametrize("tail", [b"", b"\r", b"\r\n", b"\t", b"\x00"])
def test_codes_may_begin_with_03_or_04_and_have_a_tail(
    start: bytes, tail: bytes, stream: Stream
) -> None:
    codes = [frame(text, start=start) + tail for text in ("GP1:A", "立信 2")]
    assert stream.feed(*codes) == ["GP1:A", "立信 2"]
    assert not stream.codes.is_waiting()


def test_line_ends_and_starts_inside_a_code_are_its_own(stream: Stream) -> None:
    text = "A\r\nB\x03\x00\x01C\x7e\x00D"
    assert stream.feed(frame(text)) == [text]


def test_a_text_that_looks_like_an_answer_is_none(stream: Stream) -> None:
    assert stream.feed(frame(f"GP1:{DONE.decode()}")) == [f"GP1:{DONE.decode()}"]
    stream.feed(frame(DONE.decode()), frame(DONE.decode() + "GP1:A"))
    assert stream.answers == []


def test_answers_are_no_codes_and_keep_their_order_with_them(stream: Stream) -> None:
    data = DONE + RECORDED + bytes.fromhex("02 00 00 01 3E E4 AC") + frame("GP1:A")
    assert stream.feed(*(bytes([byte]) for byte in data)) == ["0321563840", "GP1:A"]
    assert stream.answers == [Answer(0, b"\x00"), Answer(0, b"\x3e")]


def test_an_answer_of_256_bytes_says_that_it_has_0(stream: Stream) -> None:
    content = b"\x00\x00" + bytes(range(256))
    assert stream.feed(b"\x02\x00" + content + crc(content)) == []
    assert stream.answers == [Answer(0, bytes(range(256)))]


def test_an_answer_with_a_wrong_check_is_none(stream: Stream) -> None:
    assert stream.feed(DONE[:-1] + b"\x32", frame("GP1:A")) == ["GP1:A"]
    assert stream.answers == []


@pytest.mark.parametrize(
    "noise", [SIGN_OF_LIFE, b"\x00\x00", b"\x02", b"\x02\x00\x00", b"\x1b\x07"]
)
def test_what_is_no_code_tells_nothing_and_a_pause_ends_it(noise: bytes, stream: Stream) -> None:
    assert stream.feed(noise) == []
    assert stream.pause() == []
    assert stream.feed(frame("GP1:A")) == ["GP1:A"]


@pytest.mark.parametrize(
    "lie",
    [
        frame("GP1:A", length=6),  # a bit more than comes
        frame("GP1:A", length=MAX_CODE_BYTES),
        frame("GP1:A", length=MAX_CODE_BYTES + 1),
        frame("GP1:A", length=0xFFFF),
        frame("GP1:A", length=0),
        b"\x03",
        b"\x04\x00",
        b"GP1:A\r",  # a scanner that is not set to lengths
        b"\xff",
    ],
)
def test_a_lie_about_a_length_costs_one_code_and_a_pause_ends_it(
    lie: bytes, stream: Stream
) -> None:
    assert stream.feed(lie) + stream.pause() == [""]
    assert not stream.codes.is_waiting()
    assert stream.feed(frame("GP1:B")) == ["GP1:B"]


def test_after_a_mess_nothing_is_believed_before_a_pause(stream: Stream) -> None:
    assert stream.feed(b"mess" + frame("GP1:A"), frame("GP1:B"), DONE) == [""]
    assert stream.answers == []
    stream.pause()
    assert stream.feed(frame("GP1:C")) == ["GP1:C"]


def test_a_code_that_is_said_to_be_too_long_is_told_at_once_and_never_held(stream: Stream) -> None:
    texts = stream.feed(b"\x03\xff\xff")
    for _ in range(100):  # slowly enough to be no flood, and never a pause
        stream.now = MonoSeconds(stream.now + 1.0)
        texts += stream.feed(b"x" * 1_000)
        assert len(stream.framing._frame) <= CODE_HEAD_BYTES + MAX_CODE_BYTES
    assert texts == [""]


def test_a_length_that_is_too_small_gives_a_stump_that_nobody_has_signed(stream: Stream) -> None:
    assert stream.feed(frame("GP1:ABC", length=5)) == ["GP1:A", ""]
    assert stream.pause() == []
    assert stream.feed(frame("GP1:B")) == ["GP1:B"]


def test_what_was_begun_is_forgotten_with_the_device(stream: Stream) -> None:
    stream.feed(frame("GP1:A")[:-1])
    stream.codes.reset()
    assert stream.feed(frame("GP1:B")) == ["GP1:B"]
    stream.feed(b"mess")
    stream.codes.reset()
    assert stream.feed(frame("GP1:C")) == ["GP1:C"]


def test_the_longest_code_there_can_be_is_read(stream: Stream) -> None:
    longest = frame("9" * MAX_CODE_BYTES)
    pieces = [longest[at : at + 4_096] for at in range(0, len(longest), 4_096)]
    assert stream.feed(*pieces) == ["9" * MAX_CODE_BYTES]


@given(
    texts=st.lists(st.text(min_size=1, max_size=40), max_size=8),
    cuts=st.randoms(use_true_random=False),
)
def test_however_the_bytes_arrive_the_codes_are_the_same(
    texts: list[str], cuts: random.Random
) -> None:
    whole, pieced = Stream(), Stream()
    data = b"".join(frame(f"GP1:{text}!") + cuts.choice([b"", DONE]) for text in texts)
    got, for_whole = list[str](), whole.feed(data)
    while data:
        size = cuts.randint(1, len(data))
        got += pieced.feed(data[:size])
        data = data[size:]
    assert got == for_whole == [f"GP1:{text}!" for text in texts]
    assert pieced.answers == whole.answers


FRAME_LIKE = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda start, rest: start + rest, st.sampled_from([b"\x03", b"\x04"]), st.binary()),
    st.builds(lambda rest: b"\x02\x00" + rest, st.binary()),
    st.builds(frame, st.text(max_size=50), length=st.integers(0, 0xFFFF)),
)


@given(st.lists(st.tuples(FRAME_LIKE, st.floats(0, 0.5)), max_size=40))
def test_nothing_that_comes_breaks_it_or_makes_it_grow(
    pieces: list[tuple[bytes, float]],
) -> None:
    stream = Stream()
    for data, step_s in pieces:
        stream.now = MonoSeconds(stream.now + step_s)
        for text in stream.feed(data):
            assert len(text) <= MAX_CODE_BYTES
        assert len(stream.framing._frame) <= CODE_HEAD_BYTES + MAX_CODE_BYTES
    stream.pause()
    assert stream.feed(frame("GP1:A")) == ["GP1:A"], "it has not found back"
