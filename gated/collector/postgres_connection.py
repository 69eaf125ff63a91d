"""Connections to the collector's PostgreSQL: the only file that knows psycopg."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gated.collector.postgres_schema import MIGRATIONS, SCHEMA
from gated.collector.sql_reader import Row
from gated.errors import StorageError

Postgres: TypeAlias = Connection[Row]
"""A connection, for the files that only work on one."""

REFUSED_BY_SERVER = psycopg.DataError
BEGIN_AGAIN = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
ALREADY_THERE = psycopg.errors.UniqueViolation
CANCELED = psycopg.errors.QueryCanceled

MIN_SERVER_VERSION = 130_000
CONNECT_TIMEOUT_S = 10
MIGRATION_LOCK = 0x67_61_74_63_6D_69_67
"""An advisory lock of the database: several ingesters may start at once."""
SCHEMA_VERSION = len(MIGRATIONS)
_LIMITS = {
    # A network that falls silent is noticed within half a minute …
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SESSION = {
    "search_path": SCHEMA,
    "client_encoding": "UTF8",
    "statement_timeout": "60s",
    "lock_timeout": "30s",
    # … and an ingester that is stopped half-way does not hold its lanes for ever.
    "idle_in_transaction_session_timeout": "60s",
}


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """Where the database is and how we sign in.

    ``url`` holds no password. Without ``password`` libpq looks for one itself: PGPASSWORD,
    PGPASSFILE.
    """

    url: str
    password: str | None = field(default=None, repr=False)
    defaults: Mapping[str, str] = field(default_factory=dict)  # for what the URL does not say

    def connect(self, **session: str) -> Connection[Row]:
        """Return a connection that commits each statement. Raises: psycopg.Error."""
        settings = _SESSION | session
        said = conninfo_to_dict(self.url)
        defaults = {key: value for key, value in self.defaults.items() if key not in said}
        secret = {} if self.password is None else {"password": self.password}
        text = make_conninfo(
            self.url,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name="gated-collector",
            options=" ".join(f"-c {name}={value}" for name, value in settings.items()),
            **_LIMITS,
            **defaults,
            **secret,
        )
        return psycopg.connect(text, autocommit=True)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise StorageError, beginning with ``doing``, for whatever psycopg raises inside."""
    try:
        yield
    except psycopg.Error as exc:
        raise StorageError(f"{doing}: {in_words(exc)}") from None


def in_words(exc: psycopg.Error) -> str:
    """Return what the server says, without anything of a row.

    DETAIL and CONTEXT quote rows, and so do the messages of data errors. What libpq says about
    a connection names host and user at most.
    """
    state = exc.sqlstate
    if isinstance(exc, psycopg.DataError):
        return f"a value does not fit (SQLSTATE {state})"
    if state is None:
        is_about_connection = isinstance(exc, psycopg.OperationalError)
        return " ".join(str(exc).split()) if is_about_connection else type(exc).__name__
    return f"{exc.diag.message_primary} (SQLSTATE {state})"


def open_for_writing(address: PostgresAddress) -> tuple[Connection[Row], str]:
    """Return (connection, collector epoch); the tables exist, and a commit is durable.

    Raises: StorageError: cannot be reached, cannot commit safely, or of a newer version.
    """
    with translated("the database cannot be opened"):
        connection = address.connect(synchronous_commit="on")
        with ExitStack() as on_failure:
            on_failure.callback(connection.close)
            _check(connection)
            while _migrate_once(connection):
                pass
            epoch = _recognise(connection)
            on_failure.pop_all()
        return connection, epoch


def _check(connection: Connection[Row]) -> None:
    if connection.info.server_version < MIN_SERVER_VERSION:
        raise StorageError("the database is older than PostgreSQL 13: update it")
    for name, wanted, why in (
        ("server_encoding", "UTF8", "it cannot hold every name: create it with ENCODING 'UTF8'"),
        ("fsync", "on", "it would lose commits in a power cut: set fsync = on"),
        ("transaction_read_only", "off", "it is a standby: name the primary"),
    ):
        found = value_of(connection, "SELECT current_setting(%s)", (name,))
        if found != wanted:
            raise StorageError(f"the database has {name} = {found}; {why}")


