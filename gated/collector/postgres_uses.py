"""Uses of passes that gates share, in the collector's PostgreSQL. See docs/collector.md.

What ``sqlite_uses`` says of them holds here. The number of a change is taken from a counter that
stays locked until the commit, so a page never passes over a change that is not visible yet.
"""

from __future__ import annotations

from gated.collector.postgres_connection import Postgres
from gated.collector.sql_uses import page_of
from gated.collector.store import Lane, UsesPage
from gated.uses import MAX_USES, GateUses, UseAt, believable


def take(
    connection: Postgres, lane: Lane, told: GateUses, received_at_ms: int, keep_ms: int
) -> bool:
    """Store what a gate told; return whether anything of it is new.

    With a gap before it the list is known no further than before, but every use in it counts.
    """
    has_news = False
    for use in told.uses:
        seen = believable(use, lane.gate, received_at_ms)
        if seen.at_ms is not None and seen.at_ms > received_at_ms - keep_ms:
            has_news |= _take_one(connection, lane.site, seen, received_at_ms)
    upto = stored(connection, lane, told.epoch)
    if told.after <= upto < told.upto:
        connection.execute(
            "INSERT INTO uses_stored VALUES (%s, %s, %s, %s) ON CONFLICT (site, gate) DO UPDATE"
            " SET epoch = excluded.epoch, upto = excluded.upto",
            (lane.site, lane.gate, told.epoch, told.upto),
        )
    return has_news


def _take_one(connection: Postgres, site: str, use: UseAt, received_at_ms: int) -> bool:
    key = (site, use.gate, use.epoch, use.seq)
    row = connection.execute(
        "SELECT given_back FROM pass_use WHERE site = %s AND gate = %s AND epoch = %s AND seq = %s",
        key,
    ).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO pass_use VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(_next_change(connection, received_at_ms), *key, use.pass_ref),
                *(use.direction.value, use.zone, use.at_ms, use.code_made_s, use.given_back),
            ),
        )
        return True
    if row[0] or not use.given_back:
        return False
    connection.execute(
        "UPDATE pass_use SET change = %s, given_back = true"
        " WHERE site = %s AND gate = %s AND epoch = %s AND seq = %s",
        (_next_change(connection, received_at_ms), *key),
    )
    return True


def _next_change(connection: Postgres, received_at_ms: int) -> int:
    # Numbers follow the clock, so that a store that was restored from a backup gives none that
    # gates know of the one before.
    row = connection.execute(
        "UPDATE counter SET value = greatest(value + 1, %s) WHERE name = 'use' RETURNING value",
        (received_at_ms,),
    ).fetchone()
    return 0 if row is None else int(row[0])


def stored(connection: Postgres, lane: Lane, epoch: str) -> int:
    """Return how far the list in a gate's ledger is stored; 0 for another ledger than before."""
    row = connection.execute(
        "SELECT upto FROM uses_stored WHERE site = %s AND gate = %s AND epoch = %s",
        (lane.site, lane.gate, epoch),
    ).fetchone()
    return int(row[0]) if row else 0


def newest(connection: Postgres) -> int:
    """Return the number of the newest change; 0 before the first."""
    row = connection.execute("SELECT value FROM counter WHERE name = 'use'").fetchone()
    return int(row[0]) if row else 0


def page(connection: Postgres, site: str, after: int) -> UsesPage:
    """Return the first changes of ``site`` behind ``after``."""
    upto = max(after, newest(connection))
    rows = connection.execute(
        "SELECT change, gate, epoch, seq, pass_ref, direction, zone, at_ms, code_made_s, given_back"
        " FROM pass_use WHERE site = %s AND change > %s AND change <= %s ORDER BY change LIMIT %s",
        (site, after, upto, MAX_USES + 1),
    ).fetchall()
    return page_of(rows, after, upto)


def delete_expired(connection: Postgres, oldest_ms: int) -> int:
    """Delete the uses that are older than ``oldest_ms``; return how many."""
    return connection.execute("DELETE FROM pass_use WHERE at_ms <= %s", (oldest_ms,)).rowcount
