"""What other gates told about uses of passes, in ``uplink.db``: the uplink puts, the ledger takes.

Losing the file loses nothing: how far we know a collector's list stands in it as well, and without
that all of it is asked for again.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic import ValidationError

from gated.ledger.retention import in_transaction
from gated.ledger.shared_uses import Taken, Told
from gated.uses import UseAt

MAX_USES_WAITING = 50_000
"""What waits while no controller takes it: two weeks of a large site. More is asked for later."""
TABLES = """
CREATE TABLE shared_use (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    gate TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    given_back INTEGER NOT NULL,
    use TEXT NOT NULL,           -- as it came
    UNIQUE (gate, epoch, seq)
) STRICT;

CREATE TABLE uses_known (
    collector TEXT PRIMARY KEY,
    collector_epoch TEXT NOT NULL,
    ledger_epoch TEXT NOT NULL,  -- of ledger.db, which took over what came
    change INTEGER NOT NULL      -- of the collector's list, up to which we have it
) STRICT;

CREATE TABLE inbox (             -- names this file: ids begin anew in another
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL
) STRICT;
"""


class Known(NamedTuple):
    """How far we know the list of one collector's store."""

    collector_epoch: str
    change: int


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables, inside the caller's transaction."""
    for statement in TABLES.split(";\n"):
        if statement.strip():
            db.execute(statement)
    db.execute("INSERT INTO inbox VALUES (1, ?)", (secrets.token_hex(8),))


def put(
    db: sqlite3.Connection,
    uses: Iterable[UseAt],
    *,
    collector: str,
    known: Known,
    ledger_epoch: str,
) -> int | None:
    """Put in what is new of ``uses`` and how far that goes, in one transaction.

    Returns how many were new; None: too much waits already, and nothing was put in.
    """

    def work() -> int | None:
        (waiting,) = db.execute("SELECT count(*) FROM shared_use").fetchone()
        if waiting >= MAX_USES_WAITING:
            return None
        new = sum(_put_one(db, use) for use in uses)
        db.execute(
            "INSERT OR REPLACE INTO uses_known VALUES (?, ?, ?, ?)",
            (collector, known.collector_epoch, ledger_epoch, known.change),
        )
        return new

    return in_transaction(db, work)


def _put_one(db: sqlite3.Connection, use: UseAt) -> bool:
    """Return whether ``use`` says more than what waits of it. It then waits at the end."""
    row = db.execute(
        "SELECT given_back FROM shared_use WHERE gate = ? AND epoch = ? AND seq = ?",
        (use.gate, use.epoch, use.seq),
    ).fetchone()
    if row is not None and row[0] >= use.given_back:
        return False
    db.execute(
        "INSERT OR REPLACE INTO shared_use (gate, epoch, seq, given_back, use)"
        " VALUES (?, ?, ?, ?, ?)",
        (use.gate, use.epoch, use.seq, use.given_back, use.model_dump_json()),
    )
    return True


def known(db: sqlite3.Connection, ledger_epoch: str) -> Mapping[str, Known]:
    """Return by collector how far its list is known to the ledger of ``ledger_epoch``.

    A new ledger asks for everything again: what it took over of the old one may be damaged.
    """
    rows = db.execute(
        "SELECT collector, collector_epoch, change FROM uses_known WHERE ledger_epoch = ?",
        (ledger_epoch,),
    ).fetchall()
    return {str(name): Known(str(epoch), int(change)) for name, epoch, change in rows}


def drop(db: sqlite3.Connection, taken: Taken) -> None:
    """Delete what the ledger has taken over."""
    db.execute(
        "DELETE FROM shared_use WHERE id <= ? AND ? = (SELECT name FROM inbox)",
        (taken.id, taken.inbox),
    )


def take(db: sqlite3.Connection, taken: Taken | None, limit: int) -> Told | None:
    """Return at most ``limit`` uses behind ``taken``, or None if there are none."""
    row = db.execute("SELECT name FROM inbox").fetchone()
    if row is None:
        return None
    name = str(row[0])
    last = taken.id if taken is not None and taken.inbox == name else 0
    rows = db.execute(
        "SELECT id, use FROM shared_use WHERE id > ? ORDER BY id LIMIT ?", (last, limit)
    ).fetchall()
    if not rows:
        return None
    uses: list[UseAt] = []
    for _, text in rows:
        with contextlib.suppress(ValidationError):  # a damaged file; the rest is good
            uses.append(UseAt.model_validate_json(text))
    return Told(Taken(name, int(rows[-1][0])), tuple(uses), is_all=len(rows) < limit)
