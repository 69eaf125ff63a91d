"""A gate as a command meets it: the real desk and the real lane, a ledger that keeps settings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gated.carried import frame
from gated.clock import BUILT_AT, FakeClock, TimeQuality
from gated.contents import AlarmContent, CommandContent, CommandReason, ModeContent
from gated.controller.codes import CodeRules
from gated.controller.commands import COUNTERS_SETTING, CommandDesk, Gate
from gated.controller.decider import DeciderItem, Record
from gated.controller.diagnostics import Bundle
from gated.controller.nonces import Nonces
from gated.controller.timekeeper import Timekeeper
from gated.credentials.enough import CertificateRules
from gated.credentials.persons import PersonsList
from gated.credentials.pseudonym import SiteKey
from gated.credentials.revocation_folder import Revocations
from gated.credentials.trusted_keys import USE_COMMANDS, USE_CONFIG, USE_TRUST, TrustList
from gated.deeds import AddTrust, Deed, Ping, RemoveTrust, ReplaceList, RollBackConfig, SetConfig
from gated.ledger.reader import Anchor, Bounds
from gated.messages import CommitFailed, Committed, EnergiseRelay
from gated.orders import Order, make_order
from gated.visit import advance
from gated.visit.state import Commit, Event, LaneState
from gated.vocabulary import Check
from gated.wire import GENESIS
from tests.lane_rig import LANE
from tests.signed_codes import trusted_key

HERE, ELSEWHERE = "school/east-1", "school/west-1"
OBSERVE_FOR_S = 3_600.0
LIFETIME_S = 30
CENTRE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


TRUST = TrustList.of([trusted_key(CENTRE.public_key(), uses=[USE_COMMANDS])])
TRUST_TRUST = TrustList.of([trusted_key(CENTRE.public_key(), uses=[USE_COMMANDS, USE_TRUST])])
BUNDLE = Bundle(1_234, "ab" * 32)
CONFIG_TRUST = TrustList.of([trusted_key(CENTRE.public_key(), uses=[USE_COMMANDS, USE_CONFIG])])


def code_rules(trust: TrustList, revocations: Revocations | None = None) -> CodeRules:
    """Return rules of which a command needs the keys, and a pushed list the lists."""
    return CodeRules(
        trust=trust,
        site_key=SiteKey(bytes(32), "k0000"),
        persons=PersonsList(),
        duty=PersonsList(),
        certificates=CertificateRules(),
        revoked=frozenset(),
        revocations=revocations,
        revocations_max_age=timedelta(days=7),
        when_revocations_old=Check.SOFT,
        timezone=UTC,
    )


def order_of(deed: Deed = Ping(), **changes: object) -> Order:  # noqa: B008  frozen
    """Return an order that a fresh gate takes, but for ``changes``."""
    now = BUILT_AT + timedelta(days=1)
    usual: dict[str, object] = {
        "gate": HERE,
        "order_id": bytes(16),
        "issued_at": now,
        "expires_at": now + timedelta(seconds=LIFETIME_S),
        "counter": 1,
        "nonce": "0" * 16,
        "by": "duty-desk",
        "deed": deed,
    }
    return Order(**{**usual, **changes})  # type: ignore[arg-type]  # spelled out above


@dataclass
class GateRig:
    """One gate. What it commits counts at once, unless the disk is full."""

    trust: TrustList = TRUST
    clock: FakeClock = field(default_factory=lambda: FakeClock(wall=BUILT_AT + timedelta(days=1)))
    settings: dict[str, str] = field(default_factory=dict)
    is_disk_full: bool = False
    is_clock_set: bool = True
    lists: list[ReplaceList] = field(default_factory=list)
    why_no_list: CommandReason | None = None
    configs: list[SetConfig | RollBackConfig] = field(default_factory=list)
    why_no_config: CommandReason | None = None
    trusted: list[tuple[AddTrust | RemoveTrust, bytes]] = field(default_factory=list)
    why_no_trust: CommandReason | None = None
    bundle: Bundle | CommandReason = BUNDLE
    recorded: list[object] = field(default_factory=list)  # contents, in order
    openings: int = 0

    def __post_init__(self) -> None:
        self.draws: Iterator[int] = itertools.count()
        self.start(LaneState(lane=LANE))

    def start(self, state: LaneState) -> None:
        """Start the controller, as it starts after a crash: with what the ledger has kept."""
        self.state = state
        self.nonces = Nonces(self.clock, lambda: f"{next(self.draws):016x}")
        self.timekeeper = Timekeeper(self.clock, UTC, newest_record=None, sync_file=None)
        gate = Gate(
            name=HERE,
            counters=self.settings.get(COUNTERS_SETTING),
            lane_state=lambda: self.state,
            bounds=lambda: Bounds(10, 99, Anchor(9, GENESIS)),
            put_list=self._put_list,
            put_config=self._put_config,
            put_trust=self._put_trust,
            gather=lambda: self.bundle,
        )
        self.desk = CommandDesk(gate, self.nonces, self.timekeeper, self.clock, self.take)

    def restart(self) -> None:
        """Lose everything but the ledger: visits, nonces, what was on its way."""
        self.start(LaneState(lane=LANE, mode=self.state.mode))

    def order(self, deed: Deed = Ping(), **changes: object) -> Order:  # noqa: B008  frozen
        """Return an order that the centre would give this gate now."""
        now = self.clock.now().replace(microsecond=0)
        usual: dict[str, object] = {
            "issued_at": now,
            "expires_at": now + timedelta(seconds=LIFETIME_S),
            "nonce": self.nonces.current(),
        }
        return order_of(deed, **{**usual, **changes})

    def tell(self, deed: Deed = Ping(), **changes: object) -> CommandContent | None:  # noqa: B008
        """Let the centre order ``deed``; return the answer."""
        return self.hear(make_order(self.order(deed, **changes), CENTRE))

    def hear(self, payload: bytes, *, is_retained: bool = False) -> CommandContent | None:
        """Let ``payload`` come over the broker; return the answer, if there is one."""
        before = len(self.recorded)
        self.timekeeper.quality = TimeQuality.TRUSTED if self.is_clock_set else TimeQuality.UNKNOWN
        datagram = frame(payload, is_retained=is_retained)
        self.desk.hear(datagram, code_rules(self.trust), OBSERVE_FOR_S)
        answers = [c for c in self.recorded[before:] if isinstance(c, CommandContent)]
        assert len(answers) <= 1, "one answer for each"
        return answers[0] if answers else None

    def take(self, item: DeciderItem) -> None:
        """Do what the decider does, with a ledger that answers at once."""
        if isinstance(item, Record):
            self._commit(item.content, dict(item.settings))
            return
        events: list[Event] = [item]
        while events:
            self.state, commands = advance(self.state, events.pop(0))
            for command in commands:
                if isinstance(command, EnergiseRelay):
                    self.openings += 1
                elif isinstance(command, Commit):
                    events.append(self._answered(command))

    def _answered(self, commit: Commit) -> Committed | CommitFailed:
        at = self.clock.monotonic_s()
        if not self._commit(commit.content, dict(commit.settings)):
            return CommitFailed(commit.tag, "no space", at)
        return Committed(commit.tag, 1, at, 4.0)

    def _commit(self, content: object, settings: dict[str, str]) -> bool:
        if self.is_disk_full:
            return False
        self.recorded.append(content)
        self.settings |= settings
        return True

    def _put_list(
        self, pushed: ReplaceList, _codes: CodeRules, _now: datetime
    ) -> CommandReason | None:
        if self.why_no_list is None:
            self.lists.append(pushed)
        return self.why_no_list

    def _put_config(self, pushed: SetConfig | RollBackConfig) -> tuple[CommandReason | None, str]:
        if self.why_no_config is not None:
            return self.why_no_config, "what is wrong"
        self.configs.append(pushed)
        return None, ""

    def _put_trust(
        self, pushed: AddTrust | RemoveTrust, signed: bytes, _trust: TrustList, _now: datetime
    ) -> tuple[CommandReason | None, str]:
        if self.why_no_trust is not None:
            return self.why_no_trust, "what is wrong"
        self.trusted.append((pushed, signed))
        return None, "which keys came"

    # --- what came of it ------------------------------------------------------------------------

    @property
    def alarms(self) -> list[str]:
        return [c.detail for c in self.recorded if isinstance(c, AlarmContent)]

    @property
    def modes(self) -> list[ModeContent]:
        return [c for c in self.recorded if isinstance(c, ModeContent)]

    def is_untouched(self) -> bool:
        """Return whether nothing at all was done: not opened, no mode, no list, no value."""
        return not self.openings and not (self.modes or self.lists or self.configs or self.trusted)
