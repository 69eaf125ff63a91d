"""What the uplink is measured with: a full ledger, the real process, a collector that only acks."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.ledger import draft
from gated.contents import AlarmContent, AlarmName
from gated.ledger.reader import LedgerReader
from gated.ledger.room import RoomLimits
from gated.ledger.writer import Ledger
from gated.simulation.broker import HOST
from gated.wire import GENESIS, Ack, Draft, GateTopics
from tests.config_texts import of_uplink
from tests.gate_processes import CLOCK, wait_for

SITE, GATE = "school", "east-1"
TOPICS = GateTopics(SITE, GATE)
WINDOW = 100
BROKER = "max_inflight_messages 1000\nmax_queued_messages 0\nset_tcp_nodelay true"
LIMITS = RoomLimits(max_bytes=8 * 2**30)
_GROUP = 1_000
_ACK_EVERY_S = 1.0
_NICE = 10  # as its unit says
_LAST = 19
_CONNECTED = b"connected to"


def visit_now(n: int) -> Draft:
    """Return a granted visit of this moment that waits for nothing.

    What is long past would be cleaned away, and a million open visits are no gate's.
    """
    made = draft(n)
    at = CLOCK.now().astimezone().isoformat(timespec="milliseconds")
    return replace(made, stamp=replace(made.stamp, at=at), opens_visit=None)


def open_ledger(folder: Path) -> Ledger:
    path = folder / "ledger.db"
    return Ledger.open(path, site=SITE, gate=GATE, clock=CLOCK, software="0", limits=LIMITS).ledger


def fill(folder: Path, count: int) -> None:
    """Have ``count`` events in the ledger in ``folder``, the last one an alarm."""
    folder.mkdir(parents=True, exist_ok=True)
    ledger = open_ledger(folder)
    while (left := count - 1 - ledger.newest_seq) > 0:
        begin = ledger.newest_seq
        ledger.append([visit_now(begin + n) for n in range(min(left, _GROUP))])
    if ledger.newest_seq < count:
        alarm = AlarmContent(alarm=AlarmName.DEVICE_LOST, device="thermometer a")
        ledger.append([Draft(alarm, visit_now(0).stamp)])
    ledger.close()


def be_elsewhere(process_or_thread: int) -> None:
    """Let everything else go first: a gate's broker and collector are on other machines."""
    os.setpriority(os.PRIO_PROCESS, process_or_thread, _LAST)


class StandIn:
    """A collector that stores nothing: it acks once a second what has come in order.

    It is a new store each time, so that a ledger that was delivered before goes out again.

    Args:
        port: the broker's.
        folder: of the ledger, whose hashes it quotes.
        wanted: ``done`` is set when so many records have come.
    """

    def __init__(self, port: int, folder: Path, wanted: int) -> None:
        self._wanted = wanted
        self._folder = folder
        self._store = secrets.token_hex(4)
        self._acked_at = CLOCK.monotonic_s()
        self._subscribed = threading.Event()
        self.done = threading.Event()
        self.received = self.upto = 0
        self.done_at = self.live_at = float("nan")
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id="bench-collector",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_connect = lambda *_: be_elsewhere(threading.get_native_id())
        self._client.on_message = lambda _client, _userdata, message: self._take(message)
        self._client.connect(HOST, port)
        self._client.loop_start()

    def __enter__(self) -> Self:
        self._client.subscribe([(f"{TOPICS.root}/rec/+", 1), (TOPICS.live, 1)])
        assert self._subscribed.wait(10)
        self._reader = LedgerReader(self._folder / "ledger.db")
        self._epoch = self._reader.identity().epoch
        self._ack(GENESIS)
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._reader.close()

    def _take(self, message: MQTTMessage) -> None:
        if message.topic == TOPICS.live:
            if self.live_at != self.live_at:  # the first
                self.live_at = CLOCK.monotonic_s()
            return
        self.received += 1
        pairs = dict(getattr(message.properties, "UserProperty", ()))
        if pairs.get("seq") == str(self.upto + 1):
            self.upto += 1
        now = CLOCK.monotonic_s()
        is_done = not self.done.is_set() and self.received >= self._wanted
        if is_done:
            self.done_at = now
            self.done.set()
        if is_done or now - self._acked_at >= _ACK_EVERY_S:
            self._acked_at = now
            self._ack(self._reader.hash_of(self.upto) or GENESIS)

    def _ack(self, digest: bytes) -> None:
        ack = Ack(
            collector="centre",
            collector_epoch=self._store,
            epoch=self._epoch,
            upto=self.upto,
            hash=digest.hex(),
            at="2026-11-23T00:00:00.000Z",
        )
        self._client.publish(TOPICS.ack, ack.model_dump_json(), 1, retain=True)

    def wait(self, within_s: float) -> None:
        """Wait until all has come."""
        wait_for(
            self.done.is_set,
            f"{self._wanted} records",
            within_s,
            log=lambda: f"{self.received} came, {self.upto} of them in order",
        )


class UplinkProcess:
    """The real ``gated uplink``, with an ``uplink.db`` that is new."""

    def __init__(self, folder: Path, port: int) -> None:
        for file in folder.glob("uplink.db*"):
            file.unlink()
        self.connected_at = float("nan")
        self._lines: list[bytes] = []
        configuration = folder / "gated.toml"
        configuration.write_text(
            of_uplink(SITE, GATE, f"mqtt://{HOST}:{port}", folder, f"window = {WINDOW}"),
            encoding="utf-8",
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gated", "uplink", "--config", configuration],
            stderr=subprocess.PIPE,
        )
        os.setpriority(os.PRIO_PROCESS, self.pid, _NICE)
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if _CONNECTED in line:
                self.connected_at = CLOCK.monotonic_s()
            self._lines.append(line)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_connected(self, within_s: float = 40.0) -> None:
        wait_for(
            lambda: self.connected_at == self.connected_at,
            "a connection",
            within_s,
            log=lambda: b"".join(self._lines).decode(),
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._reading.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


@contextlib.contextmanager
def uplink(folder: Path, port: int) -> Iterator[UplinkProcess]:
    process = UplinkProcess(folder, port)
    try:
        process.wait_connected()
        yield process
    finally:
        process.stop()
