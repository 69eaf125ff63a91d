"""What a batch reads and writes in the collector's PostgreSQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from gated.collector import postgres_uses
from gated.collector.batch_tables import Birth, Held, LinkRow, Note, StoredChain, Writes
from gated.collector.chain import Head, Step
from gated.collector.corrections import MAX_BOOT_MS, Anchor, NewAnchor
from gated.collector.postgres_connection import ALREADY_THERE, Postgres, columns
from gated.collector.postgres_schema import COPIED_TYPES, COPY_RECORDS
from gated.collector.store import ChainKey, Lane
from gated.errors import StorageError
from gated.uses import GateUses

WINDOW = 500
"""Stored records are looked up by this many neighbours at once: a resend comes in order."""

_Steps = dict[int, Step]


class PostgresTables:
    """Implements ``BatchTables`` inside the transaction that is open on ``connection``."""

    def __init__(self, connection: Postgres) -> None:
        self._connection = connection
        self._windows: dict[tuple[ChainKey, int], _Steps] = {}

    def hold(self, lanes: Sequence[Lane], keys: Sequence[ChainKey]) -> Held:
        if not lanes:
            return Held({}, {})
        names = columns(lanes, 2)
        with self._connection.pipeline():  # all in one round trip
            self._connection.execute(
                "INSERT INTO lane SELECT * FROM unnest(%s::text[], %s::text[]) ORDER BY 1, 2"
                " ON CONFLICT DO NOTHING",
                names,
            )
            self._connection.execute(
                "SELECT 1 FROM lane JOIN unnest(%s::text[], %s::text[]) AS wanted (site, gate)"
                " USING (site, gate) ORDER BY site, gate FOR UPDATE OF lane",
                names,
            )
            chains = self._connection.execute(
                "SELECT site, gate, epoch, upto, hash, highest, first_received_ms FROM progress"
                " JOIN unnest(%s::text[], %s::text[], %s::text[]) AS wanted (site, gate, epoch)"
                " USING (site, gate, epoch)",
                columns(keys, 3),
            )
            anchors = self._connection.execute(
                "SELECT site, gate, epoch, boot, quality, seq, boot_ms, at_ms FROM clock_anchor"
                " JOIN unnest(%s::text[], %s::text[], %s::text[]) AS wanted (site, gate, epoch)"
                " USING (site, gate, epoch)",
                columns(keys, 3),
            )
        found: dict[ChainKey, dict[tuple[int, str], Anchor]] = defaultdict(dict)
        for site, gate, epoch, boot, quality, *anchor in anchors:
            found[ChainKey(site, gate, epoch)][boot, quality] = Anchor(*anchor)
        return Held(
            {ChainKey(*row[:3]): StoredChain(Head(row[3], row[4]), *row[5:]) for row in chains},
            found,
        )

    def step(self, chain: ChainKey, seq: int) -> Step | None:
        window = seq // WINDOW
        steps = self._windows.get((chain, window))
        if steps is None:
            rows = self._connection.execute(
                "SELECT seq, body_sha, prev FROM record WHERE site = %s AND gate = %s"
                " AND epoch = %s AND seq BETWEEN %s AND %s",
                (*chain, *_bounds(window)),
            )
            steps = {row[0]: Step(row[1], row[2]) for row in rows}
            self._windows[chain, window] = steps
        return steps.get(seq)

    def stored_between(self, chain: ChainKey, first: int, last: int) -> set[int]:
        rows = self._connection.execute(
            "SELECT seq FROM record WHERE site = %s AND gate = %s AND epoch = %s"
            " AND seq BETWEEN %s AND %s",
            (*chain, first, last),
        )
        return {row[0] for row in rows}

    def set_hashes(self, chain: ChainKey, hashes: Mapping[int, bytes]) -> None:
        self._connection.execute(
            "UPDATE record SET chain = h.chain"
            " FROM unnest(%s::bigint[], %s::bytea[]) AS h (seq, chain)"
            " WHERE site = %s AND gate = %s AND epoch = %s AND record.seq = h.seq",
            (list(hashes), list(hashes.values()), *chain),
        )

    def write(self, writes: Writes) -> None:
        with self._connection.pipeline():  # all in one round trip
            self._add_links(writes.links)
            self._set_chains(writes.chains)
            self._see(writes.seen_ms)
            # Last: from here to the commit no other ingester takes a number, so ids become
            # visible in order, and whoever reads "after id" misses none.
            numbers = self._connection.execute(
                "UPDATE counter SET value = value + %s WHERE name = 'record' RETURNING value",
                (len(writes.records),),
            )
        row = numbers.fetchone()
        if row is None:
            raise StorageError("cannot store: the counter record is gone")
        if writes.records:
            self._copy(writes.records, row[0] - len(writes.records) + 1)

    def _copy(self, records: Sequence[tuple[object, ...]], first_id: int) -> None:
        try:
            with self._connection.cursor().copy(COPY_RECORDS) as copy:
                copy.set_types(COPIED_TYPES)
                for record_id, record in enumerate(records, first_id):
                    copy.write_row((record_id, *record))
        except ALREADY_THERE:
            raise StorageError(
                "cannot store: another program writes records into these tables"
            ) from None

    def _add_links(self, links: Sequence[LinkRow]) -> None:
        if not links:
            return
        values = [
            (*link.chain, link.seq, link.holder_ref, link.salt, link.expires_at_ms)
            for link in links
        ]
        self._connection.execute(
            "INSERT INTO link (site, gate, epoch, seq, holder_ref, salt, expires_at_ms)"
            " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[],"
            " %s::text[], %s::text[], %s::bigint[])",
            columns(values, 7),
        )

    def _set_chains(self, chains: Mapping[ChainKey, StoredChain]) -> None:
        if not chains:
            return
        values = [
            (*key, chain.head.upto, chain.head.hash, chain.highest, chain.first_received_ms)
            for key, chain in chains.items()
        ]
        self._connection.execute(
            "INSERT INTO progress SELECT * FROM unnest(%s::text[], %s::text[], %s::text[],"
            " %s::bigint[], %s::bytea[], %s::bigint[], %s::bigint[])"
            " ON CONFLICT (site, gate, epoch) DO UPDATE"
            " SET upto = excluded.upto, hash = excluded.hash, highest = excluded.highest",
            columns(values, 7),
        )

    def _see(self, seen_ms: Mapping[Lane, int]) -> None:
        if not seen_ms:
            return
        self._connection.execute(
            "INSERT INTO gate (site, gate, last_seen_ms)"
            " SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[])"
            " ON CONFLICT (site, gate) DO UPDATE"
            " SET last_seen_ms = greatest(gate.last_seen_ms, excluded.last_seen_ms)",
            (*columns(list(seen_ms), 2), list(seen_ms.values())),
        )

    def set_anchor(self, chain: ChainKey, new: NewAnchor) -> None:
        anchor = new.anchor
        self._connection.execute(
            "INSERT INTO clock_anchor VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (site, gate, epoch, boot, quality) DO UPDATE"
            " SET seq = excluded.seq, boot_ms = excluded.boot_ms, at_ms = excluded.at_ms",
            (*chain, new.boot, new.quality, anchor.seq, anchor.boot_ms, anchor.at_ms),
        )
        if new.is_best:
            self._connection.execute(
                "UPDATE record SET corrected_at_ms = boot_ms + %s, corrected_quality = %s"
                " WHERE site = %s AND gate = %s AND epoch = %s AND boot = %s"
                " AND time_quality = 'unknown' AND boot_ms BETWEEN 0 AND %s",
                (
                    *(anchor.at_ms - anchor.boot_ms, new.quality),
                    *(*chain, new.boot, MAX_BOOT_MS),
                ),
            )

    def add_lost(self, chain: ChainKey, first: int, last: int, noted_at_ms: int) -> None:
        self._connection.execute(
            "INSERT INTO lost VALUES (%s, %s, %s, %s, %s, %s)",
            (*chain, first, last, noted_at_ms),
        )

    def take_lost(self, chain: ChainKey, seq: int) -> tuple[int, int, int] | None:
        row = self._connection.execute(
            "DELETE FROM lost WHERE site = %s AND gate = %s AND epoch = %s"
            " AND %s BETWEEN first_seq AND last_seq RETURNING first_seq, last_seq, noted_at_ms",
            (*chain, seq),
        ).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def note(self, note: Note) -> bool:
        cursor = self._connection.execute(
            "INSERT INTO quarantine (problem, site, gate, epoch, seq, topic, body, body_sha, error,"
            " received_at_ms) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (
                *(note.problem, *note.chain, note.seq, note.topic, note.body),
                *(note.body_sha, note.error, note.received_at_ms),
            ),
        )
        return cursor.rowcount > 0

    def take_birth(self, birth: Birth) -> None:
        self._connection.execute(
            """
            INSERT INTO gate (site, gate, state, state_epoch, online, session, session_since_ms,
                              state_at_ms, last_seen_ms)
            VALUES (%s, %s, %s, %s, true, %s, %s, %s, %s)
            ON CONFLICT (site, gate) DO UPDATE SET
              session_since_ms = CASE
                WHEN gate.session IS NOT DISTINCT FROM excluded.session AND gate.online
                THEN gate.session_since_ms ELSE excluded.session_since_ms END,
              state = excluded.state, state_epoch = excluded.state_epoch, online = true,
              session = excluded.session, state_at_ms = excluded.state_at_ms
            """,
            (
                *(birth.lane.site, birth.lane.gate, birth.state_json, birth.epoch, birth.session),
                *(birth.received_at_ms, birth.state_at_ms, birth.received_at_ms),
            ),
        )

    def take_will(self, lane: Lane, session: int, received_at_ms: int) -> None:
        # A late will of an old session says nothing about the present one.
        self._connection.execute(
            "INSERT INTO gate (site, gate, session, last_seen_ms) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (site, gate) DO UPDATE SET online = false"
            " WHERE gate.session = excluded.session",
            (lane.site, lane.gate, session, received_at_ms),
        )

    def take_uses(self, lane: Lane, told: GateUses, received_at_ms: int, keep_ms: int) -> bool:
        return postgres_uses.take(self._connection, lane, told, received_at_ms, keep_ms)


def _bounds(window: int) -> tuple[int, int]:
    return window * WINDOW, min(window * WINDOW + WINDOW - 1, 2**63 - 1)
