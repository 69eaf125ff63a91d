"""Uses of passes that gates share, in the collector's PostgreSQL. See docs/collector.md.

What ``sqlite_uses`` says of them holds here. The number of a change is taken from a counter that
stays locked until the commit, so a page never passes over a change that is not visible yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from gated.collector.postgres_connection import Postgres
from gated.collector.sql_uses import page_of
from gated.collector.store import ChainKey, Lane, UsesPage
from gated.uses import MAX_USES, GateUses, UseAt, believable


def take(
    connection: Postgres, lane: Lane, told: GateUses, received_at_ms: int, keep_ms: int
) -> bool:
    """Store what a gate told; return whether anything of it is new.

    With a gap before it the list is known no further than before, but every use in it counts.
    """
    seen = [believable(use, lane.gate, received_at_ms) for use in told.uses]
    kept = [use for use in seen if use.at_ms is not None and use.at_ms > received_at_ms - keep_ms]
    new = _those_new(connection, lane, kept)
    if new:
        _write(connection, lane.site, new, received_at_ms)
    ledger = ChainKey(lane.site, lane.gate, told.epoch)
    if told.after < told.upto and told.after <= stored(connection, [ledger])[0] < told.upto:
        connection.execute(
            "INSERT INTO uses_stored VALUES (%s, %s, %s, %s) ON CONFLICT (site, gate) DO UPDATE"
            " SET epoch = excluded.epoch, upto = excluded.upto",
            (lane.site, lane.gate, told.epoch, told.upto),
        )
    return bool(new)


def _those_new(connection: Postgres, lane: Lane, uses: Sequence[UseAt]) -> list[UseAt]:
    """Return those of ``uses`` that are not stored, or are stored as not given back."""
    if not uses:
        return []
    rows = connection.execute(
        "SELECT epoch, seq, given_back FROM pass_use"
        " JOIN unnest(%s::text[], %s::bigint[]) AS told (epoch, seq) USING (epoch, seq)"
        " WHERE site = %s AND gate = %s",
        ([use.epoch for use in uses], [use.seq for use in uses], lane.site, lane.gate),
    )
    given_back = {(epoch, seq): is_back for epoch, seq, is_back in rows}
    new: dict[tuple[str, int], UseAt] = {}
    for use in uses:
        key = (use.epoch, use.seq)
        if key not in given_back or (use.given_back and not given_back[key]):
            given_back[key] = use.given_back
            new[key] = use
    return list(new.values())


def _write(connection: Postgres, site: str, uses: Sequence[UseAt], received_at_ms: int) -> None:
    # Numbers follow the clock, so that a store that was restored from a backup gives none that
    # gates know of the one before.
    connection.execute(
        "WITH number AS (UPDATE counter SET value = greatest(value + %s, %s) WHERE name = 'use'"
        " RETURNING value)"
        " INSERT INTO pass_use SELECT value - told.n, %s, told.gate, told.epoch, told.seq,"
        " told.pass_ref, told.direction, told.zone, told.at_ms, told.code_made_s, told.given_back"
        " FROM number, unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::text[],"
        " %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::boolean[]) AS told"
        " (n, gate, epoch, seq, pass_ref, direction, zone, at_ms, code_made_s, given_back)"
        " ON CONFLICT (site, gate, epoch, seq) DO UPDATE"
        " SET change = excluded.change, given_back = true",
        (
            *(len(uses), received_at_ms, site),
            list(range(len(uses) - 1, -1, -1)),
            *([use.gate for use in uses], [use.epoch for use in uses], [use.seq for use in uses]),
            *([use.pass_ref for use in uses], [use.direction.value for use in uses]),
            *([use.zone for use in uses], [use.at_ms for use in uses]),
            *([use.code_made_s for use in uses], [use.given_back for use in uses]),
        ),
    )


def stored(connection: Postgres, ledgers: Sequence[ChainKey]) -> list[int]:
    """Return how far the list in each gate's ledger is stored; 0 for another than before."""
    rows = connection.execute(
        "SELECT site, gate, epoch, upto FROM uses_stored"
        " JOIN unnest(%s::text[], %s::text[], %s::text[]) AS asked (site, gate, epoch)"
        " USING (site, gate, epoch)",
        (
            [key.site for key in ledgers],
            [key.gate for key in ledgers],
            [key.epoch for key in ledgers],
        ),
    )
    found = {ChainKey(site, gate, epoch): int(upto) for site, gate, epoch, upto in rows}
    return [found.get(key, 0) for key in ledgers]


def newest(connection: Postgres) -> int:
    """Return the number of the newest change; 0 before the first."""
    row = connection.execute("SELECT value FROM counter WHERE name = 'use'").fetchone()
    return int(row[0]) if row else 0


def page(connection: Postgres, site: str, after: int) -> UsesPage:
    """Return the first changes of ``site`` behind ``after``."""
    rows = connection.execute(
        "SELECT counter.value, found.* FROM counter LEFT JOIN LATERAL ("
        "SELECT change, gate, epoch, seq, pass_ref, direction, zone, at_ms, code_made_s, given_back"
        " FROM pass_use WHERE site = %s AND change > %s ORDER BY change LIMIT %s"
        ") AS found ON true WHERE name = 'use' ORDER BY change",
        (site, after, MAX_USES + 1),
    ).fetchall()
    upto = max(after, *(row[0] for row in rows))
    return page_of([row[1:] for row in rows if row[1] is not None], after, upto)


def delete_expired(connection: Postgres, oldest_ms: int) -> int:
    """Delete the uses that are older than ``oldest_ms``; return how many."""
    return connection.execute("DELETE FROM pass_use WHERE at_ms <= %s", (oldest_ms,)).rowcount
