"""The real centre of a simulated fleet: broker, database, collector processes, what they used."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures.processes import cpu_s, family_cpu_s, peak_mb
from benchmarks.swarm.gate import CLOCK, Recorded
from gated.simulation.broker import HOST, free_port
from tests.brokers import Mosquitto
from tests.collector_process import CollectorProcess
from tests.gate_processes import wait_for
from tests.postgres import postgres_server
from tests.stores import DatabaseUnderTest, PostgresDatabase, SqliteDatabase

NAME = "fleet"
BROKER_OPTIONS = """
max_inflight_messages 1000
max_queued_messages 0
set_tcp_nodelay true
connection_messages false
"""
"""What docs/collector.md asks of a mosquitto; without a line in the log for each gate."""
START_S = 60.0
PAGE_S = 120.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is stored of what was recorded."""

    recorded: int
    stored: int
    lost: int
    duplicated: int
    chains_that_differ: int
    visits_missing: int
    quarantined: int


class Centre:
    """Broker, database and ``ingesters`` real collector processes.

    Args:
        folder: for everything that they write.
        database: new and empty.
        url: of ``database``, as a configuration names it.
        server_pid: the database server's process; None: there is none.
        ingesters: how many processes fill the database.
    """

    def __init__(
        self,
        folder: Path,
        database: DatabaseUnderTest,
        url: str,
        *,
        server_pid: int | None,
        ingesters: int,
    ) -> None:
        self.broker = Mosquitto(folder, options=BROKER_OPTIONS)
        self.broker.start()
        self.database = database
        self._server_pid = server_pid
        self._config = folder / "0.toml"
        self._page = 0
        self._collectors = []
        for n in range(ingesters):
            config, page = folder / f"{n}.toml", free_port()
            self._page = self._page or page
            config.write_text(
                f"""
                [collector]
                name = "{NAME}"
                {f'ingester = "{n}"' if ingesters > 1 else ""}
                broker = "mqtt://{HOST}:{self.broker.port}"
                database = "{url}"
                listen = "{HOST}:{page}"
                """,
                encoding="utf-8",
            )
            log = folder / f"{n}.log"
            self._collectors.append(CollectorProcess(log, "--config", str(config)))
        self._ended_cpu_s = 0.0
        self._ended_mb = 0.0

    def start_collectors(self) -> None:
        """Start every collector process; return when each is connected to the broker."""
        before = self._connections()
        for collector in self._collectors:
            collector.start()
        wait_for(
            lambda: all(now > then for now, then in zip(self._connections(), before, strict=True)),
            "the collector's connection",
            START_S,
            log=lambda: "\n".join(collector.log() for collector in self._collectors),
        )

    def _connections(self) -> list[int]:
        return [collector.log().count(": connected") for collector in self._collectors]

    def kill_collectors(self) -> None:
        self._end(signal.SIGKILL)

    def end_collectors(self) -> None:
        """End every collector process in good order."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        self._ended_cpu_s, self._ended_mb = self.collector_cpu_s(), self.collector_mb()
        for collector in self._collectors:
            collector.end(number)

    # --- what they used -------------------------------------------------------------------------

    def _pids(self) -> list[int]:
        return [collector.pid for collector in self._collectors if collector.is_running]

    def collector_cpu_s(self) -> float:
        """Return the CPU time of all collector processes so far."""
        return self._ended_cpu_s + sum(cpu_s(pid) for pid in self._pids())

    def collector_mb(self) -> float:
        """Return the most memory that the largest collector process had resident."""
        return max([self._ended_mb, *(peak_mb(pid) for pid in self._pids())])

    def broker_cpu_s(self) -> float:
        return cpu_s(self.broker.pid)

    def server_cpu_s(self) -> float:
        """Return the CPU time of the database server; 0: there is none."""
        return 0.0 if self._server_pid is None else family_cpu_s(self._server_pid)

    def gates_page_ms(self) -> float:
        """Return how long the page waits for all gates."""
        url = f"http://{HOST}:{self._page}/api/gates"
        began_s = CLOCK.monotonic_s()
        with urllib.request.urlopen(url, timeout=PAGE_S) as answer:
            answer.read()
        return (CLOCK.monotonic_s() - began_s) * 1_000

    # --- what is stored -------------------------------------------------------------------------

    def is_anything_missing(self) -> bool:
        """Return what ``gated collector gaps`` says, with the collector ended."""
        command = [
            sys.executable,
            "-m",
            "gated",
            "collector",
            "gaps",
            "--config",
            str(self._config),
        ]
        return subprocess.run(command, capture_output=True, check=False).returncode != 0

    def bytes_stored(self) -> int:
        """Return how large all tables and indexes are; SQLite: the file."""
        sql = (
            "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
            if self._server_pid is None
            else "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
            " WHERE relnamespace = 'gated'::regnamespace AND relkind = 'r'"
        )
        return int(str(self.database.rows(sql)[0][0]))

    def compare(self, recorded: Sequence[Recorded]) -> Verdict:
        """Return what is stored of ``recorded``, by other software's own questions."""
        counted = {
            row[:3]: row[3:]
            for row in self.database.rows(
                "SELECT site, gate, epoch, count(*), count(DISTINCT seq), max(seq)"
                " FROM record GROUP BY 1, 2, 3"
            )
        }
        heads = {
            row[:3]: row[3:]
            for row in self.database.rows("SELECT site, gate, epoch, upto, hash FROM progress")
        }
        visits = {
            row[:2]: row[2]
            for row in self.database.rows("SELECT site, gate, count(*) FROM visits GROUP BY 1, 2")
        }
        quarantined = self.database.rows("SELECT count(*) FROM quarantine")
        stored = distinct = differ = visits_missing = 0
        for gate in recorded:
            key = (gate.site, gate.gate, gate.epoch)
            rows, numbers, _ = counted.get(key, (0, 0, 0))
            upto, hash_ = heads.get(key, (0, b""))
            stored += int(str(rows))
            distinct += int(str(numbers))
            is_whole = gate.seq == 0 or (upto, hash_) == (gate.seq, bytes.fromhex(gate.head))
            differ += not is_whole
            visits_missing += gate.visits - int(str(visits.get(key[:2], 0)))
        total = sum(gate.seq for gate in recorded)
        return Verdict(
            recorded=total,
            stored=stored,
            lost=total - distinct,
            duplicated=stored - distinct,
            chains_that_differ=differ,
            visits_missing=visits_missing,
            quarantined=int(str(quarantined[0][0])),
        )

    def close(self) -> None:
        for collector in self._collectors:
            collector.stop_if_running()
        self.broker.kill()


@contextmanager
def running_centre(folder: Path, store: str, ingesters: int) -> Iterator[Centre]:
    """Give a broker and a database; the collectors are not started yet."""
    if store == "sqlite":
        file = SqliteDatabase(folder / "records.db")
        centre = Centre(folder, file, str(file.path), server_pid=None, ingesters=ingesters)
        try:
            yield centre
        finally:
            centre.close()
        return
    with postgres_server() as server:
        database = PostgresDatabase(server)
        url = database.address.url
        centre = Centre(folder, database, url, server_pid=server.pid, ingesters=ingesters)
        try:
            yield centre
        finally:
            centre.close()
