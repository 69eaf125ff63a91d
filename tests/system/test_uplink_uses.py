"""What an uplink says of uses of passes over a real broker, and that it can be told not to."""

from __future__ import annotations

import contextlib

from gated.ledger.mailbox import MailboxReader
from gated.uses import SiteUses, UseAt, parse_gate_uses, site_uses_topic
from gated.vocabulary import Direction
from gated.wire import PassUse
from tests.brokers import wait_until
from tests.ledger_drafts import visit
from tests.system.conftest import Collect, NewMosquitto
from tests.uplink_rig import SITE, TOPICS, FakeCollector, GateRig, Subscriber, running_uplink

NEWS = SiteUses(
    collector="centre",
    collector_epoch="store",
    after=0,
    upto=1,
    uses=(
        UseAt(
            gate="west-2",
            epoch="k3v7q2m7x2c2d4zt",
            seq=1,
            pass_ref="k1:b",
            direction=Direction.IN,
            at_ms=1,
        ),
    ),
)


def test_a_gate_asks_when_it_connects_and_puts_what_it_hears_into_the_mailbox(
    gate: GateRig, new_mosquitto: NewMosquitto, collect: Collect
) -> None:
    port = new_mosquitto().port
    listener = Subscriber(port, "listener", (TOPICS.uses,))
    collect(listener)
    gate.ledger.append([visit("v1", use=PassUse("k1:a", Direction.IN))])
    with running_uplink(gate, port), contextlib.closing(MailboxReader(gate.mailbox_path)) as heard:
        assert wait_until(lambda: len(listener.deliveries) > 0, 10)
        asked = parse_gate_uses(listener.deliveries[0].payload)
        assert (asked.epoch, asked.after, asked.upto, asked.uses) == (gate.ledger.epoch, 1, 1, ())
        topic = site_uses_topic(SITE)
        listener.client.publish(topic, b"no message", 1)
        listener.client.publish(topic, NEWS.model_dump_json().encode(), 1)
        assert wait_until(lambda: heard.uses_after(None, 9) is not None, 10)
        told = heard.uses_after(None, 9)
        assert told is not None
        assert told.uses == NEWS.uses


def test_a_gate_that_does_not_share_says_nothing_and_hears_nothing(
    gate: GateRig, new_mosquitto: NewMosquitto, collect: Collect
) -> None:
    port = new_mosquitto().port
    listener = Subscriber(port, "listener", (TOPICS.uses,))
    collect(listener)
    collector = FakeCollector(port)
    collect(collector)
    gate.ledger.append([visit("v1", use=PassUse("k1:a", Direction.IN))])
    reader = MailboxReader(gate.mailbox_path)
    with running_uplink(gate, port, shares_uses=False), contextlib.closing(reader):
        assert wait_until(lambda: gate.backlog() == 0, 10)
        listener.client.publish(site_uses_topic(SITE), NEWS.model_dump_json().encode(), 1)
        gate.record(3)
        assert wait_until(lambda: gate.backlog() == 0, 10)
        assert reader.uses_after(None, 9) is None
    assert listener.deliveries == []


def test_uses_do_not_wait_behind_a_backlog(
    gate: GateRig, new_mosquitto: NewMosquitto, collect: Collect
) -> None:
    port = new_mosquitto().port
    everything = Subscriber(port, "listener", (TOPICS.uses, f"{TOPICS.root}/rec/+"))
    collect(everything)
    gate.record(3_000)
    gate.ledger.append([visit("v1", use=PassUse("k1:a", Direction.IN))])
    with running_uplink(gate, port):
        assert wait_until(lambda: len(everything.seqs()) >= 3_001, 20)
    topics = [delivery.topic for delivery in everything.deliveries]
    assert topics.index(TOPICS.uses) < 500
