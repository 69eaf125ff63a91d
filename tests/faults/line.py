"""One line from a gate to its centre: ledger, uplink, network, broker, collector, and its end."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg

from gated.simulation.broker import HOST
from tests.brokers import BrokerUnderTest, IotCore, Mosquitto
from tests.faults.bad_network import BadNetwork
from tests.faults.book import Book
from tests.faults.centre import Collector
from tests.faults.gate import Gate
from tests.faults.verdict import Tally, judge
from tests.gate_processes import wait_for

DELIVERED_WITHIN_S = 120.0
NAME = "gate"
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Scene:
    """What a run is given: a folder of its own, chance, and whether it has to be short."""

    folder: Path
    rng: random.Random
    is_short: bool = False

    def times(self, usual: int, short: int) -> int:
        """Return how often to break something."""
        return short if self.is_short else usual


class Line:
    """Everything between an event and its row, with a network on both sides of the broker.

    Args:
        scene: where and by which chance.
        broker: not started yet.
        state: the ledger's folder, if it shall lie on a disk of its own.
        centre: the collector's folder, likewise.
        collect: makes the collector, from its folder, that of its logs, and the broker's URL.
    """

    def __init__(
        self,
        scene: Scene,
        broker: BrokerUnderTest,
        *,
        state: Path | None = None,
        centre: Path | None = None,
        collect: Callable[[Path, Path, str], Collector] = Collector,
    ) -> None:
        folder = scene.folder
        self.rng = scene.rng
        self.book = Book()
        self.gate = Gate(state or folder / "state", folder / "run", self.book, NAME)
        self.broker = broker
        self.broker.start()
        self.gate_side = BadNetwork(broker.port)
        self.centre_side = BadNetwork(broker.port)
        self.centre = collect(
            centre or folder / "centre", folder, f"mqtt://{HOST}:{self.centre_side.port}"
        )
        self.injected = 0

    def start(self, *, rate: float = 200.0, **options: object) -> None:
        """Start all of it."""
        self.centre.start()
        self.gate.start(rate=rate, **options)
        self.start_uplink()

    def start_uplink(self, **options: float) -> None:
        self.gate.start_uplink(self.gate_side.port, **options)

    def pause(self, least_s: float, most_s: float) -> None:
        """Let the line work for a random time."""
        threading.Event().wait(self.rng.uniform(least_s, most_s))

    def heal(self) -> None:
        """Mend everything: whoever was away is back, and the network is good."""
        self.gate_side.heal()
        self.centre_side.heal()
        if not self.centre.is_running():
            self.centre.start()
        if not self.gate.is_recording():
            self.gate.start(rate=0)
        self.supervise_uplink()

    def supervise_uplink(self) -> None:
        """Start the uplink again if it has ended, as the machine's supervisor does."""
        if not self.gate.is_delivering():
            self.start_uplink()

    def finish(self, within_s: float = DELIVERED_WITHIN_S) -> Tally:
        """Heal, stop recording, wait until all is delivered or time is up, and count."""
        self.heal()
        self.gate.order("rate 0")
        self.gate.stop()
        epoch, newest = self.gate.end_of_ledger()
        with contextlib.suppress(AssertionError):  # the counts say what is missing
            wait_for(lambda: self.is_delivered(epoch, newest), "delivery", within_s)
        return judge([self.gate], self.centre, self.injected)

    def is_delivered(self, epoch: str, newest: int) -> bool:
        """Return, after a moment, whether the collector has all up to ``newest``."""
        self.pause(_LOOK_EVERY_S, _LOOK_EVERY_S)
        return self.stored_upto(epoch) >= newest

    def stored_upto(self, epoch: str) -> int:
        """Return up to where the collector has the chain without a hole; 0 while it cannot say."""
        return self._ask("SELECT epoch, upto FROM progress", epoch)

    def stored_at_all(self, epoch: str) -> int:
        """Return how many records of the chain the collector has, before or behind a hole."""
        return self._ask("SELECT epoch, count(*) FROM record GROUP BY epoch", epoch)

    def _ask(self, sql: str, epoch: str) -> int:
        with contextlib.suppress(sqlite3.Error, psycopg.Error):
            return int(dict(self.centre.rows(sql)).get(epoch, 0))
        return 0

    def log(self) -> str:
        return f"{self.gate.log()}\n{self.centre.log()}"

    def close(self) -> None:
        self.gate.close()
        self.centre.close()
        self.gate_side.close()
        self.centre_side.close()
        self.broker.kill()


def mosquitto(folder: Path, *, is_persistent: bool = False, options: str = "") -> Mosquitto:
    """Return a mosquitto that has not been started."""
    (folder / "broker").mkdir(exist_ok=True)
    return Mosquitto(folder / "broker", is_persistent=is_persistent, options=options)


def any_broker(scene: Scene) -> BrokerUnderTest:
    """Return one of the brokers that are installed: chance decides."""
    kinds = ["iotcore"]
    if not lacks_mosquitto():
        kinds += ["mosquitto", "mosquitto that saves"]
    kind = scene.rng.choice(kinds)
    if kind == "iotcore":
        (scene.folder / "broker").mkdir(exist_ok=True)
        return IotCore(scene.folder / "broker")
    return mosquitto(scene.folder, is_persistent=kind != "mosquitto")


def lacks_mosquitto() -> str:
    """Return why runs with mosquitto cannot be made here; "" if they can."""
    found = shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()
    return "" if found else "mosquitto is not installed: apt install mosquitto"
