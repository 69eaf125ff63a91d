"""Line framing: CR, LF, CRLF or a pause ends a code. How the bytes of a code become its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gated.messages import MAX_CODE_CHARACTERS

MAX_CODE_BYTES: Final = 4 * MAX_CODE_CHARACTERS
"""A character has at most four bytes, in UTF-8 and in GB18030."""
PRINTABLE_FROM: Final = 0x20

_LINE_END = re.compile(rb"[\r\n]")
_WRAPPING = b"\x00\x02\x03\x06\t"
"""Line noise, STX, ETX, the ACK of a trigger command, and the tab that some scanners append."""
_BYTE_ORDER_MARK = "\ufeff".encode()
_AIM_QR = re.compile(rb"\]Q[0-6](?=.)", re.DOTALL)
"""ISO/IEC 15424: "]Q" and a modifier precede a QR code's text. None of our formats has a "]"."""


class Lines:
    """The framing that most scanners are delivered with."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._is_dropping = False  # up to the end of a line that is too long

    def take(self, data: bytes) -> Iterator[str]:
        *ended, rest = _LINE_END.split(data)
        for piece in ended:
            yield from self._add(piece)
            yield from self.end()
        yield from self._add(rest)

    def end(self) -> Iterator[str]:
        text = read_text(bytes(self._line))
        self.clear()
        if text is not None:
            yield text

    def clear(self) -> None:
        self._line.clear()
        self._is_dropping = False

    def is_begun(self) -> bool:
        return bool(self._line) or self._is_dropping

    def _add(self, piece: bytes) -> Iterator[str]:
        if self._is_dropping:
            return
        self._line += piece
        if len(self._line) > MAX_CODE_BYTES:
            self._line.clear()
            self._is_dropping = True
            yield ""


def read_text(code: bytes) -> str | None:
    """Return the text of one code, "" if it is in no known encoding, None if it holds nothing.

    Passes are ASCII, the same in every encoding. Any other text must get the same answer as before
    the camera, whose decoders guess the encoding; scanners made in China can be set to send Chinese
    as UTF-8 or as GBK, which GB18030 contains. UTF-8 goes first: Chinese in GBK is hardly ever
    valid UTF-8, while UTF-8 is often valid GBK. A wrong guess harms nothing: a text that is not
    what was signed opens no gate.
    """
    code = code.strip(_WRAPPING)
    aim = _AIM_QR.match(code)
    if aim is not None:
        code = code[aim.end() :]
    code = code.removeprefix(_BYTE_ORDER_MARK)
    if all(byte < PRINTABLE_FROM for byte in code):
        return None  # noise of a plug, the LF of a CRLF
    for encoding in ("utf-8", "gb18030"):
        try:
            return code.decode(encoding)
        except UnicodeDecodeError:
            continue
    return ""
