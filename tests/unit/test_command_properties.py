"""Whoever owns the broker: whatever they hold back, repeat, reorder or change, no command of the
centre is carried out twice, late, at another gate, or after a later one. Over restarts, too.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from gated.contents import CommandContent, CommandName, CommandOutcome, CommandReason
from gated.controller.nonces import NEW_EVERY_S
from gated.deeds import OpenOnce, SetDrill, SetMode
from gated.messages import PassageSensed
from gated.orders import make_order
from gated.units import MonoSeconds
from gated.vocabulary import Mode
from tests.command_rig import CENTRE, ELSEWHERE, HERE, LIFETIME_S, GateRig

DEEDS = st.sampled_from(
    [OpenOnce(), OpenOnce(), SetMode(Mode.CLOSED), SetMode(Mode.NORMAL), SetMode(Mode.OBSERVE, 60),
     SetDrill(is_on=True)]
)  # fmt: skip
MOST_S = 2 * NEW_EVERY_S


@dataclass(frozen=True)
class Captured:
    """A command that the centre has signed, as the broker has it."""

    payload: bytes
    command_id: str
    gate: str
    counter: int
    boot: int
    signed_at_s: MonoSeconds
    is_signed_with_good_clock: bool


class HostileBroker(RuleBasedStateMachine):
    """Everything that the broker can do to one gate."""

    captured = Bundle("captured")

    def __init__(self) -> None:
        super().__init__()
        self.gate = GateRig()
        self.signed = 0
        self.boot = 0
        self.heard: dict[str, Captured] = {}
        self.greatest = 0  # of the counters that were carried out
        self.checked = 0
        self.has_chance_repeated = False

    @rule(target=captured, deed=DEEDS, gate=st.sampled_from([HERE, HERE, ELSEWHERE]))
    def sign(self, deed: OpenOnce | SetMode | SetDrill, gate: str) -> Captured:
        """The centre signs a command for this gate or another; the broker has it now."""
        self.signed += 1
        order = self.gate.order(
            deed, gate=gate, counter=self.signed, order_id=self.signed.to_bytes(16, "big")
        )
        captured = Captured(
            make_order(order, CENTRE),
            order.order_id.hex(),
            gate,
            self.signed,
            self.boot,
            self.gate.clock.monotonic_s(),
            self.gate.is_clock_set,
        )
        self.heard[captured.command_id] = captured
        return captured

    @rule(what=captured)
    def hand_over(self, what: Captured) -> None:
        self.gate.hear(what.payload)

    @rule(what=captured, times=st.integers(2, 4))
    def repeat(self, what: Captured, times: int) -> None:
        for _ in range(times):
            self.gate.hear(what.payload)

    @rule(what=captured)
    def retain(self, what: Captured) -> None:
        assert self.gate.hear(what.payload, is_retained=True) is None

    @rule(what=captured, data=st.data())
    def change(self, what: Captured, data: st.DataObject) -> None:
        """Cut off the end, change a byte, or put one command's tail on another's head."""
        raw = bytearray(what.payload)
        at = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.sampled_from(["cut", "flip", "splice", "redirect"])):
            case "cut":
                del raw[at:]
            case "flip":
                raw[at] ^= data.draw(st.integers(1, 255))
            case "splice":
                other = data.draw(st.sampled_from(sorted(self.heard)))
                tail = self.heard[other].payload[at:]
                if raw[at:] == tail or raw[:at] == self.heard[other].payload[:at]:
                    return  # that is a command as it was signed
                raw[at:] = tail
            case "redirect":
                raw = raw.replace(ELSEWHERE.encode(), b"school/east-1\0"[: len(ELSEWHERE)])
                if bytes(raw) == what.payload:
                    return
        if bytes(raw) not in {each.payload for each in self.heard.values()}:
            assert self.gate.hear(bytes(raw)) is None, "it was no command any more"

    @rule(seconds=st.sampled_from([0.5, 5.0, 29.0, 31.0, 59.0, 61.0, 119.0, 130.0]))
    def wait(self, seconds: float) -> None:
        self.gate.clock.advance(seconds)
        self.gate.desk.watch()

    @rule()
    def somebody_passes(self) -> None:
        self.gate.take(PassageSensed(self.gate.clock.monotonic_s()))

    @rule(is_set=st.booleans())
    def clock(self, *, is_set: bool) -> None:
        self.gate.is_clock_set = is_set

    @rule(is_full=st.booleans())
    def disk(self, *, is_full: bool) -> None:
        self.gate.is_disk_full = is_full

    @rule(is_ledger_lost=st.booleans())
    def restart(self, *, is_ledger_lost: bool) -> None:
        """The power goes; perhaps the card is a new one afterwards."""
        if is_ledger_lost and not self.has_chance_repeated:
            self.gate.settings.clear()
        self.boot += 1
        self.gate.restart()

    @rule()
    def restart_with_the_same_nonces(self) -> None:
        """No chance at all: then what the ledger remembers is all that there is."""
        self.has_chance_repeated = True
        self.gate.draws = itertools.count()
        self.gate.restart()

    @rule(target=captured)
    def nothing(self) -> Captured:
        return multiple()  # type: ignore[return-value]  # hypothesis: no value for the bundle

    # --- what must hold whatever happened -------------------------------------------------------

    @invariant()
    def each_command_is_done_once_in_time_in_order_and_here(self) -> None:
        answers = [c for c in self.gate.recorded if isinstance(c, CommandContent)]
        done = [c for c in answers if c.outcome is CommandOutcome.DONE]
        assert len({c.command_id for c in done}) == len(done)
        for content in done[self.checked :]:
            was = self.heard[content.command_id]
            age_s = self.gate.clock.monotonic_s() - was.signed_at_s
            assert was.gate == HERE
            if not self.has_chance_repeated:
                assert was.boot == self.boot
                assert age_s < (LIFETIME_S if self.gate.is_clock_set else MOST_S)
            assert was.counter > self.greatest
            self.greatest = was.counter
        self.checked = len(done)

    @invariant()
    def the_gate_opens_for_commands_only_and_once_for_each(self) -> None:
        opened = [
            c
            for c in self.gate.recorded
            if isinstance(c, CommandContent)
            and (c.command, c.outcome) == (CommandName.OPEN, CommandOutcome.DONE)
        ]
        assert self.gate.openings == len(opened)

    @invariant()
    def a_mode_changes_once_for_each_command(self) -> None:
        known = {each.command_id for each in self.heard.values() if each.gate == HERE}
        assert len(self.gate.modes) <= len(known)

    @invariant()
    def whatever_is_refused_for_what_it_is_is_an_alarm(self) -> None:
        for content in self.gate.recorded:
            if isinstance(content, CommandContent) and content.reason in (
                CommandReason.OLD_NONCE,
                CommandReason.EXPIRED,
            ):
                assert self.gate.alarms


HostileBroker.TestCase.settings = settings(max_examples=120, stateful_step_count=40)
TestHostileBroker = HostileBroker.TestCase
