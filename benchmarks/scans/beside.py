"""The known decoders, in processes of an environment that has them all.

``python -m benchmarks.scans.beside`` is the process's side: it takes pictures on stdin and gives
outcomes on stdout, both pickled. So the gate's own steps are measured with the libraries that the
gate ships with, and the others need not get on with these.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from benchmarks.scans import Case, Outcome, at_measured_size
from benchmarks.scans.decoders import (
    MOST_SLOW_PIXELS,
    Hello,
    Known,
    judge,
    load_known,
    versions,
)
from benchmarks.scans.workers import progress

ROOT = Path(__file__).parents[2]

Outcomes = dict[str, Outcome]


class DecodersFailed(Exception):
    """A process of decoders ended; what it said is on stderr."""


class KnownDecoders:
    """Processes of ``python``, each with every decoder that can be loaded there.

    Args:
        python: of the environment that has the decoders.
        jobs: how many processes.
    """

    def __init__(self, python: Path, jobs: int) -> None:
        self.python = python
        self._processes = [
            subprocess.Popen(
                [str(python), "-m", "benchmarks.scans.beside"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for _ in range(jobs)
        ]
        try:
            hellos = [_take(_pipe(process.stdout)) for process in self._processes]
        except DecodersFailed:
            self.close()
            raise
        assert isinstance(hellos[0], Hello)
        self.hello = hellos[0]

    def examine(self, what: str, cases: Sequence[Case]) -> list[Outcomes]:
        """Return what each decoder makes of each picture."""
        waiting: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        done: queue.SimpleQueue[tuple[int, object]] = queue.SimpleQueue()
        for number in (*range(len(cases)), *(None for _ in self._processes)):
            waiting.put(number)

        def serve(process: subprocess.Popen[bytes]) -> None:
            while (number := waiting.get()) is not None:
                try:
                    _give(_pipe(process.stdin), cases[number])
                    done.put((number, _take(_pipe(process.stdout))))
                except (DecodersFailed, OSError) as error:
                    done.put((number, error))
                    return

        threads = [
            threading.Thread(target=serve, args=(process,), daemon=True)
            for process in self._processes
        ]
        for thread in threads:
            thread.start()
        found = dict(progress(what, self._gather(done, len(cases)), len(cases)))
        return [found[number] for number in range(len(cases))]

    def _gather(
        self, done: queue.SimpleQueue[tuple[int, object]], count: int
    ) -> Iterator[tuple[int, Outcomes]]:
        for _ in range(count):
            number, answer = done.get()
            if not isinstance(answer, dict):
                raise DecodersFailed(f"picture {number}: {answer}")
            yield number, answer

    def close(self) -> None:
        for process in self._processes:
            _pipe(process.stdin).close()
            process.wait()
            _pipe(process.stdout).close()


def _pipe(stream: object) -> BinaryIO:
    assert stream is not None
    return stream  # type: ignore[return-value]  # Popen's pipes are of bytes


def _give(stream: BinaryIO, what: object) -> None:
    pickle.dump(what, stream)
    stream.flush()


def _take(stream: BinaryIO) -> object:
    try:
        return pickle.load(stream)  # noqa: S301  from a process of our own
    except (EOFError, pickle.UnpicklingError) as error:
        raise DecodersFailed("a process of decoders ended") from error


# --- the process's side --------------------------------------------------------------------------


def examine(case: Case, known: Sequence[Known]) -> Outcomes:
    """Return what each of ``known`` makes of a picture."""
    stored = case.stored()
    measured = at_measured_size(stored)
    outcomes: Outcomes = {}
    for reader in known:
        if reader.takes_stored and case.is_rendered:
            continue  # it is stored at this size
        seen = stored if reader.takes_stored else measured
        if reader.is_slow and seen.shape[0] * seen.shape[1] > MOST_SLOW_PIXELS:
            outcomes[reader.name] = Outcome(False, 0, 0.0, is_skipped=True)
        else:
            outcomes[reader.name] = judge(reader.read, seen, case.truths)
    return outcomes


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints goes elsewhere
    known, missing = load_known()
    _give(answers, Hello(tuple(each.name for each in known), missing, versions()))
    is_first = True
    while True:
        try:
            case = pickle.load(sys.stdin.buffer)  # noqa: S301  from the process that started this
        except EOFError:
            return
        if is_first:  # the first call of a library pays for its tables
            examine(case, known)
            is_first = False
        _give(answers, examine(case, known))


if __name__ == "__main__":
    main()
