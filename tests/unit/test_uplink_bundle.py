"""Diagnostics on their way out of the uplink: in parts, one at a time, nothing kept."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from gated.carried import MAX_BUNDLE_BYTES, PART_BYTES
from gated.contents import Kind
from gated.ledger.reader import StoredEvent
from gated.mqtt.happenings import Confirmed
from gated.uplink.bundle import BundleSender, Part

COMMAND = "00" * 16
TAKEN = Confirmed(1, 0, "")
DATA = random.Random(1).randbytes(2 * PART_BYTES + 1)


def event(body: bytes, kind: Kind = Kind.COMMAND) -> StoredEvent:
    return StoredEvent(1, "e", kind, None, None, body, bytes(32), None)


def announced(data: bytes, command_id: object = COMMAND, **others: object) -> StoredEvent:
    said = {
        "command": "diagnose",
        "command_id": command_id,
        "outcome": "done",
        "bundle_sha256": hashlib.sha256(data).hexdigest(),
    }
    return event(json.dumps(said | others).encode())


@dataclass
class Bench:
    file: Path

    def __post_init__(self) -> None:
        self.sender = BundleSender(self.file)

    def announce(self, data: bytes, command_id: str = COMMAND) -> None:
        """Leave ``data`` as the controller does, and its answer in the ledger."""
        self.file.write_bytes(data)
        self.sender.look([announced(data, command_id)])

    def rest(self) -> list[Part]:
        """Let the broker take every part that is left."""
        parts = []
        while (part := self.sender.next_part()) is not None:
            parts.append(part)
            self.sender.answered(TAKEN)
        return parts


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "diagnostics.zip")


def test_the_parts_make_the_whole_one_at_a_time(bench: Bench) -> None:
    bench.announce(DATA)
    first = bench.sender.next_part()
    assert first == Part(COMMAND, 0, DATA[:PART_BYTES])
    assert bench.sender.next_part() is None, "one is in flight"
    bench.sender.answered(TAKEN)
    parts = [first, *bench.rest()]
    assert [part.number for part in parts] == [0, 1, 2]
    assert b"".join(part.data for part in parts) == DATA
    assert bench.rest() == [], "sent once"


def test_the_largest_goes_out_whole(bench: Bench) -> None:
    data = bytes(MAX_BUNDLE_BYTES)
    bench.announce(data)
    assert len(b"".join(part.data for part in bench.rest())) == len(data)


def test_what_the_broker_had_not_confirmed_is_sent_again(bench: Bench) -> None:
    bench.announce(DATA)
    bench.sender.next_part()
    bench.sender.answered(TAKEN)
    bench.sender.next_part()
    bench.sender.lost()
    assert [part.number for part in bench.rest()] == [1, 2]


def test_what_nobody_wants_is_given_up(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.announce(DATA)
    bench.sender.next_part()
    bench.sender.answered(Confirmed(1, 0x10, ""))
    assert bench.rest() == []
    assert "nobody at the broker subscribes to them" in caplog.text


def test_what_the_broker_refuses_is_given_up(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.announce(DATA)
    bench.sender.next_part()
    bench.sender.answered(Confirmed(1, 0x87, "Not authorized"))
    assert bench.rest() == []
    assert "Not authorized" in caplog.text


def test_a_newer_bundle_takes_the_place_of_one_that_is_on_its_way(bench: Bench) -> None:
    bench.announce(DATA)
    bench.sender.next_part()
    bench.announce(b"newer", "11" * 16)
    bench.sender.answered(TAKEN)  # for the old one's part
    assert bench.rest() == [Part("11" * 16, 0, b"newer")]


def test_a_file_that_is_not_the_announced_one_is_not_sent(bench: Bench) -> None:
    bench.sender.look([announced(DATA)])
    assert bench.rest() == [], "there is no file"
    bench.file.write_bytes(b"from before")
    bench.sender.look([announced(DATA)])
    assert bench.rest() == []


@pytest.mark.parametrize(
    "other",
    [
        announced(DATA, outcome="refused"),
        announced(DATA, command="ping"),
        announced(DATA, bundle_sha256=None),
        announced(DATA, command_id=7),
        event(b"damaged"),
        event(announced(DATA).body, Kind.ALARM),
    ],
    ids=["refused", "ping", "no hash", "no id", "damaged", "another kind"],
)
def test_nothing_else_announces_a_bundle(bench: Bench, other: StoredEvent) -> None:
    bench.file.write_bytes(DATA)
    bench.sender.look([other])
    assert bench.rest() == []
