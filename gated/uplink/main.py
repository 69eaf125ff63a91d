"""The uplink process: its wiring."""

from __future__ import annotations

import random

from gated.clock import SystemClock
from gated.config import GateConfig
from gated.ledger.mailbox import Mailbox
from gated.mqtt.address import broker_address
from gated.supervisor import Supervisor
from gated.uplink.publisher import Publisher, UplinkFiles
from gated.uplink.verifier import make_verifier
from gated.wire import GateTopics


def main(config: GateConfig) -> int:
    """Run the uplink until it is asked to stop. Returns the process's exit code.

    Raises:
        ConfigError: the broker's secret or certificates cannot be used.
        StorageError: uplink.db cannot be opened, or another uplink has it.
    """
    clock = SystemClock()
    broker = broker_address(config.uplink, config.client_id, config.mqtt_user)
    state, run = config.paths.state, config.paths.run
    mailbox = Mailbox(state / "uplink.db", clock)
    try:
        publisher = Publisher(
            broker,
            GateTopics(config.gate.site, config.gate.name),
            UplinkFiles(
                ledger=state / "ledger.db",
                status=run / "status.json",
                nudge=run / "uplink.sock",
                controller=run / "ledger.sock",
            ),
            mailbox,
            clock=clock,
            uniform=random.SystemRandom().uniform,
            places=config.uplink.window,
            shares_uses=config.uplink.share_uses,
        )
        supervisor = Supervisor("uplink", clock)
        supervisor.add("publisher", publisher.run)
        if config.verifier.enabled:
            supervisor.add("verifier", make_verifier(config, clock).run)
        return supervisor.run()
    finally:
        mailbox.close()
