"""A gate of a run: the two processes that record and deliver, and the files they share."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from gated.ledger.reader import LedgerReader
from tests.faults.book import Book
from tests.gate_processes import PATIENCE_S, NeverHappened, wait_for

ROOT = Path(__file__).parents[2]
UPLINK_SPEED = 5.0
"""The uplink's patience and back-off are minutes; a run has seconds."""


class Gate:
    """One ledger and one uplink, in ``state``.

    Args:
        state: the ledger's folder; may lie on a disk that will fail.
        run: for sockets and logs; paths of sockets are limited, so keep it short.
        book: what the ledger's process says is noted here.
        name: begins the names of all that is recorded.
    """

    def __init__(self, state: Path, run: Path, book: Book, name: str) -> None:
        state.mkdir(parents=True, exist_ok=True)
        run.mkdir(parents=True, exist_ok=True)
        self.state = state
        self.book = book
        self._run = run
        self._name = name
        self._starts = 0
        self._writer: subprocess.Popen[bytes] | None = None
        self._reading: threading.Thread | None = None
        self._uplink: subprocess.Popen[bytes] | None = None

    @property
    def ledger_path(self) -> Path:
        return self.state / "ledger.db"

    # --- the ledger's process -----------------------------------------------------------------

    def start(self, *, rate: float = 200.0, **options: object) -> None:
        """Start recording ``rate`` events a second; return once the ledger is open.

        ``options`` are those of ``gate_process``. Raises: NeverHappened: it could not be opened.
        """
        self._starts += 1
        openings = self.book.openings.total()
        words = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        with (self._run / "writer.log").open("ab") as log:
            writer = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.faults.gate_process",
                    str(self.state), str(self._run),
                    f"--name={self._name}{self._starts}", f"--rate={rate}", *words,
                ],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self._writer = writer
        self._reading = threading.Thread(target=self._read, args=(writer,))
        self._reading.start()
        wait_for(
            lambda: self.book.openings.total() > openings or writer.poll() is not None,
            "an open ledger",
            log=self.log,
        )
        if self.book.openings.total() == openings:
            raise NeverHappened(f"the ledger's process ended\n{self.log()}")

    def _read(self, writer: subprocess.Popen[bytes]) -> None:
        assert writer.stdout is not None
        for line in writer.stdout:
            if line.endswith(b"\n"):
                self.book.take(line.decode())

    @property
    def writer_pid(self) -> int:
        assert self._writer is not None
        return self._writer.pid

    def is_recording(self) -> bool:
        return self._writer is not None and self._writer.poll() is None

    def order(self, what: str) -> None:
        """Send an order of ``gate_process``."""
        if self._writer is not None and self._writer.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._writer.stdin.write(f"{what}\n".encode())
                self._writer.stdin.flush()

    def wait_stored(self, more: int, within_s: float = PATIENCE_S) -> None:
        """Wait until ``more`` further events were answered for."""
        wanted = self.book.count() + more
        wait_for(lambda: self.book.count() >= wanted, f"{more} events", within_s, log=self.log)

    def stop(self) -> None:
        """End the ledger's process in good order. Idempotent."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as kill -9 does. Idempotent."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        with contextlib.suppress(ProcessLookupError):
            writer.send_signal(number)
        code = writer.wait(PATIENCE_S)
        if self._reading is not None:
            self._reading.join()
        for pipe in (writer.stdin, writer.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        if number == signal.SIGTERM and code != 0:
            raise NeverHappened(f"the ledger's process ended with {code}\n{self.log()}")

    # --- the uplink's process -----------------------------------------------------------------

    def start_uplink(self, port: int, *, speed: float = UPLINK_SPEED, clock: float = 0.0) -> None:
        with (self._run / "uplink.log").open("ab") as log:
            self._uplink = subprocess.Popen(
                [
                    sys.executable, "-m", "tests.faults.uplink_process",
                    str(self.state), str(self._run), str(port),
                    f"--speed={speed}", f"--clock={clock}",
                ],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def kill_uplink(self, number: int = signal.SIGKILL) -> None:
        """End the uplink. Idempotent."""
        uplink, self._uplink = self._uplink, None
        if uplink is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(uplink.pid, number)
            uplink.wait(PATIENCE_S)

    def is_delivering(self) -> bool:
        return self._uplink is not None and self._uplink.poll() is None

    # --- files --------------------------------------------------------------------------------

    def end_of_ledger(self) -> tuple[str, int]:
        """Return (epoch, newest seq)."""
        with contextlib.closing(LedgerReader(self.ledger_path)) as reader:
            return reader.identity().epoch, reader.bounds().newest_seq

    def set_aside(self) -> list[Path]:
        """Return the ledgers that were set aside."""
        return sorted(self.state.glob("ledger-*.db"))

    def log(self) -> str:
        """Return what both processes wrote."""
        return "\n".join(
            (self._run / name).read_text(encoding="utf-8", errors="replace")
            for name in ("writer.log", "uplink.log")
            if (self._run / name).exists()
        )

    def close(self) -> None:
        self.kill_uplink()
        self.kill()
