"""Codes cut from a serial line's bytes: ends, pauses, bounds, encodings."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.messages import MAX_CODE_CHARACTERS
from gated.scanner.serial_codes import (
    BURST_BYTES,
    CODE_COSTS_BYTES,
    MAX_BYTES_PER_S,
    QUIET_S,
    SerialCodes,
)
from gated.scanner.serial_lines import MAX_CODE_BYTES, Lines, read_text
from gated.units import MonoSeconds

START = MonoSeconds(100.0)
LONGEST = "9" * MAX_CODE_CHARACTERS


def at(s: float) -> MonoSeconds:
    return MonoSeconds(START + s)


def pause(lines: SerialCodes, after_s: float = 0.0) -> list[str]:
    """Return what a pause after the last bytes, read ``after_s`` after START, ends."""
    return lines.feed(b"", at(after_s + QUIET_S))


def line_codes() -> SerialCodes:
    return SerialCodes(Lines())


def held_bytes(lines: SerialCodes) -> int:
    framing = lines._framing
    assert isinstance(framing, Lines)
    return len(framing._line)


def is_flooded(lines: SerialCodes) -> bool:
    return lines.flooded_since is not None


# --- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_cr_lf_or_both_end_a_code_once(end: bytes) -> None:
    lines = line_codes()
    assert lines.feed(b"GP1:A" + end + b"GP1:B" + end, START) == ["GP1:A", "GP1:B"]
    assert pause(lines) == []


def test_a_code_without_an_end_is_one_after_a_pause() -> None:
    lines = line_codes()
    assert lines.feed(b"GP1:A", START) == []
    assert lines.is_waiting()
    assert lines.feed(b"", at(QUIET_S - 0.01)) == []
    assert lines.feed(b"", at(QUIET_S)) == ["GP1:A"]
    assert not lines.is_waiting()
    assert pause(lines, 1.0) == []


def test_a_reader_that_was_kept_from_reading_does_not_cut_a_code() -> None:
    lines = line_codes()
    assert lines.feed(b"GP1:", START) == []
    assert lines.feed(b"A\r", at(10 * QUIET_S)) == ["GP1:A"]


def test_a_base45_text_keeps_the_spaces_at_its_ends() -> None:
    lines = line_codes()
    assert lines.feed(b" GP1:A B \r", START) == [" GP1:A B "]


def test_empty_lines_and_the_noise_of_a_plug_are_no_codes() -> None:
    lines = line_codes()
    assert lines.feed(b"\r\n\r\n\x00\x00\r\x02\x03\r\x1b\x07\r", START) == []
    assert lines.feed(b"\x00", START) == []
    assert pause(lines) == []


def test_what_was_begun_is_forgotten_with_the_device() -> None:
    lines = line_codes()
    lines.feed(b"GP1:HALF", START)
    lines.reset()
    assert lines.feed(b"GP1:A\r", START) == ["GP1:A"]


@given(
    codes=st.lists(st.text("GP1:ABC 0123456789.立信", min_size=1, max_size=40), max_size=8),
    end=st.sampled_from(["\r", "\n", "\r\n"]),
    cuts=st.randoms(use_true_random=False),
)
def test_however_the_bytes_arrive_the_codes_are_the_same(
    codes: list[str], end: str, cuts: random.Random
) -> None:
    data = "".join(code + end for code in codes).encode()
    lines, texts = line_codes(), list[str]()
    while data:
        size = cuts.randint(1, len(data))
        texts += lines.feed(data[:size], START)
        data = data[size:]
    assert texts == codes


# --- wrappings and encodings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"GP1:A", "GP1:A"),
        (b"\x02GP1:A\x03", "GP1:A"),
        (b"GP1:A\t", "GP1:A"),
        (b"\x06GP1:A", "GP1:A"),  # the ACK of a trigger command
        (b"\x00GP1:A", "GP1:A"),
        (b"]Q1GP1:A", "GP1:A"),
        (b"]Q0GP1:A", "GP1:A"),
        (b"\x02]Q3GP1:A\x03", "GP1:A"),
        (b"\xef\xbb\xbfGP1:A", "GP1:A"),
        (b"]Q1\xef\xbb\xbfGP1:A", "GP1:A"),
        # not clearly an identifier of a QR code: left as it is
        (b"]Q1", "]Q1"),
        (b"]Q7GP1:A", "]Q7GP1:A"),
        (b"]C1GP1:A", "]C1GP1:A"),
        (b"GP1:]Q1A", "GP1:]Q1A"),
        ("立信小学".encode(), "立信小学"),
        ("立信小学".encode("gb18030"), "立信小学"),
        ("体温 36.5 ℃".encode("gbk"), "体温 36.5 ℃"),
        (b"GP1:\xff\xff", ""),
        (b"A\x1dB", "A\x1dB"),  # refused by whoever looks at the text, as from the camera
        (b"", None),
        (b"\x00\x02\x03", None),
        (b"\xef\xbb\xbf", None),
    ],
)
def test_a_line_is_read_as(line: bytes, text: str | None) -> None:
    assert read_text(line) == text


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_a_text(line: bytes) -> None:
    text = read_text(line)
    assert text is None or len(text) <= len(line)


# --- bounds --------------------------------------------------------------------------------------


def test_the_longest_code_there_can_be_is_read() -> None:
    lines = line_codes()
    assert lines.feed(LONGEST.encode() + b"\r", START) == [LONGEST]


def test_a_line_that_is_too_long_is_told_once_and_dropped_up_to_its_end() -> None:
    lines, texts = line_codes(), list[str]()
    for second in range(100):  # slowly enough to be no flood
        texts += lines.feed(b"x" * 1_000, at(float(second)))
        assert held_bytes(lines) <= MAX_CODE_BYTES
    assert texts == [""]
    assert not is_flooded(lines)
    assert lines.feed(b"x\rGP1:A\r", at(100.0)) == ["GP1:A"]


def test_a_pause_too_ends_a_line_that_is_too_long() -> None:
    lines = line_codes()
    assert lines.feed(b"x" * (MAX_CODE_BYTES + 1), START) == [""]
    assert pause(lines) == []
    assert lines.feed(b"GP1:A\r", at(1.0)) == ["GP1:A"]


def test_a_flood_is_dropped_until_a_pause_and_told_once_as_a_code() -> None:
    lines, texts = line_codes(), list[str]()
    for number in range(2_500):  # 10 MB within 2.5 s
        texts += lines.feed(b"x" * 4_096, at(number / 1_000))
        assert held_bytes(lines) <= MAX_CODE_BYTES
    assert texts == [""]
    assert is_flooded(lines)
    assert lines.feed(b"x\rGP1:A\r", at(2.5)) == []
    assert pause(lines, 2.5) == []
    assert not is_flooded(lines)
    assert lines.feed(b"GP1:A\r", at(3.0)) == ["GP1:A"]


def test_a_flood_that_pauses_for_a_moment_is_not_told_as_another_code() -> None:
    lines, texts = line_codes(), list[str]()
    for round_s in (0.0, 2.3, 4.6):
        for number in range(2_000):
            texts += lines.feed(b"x" * 4_096, at(round_s + number / 1_000))
        texts += pause(lines, round_s + 2.0)
    assert texts == [""]


def test_a_flood_of_short_codes_is_one_too() -> None:
    lines, texts = line_codes(), list[str]()
    for number in range(1_000):
        texts += lines.feed(b"%d\r" % number, at(number / 1_000))
    assert BURST_BYTES / CODE_COSTS_BYTES - 5 < len(texts) < BURST_BYTES / CODE_COSTS_BYTES + 50
    assert is_flooded(lines)


def test_a_scanner_that_repeats_the_densest_code_at_full_speed_is_no_flood() -> None:
    lines, texts = line_codes(), list[str]()
    code = b"x" * 2_953 + b"\r"  # version 40-L in bytes, at 115,200 Bd
    for number in range(200):
        texts += lines.feed(code, at(number * len(code) / 11_520))
    assert len(texts) == 200
    assert MAX_BYTES_PER_S > 11_520


@given(st.lists(st.tuples(st.binary(max_size=300), st.floats(0, 0.5)), max_size=40))
def test_nothing_that_comes_breaks_it_or_makes_it_grow(
    pieces: list[tuple[bytes, float]],
) -> None:
    lines, now = line_codes(), 0.0
    for data, step_s in pieces:
        now += step_s
        for text in lines.feed(data, at(now)):
            assert len(text) <= MAX_CODE_BYTES
        assert held_bytes(lines) <= MAX_CODE_BYTES
