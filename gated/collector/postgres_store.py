"""The collector's store in PostgreSQL: the writing side.

Any number of ingesters, each a process with a store of its own, may share one database.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gated.collector import postgres_uses
from gated.collector.batch import Batch, Read, read_batch
from gated.collector.intake import DAY_MS, refuse
from gated.collector.postgres_batch import PostgresTables
from gated.collector.postgres_connection import (
    BEGIN_AGAIN,
    CANCELED,
    REFUSED_BY_SERVER,
    Postgres,
    PostgresAddress,
    PostgresQueries,
    columns,
    open_for_writing,
    translated,
)
from gated.collector.sql_links import FIND_LONGER, SHORTEN
from gated.collector.sql_reader import progress_of
from gated.collector.store import Arrival, ChainKey, IngestResult, Progress, UsesPage
from gated.errors import StorageError

log = logging.getLogger(__name__)

ATTEMPTS = 5
"""Of one batch: two ingesters may stand in each other's way, and one of them begins again."""
DELETION_LOCK = 0x67_61_74_63_64_65_6C
# What does not fit into a column is refused by the server, or by psycopg on the way there.
_REFUSED = (REFUSED_BY_SERVER, OverflowError, UnicodeError)


class PostgresStore:
    """Implements ``store.Store``. One thread owns it. A lost connection is opened again.

    Args:
        address: the database; its tables are made if they are not there.
        keep_person_days: how long a person link may be kept; 0 keeps none.

    Raises: StorageError: the database cannot be used.
    """

    def __init__(self, address: PostgresAddress, *, keep_person_days: int) -> None:
        self._address = address
        self._keep_days = keep_person_days
        self._connection, self._epoch = open_for_writing(address)
        try:
            self._shorten_links()
        except StorageError:
            self._connection.close()
            raise

    @property
    def collector_epoch(self) -> str:
        return self._epoch

    @contextmanager
    def _working(self, doing: str) -> Iterator[Postgres]:
        """Give a connection that works, as far as one can tell. Raises: StorageError."""
        if self._connection.closed:
            self._connection, self._epoch = open_for_writing(self._address)
        with translated(doing):
            yield self._connection

    def _shorten_links(self) -> None:
        keep_ms = self._keep_days * DAY_MS
        with self._working("cannot shorten how long person links are kept") as connection:
            if not PostgresQueries(connection).rows(FIND_LONGER, (keep_ms,)):
                return
            with connection.transaction():
                # However long it takes, and however long another ingester is at it.
                connection.execute("SET LOCAL statement_timeout = 0")
                connection.execute("SET LOCAL lock_timeout = 0")
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (DELETION_LOCK,))
                connection.execute(SHORTEN.replace("?", "%s"), (keep_ms, keep_ms))

    def ingest(self, batch: Sequence[Arrival]) -> IngestResult:
        read = read_batch(batch)
        with self._working("cannot store") as connection:
            try:
                return self._commit(connection, read)
            except _REFUSED:
                return self._commit(connection, self._without_what_is_refused(connection, read))

    def _commit(self, connection: Postgres, read: Sequence[Read]) -> IngestResult:
        for _ in range(ATTEMPTS - 1):
            try:
                return self._try_to_commit(connection, read)
            except BEGIN_AGAIN:
                log.debug("another ingester stood in the way")
        return self._try_to_commit(connection, read)

    def _try_to_commit(self, connection: Postgres, read: Sequence[Read]) -> IngestResult:
        with connection.transaction():
            tables = PostgresTables(connection)
            return Batch(tables, keep_person_days=self._keep_days).ingest(read)

    def _without_what_is_refused(self, connection: Postgres, read: Sequence[Read]) -> list[Read]:
        """Return ``read`` with each message that the database refuses set aside as unreadable.

        The intake lets nothing through that no column can hold; should it ever err, one message
        must not hold up all gates for ever.
        """
        sound: list[Read] = []
        for arrival, intake in read:
            try:
                with connection.transaction(force_rollback=True):
                    tables = PostgresTables(connection)
                    Batch(tables, keep_person_days=self._keep_days).ingest([(arrival, intake)])
            except _REFUSED as exc:
                why = f"the database refuses it ({type(exc).__name__})"
                sound.append((arrival, refuse(arrival, why)))
            else:
                sound.append((arrival, intake))
        return sound

    def progress(self, chains: Sequence[ChainKey]) -> list[Progress]:
        with self._working("cannot read the progress") as connection:
            # One question for all: a round trip for each would be most of what an ack costs.
            rows = connection.execute(
                "SELECT site, gate, epoch, upto, hash, highest FROM progress"
                " JOIN unnest(%s::text[], %s::text[], %s::text[]) AS asked (site, gate, epoch)"
                " USING (site, gate, epoch)",
                columns(chains, 3),
            )
            found = {ChainKey(*row[:3]): row[3:] for row in rows}
            queries = PostgresQueries(connection)
            return [progress_of(queries, chain, found.get(chain)) for chain in chains]

    def current_chains(self) -> list[ChainKey]:
        with self._working("cannot read the progress") as connection:
            rows = connection.execute(
                """
                SELECT site, gate, coalesce(
                  state_epoch,
                  (SELECT epoch FROM progress AS p WHERE p.site = g.site AND p.gate = g.gate
                   ORDER BY first_received_ms DESC LIMIT 1))
                FROM gate AS g ORDER BY site, gate
                """
            )
            return [ChainKey(*row) for row in rows if row[2] is not None]

    def next_session(self) -> int:
        with self._working("cannot store") as connection:
            row = connection.execute(
                "UPDATE counter SET value = value + 1 WHERE name = 'session' RETURNING value"
            ).fetchone()
            if row is None:
                raise StorageError("cannot store: the counter session is gone")
            return int(row[0])

    def newest_use(self) -> int:
        with self._working("cannot read the uses of passes") as connection:
            return postgres_uses.newest(connection)

    def uses_page(self, site: str, after: int) -> UsesPage:
        with self._working("cannot read the uses of passes") as connection:
            return postgres_uses.page(connection, site, after)

    def uses_stored(self, ledgers: Sequence[ChainKey]) -> list[int]:
        with self._working("cannot read the uses of passes") as connection:
            return postgres_uses.stored(connection, ledgers)

    def delete_expired(self, now_ms: int) -> int:
        with self._working("cannot delete what has expired") as connection:
            with connection.transaction():
                row = connection.execute(
                    "SELECT pg_try_advisory_xact_lock(%s)", (DELETION_LOCK,)
                ).fetchone()
                if row is None or not row[0]:
                    return 0  # another ingester is at it
                count = self._delete(connection, now_ms)
            if count:
                # Frees the place of the deleted rows, which new ones then overwrite. Where it takes
                # too long for us, the server's own autovacuum does it.
                with contextlib.suppress(CANCELED):
                    connection.execute("VACUUM link, quarantine, pass_use")
            return count

    def _delete(self, connection: Postgres, now_ms: int) -> int:
        count = connection.execute("DELETE FROM link WHERE expires_at_ms <= %s", (now_ms,)).rowcount
        # A message that could not be read may hold a link that could not be split off.
        oldest_ms = now_ms - self._keep_days * DAY_MS
        count += connection.execute(
            "UPDATE quarantine SET body = NULL WHERE body IS NOT NULL AND received_at_ms <= %s",
            (oldest_ms,),
        ).rowcount
        return count + postgres_uses.delete_expired(connection, oldest_ms)

    def close(self) -> None:
        self._connection.close()
