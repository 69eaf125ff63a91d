"""Codes from the bytes of a serial QR scanner. Pure: bytes and times in, texts out.

A serial line has no picture's bounds: whoever is plugged in there may send 10 MB without an end, or
a thousand codes a second. Length and rate are bounded here, so that memory stays flat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gated.messages import MAX_CODE_CHARACTERS
from gated.units import MonoSeconds

QUIET_S: Final = 0.2
"""Many scanners ship without a suffix: a line that stands still this long has ended."""
MAX_LINE_BYTES: Final = 4 * MAX_CODE_CHARACTERS
"""A character has at most four bytes, in UTF-8 and in GB18030."""
MAX_BYTES_PER_S: Final = 20_000
"""More than a scanner sends at 115,200 Bd."""
BURST_BYTES: Final = 65_536
CODE_COSTS_BYTES: Final = 500
"""What a code counts for besides its bytes: nobody holds up 40 codes in a second."""

_LINE_END = re.compile(rb"[\r\n]")
_WRAPPING = b"\x00\x02\x03\t"  # line noise, STX, ETX, and the tab that some scanners append
_BYTE_ORDER_MARK = "\ufeff".encode()
_AIM_QR = re.compile(rb"\]Q[0-6](?=.)", re.DOTALL)
"""ISO/IEC 15424: "]Q" and a modifier precede a QR code's text. None of our formats has a "]"."""
_PRINTABLE_FROM = 0x20


class CodeLines:
    """Cuts what a scanner sends into codes: CR, LF, CRLF or a pause ends one.

    A text of "" stands for a code that cannot be used: too long, or in no known encoding.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._is_dropping = False  # up to the end of a line that is too long
        self._last_byte_at: MonoSeconds | None = None
        self._budget_bytes = float(BURST_BYTES)
        self._budget_at: MonoSeconds | None = None
        self.flooded_since: MonoSeconds | None = None
        """Since when more comes than a scanner can read. All of it is dropped, until a pause."""

    def feed(self, data: bytes, at: MonoSeconds) -> list[str]:
        """Return the texts that end with ``data``.

        Args:
            data: what was read; b"" says that a wait for more was in vain. Only this counts as a
                pause: a reader that was kept from reading sees a gap that the line did not have.
            at: when it was read.
        """
        if not data:
            return list(self._pause(at))
        self._last_byte_at = at
        if self.flooded_since is not None:
            self._budget_at = at  # what a flood goes over is not given to it again
            return []
        self._refill(at)
        texts: list[str] = []
        *ended, rest = _LINE_END.split(data)
        for piece in ended:
            texts += self._take(piece)
            texts += self._end()
        texts += self._take(rest)
        self._budget_bytes -= len(data) + CODE_COSTS_BYTES * len(texts)
        if self._budget_bytes < 0:
            self._budget_bytes = 0.0
            self.flooded_since = at
            self._line.clear()
        return texts

    def reset(self) -> None:
        """Forget what has come: the device was lost."""
        self._line.clear()
        self._is_dropping = False
        self._last_byte_at = self.flooded_since = None

    def is_waiting(self) -> bool:
        """Return whether something is begun that a pause would end."""
        return bool(self._line) or self._is_dropping or self.flooded_since is not None

    def _pause(self, at: MonoSeconds) -> Iterator[str]:
        if self._last_byte_at is None or at - self._last_byte_at < QUIET_S:
            return
        self.flooded_since = None
        yield from self._end()

    def _refill(self, at: MonoSeconds) -> None:
        elapsed_s = 0.0 if self._budget_at is None else at - self._budget_at
        self._budget_at = at
        self._budget_bytes = min(
            float(BURST_BYTES), self._budget_bytes + elapsed_s * MAX_BYTES_PER_S
        )

    def _take(self, piece: bytes) -> Iterator[str]:
        if self._is_dropping:
            return
        self._line += piece
        if len(self._line) > MAX_LINE_BYTES:
            self._line.clear()
            self._is_dropping = True
            yield ""

    def _end(self) -> Iterator[str]:
        line = bytes(self._line)
        self._line.clear()
        self._is_dropping = False
        text = read_line(line)
        if text is not None:
            yield text


def read_line(line: bytes) -> str | None:
    """Return the text of one line, "" if it is in no known encoding, None if it holds nothing.

    Passes are ASCII, the same in every encoding. Any other text must get the same answer as before
    the camera, whose decoders guess the encoding; scanners made in China can be set to send Chinese
    as UTF-8 or as GBK, which GB18030 contains. UTF-8 goes first: Chinese in GBK is hardly ever
    valid UTF-8, while UTF-8 is often valid GBK. A wrong guess harms nothing: a text that is not
    what was signed opens no gate.
    """
    line = line.strip(_WRAPPING)
    aim = _AIM_QR.match(line)
    if aim is not None:
        line = line[aim.end() :]
    line = line.removeprefix(_BYTE_ORDER_MARK)
    if all(byte < _PRINTABLE_FROM for byte in line):
        return None  # noise of a plug, the LF of a CRLF
    for encoding in ("utf-8", "gb18030"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return ""
