"""Length framing: ``03 HH LL`` and as many bytes of text. Grow calls it "protocol".

Answers to commands come in the same stream, as ``02 00 TYPE LENGTH DATA CRC``. What is inside a
code is counted and never looked at, so that no text can pass for an answer or for another code.

Sources, each found twice:

- code frames: Tasmota's driver of the GM861 (xsns_107_gm861.ino) shows ``03 00 0A`` before ten
  digits, without a tail; DFRobot's of the GM60 (DFRobot_GM60.cpp) reads 03 or 04, two bytes, text.
- answers: GM65 user manual V1.3, §8.2-8.4 (a length of 0 is 256); specter-diy's driver (qr.py).
- the CRC: CCITT, 0x1021 from 0, over TYPE to DATA: the manual's examples, DFRobot, Tasmota.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from gated.scanner.serial_lines import MAX_CODE_BYTES, PRINTABLE_FROM, read_text

CODE_STARTS: Final = b"\x03\x04"
CODE_HEAD_BYTES: Final = 3
ANSWER_START: Final = b"\x02\x00"
ANSWER_HEAD_BYTES: Final = 4
CRC_BYTES: Final = 2

_BETWEEN = b"\x00\t\r\n"  # line noise, and a tail that some firmware may add after the text


@dataclass(frozen=True, slots=True)
class Answer:
    """What a scanner answered to a command."""

    type: int  # 0: done
    data: bytes


def crc(data: bytes) -> bytes:
    """Return the two bytes of check that follow ``data`` in commands and answers."""
    return crc_hqx(data, 0).to_bytes(CRC_BYTES, "big")


class Lengths:
    """The framing of scanners that say how long a code is.

    What is no frame is dropped up to the next pause, and so is a frame that doesn't come to its
    end: after a lie about a length nothing else tells where the next code begins.

    Args:
        on_answer: is given each answer whose check is right. What it raises goes up.
    """

    def __init__(self, on_answer: Callable[[Answer], None] = lambda _: None) -> None:
        self._on_answer = on_answer
        self._frame = bytearray()
        self._is_dropping = False

    def take(self, data: bytes) -> Iterator[str]:
        if self._is_dropping:
            return
        self._frame += data
        while begun := self._frame.lstrip(_BETWEEN):
            self._frame = begun
            size = _frame_bytes(begun)
            if size is None or len(begun) < size:
                return
            if size == 0:
                yield from self._drop()
                return
            frame = bytes(begun[:size])
            del begun[:size]
            yield from self._read(frame)
        self._frame.clear()

    def end(self) -> Iterator[str]:
        was_cut_off = bool(self._frame) and self._frame[0] in CODE_STARTS
        self.clear()
        if was_cut_off:
            yield ""

    def clear(self) -> None:
        self._frame.clear()
        self._is_dropping = False

    def is_begun(self) -> bool:
        return bool(self._frame) or self._is_dropping

    def _read(self, frame: bytes) -> Iterator[str]:
        if frame[0] in CODE_STARTS:
            text = read_text(frame[CODE_HEAD_BYTES:])
            if text is not None:
                yield text
            return
        checked, check = frame[2:-CRC_BYTES], frame[-CRC_BYTES:]
        if crc(checked) == check:
            self._on_answer(Answer(checked[0], checked[2:]))

    def _drop(self) -> Iterator[str]:
        """Drop what comes up to a pause; noise is no code, while a line without a length is one."""
        is_code = self._frame[0] in CODE_STARTS or self._frame[0] >= PRINTABLE_FROM
        self._frame.clear()
        self._is_dropping = True
        if is_code:
            yield ""


def _frame_bytes(begun: bytes | bytearray) -> int | None:
    """Return the whole size of the frame that ``begun`` begins.

    None: it can't be seen yet. 0: that's no frame, or one of a code that can't be so long.
    """
    if begun[0] in CODE_STARTS:
        if len(begun) < CODE_HEAD_BYTES:
            return None
        length = int.from_bytes(begun[1:CODE_HEAD_BYTES], "big")
        return CODE_HEAD_BYTES + length if length <= MAX_CODE_BYTES else 0
    if not ANSWER_START.startswith(begun[: len(ANSWER_START)]):
        return 0
    if len(begun) < ANSWER_HEAD_BYTES:
        return None
    return ANSWER_HEAD_BYTES + (begun[3] or 256) + CRC_BYTES
