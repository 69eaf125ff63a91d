"""Commands on their way through the uplink, and records that the centre wants once more."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from gated.carried import MAX_COMMAND_BYTES, unframe
from gated.clock import FakeClock
from gated.contents import CommandReason, Kind
from gated.errors import StorageError
from gated.ledger.reader import StoredEvent
from gated.mqtt.happenings import Received
from gated.uplink.commands import EACH_SECOND, MAX_RANGES, CommandCarrier, Resends
from gated.uplink.feed import Feed
from gated.uplink.live import LiveCopies
from gated.wire import GateTopics

TOPIC = GateTopics("school", "east-1").command
NO_BUNDLE = Path("no-bundle")


@dataclass
class Controller:
    """The other end of the datagrams."""

    clock: FakeClock = field(default_factory=FakeClock)
    taken: list[bytes] = field(default_factory=list)
    is_there: bool = True
    fault: StorageError | None = None

    def __post_init__(self) -> None:
        self.carrier = CommandCarrier(TOPIC, self.take, self.clock)

    def take(self, datagram: bytes) -> bool:
        if self.fault is not None:
            raise self.fault
        if self.is_there:
            self.taken.append(datagram)
        return self.is_there

    def hear(self, payload: bytes, *, is_retained: bool = False) -> None:
        self.carrier.hear(Received(TOPIC, payload, 1, 1, (), is_retained))


def test_a_payload_is_handed_over_unread_and_a_retained_one_as_such() -> None:
    controller = Controller()
    controller.hear(b"\x00whatever")
    controller.hear(b"\x00whatever", is_retained=True)
    controller.hear(bytes(MAX_COMMAND_BYTES + 1))
    controller.hear(b"")
    assert [unframe(datagram) for datagram in controller.taken] == [
        b"\x00whatever",
        CommandReason.RETAINED,
        CommandReason.TOO_LARGE,
        b"",
    ]


def test_a_topic_that_is_cleared_is_no_command() -> None:
    controller = Controller()
    controller.hear(b"", is_retained=True)
    assert controller.taken == []


def test_a_flood_does_not_reach_the_controller(caplog: pytest.LogCaptureFixture) -> None:
    controller = Controller()
    for _ in range(1_000):
        controller.hear(b"open")
    assert len(controller.taken) == EACH_SECOND
    assert len(caplog.records) == 1
    controller.clock.advance(1.0)
    controller.hear(b"open")
    assert len(controller.taken) == EACH_SECOND + 1


def test_a_controller_that_is_away_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    controller = Controller(is_there=False)
    controller.hear(b"a")
    controller.hear(b"b")
    controller.fault = StorageError("cannot send")
    controller.hear(b"c")
    assert [record.getMessage() for record in caplog.records] == [
        "commands: the controller takes no commands: is it running?",
        "commands: cannot send",
    ]
    controller.fault, controller.is_there = None, True
    controller.hear(b"d")
    assert [unframe(datagram) for datagram in controller.taken] == [b"d"]


# --- records once more --------------------------------------------------------------------------


def event(seq: int, kind: Kind = Kind.HEALTH, body: bytes = b"{}") -> StoredEvent:
    return StoredEvent(seq, "e", kind, None, None, body, bytes(32), None)


def asked(seq: int, first: int, last: int, outcome: str = "done") -> StoredEvent:
    body = (
        f'{{"command":"resend","outcome":"{outcome}","first_seq":{first},"last_seq":{last}}}'
    ).encode()
    return event(seq, Kind.COMMAND, body)


@dataclass
class Ledger:
    """As much of a feed as is asked."""

    events: list[StoredEvent] = field(default_factory=list)

    @property
    def newest_seq(self) -> int:
        return max((e.seq for e in self.events), default=0)

    def events_after(self, after: int, limit: int) -> list[StoredEvent]:
        return [e for e in self.events if e.seq > after][:limit]


def taken(resends: Resends, ledger: Ledger) -> list[int]:
    found: list[int] = []
    while (record := resends.next_record(cast("Feed", ledger))) is not None:
        found.append(record.seq)
    return found


LEDGER = Ledger([event(seq) for seq in (1, 2, 3, 5, 6, 7, 8)])


def test_a_range_goes_out_once_without_the_holes() -> None:
    resends = Resends()
    resends.look([asked(9, 2, 6)])
    assert taken(resends, LEDGER) == [2, 3, 5, 6]
    for seq in (2, 3, 5, 6):
        resends.landed(seq)
    assert taken(resends, LEDGER) == []


def test_one_range_follows_the_other() -> None:
    resends = Resends()
    resends.look([asked(9, 7, 8), asked(10, 1, 2)])
    assert taken(resends, LEDGER) == [7, 8]
    resends.landed(7)
    assert taken(resends, LEDGER) == []
    resends.landed(8)
    assert taken(resends, LEDGER) == [1, 2]


def test_a_lost_connection_sends_again_what_was_not_confirmed() -> None:
    resends = Resends()
    resends.look([asked(9, 1, 6)])
    assert taken(resends, LEDGER) == [1, 2, 3, 5, 6]
    for seq in (1, 2, 5):
        resends.landed(seq)
    resends.lost()
    assert taken(resends, LEDGER) == [3, 5, 6]


@pytest.mark.parametrize(
    "other",
    [
        asked(9, 1, 2, outcome="refused"),
        event(9, Kind.COMMAND, b'{"command":"ping","outcome":"done","first_seq":1,"last_seq":2}'),
        event(9, Kind.COMMAND, b'{"command":"resend","outcome":"done"}'),
        event(9, Kind.COMMAND, b"damaged"),
        event(9, Kind.ALARM, asked(9, 1, 2).body),
    ],
    ids=["refused", "ping", "no range", "damaged", "another kind"],
)
def test_nothing_else_asks_for_records(other: StoredEvent) -> None:
    resends = Resends()
    resends.look([other])
    assert taken(resends, LEDGER) == []


def test_only_so_many_ranges_wait() -> None:
    resends = Resends()
    resends.look(asked(9, 1, 1) for _ in range(10 * MAX_RANGES))
    count = 0
    while taken(resends, LEDGER) == [1]:
        resends.landed(1)
        count += 1
    assert count == MAX_RANGES


def test_answers_go_out_live_and_an_uplink_that_starts_sends_no_old_range_again() -> None:
    ledger = Ledger([event(1), asked(2, 1, 1), event(3, Kind.ALARM)])
    live = LiveCopies(acked=0, newest=3, bundle=NO_BUNDLE)
    live.scan(cast("Feed", ledger))
    copies = [live.next_copy(), live.next_copy(), live.next_copy()]
    assert [None if copy is None else copy.seq for copy in copies] == [2, 3, None]
    assert live.newest_alarm_seq == 3
    assert taken(live.resends, ledger) == []
    ledger.events.append(asked(4, 1, 3))
    live.scan(cast("Feed", ledger))
    assert taken(live.resends, ledger) == [1, 2, 3]
