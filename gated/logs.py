"""Log lines: readable on a terminal, with fields of their own in systemd's journal.

Nothing that a person shows or is called ever reaches a log line.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import socket
import struct
import sys
from collections import deque
from datetime import UTC, datetime
from typing import TextIO

LEVEL_VARIABLE = "GATED_LOG"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
JOURNAL = "/run/systemd/journal/socket"
MAX_MESSAGE = 32_768
"""Characters. A datagram must fit into the socket's buffer, of which the kernel gives 208 KiB."""
VISIT = "visit_id"
"""``log.info(…, extra={VISIT: visit_id})``: the field GATED_VISIT."""
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


class _Journal(logging.Handler):
    """Sends each line with its fields to journald, by its native protocol.

    A journal that takes nothing must not hold up a thread: what does not fit is dropped, and the
    next line says how much. https://systemd.io/JOURNAL_NATIVE_PROTOCOL
    """

    def __init__(self, process: str, address: str) -> None:
        super().__init__()
        self._process = process
        self._address = address
        self._dropped = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields = self._fields(record)
            self._socket.sendto(b"".join(map(_entry, fields.items())), self._address)
        except OSError:
            self._dropped += 1
        except (TypeError, ValueError):  # the line's pattern and what it is filled with
            self.handleError(record)
        else:
            self._dropped = 0

    def _fields(self, record: logging.LogRecord) -> dict[str, str]:
        fields = {
            "MESSAGE": self.format(record)[:MAX_MESSAGE],  # with the traceback, if there is one
            "PRIORITY": str(_PRIORITY.get(record.levelno, 3)),
            "SYSLOG_IDENTIFIER": f"gated-{self._process}",
            "GATED_PROCESS": self._process,
            "GATED_MODULE": record.name,
            "GATED_THREAD": record.threadName or "",
        }
        if isinstance(visit := record.__dict__.get(VISIT), str):
            fields["GATED_VISIT"] = visit
        if self._dropped:
            fields["GATED_DROPPED"] = str(self._dropped)
        return fields


def _entry(field: tuple[str, str]) -> bytes:
    """Return one field, its length before it: it may hold several lines."""
    name, data = field[0].encode(), field[1].encode(errors="replace")
    return b"%s\n%s%s\n" % (name, struct.pack("<Q", len(data)), data)


def _is_journal(stream: TextIO) -> bool:
    """Return whether ``stream`` leads to journald, and not where somebody has redirected it."""
    try:
        stat = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


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


def start_logging(process: str, default: str = "info", *, journal: str = JOURNAL) -> None:
    """Send log lines to standard error, or to its journal. ``GATED_LOG``: debug, info, warning."""
    handler: logging.Handler
    if _is_journal(sys.stderr):
        handler = _Journal(process, journal)
    else:
        handler = logging.StreamHandler(sys.stderr)
        pattern = f"%(asctime)s.%(msecs)03d {process} %(levelname)s %(message)s"
        handler.setFormatter(logging.Formatter(pattern, datefmt="%H:%M:%S"))
    level = LEVELS.get(os.environ.get(LEVEL_VARIABLE, default).lower(), logging.INFO)
    logging.basicConfig(level=level, handlers=[handler, _RECENT], force=True)
