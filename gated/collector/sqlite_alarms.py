"""The queue of alarms for a webhook, in the collector's SQLite file, with a connection of its own.

It follows the records by their order of arrival, so the store need not know of it, and nothing is
lost between the two: a record is there before the queue looks, and the queue notes how far it
looked in the same transaction in which it takes an alarm over.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from gated.collector.alarm_queue import LATE_MS, OwedAlarm
from gated.collector.sqlite_schema import open_for_reading, open_for_writing, translated
from gated.collector.store import ChainKey

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS webhook_alarm (
      site            TEXT NOT NULL,
      gate            TEXT NOT NULL,
      epoch           TEXT NOT NULL,
      seq             INTEGER NOT NULL,
      body            BLOB,              -- NULL once it is delivered
      is_live         INTEGER NOT NULL,
      queued_at_ms    INTEGER NOT NULL,
      attempts        INTEGER NOT NULL DEFAULT 0,
      next_try_ms     INTEGER NOT NULL,
      delivered_at_ms INTEGER,           -- kept for a while: its record may come weeks later
      PRIMARY KEY (site, gate, epoch, seq)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE INDEX IF NOT EXISTS webhook_owed ON webhook_alarm (is_live DESC, queued_at_ms)
    WHERE delivered_at_ms IS NULL
    """,
    """
    CREATE TABLE IF NOT EXISTS webhook_cursor (
      one       INTEGER PRIMARY KEY CHECK (one = 1),
      record_id INTEGER NOT NULL         -- records up to this one were looked at
    ) STRICT
    """,
    # What was recorded before there was a webhook is history, and no alarm.
    "INSERT OR IGNORE INTO webhook_cursor SELECT 1, coalesce(max(id), 0) FROM record",
)
_LOOK_AT = 2_000
"""Records of one look: the store waits while it lasts."""
_KEEP_DELIVERED_MS = 90 * 86_400_000
_QUEUEING = "the webhook's queue cannot be kept"


class SqliteAlarmQueue:
    """Implements ``alarm_queue.AlarmQueue``. Raises: StorageError: the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self._connection = open_for_writing(path)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._connection.close)
            with self._transaction() as connection:
                for statement in _TABLES:
                    connection.execute(statement)
            on_failure.pop_all()

    def close(self) -> None:
        self._connection.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        with translated(_QUEUEING):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def take_live(self, alarms: Collection[OwedAlarm], now_ms: int) -> int:
        if not alarms:
            return 0
        with self._transaction() as connection:
            return sum(_queue(connection, alarm, now_ms) for alarm in alarms)

    def take_recorded(self, wanted: Collection[str], now_ms: int) -> bool:
        with translated(_QUEUEING):
            if not self._has_unseen():  # a transaction would hold up the store for nothing
                return False
        with self._transaction() as connection:
            (seen,) = connection.execute("SELECT record_id FROM webhook_cursor").fetchone()
            (newest,) = connection.execute("SELECT max(id) FROM record").fetchone()
            upto = min(newest, seen + _LOOK_AT)
            rows = connection.execute(
                "SELECT site, gate, epoch, seq, alarm, body, at_ms, time_quality, received_at_ms"
                " FROM record WHERE id > ? AND id <= ? AND kind = 'alarm' AND NOT drill"
                " AND body IS NOT NULL ORDER BY id",
                (seen, upto),
            ).fetchall()
            for site, gate, epoch, seq, alarm, body, at_ms, quality, received_at_ms in rows:
                if alarm in wanted:
                    is_live = quality != "unknown" and received_at_ms - at_ms <= LATE_MS
                    owed = OwedAlarm(ChainKey(site, gate, epoch), seq, body, is_live)
                    _queue(connection, owed, now_ms)
            connection.execute("UPDATE webhook_cursor SET record_id = ?", (upto,))
            connection.execute(
                "DELETE FROM webhook_alarm WHERE delivered_at_ms < ?",
                (now_ms - _KEEP_DELIVERED_MS,),
            )
            return bool(upto < newest)

    def _has_unseen(self) -> bool:
        row = self._connection.execute(
            "SELECT coalesce((SELECT max(id) FROM record), 0) > record_id FROM webhook_cursor"
        ).fetchone()
        return bool(row[0])

    def next(self, now_ms: int) -> OwedAlarm | None:
        with translated(_QUEUEING):
            row = self._connection.execute(
                "SELECT site, gate, epoch, seq, body, is_live, attempts FROM webhook_alarm"
                " WHERE delivered_at_ms IS NULL AND next_try_ms <= ?"
                " ORDER BY is_live DESC, queued_at_ms, site, gate, epoch, seq LIMIT 1",
                (now_ms,),
            ).fetchone()
        if row is None:
            return None
        return OwedAlarm(ChainKey(*row[:3]), row[3], row[4], bool(row[5]), row[6])

    def delivered(self, alarm: OwedAlarm, now_ms: int) -> None:
        with self._transaction() as connection:
            connection.execute(
                "UPDATE webhook_alarm SET delivered_at_ms = ?, body = NULL, attempts = attempts + 1"
                " WHERE site = ? AND gate = ? AND epoch = ? AND seq = ?",
                (now_ms, *_key(alarm)),
            )

    def put_off(self, alarm: OwedAlarm, until_ms: int) -> None:
        with self._transaction() as connection:
            connection.execute(
                "UPDATE webhook_alarm SET next_try_ms = ?, attempts = attempts + 1"
                " WHERE site = ? AND gate = ? AND epoch = ? AND seq = ?",
                (until_ms, *_key(alarm)),
            )

    def waiting(self) -> int:
        with translated(_QUEUEING):
            return count_waiting(self._connection)


def alarms_waiting(path: Path) -> int:
    """Return how many alarms are owed, beside a running collector. Raises: StorageError."""
    with contextlib.closing(open_for_reading(path)) as connection, translated(_QUEUEING):
        return count_waiting(connection)


def count_waiting(connection: sqlite3.Connection) -> int:
    """Return how many alarms are owed; 0 where there never was a webhook. Raises: sqlite3.Error."""
    table = "SELECT 1 FROM sqlite_schema WHERE name = 'webhook_alarm'"
    if connection.execute(table).fetchone() is None:
        return 0
    query = "SELECT count(*) FROM webhook_alarm WHERE delivered_at_ms IS NULL"
    return int(connection.execute(query).fetchone()[0])


def _queue(connection: sqlite3.Connection, alarm: OwedAlarm, now_ms: int) -> int:
    """Return 1 if ``alarm`` is new; its copy and its record are one."""
    return connection.execute(
        "INSERT INTO webhook_alarm"
        " (site, gate, epoch, seq, body, is_live, queued_at_ms, next_try_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING",
        (*_key(alarm), alarm.body, alarm.is_live, now_ms),
    ).rowcount


def _key(alarm: OwedAlarm) -> tuple[str, str, str, int]:
    return (alarm.chain.site, alarm.chain.gate, alarm.chain.epoch, alarm.seq)
