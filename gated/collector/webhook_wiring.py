"""Makes the webhook's worker from its settings."""

from __future__ import annotations

import ssl
from pathlib import Path

from gated.clock import Clock
from gated.collector.databases import Database
from gated.collector.webhook import LiveInbox, WebhookSender, parse_secret
from gated.config import read_secret
from gated.config.webhook import WebhookSettings
from gated.errors import ConfigError
from gated.http_post import HttpPost, Target


def make_webhook(
    settings: WebhookSettings, database: Database, clock: Clock, inbox: LiveInbox
) -> WebhookSender | None:
    """Return the worker, or None without a webhook. It closes its queue when it ends.

    Raises:
        ConfigError: the secret or the CA file cannot be used.
        StorageError: the database cannot be used.
    """
    address = settings.address
    if address is None or settings.secret_file is None:
        return None
    target = Target(address.host, address.port, address.path, address.is_tls)
    key = parse_secret(read_secret(settings.secret_file).reveal())
    context = _context(settings.ca_file) if target.is_tls else None
    return WebhookSender(
        HttpPost(target, context, clock),
        key,
        database.alarm_queue(),
        inbox,
        wanted={alarm.value for alarm in settings.wanted},
        clock=clock,
        time_out_s=settings.time_out_s,
    )


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(f"the webhook's ca_file {ca_file} cannot be used") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
