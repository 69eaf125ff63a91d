"""Every store of the collector gives the same answers: what is asked of it, and its views."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gated.clock import TimeQuality
from gated.collector.store import Arrival, Reader
from gated.contents import AlarmName
from gated.vocabulary import TO_MEASURE, Mode, Outcome, PassageResult, Reason, ReleaseResult
from gated.wire import GateTopics, PersonLink
from tests.collector_gate import (
    MONDAY,
    SHANGHAI,
    LedgerOfGate,
    Message,
    alarm,
    arrivals,
    boot,
    health,
    ms,
    passage,
    refused,
    release,
    visit,
)
from tests.postgres import PostgresServer
from tests.stores import DatabaseUnderTest, NewDatabase, PostgresDatabase, SqliteDatabase

YEAR_1970 = datetime(1970, 1, 1, tzinfo=SHANGHAI)
TRUSTED, HOLDOVER, UNKNOWN = TimeQuality.TRUSTED, TimeQuality.HOLDOVER, TimeQuality.UNKNOWN


@pytest.fixture
def database(new_database: NewDatabase) -> DatabaseUnderTest:
    return new_database()


def a_day(gate: LedgerOfGate) -> list[Message]:
    """Write a bit of everything."""
    link = PersonLink(holder_ref="k4:9c41f07be2d85a13", salt="c2FsdHNhbHRzYWx0c2E")
    gate.write(boot())
    gate.write(visit(visit_id="a1" * 6, attempt=2), link=link)
    gate.write(passage(PassageResult.PASSED).model_copy(update={"visit_id": "a1" * 6}))
    gate.write(refused(Reason.TEMPERATURE_HIGH, Outcome.SEE_STAFF))
    gate.write(release(ReleaseResult.ISOLATED))
    gate.write(alarm(AlarmName.TEMPERATURE_HIGH))
    gate.mode, gate.drill = Mode.OBSERVE, True
    gate.write(visit(would_have=Outcome.DENIED))
    gate.mode, gate.drill = Mode.NORMAL, False
    gate.write(health())
    return gate.messages


# --- one answer ----------------------------------------------------------------------------------


def everything(reader: Reader) -> list[object]:
    answers: list[object] = [reader.last_id(), reader.entries(after=0, limit=100)]
    answers += [reader.latest_entries(3), reader.tallies(0, 2**60), reader.gates()]
    for gate in reader.gates():
        answers += [reader.chains(gate.lane), reader.evidence(gate.lane)]
        answers.append(reader.was_one_boot(gate.lane, ms(MONDAY), ms(MONDAY) + 4_000))
    return answers


def histories() -> st.SearchStrategy[list[list[Arrival]]]:
    """Return batches as a network may bring them: holes, resends, poison, states, wrong clocks."""

    @st.composite
    def history(draw: st.DrawFn) -> list[list[Arrival]]:
        found: list[Arrival] = []
        for epoch in draw(st.sampled_from([("a",), ("a", "b")])):
            gate = LedgerOfGate(epoch=epoch * 16)
            gate.time_quality = draw(st.sampled_from([TRUSTED, UNKNOWN]))
            for quality in draw(
                st.lists(st.sampled_from([TRUSTED, HOLDOVER, UNKNOWN]), max_size=3)
            ):
                a_day(gate)
                gate.time_quality = quality
                gate.boot += draw(st.integers(0, 1))
            a_day(gate)
            found += arrivals(gate.messages)
            oldest = draw(st.integers(1, gate.seq))
            found.append(gate.state_arrival(gate.state(oldest_seq=oldest)))
            poisoned = gate.messages[draw(st.integers(0, gate.seq - 1))]
            found.append(Arrival(poisoned.topic, b"?", ms(MONDAY), gate.epoch, poisoned.seq))
        chosen = draw(st.lists(st.sampled_from(found), min_size=1, max_size=60))
        size = draw(st.integers(1, 20))
        return [chosen[start : start + size] for start in range(0, len(chosen), size)]

    return history()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=histories())
def test_both_stores_make_the_same_of_any_history(
    batches: Sequence[Sequence[Arrival]],
    server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    postgres = PostgresDatabase(server)
    sqlite = SqliteDatabase(tmp_path_factory.mktemp("history") / "records.db")
    one, other = sqlite.store(), postgres.store()
    for batch in batches:
        assert one.ingest(batch) == other.ingest(batch)
        assert one.current_chains() == other.current_chains()
        assert one.progress(one.current_chains()) == other.progress(other.current_chains())
    assert everything(sqlite.reader()) == everything(postgres.reader())
    for table in ("clock_anchor", "progress", "lost", "link"):
        sql = f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5"  # noqa: S608 - our own names
        assert sqlite.rows(sql) == postgres.rows(sql), table
    columns = "id, epoch, seq, boot_ms, chain, corrected_at_ms, corrected_quality"
    sql = f"SELECT {columns} FROM record ORDER BY id"  # noqa: S608 - our own names
    assert sqlite.rows(sql) == postgres.rows(sql)
    sqlite.close()
    postgres.close()


def test_a_snapshot_does_not_see_what_comes_meanwhile(database: DatabaseUnderTest) -> None:
    gate = LedgerOfGate()
    store, first, second = database.store(), *arrivals(gate.write_visits(2))
    store.ingest([first])
    reader = database.reader()
    with reader.snapshot():
        assert reader.last_id() == 1
        store.ingest([second])
        assert reader.last_id() == 1
    assert reader.last_id() == 2


# --- corrected times -----------------------------------------------------------------------------

TIMES = "SELECT seq, at_ms, corrected_at_ms, corrected_quality FROM record ORDER BY seq"


def a_boot_that_learns_the_time(gate: LedgerOfGate) -> None:
    """Write 1–3 in 1970, 4 in holdover and one day behind, 5 and 6 with the right time."""
    gate.at, gate.time_quality = YEAR_1970, UNKNOWN
    gate.write_visits(3)
    gate.at, gate.time_quality = MONDAY - timedelta(days=1), HOLDOVER
    gate.write_visits(1)
    gate.at, gate.time_quality = MONDAY, TRUSTED
    gate.write_visits(2)


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (5, 0, 3, 1, 4, 2)])
@pytest.mark.parametrize("size", [1, 6])
def test_unknown_times_are_corrected_in_whatever_order_records_come(
    database: DatabaseUnderTest, order: Sequence[int], size: int
) -> None:
    gate, store = LedgerOfGate(), database.store()
    a_boot_that_learns_the_time(gate)
    for start in range(0, 6, size):
        store.ingest(arrivals([gate.messages[n] for n in order[start : start + size]]))
    right = ms(MONDAY) + 1_000  # of record 5, which was made 4 s after the start
    yesterday = ms(MONDAY - timedelta(days=1)) + 1_000
    assert database.rows(TIMES) == [
        (1, ms(YEAR_1970) + 1_000, right - 4_000, "trusted"),
        (2, ms(YEAR_1970) + 2_000, right - 3_000, "trusted"),
        (3, ms(YEAR_1970) + 3_000, right - 2_000, "trusted"),
        (4, yesterday, yesterday, "holdover"),
        (5, right, right, "trusted"),
        (6, right + 1_000, right + 1_000, "trusted"),
    ]


def test_a_boot_that_never_learns_the_time_has_none(database: DatabaseUnderTest) -> None:
    gate, store = LedgerOfGate(time_quality=UNKNOWN), database.store()
    gate.write_visits(1)
    gate.boot, gate.time_quality = 2, TRUSTED
    gate.write_visits(1)
    store.ingest(arrivals(gate.messages))
    assert [row[2:] for row in database.rows(TIMES)] == [
        (None, "unknown"),
        (ms(gate.at), "trusted"),
    ]


# --- who is to be measured -----------------------------------------------------------------------

BEFORE_FOLLOW_UPS = {
    SqliteDatabase: "DROP VIEW visits; ALTER TABLE record DROP COLUMN follow_up; "
    "CREATE VIEW visits AS SELECT seq FROM record; PRAGMA user_version = 3;",
    PostgresDatabase: "SET search_path = gated; DROP VIEW visits; "
    "ALTER TABLE record DROP COLUMN follow_up; UPDATE meta SET value = '1' WHERE key = 'schema'",
}
"""What takes a database back to the version that did not know of follow-ups."""


@pytest.mark.parametrize("is_older", [False, True])
def test_who_is_to_be_measured_is_counted_shown_and_found_in_older_records(
    database: DatabaseUnderTest, *, is_older: bool
) -> None:
    gate = LedgerOfGate()
    gate.write(visit())
    gate.write(visit(body_c=None, follow_up=TO_MEASURE))
    gate.write(visit(holder_group='"follow_up":"no'))
    database.store().ingest(arrivals(gate.messages))
    if is_older:
        database.change(BEFORE_FOLLOW_UPS[type(database)])
        database.store()
    reader = database.reader()
    counted = [(tally.follow_up, tally.count) for tally in reader.tallies(0, 2**60)]
    assert sorted(counted, key=str) == [(TO_MEASURE, 1), (None, 2)]
    shown = [entry.follow_up for entry in reader.entries(after=0, limit=9)]
    assert shown == [None, TO_MEASURE, None]
    assert database.rows("SELECT seq, follow_up FROM visits ORDER BY seq") == [
        (1, None),
        (2, TO_MEASURE),
        (3, None),
    ]


# --- views ---------------------------------------------------------------------------------------


def test_a_visit_stands_beside_its_passage_and_its_release(database: DatabaseUnderTest) -> None:
    gate = LedgerOfGate()
    a_day(gate)
    database.store().ingest(arrivals(gate.messages))
    assert database.rows(
        "SELECT seq, outcome, reason, passage, release, drill, at_ms FROM visits ORDER BY seq"
    ) == [
        (2, "granted", None, "passed", None, False, ms(MONDAY) + 2_000),
        (4, "see_staff", "temperature_high", None, "isolated", False, ms(MONDAY) + 4_000),
        (7, "granted", None, None, "isolated", True, ms(MONDAY) + 7_000),
    ]


def test_entries_are_counted_by_the_hour_without_drills(database: DatabaseUnderTest) -> None:
    gate = LedgerOfGate()
    a_day(gate)
    gate.at += timedelta(hours=1)
    gate.write_visits(2)
    database.store().ingest(arrivals(gate.messages))
    found = database.rows(
        "SELECT hour, direction, outcome, visits FROM entries_per_hour ORDER BY hour, outcome"
    )
    assert [row[1:] for row in found] == [
        ("in", "granted", 1),
        ("in", "see_staff", 1),
        ("in", "granted", 2),
    ]
    hours = [datetime.fromisoformat(str(row[0])) for row in found]
    assert hours[0] == datetime.fromisoformat("2026-11-22T23:00:00Z")
    assert hours[2] - hours[0] == timedelta(hours=1)


def test_alarms_have_a_view_of_their_own(database: DatabaseUnderTest) -> None:
    gate = LedgerOfGate()
    a_day(gate)
    database.store().ingest(arrivals(gate.messages))
    assert database.rows("SELECT site, gate, seq, alarm, drill FROM alarms") == [
        (gate.site, gate.gate, 6, "temperature_high", False)
    ]


# --- nothing stops a store -----------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)
HARD = [
    True,
    36,
    "36.6",
    "nan",
    2**63,
    -(2**63) - 1,
    10**400,
    "\0",
    "a\0b",
    "x" * 9_000,
    "\u202e",
    1e308,
    -0.0,
    5e-324,
]


def refuses_nothing(database: DatabaseUnderTest, arrivals_: Sequence[Arrival]) -> None:
    store = database.store()
    store.ingest(arrivals_)
    store.current_chains()
    found = database.rows(
        "SELECT COUNT(*) FROM quarantine WHERE error LIKE 'the database refuses%'"
    )
    assert found == [(0,)], "the intake let something through that no column holds"
    reader = database.reader()
    reader.gates()
    reader.entries(after=0, limit=500)
    database.rows("SELECT * FROM visits")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_member_of_a_record_or_a_state_stops_a_store(
    data: st.DataObject, database: DatabaseUnderTest
) -> None:
    gate = LedgerOfGate()
    a_day(gate)
    found = []
    for message in gate.messages:
        body = json.loads(message.payload)
        for name in data.draw(st.lists(st.sampled_from([*body, "device", "alarm"]), max_size=2)):
            body[name] = data.draw(anything | st.sampled_from(HARD))
        payload = json.dumps(body).encode()
        found.append(Arrival(message.topic, payload, ms(MONDAY), gate.epoch, message.seq))
    state = json.loads(gate.state().model_dump_json())
    for name in data.draw(st.lists(st.sampled_from([*state]), max_size=2)):
        state[name] = data.draw(anything | st.sampled_from(HARD))
    topic = GateTopics(gate.site, gate.gate).state
    found.append(Arrival(topic, json.dumps(state).encode(), ms(MONDAY)))
    refuses_nothing(database, found)


@pytest.mark.parametrize("name", ["visit_id", "at", "body_c", "boot_ms", "attempt"])
@pytest.mark.parametrize("value", HARD)
def test_no_hard_value_stops_a_store(database: DatabaseUnderTest, name: str, value: object) -> None:
    (message,) = LedgerOfGate().write_visits(1)
    body = json.loads(message.payload) | {name: value}
    payload = json.dumps(body).encode()
    refuses_nothing(database, [Arrival(message.topic, payload, ms(MONDAY), "a" * 16, 1)])
