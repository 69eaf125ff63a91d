"""``gated collector run`` as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ENDS_WITHIN_S = 40.0


class CollectorProcess:
    """One collector; it may be started again.

    Args:
        log: what it says on standard error is added here.
        arguments: behind ``gated collector run``.
    """

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log
        self._arguments = [sys.executable, "-m", "gated", "collector", "run", *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self._log.open("ab") as log:
            environment = {**os.environ, "TZ": "UTC"}
            self._process = subprocess.Popen(self._arguments, stderr=log, env=environment)

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(ENDS_WITHIN_S)
        self._process = None
        return code

    def stop_if_running(self) -> None:
        if self._process is not None:
            self.end(signal.SIGKILL)

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""
