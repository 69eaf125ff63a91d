"""The technician's terminal: lines that stay, one that changes, single keys, and its end."""

from __future__ import annotations

import shutil
import signal
import unicodedata
from types import FrameType
from typing import Protocol, TextIO

from gated.errors import GatedError
from gated.keyboard import Keyboard

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CLEAR = "\r\x1b[K"


class Ended(GatedError):
    """Somebody or something ended the walk: Ctrl-C, a signal, a terminal that has hung up."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.number = number


class Terminal(Protocol):
    """What the guide needs. Each call raises Ended when the walk is to end."""

    def line(self, text: str) -> None:
        """Show a line that stays."""

    def live(self, text: str) -> None:
        """Show a line in the place of the live one before it."""

    def key(self, within_s: float) -> str:
        """Return one key, "" if none was pressed within that time."""

    def forget_keys(self) -> None:
        """Drop what was typed before it was asked for."""


class RealTerminal:
    """The terminal that this program was started from.

    Signals are noted and never raise: whoever moves an output must come to its end in order. So
    one is heeded at the next word or key, a fraction of a second later.
    """

    def __init__(self, keyboard: Keyboard, shown: TextIO) -> None:
        self._keyboard = keyboard
        self._shown = shown
        self._is_live = False
        self._ended_by = 0

    def take_signals(self) -> None:
        """From now on signals end the walk in order. Ctrl-Z would leave a lamp lit: it is not."""
        for number in ENDING:
            signal.signal(number, self._note)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._ended_by = self._ended_by or number

    def line(self, text: str) -> None:
        self._write((_CLEAR if self._is_live else "") + text + "\n")
        self._is_live = False

    def live(self, text: str) -> None:
        columns = shutil.get_terminal_size().columns - 1
        self._write(_CLEAR + cut(text, columns))
        self._is_live = True

    def key(self, within_s: float) -> str:
        self._check()
        keys = self._keyboard.read(within_s)
        if self._keyboard.is_lost:
            self._note(signal.SIGHUP, None)
        self._check()
        return keys[:1].replace("\r", "\n")

    def forget_keys(self) -> None:
        self.key(0.0)

    def _write(self, text: str) -> None:
        self._check()
        try:
            self._shown.write(text)
            self._shown.flush()
        except OSError:  # EIO: it has hung up
            self._note(signal.SIGHUP, None)
            self._check()

    def _check(self) -> None:
        if self._ended_by:
            raise Ended(self._ended_by)


def cut(text: str, columns: int) -> str:
    """Return what ``columns`` of a terminal hold of ``text``: a Chinese character takes two."""
    taken = 0
    for at, character in enumerate(text):
        taken += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if taken > columns:
            return text[:at]
    return text
