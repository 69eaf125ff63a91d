from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.contents import VisitContent
from gated.controller.remembered import remembered_uses
from gated.controller.site_uses import UsesTranslator
from gated.ledger.mailbox import Mailbox, MailboxReader
from gated.ledger.service import LedgerRequest, LedgerService, MailboxNudge
from gated.ledger.shared_uses import UsesElsewhere
from gated.ledger.uses_inbox import Known
from gated.ledger.writer import PassUses
from gated.messages import CommitFailed, Committed, Credential
from gated.policy import Rules
from gated.units import MonoSeconds
from gated.uses import UseAt
from gated.visit.state import Commit, PassbackReset, Use, UsesShared
from gated.visit.uses import together
from gated.vocabulary import Check, Direction, Outcome, Reason
from tests.lane_rig import LANE, LaneRig
from tests.ledger_drafts import open_ledger, visit
from tests.policy_cases import card

PUPIL = card()
REF = PUPIL.pass_ref or ""
MADE_S = 1_795_600_000
STRICT = replace(LANE, rules=Rules(check_anti_passback=Check.HARD))


def elsewhere(
    count: int = 1,
    direction: Direction = Direction.IN,
    *,
    at: float | None = 90.0,
    code_s: int | None = None,
) -> UsesShared:
    """Say what other gates told; with a count of 0 and no time: given back."""
    when = None if at is None else MonoSeconds(at)
    used = Use(count, direction, newest_code_s=code_s, at=when)
    return UsesShared({REF: used}, MonoSeconds(100.0))


def decided(rig: LaneRig, credential: Credential) -> tuple[Outcome, tuple[Reason, ...]]:
    """Return (outcome, reasons) of somebody who comes up with ``credential``."""
    rig.arrive()
    rig.measure()
    commits = [c for c in rig.show(credential) if isinstance(c, Commit)]
    (content,) = [c.content for c in commits if isinstance(c.content, VisitContent)]
    rig.commit(f"visit/{content.visit_id}")
    rig.leave()
    rig.now += 3.0
    return content.outcome, content.reasons


def pass_through(rig: LaneRig) -> None:
    rig.pass_through()
    rig.now += 5.0


# --- the decision ---------------------------------------------------------------------------------


def test_a_use_elsewhere_uses_a_pass_up() -> None:
    once = replace(PUPIL, max_uses=1)
    rig = LaneRig()
    assert rig.send(elsewhere()) == []
    assert decided(rig, once) == (Outcome.DENIED, (Reason.USED_UP,))


def test_uses_here_and_elsewhere_add_up() -> None:
    thrice = replace(PUPIL, max_uses=3)
    rig = LaneRig()
    assert decided(rig, thrice)[0] is Outcome.GRANTED
    pass_through(rig)
    rig.send(elsewhere(1))
    assert decided(rig, thrice)[0] is Outcome.GRANTED
    pass_through(rig)
    assert decided(rig, thrice) == (Outcome.DENIED, (Reason.USED_UP,))


def test_what_is_told_replaces_what_was_told_of_the_same_pass() -> None:
    once = replace(PUPIL, max_uses=1)
    rig = LaneRig()
    rig.send(elsewhere(1))
    rig.send(elsewhere(0, at=None))  # nobody passed there
    assert decided(rig, once)[0] is Outcome.GRANTED


def test_a_code_that_opened_elsewhere_opens_nothing_here() -> None:
    rig = LaneRig()
    rig.send(elsewhere(code_s=MADE_S))
    assert decided(rig, replace(PUPIL, code_made_s=MADE_S)) == (
        Outcome.DENIED,
        (Reason.REPLAYED,),
    )
    assert decided(rig, replace(PUPIL, code_made_s=MADE_S + 30))[0] is Outcome.GRANTED


def test_a_code_of_a_use_that_was_given_back_elsewhere_stays_used() -> None:
    rig = LaneRig()
    rig.send(elsewhere(0, at=None, code_s=MADE_S))
    assert decided(rig, replace(PUPIL, code_made_s=MADE_S))[1] == (Reason.REPLAYED,)


