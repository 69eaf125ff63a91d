"""The controller's half of a gate as a process: its real ledger thread, fed with a load.

It says on its standard output what it was answered, one line each, the moment it is answered:
``opened HOW EPOCH``, ``stored AT_NS EPOCH SEQ KIND NAME``, ``failed KIND NAME``, ``renewed HOW
EPOCH``. AT_NS is when it was answered, on the machine's monotonic clock.
Orders come on its standard input: ``rate EVENTS_A_SECOND`` (0 pauses), ``clock OFFSET_S``.
SIGTERM ends it in good order.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import random
import signal
import sys
import threading
from pathlib import Path

from gated.clock import TimeQuality
from gated.datagrams import Receiver, Sender
from gated.errors import StorageError
from gated.ledger.mailbox import MailboxReader
from gated.ledger.room import RoomLimits
from gated.ledger.service import CommitRequest, LedgerRequest, LedgerService, MailboxNudge
from gated.ledger.writer import Ledger, Opened
from gated.messages import CommitFailed, Committed
from gated.signals import heed_signals
from tests.faults.clock import WrongClock, machine_ns
from tests.faults.load import Load

SITE, GATE = "lixin-primary", "east-1"
"""Those of the ledgers of older versions in tests/golden."""
CANNOT_OPEN = 3
_AT_ONCE = 16
"""Events that wait for the ledger at a time: more than one, so that commits are in groups."""
_REFUSED_PAUSE_S = 0.02
_IDLE_S = 0.02
_UNPACED = 1_000
_SETTING_SHARE = 0.02


class Feeder:
    """Draws from the load and hands it to the ledger's thread, at most ``at_once`` at a time."""

    def __init__(
        self, load: Load, requests: queue.Queue[LedgerRequest], rate: float, at_once: int
    ) -> None:
        self.rate = rate
        self._load = load
        self._requests = requests
        self._rng = random.Random(rate)
        self._places = threading.Semaphore(at_once)
        self._was_refused = False

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            rate = self.rate
            if rate <= 0:
                stop.wait(_IDLE_S)
                continue
            if self._was_refused:
                self._was_refused = False
                stop.wait(_REFUSED_PAUSE_S)
            if not self._places.acquire(timeout=_IDLE_S):
                continue
            name, draft = self._load.draw()
            kind = draft.content.kind.value
            settings = {"mode_by": name} if self._rng.random() < _SETTING_SHARE else {}
            self._requests.put(CommitRequest(f"{kind} {name}", draft, settings))
            if rate < _UNPACED:
                stop.wait(1 / rate)

    def take(self, answer: Committed | CommitFailed, epoch: str) -> None:
        """Say what became of a draft, and make room for the next."""
        if isinstance(answer, Committed):
            say(f"stored {machine_ns()} {epoch} {answer.seq} {answer.tag}")
        else:
            say(f"failed {answer.tag}")
            self._was_refused = True
        self._places.release()


def say(line: str) -> None:
    """Write one line at once: a line is whole or not there, whatever happens to the process."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def take_orders(feeder: Feeder, clock: WrongClock) -> None:
    for line in sys.stdin:
        what, _, value = line.partition(" ")
        if what == "rate":
            feeder.rate = float(value)
        elif what == "clock":
            clock.offset_s = float(value)


def hear_uplink(
    receiver: Receiver, requests: queue.Queue[LedgerRequest], stop: threading.Event
) -> None:
    while not stop.is_set():
        if receiver.receive(0.2) is not None and requests.empty():
            requests.put_nowait(MailboxNudge())


def main() -> int:
    args = parse_arguments()
    stop = threading.Event()
    heed_signals({signal.SIGTERM: stop.set})  # before it is said that we are there
    clock = WrongClock(offset_s=args.clock, speed=args.speed)
    limits = RoomLimits(
        max_bytes=args.max_bytes,
        min_free_bytes=args.min_free_bytes,
        ballast_bytes=args.ballast_bytes,
        reuse_bytes=128 * 1024,
    )
    try:
        opened = Ledger.open(
            args.state / "ledger.db",
            site=SITE,
            gate=GATE,
            clock=clock,
            software="faults",
            limits=limits,
        )
    except StorageError as exc:
        sys.stderr.write(f"{exc}\n")
        return CANNOT_OPEN
    ledger = opened.ledger
    say(f"opened {opened.how} {ledger.epoch}")
    if opened.detail:
        sys.stderr.write(f"{opened.detail}\n")
    serve(ledger, args, clock, stop)
    return 0


def serve(
    ledger: Ledger, args: argparse.Namespace, clock: WrongClock, stop: threading.Event
) -> None:
    requests: queue.Queue[LedgerRequest] = queue.Queue(1_024)
    load = Load(args.name, random.Random(args.name), clock, TimeQuality(args.time_quality))
    feeder = Feeder(load, requests, args.rate, args.at_once)
    uplink, receiver = Sender(args.run / "uplink.sock"), Receiver(args.run / "ledger.sock")

    def nudge() -> None:
        with contextlib.suppress(StorageError):  # it looks into the ledger by itself as well
            uplink.send(b"look")

    def note_renewed(renewed: Opened) -> None:
        say(f"renewed {renewed.how} {ledger.epoch}")

    service = LedgerService(
        ledger,
        requests,
        MailboxReader(args.state / "uplink.db"),
        clock=clock,
        answer=lambda answer: feeder.take(answer, ledger.epoch),
        after_commit=nudge,
        on_renewed=note_renewed,
        keep_acked_s=args.keep_acked_s,
    )
    for work in (
        lambda: feeder.run(stop),
        lambda: take_orders(feeder, clock),
        lambda: hear_uplink(receiver, requests, stop),
    ):
        threading.Thread(target=work, daemon=True).start()
    try:
        service.run(stop, lambda: None)
    finally:
        ledger.close()
        receiver.close()
        uplink.close()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("state", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--at-once", type=int, default=_AT_ONCE)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--clock", type=float, default=0.0)
    parser.add_argument("--time-quality", default="trusted")
    parser.add_argument("--keep-acked-s", type=float, default=86_400.0)
    parser.add_argument("--max-bytes", type=int, default=2**30)
    parser.add_argument("--min-free-bytes", type=int, default=0)
    parser.add_argument("--ballast-bytes", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
