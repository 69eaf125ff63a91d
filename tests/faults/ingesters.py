"""Two collectors that fill one PostgreSQL: one of them ends, both, the database, or a network."""

from __future__ import annotations

import contextlib
import random
import signal
from pathlib import Path
from typing import Any

from gated.collector.postgres_connection import PostgresAddress
from gated.simulation.broker import HOST, free_port
from tests import postgres
from tests.faults.centre import Collector
from tests.faults.fault import Fault
from tests.faults.line import Line, Scene, lacks_mosquitto, mosquitto
from tests.faults.verdict import Tally
from tests.postgres import PostgresServer, lacks_postgres

NAMES = ("a", "b")


class Ingester(Collector):
    """One of the processes that fill the database at ``url``."""

    def __init__(self, name: str, folder: Path, broker: str, url: str) -> None:
        own = folder / name
        super().__init__(own, own, broker)
        config = own / "collector.toml"
        config.write_text(
            f"""
            [collector]
            name = "centre"
            ingester = "{name}"
            broker = "{broker}"
            database = "{url}"
            listen = "{HOST}:{free_port()}"
            """,
            encoding="utf-8",
        )
        self._arguments = ("--config", str(config))


class Ingesters(Collector):
    """A PostgreSQL and two ingesters, in the place of one collector with its file."""

    def __init__(self, folder: Path, logs: Path, broker: str) -> None:
        super().__init__(folder, logs, broker)
        self.server = PostgresServer()
        self.server.start()
        self._address: PostgresAddress = self.server.new_database()
        self.members = [Ingester(name, folder, broker, self._address.url) for name in NAMES]

    def launch(self) -> None:
        for member in self.members:
            if not member.is_running():
                member.launch()

    def wait_connected(self) -> None:
        for member in self.members:
            member.wait_connected()

    def is_running(self) -> bool:
        return all(member.is_running() for member in self.members)

    def kill(self, number: int = signal.SIGKILL) -> None:
        for member in self.members:
            member.kill(number)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return postgres.rows(self._address, sql)

    def log(self) -> str:
        return "\n".join(member.log() for member in self.members)

    def close(self) -> None:
        super().close()
        self.server.close()


def break_something(line: Line, centre: Ingesters, rng: random.Random) -> None:
    """Kill one ingester, both, or the database; or cut all off from the broker for a while."""
    match rng.choice(("one", "one", "both", "database", "network")):
        case "one":
            rng.choice(centre.members).kill(rng.choice((signal.SIGKILL, signal.SIGTERM)))
            line.pause(0.0, 1.0)
        case "both":
            centre.kill()
            line.pause(0.0, 0.5)
        case "database":
            centre.server.kill()
            line.pause(0.0, 1.0)
            centre.server.start()
        case _:
            line.centre_side.cut()
            line.pause(0.1, 0.5)
            line.centre_side.heal()
    line.injected += 1
    centre.start()


def run_two(scene: Scene) -> Tally:
    broker = mosquitto(scene.folder, is_persistent=scene.rng.random() < 0.5)
    with contextlib.closing(Line(scene, broker, collect=Ingesters)) as line:
        centre = line.centre
        assert isinstance(centre, Ingesters)
        line.start(rate=scene.rng.choice((50, 200, 600)))
        for _ in range(scene.times(4, 2)):
            line.pause(0.1, 0.8)
            break_something(line, centre, scene.rng)
        line.pause(0.0, 0.5)
        return line.finish()


def lacks_any() -> str:
    return lacks_postgres() or lacks_mosquitto()


FAULTS = (
    Fault("two_ingesters", "two collectors at one PostgreSQL, which ends, too", run_two, lacks_any),
)