def test_who_went_in_elsewhere_does_not_go_in_here() -> None:
    rig = LaneRig(STRICT)
    rig.send(elsewhere(direction=Direction.IN))
    assert decided(rig, PUPIL) == (Outcome.DENIED, (Reason.PASSBACK,))


def test_who_went_out_elsewhere_since_may_come_in_again() -> None:
    rig = LaneRig(STRICT)
    assert decided(rig, PUPIL)[0] is Outcome.GRANTED
    pass_through(rig)
    rig.send(elsewhere(0, Direction.OUT, at=rig.now - 1.0))
    assert decided(rig, PUPIL)[0] is Outcome.GRANTED


def test_who_went_out_elsewhere_before_they_came_in_here_is_inside() -> None:
    rig = LaneRig(STRICT)
    assert decided(rig, PUPIL)[0] is Outcome.GRANTED
    pass_through(rig)
    rig.send(elsewhere(0, Direction.OUT, at=50.0))  # told late
    assert decided(rig, PUPIL)[1] == (Reason.PASSBACK,)


def test_the_daily_reset_holds_for_uses_elsewhere_too() -> None:
    rig = LaneRig(STRICT)
    rig.send(elsewhere(direction=Direction.IN))
    rig.send(PassbackReset(rig.at))
    assert decided(rig, PUPIL)[0] is Outcome.GRANTED


def test_what_is_told_while_somebody_is_measured_counts_for_them() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.send(elsewhere())
    commits = [c for c in rig.show(replace(PUPIL, max_uses=1)) if isinstance(c, Commit)]
    assert [c.content.outcome for c in commits if isinstance(c.content, VisitContent)] == [
        Outcome.DENIED
    ]


def test_a_decision_that_is_being_recorded_is_not_taken_back() -> None:
    rig = LaneRig()
    rig.arrive()
    rig.measure()
    rig.show(replace(PUPIL, max_uses=1))
    rig.send(elsewhere())
    assert rig.commit(f"visit/{rig.visit().visit_id}"), "the relay"


@pytest.mark.parametrize(
    ("here", "there", "direction"),
    [
        (Use(1, Direction.IN, at=MonoSeconds(5)), Use(1, Direction.OUT, at=MonoSeconds(6)), "out"),
        (Use(1, Direction.IN, at=MonoSeconds(6)), Use(1, Direction.OUT, at=MonoSeconds(5)), "in"),
        (Use(1, Direction.IN, at=MonoSeconds(6)), Use(1, Direction.OUT), "in"),
        (Use(1, Direction.IN), Use(1, Direction.OUT, at=MonoSeconds(5)), "out"),
        (Use(1, Direction.IN), Use(1, Direction.OUT), "in"),
        (Use(0, Direction.IN, at=MonoSeconds(6)), Use(1, Direction.OUT, at=MonoSeconds(5)), "out"),
        (Use(1, Direction.IN, at=MonoSeconds(5)), Use(0, Direction.OUT, at=MonoSeconds(6)), "out"),
        (Use(1, Direction.IN, at=MonoSeconds(5)), Use(0, Direction.UNKNOWN), "in"),
        (Use(1, Direction.IN), Use(0, Direction.UNKNOWN), "in"),
    ],
)
def test_the_later_use_says_which_way(here: Use, there: Use, direction: str) -> None:
    both = together(here, there)
    assert both is not None
    assert (both.direction, both.count) == (Direction(direction), here.count + there.count)


def test_what_is_known_of_one_side_alone_is_all() -> None:
    used = Use(2, Direction.OUT, is_before_reset=True, newest_code_s=7, at=MonoSeconds(5))
    assert together(used, None) == together(None, used) == used
    assert together(None, None) is None


# --- on the way to it -----------------------------------------------------------------------------


