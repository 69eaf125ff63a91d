"""What a batch reads and writes in the collector's SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from gated.collector import sqlite_uses
from gated.collector.batch_tables import RECORD_COLUMNS, Birth, Held, Note, StoredChain, Writes
from gated.collector.chain import Head, Step
from gated.collector.corrections import MAX_BOOT_MS, Anchor, NewAnchor, StoredAnchors
from gated.collector.store import ChainKey, Lane
from gated.uses import GateUses

_INSERT_RECORD = (
    "INSERT INTO record (" + ", ".join(RECORD_COLUMNS) + ") "
    "VALUES (" + ", ".join("?" * len(RECORD_COLUMNS)) + ")"
)


def read_chain(connection: sqlite3.Connection, chain: ChainKey) -> StoredChain | None:
    """Return a chain as it is stored, or None if it was never heard of."""
    row = connection.execute(
        "SELECT upto, hash, highest, first_received_ms FROM progress "
        "WHERE site = ? AND gate = ? AND epoch = ?",
        chain,
    ).fetchone()
    return None if row is None else StoredChain(Head(row[0], row[1]), row[2], row[3])


class SqliteTables:
    """Implements ``BatchTables`` inside the transaction that is open on ``connection``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def hold(self, lanes: Sequence[Lane], keys: Sequence[ChainKey]) -> Held:  # noqa: ARG002 - BEGIN IMMEDIATE has locked the whole file
        found = ((key, read_chain(self._connection, key)) for key in keys)
        chains = {key: chain for key, chain in found if chain is not None}
        return Held(chains, self._anchors(keys))

    def _anchors(self, keys: Sequence[ChainKey]) -> dict[ChainKey, StoredAnchors]:
        return {
            key: {
                (boot, quality): Anchor(seq, boot_ms, at_ms)
                for boot, quality, seq, boot_ms, at_ms in self._connection.execute(
                    "SELECT boot, quality, seq, boot_ms, at_ms FROM clock_anchor "
                    "WHERE site = ? AND gate = ? AND epoch = ?",
                    key,
                )
            }
            for key in keys
        }

    def step(self, chain: ChainKey, seq: int) -> Step | None:
        row = self._connection.execute(
            "SELECT body_sha, prev FROM record "
            "WHERE site = ? AND gate = ? AND epoch = ? AND seq = ?",
            (*chain, seq),
        ).fetchone()
        return None if row is None else Step(*row)

    def stored_between(self, chain: ChainKey, first: int, last: int) -> set[int]:
        rows = self._connection.execute(
            "SELECT seq FROM record "
            "WHERE site = ? AND gate = ? AND epoch = ? AND seq BETWEEN ? AND ?",
            (*chain, first, last),
        )
        return {row[0] for row in rows}

    def set_hashes(self, chain: ChainKey, hashes: Mapping[int, bytes]) -> None:
        self._connection.executemany(
            "UPDATE record SET chain = ? WHERE site = ? AND gate = ? AND epoch = ? AND seq = ?",
            [(hash_, *chain, seq) for seq, hash_ in hashes.items()],
        )

    def write(self, writes: Writes) -> None:
        self._connection.executemany(_INSERT_RECORD, writes.records)
        self._connection.executemany(
            "INSERT INTO link VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (*link.chain, link.seq, link.holder_ref, link.salt, link.expires_at_ms)
                for link in writes.links
            ],
        )
        self._connection.executemany(
            "INSERT INTO progress VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET upto = excluded.upto, hash = excluded.hash, highest = excluded.highest",
            [
                (
                    *(*key, chain.head.upto, chain.head.hash),
                    *(chain.highest, chain.first_received_ms),
                )
                for key, chain in writes.chains.items()
            ],
        )
        self._connection.executemany(
            "INSERT INTO gate (site, gate, last_seen_ms) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET last_seen_ms = max(last_seen_ms, excluded.last_seen_ms)",
            [(lane.site, lane.gate, at_ms) for lane, at_ms in writes.seen_ms.items()],
        )

    def set_anchor(self, chain: ChainKey, new: NewAnchor) -> None:
        anchor = new.anchor
        self._connection.execute(
            "INSERT OR REPLACE INTO clock_anchor VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*chain, new.boot, new.quality, anchor.seq, anchor.boot_ms, anchor.at_ms),
        )
        if new.is_best:
            self._connection.execute(
                "UPDATE record SET corrected_at_ms = boot_ms + ?, corrected_quality = ? "
                "WHERE site = ? AND gate = ? AND epoch = ? AND boot = ? "
                "AND time_quality = 'unknown' AND boot_ms BETWEEN 0 AND ?",
                (
                    *(anchor.at_ms - anchor.boot_ms, new.quality),
                    *(*chain, new.boot, MAX_BOOT_MS),
                ),
            )

    def add_lost(self, chain: ChainKey, first: int, last: int, noted_at_ms: int) -> None:
        self._connection.execute(
            "INSERT INTO lost VALUES (?, ?, ?, ?, ?, ?)", (*chain, first, last, noted_at_ms)
        )

    def take_lost(self, chain: ChainKey, seq: int) -> tuple[int, int, int] | None:
        row = self._connection.execute(
            "DELETE FROM lost "
            "WHERE site = ? AND gate = ? AND epoch = ? AND ? BETWEEN first_seq AND last_seq "
            "RETURNING first_seq, last_seq, noted_at_ms",
            (*chain, seq),
        ).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def note(self, note: Note) -> bool:
        cursor = self._connection.execute(
            "INSERT INTO quarantine (problem, site, gate, epoch, seq, topic, body, body_sha, error,"
            " received_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                *(note.problem, *note.chain, note.seq, note.topic, note.body),
                *(note.body_sha, note.error, note.received_at_ms),
            ),
        )
        return cursor.rowcount > 0

    def take_birth(self, birth: Birth) -> None:
        self._connection.execute(
            """
            INSERT INTO gate (site, gate, state, online, session, session_since_ms, state_at_ms,
                              last_seen_ms)
            VALUES (?, ?, ?, 1, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET
              session_since_ms = iif(session IS excluded.session AND online, session_since_ms,
                                     excluded.session_since_ms),
              state = excluded.state, online = 1, session = excluded.session,
              state_at_ms = excluded.state_at_ms
            """,
            (
                *(birth.lane.site, birth.lane.gate, birth.state_json, birth.session),
                *(birth.received_at_ms, birth.state_at_ms, birth.received_at_ms),
            ),
        )

    def take_will(self, lane: Lane, session: int, received_at_ms: int) -> None:
        # A late will of an old session says nothing about the present one.
        self._connection.execute(
            "INSERT INTO gate (site, gate, session, last_seen_ms) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET online = 0 WHERE session = excluded.session",
            (lane.site, lane.gate, session, received_at_ms),
        )

    def take_uses(self, lane: Lane, told: GateUses, received_at_ms: int, keep_ms: int) -> bool:
        return sqlite_uses.take(self._connection, lane, told, received_at_ms, keep_ms)
