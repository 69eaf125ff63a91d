"""Uses of passes that gates share, in the collector's SQLite file. See docs/collector.md.

Functions run inside the caller's transaction. Nothing here is a record: all of it is deleted with
the person links, and reports never read it.
"""

from __future__ import annotations

import sqlite3

from gated.collector.sql_uses import page_of
from gated.collector.store import Lane, UsesPage
from gated.uses import MAX_USES, GateUses, UseAt, believable

TABLES = """
CREATE TABLE pass_use (             -- what gates told; one row for each use, not for each pass
  change      INTEGER PRIMARY KEY AUTOINCREMENT,  -- grows; new when the use is given back
  site        TEXT NOT NULL,
  gate        TEXT NOT NULL,
  epoch       TEXT NOT NULL,
  seq         INTEGER NOT NULL,
  pass_ref    TEXT NOT NULL,
  direction   TEXT NOT NULL,
  zone        TEXT,
  at_ms       INTEGER NOT NULL,
  code_made_s INTEGER,
  given_back  INTEGER NOT NULL,
  UNIQUE (site, gate, epoch, seq)
) STRICT;
CREATE INDEX pass_use_of_site ON pass_use (site, change);

CREATE TABLE uses_stored (          -- how far we have a gate's own list
  site        TEXT NOT NULL,
  gate        TEXT NOT NULL,
  epoch       TEXT NOT NULL,        -- of the ledger in which it counts
  upto        INTEGER NOT NULL,
  PRIMARY KEY (site, gate)
) STRICT, WITHOUT ROWID;
"""


def take(
    connection: sqlite3.Connection, lane: Lane, told: GateUses, received_at_ms: int, keep_ms: int
) -> bool:
    """Store what a gate told; return whether anything of it is new.

    With a gap before it the list is known no further than before, but every use in it counts.
    """
    has_news = False
    for use in told.uses:
        seen = believable(use, lane.gate, received_at_ms)
        if seen.at_ms is not None and seen.at_ms > received_at_ms - keep_ms:
            # Numbers follow the clock, so that a store that was restored from a backup gives none
            # that gates know of the one before.
            change = max(newest(connection) + 1, received_at_ms)
            has_news |= _take_one(connection, lane.site, seen, change)
    upto = stored(connection, lane, told.epoch)
    if told.after <= upto < told.upto:
        connection.execute(
            "INSERT OR REPLACE INTO uses_stored VALUES (?, ?, ?, ?)",
            (lane.site, lane.gate, told.epoch, told.upto),
        )
    return has_news


def _take_one(connection: sqlite3.Connection, site: str, use: UseAt, change: int) -> bool:
    row = connection.execute(
        "SELECT given_back FROM pass_use WHERE site = ? AND gate = ? AND epoch = ? AND seq = ?",
        (site, use.gate, use.epoch, use.seq),
    ).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO pass_use VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(change, site, use.gate, use.epoch, use.seq, use.pass_ref, use.direction.value),
                *(use.zone, use.at_ms, use.code_made_s, use.given_back),
            ),
        )
        return True
    if row[0] or not use.given_back:
        return False
    # Deleted and made again: AUTOINCREMENT does not see a number that is only updated.
    (kept,) = connection.execute(
        "DELETE FROM pass_use WHERE site = ? AND gate = ? AND epoch = ? AND seq = ?"
        " RETURNING site, gate, epoch, seq, pass_ref, direction, zone, at_ms, code_made_s, 1",
        (site, use.gate, use.epoch, use.seq),
    ).fetchall()
    connection.execute(
        "INSERT INTO pass_use VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (change, *kept)
    )
    return True


def stored(connection: sqlite3.Connection, lane: Lane, epoch: str) -> int:
    """Return how far the list in a gate's ledger is stored; 0 for another ledger than before."""
    row = connection.execute(
        "SELECT upto FROM uses_stored WHERE site = ? AND gate = ? AND epoch = ?",
        (lane.site, lane.gate, epoch),
    ).fetchone()
    return int(row[0]) if row else 0


def newest(connection: sqlite3.Connection) -> int:
    """Return the number of the newest change; 0 before the first."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'pass_use'").fetchone()
    return int(row[0]) if row else 0


def page(connection: sqlite3.Connection, site: str, after: int) -> UsesPage:
    """Return the first changes of ``site`` behind ``after``."""
    upto = max(after, newest(connection))
    rows = connection.execute(
        "SELECT change, gate, epoch, seq, pass_ref, direction, zone, at_ms, code_made_s, given_back"
        " FROM pass_use WHERE site = ? AND change > ? ORDER BY change LIMIT ?",
        (site, after, MAX_USES + 1),
    ).fetchall()
    return page_of(rows, after, upto)


def delete_expired(connection: sqlite3.Connection, oldest_ms: int) -> int:
    """Delete the uses that are older than ``oldest_ms``; return how many."""
    return connection.execute("DELETE FROM pass_use WHERE at_ms <= ?", (oldest_ms,)).rowcount
