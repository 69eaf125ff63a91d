"""The relay's guard: a very small process that holds the line and ends every pulse by itself.

It reads one command a line on standard input, ``pulse MILLISECONDS VISIT_ID``, and answers
``on VISIT_ID NANOSECONDS`` and ``off VISIT_ID NANOSECONDS`` (CLOCK_MONOTONIC). End-of-file, a line
that it cannot read, or a signal de-energises and ends it. So neither a hung nor a killed controller
can hold the gate open; ``ExecStopPost`` of the unit covers the guard's own death.

Started as ``python -m gated.actuators.relay_guard SPEC`` with SPEC ``gpio:LABEL:LINE:high|low`` or
``socket:PATH``. It imports nothing but what it needs: it must start fast and stay small.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from gated.actuators.line import OutputLine, SocketLine
from gated.errors import ActuationError, ExitCode

MAX_PULSE_MS = 5_000
"""No command can hold the relay longer than this, whatever the controller believes."""
_COMMAND = re.compile(rb"pulse (\d{1,5}) ([0-9a-f]{1,32})")
_READ_BYTES = 4_096


def open_line(spec: str) -> OutputLine:
    """Return the line that ``spec`` names. Raises: ActuationError: it cannot be taken."""
    kind, _, rest = spec.partition(":")
    if kind == "socket":
        return SocketLine("relay", Path(rest))
    if kind == "gpio":
        from gated.actuators.gpio import GpioLine

        label, line, level = rest.split(":")
        return GpioLine("relay", line, label, active_low=level == "low")
    raise ActuationError(f"relay: unknown line {spec!r}", device="relay")


def guard(line: OutputLine, commands: int, answers: int) -> None:
    """Serve commands from one descriptor until end-of-file, answering on the other."""

    def answer(word: str, visit: bytes) -> None:
        os.write(answers, b"%s %s %d\n" % (word.encode(), visit, time.monotonic_ns()))

    buffered, visit = b"", b""
    ends_at_s: float | None = None
    while True:
        timeout_s = None if ends_at_s is None else max(0.0, ends_at_s - time.monotonic())
        ready, _, _ = select.select([commands], [], [], timeout_s)
        if ends_at_s is not None and time.monotonic() >= ends_at_s:
            line.set(energised=False)
            ends_at_s = None
            answer("off", visit)
        if not ready:
            continue
        data = os.read(commands, _READ_BYTES)
        if not data:
            return
        *lines, buffered = (buffered + data).split(b"\n")
        for text in lines:
            match = _COMMAND.fullmatch(text)
            if match is None or not 0 < int(match[1]) <= MAX_PULSE_MS:
                return  # not ours: whoever speaks here must not open
            visit = match[2]
            line.set(energised=True)
            ends_at_s = time.monotonic() + int(match[1]) / 1_000
            answer("on", visit)


def main(spec: str) -> int:
    """Hold the line until the controller goes. Return an ExitCode."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the controller's business
    try:
        line = open_line(spec)
    except ActuationError as exc:
        os.write(1, f"error {exc}\n".encode())
        return int(exc.exit_code)
    try:
        os.write(1, b"ready\n")
        guard(line, 0, 1)
    except (ActuationError, BrokenPipeError):
        return int(ExitCode.UNAVAILABLE)
    finally:
        line.close()
    return int(ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
