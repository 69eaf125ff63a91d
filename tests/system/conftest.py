"""Brokers, gates and subscribers that end with the test."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.brokers import BROKERS, BrokerUnderTest, Mosquitto
from tests.collector_station import Station
from tests.uplink_rig import GateRig, Subscriber

Collect = Callable[[Subscriber], None]
NewMosquitto = Callable[..., Mosquitto]


@pytest.fixture(params=sorted(BROKERS))
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerUnderTest]:
    """Every broker that the uplink is tested with."""
    (tmp_path / "broker").mkdir()
    broker = BROKERS[request.param](tmp_path / "broker")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def station(broker: BrokerUnderTest) -> Iterator[Station]:
    station = Station(broker.port)
    yield station
    station.close()


@pytest.fixture
def new_mosquitto(tmp_path: Path) -> Iterator[NewMosquitto]:
    """A function that starts a mosquitto with the options of ``tests.brokers.Mosquitto``."""
    with contextlib.ExitStack() as running:

        def start(**options: object) -> Mosquitto:
            (tmp_path / "mosquitto").mkdir()
            mosquitto = Mosquitto(tmp_path / "mosquitto", **options)  # type: ignore[arg-type]  # passed on
            mosquitto.start()
            running.callback(mosquitto.kill)
            return mosquitto

        yield start


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateRig]:
    (tmp_path / "gate").mkdir()
    rig = GateRig(tmp_path / "gate")
    yield rig
    rig.close()


@pytest.fixture
def collect() -> Iterator[Collect]:
    """A function that starts a subscriber."""
    started: list[Subscriber] = []

    def start(subscriber: Subscriber) -> None:
        subscriber.start()
        started.append(subscriber)

    yield start
    for subscriber in started:
        subscriber.stop()
