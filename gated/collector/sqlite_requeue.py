"""Trying the quarantine again, in the collector's SQLite file."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from gated.collector.archive import QuarantineRow
from gated.collector.requeue import Requeued, requeue
from gated.collector.sqlite_batch import SqliteTables
from gated.collector.sqlite_schema import open_for_writing, translated
from gated.collector.store import ChainKey

_STORING = "the quarantine cannot be tried again"


class _Tables(SqliteTables):
    """Implements ``requeue.RequeueTables``."""

    def hash_of(self, chain: ChainKey, seq: int) -> bytes | None:
        row = self._connection.execute(
            "SELECT chain FROM record WHERE site = ? AND gate = ? AND epoch = ? AND seq = ?",
            (chain.site, chain.gate, chain.epoch, seq),
        ).fetchone()
        return None if row is None else row[0]

    def remove_unreadable(self, chain: ChainKey, seq: int) -> bool:
        removed = self._connection.execute(
            "DELETE FROM record WHERE site = ? AND gate = ? AND epoch = ? AND seq = ?"
            " AND kind = 'unreadable'",
            (chain.site, chain.gate, chain.epoch, seq),
        )
        return removed.rowcount > 0

    def settle(self, row_id: int) -> None:
        self._connection.execute("UPDATE quarantine SET resolved = 1 WHERE id = ?", (row_id,))

    def settle_breaks(self, chain: ChainKey, seqs: Sequence[int]) -> None:
        self._connection.executemany(
            "UPDATE quarantine SET resolved = 1 WHERE problem = 'chain'"
            " AND site = ? AND gate = ? AND epoch = ? AND seq = ?",
            [(chain.site, chain.gate, chain.epoch, seq) for seq in seqs],
        )


def requeue_all(
    path: Path, rows: Sequence[QuarantineRow], *, keep_person_days: int, settle: Sequence[int] = ()
) -> Requeued:
    """Try ``rows`` again and settle those named, in one transaction. The collector may be running.

    Raises: StorageError: nothing was changed.
    """
    connection = open_for_writing(path)
    with contextlib.closing(connection), translated(_STORING):
        connection.execute("BEGIN IMMEDIATE")
        try:
            tables = _Tables(connection)
            for row_id in settle:
                tables.settle(row_id)
            result = requeue(
                tables,
                [row for row in rows if row.id not in settle],
                keep_person_days=keep_person_days,
            )
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    return result
