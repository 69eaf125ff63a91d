"""The collector of a run: a real process, whose clock and database can be made wrong."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gated.simulation.broker import HOST, free_port
from tests.gate_processes import PATIENCE_S, run_gated, wait_for

_SIDE_FILES = ("", "-wal", "-shm")


class Collector:
    """``gated collector run`` on a database in ``folder``.

    Args:
        folder: may lie on a disk that will fail.
        logs: for its log; on a disk that does not.
        broker: the URL.
    """

    def __init__(self, folder: Path, logs: Path, broker: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.database = folder / "collector.db"
        self.environment: dict[str, str] = {}
        self._arguments: tuple[str, ...] = (
            *("--name", "centre", "--listen", f"{HOST}:{free_port()}"),
            *("--broker", broker, "--database", str(self.database)),
        )
        self._log = logs / "collector.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return once it has reached the broker."""
        self.launch()
        self.wait_connected()

    def wait_connected(self) -> None:
        logged = self._logged
        wait_for(
            lambda: "connected" in self.log()[logged:] or not self.is_running(),
            "a collector",
            log=self.log,
        )

    def launch(self) -> None:
        """Start it, whether or not a broker is there."""
        self._logged = len(self.log())
        with self._log.open("ab") as log:
            self._process = run_gated(
                "collector", "run", *self._arguments, output=log, environment=self.environment
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                os.kill(process.pid, number)
            process.wait(PATIENCE_S)

    def freeze(self) -> None:
        """Stop it between two system calls, and return once it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        stat = Path(f"/proc/{self.pid}/stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "standstill")

    def stop(self) -> None:
        """End it in good order. Idempotent."""
        self.kill(signal.SIGTERM)

    def close(self) -> None:
        """End it with the run. Idempotent."""
        self.kill()

    def back_up(self, target: Path) -> None:
        """Copy the database to ``target``, as a backup program does while it is in use."""
        source, copy = sqlite3.connect(self.database), sqlite3.connect(target)
        try:
            source.backup(copy)
        finally:
            copy.close()
            source.close()

    def restore(self, backup: Path) -> None:
        """Put ``backup`` in the database's place. The collector must not be running."""
        for path in self._files():
            path.unlink(missing_ok=True)
        self.database.write_bytes(backup.read_bytes())

    def _files(self) -> Iterator[Path]:
        return (Path(f"{self.database}{side}") for side in _SIDE_FILES)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what ``sql`` finds in the database. Raises: sqlite3.Error: not now."""
        uri = f"{self.database.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
            return db.execute(sql).fetchall()

    def log(self) -> str:
        if not self._log.exists():
            return ""
        return self._log.read_text(encoding="utf-8", errors="replace")
