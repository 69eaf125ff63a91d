"""The uplink process: its wiring."""

from __future__ import annotations

import random

from gated.clock import SystemClock
from gated.config import GateConfig, UplinkSettings, read_secret
from gated.ledger.mailbox import Mailbox
from gated.supervisor import Supervisor
from gated.uplink.connection import BrokerAddress, TlsFiles, tls_context
from gated.uplink.publisher import Publisher, UplinkFiles
from gated.wire import GateTopics


def broker_address(config: GateConfig) -> BrokerAddress:
    """Return the broker of ``config``. Raises: ConfigError: a file that it names is unusable."""
    uplink = config.uplink
    endpoint = uplink.endpoint
    password = None
    if uplink.password_file is not None:
        password = read_secret(uplink.password_file).reveal()
    tls = _tls_files(uplink) if endpoint.is_tls else None
    if tls is not None:
        tls_context(tls)  # say now, and not at the first connection, what is wrong with them
    return BrokerAddress(
        host=endpoint.host,
        port=endpoint.port,
        client_id=f"gate.{config.gate.site}.{config.gate.name}",  # a slash brings iotcore down
        keepalive_s=uplink.keepalive_s,
        username=config.mqtt_user,
        password=password,
        tls=tls,
    )


def _tls_files(uplink: UplinkSettings) -> TlsFiles:
    return TlsFiles(ca=uplink.ca_file, certificate=uplink.cert_file, key=uplink.key_file)


def main(config: GateConfig) -> int:
    """Run the uplink until it is asked to stop. Returns the process's exit code.

    Raises:
        ConfigError: the broker's secret or certificates cannot be used.
        StorageError: uplink.db cannot be opened, or another uplink has it.
    """
    clock = SystemClock()
    broker = broker_address(config)
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
        )
        supervisor = Supervisor("uplink", clock)
        supervisor.add("publisher", publisher.run)
        return supervisor.run()
    finally:
        mailbox.close()
