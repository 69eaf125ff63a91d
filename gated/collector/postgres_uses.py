"""Uses of passes that gates share, in the collector's PostgreSQL. See docs/collector.md.

What ``sqlite_uses`` says of them holds here. The number of a change is taken from a counter that
stays locked until the commit, so a page never passes over a change that is not visible yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from gated.collector.postgres_connection import Postgres, columns
from gated.collector.sql_uses import page_of
from gated.collector.store import ChainKey, Lane, UsesPage
from gated.uses import MAX_USES, GateUses, UseAt, believable

# One statement, since a round trip for each step is most of what a use costs. Numbers follow the
# clock, so that a store that was restored from a backup gives none that gates know of the one
# before; the counter is locked only if there is something new.
_TAKE = """
WITH new AS (
  SELECT told.*, row_number() OVER () AS n
  FROM unnest(%(epoch)s::text[], %(seq)s::bigint[], %(pass_ref)s::text[], %(direction)s::text[],
              %(zone)s::text[], %(at_ms)s::bigint[], %(code_made_s)s::bigint[],
              %(given_back)s::boolean[])
    AS told (epoch, seq, pass_ref, direction, zone, at_ms, code_made_s, given_back)
  LEFT JOIN pass_use AS known ON known.site = %(site)s AND known.gate = %(gate)s
    AND known.epoch = told.epoch AND known.seq = told.seq
  WHERE known.seq IS NULL OR (told.given_back AND NOT known.given_back)
), number AS (
  UPDATE counter SET value = greatest(value + (SELECT count(*) FROM new), %(now)s)
  WHERE name = 'use' AND EXISTS (SELECT FROM new) RETURNING value
), written AS (
  INSERT INTO pass_use
  SELECT number.value - (SELECT count(*) FROM new) + n, %(site)s, %(gate)s, epoch, seq, pass_ref,
         direction, zone, at_ms, code_made_s, given_back
  FROM new, number
  ON CONFLICT (site, gate, epoch, seq) DO UPDATE SET change = excluded.change, given_back = true
  RETURNING 1
), list AS (
  INSERT INTO uses_stored SELECT %(site)s, %(gate)s, %(ledger)s, %(upto)s
  WHERE %(after)s <= coalesce((SELECT upto FROM uses_stored WHERE site = %(site)s
                               AND gate = %(gate)s AND epoch = %(ledger)s), 0)
    AND %(upto)s > coalesce((SELECT upto FROM uses_stored WHERE site = %(site)s
                             AND gate = %(gate)s AND epoch = %(ledger)s), 0)
  ON CONFLICT (site, gate) DO UPDATE SET epoch = excluded.epoch, upto = excluded.upto
)
SELECT count(*) FROM written
"""


def take(
    connection: Postgres, lane: Lane, told: GateUses, received_at_ms: int, keep_ms: int
) -> bool:
    """Store what a gate told; return whether anything of it is new.

    With a gap before it the list is known no further than before, but every use in it counts.
    """
    kept: dict[tuple[str, int], UseAt] = {}
    for use in told.uses:
        seen = believable(use, lane.gate, received_at_ms)
        if seen.at_ms is not None and seen.at_ms > received_at_ms - keep_ms:
            known = kept.get((seen.epoch, seen.seq))
            if known is None or seen.given_back:
                kept[seen.epoch, seen.seq] = seen
    uses = list(kept.values())
    row = connection.execute(
        _TAKE,
        {
            "site": lane.site,
            "gate": lane.gate,
            "now": received_at_ms,
            "ledger": told.epoch,
            "after": told.after,
            "upto": told.upto,
            "epoch": [use.epoch for use in uses],
            "seq": [use.seq for use in uses],
            "pass_ref": [use.pass_ref for use in uses],
            "direction": [use.direction.value for use in uses],
            "zone": [use.zone for use in uses],
            "at_ms": [use.at_ms for use in uses],
            "code_made_s": [use.code_made_s for use in uses],
            "given_back": [use.given_back for use in uses],
        },
    ).fetchone()
    return row is not None and row[0] > 0


def stored(connection: Postgres, ledgers: Sequence[ChainKey]) -> list[int]:
    """Return how far the list in each gate's ledger is stored; 0 for another than before."""
    rows = connection.execute(
        "SELECT site, gate, epoch, upto FROM uses_stored"
        " JOIN unnest(%s::text[], %s::text[], %s::text[]) AS asked (site, gate, epoch)"
        " USING (site, gate, epoch)",
        columns(ledgers, 3),
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
