"""Uses of passes between lanes: one contract for every store of the collector."""

from __future__ import annotations

import pytest

from gated.collector.store import Arrival, ChainKey, Store
from gated.uses import MAX_USES
from gated.wire import GateTopics
from tests.collector_gate import LedgerOfGate
from tests.stores import DatabaseUnderTest, NewDatabase
from tests.told_uses import DAY_MS, EPOCH, NOW_MS, SITE, tell, use


@pytest.fixture
def database(new_database: NewDatabase) -> DatabaseUnderTest:
    return new_database()


@pytest.fixture
def store(database: DatabaseUnderTest) -> Store:
    return database.store()


def test_a_use_is_told_on_once(store: Store) -> None:
    first = tell(store, use(1))
    again = tell(store, use(1))
    assert first.sites_with_new_uses == {SITE}
    assert not again.sites_with_new_uses
    assert len(again.uses_asked) == 1, "its sender has not seen our answer"
    assert [shared.seq for shared in store.uses_page(SITE, 0).uses] == [1]


def test_a_return_is_a_change_of_its_own_and_cannot_be_undone(store: Store) -> None:
    tell(store, use(1), use(2))
    before = store.newest_use()
    tell(store, use(1, given_back=True))
    page = store.uses_page(SITE, before)
    assert [(shared.seq, shared.given_back) for shared in page.uses] == [(1, True)]
    assert tell(store, use(1)).sites_with_new_uses == frozenset()
    assert len(store.uses_page(SITE, 0).uses) == 2


def test_a_list_is_stored_as_far_as_it_has_no_hole(store: Store) -> None:
    ledger = ChainKey(SITE, "east-1", EPOCH)
    tell(store, use(3), after=2, upto=3)
    assert store.uses_stored([ledger]) == [0]
    tell(store, use(1), use(2), after=0, upto=2)
    assert store.uses_stored([ledger]) == [2]
    tell(store, use(3), after=2, upto=3)
    tell(store, after=0, upto=1)
    another = ChainKey(SITE, "east-1", "a" * 16)  # counts from its own beginning
    assert store.uses_stored([another, ledger]) == [0, 3]


def test_pages_go_on_where_the_last_one_ended(store: Store) -> None:
    for first in range(1, 3 * MAX_USES, MAX_USES):
        tell(store, *(use(seq) for seq in range(first, first + MAX_USES)))
    seqs: list[int] = []
    after, has_more = 0, True
    while has_more:
        page = store.uses_page(SITE, after)
        assert page.after == after
        seqs += [shared.seq for shared in page.uses]
        after, has_more = page.upto, page.has_more
    assert seqs == list(range(1, 3 * MAX_USES + 1))
    assert store.uses_page(SITE, after).uses == ()


def test_the_clock_of_a_gate_is_believed_up_to_now(store: Store) -> None:
    tell(store, use(1, at_ms=NOW_MS + DAY_MS), use(2, at_ms=None), use(3, at_ms=NOW_MS - 1))
    assert [shared.at_ms for shared in store.uses_page(SITE, 0).uses] == [
        NOW_MS,
        NOW_MS,
        NOW_MS - 1,
    ]


def test_a_use_older_than_the_retention_is_not_stored(store: Store) -> None:
    tell(store, use(1, at_ms=NOW_MS - 14 * DAY_MS), use(2, at_ms=NOW_MS - 14 * DAY_MS + 1))
    assert [shared.seq for shared in store.uses_page(SITE, 0).uses] == [2]
    assert store.delete_expired(NOW_MS + 1) == 1
    assert store.uses_page(SITE, 0).uses == ()


@pytest.mark.parametrize("payload", [b"", b"{", b'{"v":1}', b"\xff" * 40])
def test_what_is_no_message_about_uses_is_passed_over(store: Store, payload: bytes) -> None:
    result = store.ingest([Arrival(GateTopics(SITE, "east-1").uses, payload, NOW_MS)])
    assert (result.ignored, result.uses_asked) == (1, ())


def test_no_gate_is_called_uses(store: Store) -> None:
    assert tell(store, use(1), gate="uses").ignored == 1


def test_uses_make_no_gate_and_no_record(store: Store, database: DatabaseUnderTest) -> None:
    gate = LedgerOfGate()
    store.ingest([message.arrival() for message in gate.write_visits(2)])
    tell(store, use(1), gate="west-2")
    assert database.rows("SELECT count(*) FROM record") == [(2,)]
    assert database.rows("SELECT gate FROM gate") == [("east-1",)]
