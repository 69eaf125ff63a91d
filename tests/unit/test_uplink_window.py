from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gated.units import MonoSeconds
from gated.uplink.window import (
    ACK_PATIENCE_S,
    MAX_ACK_PATIENCE_S,
    MAX_IN_FLIGHT,
    MAX_REFUSAL_PAUSE_S,
    STALLED_AFTER_S,
    Cargo,
    Flight,
    SendWindow,
)


def at(seconds: float) -> MonoSeconds:
    return MonoSeconds(seconds)


def open_window(*, acked: int = 0, sent: int = 0, receive_maximum: int = 10) -> SendWindow:
    window = SendWindow(acked=acked, sent=sent)
    window.open(receive_maximum)
    window.settle(at(0))
    return window


def send(window: SendWindow, *seqs: int, now: float = 0.0) -> None:
    for seq in seqs:
        window.launch(seq, Cargo.RECORD, seq, at(now))


def confirm(window: SendWindow, *seqs: int) -> None:
    for seq in seqs:
        window.confirm(seq)


def test_nothing_goes_out_before_the_retained_ack_was_read() -> None:
    window = SendWindow(acked=4)
    window.open(20)
    assert window.record_places(at(0)) == 0
    assert window.has_place()  # the birth may
    window.settle(at(1))
    assert window.record_places(at(1)) == 20


def test_the_window_is_the_smaller_of_ours_and_the_brokers() -> None:
    assert open_window(receive_maximum=7).record_places(at(0)) == 7
    assert open_window(receive_maximum=65_535).record_places(at(0)) == MAX_IN_FLIGHT


def test_states_and_live_copies_take_places_too() -> None:
    window = open_window(receive_maximum=2)
    window.launch(1, Cargo.STATE, 0, at(0))
    window.launch(2, Cargo.LIVE, 9, at(0))
    assert not window.has_place()
    assert window.record_places(at(0)) == 0


def test_a_confirmation_frees_a_place_and_nothing_else() -> None:
    window = open_window(receive_maximum=2)
    send(window, 1, 2)
    assert window.record_places(at(0)) == 0
    confirm(window, 1, 2)
    assert (window.acked, window.sent, window.record_places(at(0))) == (0, 2, 2)


def test_an_unknown_confirmation_is_nobodys() -> None:
    window = open_window()
    assert window.confirm(99) is None
    assert window.refuse(99, at(0)) is None
    assert window.record_places(at(0)) == 10


def test_only_the_collectors_ack_moves_acked() -> None:
    window = open_window()
    send(window, 1, 2, 3)
    assert window.acknowledge(2, (), at(1))
    assert window.acked == 2


def test_an_older_ack_changes_nothing() -> None:
    window = open_window(acked=5, sent=5)
    assert not window.acknowledge(3, (), at(1))
    assert window.acked == 5


def test_a_restored_collector_gets_everything_again_that_it_lacks() -> None:
    window = open_window(acked=5, sent=9)
    assert window.acknowledge(3, (), at(1), may_go_back=True)
    assert (window.acked, window.next_after()) == (3, 3)


def test_an_ack_beyond_what_was_sent_moves_the_cursor_along() -> None:
    window = open_window()
    window.acknowledge(40, (), at(1))
    assert window.next_after() == 40


def test_what_the_collector_has_beyond_a_hole_is_passed_over() -> None:
    window = open_window()
    window.acknowledge(3, [(6, 8), (5, 5), (8, 12), (1, 2)], at(1))
    assert window.next_after() == 3
    send(window, 4)
    assert window.next_after() == 12


def test_a_new_connection_begins_behind_the_last_ack() -> None:
    window = open_window()
    send(window, 1, 2, 3)
    confirm(window, 1, 2, 3)
    window.close()
    window.open(10)
    window.acknowledge(1, (), at(5))
    window.settle(at(5))
    assert window.next_after() == 1


def test_a_new_connection_with_the_collector_down_sends_only_what_the_broker_did_not_take() -> None:
    window = open_window()
    send(window, 1, 2, 3, 4)
    confirm(window, 1, 2)
    assert [flight.seq for flight in window.close()] == [3, 4]
    window.open(10)
    window.hear_collector(at(5), is_up=False)
    window.settle(at(5))
    assert window.next_after() == 2


def test_records_without_an_ack_are_sent_again_after_thirty_seconds() -> None:
    window = open_window()
    send(window, 1, 2, now=100)
    confirm(window, 1, 2)
    assert not window.go_back_if_due(at(100 + ACK_PATIENCE_S - 0.1))
    assert window.go_back_if_due(at(100 + ACK_PATIENCE_S))
    assert window.next_after() == 0


def test_a_long_idle_time_is_no_lack_of_progress() -> None:
    window = open_window(acked=5, sent=5)
    send(window, 6, now=5_000)
    confirm(window, 6)
    assert not window.go_back_if_due(at(5_001))


def test_a_trickle_of_new_records_does_not_put_off_going_back() -> None:
    window = open_window()
    for second in range(30):
        send(window, second + 1, now=second)
        confirm(window, second + 1)
        assert not window.go_back_if_due(at(second))
    assert window.go_back_if_due(at(30))