def test_times_elsewhere_become_times_of_our_clock() -> None:
    clock = FakeClock()
    events: list[UsesShared] = []
    reset = datetime(2026, 11, 22, 12, tzinfo=UTC)
    uses = UsesTranslator(clock, lambda when: when < reset, events.append)
    now_ms = round(clock.now().timestamp() * 1_000)
    uses.tell(
        {
            "k1:a": UsesElsewhere(2, Direction.OUT, now_ms - 30_000, MADE_S),
            "k1:b": UsesElsewhere(1, Direction.IN, now_ms - 86_400_000),
            "k1:c": UsesElsewhere(0, Direction.UNKNOWN, None, MADE_S),
        }
    )
    now = clock.monotonic_s()
    assert events == [
        UsesShared(
            {
                "k1:a": Use(2, Direction.OUT, newest_code_s=MADE_S, at=MonoSeconds(now - 30)),
                "k1:b": Use(1, Direction.IN, is_before_reset=True, at=MonoSeconds(now - 86_400)),
                "k1:c": Use(0, Direction.UNKNOWN, newest_code_s=MADE_S),
            },
            now,
        )
    ]


def test_our_own_uses_have_their_times_after_a_restart() -> None:
    clock = FakeClock()
    uses = UsesTranslator(clock, lambda _: False, lambda _: None)
    used_at = clock.now() - timedelta(minutes=5)
    kept = {"k1:a": PassUses(1, Direction.IN, used_at)}
    (used,) = remembered_uses(kept, lambda _: False, uses.at).values()
    assert used.at == pytest.approx(clock.monotonic_s() - 300.0)


class Bench:
    """The ledger's thread, stepped by hand, with an uplink's mailbox."""

    def __init__(self, folder: Path, *, shares: bool = True) -> None:
        self.clock = FakeClock()
        self.ledger = open_ledger(folder / "ledger.db", self.clock).ledger
        self.ledger.append([visit("start")])
        self.mailbox = Mailbox(folder / "uplink.db", self.clock)
        self.requests: queue.Queue[LedgerRequest] = queue.Queue(10)
        self.told: list[dict[str, UsesElsewhere]] = []
        self.answers: list[Committed | CommitFailed] = []
        self.service = LedgerService(
            self.ledger,
            self.requests,
            MailboxReader(folder / "uplink.db"),
            clock=self.clock,
            answer=self.answers.append,
            after_commit=lambda: None,
            on_renewed=lambda _: None,
            keep_acked_s=86_400.0,
            on_uses=(lambda uses: self.told.append(dict(uses))) if shares else None,
        )
        self.steps(10)

    def put(self, count: int) -> None:
        now_ms = round(self.clock.now().timestamp() * 1_000)
        uses = [
            UseAt(
                gate="west-2",
                epoch="k3v7q2m7x2c2d4zt",
                seq=seq,
                pass_ref=f"k1:{seq}",
                direction=Direction.IN,
                at_ms=now_ms,
            )
            for seq in range(1, count + 1)
        ]
        self.mailbox.put_uses(
            uses, collector="centre", known=Known("store", 1), ledger_epoch=self.ledger.epoch
        )
        self.requests.put_nowait(MailboxNudge())

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.service.step(0.0)

    def close(self) -> None:
        self.mailbox.close()
        self.ledger.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_what_waits_is_taken_over_in_chunks_and_told_once(bench: Bench) -> None:
    bench.put(250)
    bench.steps(5)
    assert [len(uses) for uses in bench.told] == [100, 100, 50]
    assert len(bench.ledger.uses_elsewhere()) == 250
    bench.put(250)
    bench.steps(5)
    assert len(bench.told) == 3


def test_a_failure_is_tried_again_and_holds_nothing_up(bench: Bench) -> None:
    bench.ledger._db.execute(
        "CREATE TEMP TRIGGER fail BEFORE INSERT ON site_use BEGIN SELECT raise(FAIL, 'broken'); END"
    )
    bench.put(1)
    bench.steps(5)
    assert bench.told == []
    assert bench.ledger.append([visit("v1")])
    bench.ledger._db.execute("DROP TRIGGER fail")
    bench.steps(3)
    assert bench.told == [], "not again within a second"
    bench.clock.advance(1.1)
    bench.steps(3)
    assert [list(uses) for uses in bench.told] == [["k1:1"]]


def test_a_gate_that_does_not_share_leaves_them_where_they_are(tmp_path: Path) -> None:
    bench = Bench(tmp_path, shares=False)
    bench.put(3)
    bench.steps(5)
    assert bench.ledger.uses_elsewhere() == {}
    bench.close()
