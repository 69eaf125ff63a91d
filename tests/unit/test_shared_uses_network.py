"""Three gates and a collector over a network that loses, repeats and reorders what it likes."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gated.clock import FakeClock
from gated.collector.sqlite_store import SqliteStore
from gated.collector.store import Arrival
from gated.collector.uses import UsesDesk as CollectorDesk
from gated.ledger.mailbox import Mailbox, MailboxReader
from gated.ledger.writer import Ledger
from gated.uplink.feed import Feed
from gated.uplink.uses import ANSWER_WAIT_S, ASK_AGAIN_S, ASK_EVERY_S, UsesDesk
from gated.uses import GateUses, parse_gate_uses, parse_site_uses
from gated.vocabulary import Direction, PassageResult
from gated.wire import GateTopics, PassUse
from tests.ledger_drafts import open_ledger, passage, visit

SITE = "lixin-primary"
NAMES = ("east-1", "south-3", "west-2")
PASSES = ("k1:a", "k1:b")


class Gate:
    """One gate's controller and uplink, without their threads and their broker."""

    def __init__(self, folder: Path, name: str, clock: FakeClock) -> None:
        folder.mkdir()
        self.name, self._folder, self._clock = name, folder, clock
        self.topics = GateTopics(SITE, name)
        self.inbox: list[tuple[str, bytes]] = []
        self.used: list[tuple[str, str]] = []  # (visit, pass) that was not given back
        self.nudges = self.count = 0
        self._open()

    def _open(self) -> None:
        self.ledger: Ledger = open_ledger(
            self._folder / "ledger.db", self._clock, gate=self.name
        ).ledger
        self.ledger.append([visit("start")])
        self.mailbox = Mailbox(self._folder / "uplink.db", self._clock)
        self._reader = MailboxReader(self._folder / "uplink.db")
        self.feed = Feed(self._folder / "ledger.db", self.topics)
        self.desk = UsesDesk(self.topics, self.mailbox, self.feed, self._clock, self._nudge)
        self.desk.connect()
        self.is_connected = True

    def _nudge(self) -> None:
        self.nudges += 1

    def use(self, pass_ref: str) -> None:
        self.count += 1
        visit_id = f"v{self.count}"
        self.ledger.append([visit(visit_id, use=PassUse(pass_ref, Direction.IN))])
        self.used.append((visit_id, pass_ref))

    def give_back(self) -> None:
        if self.used:
            visit_id, _ = self.used.pop()
            self.ledger.append([passage(visit_id, PassageResult.NOBODY_PASSED)])

    def say(self) -> bytes | None:
        self.feed.refresh()
        return self.desk.due()

    def hear_all(self) -> None:
        while self.inbox:
            self.desk.hear(*self.inbox.pop(0))
        while (told := self._reader.uses_after(self.ledger.uses_taken(), 3)) is not None:
            self.ledger.take_uses(told)

    def disconnect(self) -> None:
        self.is_connected = False
        self.desk.disconnect()
        self.inbox.clear()

    def reconnect(self) -> None:
        self.disconnect()
        self.is_connected = True
        self.desk.connect()

    def restart(self) -> None:
        self.inbox.clear()
        self.close()
        self._open()

    def lose_uplink_db(self) -> None:
        self.close()
        for file in self._folder.glob("uplink.db*"):
            file.unlink()
        self.inbox.clear()
        self._open()

    def known(self) -> Counter[str]:
        return Counter({ref: used.uses for ref, used in self.ledger.uses_elsewhere().items()})

    def close(self) -> None:
        self._reader.close()
        self.feed.close()
        self.mailbox.close()
        self.ledger.close()


