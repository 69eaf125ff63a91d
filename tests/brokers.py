"""Real brokers for tests: each test has its own, on a port of its own, in a folder of its own."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

import pytest

from gated.errors import BrokerUnavailable
from gated.simulation.broker import HOST, DemoBroker, free_port

START_TIMEOUT_S = 10.0
_PORT_ATTEMPTS = 5


class BrokerUnderTest(Protocol):
    """What a test does with a broker. ``start`` after ``stop`` or ``kill`` uses the same port."""

    @property
    def port(self) -> int: ...

    def start(self) -> None: ...

    def stop(self) -> None:
        """End it in good order."""

    def kill(self) -> None:
        """End it as a power cut would."""


def mosquitto_binary() -> str:
    """Return the path of mosquitto, or skip the test where there is none."""
    found = shutil.which(
        "mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    )
    if found is None:
        pytest.skip("mosquitto is not installed: apt install mosquitto")
    return found


class Mosquitto:
    """A mosquitto of one's own.

    Args:
        folder: for its configuration, log and persistence.
        is_persistent: whether it saves its queues when it ends in good order.
        options: further lines of its configuration.
        listener: lines that follow the listener's, such as its certificates.
    """

    def __init__(
        self,
        folder: Path,
        *,
        is_persistent: bool = False,
        options: str = "",
        listener: str = "allow_anonymous true",
    ) -> None:
        self._binary = mosquitto_binary()
        self._folder = folder
        self._is_persistent = is_persistent
        self._options = options
        self._listener = listener
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def listen_as(self, listener: str) -> None:
        """Say what follows the listener from the next start on."""
        self._listener = listener

    def start(self) -> None:
        if self.port:
            assert self._try_to_start(self.port), self.log()
            return
        for _ in range(_PORT_ATTEMPTS):  # another test may take the port before we do
            port = free_port()
            if self._try_to_start(port):
                self.port = port
                return
        pytest.fail(f"mosquitto does not start: {self.log()}")

    def _try_to_start(self, port: int) -> bool:
        file = self._folder / "mosquitto.conf"
        file.write_text(
            "\n".join(
                [
                    "user root" if os.geteuid() == 0 else "",  # else it cannot write the folder
                    f"persistence {'true' if self._is_persistent else 'false'}",
                    f"persistence_location {self._folder}/",
                    self._options,
                    f"listener {port} {HOST}",
                    self._listener,
                    "",
                ]
            ),
            encoding="utf-8",
        )
        with (self._folder / "mosquitto.log").open("ab") as log:
            process = subprocess.Popen([self._binary, "-c", file], stdout=log, stderr=log)
        self._process = process
        wait_until(lambda: process.poll() is not None or listens(port), START_TIMEOUT_S)
        return process.poll() is None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def log(self) -> str:
        """Return what it wrote."""
        return (self._folder / "mosquitto.log").read_text(encoding="utf-8", errors="replace")


class IotCore:
    """The demo's broker. It keeps nothing, so stopping and killing are the same."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("iotcore", reason="iotcore is not installed: the extra [demo]")
        self._folder = folder
        self._broker: DemoBroker | None = None
        self.port = 0

    def start(self) -> None:
        if self.port:
            self._start(self.port)
            return
        for attempt in range(_PORT_ATTEMPTS):
            port = free_port()
            try:
                self._start(port)
            except BrokerUnavailable:
                if attempt == _PORT_ATTEMPTS - 1:
                    raise
            else:
                self.port = port
                return

    def _start(self, port: int) -> None:
        broker = DemoBroker(port, self._folder)
        broker.start()
        self._broker = broker

    def stop(self) -> None:
        if self._broker is not None:
            self._broker.stop()
            self._broker = None

    kill = stop


BROKERS: dict[str, Callable[[Path], BrokerUnderTest]] = {"mosquitto": Mosquitto, "iotcore": IotCore}
"""Every broker that the uplink is tested with; parametrise over the names."""


class SilentNetwork:
    """A way to a broker that can fall silent: nothing gets through, and nobody is told."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._server = socket.create_server((HOST, 0))
        self._stop = threading.Event()
        self._is_silent = threading.Event()
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._forward, name="network")
        self.port = int(self._server.getsockname()[1])

    def fall_silent(self) -> None:
        """Swallow everything on the connections that there are; new ones work."""
        self._is_silent.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        for sock in (*self._sockets, self._server):
            sock.close()

    def _forward(self) -> None:
        other: dict[socket.socket, socket.socket] = {}
        while not self._stop.is_set():
            ready, _, _ = select.select([self._server, *other], [], [], 0.05)
            if self._is_silent.is_set():
                self._is_silent.clear()
                other.clear()
                continue
            for sock in ready:
                if sock is self._server:
                    near, _ = self._server.accept()
                    far = socket.create_connection((HOST, self._broker_port))
                    self._sockets += [near, far]
                    other |= {near: far, far: near}
                elif sock not in other:
                    continue  # its other end has just closed
                elif data := sock.recv(65_536):
                    other[sock].sendall(data)
                else:
                    other[sock].close()
                    other.pop(other.pop(sock))


def listens(port: int) -> bool:
    """Return whether somebody accepts connections at ``port``."""
    try:
        with socket.create_connection((HOST, port), timeout=0.2):
            return True
    except OSError:
        return False


def wait_until(is_so: Callable[[], bool], timeout_s: float) -> bool:
    """Return whether ``is_so`` came true within ``timeout_s``."""
    pause = threading.Event()
    for _ in range(round(timeout_s / 0.02)):
        if is_so():
            return True
        pause.wait(0.02)
    return is_so()
