"""The gate's uplink as a process: the real publisher, on a clock of the run's choice."""

from __future__ import annotations

import argparse
import logging
import random
import signal
import threading
from pathlib import Path

from gated.ledger.mailbox import Mailbox
from gated.mqtt.address import BrokerAddress
from gated.signals import heed_signals
from gated.simulation.broker import HOST
from gated.uplink.publisher import Publisher, UplinkFiles
from gated.wire import GateTopics
from tests.faults.clock import WrongClock
from tests.faults.gate_process import GATE, SITE

KEEPALIVE_S = 5


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("state", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--speed", type=float, default=5.0)
    parser.add_argument("--clock", type=float, default=0.0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s uplink %(message)s")
    stop = threading.Event()
    heed_signals({signal.SIGTERM: stop.set})
    clock = WrongClock(offset_s=args.clock, speed=args.speed)
    mailbox = Mailbox(args.state / "uplink.db", clock)
    try:
        Publisher(
            BrokerAddress(
                host=HOST,
                port=args.port,
                client_id=f"gate.{SITE}.{GATE}",
                keepalive_s=KEEPALIVE_S,
            ),
            GateTopics(SITE, GATE),
            UplinkFiles(
                ledger=args.state / "ledger.db",
                status=args.run / "status.json",
                nudge=args.run / "uplink.sock",
                controller=args.run / "ledger.sock",
            ),
            mailbox,
            clock=clock,
            uniform=random.uniform,
        ).run(stop, lambda: None)
    finally:
        mailbox.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
