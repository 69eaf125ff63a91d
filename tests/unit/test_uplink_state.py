from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.uplink.feed import Feed
from gated.uplink.live import LOOK_BACK, MAX_WAITING, LiveCopies
from gated.uplink.state import (
    COUNTS_EVERY_S,
    STATE_AT_MOST_EVERY_S,
    STATE_EVERY_S,
    StateTeller,
    StatusFile,
)
from tests.uplink_rig import TOPICS, GateRig

NO_BUNDLE = Path("no-bundle")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateRig]:
    rig = GateRig(tmp_path)
    rig.record(1)
    yield rig
    rig.close()


@pytest.fixture
def feed(gate: GateRig) -> Iterator[Feed]:
    feed = Feed(gate.ledger_path, TOPICS)
    feed.refresh()
    yield feed
    feed.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def teller(gate: GateRig, feed: Feed, clock: FakeClock) -> StateTeller:
    return StateTeller(TOPICS, StatusFile(gate.files.status), feed, clock)


def test_the_birth_is_due_at_once_and_an_unchanged_state_each_minute(
    teller: StateTeller, clock: FakeClock
) -> None:
    assert teller.due(1) is not None
    due_s = []
    for second in range(1, 181):
        clock.advance(1)
        if teller.due(1) is not None:
            due_s.append(second)
    assert due_s == [STATE_EVERY_S, 2 * STATE_EVERY_S, 3 * STATE_EVERY_S]


def seconds_of_states(teller: StateTeller, clock: FakeClock, change: Callable[[], None]) -> int:
    """Return the shortest time between the states of a minute in which all changes all the time."""
    assert teller.due(1) is not None
    told_s = [0.0]
    for tenth in range(1, 601):
        clock.advance(0.1)
        change()
        if teller.due(1) is not None:
            told_s.append(tenth / 10)
    steps = [b - a for a, b in pairwise(told_s)]
    assert len(steps) >= 3
    return round(min(steps))


def test_changes_are_told_at_most_every_two_seconds(
    gate: GateRig, teller: StateTeller, clock: FakeClock
) -> None:
    nonces = count()

    def change() -> None:
        gate.files.status.unlink(missing_ok=True)
        gate.files.status.write_text(f'{{"boot_nonce": "{next(nonces)}"}}', encoding="utf-8")

    assert seconds_of_states(teller, clock, change) == STATE_AT_MOST_EVERY_S


def test_numbers_that_only_move_on_are_told_more_rarely(
    gate: GateRig, feed: Feed, teller: StateTeller, clock: FakeClock
) -> None:
    def change() -> None:
        gate.record(1)
        feed.refresh()

    assert seconds_of_states(teller, clock, change) == COUNTS_EVERY_S


def test_birth_and_will_carry_the_same_session(teller: StateTeller) -> None:
    birth = teller.due(41)
    assert birth is not None
    assert json.loads(birth)["session"] == 41
    will = json.loads(teller.will(41))
    assert (will["session"], will["online"], will["epoch"]) == (41, False, None)


def test_an_absent_garbled_or_strange_status_says_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "status.json"
    status = StatusFile(path)
    assert status.read().mode is None
    path.write_text('{"mode": "open for all"}', encoding="utf-8")
    assert status.read().mode is None
    path.write_text('{"threshold_c": NaN}', encoding="utf-8")
    assert status.read().threshold_c is None
    path.write_text('{"mode": "closed", "later": 1}', encoding="utf-8")
    assert status.read().mode == "closed"
    path.unlink()
    assert status.read().mode is None
    assert len(caplog.records) == 1  # said once


# --- live copies ----------------------------------------------------------------------------------


def all_copies(live: LiveCopies, feed: Feed) -> list[int]:
    feed.refresh()
    for _ in range(LOOK_BACK):
        live.scan(feed)
    copies = []
    while (copy := live.next_copy()) is not None:
        copies.append(copy.seq)
    return copies


def test_each_alarm_gets_one_copy(gate: GateRig, feed: Feed) -> None:
    live = LiveCopies(acked=0, newest=gate.ledger.newest_seq, bundle=NO_BUNDLE)
    seqs = [gate.raise_alarm()]
    gate.record(300)
    seqs.append(gate.raise_alarm())
    assert all_copies(live, feed) == seqs
    assert live.newest_alarm_seq == seqs[-1]
    assert all_copies(live, feed) == []


def test_a_copy_whose_fate_is_unknown_is_sent_again_in_order(gate: GateRig, feed: Feed) -> None:
    live = LiveCopies(acked=0, newest=gate.ledger.newest_seq, bundle=NO_BUNDLE)
    first, second, third = gate.raise_alarm(), gate.raise_alarm(), gate.raise_alarm()
    assert all_copies(live, feed) == [first, second, third]
    live.landed(second)
    fourth = gate.raise_alarm()
    live.lost()
    assert all_copies(live, feed) == [first, third, fourth]


def test_what_the_collector_has_needs_no_copy(gate: GateRig, feed: Feed) -> None:
    first, second = gate.raise_alarm(), gate.raise_alarm()
    assert all_copies(LiveCopies(acked=first, newest=second, bundle=NO_BUNDLE), feed) == [second]
    live = LiveCopies(acked=0, newest=second, bundle=NO_BUNDLE)
    feed.refresh()
    live.scan(feed)
    live.forget_upto(first)
    assert all_copies(live, feed) == [second]


def test_a_flood_of_alarms_keeps_the_newest(gate: GateRig, feed: Feed) -> None:
    live = LiveCopies(acked=0, newest=gate.ledger.newest_seq, bundle=NO_BUNDLE)
    seqs = [gate.raise_alarm() for _ in range(MAX_WAITING + 20)]
    assert all_copies(live, feed) == seqs[-MAX_WAITING:]


def test_what_was_not_looked_at_may_be_an_alarm_that_waits(gate: GateRig, feed: Feed) -> None:
    alarm = gate.raise_alarm()
    gate.record(LOOK_BACK)
    live = LiveCopies(acked=0, newest=gate.ledger.newest_seq, bundle=NO_BUNDLE)
    assert all_copies(live, feed) == []
    assert live.newest_alarm_seq >= alarm
    assert LiveCopies(acked=0, newest=LOOK_BACK, bundle=NO_BUNDLE).newest_alarm_seq == 0


def test_alarms_of_long_ago_are_not_live_any_more(gate: GateRig, feed: Feed) -> None:
    gate.raise_alarm()
    gate.record(LOOK_BACK)
    newest = gate.raise_alarm()
    assert all_copies(LiveCopies(acked=0, newest=newest, bundle=NO_BUNDLE), feed) == [newest]
