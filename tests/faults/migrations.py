"""A ledger of schema 1 whose migration is interrupted, by kill -9 or by a power cut.

The process that migrates stops itself at a statement of chance's choice, which a kill from outside
would hardly ever hit: the whole takes a few milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from gated.ledger.files import close_leaving_wal, connect_writer
from gated.ledger.opening import migrate
from gated.ledger.reader import LedgerReader
from tests.faults.book import Told
from tests.faults.disks import Ext4Disk, lacks_ext4
from tests.faults.fault import Fault
from tests.faults.gate import ROOT
from tests.faults.line import Line, Scene, any_broker
from tests.faults.verdict import Tally

_GOLDEN = ROOT / "tests" / "golden" / "ledger" / "schema-1.sql"
_STATEMENTS = 16
_TRIES = 4
"""Interruptions before it is let through."""


def make_schema_1(path: Path) -> list[Told]:
    """Make the ledger that an older gated left; return what it had answered for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = connect_writer(path, synchronous="FULL")
    db.executescript(_GOLDEN.read_text(encoding="utf-8"))
    close_leaving_wal(db, path)
    with contextlib.closing(LedgerReader(path)) as reader:
        return [
            Told(event.epoch, event.seq, event.kind, event.visit_id or "", 0)
            for event in reader.after(0, 1_000)
        ]


def migrate_until(path: Path, statement: int) -> None:
    """Migrate ``path``, and kill this process before the statement of that number."""
    db = connect_writer(path, synchronous="FULL")
    left = statement

    def count(_sql: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    db.set_trace_callback(count)
    migrate(db)


def interrupt(path: Path, statement: int) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.faults.migrations", str(path), str(statement)],
        cwd=ROOT,
        check=False,
    )


def migrating(scene: Scene, line: Line, kill: Callable[[], None]) -> Tally:
    """Interrupt the migration a few times, then let the gate do it, and go on from there."""
    old = make_schema_1(line.gate.ledger_path)
    line.book.told += old
    for _ in range(scene.times(_TRIES, 2)):
        interrupt(line.gate.ledger_path, scene.rng.randrange(_STATEMENTS))
        kill()
        line.injected += 1
    line.start(rate=200)
    line.pause(0.2, 0.6)
    tally = line.finish()
    if line.book.openings["recovered"] or not set(line.book.told) >= set(old):
        raise AssertionError(f"the old ledger was not taken over\n{line.log()}")
    return tally


def run_killed(scene: Scene) -> Tally:
    with contextlib.closing(Line(scene, any_broker(scene))) as line:
        return migrating(scene, line, lambda: None)


def run_power_cut(scene: Scene) -> Tally:
    with (
        contextlib.closing(Ext4Disk(scene.folder)) as disk,
        contextlib.closing(Line(scene, any_broker(scene), state=disk.folder / "s")) as line,
    ):

        def cut() -> None:
            disk.cut()
            disk.power_up()

        return migrating(scene, line, cut)


FAULTS = (
    Fault("migration_killed", "kill -9 in the middle of a schema's migration", run_killed),
    Fault("migration_power_cut", "power cut in the middle of one", run_power_cut, lacks_ext4),
)


if __name__ == "__main__":
    migrate_until(Path(sys.argv[1]), int(sys.argv[2]))
