"""A gate's ledger as the collector hears it: real bodies, real chain, no gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from gated.clock import TimeQuality
from gated.collector.store import Arrival, ChainKey
from gated.contents import (
    AlarmContent,
    AlarmName,
    BootContent,
    Content,
    HealthContent,
    Kind,
    PassageContent,
    ReleaseContent,
    VisitContent,
)
from gated.vocabulary import (
    Direction,
    HolderCategory,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    ReleaseResult,
)
from gated.wire import (
    GENESIS,
    Draft,
    GateState,
    GateTopics,
    PersonLink,
    Place,
    Stamp,
    chain_hash,
    commit_to_holder,
    encode_body,
    join_link,
)

SHANGHAI = timezone(timedelta(hours=8))
MONDAY = datetime(2026, 11, 23, 7, 30, tzinfo=SHANGHAI)


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)


@dataclass(frozen=True)
class Message:
    """One record on its way."""

    chain: ChainKey
    seq: int
    kind: Kind
    body: bytes
    payload: bytes
    at: datetime

    @property
    def topic(self) -> str:
        return GateTopics(self.chain.site, self.chain.gate).record(self.kind)

    def arrival(self, received: datetime | None = None) -> Arrival:
        received_ms = ms(self.at if received is None else received)
        return Arrival(self.topic, self.payload, received_ms, self.chain.epoch, self.seq)


def arrivals(messages: Sequence[Message]) -> list[Arrival]:
    return [message.arrival() for message in messages]


def visit(**members: object) -> VisitContent:
    values: dict[str, object] = {
        "visit_id": "7f3a91c2e05b",
        "direction": Direction.IN,
        "outcome": Outcome.GRANTED,
        "reason": None,
        "prompt": Prompt.GO,
        "body_c": 36.62,
        "attempt": 1,
        "threshold_c": 37.3,
        "threshold_inclusive": True,
        "holder_category": HolderCategory.STUDENT,
        "holder_group": "g3-2",
    }
    return VisitContent.model_validate(values | members)


def refused(reason: Reason, outcome: Outcome = Outcome.DENIED) -> VisitContent:
    return visit(outcome=outcome, reason=reason, reasons=(reason,), prompt=Prompt.WAIT_STAFF)


def passage(result: PassageResult = PassageResult.PASSED) -> PassageContent:
    return PassageContent(visit_id="7f3a91c2e05b", result=result)


def release(result: ReleaseResult) -> ReleaseContent:
    return ReleaseContent(visit_id="7f3a91c2e05b", result=result, contact_c=36.9)


def alarm(name: AlarmName) -> AlarmContent:
    return AlarmContent(alarm=name)


def boot() -> BootContent:
    return BootContent(boot_id="b", ledger="opened")


def health() -> HealthContent:
    return HealthContent(devices={"scanner": "ok"}, backlog=0, rss_kb=1, disk_free_kb=1)


@dataclass
class LedgerOfGate:
    """Writes events as a gate's ledger does."""

    site: str = "lixin-primary"
    gate: str = "east-1"
    epoch: str = "k3v4q2m7x2c5d4zt"
    at: datetime = MONDAY
    boot: int = 1
    time_quality: TimeQuality = TimeQuality.TRUSTED
    drill: bool = False
    mode: Mode = Mode.NORMAL
    messages: list[Message] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=lambda: [GENESIS])

    @property
    def chain(self) -> ChainKey:
        return ChainKey(self.site, self.gate, self.epoch)

    @property
    def seq(self) -> int:
        return len(self.messages)

    @property
    def head(self) -> bytes:
        return self.hashes[-1]

    def write(
        self, content: Content, *, link: PersonLink | None = None, prev: bytes | None = None
    ) -> Message:
        """Commit one event, one second after the last."""
        self.at += timedelta(seconds=1)
        if link is not None:
            content = content.model_copy(update={"holder_commitment": commit_to_holder(link)})
        stamp = Stamp(
            at=self.at.isoformat(timespec="milliseconds"),
            time_quality=self.time_quality,
            boot_ms=self.seq * 1_000,
            mode=self.mode,
            drill=self.drill,
            rules="2026-11-20.2",
            software="0.1.0",
        )
        seq = self.seq + 1
        place = Place(self.site, self.gate, self.epoch, seq, self.boot, prev or self.head)
        body = encode_body(Draft(content, stamp), place)
        message = Message(self.chain, seq, content.kind, body, join_link(body, link), self.at)
        self.messages.append(message)
        self.hashes.append(chain_hash(self.head, seq, body))
        return message

    def write_visits(self, count: int) -> list[Message]:
        return [self.write(visit(visit_id=f"{self.seq:012x}")) for _ in range(count)]

    def state(self, *, online: bool = True, session: int = 1, oldest_seq: int = 1) -> GateState:
        return GateState(
            online=online,
            session=session,
            site=self.site,
            gate=self.gate,
            epoch=self.epoch,
            backlog=0,
            oldest_seq=oldest_seq,
            anchor=self.hashes[oldest_seq - 1].hex(),
            newest_seq=self.seq,
            mode=self.mode,
            devices={"thermometer child": "ok", "scanner": "ok"},
            threshold_c=37.3,
            at=self.at.isoformat(),
        )

    def state_arrival(self, state: GateState, received: datetime | None = None) -> Arrival:
        topic = GateTopics(self.site, self.gate).state
        received_ms = ms(self.at if received is None else received)
        return Arrival(topic, state.model_dump_json().encode(), received_ms)


def with_payload(message: Message, payload: bytes) -> Message:
    return replace(message, payload=payload)
