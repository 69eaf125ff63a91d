"""What only a store with several writers can get wrong. The rest: tests/contract."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta, timezone

import psycopg
import pytest

from gated.collector.postgres_connection import PostgresAddress, in_words
from gated.collector.postgres_reader import PostgresReader
from gated.collector.postgres_schema import MIGRATIONS
from gated.collector.postgres_store import PostgresStore
from gated.collector.store import Arrival, Progress
from gated.errors import StorageError
from gated.uses import GateUses, SharedUse
from gated.vocabulary import Direction
from gated.wire import GateTopics
from tests.collector_gate import SHANGHAI, LedgerOfGate, arrivals, ms, visit
from tests.postgres import PostgresServer, postgres_server, rows


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def address(server: PostgresServer) -> Iterator[PostgresAddress]:
    address = server.new_database()
    yield address
    server.give_back(address)


def ledgers(count: int, records: int) -> list[LedgerOfGate]:
    made = [LedgerOfGate(gate=f"east-{n}") for n in range(count)]
    for gate in made:
        gate.write_visits(records)
    return made


def ingest_all(address: PostgresAddress, batches: Sequence[Sequence[Arrival]]) -> tuple[int, int]:
    """Return (stored, duplicates) of one ingester with ``batches``."""
    store = PostgresStore(address, keep_person_days=14)
    results = [store.ingest(batch) for batch in batches]
    store.close()
    assert not any(result.quarantined for result in results)
    return sum(r.stored for r in results), sum(r.duplicates for r in results)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ingesters_that_share_every_gate_lose_nothing_and_double_nothing(
    address: PostgresAddress, seed: int
) -> None:
    rng = random.Random(seed)
    gates = ledgers(3, 120)
    everything = [arrival for gate in gates for arrival in arrivals(gate.messages)]
    again = rng.sample(everything, 60)
    dealt: list[list[list[Arrival]]] = [[], [], []]
    # As a broker deals: nearly in order, to anybody; some of it comes twice, perhaps to another.
    everything.sort(key=lambda a: (a.seq or 0) + rng.uniform(0, 12))
    for start in range(0, len(everything), 20):
        dealt[rng.randrange(3)].append(everything[start : start + 20])
    for arrival in again:
        dealt[rng.randrange(3)].append([arrival])
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda batches: ingest_all(address, batches), dealt))
    assert sum(stored for stored, _ in done) == 360
    assert sum(duplicates for _, duplicates in done) == 60
    store = PostgresStore(address, keep_person_days=14)
    assert store.progress([g.chain for g in gates]) == [
        Progress(g.chain, 120, g.head) for g in gates
    ]
    store.close()
    chains = rows(address, "SELECT gate, seq, chain FROM record ORDER BY gate, seq")
    assert chains == [(gate.gate, seq, gate.hashes[seq]) for gate in gates for seq in range(1, 121)]
    assert rows(address, "SELECT count(*), count(DISTINCT id), max(id) FROM record") == [
        (360, 360, 360)
    ]


def test_who_reads_after_an_id_misses_none_while_several_write(address: PostgresAddress) -> None:
    PostgresStore(address, keep_person_days=14).close()
    gates = ledgers(4, 150)
    is_done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        reader = PostgresReader(address)
        while True:
            is_last_look = is_done.is_set()
            found = reader.entries(after=seen[-1] if seen else 0, limit=1_000)
            seen.extend(entry.id for entry in found)
            if is_last_look and not found:
                break
        reader.close()

    watcher = threading.Thread(target=read)
    watcher.start()
    work = [[[a] for a in arrivals(gate.messages)] for gate in gates]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda batches: ingest_all(address, batches), work))
    is_done.set()
    watcher.join()
    assert seen == list(range(1, 601))


def test_gates_hear_every_use_though_several_write(address: PostgresAddress) -> None:
    PostgresStore(address, keep_person_days=14).close()
    now_ms = 1_795_700_000_000

    def tell(gate: str) -> None:
        store = PostgresStore(address, keep_person_days=14)
        for n in range(1, 31):
            use = SharedUse(
                epoch="a" * 16, seq=n, pass_ref="k1:a", direction=Direction.IN, at_ms=now_ms
            )
            told = GateUses(epoch="a" * 16, after=n - 1, upto=n, uses=(use,))
            topic = GateTopics("school", gate).uses
            store.ingest([Arrival(topic, told.model_dump_json().encode(), now_ms)])
        store.close()

    is_done = threading.Event()
    heard: list[tuple[str, int]] = []

    def listen() -> None:
        store = PostgresStore(address, keep_person_days=14)
        after = 0
        while True:
            is_last_look = is_done.is_set()
            page = store.uses_page("school", after)
            heard.extend((use.gate, use.seq) for use in page.uses)
            if is_last_look and page.upto == after:
                break
            after = page.upto
        store.close()

    listener = threading.Thread(target=listen)
    listener.start()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(tell, ["east-1", "east-2", "east-3"]))
    is_done.set()
    listener.join()
    assert sorted(heard) == sorted((f"east-{g}", n) for g in (1, 2, 3) for n in range(1, 31))
    assert len(heard) == 90


def test_ingesters_that_start_at_once_make_the_tables_once(address: PostgresAddress) -> None:
    together = threading.Barrier(4)

    def start() -> str:
        together.wait()
        store = PostgresStore(address, keep_person_days=14)
        store.close()
        return store.collector_epoch

    with ThreadPoolExecutor(4) as pool:
        epochs = {future.result() for future in [pool.submit(start) for _ in range(4)]}
    assert len(epochs) == 1
    assert rows(address, "SELECT value FROM meta WHERE key = 'schema'") == [(str(len(MIGRATIONS)),)]


def test_sessions_are_never_given_twice(address: PostgresAddress) -> None:
    one, other = (PostgresStore(address, keep_person_days=14) for _ in range(2))
    sessions = [store.next_session() for store in (one, other, one, other)]
    assert sessions == [1, 2, 3, 4]
    one.close()
    other.close()


def test_a_copy_of_the_database_is_another_store(
    server: PostgresServer, address: PostgresAddress
) -> None:
    gate = LedgerOfGate()
    first = PostgresStore(address, keep_person_days=14)
    first.ingest(arrivals(gate.write_visits(3)))
    epoch = first.collector_epoch
    first.close()
    again = PostgresStore(address, keep_person_days=14)
    assert again.collector_epoch == epoch, "a restart is no restore"
    again.close()
    name = address.url.partition("@/")[2].partition("?")[0]
    server.execute(f"CREATE DATABASE restored TEMPLATE {name}")
    restored = PostgresStore(PostgresAddress(server.url("restored")), keep_person_days=14)
    assert restored.collector_epoch != epoch
    assert restored.progress([gate.chain]) == [Progress(gate.chain, 3, gate.head)]
    restored.close()


def test_a_connection_that_the_server_ends_is_opened_again(address: PostgresAddress) -> None:
    gate = LedgerOfGate()
    store = PostgresStore(address, keep_person_days=14)
    store.ingest(arrivals(gate.write_visits(2)))
    rows(
        address,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    more = arrivals(gate.write_visits(2))
    with pytest.raises(StorageError, match="cannot store"):
        store.ingest(more)
    assert store.ingest(more).stored == 2
    assert store.progress([gate.chain])[0].upto == 4
    store.close()


def test_a_server_that_is_away_and_back_is_found_again() -> None:
    with postgres_server() as own:
        address = own.new_database()
        gate = LedgerOfGate()
        store = PostgresStore(address, keep_person_days=14)
        store.ingest(arrivals(gate.write_visits(100)))
        own.kill()
        more = arrivals(gate.write_visits(1))
        for _ in range(2):
            with pytest.raises(StorageError):
                store.ingest(more)
        own.start()
        assert store.ingest(more).stored == 1
        assert rows(address, "SELECT count(*), count(chain) FROM record") == [(101, 101)]
        store.close()


def test_one_message_that_no_column_holds_does_not_hold_up_the_others(
    address: PostgresAddress,
) -> None:
    PostgresStore(address, keep_person_days=14).close()
    with address.connect() as connection:
        connection.execute("ALTER TABLE record ALTER at TYPE varchar(29)")
    gate = LedgerOfGate()
    before = gate.write(visit())
    gate.at = gate.at.astimezone(timezone(timedelta(hours=8, seconds=1)))  # three characters more
    odd = gate.write(visit())
    gate.at = gate.at.astimezone(SHANGHAI)
    after = gate.write(visit())
    store = PostgresStore(address, keep_person_days=14)
    result = store.ingest(arrivals([before, odd, after]))
    assert (result.stored, result.quarantined) == (3, 1)
    assert store.progress([gate.chain]) == [Progress(gate.chain, 3, gate.head)]
    found = rows(address, "SELECT problem, seq, body, error FROM quarantine")
    assert found == [
        ("unreadable", 2, odd.body, "the database refuses it (StringDataRightTruncation)")
    ]
    assert store.ingest(arrivals([odd])).duplicates == 1
    store.close()


def test_a_row_that_another_program_wrote_is_told_and_nothing_of_the_batch_is_there(
    address: PostgresAddress,
) -> None:
    gate, other = LedgerOfGate(), LedgerOfGate(gate="west-1")
    store = PostgresStore(address, keep_person_days=14)
    foreign = (
        "INSERT INTO record (id, site, gate, epoch, seq, kind, received_at_ms, body_sha)"
        " VALUES (900, %s, %s, %s, 2, 'visit', 0, '')"
    )
    with address.connect() as connection:
        connection.execute(foreign, (gate.site, gate.gate, gate.epoch))
        batch = arrivals([*other.write_visits(1), *gate.write_visits(3)])
        with pytest.raises(StorageError, match="another program writes"):
            store.ingest(batch)
        assert store.progress([other.chain]) == [Progress(other.chain, 0, bytes(32))]
        connection.execute("DELETE FROM record")
    assert store.ingest(batch).stored == 4
    store.close()


def test_no_error_quotes_a_row(address: PostgresAddress) -> None:
    store = PostgresStore(address, keep_person_days=14)
    with address.connect() as connection:
        connection.execute("ALTER TABLE link ADD CHECK (holder_ref <> 'k4:Zhang')")
        connection.execute("CREATE TABLE one (name text PRIMARY KEY, n int)")
        for sql in (
            "INSERT INTO one VALUES ('Zhang', 1), ('Zhang', 2)",
            "INSERT INTO one SELECT name, name::int FROM (VALUES ('Zhang')) AS v (name)",
            "INSERT INTO link VALUES ('s', 'g', 'e', 1, 'k4:Zhang', 'x', 1)",
        ):
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(sql)
            assert "Zhang" in str(caught.value), "else this test shows nothing"
            assert "Zhang" not in in_words(caught.value)
    store.close()


def test_a_database_of_a_newer_version_is_not_touched(address: PostgresAddress) -> None:
    PostgresStore(address, keep_person_days=14).close()
    with address.connect() as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(StorageError, match="newer gated"):
        PostgresStore(address, keep_person_days=14)
    with pytest.raises(StorageError, match="newer gated"):
        PostgresReader(address)


def test_a_database_without_tables_is_named_to_readers(address: PostgresAddress) -> None:
    with pytest.raises(StorageError, match="gated collector run"):
        PostgresReader(address)


def test_a_database_that_cannot_hold_every_name_is_refused(server: PostgresServer) -> None:
    server.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
    with pytest.raises(StorageError, match="UTF8"):
        PostgresStore(PostgresAddress(server.url("ascii")), keep_person_days=14)


def test_a_server_that_is_not_there_is_named_without_the_password(server: PostgresServer) -> None:
    address = PostgresAddress(f"postgresql://gated@/x?host={server.folder}/none", "s3cret")
    with pytest.raises(StorageError, match="cannot be opened") as caught:
        PostgresStore(address, keep_person_days=14)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(address)


def test_an_ordinary_user_who_owns_the_database_is_enough(server: PostgresServer) -> None:
    server.execute("CREATE ROLE centre LOGIN")
    server.execute("CREATE DATABASE of_centre OWNER centre")
    address = PostgresAddress(server.url("of_centre", user="centre"))
    store = PostgresStore(address, keep_person_days=14)
    gate = LedgerOfGate()
    assert store.ingest(arrivals(gate.write_visits(3))).stored == 3
    assert store.delete_expired(ms(gate.at)) == 0
    store.close()
    reader = PostgresReader(address)
    assert reader.last_id() == 3
    reader.close()


def test_a_reader_cannot_write(address: PostgresAddress) -> None:
    PostgresStore(address, keep_person_days=14).close()
    with (
        address.connect(default_transaction_read_only="on") as connection,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        connection.execute("DELETE FROM record")
