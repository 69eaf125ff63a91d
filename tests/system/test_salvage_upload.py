"""What an old card holds goes to a real collector: all of it, once, and honestly if it cannot."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.clock import Clock, SystemClock
from gated.ledger.salvage import Salvaged, salvage
from gated.mqtt.address import BrokerAddress
from gated.simulation.broker import HOST
from gated.uplink.old_card import Undelivered, deliver
from tests.brokers import Mosquitto
from tests.gate_processes import Centre
from tests.ledger_drafts import link, open_ledger, stored, visit
from tests.uplink_rig import HurriedClock

MANY = 1_500


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(tmp_path / "broker", options="max_queued_messages 0")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def centre(tmp_path: Path, broker: Mosquitto) -> Iterator[Centre]:
    centre = Centre(tmp_path / "centre", f"mqtt://{HOST}:{broker.port}")
    yield centre
    centre.close()


def record(path: Path, names: range, word: str = "v") -> None:
    ledger = open_ledger(path).ledger
    stored(ledger.append([visit(f"{word}{n}", person=link()) for n in names]))
    ledger.close()


def found(path: Path) -> Salvaged:
    return salvage(path, path.parent)


def send(salvaged: Salvaged, broker: Mosquitto, clock: Clock | None = None) -> int:
    address = BrokerAddress(HOST, broker.port, client_id="old-card")
    return deliver(address, salvaged, clock or SystemClock(), lambda *_: None)


def quarantine(centre: Centre) -> int:
    uri = f"{centre.database.resolve().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM quarantine").fetchone()[0])


def test_a_long_backlog_arrives_whole_and_a_second_time_changes_nothing(
    tmp_path: Path, broker: Mosquitto, centre: Centre
) -> None:
    path = tmp_path / "ledger.db"
    for first in range(0, MANY, 50):
        record(path, range(first, first + 50))
    centre.start()
    salvaged = found(path)
    assert send(salvaged, broker) == MANY
    expected = {(salvaged.epoch, event.seq): event.body for event in salvaged.events}
    assert centre.bodies() == expected
    assert send(salvaged, broker) == MANY
    assert centre.bodies() == expected
    assert quarantine(centre) == 0


def test_without_a_collector_nothing_counts_as_delivered(tmp_path: Path, broker: Mosquitto) -> None:
    record(tmp_path / "ledger.db", range(10))
    with pytest.raises(Undelivered, match="has not acknowledged 10 of 10"):
        send(found(tmp_path / "ledger.db"), broker, HurriedClock(60.0))


def test_a_card_in_more_pieces_than_an_ack_can_name_is_to_be_taken_in(
    tmp_path: Path, broker: Mosquitto, centre: Centre
) -> None:
    path = tmp_path / "ledger.db"
    record(path, range(80))
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM event WHERE seq % 2 = 0 AND seq < 80")
        db.commit()
    centre.start()
    salvaged = found(path)
    with pytest.raises(Undelivered, match=r"more than 32 pieces.*the last 8 of 41.*take-in FILE"):
        send(salvaged, broker, HurriedClock(10.0))
    assert len(centre.bodies()) == 41


def test_a_card_that_the_collector_disagrees_with_is_said_to_be_one(
    tmp_path: Path, broker: Mosquitto, centre: Centre
) -> None:
    path, clone = tmp_path / "one" / "ledger.db", tmp_path / "two" / "ledger.db"
    path.parent.mkdir()
    record(path, range(5))
    shutil.copytree(path.parent, clone.parent)
    record(path, range(5, 10))
    record(clone, range(5, 10), "other")
    centre.start()
    assert send(found(path), broker) == 10
    with pytest.raises(Undelivered, match="holds other records than this card up to 10"):
        send(found(clone), broker)


def test_a_broker_that_takes_no_records_is_named(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    acl = tmp_path / "acl"
    acl.write_text("topic read #\n")
    acl.chmod(0o600)
    broker = Mosquitto(tmp_path / "broker", options=f"acl_file {acl}")
    broker.start()
    try:
        record(tmp_path / "ledger.db", range(3))
        with pytest.raises(Undelivered, match="does not take a record"):
            send(found(tmp_path / "ledger.db"), broker)
    finally:
        broker.kill()


def test_what_the_collector_has_already_is_not_sent(tmp_path: Path, broker: Mosquitto) -> None:
    record(tmp_path / "ledger.db", range(3))
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        db.execute("UPDATE meta SET v = '3' WHERE k = 'acked_upto'")
        db.commit()
    assert send(found(tmp_path / "ledger.db"), broker) == 0
