"""Runs a target many times: counts, and writes down what escapes, so that the search goes on."""

from __future__ import annotations

import hashlib
import mmap
import struct
import time
import traceback
from pathlib import Path

from fuzz.target import Target, cpu_ms

COUNTER = struct.Struct("<Q")
INSTRUMENTED = 10.0
"""Counting branches makes Python slower; the plain bound holds for the kept inputs."""
_MAX_TOLD = 64  # different escapes of one target that are written down


class Watched:
    """A target with a folder: ``executions``, which outlives a crash, and ``escapes``."""

    def __init__(self, target: Target, folder: Path, *, slowdown: float = INSTRUMENTED) -> None:
        self._target = target
        self._bound_ms = target.max_cpu_ms * slowdown
        self._escapes = folder / "escapes"
        self._escapes.mkdir(parents=True, exist_ok=True)
        counter = folder / "executions"
        if not counter.exists():
            counter.write_bytes(COUNTER.pack(0))
        with counter.open("r+b") as file:
            self._counter = mmap.mmap(file.fileno(), COUNTER.size)

    def run(self, data: bytes) -> None:
        """Run the target over ``data`` once. Never raises."""
        COUNTER.pack_into(self._counter, 0, COUNTER.unpack_from(self._counter)[0] + 1)
        begun_s = time.thread_time()
        try:
            self._target.run(data)
        except Exception as exc:  # noqa: BLE001 whatever it is, it got out
            self._tell(data, "".join(traceback.format_exception(exc)), _where(exc))
            return
        if (time.thread_time() - begun_s) * 1_000 > self._bound_ms:
            least_ms = min(cpu_ms(self._target, data) for _ in range(3))
            if least_ms > self._bound_ms:
                self._tell(data, f"{least_ms:.0f} ms\n", "slow")

    def _tell(self, data: bytes, story: str, kind: str) -> None:
        """Keep one input for each place that something came from."""
        path = self._escapes / hashlib.sha256(kind.encode()).hexdigest()[:12]
        if not path.exists() and len(escapes_in(self._escapes)) < _MAX_TOLD:
            path.write_bytes(data)
            path.with_suffix(".txt").write_text(story, encoding="utf-8", errors="backslashreplace")


def escapes_in(folder: Path) -> list[Path]:
    """Return the inputs that escaped, without their stories."""
    return sorted(path for path in folder.glob("*") if path.suffix != ".txt")


def executions_in(folder: Path) -> int:
    """Return how often the target has been run, in all runs of the fuzzer."""
    counter = folder / "executions"
    return COUNTER.unpack(counter.read_bytes())[0] if counter.exists() else 0


def _where(exc: Exception) -> str:
    frames = traceback.extract_tb(exc.__traceback__)
    return f"{type(exc).__name__} " + " ".join(f"{at.filename}:{at.lineno}" for at in frames[-2:])
