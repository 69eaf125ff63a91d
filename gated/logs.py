"""Log lines: readable on a terminal, JSON with a priority prefix under systemd.

Nothing that a person shows or is called ever reaches a log line.
"""

from __future__ import annotations

import json
import logging
import os
import sys

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


def start_logging(process: str, default: str = "info") -> None:
    """Send log lines to standard error. ``GATED_LOG`` is debug, info or warning."""
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_Journal(process))
    else:
        pattern = f"%(asctime)s.%(msecs)03d {process} %(levelname)s %(message)s"
        handler.setFormatter(logging.Formatter(pattern, datefmt="%H:%M:%S"))
    level = LEVELS.get(os.environ.get(LEVEL_VARIABLE, default).lower(), logging.INFO)
    logging.basicConfig(level=level, handlers=[handler], force=True)
