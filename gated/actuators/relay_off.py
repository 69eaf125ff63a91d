"""The last word on the relay, after the controller's unit has ended: off, and let go.

A killed guard cannot de-energise, and a Raspberry Pi's kernel keeps a dead process's output as it
was (raspberrypi/linux #6117). So the unit runs ``python -m gated.actuators.relay_off FILE`` as its
``ExecStopPost``: FILE holds the relay's line as the guard was given it, ``gpio:…`` or whatever else
``relay_guard.open_line`` knows. It takes the line, which de-energises it, and lets go; nothing here
can energise. It imports no more than the guard does: interpreter start is its whole cost.
"""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gated.actuators.line import OutputLine
from gated.actuators.relay_guard import open_line
from gated.errors import ActuationError, ExitCode

SPEC_FILE = "relay.spec"
"""In the run folder. The controller writes it before its relay is opened, and leaves it there."""
TAKE_WITHIN_S = 2.0
"""A guard that is still ending holds the line; a USB board may be coming back."""
TRY_EVERY_S = 0.05
MAX_SPEC_BYTES = 1_024


def read_spec(path: Path) -> str | None:
    """Return the line that the file at ``path`` names, or None if there is no such file.

    Raises: ActuationError: it cannot be read, is no file, or is not one line of text.
    """
    try:
        # Non-blocking: a pipe in its place must not hold up the unit.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            is_file = stat.S_ISREG(os.fstat(handle).st_mode)
            data = file.read(MAX_SPEC_BYTES + 1) if is_file else b""
        spec = data.decode().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise ActuationError(f"relay: {path} cannot be read: {exc}", device="relay") from exc
    if not spec or len(data) > MAX_SPEC_BYTES or not spec.isprintable():
        raise ActuationError(f"relay: {path} does not name a line", device="relay")
    return spec


def switch_off(
    spec: str,
    take: Callable[[str], OutputLine] = open_line,
    *,
    clock_s: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = lambda span_s: select.select([], [], [], span_s),
) -> None:
    """De-energise the line that ``spec`` names and let it go, trying for ``TAKE_WITHIN_S``.

    Args:
        spec: as ``relay_guard.open_line`` takes it.
        take: makes the line, de-energised.
        clock_s: a monotonic time in s.
        pause: waits the given number of s.

    Raises: ActuationError: the line could not be taken, or did not obey.
    """
    deadline_s = clock_s() + TAKE_WITHIN_S
    while True:
        try:
            take(spec).close()
        except ActuationError:
            if clock_s() >= deadline_s:
                raise
        except ValueError as exc:
            raise ActuationError(f"relay: {spec!r} does not name a line", device="relay") from exc
        else:
            return
        pause(TRY_EVERY_S)


def main(path: Path) -> int:
    """Switch off the relay that the file at ``path`` names. Return an ExitCode."""
    try:
        spec = read_spec(path)
        if spec is not None:
            switch_off(spec)
    except ActuationError as exc:
        priority = "<3>" if "JOURNAL_STREAM" in os.environ else ""  # sd-daemon(3)
        said = f"{priority}the relay may still be on, look at the gate 请查看闸门: {exc}\n"
        os.write(2, said.encode(errors="replace"))
        return int(exc.exit_code)
    return int(ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
