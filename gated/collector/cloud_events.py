"""Records as CloudEvents 1.0 (JSON format), for other people's software. Pure.

``source`` and ``id`` together name one record for ever: whoever sees them twice has seen it.
"""

from __future__ import annotations

from typing import Any

from gated.collector.store import ChainKey
from gated.wire import TOPIC_ROOT, parse_json

MEDIA_TYPE = "application/cloudevents+json"
BATCH_MEDIA_TYPE = "application/cloudevents-batch+json"
TYPE_PREFIX = "gated.record.v1."


def record_name(chain: ChainKey, seq: int) -> str:
    """Return the record's id: unique within its source."""
    return f"{chain.epoch}.{seq}"


def cloud_event(chain: ChainKey, seq: int, kind: str, body: bytes) -> dict[str, Any]:
    """Return the record in ``body`` as an event. Raises: WireError: it is not JSON."""
    data = parse_json(body)
    return {
        "specversion": "1.0",
        "id": record_name(chain, seq),
        "source": f"/{TOPIC_ROOT}/{chain.site}/{chain.gate}",
        "type": f"{TYPE_PREFIX}{kind}",
        "time": data.get("at"),
        "datacontenttype": "application/json",
        "data": data,
    }
