"""The relay's guard: a very small process that holds the line and ends every pulse by itself.

It reads one command a line on standard input, ``pulse MILLISECONDS VISIT_ID``, and answers
``on VISIT_ID NANOSECONDS`` and ``off VISIT_ID NANOSECONDS`` (CLOCK_MONOTONIC). End-of-file, a line
that it cannot read, or a signal de-energises and ends it. So neither a hung nor a killed controller
can hold the gate open; ``ExecStopPost`` of the unit covers the guard's own death. A guard that
hangs is killed by the kernel before its pulse is over, whatever the controller does.

Started as ``python -m gated.actuators.relay_guard SPEC`` with SPEC ``gpio:LABEL:LINE:high|low``,
``lcus:CHANNEL:DEVICE`` or ``socket:PATH``. It imports nothing but what it needs: it must start fast
and stay small.

A GPIO line falls with the process that holds it; the relay of a serial board does not. So for
``lcus`` the guard forks a watcher before it takes a command, a process that does nothing but wait
for the guard's end on a pipe and then de-energises, through the open line that it inherited: no
successor of the guard can take the board before that is done. What remains is a kill of both at
once (the whole control group, say): ``ExecStopPost`` covers it, and so does the next guard, which
de-energises first. A frozen kernel whose USB port keeps its supply is not covered: only a board
with a timer of its own would be.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from gated.actuators.kill_timer import KillTimer
from gated.actuators.lcus import LcusLine
from gated.actuators.line import OutputLine, SocketLine
from gated.errors import ActuationError, ExitCode

MIN_PULSE_MS, MAX_PULSE_MS = 100, 5_000
"""No command can hold the relay longer, whatever the controller believes."""
_COMMAND = re.compile(rb"pulse (\d{1,5}) ([0-9a-f]{1,32})")
_READ_BYTES = 4_096
CHECK_EVERY_S = 1.0
ENDS_BEFORE_S = 0.05
KILLED_BEFORE_S = 0.01
"""A pulse is the longest that the relay may be energised: the guard ends it a little earlier, and
is killed, if it has not, early enough for the line to fall in time."""


def open_line(spec: str) -> OutputLine:
    """Return the line that ``spec`` names. Raises: ActuationError: it cannot be taken."""
    kind, _, rest = spec.partition(":")
    if kind == "socket":
        return SocketLine("relay", Path(rest))
    if kind == "gpio":
        from gated.actuators.gpio import GpioLine

        label, line, level = rest.split(":")
        return GpioLine("relay", line, label, active_low=level == "low")
    if kind == "lcus":
        channel, _, device = rest.partition(":")
        if channel.isdecimal() and device:
            return LcusLine("relay", int(channel), device)
    raise ActuationError(f"relay: unknown line {spec!r}", device="relay")


def guard(line: OutputLine, commands: int, answers: int) -> None:
    """Serve commands from one descriptor until end-of-file, answering on the other.

    Raises: ActuationError: the line cannot be driven, or a board has gone; there is no timer.
    """

    def answer(word: str, visit: bytes) -> None:
        os.write(answers, b"%s %s %d\n" % (word.encode(), visit, time.monotonic_ns()))

    kill_timer = KillTimer()
    sources = [commands, line.fileno()] if isinstance(line, LcusLine) else [commands]
    buffered, visit = b"", b""
    ends_at_s: float | None = None
    while True:
        timeout_s = CHECK_EVERY_S if ends_at_s is None else max(0.0, ends_at_s - time.monotonic())
        ready, _, _ = select.select(sources, [], [], timeout_s)
        if ends_at_s is not None and time.monotonic() >= ends_at_s:
            line.set(energised=False)
            kill_timer.call_off()
            ends_at_s = None
            answer("off", visit)
        if commands not in ready:
            line.check()  # a chip or a board that has gone is said now, not to the next visitor
            continue
        data = os.read(commands, _READ_BYTES)
        if not data:
            return
        *lines, buffered = (buffered + data).split(b"\n")
        for text in lines:
            match = _COMMAND.fullmatch(text)
            if match is None or not MIN_PULSE_MS <= int(match[1]) <= MAX_PULSE_MS:
                return  # not ours: whoever speaks here must not open
            visit = match[2]
            pulse_s = int(match[1]) / 1_000
            ends_at_s = time.monotonic() + pulse_s - ENDS_BEFORE_S
            kill_timer.arm(pulse_s - KILLED_BEFORE_S)
            line.set(energised=True)
            answer("on", visit)


class Watcher:
    """A child that de-energises ``line`` when its parent, the guard, is gone, however it went.

    The guard ends when its watcher does: without one it may not energise.
    """

    def __init__(self, line: OutputLine) -> None:
        waits_at, self._held = os.pipe()  # the kernel closes our end whatever becomes of us
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._held)
            _watch(line, waits_at)
        os.close(waits_at)

    def dismiss(self) -> None:
        """End it: the line has been let go in order."""
        os.kill(self._pid, signal.SIGKILL)  # ours until waited for, even if it has ended
        os.waitpid(self._pid, 0)
        os.close(self._held)


def _watch(line: OutputLine, guard_end: int) -> NoReturn:
    """Wait for the end of the file ``guard_end``, de-energise, and end."""
    # What ends the guard is not for its watcher: a stop of the service signals all its processes.
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGABRT):
        signal.signal(number, signal.SIG_IGN)
    # The controller tells the guard's end by that of its answers: hold neither pipe.
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    try:
        os.read(guard_end, 1)
        line.close()
    except ActuationError:
        pass  # the board has gone, and its supply with it
    finally:
        os._exit(0)  # nothing of the guard's own end must run here


def main(spec: str) -> int:
    """Hold the line until the controller goes. Return an ExitCode."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    # SIGABRT: the watchdog of the service manager sends it to all of a unit's processes.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGABRT, signal.SIGCHLD):
        signal.signal(number, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the controller's business
    try:
        line = open_line(spec)
    except ActuationError as exc:
        os.write(1, f"error {exc}\n".encode())
        return int(exc.exit_code)
    watcher = Watcher(line) if isinstance(line, LcusLine) else None
    told = ""
    try:
        os.write(1, b"ready\n")
        guard(line, 0, 1)
    except BrokenPipeError:
        return int(ExitCode.UNAVAILABLE)
    except ActuationError as exc:
        told = str(exc)
        with contextlib.suppress(BrokenPipeError):
            os.write(1, f"error {told}\n".encode())
        return int(exc.exit_code)
    finally:
        _let_go(line, watcher, told)
    return int(ExitCode.OK)


def _let_go(line: OutputLine, watcher: Watcher | None, told: str) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGABRT):
        signal.signal(number, signal.SIG_IGN)  # it is ending already
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        line.close()
    except ActuationError as exc:
        if str(exc) != told:  # a chip that has gone fails here as it failed before: say it once
            os.write(2, f"{exc}\n".encode())
        return  # the watcher, if there is one, tries once more
    if watcher is not None:
        watcher.dismiss()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