def test_going_back_waits_until_nothing_is_in_flight() -> None:
    window = open_window()
    send(window, 1, 2)
    confirm(window, 1)
    assert not window.go_back_if_due(at(1_000))
    confirm(window, 2)
    assert window.go_back_if_due(at(1_000))


def test_going_back_becomes_rarer_up_to_ten_minutes() -> None:
    window = open_window()
    now = 0.0
    waits = []
    for _ in range(7):
        send(window, 1, now=now)
        confirm(window, 1)
        begun = now
        while not window.go_back_if_due(at(now)):
            now += 1
        waits.append(now - begun)
    assert waits == [30, 60, 120, 240, 480, 600, MAX_ACK_PATIENCE_S]


def test_progress_of_the_acks_restores_the_patience() -> None:
    window = open_window()
    send(window, 1, 2)
    confirm(window, 1, 2)
    assert window.go_back_if_due(at(30))
    send(window, 1, 2, now=30)
    confirm(window, 1, 2)
    window.acknowledge(1, (), at(40))
    assert not window.go_back_if_due(at(69))
    assert window.go_back_if_due(at(70))


def test_nothing_is_sent_again_while_the_collector_is_down() -> None:
    window = open_window()
    send(window, 1)
    confirm(window, 1)
    window.hear_collector(at(1), is_up=False)
    assert not window.go_back_if_due(at(100_000))
    window.hear_collector(at(100_000), is_up=True)
    assert not window.go_back_if_due(at(100_029))  # first the broker's queue for it
    assert window.go_back_if_due(at(100_030))


def test_behind_a_seq_that_does_not_exist_nothing_stored_is_sent_again() -> None:
    window = open_window()
    send(window, 2, 3)  # 1 does not exist
    confirm(window, 2, 3)
    window.acknowledge(0, [(2, 3)], at(1))
    assert window.go_back_if_due(at(10_000))
    assert window.next_after() == 0
    assert not window.wants(2)
    assert window.next_after() == 3
    assert window.wants(4)


def test_a_refused_record_is_not_counted_as_taken_while_an_earlier_one_flies() -> None:
    window = open_window()
    send(window, 1, 2, 3)
    confirm(window, 1, 3)
    assert window.taken == 1
    confirm(window, 2)
    assert window.taken == 3


def test_a_refused_record_pauses_the_records_and_then_lets_one_try() -> None:
    window = open_window()
    send(window, 1, 2, 3)
    for seq in (1, 2, 3):
        window.refuse(seq, at(10))
    assert window.record_places(at(10.9)) == 0
    assert window.record_places(at(11)) == 1
    send(window, 4, now=11)
    assert window.record_places(at(11)) == 0
    window.confirm(4)
    assert window.record_places(at(11)) == 10


def test_a_broker_that_refuses_everything_is_asked_ever_more_rarely() -> None:
    window = open_window()
    now, pauses = 0.0, []
    for seq in range(1, 9):
        send(window, seq, now=now)
        window.refuse(seq, at(now))
        begun = now
        while window.record_places(at(now)) == 0:
            now += 0.5
        pauses.append(now - begun)
    assert pauses == [1, 2, 4, 8, 16, 32, MAX_REFUSAL_PAUSE_S, MAX_REFUSAL_PAUSE_S]


def test_a_refused_record_holds_up_no_other_and_comes_again() -> None:
    window = open_window()
    send(window, 1)
    window.refuse(1, at(0))
    assert window.next_after() == 1
    send(window, 2, now=1)
    confirm(window, 2)
    window.acknowledge(0, [(2, 2)], at(2))
    assert window.go_back_if_due(at(60))
    assert window.next_after() == 0
    send(window, 1, now=60)
    assert window.next_after() == 2


def test_a_refused_record_is_tried_again_even_if_no_other_follows() -> None:
    window = open_window()
    send(window, 1)
    window.refuse(1, at(0))
    assert window.go_back_if_due(at(30))
    assert window.next_after() == 0
    assert window.record_places(at(30)) == 1


def test_a_refused_state_does_not_pause_the_records() -> None:
    window = open_window()
    window.launch(1, Cargo.STATE, 0, at(0))
    assert window.refuse(1, at(0)) == Flight(Cargo.STATE, 0, at(0))
    assert window.record_places(at(0)) == 10


def test_records_that_nobody_heard_go_out_again_as_soon_as_a_collector_appears() -> None:
    window = open_window()
    send(window, 1)
    window.refuse(1, at(0), is_unheard=True)
    window.hear_collector(at(2), is_up=True)
    assert window.go_back_if_due(at(2))
    assert window.record_places(at(2)) == 10


def test_a_broker_that_confirms_nothing_for_a_minute_is_stalled() -> None:
    window = open_window()
    assert not window.is_stalled(at(1_000))
    send(window, 1, now=1_000)
    assert not window.is_stalled(at(1_000 + STALLED_AFTER_S - 1))
    assert window.is_stalled(at(1_000 + STALLED_AFTER_S))


# --- properties: the window between a ledger, a broker that loses and a collector -----------------


