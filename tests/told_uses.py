"""Uses of passes as a gate tells them to a collector's store."""

from __future__ import annotations

from gated.collector.store import Arrival, IngestResult, Store
from gated.uses import GateUses, SharedUse
from gated.vocabulary import Direction
from gated.wire import GateTopics

SITE = "lixin-primary"
EPOCH = "k3v4q2m7x2c5d4zt"
NOW_MS = 1_795_700_000_000
DAY_MS = 86_400_000


def use(seq: int, **members: object) -> SharedUse:
    plain = {"epoch": EPOCH, "seq": seq, "pass_ref": "k1:a", "direction": Direction.IN}
    return SharedUse.model_validate({**plain, "at_ms": NOW_MS, **members})


def tell(
    store: Store,
    *uses: SharedUse,
    after: int = 0,
    upto: int = 1,
    epoch: str = EPOCH,
    received_ms: int = NOW_MS,
    gate: str = "east-1",
) -> IngestResult:
    message = GateUses(epoch=epoch, after=after, upto=upto, uses=uses)
    topic = GateTopics(SITE, gate).uses
    return store.ingest([Arrival(topic, message.model_dump_json().encode(), received_ms)])
