"""A PostgreSQL of one's own for tests: in a folder of its own, reached by a socket inside it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from gated.collector.postgres_connection import PostgresAddress
from tests.brokers import wait_until

START_TIMEOUT_S = 60.0
USER = "gated"
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")


def find_binaries() -> Path | None:
    """Return the folder with initdb and postgres, or None where PostgreSQL is not installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    for pattern in _PLACES:
        for folder in sorted(Path("/").glob(pattern.removeprefix("/")), reverse=True):
            if (folder / "initdb").exists():
                return folder
    return None


def lacks_postgres() -> str:
    """Return why no server can be started here; "" if one can."""
    if find_binaries() is None:
        return "PostgreSQL is not installed: apt install postgresql"
    if os.geteuid() == 0 and _server_user() is None:
        return "PostgreSQL does not run as root, and there is no other user here"
    return ""


def _server_user() -> str | None:
    """Return whom root runs the server as, since PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return name
    return None


class PostgresServer:
    """A cluster of one's own. ``start`` after ``stop`` or ``kill`` goes on with the same data."""

    def __init__(self) -> None:
        binaries = find_binaries()
        if binaries is None or lacks_postgres():
            pytest.skip(lacks_postgres())
        self._binaries = binaries
        self._user = _server_user()
        # Not below pytest's folder: only its owner may enter that. Short: a socket's path ends at
        # 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="gated-pg-"))
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._free: list[PostgresAddress] = []
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "-N")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *arguments],
            user=self._user,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            capture_output=True,
            check=False,
            timeout=START_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr.decode()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(self._binaries / "postgres"), "-D", str(self._data)),
                    *("-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}"),
                    # The defaults wait for nobody here; durability is what is tested.
                    *("-c", "autovacuum=off", "-c", "shared_buffers=32MB"),
                ],
                user=self._user,
                cwd="/",
                stdout=log,
                stderr=log,
            )
        assert wait_until(self._answers, START_TIMEOUT_S), self.log()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        """End it in good order; whoever is connected is thrown out."""
        if self._process is not None:
            self._process.send_signal(2)  # SIGINT: fast shutdown
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would: every process at once, nothing is written."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: immediate shutdown
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def cpu_s(self) -> float:
        """Return the CPU time of all its processes up to now, also of those that have ended."""
        assert self._process is not None
        postmaster = self._process.pid
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        ticks = sum(_ticks(int(child), ended=False) for child in children)
        return (ticks + _ticks(postmaster, ended=True)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.kill()  # nobody wants the data any more
        shutil.rmtree(self.folder)

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def url(self, database: str, user: str = USER) -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def new_database(self) -> PostgresAddress:
        """Return the address of an empty database."""
        if self._free:
            address = self._free.pop()
            with address.connect() as connection:
                connection.execute("DROP SCHEMA IF EXISTS gated CASCADE")
            return address
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute(f"CREATE DATABASE {name}")
        return PostgresAddress(self.url(name))

    def give_back(self, address: PostgresAddress) -> None:
        """Take a database that nobody uses any more: making one takes a second of the disk."""
        self._free.append(address)

    def execute(self, sql: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(sql)


def _ticks(pid: int, *, ended: bool) -> int:
    """Return the CPU time of a process and, on request, of its children that have ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0  # it has just ended: its parent counts it
    # proc(5): behind the name, which may hold anything, utime is the 12th, then stime, cutime, …
    times = stat.rpartition(")")[2].split()[11:15]
    return sum(int(ticks) for ticks in (times if ended else times[:2]))


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Give a running server that ends with the block."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


def rows(address: PostgresAddress, sql: str) -> list[tuple[object, ...]]:
    """Return what ``sql`` finds, over a connection of its own."""
    with address.connect() as connection:
        return connection.execute(sql).fetchall()
