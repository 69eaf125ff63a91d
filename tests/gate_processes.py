"""The gate's and the collector's real processes, as tests and benchmarks start and end them.

It needs no pytest.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from gated.clock import SystemClock
from gated.simulation.broker import HOST, free_port

CLOCK = SystemClock()
PATIENCE_S = 30.0
"""For one thing to happen on a machine that is busy with other tests."""
POLL_S = 0.02
LOG_SHOWN = 3_000


class NeverHappened(AssertionError):
    """What a test waited for did not come."""


def wait_for(
    is_so: Callable[[], bool],
    what: str,
    within_s: float = PATIENCE_S,
    *,
    log: Callable[[], str] = str,
) -> float:
    """Return after how many seconds ``is_so`` came true.

    Raises: NeverHappened: it did not; the message ends with the last lines of ``log()``.
    """
    pause = threading.Event()
    started_s = CLOCK.monotonic_s()
    while not is_so():
        if CLOCK.monotonic_s() - started_s > within_s:
            raise NeverHappened(f"not within {within_s:g} s: {what}\n{log()[-LOG_SHOWN:]}")
        pause.wait(POLL_S)
    return CLOCK.monotonic_s() - started_s


def run_gated(
    *arguments: str, output: IO[bytes], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start ``gated ARGUMENTS``, both outputs going to ``output``."""
    return subprocess.Popen(
        [sys.executable, "-m", "gated", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**os.environ, **(environment or {})},
    )


def ask_gated(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what ``gated ARGUMENTS`` answered."""
    return subprocess.run(
        [sys.executable, "-m", "gated", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def find_descendant(pid: int, name: str) -> int | None:
    """Return the descendant of ``pid`` that is the gate's process ``name``."""
    for candidate in descendants(pid):
        words = command_line(candidate)
        if name in words or f"gated.actuators.{name}" in words:
            return candidate
    return None


def descendants(pid: int) -> list[int]:
    """Return every process below ``pid``, parents first."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                found += [int(child), *descendants(int(child))]
    return found


def command_line(pid: int) -> list[str]:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [word.decode(errors="replace") for word in raw.split(b"\0")]


def open_files(pid: int | None) -> set[Path]:
    """Return what a process has open; nothing of one that is gone."""
    found: set[Path] = set()
    if pid is not None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for handle in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    found.add(handle.readlink())
    return found


def processes_of(folder: Path) -> list[int]:
    """Return every process that was started with a file in ``folder``."""
    own = str(folder)
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and any(own in word for word in command_line(int(entry.name)))
    ]


class Centre:
    """A real collector with a database of its own."""

    def __init__(self, folder: Path, broker: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.database = folder / "collector.db"
        self.page = f"{HOST}:{free_port()}"
        self._broker = broker
        self._log = folder / "collector.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        logged = len(self.log())
        with self._log.open("ab") as log:
            self.process = run_gated(
                "collector", "run", "--name", "centre", "--listen", self.page,
                "--broker", self._broker, "--database", str(self.database),
                output=log,
            )  # fmt: skip
        wait_for(lambda: "connected" in self.log()[logged:], "a collector", log=self.log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    close = kill

    def log(self) -> str:
        if not self._log.exists():
            return ""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def bodies(self) -> dict[tuple[str, int], bytes]:
        rows = self._query("SELECT epoch, seq, body FROM record")
        return {(str(r[0]), int(str(r[1]))): _as_bytes(r[2]) for r in rows}

    def quarantined(self) -> list[str]:
        return [
            str(row[0]) for row in self._query("SELECT problem || ': ' || error FROM quarantine")
        ]

    def _query(self, statement: str) -> list[tuple[str, int, object]]:
        with contextlib.closing(
            sqlite3.connect(f"{self.database.resolve().as_uri()}?mode=ro", uri=True)
        ) as db:
            return db.execute(statement).fetchall()


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@contextlib.contextmanager
def running_centre(folder: Path, broker: str) -> Iterator[Centre]:
    """Give a collector that runs."""
    centre = Centre(folder, broker)
    try:
        centre.start()
        yield centre
    finally:
        centre.close()
