"""Opens the collector's database, whichever kind the configuration names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gated.collector.alarm_queue import AlarmQueue
from gated.collector.archive import Archive, QuarantineRow
from gated.collector.requeue import Requeued
from gated.collector.sqlite_alarms import SqliteAlarmQueue, alarms_waiting
from gated.collector.sqlite_archive import SqliteArchive
from gated.collector.sqlite_reader import SqliteReader
from gated.collector.sqlite_requeue import requeue_all
from gated.collector.sqlite_store import SqliteStore
from gated.collector.store import Reader, Store
from gated.config.database import VERIFYING, is_database_url, parse_database_url
from gated.config.secret import read_secret
from gated.errors import ConfigError

if TYPE_CHECKING:
    from gated.collector.postgres_connection import PostgresAddress


class Database(Protocol):
    """One database. Whoever opens a side of it closes it. Each raises StorageError."""

    def store(self, *, keep_person_days: int) -> Store: ...

    def reader(self) -> Reader: ...

    def archive(self) -> Archive: ...

    def alarms_waiting(self) -> int:
        """Return how many alarms a webhook is still owed."""
        ...

    def alarm_queue(self) -> AlarmQueue: ...

    def requeue(
        self, rows: Sequence[QuarantineRow], *, keep_person_days: int, settle: Sequence[int] = ()
    ) -> Requeued:
        """Try ``rows`` of the quarantine again, and take those named as settled."""
        ...


class SqliteDatabase:
    """Records in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def store(self, *, keep_person_days: int) -> Store:
        return SqliteStore(self._path, keep_person_days=keep_person_days)

    def reader(self) -> Reader:
        return SqliteReader(self._path)

    def archive(self) -> Archive:
        return SqliteArchive(self._path)

    def alarms_waiting(self) -> int:
        return alarms_waiting(self._path)

    def alarm_queue(self) -> AlarmQueue:
        return SqliteAlarmQueue(self._path)

    def requeue(
        self, rows: Sequence[QuarantineRow], *, keep_person_days: int, settle: Sequence[int] = ()
    ) -> Requeued:
        return requeue_all(self._path, rows, keep_person_days=keep_person_days, settle=settle)


class PostgresDatabase:
    """Records in a PostgreSQL."""

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address

    def store(self, *, keep_person_days: int) -> Store:
        from gated.collector.postgres_store import PostgresStore

        return PostgresStore(self._address, keep_person_days=keep_person_days)

    def reader(self) -> Reader:
        from gated.collector.postgres_reader import PostgresReader

        return PostgresReader(self._address)

    def archive(self) -> Archive:
        from gated.collector.postgres_archive import PostgresArchive

        return PostgresArchive(self._address)

    def alarms_waiting(self) -> int:
        from gated.collector.postgres_alarms import alarms_waiting

        return alarms_waiting(self._address)

    def alarm_queue(self) -> AlarmQueue:
        from gated.collector.postgres_alarms import PostgresAlarmQueue

        return PostgresAlarmQueue(self._address)

    def requeue(
        self, rows: Sequence[QuarantineRow], *, keep_person_days: int, settle: Sequence[int] = ()
    ) -> Requeued:
        from gated.collector import postgres_requeue

        return postgres_requeue.requeue_all(
            self._address, rows, keep_person_days=keep_person_days, settle=settle
        )


def database_at(text: str, password_file: Path | None = None) -> Database:
    """Return the database that ``text`` names: a file, or ``postgresql://…``.

    Raises: ConfigError: psycopg is missing, or the password cannot be read.
    """
    if not is_database_url(text):
        return SqliteDatabase(Path(text))
    address_type = _postgres()
    try:
        url = parse_database_url(text)
    except ValueError as exc:
        raise ConfigError(f"the database {exc}") from exc
    password = None if password_file is None else read_secret(password_file).reveal()
    defaults = {}
    if not url.is_local and url.sslmode is None:
        defaults = {"sslmode": VERIFYING, "sslrootcert": "system"}
    return PostgresDatabase(address_type(url.url, password, defaults))


def _postgres() -> Callable[[str, str | None, dict[str, str]], PostgresAddress]:
    try:
        from gated.collector.postgres_connection import PostgresAddress
    except ImportError as exc:
        raise ConfigError("postgresql:// needs psycopg: pip install 'gated[postgres]'") from exc
    return PostgresAddress
