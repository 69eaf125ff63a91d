"""Holes at the collector: records that a broker confirmed and dropped, under steady traffic."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from math import ceil, log2

from hypothesis import given, settings
from hypothesis import strategies as st

from gated.units import MonoSeconds
from gated.uplink.window import ACK_PATIENCE_S, Cargo, SendWindow
from gated.wire import HAVE_RANGES

RECEIVE_MAXIMUM = 20  # mosquitto's default
ROUNDS_A_SECOND = 5


@dataclass
class Road:
    """A ledger that grows, a window, a broker that forwards in order, a collector that acks."""

    missing: frozenset[int] = frozenset()  # numbers that the ledger does not have
    drops: dict[int, int] = field(default_factory=dict)  # seq: how many of its copies are lost
    collected_a_second: float = 1e9
    is_busy: bool = False  # the newest publish is never confirmed at once
    window: SendWindow = field(default_factory=SendWindow)
    now_s: int = 0
    newest: int = 0
    recorded_at: dict[int, int] = field(default_factory=dict)
    copies: Counter[int] = field(default_factory=Counter)
    queue: deque[int] = field(default_factory=deque)
    stored: set[int] = field(default_factory=set)
    upto: int = 0
    message_id: int = 0
    flights: list[int] = field(default_factory=list)
    allowance: float = 0.0

    def __post_init__(self) -> None:
        self.window.open(RECEIVE_MAXIMUM)
        self.window.settle(MonoSeconds(0))

    def record(self, count: int) -> None:
        for seq in range(self.newest + 1, self.newest + 1 + count):
            self.recorded_at[seq] = self.now_s
        self.newest += count

    def pass_second(self) -> None:
        """Let a second pass: several rounds of the uplink, one ack of the collector."""
        for _ in range(ROUNDS_A_SECOND):
            self.confirm()
            self.window.go_back_if_due(MonoSeconds(self.now_s))
            self.send()
        self.collect()
        self.now_s += 1
        self.ack()

    def confirm(self) -> None:
        still = self.flights[-1:] if self.is_busy else []
        for message_id in self.flights[: len(self.flights) - len(still)]:
            self.window.confirm(message_id)
        self.flights = still

    def send(self) -> None:
        while self.window.record_places(MonoSeconds(self.now_s)) > 0:
            seq = self.window.next_after() + 1
            while seq in self.missing:
                seq += 1
            if seq > self.newest:
                return
            if not self.window.wants(seq):
                continue
            self.message_id += 1
            self.flights.append(self.message_id)
            self.window.launch(self.message_id, Cargo.RECORD, seq, MonoSeconds(self.now_s))
            self.copies[seq] += 1
            if self.copies[seq] > self.drops.get(seq, 0):
                self.queue.append(seq)

    def collect(self) -> None:
        self.allowance += self.collected_a_second
        while self.queue and self.allowance >= 1:
            self.stored.add(self.queue.popleft())
            self.allowance -= 1
        if not self.queue:
            self.allowance = 0

    def ack(self) -> None:
        while self.upto + 1 in self.stored:
            self.upto += 1
        ranges: list[tuple[int, int]] = []
        for seq in sorted(seq for seq in self.stored if seq > self.upto):
            if ranges and ranges[-1][1] == seq - 1:
                ranges[-1] = (ranges[-1][0], seq)
            else:
                ranges.append((seq, seq))
        self.window.acknowledge(self.upto, ranges[:HAVE_RANGES], MonoSeconds(self.now_s))

    def burst(self, size: int, every_s: int, for_s: int) -> None:
        """Record ``size`` events every ``every_s``, for ``for_s``."""
        for second in range(for_s):
            if second % every_s == 0:
                self.record(size)
            self.pass_second()

    def lacks(self, older_than_s: float) -> list[int]:
        """Return what was recorded so long ago and is not stored."""
        return [
            seq
            for seq, at_s in self.recorded_at.items()
            if seq not in self.missing
            and seq not in self.stored
            and self.now_s - at_s > older_than_s
        ]


def test_a_hole_is_sent_again_although_bursts_fill_half_of_the_window_all_the_time() -> None:
    road = Road(drops={5: 1})
    road.burst(11, every_s=10, for_s=60)
    assert road.lacks(older_than_s=45) == []
    assert {seq for seq, count in road.copies.items() if count > 1} == {5}


def test_a_hole_is_sent_again_although_something_is_always_in_flight() -> None:
    road = Road(drops={5: 1}, is_busy=True)
    road.burst(1, every_s=1, for_s=60)
    assert road.lacks(older_than_s=45) == []
    assert {seq for seq, count in road.copies.items() if count > 1} == {5}


@settings(max_examples=60)
@given(
    size=st.integers(1, 25),
    every_s=st.integers(1, 25),
    dropped=st.sets(st.integers(1, 200), max_size=HAVE_RANGES - 1),
    is_busy=st.booleans(),
)
def test_with_steady_bursts_every_hole_is_sent_again_within_a_minute_of_being_seen(
    size: int, every_s: int, dropped: set[int], *, is_busy: bool
) -> None:
    road = Road(drops=dict.fromkeys(dropped, 1), is_busy=is_busy)
    for _ in range(240 // every_s):
        road.burst(size, every_s, every_s)
        assert road.lacks(older_than_s=every_s + 2 * ACK_PATIENCE_S + 5) == []
    assert all(count == 1 for seq, count in road.copies.items() if seq not in dropped)
    assert all(count <= 2 for count in road.copies.values())


@settings(max_examples=40)
@given(
    backlog=st.integers(1, 3_000),
    collected_a_second=st.floats(0.05, 50),
    dropped=st.sets(st.integers(1, 3_000), max_size=HAVE_RANGES - 1),
    every_s=st.integers(1, 60),
    is_busy=st.booleans(),
)
def test_a_slow_collector_that_gets_on_is_never_sent_what_is_still_on_its_way(
    backlog: int,
    collected_a_second: float,
    dropped: set[int],
    every_s: int,
    *,
    is_busy: bool,
) -> None:
    road = Road(
        drops=dict.fromkeys(dropped, 1), collected_a_second=collected_a_second, is_busy=is_busy
    )
    road.record(backlog)
    lasts_s = 600
    road.burst(1, every_s, lasts_s)
    assert all(count == 1 for seq, count in road.copies.items() if seq not in dropped)
    # A hole's second copy is behind all that waits: it goes out again ever more rarely.
    most = 2 + ceil(log2(lasts_s / ACK_PATIENCE_S))
    assert max(road.copies.values()) <= most


def test_a_hole_that_is_dropped_again_and_again_is_tried_at_the_same_pace() -> None:
    road = Road(drops={5: 4})
    road.burst(11, every_s=5, for_s=180)
    assert road.lacks(older_than_s=160) == []


def test_a_collector_that_says_nothing_while_a_backlog_drains_gets_it_once() -> None:
    road = Road(collected_a_second=0)
    road.record(5_000)
    road.burst(1, every_s=1, for_s=5_000 // (RECEIVE_MAXIMUM * ROUNDS_A_SECOND) + 10)
    assert len(road.queue) == road.newest
    road.collected_a_second = 1e9
    road.burst(1, every_s=1, for_s=60)
    assert max(road.copies.values()) == 1


def test_many_holes_beyond_what_an_ack_can_name_are_filled_under_steady_traffic() -> None:
    road = Road(drops=dict.fromkeys(range(1, 1_000, 3), 1))
    road.record(1_000)
    road.burst(12, every_s=5, for_s=90)
    assert road.lacks(older_than_s=80) == []


def test_numbers_that_do_not_exist_make_nothing_go_out_twice() -> None:
    road = Road(missing=frozenset({3, 4, 40, 95}))
    road.burst(11, every_s=10, for_s=1_500)
    assert road.lacks(older_than_s=2) == []
    assert max(road.copies.values()) == 1
