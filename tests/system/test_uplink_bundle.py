"""Diagnostics on their way over a real broker: past a backlog, and not in its way."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import pytest

from gated.carried import PART_BYTES
from gated.contents import CommandContent, CommandName, CommandOutcome
from tests.brokers import BrokerUnderTest, wait_until
from tests.uplink_rig import (
    TOPICS,
    FakeCollector,
    GateRig,
    Subscriber,
    draft,
    running_uplink,
)

PATIENCE_S = 20.0
RECORDS = 2_000
PARTS = 5
COMMAND = "ab" * 16


def test_diagnostics_overtake_a_backlog_and_cost_it_no_record(
    broker: BrokerUnderTest, gate: GateRig, collect: Callable[[Subscriber], None]
) -> None:
    data = random.Random(1).randbytes((PARTS - 1) * PART_BYTES + 1)
    gate.record(1)
    watcher = Subscriber(broker.port, "watcher", (TOPICS.part("+", "+"), TOPICS.record("+")))
    collector = FakeCollector(broker.port)
    collect(watcher)
    collect(collector)
    with running_uplink(gate, broker.port, places=4):
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
        gate.record(RECORDS)
        gate.files.bundle.write_bytes(data)
        gate.ledger.append([draft(answer(data))])
        newest = gate.ledger.newest_seq
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
        assert wait_until(lambda: newest in watcher.seqs(), PATIENCE_S)
    parts = [d for d in watcher.deliveries if "/diag/" in d.topic]
    assert [d.topic for d in parts] == [TOPICS.part(COMMAND, n) for n in range(PARTS)]
    assert b"".join(d.payload for d in parts) == data
    assert not any(d.retained for d in parts)
    topics = [d.topic for d in watcher.deliveries]
    assert topics.index(parts[-1].topic) < len(topics) - RECORDS // 2, "it did not wait for them"
    assert set(collector.stored[gate.ledger.epoch]) == set(range(1, newest + 1))


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)  # not every broker says so
def test_diagnostics_that_nobody_reads_are_given_up_at_their_first_part(
    broker: BrokerUnderTest,
    gate: GateRig,
    collect: Callable[[Subscriber], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = bytes(PART_BYTES * 2)
    gate.record(1)
    collect(FakeCollector(broker.port))
    with running_uplink(gate, broker.port):
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
        gate.files.bundle.write_bytes(data)
        gate.ledger.append([draft(answer(data))])
        assert wait_until(lambda: "diagnostics were not sent: nobody" in caplog.text, PATIENCE_S)
        assert wait_until(lambda: gate.backlog() == 0, PATIENCE_S)
    assert caplog.text.count("diagnostics were not sent") == 1


def answer(data: bytes) -> CommandContent:
    return CommandContent(
        command=CommandName.DIAGNOSE,
        command_id=COMMAND,
        outcome=CommandOutcome.DONE,
        by="centre:desk",
        key="0123456789abcdef",
        counter=1,
        bundle_bytes=len(data),
        bundle_sha256=hashlib.sha256(data).hexdigest(),
    )
