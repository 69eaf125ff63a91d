"""What becomes of a partitioned ``record`` when its oldest part is dropped, or none is left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gated.collector.store import Progress
from gated.errors import StorageError
from tests.collector_gate import LedgerOfGate, arrivals
from tests.postgres import PostgresServer
from tests.stores import LAYOUTS, PartitionedDatabase, PostgresDatabase, partitioning

IDS_OF_A_PART = 50_000_000


@pytest.fixture
def database(server: PostgresServer) -> Iterator[PartitionedDatabase]:
    database = PartitionedDatabase(server, LAYOUTS[0])
    yield database
    database.close()


def go_on_at(database: PartitionedDatabase, part: int) -> None:
    database.change(
        f"UPDATE counter SET value = {part * IDS_OF_A_PART} WHERE name = 'record'"  # noqa: S608
    )


def test_a_dropped_part_takes_no_ack_back_and_holds_up_nothing(
    database: PartitionedDatabase,
) -> None:
    gate, store = LedgerOfGate(), database.store()
    store.ingest(arrivals(gate.write_visits(3)))
    go_on_at(database, 1)
    store.ingest(arrivals(gate.write_visits(2)))
    database.change("DROP TABLE record_0")
    assert store.progress([gate.chain]) == [Progress(gate.chain, 5, gate.head)]
    assert store.ingest(arrivals(gate.write_visits(2))).stored == 2
    assert store.progress([gate.chain]) == [Progress(gate.chain, 7, gate.head)]
    (row,) = database.reader().gates()
    assert (row.problems, row.last_record_at) == ((), gate.at.isoformat(timespec="milliseconds"))


def test_without_a_part_for_it_nothing_is_stored_and_nothing_is_lost(
    database: PartitionedDatabase,
) -> None:
    gate, store = LedgerOfGate(), database.store()
    messages = arrivals(gate.write_visits(2))
    go_on_at(database, 20)
    with pytest.raises(StorageError, match="no partition"):
        store.ingest(messages)
    assert store.progress([gate.chain])[0].upto == 0
    database.change(
        f"CREATE TABLE record_20 PARTITION OF record"
        f" FOR VALUES FROM ({20 * IDS_OF_A_PART}) TO ({21 * IDS_OF_A_PART})"
    )
    assert store.ingest(messages).stored == 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tables_that_hold_records_keep_them(server: PostgresServer, layout: str) -> None:
    database = PostgresDatabase(server)
    gate, store = LedgerOfGate(), database.store()
    store.ingest(arrivals(gate.write_visits(3)))
    database.change(partitioning(layout))
    again = store.ingest(arrivals([*gate.messages, *gate.write_visits(2)]))
    assert (again.stored, again.duplicates) == (2, 3)
    assert database.rows("SELECT count(*), max(id) FROM record") == [(5, 5)]
    assert database.rows("SELECT count(*) FROM visits") == [(5,)]
    database.close()
