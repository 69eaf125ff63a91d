"""The queue of alarms for a webhook, in the collector's PostgreSQL, with a connection of its own.

Several ingesters may each have a sender: one of them holds an advisory lock and sends, the others
stand by and take over when its connection ends.

A number of ``record.id`` may become visible after a greater one, since ingesters commit side by
side. So the queue looks at all alarms behind a mark that is moved only over numbers which were
given so long ago that whoever had them has committed or given up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager

from gated.collector.alarm_queue import LATE_MS, OwedAlarm
from gated.collector.postgres_connection import (
    Postgres,
    PostgresAddress,
    open_for_reading,
    open_for_writing,
    translated,
    value_of,
)
from gated.collector.store import ChainKey

SENDER_LOCK = 0x67_61_74_63_77_68
MARK_MS = 300_000
"""No transaction lasts half as long: the server ends statements and idle ones after 60 s."""
_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS webhook_alarm (
      site            text NOT NULL,
      gate            text NOT NULL,
      epoch           text NOT NULL,
      seq             bigint NOT NULL,
      body            bytea,              -- NULL once it is delivered
      is_live         boolean NOT NULL,
      queued_at_ms    bigint NOT NULL,
      attempts        integer NOT NULL DEFAULT 0,
      next_try_ms     bigint NOT NULL DEFAULT 0,
      delivered_at_ms bigint,             -- kept for a while: its record may come weeks later
      PRIMARY KEY (site, gate, epoch, seq)
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS webhook_owed ON webhook_alarm (is_live DESC, queued_at_ms)
    WHERE delivered_at_ms IS NULL
    """,
    "CREATE INDEX IF NOT EXISTS record_alarms ON record (id) WHERE kind = 'alarm'",
    """
    CREATE TABLE IF NOT EXISTS webhook_mark (
      one        integer PRIMARY KEY CHECK (one = 1),
      record_id  bigint NOT NULL,  -- alarms up to this one were looked at for the last time
      next_id    bigint NOT NULL,  -- the newest when the mark was moved last
      next_at_ms bigint NOT NULL
    )
    """,
)
_BEGIN = """
INSERT INTO webhook_mark SELECT 1, coalesce(max(id), 0), coalesce(max(id), 0), 0 FROM record
ON CONFLICT DO NOTHING
"""
_KEEP_DELIVERED_MS = 90 * 86_400_000
_AT_ONCE = 500
_QUEUEING = "the webhook's queue cannot be kept"
_INSERT = """
INSERT INTO webhook_alarm (site, gate, epoch, seq, body, is_live, queued_at_ms)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


class PostgresAlarmQueue:
    """Implements ``alarm_queue.AlarmQueue``. A lost connection is opened again.

    Raises: StorageError: the database cannot be used.
    """

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self._is_sender = False
        self._connection = self._open()

    def _open(self) -> Postgres:
        connection, _ = open_for_writing(self._address)
        with translated(_QUEUEING), ExitStack() as on_failure:
            on_failure.callback(connection.close)
            with connection.transaction():
                # Several may start at once, and IF NOT EXISTS alone does not stand that.
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (SENDER_LOCK + 1,))
                for statement in (*_TABLES, _BEGIN):
                    connection.execute(statement)
            on_failure.pop_all()
        return connection

    @contextmanager
    def _working(self) -> Iterator[Postgres]:
        """Give a connection inside a transaction. Raises: StorageError."""
        if self._connection.closed:
            self._is_sender = False  # the lock went with the connection
            self._connection = self._open()
        with translated(_QUEUEING), self._connection.transaction():
            yield self._connection

    def close(self) -> None:
        self._connection.close()

    def _may_send(self, connection: Postgres) -> bool:
        if not self._is_sender:
            lock = "SELECT pg_try_advisory_lock(%s)"
            self._is_sender = bool(value_of(connection, lock, (SENDER_LOCK,)))
        return self._is_sender

    def take_live(self, alarms: Collection[OwedAlarm], now_ms: int) -> int:
        if not alarms:
            return 0
        with self._working() as connection:
            return sum(_queue(connection, alarm, now_ms) for alarm in alarms)

    def take_recorded(self, wanted: Collection[str], now_ms: int) -> bool:
        with self._working() as connection:
            if not self._may_send(connection):
                return False
            rows = connection.execute(
                "SELECT site, gate, epoch, seq, body, at_ms, time_quality, received_at_ms"
                " FROM record WHERE kind = 'alarm' AND id > (SELECT record_id FROM webhook_mark)"
                " AND alarm = ANY(%s) AND NOT drill AND body IS NOT NULL"
                " AND NOT EXISTS (SELECT 1 FROM webhook_alarm AS w WHERE w.site = record.site"
                " AND w.gate = record.gate AND w.epoch = record.epoch AND w.seq = record.seq)"
                " ORDER BY id LIMIT %s",
                (sorted(wanted), _AT_ONCE),
            ).fetchall()
            for site, gate, epoch, seq, body, at_ms, quality, received_at_ms in rows:
                is_live = quality != "unknown" and received_at_ms - at_ms <= LATE_MS
                owed = OwedAlarm(ChainKey(site, gate, epoch), seq, bytes(body), is_live)
                _queue(connection, owed, now_ms)
            is_all = len(rows) < _AT_ONCE
            if is_all:
                self._move_mark(connection, now_ms)
            return not is_all

    def _move_mark(self, connection: Postgres, now_ms: int) -> None:
        moved = connection.execute(
            "UPDATE webhook_mark SET record_id = next_id, next_at_ms = %s,"
            " next_id = (SELECT coalesce(max(id), 0) FROM record)"
            " WHERE abs(%s - next_at_ms) > %s",
            (now_ms, now_ms, MARK_MS),
        )
        if moved.rowcount:
            connection.execute(
                "DELETE FROM webhook_alarm WHERE delivered_at_ms < %s",
                (now_ms - _KEEP_DELIVERED_MS,),
            )

    def next(self, now_ms: int) -> OwedAlarm | None:
        with self._working() as connection:
            if not self._may_send(connection):
                return None
            row = connection.execute(
                "SELECT site, gate, epoch, seq, body, is_live, attempts FROM webhook_alarm"
                " WHERE delivered_at_ms IS NULL AND next_try_ms <= %s"
                " ORDER BY is_live DESC, queued_at_ms, site, gate, epoch, seq LIMIT 1",
                (now_ms,),
            ).fetchone()
        if row is None:
            return None
        return OwedAlarm(ChainKey(*row[:3]), row[3], bytes(row[4]), row[5], row[6])

    def delivered(self, alarm: OwedAlarm, now_ms: int) -> None:
        with self._working() as connection:
            connection.execute(
                "UPDATE webhook_alarm SET delivered_at_ms = %s, body = NULL,"
                " attempts = attempts + 1"
                " WHERE site = %s AND gate = %s AND epoch = %s AND seq = %s",
                (now_ms, *_key(alarm)),
            )

    def put_off(self, alarm: OwedAlarm, until_ms: int) -> None:
        with self._working() as connection:
            connection.execute(
                "UPDATE webhook_alarm SET next_try_ms = %s, attempts = attempts + 1"
                " WHERE site = %s AND gate = %s AND epoch = %s AND seq = %s",
                (until_ms, *_key(alarm)),
            )

    def waiting(self) -> int:
        with self._working() as connection:
            waiting = "SELECT count(*) FROM webhook_alarm WHERE delivered_at_ms IS NULL"
            return int(value_of(connection, waiting))


def alarms_waiting(address: PostgresAddress) -> int:
    """Return how many alarms are owed; 0 where there never was a webhook. Raises: StorageError."""
    with closing(open_for_reading(address)) as connection, translated(_QUEUEING):
        row = connection.execute("SELECT to_regclass('webhook_alarm') IS NOT NULL").fetchone()
        if row is None or not row[0]:
            return 0
        query = "SELECT count(*) FROM webhook_alarm WHERE delivered_at_ms IS NULL"
        ((count,),) = connection.execute(query).fetchall()
        return int(count)


def _queue(connection: Postgres, alarm: OwedAlarm, now_ms: int) -> int:
    """Return 1 if ``alarm`` is new; its copy and its record are one."""
    values = (*_key(alarm), alarm.body, alarm.is_live, now_ms)
    return int(connection.execute(_INSERT, values).rowcount)


def _key(alarm: OwedAlarm) -> tuple[str, str, str, int]:
    return (alarm.chain.site, alarm.chain.gate, alarm.chain.epoch, alarm.seq)
