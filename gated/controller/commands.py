"""Commands of the centre: verified here, whatever carried them. In the inputs' thread.

The uplink only hands over bytes. What is not genuine, not for this gate or not of this moment
changes nothing and is an alarm; everything else is recorded, and the record's copy is the answer.
A number is used up by every order that is genuine and for this gate, also by one that is refused:
what was sent once cannot be sent again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gated.carried import unframe
from gated.clock import Clock, TimeQuality
from gated.config import GateConfig
from gated.contents import (
    AlarmContent,
    AlarmName,
    CommandContent,
    CommandOutcome,
    CommandReason,
)
from gated.controller.codes import CodeRules
from gated.controller.decider import DeciderItem, Record
from gated.controller.diagnostics import Bundle, Diagnostician
from gated.controller.nonces import Nonces
from gated.controller.pushed_lists import PushedLists
from gated.controller.pushed_trust import PushedTrust
from gated.controller.timekeeper import Timekeeper
from gated.credentials.trusted_keys import TrustList
from gated.deeds import (
    AddTrust,
    Deed,
    Diagnose,
    OpenOnce,
    Ping,
    RemoveTrust,
    ReplaceList,
    Resend,
    RollBackConfig,
    SetConfig,
    SetDrill,
    SetMode,
)
from gated.errors import StorageError
from gated.ledger.reader import Bounds, LedgerReader
from gated.ledger.writer import Ledger
from gated.logs import recent_lines
from gated.orders import Order, SignedOrder, is_permitted, read_order, why_not_now
from gated.units import MonoSeconds
from gated.visit.modes import lasts_s
from gated.visit.state import DrillRequested, LaneState, ModeRequested, OpenOrdered, Ordered

log = logging.getLogger(__name__)

COMMANDS_SOCKET = "commands.sock"
COUNTERS_SETTING = "command_counters"
ALARMS_EACH_MINUTE = 5
"""Further ones are counted, and told with the first of the next minute: a disk is soon full."""
MINUTE_S = 60.0
MAX_DETAIL = 200
"""Characters, of a ``CommandContent``."""

PutConfig = Callable[[SetConfig | RollBackConfig], tuple[CommandReason | None, str]]
PutTrust = Callable[
    [AddTrust | RemoveTrust, bytes, TrustList, datetime], tuple[CommandReason | None, str]
]
Gather = Callable[[], Bundle | CommandReason]
PutList = Callable[[ReplaceList, CodeRules, datetime], CommandReason | None]


@dataclass(frozen=True, slots=True)
class Gate:
    """What an order is judged against, other than time and trust.

    Args:
        name: "site/gate".
        counters: the last number of each key, as the ledger remembers them.
        lane_state: the lane as it is now.
        bounds: which records are kept. Raises: StorageError.
        put_list: puts a list in its place, or says why not.
        put_config: sets the overlay, or says why not, and what exactly is wrong.
        put_trust: adds or removes keys, or says why not; and which came and went.
        gather: leaves diagnostics where the uplink takes them, or says why not.
    """

    name: str
    counters: str | None
    lane_state: Callable[[], LaneState]
    bounds: Callable[[], Bounds]
    put_list: PutList
    put_config: PutConfig
    put_trust: PutTrust
    gather: Gather


def gate_of(
    ledger: Ledger,
    config: Callable[[], GateConfig],
    lane_state: Callable[[], LaneState],
    put_config: PutConfig,
    clock: Clock,
) -> Gate:
    """Return this gate; ``config`` returns the one in force."""
    gate, reader = config().gate, LedgerReader(ledger.path)

    def bounds() -> Bounds:
        reader.has_changed()  # moves over to a new epoch's file
        return reader.bounds()

    return Gate(
        name=f"{gate.site}/{gate.name}",
        counters=ledger.setting(COUNTERS_SETTING),
        lane_state=lane_state,
        bounds=bounds,
        put_list=PushedLists(lambda: config().credentials).put,
        put_config=put_config,
        put_trust=PushedTrust(config).put,
        gather=Diagnostician(config, clock, recent_lines).gather,
    )


@dataclass(frozen=True, slots=True)
class _Result:
    """What came of an order that was carried out at once, or was not."""

    why: CommandReason | None = None  # None: it was done
    detail: str = ""
    bundle: Bundle | None = None


class CommandDesk:
    """Takes what the uplink carries, and publishes what the decider is to do. One thread.

    Args:
        publish: hands an item to the decider.
    """

    def __init__(
        self,
        gate: Gate,
        nonces: Nonces,
        timekeeper: Timekeeper,
        clock: Clock,
        publish: Callable[[DeciderItem], None],
    ) -> None:
        self._gate = gate
        self._nonces = nonces
        self._timekeeper = timekeeper
        self._clock = clock
        self._publish = publish
        self._counters = _counters(gate.counters)
        self._minute_began_at = MonoSeconds(float("-inf"))
        self._alarms = 0
        self._untold = 0

    def hear(self, datagram: bytes, codes: CodeRules, observe_for_s: float) -> None:
        """Take what came on the gate's command topic. Never raises, whatever the bytes."""
        payload = unframe(datagram)
        if isinstance(payload, CommandReason):
            self._alarm(payload)
            return
        now = self._timekeeper.judged_now()
        signed = read_order(payload, codes.trust, now)
        if isinstance(signed, CommandReason):
            self._alarm(signed)
            return
        order, key = signed.order, signed.signer.fingerprint.hex()
        if order.gate != self._gate.name:
            self._alarm(CommandReason.WRONG_GATE, signed)
            return
        if order.counter <= self._counters.get(key, 0):
            self._alarm(CommandReason.REPLAYED, signed)
            return
        self._counters[key] = order.counter
        ordered = self._ordered(signed)
        why = self._why_not_now(signed, now)
        if why is not None:
            self._alarm(why, signed)
            self._answer(ordered, _Result(why))
            return
        log.info("command %s of %s, key %s", order.command, ordered.content.by, key)
        self._carry_out(order, payload, ordered, codes, observe_for_s)

    def _why_not_now(self, signed: SignedOrder, now: datetime) -> CommandReason | None:
        if not is_permitted(signed):
            return CommandReason.WRONG_USE
        is_clock_good = self._timekeeper.quality is TimeQuality.TRUSTED
        now_if_known = now if is_clock_good else None
        return why_not_now(signed.order, is_nonce=self._nonces.is_taken, now=now_if_known)

    def watch(self) -> None:
        """Renew the nonce, and tell of alarms that were only counted. Called every second."""
        self._nonces.renew_if_due()
        if self._untold and self._is_new_minute():
            self._alarm(None)

    # --- carrying out ---------------------------------------------------------------------------

    def _carry_out(
        self, order: Order, payload: bytes, ordered: Ordered, codes: CodeRules, observe_for_s: float
    ) -> None:
        match order.deed:
            case OpenOnce():
                self._publish(OpenOrdered(ordered, self._clock.monotonic_s()))
            case SetMode() | SetDrill():
                self._change_mode(order.deed, ordered, observe_for_s)
            case deed:
                self._answer(ordered, self._do(deed, payload, codes))

    def _change_mode(
        self, deed: SetMode | SetDrill, ordered: Ordered, observe_for_s: float
    ) -> None:
        at, by = self._clock.monotonic_s(), ordered.content.by
        state = self._gate.lane_state()
        pending = state.pending_mode
        match deed:
            case SetMode(mode, for_s):
                held_s = lasts_s(mode, for_s, observe_for_s)
                drill = state.drill if pending is None else pending.drill
                expires_at = self._timekeeper.after(held_s)
                self._publish(ModeRequested(mode, drill, by, at, held_s, expires_at, ordered))
            case SetDrill(is_on):
                self._publish(DrillRequested(is_on, by, at, ordered))

    def _do(self, deed: Deed, payload: bytes, codes: CodeRules) -> _Result:
        """Do what is done at once."""
        now = self._timekeeper.judged_now()
        match deed:
            case Resend():
                return _Result(self._why_not_kept(deed))
            case ReplaceList():
                return _Result(self._gate.put_list(deed, codes, now))
            case SetConfig() | RollBackConfig():
                return _Result(*self._gate.put_config(deed))
            case AddTrust() | RemoveTrust():
                return _Result(*self._gate.put_trust(deed, payload, codes.trust, now))
            case Diagnose():
                found = self._gate.gather()
                return _Result(bundle=found) if isinstance(found, Bundle) else _Result(found)
            case Ping():
                return _Result()
            case _:
                return _Result(CommandReason.UNSUPPORTED)

    def _why_not_kept(self, resend: Resend) -> CommandReason | None:
        try:
            bounds = self._gate.bounds()
        except StorageError:
            return CommandReason.STORAGE_FAILED
        is_kept = bounds.oldest_seq <= resend.first_seq and resend.last_seq <= bounds.newest_seq
        return None if is_kept else CommandReason.NOT_KEPT

    # --- what is recorded -----------------------------------------------------------------------

    def _ordered(self, signed: SignedOrder) -> Ordered:
        order = signed.order
        deed = order.deed
        content = CommandContent(
            command=order.command,
            command_id=order.order_id.hex(),
            outcome=CommandOutcome.DONE,
            by=f"centre:{order.by}",
            key=signed.signer.fingerprint.hex(),
            counter=order.counter,
            first_seq=deed.first_seq if isinstance(deed, Resend) else None,
            last_seq=deed.last_seq if isinstance(deed, Resend) else None,
            detail=_detail(order),
        )
        return Ordered(content, ((COUNTERS_SETTING, json.dumps(self._counters)),))

    def _answer(self, ordered: Ordered, result: _Result) -> None:
        is_done = result.why is None
        said: dict[str, object] = {
            "outcome": CommandOutcome.DONE if is_done else CommandOutcome.REFUSED,
            "reason": result.why,
        }
        if result.detail:
            said["detail"] = result.detail[:MAX_DETAIL]
        if result.bundle is not None:
            said |= {
                "bundle_bytes": result.bundle.size_bytes,
                "bundle_sha256": result.bundle.sha256,
            }
        content = ordered.content.model_copy(update=said)
        self._publish(Record(content, tag="command", settings=ordered.settings))

    def _alarm(self, why: CommandReason | None, signed: SignedOrder | None = None) -> None:
        """Record that something was refused; more than a few in a minute are only counted."""
        if self._is_new_minute():
            self._minute_began_at, self._alarms = self._clock.monotonic_s(), 0
        if self._alarms >= ALARMS_EACH_MINUTE:
            self._untold += 1
            return
        self._alarms += 1
        words = [] if why is None else [why.value]
        if signed is not None:
            words.append(f"key {signed.signer.fingerprint.hex()}, by {signed.order.by}")
        if self._untold:
            words.append(f"{self._untold} more in the minute before")
            self._untold = 0
        detail = "command: " + ", ".join(words)
        log.warning("refused a %s", detail)
        self._publish(Record(AlarmContent(alarm=AlarmName.COMMAND_REFUSED, detail=detail[:200])))

    def _is_new_minute(self) -> bool:
        return self._clock.monotonic_s() - self._minute_began_at >= MINUTE_S


def _detail(order: Order) -> str:
    match order.deed:
        case SetMode(mode, for_s):
            return mode.value if for_s is None else f"{mode.value} for {for_s} s"
        case SetDrill(is_on):
            return "on" if is_on else "off"
        case ReplaceList(which, data):
            return f"{which.value}, {len(data)} bytes"
        case SetConfig(values):
            return (", ".join(sorted(values)) or "nothing over the file")[:MAX_DETAIL]
        case RollBackConfig():
            return "rollback"
        case AddTrust(name, data):
            return f"add {name}, {len(data)} bytes"
        case RemoveTrust(name):
            return f"remove {name}"
        case _:
            return ""


def _counters(text: str | None) -> dict[str, int]:
    """Return the counters that the ledger remembers.

    Without them, no order from before is taken all the same: the nonces are new.
    """
    try:
        raw: object = json.loads(text or "{}")
    except ValueError:
        raw = None
    if not isinstance(raw, dict) or not all(type(n) is int for n in raw.values()):
        log.error("the numbers of former commands cannot be read; counting anew")
        return {}
    return {str(key): n for key, n in raw.items()}
