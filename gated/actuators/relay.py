"""The controller's end of the relay: starts its guard, asks for pulses, believes its answers."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time

from gated.actuators.relay_guard import MAX_PULSE_MS
from gated.errors import ActuationError

START_WITHIN_S = 5.0
ANSWER_WITHIN_S = 0.5


class Relay:
    """One relay behind its guard child.

    Args:
        spec: the guard's line, ``gpio:…``, ``lcus:…`` or ``socket:…``.
    """

    def __init__(self, spec: str) -> None:
        self.spec = spec
        self._guard: subprocess.Popen[bytes] | None = None
        self._buffered = b""
        self._has_ended = False
        self.fault = ""
        """Why the last guard ended, for a person; "" while one runs."""

    def open(self) -> None:
        """Start the guard. Raises: ActuationError: it could not take the line."""
        self.close()
        # -E -s: the guard's imports are ours alone. Its own session: a Ctrl-C is not for it.
        self._guard = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-E", "-s", "-m", "gated.actuators.relay_guard", self.spec],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        answer = self._answer(START_WITHIN_S)
        if answer != "ready":
            self.close()
            reason = answer.removeprefix("error ") or "the relay's guard does not answer"
            raise ActuationError(reason, device="relay")
        self.fault = ""

    def pulse(self, visit_id: str, pulse_s: float) -> int:
        """Energise for ``pulse_s`` and return when it happened, in ns of CLOCK_MONOTONIC.

        Raises: ActuationError: not confirmed in time; the guard is ended, which de-energises.
        """
        if self._guard is None or self._guard.stdin is None:
            raise ActuationError("the relay's guard is not running", device="relay")
        pulse_ms = min(round(pulse_s * 1_000), MAX_PULSE_MS)
        command = f"pulse {pulse_ms} {visit_id}\n"
        try:
            os.write(self._guard.stdin.fileno(), command.encode())
        except OSError as exc:
            self.close()
            raise ActuationError("the relay's guard has died", device="relay") from exc
        deadline_s = time.monotonic() + ANSWER_WITHIN_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            answer = self._answer(left_s)
            self._hear(answer)
            word, _, rest = answer.partition(" ")
            visit, _, at_ns = rest.partition(" ")
            if word == "on" and visit == visit_id:
                return int(at_ns)
            if not word:
                break
        reason = self.fault or "the relay did not confirm"
        self.close()
        raise ActuationError(reason, device="relay")

    def fileno(self) -> int | None:
        """Return the descriptor of the guard's answers, for a selector; None without a guard.

        It is ready when the guard said something or has ended: ``is_alive`` tells which.
        """
        if self._guard is None or self._guard.stdout is None:
            return None
        return self._guard.stdout.fileno()

    def is_alive(self) -> bool:
        """Return whether the guard runs. Never blocks. ``fault`` says what was wrong."""
        if self._guard is None:
            return False
        while answer := self._answer(0.0):
            self._hear(answer)
        if self._has_ended or self._guard.poll() is not None:
            self.fault = self.fault or "the relay's guard has died"
            self.close()
            return False
        return True

    def _hear(self, answer: str) -> None:
        word, _, rest = answer.partition(" ")
        if word == "error":
            self.fault = rest

    def close(self) -> None:
        """End the guard, which de-energises. Idempotent."""
        guard, self._guard = self._guard, None
        self._buffered, self._has_ended = b"", False
        if guard is None:
            return
        if guard.stdin is not None:
            guard.stdin.close()
        try:
            guard.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            guard.kill()
            guard.wait()
        if guard.stdout is not None:
            guard.stdout.close()

    def _answer(self, within_s: float) -> str:
        """Return the guard's next line, or "" after ``within_s`` or at its end."""
        if self._guard is None or self._guard.stdout is None:
            return ""
        deadline_s = time.monotonic() + within_s
        while b"\n" not in self._buffered:
            left_s = max(0.0, deadline_s - time.monotonic())
            descriptor = self._guard.stdout.fileno()
            if not select.select([descriptor], [], [], left_s)[0]:
                return ""
            data = os.read(descriptor, 4_096)
            if not data:
                self._has_ended = True
                return ""
            self._buffered += data
        line, _, self._buffered = self._buffered.partition(b"\n")
        return line.decode("ascii", errors="replace")
