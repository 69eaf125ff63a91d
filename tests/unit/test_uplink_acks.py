"""How long a record took to the collector's disk and back, as the uplink sees it by the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.ledger.mailbox import Mailbox, MailboxReader
from gated.ledger.writer import Ledger
from gated.uplink.acks import AckDesk
from gated.uplink.feed import Feed
from gated.wire import Ack, GateTopics
from tests.ledger_drafts import stamp, visit


class Desk:
    """A ledger, the desk that takes the acks for it, and what the doctor reads."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger.open(
            folder / "ledger.db", site="school", gate="east-1", clock=self.clock, software="test",
            boot_id="00000000-0000-0000-0000-000000000001",
        ).ledger  # fmt: skip
        self.mailbox = Mailbox(folder / "uplink.db", self.clock)
        self.reader = MailboxReader(folder / "uplink.db")
        self.feed = Feed(folder / "ledger.db", GateTopics("school", "east-1"))
        self.desk = AckDesk(self.mailbox, lambda: None, self.clock)

    def record(self) -> None:
        self.ledger.append([visit("7f3a91c2e05b", when=stamp(self.clock.now()))])

    def acknowledge(self, after_s: float) -> int | None:
        """Let the ack for all there is come ``after_s`` later; return what is stored of it."""
        self.clock.advance(after_s)
        self.feed.refresh()
        upto = self.ledger.newest_seq
        digest = self.feed.hash_of(upto)
        assert digest is not None
        ack = Ack(
            collector="centre", collector_epoch="c1", epoch=self.ledger.epoch, upto=upto,
            hash=digest.hex(), at=stamp(self.clock.now()).at,
        )  # fmt: skip
        assert self.desk.take(ack, self.feed)
        stored = self.reader.latest_ack()
        assert stored is not None
        assert stored.upto == upto
        return self.reader.latest_took_ms()

    def close(self) -> None:
        self.reader.close()
        self.mailbox.close()
        self.feed.close()
        self.ledger.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(Desk(tmp_path)) as desk:
        yield desk


def test_an_ack_tells_how_long_its_newest_record_took(desk: Desk) -> None:
    desk.record()
    assert desk.acknowledge(3_600.0) is None, "the retained one of a new connection is no news"
    desk.record()
    desk.clock.advance(5.0)
    desk.record()
    assert desk.acknowledge(0.75) == 750
    assert desk.acknowledge(60.0) == 750, "the same once more is no news either"


def test_a_clock_that_was_set_back_makes_no_figure(desk: Desk) -> None:
    desk.record()
    desk.acknowledge(1.0)
    desk.record()
    desk.clock.wall = desk.clock.wall.replace(year=1970)
    assert desk.acknowledge(1.0) is None