@dataclass
class Line:
    """A ledger with holes, a broker that may lose, a collector that stores and acks."""

    existing: list[int]
    receive_maximum: int
    window: SendWindow = field(default_factory=SendWindow)
    now: float = 0.0
    message_id: int = 0
    is_open: bool = False
    queue: list[int] = field(default_factory=list)  # at the broker
    stored: set[int] = field(default_factory=set)
    deliveries: int = 0

    def connect(self) -> None:
        if not self.is_open:
            self.window.open(self.receive_maximum)
            self.window.settle(at(self.now))
            self.is_open = True

    def disconnect(self) -> None:
        if self.is_open:
            self.window.close()
            self.is_open = False

    def fill(self) -> int:
        sent = 0
        while self.is_open and self.window.record_places(at(self.now)) > 0:
            after = self.window.next_after()
            seq = next((s for s in self.existing if s > after), None)
            if seq is None:
                break
            if not self.window.wants(seq):
                continue
            self.message_id += 1
            self.window.launch(self.message_id, Cargo.RECORD, seq, at(self.now))
            assert self.window.in_flight <= min(MAX_IN_FLIGHT, self.receive_maximum)
            self.queue.append(seq)
            sent += 1
        self.deliveries += sent
        return sent

    def flights(self) -> list[int]:
        return [m for m in range(1, self.message_id + 1) if m in self.window._flights]

    def confirm(self, *, count: int) -> None:
        acked = self.window.acked
        for message_id in self.flights()[:count]:
            self.window.confirm(message_id)
        assert self.window.acked == acked

    def refuse(self, *, count: int) -> None:
        for message_id in self.flights()[:count]:
            flight = self.window.refuse(message_id, at(self.now))
            if flight is not None and flight.seq in self.queue:
                self.queue.remove(flight.seq)

    def collect(self) -> None:
        self.stored.update(self.queue)
        self.queue.clear()

    def ack(self) -> None:
        upto = 0
        while upto + 1 in self.stored:
            upto += 1
        self.window.acknowledge(upto, ranges_of(s for s in self.stored if s > upto), at(self.now))

    def run_fairly(self) -> None:
        """Let everything work for a long while."""
        self.window.hear_collector(at(self.now), is_up=True)
        self.connect()
        for _ in range(400):
            self.fill()
            self.confirm(count=MAX_IN_FLIGHT)
            self.collect()
            self.ack()
            self.now += 7
            self.window.go_back_if_due(at(self.now))


def ranges_of(seqs: Iterable[int]) -> list[tuple[int, int]]:
    return [(seq, seq) for seq in seqs]


Action = Callable[[Line], object]


def wait(seconds: int) -> Action:
    def action(line: Line) -> None:
        line.now += seconds
        line.window.go_back_if_due(at(line.now))

    return action


def hear(*, is_up: bool) -> Action:
    return lambda line: line.window.hear_collector(at(line.now), is_up=is_up)


ACTIONS: st.SearchStrategy[Action] = st.one_of(
    st.just(Line.connect),
    st.just(Line.disconnect),
    st.just(Line.fill),
    st.integers(1, 20).map(lambda count: lambda line: line.confirm(count=count)),
    st.integers(1, 3).map(lambda count: lambda line: line.refuse(count=count)),
    st.just(Line.collect),
    st.just(Line.ack),
    st.just(lambda line: line.queue.clear()),  # the broker loses what it took
    st.booleans().map(lambda is_up: hear(is_up=is_up)),
    st.integers(1, 700).map(wait),
)


@settings(max_examples=150)
@given(
    existing=st.sets(st.integers(1, 60), min_size=1),
    receive_maximum=st.integers(1, 30),
    actions=st.lists(ACTIONS, max_size=40),
)
def test_whatever_happened_before_everything_arrives_in_the_end_and_then_it_is_quiet(
    existing: set[int], receive_maximum: int, actions: list[Action]
) -> None:
    line = Line(sorted(existing), receive_maximum)
    for action in actions:
        action(line)
        assert line.window.acked <= line.window.sent
    line.run_fairly()
    assert line.stored >= existing
    deliveries = line.deliveries
    line.run_fairly()
    assert line.deliveries == deliveries  # with holes or without: no livelock


@settings(max_examples=50)
@given(existing=st.sets(st.integers(1, 300), min_size=1), receive_maximum=st.integers(1, 40))
def test_without_faults_every_record_is_delivered_once_and_in_order(
    existing: set[int], receive_maximum: int
) -> None:
    line = Line(sorted(existing), receive_maximum)
    line.connect()
    order: list[int] = []
    while line.fill():
        order += line.queue
        line.collect()
        line.confirm(count=MAX_IN_FLIGHT)
    assert order == sorted(existing)


@pytest.mark.parametrize("receive_maximum", [1, 20, 65_535])
def test_a_reconnect_never_sends_more_than_the_window_at_once(receive_maximum: int) -> None:
    line = Line(list(range(1, 1_000)), receive_maximum)
    line.connect()
    line.fill()
    line.disconnect()
    line.connect()
    assert line.fill() == min(receive_maximum, MAX_IN_FLIGHT)
