"""A command on a terminal of its own, with somebody at the keys."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Mapping
from contextlib import suppress

from tests.gate_processes import wait_for

ENDS_WITHIN_S = 20


class Terminal:
    """``gated ARGUMENTS`` on a pseudo-terminal.

    Args:
        environment: added to the process's own.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self._is_lost = False
        self.process = subprocess.Popen(
            # setsid makes it the terminal's own job, as a shell does
            ["setsid", "--ctty", sys.executable, "-m", "gated", *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**os.environ, **(environment or {})},
        )

    def press(self, key: str) -> None:
        os.write(self._master, key.encode())

    def wait_shown(self, pattern: str, since: int = 0) -> int:
        """Wait until ``pattern`` is shown after the character ``since``; return where it ends."""

        def look() -> bool:
            self.look()
            return re.search(pattern, self.text[since:]) is not None

        wait_for(look, pattern, log=lambda: self.text)
        found = re.search(pattern, self.text[since:])
        assert found is not None
        return since + found.end()

    def look(self) -> None:
        """Read what has been written to the screen."""
        with suppress(BlockingIOError):
            while select.select([self._master], [], [], 0.0)[0]:
                self.text += os.read(self._master, 65_536).decode(errors="replace")

    def lose(self) -> None:
        """Hang up, as a connection that is cut or a window that is shut does."""
        if not self._is_lost:
            self._is_lost = True
            os.close(self._master)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.lose()
        os.close(self.slave)
