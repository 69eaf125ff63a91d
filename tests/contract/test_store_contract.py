"""One contract for every store of the collector: what is committed stays, once, in its chain."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gated.clock import TimeQuality
from gated.collector.store import Arrival, ChainKey, Progress, Store
from gated.errors import StorageError
from gated.wire import GENESIS, PersonLink, chain_hash, join_link
from tests.collector_gate import MONDAY, LedgerOfGate, arrivals, ms, visit, with_payload
from tests.stores import LAYOUTS, DatabaseUnderTest, NewDatabase

pytestmark = pytest.mark.parametrize(
    "new_database", ["sqlite", "postgres", *LAYOUTS], indirect=True
)

LINK = PersonLink(holder_ref="k4:9c41f07be2d85a13", salt="c2FsdHNhbHRzYWx0c2E")


@pytest.fixture
def database(new_database: NewDatabase) -> DatabaseUnderTest:
    return new_database()


@pytest.fixture
def store(database: DatabaseUnderTest) -> Store:
    return database.store()


@pytest.fixture
def gate() -> LedgerOfGate:
    return LedgerOfGate()


def problems(database: DatabaseUnderTest) -> list[tuple[object, ...]]:
    return database.rows("SELECT problem, epoch, seq FROM quarantine ORDER BY id")


def test_a_batch_in_order_is_stored_and_chained(store: Store, gate: LedgerOfGate) -> None:
    result = store.ingest(arrivals(gate.write_visits(3)))
    assert (result.stored, result.duplicates, result.changed) == (3, 0, frozenset({gate.chain}))
    assert store.progress([gate.chain]) == [Progress(gate.chain, 3, gate.head)]


def test_a_chain_that_was_never_heard_of_is_at_genesis(store: Store) -> None:
    unknown = ChainKey("s", "g", "a" * 16)
    assert store.progress([unknown]) == [Progress(unknown, 0, GENESIS)]


def test_the_body_is_kept_byte_for_byte_without_the_link(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    message = gate.write(visit(), link=LINK)
    store.ingest([message.arrival()])
    assert database.rows("SELECT body FROM record") == [(message.body,)]
    assert LINK.salt.encode() not in message.body


def test_a_resend_is_a_duplicate_but_is_acked_again(store: Store, gate: LedgerOfGate) -> None:
    messages = gate.write_visits(2)
    store.ingest(arrivals(messages))
    again = store.ingest(arrivals([*messages, messages[0]]))
    assert (again.stored, again.duplicates, again.quarantined) == (0, 3, 0)
    assert again.changed == {gate.chain}


def test_a_resend_without_its_link_is_a_duplicate(store: Store, gate: LedgerOfGate) -> None:
    message = gate.write(visit(), link=LINK)
    store.ingest([message.arrival()])
    without = Arrival(message.topic, message.body, ms(message.at))
    assert store.ingest([without]).duplicates == 1


def test_another_body_under_a_taken_number_never_overwrites(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    clone = LedgerOfGate()
    first = gate.write(visit(body_c=36.5))
    other = clone.write(visit(body_c=36.6))
    store.ingest([first.arrival()])
    for _ in range(2):  # a clone that insists is still one problem
        store.ingest([other.arrival()])
    assert database.rows("SELECT body FROM record") == [(first.body,)]
    assert problems(database) == [("conflict", gate.epoch, 1)]
    assert database.rows("SELECT body FROM quarantine") == [(other.body,)]
    assert store.progress([gate.chain])[0].hash == gate.head


def test_two_bodies_for_one_number_in_one_batch_conflict(store: Store, gate: LedgerOfGate) -> None:
    other = LedgerOfGate().write(visit(body_c=36.6))
    result = store.ingest([gate.write(visit()).arrival(), other.arrival()])
    assert (result.stored, result.quarantined) == (1, 1)


def test_a_hole_stops_the_ack_and_is_described_by_ranges(store: Store, gate: LedgerOfGate) -> None:
    m = gate.write_visits(9)
    store.ingest(arrivals([m[0], m[1], m[3], m[4], m[8]]))
    assert store.progress([gate.chain]) == [
        Progress(gate.chain, 2, gate.hashes[2], ((4, 5), (9, 9)))
    ]


def test_filling_a_hole_chains_what_was_stored_beyond_it(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    m = gate.write_visits(5)
    store.ingest(arrivals([m[0], m[2], m[3], m[4]]))
    store.ingest([m[1].arrival()])
    assert store.progress([gate.chain]) == [Progress(gate.chain, 5, gate.head)]
    chained = database.rows("SELECT chain FROM record ORDER BY seq")
    assert chained == [(h,) for h in gate.hashes[1:]]


def test_the_ranges_of_an_ack_are_bounded(store: Store, gate: LedgerOfGate) -> None:
    store.ingest(arrivals(gate.write_visits(101)[::2][1:]))
    (progress,) = store.progress([gate.chain])
    assert progress.upto == 0
    assert progress.have == tuple((n, n) for n in range(3, 3 + 2 * 32, 2))


UNREADABLE = [
    b"",
    b"\xff\xfe",
    b"[]",
    b'{"v":1}',
    b"{" * 5_000,
    b'{"body_c":NaN}',
    b'{"v":1,"n":' + b"9" * 5_000 + b"}",
]


@pytest.mark.parametrize("payload", UNREADABLE)
def test_a_poison_message_is_kept_raw_and_counted_in_the_chain(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest, payload: bytes
) -> None:
    first, second = gate.write_visits(2)
    poison = Arrival(second.topic, payload, ms(second.at), gate.epoch, 2)
    result = store.ingest([first.arrival(), poison])
    assert (result.stored, result.quarantined) == (2, 1)
    expected = chain_hash(gate.hashes[1], 2, payload)
    assert store.progress([gate.chain]) == [Progress(gate.chain, 2, expected)]
    assert database.rows("SELECT problem, seq, body FROM quarantine") == [
        ("unreadable", 2, payload)
    ]
    assert store.ingest([poison]).duplicates == 1


def test_what_a_newer_gate_says_is_chained_without_its_link_and_kept_with_it(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    newer = gate.write(visit(), link=LINK)
    body, payload = (raw.replace(b'"granted"', b'"waved"') for raw in (newer.body, newer.payload))
    result = store.ingest([with_payload(newer, payload).arrival()])
    assert (result.stored, result.quarantined) == (1, 1)
    assert store.progress([gate.chain]) == [
        Progress(gate.chain, 1, chain_hash(GENESIS, 1, body))  # as the gate has it
    ]
    assert database.rows("SELECT problem, body FROM quarantine") == [("unreadable", payload)]
    without = with_payload(newer, body).arrival()  # its link has expired at the gate
    assert store.ingest([without]).duplicates == 1
    assert len(problems(database)) == 1


def test_a_poison_message_that_nothing_places_is_kept_without_a_number(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    (message,) = gate.write_visits(1)
    result = store.ingest([Arrival(message.topic, b"?", 0)])
    assert (result.stored, result.quarantined, result.changed) == (0, 1, frozenset())
    assert problems(database) == [("unreadable", "", 0)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"gate":"east-1"', b'"gate":"west-1"'),
        (b'"site":"lixin-primary"', b'"site":"other"'),
        (b'"v":1', b'"v":2'),
        (b'"at":"2026', b'"at":"20x6'),
        (b"+08:00", b""),
        (b'"boot":1,', b'"boot":9223372036854775808,'),
        (b'"holder_group":"g3-2"', b'"holder_group":"\\ud800"'),
        (b'"outcome":"granted"', b'"outcome":"maybe"'),
    ],
)
def test_a_body_that_is_not_what_it_should_be_is_placed_by_its_own_number(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest, old: bytes, new: bytes
) -> None:
    (message,) = gate.write_visits(1)
    assert old in message.body
    payload = message.body.replace(old, new)
    store.ingest([Arrival(message.topic, payload, 0)])  # as through a bridge: no user properties
    assert problems(database) == [("unreadable", gate.epoch, 1)]
    assert store.progress([gate.chain])[0].upto == 1


def test_a_record_on_the_topic_of_another_kind_is_set_aside(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    (message,) = gate.write_visits(1)
    topic = message.topic.replace("visit", "alarm")
    store.ingest([Arrival(topic, message.payload, 0, gate.epoch, 1)])
    assert problems(database) == [("unreadable", gate.epoch, 1)]


def test_a_kind_of_a_later_version_is_stored_whole(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    (message,) = gate.write_visits(1)
    body = message.body.replace(b'"kind":"visit"', b'"kind":"weather"')
    body = body.replace(b'"outcome":"granted"', b'"outcome":7')
    store.ingest([Arrival(message.topic.replace("visit", "weather"), body, 0)])
    assert database.rows("SELECT kind, body, outcome FROM record") == [("weather", body, None)]
    assert problems(database) == []


@pytest.mark.parametrize("name", ["alarm", "device", "result"])
@pytest.mark.parametrize("value", ["[1]", "{}", "true", "1" + "0" * 30, '"\\u0000"'])
def test_a_member_that_its_kind_does_not_have_is_kept_in_the_body_alone(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest, name: str, value: str
) -> None:
    message = gate.write(visit())
    body = message.body[:-1] + f',"{name}":{value}}}'.encode()
    result = store.ingest([with_payload(message, body).arrival()])
    assert (result.stored, result.quarantined) == (1, 0)
    found = database.rows("SELECT body, alarm, device, result FROM record")
    assert found == [(body, None, None, None)]


def test_a_break_in_the_chain_is_noted_and_the_record_is_kept(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    first = gate.write(visit())
    broken = gate.write(visit(), prev=bytes([7]) * 32)
    store.ingest(arrivals([first, broken]))
    assert problems(database) == [("chain", gate.epoch, 2)]
    assert store.progress([gate.chain])[0].upto == 2


def test_a_chain_that_starts_late_begins_at_the_gates_anchor(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    gate.write_visits(8)
    store.ingest(arrivals(gate.messages[5:6]))
    assert store.progress([gate.chain])[0].upto == 0
    store.ingest([gate.state_arrival(gate.state(oldest_seq=6))])
    assert store.progress([gate.chain]) == [Progress(gate.chain, 6, gate.hashes[6])]
    store.ingest(arrivals(gate.messages[6:]))
    assert store.progress([gate.chain]) == [Progress(gate.chain, 8, gate.head)]
    assert database.rows("SELECT first_seq, last_seq FROM lost") == [(1, 5)]
    assert problems(database) == []


def test_the_state_and_the_first_record_may_come_in_one_batch(
    store: Store, gate: LedgerOfGate
) -> None:
    gate.write_visits(4)
    state = gate.state_arrival(gate.state(oldest_seq=3))
    store.ingest([*arrivals(gate.messages[2:]), state])
    assert store.progress([gate.chain]) == [Progress(gate.chain, 4, gate.head)]


def test_a_lost_range_shrinks_when_its_records_are_brought_after_all(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    gate.write_visits(9)
    store.ingest([gate.messages[1].arrival()])
    store.ingest([gate.state_arrival(gate.state(oldest_seq=8))])
    lost = "SELECT first_seq, last_seq FROM lost ORDER BY 1"
    assert database.rows(lost) == [(1, 1), (3, 7)]
    assert store.ingest([gate.messages[4].arrival()]).stored == 1
    assert database.rows(lost) == [(1, 1), (3, 4), (6, 7)]


def test_a_state_without_an_anchor_loses_nothing(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    gate.write_visits(4)
    state = gate.state(oldest_seq=3).model_copy(update={"anchor": "none"})
    store.ingest([gate.state_arrival(state)])
    assert store.progress([gate.chain])[0].upto == 0
    assert database.rows("SELECT * FROM lost") == []


def test_a_birth_is_owed_an_ack_even_from_an_empty_store(store: Store, gate: LedgerOfGate) -> None:
    gate.write_visits(2)
    result = store.ingest([gate.state_arrival(gate.state())])
    assert result.changed == {gate.chain}
    assert store.current_chains() == [gate.chain]


def test_the_current_chain_is_that_of_the_state_and_else_the_newest(
    store: Store,
) -> None:
    old, new = LedgerOfGate(epoch="a" * 16), LedgerOfGate(epoch="b" * 16)
    new.at += timedelta(days=1)
    store.ingest(arrivals(old.write_visits(1)))
    store.ingest(arrivals(new.write_visits(1)))
    assert store.current_chains() == [new.chain]
    store.ingest([old.state_arrival(old.state())])
    assert store.current_chains() == [old.chain]


def test_a_late_will_of_an_old_session_leaves_the_gate_online(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    online = "SELECT online FROM gate"
    store.ingest([gate.state_arrival(gate.state(session=2))])
    store.ingest([gate.state_arrival(gate.state(online=False, session=1))])
    assert database.rows(online) == [(1,)]
    store.ingest([gate.state_arrival(gate.state(online=False, session=2))])
    assert database.rows(online) == [(0,)]


def test_a_person_link_is_kept_beside_the_body_and_ends(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    message = gate.write(visit(), link=LINK)
    store.ingest([message.arrival()])
    expires = ms(message.at) + 14 * 86_400_000
    assert database.rows("SELECT seq, holder_ref, salt, expires_at_ms FROM link") == [
        (1, LINK.holder_ref, LINK.salt, expires)
    ]
    assert store.delete_expired(expires - 1) == 0
    assert store.delete_expired(expires) == 1
    assert database.rows("SELECT * FROM link") == []


@pytest.mark.parametrize("keep_days", [0, 3])
def test_links_are_brought_down_to_a_span_that_became_shorter(
    gate: LedgerOfGate, database: DatabaseUnderTest, keep_days: int
) -> None:
    received = gate.at + timedelta(days=10)
    store = database.store(keep_person_days=21)
    for clock_error, quality in (
        (timedelta(), TimeQuality.TRUSTED),
        (timedelta(days=10), TimeQuality.TRUSTED),
        (timedelta(days=400), TimeQuality.HOLDOVER),  # counts from its arrival, as at the storing
        (timedelta(days=-9_000), TimeQuality.UNKNOWN),
    ):
        gate.at, gate.time_quality = MONDAY + clock_error, quality
        store.ingest([gate.write(visit(), link=LINK).arrival(received)])
    store.close()
    began = [MONDAY + timedelta(seconds=1), *[received] * 3]
    for shorter in (keep_days, 21):  # and a longer one brings nobody back
        database.store(keep_person_days=shorter).close()
        assert database.rows("SELECT expires_at_ms FROM link ORDER BY seq") == [
            (ms(moment + timedelta(days=keep_days)),) for moment in began
        ]


def test_a_link_that_is_already_too_old_is_not_stored(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    message = gate.write(visit(), link=LINK)
    store.ingest([message.arrival(gate.at + timedelta(days=14))])
    assert database.rows("SELECT COUNT(*) FROM record") == [(1,)]
    assert database.rows("SELECT * FROM link") == []


@pytest.mark.parametrize(
    ("clock_error", "quality"),
    [(timedelta(days=400), TimeQuality.HOLDOVER), (timedelta(days=-9_000), TimeQuality.UNKNOWN)],
)
def test_a_wrong_clock_at_the_gate_does_not_change_how_long_a_link_is_kept(
    store: Store,
    gate: LedgerOfGate,
    database: DatabaseUnderTest,
    clock_error: timedelta,
    quality: TimeQuality,
) -> None:
    received = gate.at
    gate.at += clock_error
    gate.time_quality = quality
    store.ingest([gate.write(visit(), link=LINK).arrival(received)])
    expected = ms(received) + 14 * 86_400_000
    assert database.rows("SELECT expires_at_ms FROM link") == [(expected,)]


def test_a_link_that_does_not_open_the_commitment_is_dropped_and_noted(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    message = gate.write(visit(), link=LINK)
    wrong = join_link(message.body, PersonLink("k4:0000000000000000", LINK.salt))
    store.ingest([Arrival(message.topic, wrong, ms(message.at))])
    assert database.rows("SELECT body FROM record") == [(message.body,)]
    assert database.rows("SELECT * FROM link") == []
    assert database.rows("SELECT problem, body FROM quarantine") == [("link", None)]


def test_with_no_days_to_keep_no_link_ever_reaches_the_disk(
    gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    store = database.store(keep_person_days=0)
    store.ingest([gate.write(visit(), link=LINK).arrival()])
    assert database.rows("SELECT * FROM link") == []
    store.close()


def test_a_raw_message_in_the_quarantine_is_erased_with_the_links_but_its_hash_stays(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    message = gate.write(visit(), link=LINK)
    store.ingest([Arrival(message.topic, message.payload + b"}", ms(message.at), gate.epoch, 1)])
    store.delete_expired(ms(message.at + timedelta(days=14)))
    assert database.rows("SELECT body, length(body_sha) FROM quarantine") == [(None, 32)]


def test_topics_that_are_not_a_gates_are_ignored(store: Store) -> None:
    topics = [
        "",
        "gates/v1/s/g/cmd",
        "gates/v1/collector/c/state",
        "a/b/c/d/e",
        "gates/v1/S/G/rec/x",
    ]
    assert store.ingest([Arrival(topic, b"{}", 0) for topic in topics]).ignored == len(topics)


def test_what_was_committed_is_there_after_reopening(
    database: DatabaseUnderTest, gate: LedgerOfGate
) -> None:
    m = gate.write_visits(4)
    first = database.store()
    first.ingest(arrivals([m[0], m[3]]))
    epoch, session = first.collector_epoch, first.next_session()
    first.close()
    second = database.store()
    assert second.collector_epoch == epoch
    assert second.next_session() == session + 1
    result = second.ingest(arrivals(m))
    assert (result.stored, result.duplicates) == (2, 2)
    assert second.progress([gate.chain]) == [Progress(gate.chain, 4, gate.head)]
    second.close()


def test_two_databases_have_different_epochs(new_database: NewDatabase) -> None:
    one, other = new_database().store(), new_database().store()
    assert one.collector_epoch != other.collector_epoch


def test_a_batch_that_cannot_be_committed_leaves_nothing(
    store: Store, gate: LedgerOfGate, database: DatabaseUnderTest
) -> None:
    messages = gate.write_visits(3)
    database.change("ALTER TABLE progress RENAME TO away")
    with pytest.raises(StorageError, match="progress"):
        store.ingest(arrivals(messages))
    assert database.rows("SELECT COUNT(*) FROM record") == [(0,)]
    database.change("ALTER TABLE away RENAME TO progress")
    assert store.ingest(arrivals(messages)).stored == 3


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_with_duplicates_in_any_batches_ends_in_the_same_state(
    data: st.DataObject, store: Store, database: DatabaseUnderTest
) -> None:
    count = data.draw(st.integers(1, 14))
    # One database for all examples: each is a ledger of its own.
    (known,) = database.rows("SELECT COUNT(*) FROM progress")
    epoch = f"{'a' * 15}{'abcdefghijklmnopqrstuvwxyz'[int(str(known[0])) % 26]}"
    gate = LedgerOfGate(gate=f"east-{known[0]}", epoch=epoch)
    messages = gate.write_visits(count)
    extra = data.draw(st.lists(st.integers(0, count - 1), max_size=10))
    order = data.draw(st.permutations([*range(count), *extra]))
    size = data.draw(st.integers(1, len(order)))
    stored = duplicates = 0
    for start in range(0, len(order), size):
        result = store.ingest(arrivals([messages[i] for i in order[start : start + size]]))
        stored += result.stored
        duplicates += result.duplicates
        assert result.quarantined == 0
    assert (stored, duplicates) == (count, len(extra))
    assert store.progress([gate.chain]) == [Progress(gate.chain, count, gate.head)]
    chains = database.rows("SELECT gate, seq, chain FROM record ORDER BY id")
    assert (
        sorted(row[1:] for row in chains if row[0] == gate.gate)
        == (list(enumerate(gate.hashes))[1:])
    )
