"""The collector process: its wiring."""

from __future__ import annotations

import logging
from zoneinfo import ZoneInfo

from gated.claims import ALL_REQUESTS
from gated.clock import Clock, SystemClock
from gated.collector.broker import BrokerConnection
from gated.collector.claim_book import ClaimBook
from gated.collector.claim_desk import ClaimDesk
from gated.collector.claim_signing import load_authority
from gated.collector.databases import database_at
from gated.collector.guard import PageToken
from gated.collector.ingest import Ingest
from gated.collector.store import Store
from gated.collector.webhook import LiveInbox
from gated.collector.webhook_wiring import make_webhook
from gated.config import CollectorConfig, CollectorSettings, read_secret
from gated.config.claims import ClaimSettings
from gated.mqtt.address import broker_address
from gated.supervisor import Supervisor

log = logging.getLogger(__name__)


def make_ingest(
    settings: CollectorSettings,
    store: Store,
    clock: Clock,
    live: LiveInbox | None = None,
    claims: ClaimDesk | None = None,
) -> Ingest:
    """Return the receiving worker. Raises: ConfigError: password or TLS files are unusable."""
    address = broker_address(
        settings, f"gated-collector-{settings.process_name}", settings.mqtt_user
    )
    is_shared = settings.ingester is not None

    def connect(will_topic: str, will: bytes) -> BrokerConnection:
        return BrokerConnection(
            address,
            will_topic=will_topic,
            will=will,
            clock=clock,
            is_shared=is_shared,
            claims=claims,
        )

    return Ingest(
        name=settings.name,
        ingester=settings.ingester,
        broker_url=address.url,
        connect=connect,
        store=store,
        clock=clock,
        on_live=None if live is None else live.put,
        also=() if claims is None else (ALL_REQUESTS,),
    )


def make_claims(settings: ClaimSettings, clock: Clock) -> ClaimDesk | None:
    """Return who answers new gates; None: nobody. Raises: ConfigError: the CA cannot be used."""
    if not settings.enabled:
        return None
    return ClaimDesk(ClaimBook(settings.folder), load_authority(settings), clock)


def main(config: CollectorConfig) -> int:
    """Run the collector until it is asked to stop. Returns the process's exit code.

    Raises:
        ConfigError: a secret or a certificate cannot be used.
        StorageError: the database cannot be used.
    """
    from gated.collector.web import Page, PageServer  # half a second that reports can do without

    settings, clock = config.collector, SystemClock()
    supervisor = Supervisor("collector", clock)
    token_file = settings.token_file
    token = None if token_file is None else PageToken(read_secret(token_file).reveal())
    database = database_at(settings.database, settings.database_password_file)
    store = database.store(keep_person_days=settings.keep_person_days)
    try:
        page = Page(
            database.reader,
            clock=clock,
            zone=ZoneInfo(settings.timezone),
            stop=supervisor.stop,
        )
        server = PageServer(page, host=settings.listen_host, port=settings.listen_port, token=token)
        inbox = LiveInbox()
        sender = make_webhook(config.webhook, database, clock, inbox)
        live = None if sender is None else inbox
        claims = make_claims(config.claims, clock)
        supervisor.add("ingest", make_ingest(settings, store, clock, live, claims).run)
        if sender is not None:
            supervisor.add("webhook", sender.run)
        supervisor.add("page", server.run)
        log.info("page: http://%s/", settings.listen)
        return supervisor.run()
    finally:
        store.close()
