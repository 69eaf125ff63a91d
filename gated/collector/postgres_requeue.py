"""Trying the quarantine again, in the collector's PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from gated.collector.archive import QuarantineRow
from gated.collector.chain import Step
from gated.collector.postgres_batch import PostgresTables
from gated.collector.postgres_connection import PostgresAddress, open_for_writing, translated
from gated.collector.requeue import Requeued, requeue
from gated.collector.store import ChainKey

_STORING = "the quarantine cannot be tried again"


class _Tables(PostgresTables):
    """Implements ``requeue.RequeueTables``."""

    def step(self, chain: ChainKey, seq: int) -> Step | None:
        # A batch remembers what it has read; here rows go and come in between.
        row = self._connection.execute(
            "SELECT body_sha, prev FROM record"
            " WHERE site = %s AND gate = %s AND epoch = %s AND seq = %s",
            _place(chain, seq),
        ).fetchone()
        return None if row is None else Step(*row)

    def hash_of(self, chain: ChainKey, seq: int) -> bytes | None:
        row = self._connection.execute(
            "SELECT chain FROM record WHERE site = %s AND gate = %s AND epoch = %s AND seq = %s",
            _place(chain, seq),
        ).fetchone()
        return None if row is None else row[0]

    def remove_unreadable(self, chain: ChainKey, seq: int) -> bool:
        removed = self._connection.execute(
            "DELETE FROM record WHERE site = %s AND gate = %s AND epoch = %s AND seq = %s"
            " AND kind = 'unreadable'",
            _place(chain, seq),
        )
        return removed.rowcount > 0

    def settle(self, row_id: int) -> None:
        self._connection.execute("UPDATE quarantine SET resolved = true WHERE id = %s", (row_id,))

    def settle_breaks(self, chain: ChainKey, seqs: Sequence[int]) -> None:
        self._connection.execute(
            "UPDATE quarantine SET resolved = true WHERE problem = 'chain'"
            " AND site = %s AND gate = %s AND epoch = %s AND seq = ANY(%s)",
            (chain.site, chain.gate, chain.epoch, list(seqs)),
        )


def requeue_all(
    address: PostgresAddress,
    rows: Sequence[QuarantineRow],
    *,
    keep_person_days: int,
    settle: Sequence[int] = (),
) -> Requeued:
    """Try ``rows`` again and settle those named, in one transaction. Ingesters may be running.

    Raises: StorageError: nothing was changed.
    """
    connection, _ = open_for_writing(address)
    with contextlib.closing(connection), translated(_STORING), connection.transaction():
        tables = _Tables(connection)
        left = [row for row in rows if row.id not in settle]
        result = requeue(tables, left, keep_person_days=keep_person_days)
        for row_id in settle:
            tables.settle(row_id)
    return result


def _place(chain: ChainKey, seq: int) -> tuple[str, str, str, int]:
    return (chain.site, chain.gate, chain.epoch, seq)
