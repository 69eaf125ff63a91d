"""One step at work in a thread of its own: it can be asked to end at any moment."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from gated.errors import GatedError
from gated.walk.course import Evidence, Text

ENDS_WITHIN_S = 10.0
"""Whatever a trial asks of a device is over by then, or never will be."""
_DEFECT = "a defect of gated; please report what stands above (gated 自身出错，请上报)"
_HANGS = "its device hangs; restart the machine (设备无响应，请重启本机)"


@dataclass(frozen=True, slots=True)
class Line:
    """Something that a trial shows. A live one takes the place of the live one before it."""

    text: Text
    is_live: bool


class Show:
    """Where a trial shows what it sees. From any thread; who reads it may be slow, or gone."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[Line] = queue.SimpleQueue()

    def line(self, text: Text) -> None:
        """Show something that stays."""
        self._lines.put(Line(text, is_live=False))

    def live(self, text: Text) -> None:
        """Show how it is just now."""
        self._lines.put(Line(text, is_live=True))

    def take(self) -> Iterator[Line]:
        """Yield what was shown since the last call, of several live ones in a row the last."""
        lines = []
        with suppress(queue.Empty):
            while True:
                lines.append(self._lines.get_nowait())
        for number, line in enumerate(lines):
            is_stale = line.is_live and any(later.is_live for later in lines[number + 1 :])
            if not is_stale:
                yield line


Trial = Callable[[Show, threading.Event], Evidence]
"""Opens a device, moves or reads it until the event is set, and lets it go in any case.

Raises: GatedError: it cannot be had, or is lost.
"""


class Running:
    """A trial at work, from the moment this is made. ``close`` ends it."""

    def __init__(self, trial: Trial, name: str, ends_within_s: float = ENDS_WITHIN_S) -> None:
        self.show = Show()
        self.evidence = Evidence()
        self.trouble = ""
        """Why it came to nothing; "" while it is at work or when it came to a good end."""
        self._trial = trial
        self._ends_within_s = ends_within_s
        self._stop = threading.Event()
        # A daemon: whoever hangs in a driver cannot be stopped, and must not keep the process.
        self._thread = threading.Thread(target=self._work, name=f"walk {name}", daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Ask it to end, and wait for that. Idempotent."""
        self._stop.set()
        self._thread.join(self._ends_within_s)
        if self._thread.is_alive():
            self.trouble = _HANGS

    def _work(self) -> None:
        trouble = _DEFECT  # of whatever comes that is not expected: its traceback is printed
        try:
            self.evidence = self._trial(self.show, self._stop)
            trouble = ""
        except GatedError as exc:
            trouble = str(exc)
        finally:
            self.trouble = trouble
