"""The collector process: its wiring."""

from __future__ import annotations

import logging
from zoneinfo import ZoneInfo

from gated.clock import Clock, SystemClock
from gated.collector.broker import BrokerConnection
from gated.collector.guard import PageToken
from gated.collector.ingest import Ingest
from gated.collector.sqlite_reader import SqliteReader
from gated.collector.sqlite_store import SqliteStore
from gated.config import CollectorSettings, read_secret
from gated.mqtt.address import broker_address
from gated.supervisor import Supervisor

log = logging.getLogger(__name__)


def make_ingest(settings: CollectorSettings, store: SqliteStore, clock: Clock) -> Ingest:
    """Return the receiving worker. Raises: ConfigError: password or TLS files are unusable."""
    address = broker_address(settings, f"gated-collector-{settings.name}", settings.mqtt_user)

    def connect(will_topic: str, will: bytes) -> BrokerConnection:
        return BrokerConnection(address, will_topic=will_topic, will=will, clock=clock)

    return Ingest(
        name=settings.name,
        broker_url=address.url,
        connect=connect,
        store=store,
        clock=clock,
    )


def main(settings: CollectorSettings) -> int:
    """Run the collector until it is asked to stop. Returns the process's exit code.

    Raises:
        ConfigError: a secret or a certificate cannot be used.
        StorageError: the database cannot be used.
    """
    from gated.collector.web import Page, PageServer  # half a second that reports can do without

    clock = SystemClock()
    supervisor = Supervisor("collector", clock)
    token_file = settings.token_file
    token = None if token_file is None else PageToken(read_secret(token_file).reveal())
    store = SqliteStore(settings.database, keep_person_days=settings.keep_person_days)
    try:
        page = Page(
            lambda: SqliteReader(settings.database),
            clock=clock,
            zone=ZoneInfo(settings.timezone),
            stop=supervisor.stop,
        )
        server = PageServer(page, host=settings.listen_host, port=settings.listen_port, token=token)
        supervisor.add("ingest", make_ingest(settings, store, clock).run)
        supervisor.add("page", server.run)
        log.info("page: http://%s/", settings.listen)
        return supervisor.run()
    finally:
        store.close()