def _migrate_once(connection: Connection[Row]) -> bool:
    """Take the tables one version further; return whether they were behind."""
    with connection.transaction():
        # However long it takes, and however long another ingester is at it.
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL lock_timeout = 0")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        version = _version(connection)
        if version > SCHEMA_VERSION:
            raise StorageError(
                f"the database was written by a newer gated (schema {version}): update gated"
            )
        if version == SCHEMA_VERSION:
            return False
        if version == 0:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        # Ours, from this package. Without parameters, several statements go out as one.
        connection.execute(MIGRATIONS[version])
        if version == 0:
            connection.execute("INSERT INTO meta VALUES ('server', ''), ('schema', '')")
            connection.execute("INSERT INTO meta VALUES ('collector_epoch', %s)", (_new_epoch(),))
        connection.execute("UPDATE meta SET value = %s WHERE key = 'schema'", (str(version + 1),))
        return True


def _version(connection: Connection[Row]) -> int:
    """Return the version of the tables; 0 if there are none."""
    if value_of(connection, "SELECT to_regclass(%s)::text", (f"{SCHEMA}.meta",)) is None:
        return 0
    return int(value_of(connection, "SELECT value FROM meta WHERE key = 'schema'"))


def _recognise(connection: Connection[Row]) -> str:
    """Return the collector epoch: a new one if these tables were restored from a backup.

    A dump comes back into another database, a base backup on another time line. What was committed
    after either was made is gone, so the gates must hear that this store is another one: they go
    back to what it acknowledges.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        server = value_of(
            connection,
            "SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),"
            " substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),"
            " (SELECT oid FROM pg_database WHERE datname = current_database()))",
        )
        known = value_of(connection, "SELECT value FROM meta WHERE key = 'server'")
        if known != server:
            connection.execute("UPDATE meta SET value = %s WHERE key = 'server'", (server,))
            if known:
                connection.execute(
                    "UPDATE meta SET value = %s WHERE key = 'collector_epoch'", (_new_epoch(),)
                )
        return str(value_of(connection, "SELECT value FROM meta WHERE key = 'collector_epoch'"))


def _new_epoch() -> str:
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def value_of(connection: Connection[Row], sql: LiteralString, values: Sequence[object] = ()) -> Any:  # noqa: ANN401  a column of any type
    """Return the first column of the first row, or None where there is none."""
    row = connection.execute(sql, values).fetchone()
    return None if row is None else row[0]


def open_for_reading(address: PostgresAddress) -> Connection[Row]:
    """Return a connection that cannot write. Raises: StorageError: no tables, or not ours."""
    with translated("the database cannot be read"):
        connection = address.connect(default_transaction_read_only="on")
        with ExitStack() as on_failure:
            on_failure.callback(connection.close)
            version = _version(connection)
            if version == 0:
                raise StorageError("the database has no tables: start `gated collector run` first")
            if version > SCHEMA_VERSION:
                raise StorageError(
                    f"the database was written by a newer gated (schema {version}): update gated"
                )
            on_failure.pop_all()
        return connection


class PostgresQueries:
    """Implements ``sql_reader.Queries`` on an open connection."""

    def __init__(self, connection: Connection[Row]) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with translated("the records cannot be read"):
            # Our own questions: none has a "?" or a "%" in a text.
            return self._connection.execute(sql.replace("?", "%s"), values).fetchall()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with translated("the records cannot be read"), self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield

    def close(self) -> None:
        self._connection.close()


def columns(rows: Sequence[tuple[object, ...]], count: int) -> list[list[object]]:
    """Return ``rows`` column by column, each as one array: ``count`` empty ones for no rows."""
    return [[row[n] for row in rows] for n in range(count)]
