"""What runs beside the uplink in processes of its own: bare paho, a ledger, a bare file.

    python -m benchmarks.uplinks.workers paho FOLDER PORT COUNT bodies|packets
    python -m benchmarks.uplinks.workers records FOLDER A_SECOND
    python -m benchmarks.uplinks.workers appends FOLDER A_SECOND

Each answers with one JSON object; ``records`` and ``appends`` when their standard input ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from benchmarks.uplinks.stage import TOPICS, WINDOW, open_ledger, visit_now
from gated.datagrams import Receiver, Sender
from gated.errors import StorageError
from gated.ledger.mailbox import MailboxReader
from gated.ledger.reader import LedgerReader
from gated.ledger.service import CommitRequest, LedgerRequest, LedgerService
from gated.messages import CommitFailed, Committed
from gated.simulation.broker import HOST
from gated.wire import join_link
from tests.faults.gate_process import hear_uplink
from tests.gate_processes import CLOCK

_KEEP_S = 3_650 * 86_400.0


def publish_with_paho(folder: Path, port: int, count: int, what: str) -> dict[str, float]:
    """Publish what the ledger holds as quickly as paho can, from its own loop.

    ``what``: bodies alone, or the whole packets that the uplink sends, with epoch and seq.
    """
    with contextlib.closing(LedgerReader(folder / "ledger.db")) as reader:
        events = reader.after(0, count)
        messages = [
            (TOPICS.record(e.kind), join_link(e.body, e.link), e.epoch, e.seq) for e in events
        ]
        del events
    waiting = iter(messages)
    confirmed = 0
    client = Client(
        CallbackAPIVersion.VERSION2, client_id="bench-paho", protocol=MQTTProtocolVersion.MQTTv5
    )
    client.max_inflight_messages_set(0)  # with a limit of its own paho is slower

    def publish_next() -> None:
        message = next(waiting, None)
        if message is None:
            return
        topic, body, epoch, seq = message
        properties = None
        if what == "packets":
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho
            properties.UserProperty = [("epoch", epoch), ("seq", str(seq))]
        client.publish(topic, body, 1, properties=properties)

    def on_connect(*_: object) -> None:
        for _place in range(WINDOW):
            publish_next()

    def on_publish(*_: object) -> None:
        nonlocal confirmed
        confirmed += 1
        publish_next()
        if confirmed == len(messages):
            client.disconnect()

    client.on_connect, client.on_publish = on_connect, on_publish
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    client.connect(HOST, port)
    client.loop_forever()
    return {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}


def record(folder: Path, a_second: float) -> dict[str, list[tuple[float, float]]]:
    """Record visits at a steady pace through the ledger's thread, until standard input ends.

    Returns when each was handed in (monotonic) and after how many ms it was answered for.
    """
    stop = threading.Event()
    is_answered = threading.Event()
    took: list[tuple[float, float]] = []
    requests: queue.Queue[LedgerRequest] = queue.Queue(1_024)
    ledger = open_ledger(folder)
    nudge, receiver = Sender(folder / "uplink.sock"), Receiver(folder / "ledger.sock")
    asked_at = CLOCK.monotonic_s()

    def answer(got: Committed | CommitFailed) -> None:
        assert isinstance(got, Committed), got.reason
        took.append((asked_at, (CLOCK.monotonic_s() - asked_at) * 1_000))
        is_answered.set()

    def after_commit() -> None:
        with contextlib.suppress(StorageError):
            nudge.send(b"look")

    service = LedgerService(
        ledger,
        requests,
        MailboxReader(folder / "uplink.db"),
        clock=CLOCK,
        answer=answer,
        after_commit=after_commit,
        on_renewed=lambda opened: sys.exit(f"a new epoch: {opened.detail}"),
        keep_acked_s=_KEEP_S,
    )
    threads = [
        threading.Thread(target=service.run, args=(stop, lambda: None)),
        threading.Thread(target=hear_uplink, args=(receiver, requests, stop)),
        threading.Thread(target=wait_for_the_end, args=(stop,)),
    ]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    number = 0
    while not stop.wait(1 / a_second):
        number += 1
        drafted = visit_now(number)
        is_answered.clear()
        asked_at = CLOCK.monotonic_s()
        requests.put(CommitRequest("visit", drafted))
        assert is_answered.wait(30), "no answer"
    for thread in threads:
        thread.join()
    ledger.close()
    return {"took": took}


def wait_for_the_end(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def append(folder: Path, a_second: float) -> dict[str, list[tuple[float, float]]]:
    """Append 1 kB to a file and sync it at a steady pace, as ``record`` records.

    What this feels of other processes is the machine's doing, and no ledger's.
    """
    stop = threading.Event()
    threading.Thread(target=wait_for_the_end, args=(stop,)).start()
    took: list[tuple[float, float]] = []
    body = bytes(1_000)
    file = os.open(folder / "bare.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    print("ready", flush=True)
    while not stop.wait(1 / a_second):
        began_at = CLOCK.monotonic_s()
        os.write(file, body)
        os.fdatasync(file)
        took.append((began_at, (CLOCK.monotonic_s() - began_at) * 1_000))
    os.close(file)
    return {"took": took}


def main() -> int:
    what, folder, *numbers = sys.argv[1:]
    if what == "paho":
        result: object = publish_with_paho(
            Path(folder), int(numbers[0]), int(numbers[1]), numbers[2]
        )
    else:
        work = {"records": record, "appends": append}[what]
        result = work(Path(folder), float(numbers[0]))
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