@dataclass
class Site:
    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.gates = [Gate(self.folder / name, name, self.clock) for name in NAMES]
        self.to_centre: list[tuple[str, bytes]] = []
        self.said = self.heard = 0
        self._open_centre()

    def _open_centre(self) -> None:
        self.store = SqliteStore(self.folder / "records.db", keep_person_days=14)
        self._desk = CollectorDesk("centre", self.store, self._publish)

    def _publish(self, topic: str, payload: bytes) -> None:
        parse_site_uses(payload)
        self.heard += 1
        for gate in self.gates:
            if gate.is_connected and topic in gate.desk.topics:
                gate.inbox.append((topic, payload))

    def let_speak(self, gate: Gate) -> None:
        payload = gate.say()
        if payload is not None:
            self.said += 1
            parse_gate_uses(payload)
            self.to_centre.append((gate.topics.uses, payload))

    def collect(self) -> None:
        now_ms = round(self.clock.now().timestamp() * 1_000)
        batch = [Arrival(topic, payload, now_ms) for topic, payload in self.to_centre]
        self.to_centre.clear()
        if batch:
            result = self.store.ingest(batch)
            self._desk.tell(result.uses_asked, result.sites_with_new_uses)

    def restart_centre(self) -> None:
        self.store.close()
        self._open_centre()

    def lose_the_store(self) -> None:
        self.store.close()
        for file in self.folder.glob("records.db*"):
            file.unlink()
        self._open_centre()

    def round(self, passed_s: float = ASK_AGAIN_S) -> None:
        """Let everybody speak once and everything arrive."""
        self.clock.advance(passed_s)
        for gate in self.gates:
            self.let_speak(gate)
        self.collect()
        for gate in self.gates:
            gate.hear_all()

    def settle(self) -> None:
        """Let nothing be lost for as long as it takes."""
        for _ in range(3):
            self.round(ASK_EVERY_S)
            for _ in range(8):
                self.round()

    def check(self) -> None:
        for gate in self.gates:
            others = [g for g in self.gates if g is not gate]
            true = Counter(ref for other in others for _, ref in other.used)
            assert +gate.known() == true, gate.name

    def close(self) -> None:
        self.store.close()
        for gate in self.gates:
            gate.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


