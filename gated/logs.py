"""Log lines: readable on a terminal, JSON with a priority prefix under systemd.

Nothing that a person shows or is called ever reaches a log line.
"""

from __future__ import annotations

import contextlib
import enum
import json
import logging
import os
import sys
from collections import deque
from datetime import UTC, datetime

LEVEL_VARIABLE = "GATED_LOG"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


class _Journal(logging.Formatter):
    """One JSON object a line, behind the ``<N>`` that journald reads as its priority."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line = {"process": self._process, "at": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        priority = _PRIORITY.get(record.levelno, 3)
        return f"<{priority}>{json.dumps(line, ensure_ascii=False)}"


class _Recent(logging.Handler):
    """Keeps our newest lines for diagnostics, by their patterns: no text of a file, no name.

    A pattern is part of the code. Of what is filled in, numbers and words of the code are kept.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=most)

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("gated."):
            return
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds")
        line = f"{at} {record.levelname} {record.name}: {_pattern(record)}"
        if record.exc_info and record.exc_info[0] is not None:
            line += f" ({record.exc_info[0].__name__})"
        self._lines.append(line)

    def lines(self) -> list[str]:
        with self.lock or contextlib.nullcontext():
            return list(self._lines)


def _pattern(record: logging.LogRecord) -> str:
    args = record.args if isinstance(record.args, tuple) else ()
    try:
        return str(record.msg) % tuple(_harmless(arg) for arg in args)
    except (TypeError, ValueError):
        return str(record.msg)


def _harmless(value: object) -> object:
    if isinstance(value, enum.Enum | int | float):
        return value
    return type(value).__name__ if isinstance(value, Exception) else "…"


RECENT_LINES = 200
_RECENT = _Recent(RECENT_LINES)


def recent_lines() -> list[str]:
    """Return this process's newest log lines, the oldest first, without the texts in them."""
    return _RECENT.lines()


def start_logging(process: str, default: str = "info") -> None:
    """Send log lines to standard error. ``GATED_LOG`` is debug, info or warning."""
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_Journal(process))
    else:
        pattern = f"%(asctime)s.%(msecs)03d {process} %(levelname)s %(message)s"
        handler.setFormatter(logging.Formatter(pattern, datefmt="%H:%M:%S"))
    level = LEVELS.get(os.environ.get(LEVEL_VARIABLE, default).lower(), logging.INFO)
    logging.basicConfig(level=level, handlers=[handler, _RECENT], force=True)
