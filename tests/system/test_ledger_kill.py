"""kill -9 of the writer at random moments: what it answered for is there, nothing twice.

A killed process keeps the page cache, so this proves the transactions and not the sync.
"""

from __future__ import annotations

import os
import random
import select
import sqlite3
import subprocess
import sys
from pathlib import Path

from gated.ledger.reader import LedgerReader
from gated.ledger.verify import verify_chain
from tests.ledger_drafts import open_ledger

ROOT = Path(__file__).parents[2]
KILLS = 24
WRITER = """
import sys
from pathlib import Path
from tests.ledger_drafts import ack, link, open_ledger, passage, visit

opened = open_ledger(Path(sys.argv[1]))
ledger, run = opened.ledger, sys.argv[2]
assert opened.how in ("opened", "new"), opened
for n in range(100_000):
    name = f"{run}-{n}"
    for answer in ledger.append([visit(name, person=link()), passage(name)]):
        print(answer.seq, answer.hash.hex(), flush=True)
    if n % 10 == 4:
        behind = answer
    if n % 10 == 9:
        ledger.apply_ack(ack(ledger, behind.seq, behind.hash))
        ledger.collect(0, 50)
    if n % 17 == 16:
        ledger.checkpoint()
"""


def answers_before_death(path: Path, run: int, lines: int) -> list[tuple[int, str]]:
    """Start a writer, kill it once it has answered for ``lines`` events, return all it answered."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    said = b""
    while said.count(b"\n") < lines:
        ready, _, _ = select.select([writer.stdout], [], [], 30)
        chunk = os.read(writer.stdout.fileno(), 65_536) if ready else b""
        assert chunk, writer.stderr.read().decode()
        said += chunk
    writer.kill()
    rest, _ = writer.communicate()
    said += rest
    whole = said[: said.rfind(b"\n") + 1].decode().splitlines()
    return [(int(seq), digest) for seq, digest in (line.split() for line in whole)]


def test_nothing_that_was_answered_for_is_lost_to_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    rng = random.Random(7)
    answered: dict[int, str] = {}
    for run in range(KILLS):
        said = answers_before_death(path, run, rng.randrange(1, 120))
        for seq, digest in said:
            assert seq not in answered, "a number was given twice"
            answered[seq] = digest
        reader = LedgerReader(path)
        events = {event.seq: event.hash.hex() for event in reader.after(0, 1_000_000)}
        anchor = reader.bounds().anchor
        assert verify_chain(reader).ok
        reader.close()
        lost = [seq for seq in answered if seq > anchor.seq and events.get(seq) != answered[seq]]
        assert lost == []
        assert answered.get(anchor.seq, anchor.hash.hex()) == anchor.hash.hex()
    opened = open_ledger(path)
    assert opened.how == "opened"
    opened.ledger.close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    assert len(answered) > KILLS