ACTIONS = ("use", "use", "use", "give back", "speak", "speak", "collect", "hear", "lose", "repeat",
           "swap", "reconnect", "restart", "lose uplink.db", "restart centre",
           "lose the store")  # fmt: skip


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 2)), max_size=40))
def test_whatever_is_lost_on_the_way_in_the_end_every_gate_knows_all_uses(
    script: list[tuple[str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        try:
            for action, number in script:
                play(site, action, number)
            site.settle()
            site.check()
        finally:
            site.close()


def play(site: Site, action: str, number: int) -> None:  # noqa: PLR0912  one branch for each action
    gate = site.gates[number]
    site.clock.advance(0.7)
    match action:
        case "use":
            gate.use(PASSES[number % 2])
        case "give back":
            gate.give_back()
        case "speak":
            site.clock.advance(number * ANSWER_WAIT_S)
            site.let_speak(gate)
        case "collect":
            site.collect()
        case "hear":
            gate.hear_all()
        case "lose":
            del gate.inbox[:1]
            del site.to_centre[number : number + 1]
        case "repeat":
            gate.inbox.extend(gate.inbox[:2])
            site.to_centre.extend(site.to_centre[:2])
        case "swap":
            gate.inbox.reverse()
            site.to_centre.reverse()
        case "reconnect":
            gate.reconnect()
        case "restart":
            gate.restart()
        case "lose uplink.db":
            gate.lose_uplink_db()
        case "restart centre":
            site.restart_centre()
        case "lose the store":
            site.lose_the_store()


def test_a_use_is_known_everywhere_after_one_message_each(site: Site) -> None:
    site.settle()
    said, heard = site.said, site.heard
    site.gates[0].use("k1:a")
    site.round(0.1)
    site.check()
    assert (site.said - said, site.heard - heard) == (1, 2), "told, answered, and told to all"


def test_nothing_is_said_while_nothing_happens_but_one_question_a_minute(site: Site) -> None:
    site.settle()
    said = site.said
    for _ in range(120):
        site.round(1.0)
    assert site.said - said == 2 * len(NAMES)


def test_what_is_not_answered_is_said_again_only_after_a_while(site: Site) -> None:
    site.settle()
    gate = site.gates[0]
    gate.use("k1:a")
    site.let_speak(gate)
    first = site.to_centre.pop()
    for _ in range(9):
        site.clock.advance(1.0)
        gate.use("k1:b")
        site.let_speak(gate)
    assert site.to_centre == []
    site.clock.advance(1.0)
    site.let_speak(gate)
    ((_, again),) = site.to_centre
    assert parse_gate_uses(again).uses[0] == parse_gate_uses(first[1]).uses[0]
    assert len(parse_gate_uses(again).uses) == 10


def test_what_the_controller_has_taken_over_does_not_stay_in_the_inbox(site: Site) -> None:
    site.gates[0].use("k1:a")
    site.settle()
    for gate in site.gates[1:]:
        assert gate.nudges == 1
        assert gate.mailbox._db.execute("SELECT count(*) FROM shared_use").fetchone() == (0,)


def test_a_gate_that_was_away_learns_all_pages_of_what_it_missed(site: Site) -> None:
    site.settle()
    away = site.gates[2]
    away.disconnect()
    for _ in range(130):
        site.gates[0].use("k1:a")
    for _ in range(10):
        site.round()
    assert away.known() == Counter()
    away.reconnect()
    for _ in range(4):
        site.round(0.1)  # pages follow each other at once
    site.check()


def test_a_gate_without_a_collector_keeps_its_uses_until_there_is_one(site: Site) -> None:
    for _ in range(30):
        site.gates[0].use("k1:b")
        site.clock.advance(ANSWER_WAIT_S)
        site.let_speak(site.gates[0])
    assert site.said <= 30 * ANSWER_WAIT_S / ASK_EVERY_S + 1, "a question a minute, no more"
    site.to_centre.clear()
    site.settle()
    site.check()


def test_a_new_ledger_of_a_gate_knows_again_what_the_site_knows(site: Site) -> None:
    site.gates[0].use("k1:a")
    site.gates[1].use("k1:a")
    site.settle()
    gate = site.gates[0]
    gate.close()
    for file in gate._folder.iterdir():
        file.unlink()
    gate._open()
    site.settle()
    assert gate.known() == Counter({"k1:a": 2}), "its own, of the ledger before, and the other's"


def test_a_collector_that_was_restored_from_a_backup_gets_again_what_it_lost(site: Site) -> None:
    site.gates[0].use("k1:a")
    site.settle()
    site.store.close()
    backup = (site.folder / "records.db").read_bytes()
    site._open_centre()
    site.gates[0].use("k1:b")
    site.settle()
    site.store.close()
    for file in site.folder.glob("records.db*"):
        file.unlink()
    (site.folder / "records.db").write_bytes(backup)
    site._open_centre()
    for gate in (site.gates[0], site.gates[2]):
        gate.disconnect()
    site.gates[1].use("k1:b")  # takes the number of the use that was lost, if numbers only count
    site.settle()
    for gate in (site.gates[0], site.gates[2]):
        gate.reconnect()
    site.settle()
    site.check()
    assert len(site.store.uses_page(SITE, 0).uses) == 3


def test_a_page_that_was_lost_is_noticed_by_the_next_one(site: Site) -> None:
    site.settle()
    for gate in site.gates[1:]:
        gate.use("k1:a")
        site.let_speak(gate)
        site.collect()
        site.gates[0].inbox.clear()
        gate.hear_all()
    site.gates[1].use("k1:b")
    site.round(0.1)
    assert site.gates[0].known() == Counter({"k1:b": 1}), "what came counts, hole or not"
    site.round()
    site.check()


def test_another_store_is_asked_from_its_beginning_though_its_clock_is_slow(site: Site) -> None:
    site.gates[0].use("k1:a")
    site.settle()
    site.clock.wall -= timedelta(days=2)
    site.lose_the_store()
    site.gates[1].use("k1:b")
    site.settle()
    site.check()
    site.gates[2].disconnect()
    site.gates[1].use("k1:a")
    site.settle()
    site.gates[2].reconnect()
    site.settle()
    site.check()


def test_uses_of_another_site_stay_there(site: Site) -> None:
    now_ms = round(site.clock.now().timestamp() * 1_000)
    site.gates[0].use("k1:a")
    payload = site.gates[0].say()
    assert payload is not None
    elsewhere = GateTopics("other-school", "east-1").uses
    site.store.ingest([Arrival(elsewhere, payload, now_ms)])
    assert site.store.uses_page(SITE, 0).uses == ()


def test_a_collector_that_keeps_no_persons_shares_nothing_and_is_not_asked_again(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    site.store.close()
    site.store = SqliteStore(tmp_path / "none.db", keep_person_days=0)
    site._desk = CollectorDesk("centre", site.store, site._publish)
    site.gates[0].use("k1:a")
    site.settle()
    said = site.said
    site.round(0.1)
    assert site.said == said
    assert site.gates[1].known() == Counter()
    site.close()


def test_what_the_collector_kept_long_enough_is_deleted(site: Site) -> None:
    site.gates[0].use("k1:a")
    site.settle()
    site.clock.advance(15 * 86_400)
    assert site.store.delete_expired(round(site.clock.now().timestamp() * 1_000)) == 1
    assert site.store.uses_page(SITE, 0).uses == ()
    site.settle()
    site.check()


def test_a_copy_of_a_gates_topic_by_a_stranger_changes_only_that_gates_uses(site: Site) -> None:
    """Whoever may write as west-2 can use passes up; it can give back nobody else's uses."""
    site.gates[0].use("k1:a")
    site.settle()
    page = site.store.uses_page(SITE, 0)
    forged = page.uses[0].model_copy(update={"given_back": True})
    message = GateUses(epoch=forged.epoch, after=0, upto=1, uses=(forged,))
    payload = message.model_dump_json().encode()
    now_ms = round(site.clock.now().timestamp() * 1_000)
    site.store.ingest([Arrival(GateTopics(SITE, "west-2").uses, payload, now_ms)])
    kept = {use.gate: use.given_back for use in site.store.uses_page(SITE, 0).uses}
    assert kept == {"east-1": False, "west-2": True}
