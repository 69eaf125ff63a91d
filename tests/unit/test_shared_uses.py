from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.clock import FakeClock, TimeQuality
from gated.errors import WireError
from gated.ledger import shared_uses
from gated.ledger.files import close_leaving_wal, connect_writer
from gated.ledger.mailbox import Mailbox, MailboxReader
from gated.ledger.reader import LedgerReader
from gated.ledger.shared_uses import Sharing, Span, Taken, Told, UsesElsewhere
from gated.ledger.uses_inbox import Known
from gated.ledger.writer import Ledger
from gated.uses import (
    CODE_FROM_USE_S,
    MAX_MESSAGE_BYTES,
    GateUses,
    SharedUse,
    UseAt,
    believable,
    parse_gate_uses,
    parse_site_uses,
    site_uses_topic,
    uses_answer_topic,
)
from gated.vocabulary import Direction, PassageResult
from gated.wire import GateTopics, PassUse
from tests.ledger_drafts import open_ledger, passage, stamp, visit

EPOCH = "k3v7q2m7x2c2d4zt"
NOW_MS = round(FakeClock().now().timestamp() * 1_000)
NOW_S = NOW_MS // 1_000
DAY_MS = 86_400_000
ALL_TIMES = Span(0, None)


def use(
    seq: int = 1,
    *,
    ref: str = "k1:pass",
    gate: str = "west-2",
    at_ms: int = NOW_MS,
    direction: Direction = Direction.IN,
    zone: str | None = None,
    code_made_s: int | None = None,
    given_back: bool = False,
) -> UseAt:
    return UseAt(
        gate=gate,
        epoch=EPOCH,
        seq=seq,
        pass_ref=ref,
        direction=direction,
        zone=zone,
        at_ms=at_ms,
        code_made_s=code_made_s,
        given_back=given_back,
    )


def told(*uses: UseAt, upto: int = 1) -> Told:
    return Told(Taken("inbox", upto), uses, is_all=True)


def empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    for statement in shared_uses.STATEMENTS:
        db.execute(statement)
    return db


def merged(
    db: sqlite3.Connection, uses: Sequence[UseAt], span: Span = ALL_TIMES
) -> dict[str, UsesElsewhere]:
    shared_uses.merge(db, uses, us=("east-1", EPOCH), span=span)
    return shared_uses.all_uses(db, Sharing())


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(tmp_path / "ledger.db").ledger
    ledger.append([visit("start")])  # says how far the clock can be believed
    yield ledger
    ledger.close()


def grant(ledger: Ledger, visit_id: str, ref: str = "k1:pass", **more: int) -> None:
    used = PassUse(ref, Direction.IN, more.get("code_made_s"))
    ledger.append([visit(visit_id, use=used)])


def own(ledger: Ledger, after: int = 0) -> list[tuple[int, str, bool]]:
    reader = LedgerReader(ledger.path)
    changes = reader.uses_after(after, 100)
    reader.close()
    return [(n, shared.pass_ref, shared.given_back) for n, shared in changes]


# --- merging --------------------------------------------------------------------------------------


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[UseAt], list[UseAt]]:
    """Return what happened, and what arrived of it: everything, in any order, any number of times.

    A use that was given back may arrive both ways, the later state first as well.
    """
    facts = [
        use(
            seq,
            ref=draw(st.sampled_from(["k1:a", "k1:b"])),
            gate=draw(st.sampled_from(["west-2", "south-3"])),
            at_ms=NOW_MS + draw(st.integers(0, 5)),
            direction=draw(st.sampled_from([Direction.IN, Direction.OUT])),
            code_made_s=draw(st.none() | st.integers(NOW_MS // 1_000 - 5, NOW_MS // 1_000)),
            given_back=draw(st.booleans()),
        )
        for seq in range(1, draw(st.integers(1, 6)) + 1)
    ]
    earlier = [fact.model_copy(update={"given_back": False}) for fact in facts]
    extra = draw(st.lists(st.sampled_from([*facts, *earlier])))
    return facts, draw(st.permutations([*facts, *extra]))


@given(deliveries())
def test_neither_order_nor_repetition_makes_a_difference(
    drawn: tuple[list[UseAt], list[UseAt]],
) -> None:
    facts, arrived = drawn
    assert merged(empty(), arrived) == merged(empty(), facts)


@given(deliveries())
def test_the_sum_is_that_of_the_uses(drawn: tuple[list[UseAt], list[UseAt]]) -> None:
    facts, arrived = drawn
    for pass_ref, found in merged(empty(), arrived).items():
        ours = [fact for fact in facts if fact.pass_ref == pass_ref]
        codes = [fact.code_made_s for fact in ours if fact.code_made_s is not None]
        counted = [fact for fact in ours if not fact.given_back]
        assert found.uses == sum(fact.direction is Direction.IN for fact in counted)
        assert found.at_ms == max((fact.at_ms or 0 for fact in counted), default=None)
        assert found.newest_code_s == max(codes, default=None)


def test_a_use_that_was_given_back_does_not_count_but_its_code_stays_used() -> None:
    code_s = NOW_MS // 1_000
    db = empty()
    merged(db, [use(code_made_s=code_s)])
    assert merged(db, [use(code_made_s=code_s, given_back=True)])["k1:pass"] == UsesElsewhere(
        0, Direction.UNKNOWN, None, code_s
    )


def test_the_way_is_that_of_the_last_use_that_counts() -> None:
    uses = [
        use(1, at_ms=NOW_MS - 3_000, direction=Direction.OUT),
        use(2, at_ms=NOW_MS - 2_000, direction=Direction.IN, gate="south-3"),
        use(3, at_ms=NOW_MS - 1_000, direction=Direction.OUT, given_back=True),
    ]
    found = merged(empty(), uses)["k1:pass"]
    assert (found.direction, found.at_ms) == (Direction.IN, NOW_MS - 2_000)


def test_uses_count_where_they_lead_to_the_same_place_the_same_way() -> None:
    """In at the yard and in at a house, in and out again: one use each of a pass for one."""
    uses = [
        use(1, zone="yard"),
        use(2, zone="house"),
        use(3, zone="yard", direction=Direction.OUT, at_ms=NOW_MS + 1),
        use(4, zone="house", gate="south-3"),
    ]
    db = empty()
    merged(db, uses)
    found = {
        (zone, way): shared_uses.all_uses(db, Sharing(zone, way))["k1:pass"]
        for zone in ("yard", "house", None)
        for way in (Direction.IN, Direction.OUT)
    }
    assert {place: used.uses for place, used in found.items()} == {
        ("yard", Direction.IN): 1,
        ("yard", Direction.OUT): 1,
        ("house", Direction.IN): 2,
        ("house", Direction.OUT): 0,
        (None, Direction.IN): 0,
        (None, Direction.OUT): 0,
    }
    last = found["yard", Direction.IN]
    assert (last.direction, last.at_ms) == (Direction.OUT, NOW_MS + 1)
    assert found[None, Direction.IN].at_ms is None


def test_a_code_is_used_in_all_zones_of_the_site() -> None:
    code_s = NOW_MS // 1_000
    db = empty()
    merged(db, [use(zone="yard", code_made_s=code_s)])
    found = shared_uses.all_uses(db, Sharing("house"))["k1:pass"]
    assert found == UsesElsewhere(0, Direction.UNKNOWN, None, code_s)


def test_what_was_used_in_another_zone_leaves_no_count(ledger: Ledger) -> None:
    ledger.take_uses(told(use(zone="yard"), use(2, ref="k1:b", zone="yard", code_made_s=NOW_S)))
    ledger._clock.advance(15 * 86_400)  # type: ignore[attr-defined]  # a FakeClock
    assert ledger.expire_links() == 2
    assert {ref: used.uses for ref, used in ledger.uses_elsewhere().items()} == {"k1:b": 0}


def test_our_own_uses_come_back_and_are_not_counted_twice(ledger: Ledger) -> None:
    grant(ledger, "v1")
    mine = use(2, gate="east-1").model_copy(update={"epoch": ledger.epoch})
    assert ledger.take_uses(told(mine)) == {}
    assert ledger.uses_elsewhere() == {}


def test_uses_of_a_lost_ledger_of_ours_are_learned_from_the_others(ledger: Ledger) -> None:
    assert ledger.take_uses(told(use(gate="east-1")))["k1:pass"].uses == 1


def test_a_time_from_the_future_counts_as_now_and_its_code_not_at_all() -> None:
    later_s = NOW_MS // 1_000 + 365 * 86_400
    from_future = use(at_ms=later_s * 1_000, code_made_s=later_s)
    found = merged(empty(), [from_future], Span(0, NOW_MS))["k1:pass"]
    assert found == UsesElsewhere(1, Direction.IN, NOW_MS, None)


def test_a_use_of_unknown_time_counts_from_when_it_is_heard_of() -> None:
    undated = SharedUse(epoch=EPOCH, seq=1, pass_ref="k1:a", direction=Direction.IN)
    assert believable(undated, "west-2", NOW_MS).at_ms == NOW_MS


def test_a_code_within_ten_minutes_of_its_use_is_believed() -> None:
    at_s = NOW_MS // 1_000
    for away_s, kept in ((CODE_FROM_USE_S, True), (CODE_FROM_USE_S + 1, False)):
        for made_s in (at_s - away_s, at_s + away_s):
            seen = believable(use(at_ms=at_s * 1_000, code_made_s=made_s), "west-2", NOW_MS)
            assert seen.code_made_s == (made_s if kept else None)


# --- what we tell ---------------------------------------------------------------------------------


def test_each_use_and_each_return_is_a_change_with_a_number_of_its_own(ledger: Ledger) -> None:
    grant(ledger, "v1", "k1:a")
    grant(ledger, "v2", "k1:b")
    assert own(ledger) == [(1, "k1:a", False), (2, "k1:b", False)]
    ledger.append([passage("v1", PassageResult.NOBODY_PASSED)])
    assert own(ledger) == [(2, "k1:b", False), (3, "k1:a", True)]
    assert own(ledger, after=2) == [(3, "k1:a", True)]
    ledger.append([passage("v2")])
    assert own(ledger, after=3) == []


def test_a_use_of_the_same_visit_twice_is_one(ledger: Ledger) -> None:
    grant(ledger, "v1")
    grant(ledger, "v1")
    assert len(own(ledger)) == 1


def test_a_use_given_back_twice_is_one_change(ledger: Ledger) -> None:
    grant(ledger, "v1")
    ledger.append([passage("v1", PassageResult.NOBODY_PASSED)])
    ledger.append([passage("v1", PassageResult.NOBODY_PASSED)])
    assert own(ledger) == [(2, "k1:pass", True)]


def test_numbers_go_on_after_everything_was_forgotten(ledger: Ledger) -> None:
    grant(ledger, "v1")
    ledger._clock.advance(20 * 86_400)  # type: ignore[attr-defined]  # a FakeClock
    assert ledger.expire_links() == 1
    grant(ledger, "v2")
    assert [n for n, _, _ in own(ledger)] == [2]


def test_a_damaged_row_keeps_neither_the_others_nor_the_gate_from_working(
    ledger: Ledger,
) -> None:
    for number in range(3):
        grant(ledger, f"v{number}", f"k1:{number}")
    ledger.take_uses(told(use(1), use(2, ref="k1:b")))
    ledger._db.execute("UPDATE own_use SET direction = 'sideways' WHERE n = 1")
    ledger._db.execute("UPDATE own_use SET pass_ref = 'k1 1' WHERE n = 2")
    ledger._db.execute("UPDATE site_use SET direction = 'sideways' WHERE seq = 1")
    assert [n for n, _, _ in own(ledger)] == [1, 3]
    found = ledger.uses_elsewhere()
    assert (found["k1:pass"].uses, found["k1:b"].uses) == (0, 1)


def test_a_ledger_that_does_not_share_notes_nothing(ledger: Ledger) -> None:
    ledger.sharing = Sharing(is_on=False)
    grant(ledger, "v1")
    assert own(ledger) == []
    assert ledger.uses()["k1:pass"].uses == 1


def test_a_use_under_an_unknown_clock_has_no_time_until_the_clock_is_known(
    ledger: Ledger,
) -> None:
    unknown = stamp(quality=TimeQuality.UNKNOWN)
    used = PassUse("k1:a", Direction.IN)
    ledger.append([visit("v1", use=used, when=unknown)])
    reader = LedgerReader(ledger.path)
    assert [shared.at_ms for _, shared in reader.uses_after(0, 9)] == [None]
    ledger.append([visit("v2")])
    assert ledger.expire_links() == 0
    assert [shared.at_ms for _, shared in reader.uses_after(0, 9)] == [NOW_MS]
    reader.close()


# --- what is kept ---------------------------------------------------------------------------------


def test_what_was_taken_over_survives_a_restart(ledger: Ledger, tmp_path: Path) -> None:
    assert ledger.take_uses(told(use(), upto=7)) == {
        "k1:pass": UsesElsewhere(1, Direction.IN, NOW_MS, None)
    }
    ledger.close()
    again = open_ledger(tmp_path / "ledger.db").ledger
    assert again.uses_elsewhere()["k1:pass"].uses == 1
    assert again.uses_taken() == ("inbox", 7)
    again.close()


def test_a_new_epoch_takes_the_uses_over_and_reads_the_inbox_anew(ledger: Ledger) -> None:
    grant(ledger, "v1", "k1:mine")
    ledger.take_uses(told(use(ref="k1:theirs")))
    old = ledger.epoch
    ledger.fork("for a test")
    assert ledger.uses_elsewhere()["k1:theirs"].uses == 1
    assert own(ledger) == [(1, "k1:mine", False)]
    assert ledger.uses_taken() is None
    mine = use(2, gate="east-1", ref="k1:mine").model_copy(update={"epoch": old})
    ledger.append([visit("start again")])
    assert ledger.take_uses(told(mine, use(ref="k1:theirs"))) == {}


def test_after_the_retention_only_a_count_by_day_is_left(ledger: Ledger) -> None:
    code_s = NOW_MS // 1_000 - 5
    ledger.take_uses(told(use(1, code_made_s=code_s), use(2, gate="south-3", at_ms=NOW_MS - 9)))
    ledger._clock.advance(14 * 86_400 - 1)  # type: ignore[attr-defined]  # a FakeClock
    assert ledger.expire_links() == 0
    ledger._clock.advance(2)  # type: ignore[attr-defined]
    assert ledger.expire_links() == 2
    assert ledger._db.execute("SELECT count(*) FROM site_use").fetchone() == (0,)
    found = ledger.uses_elsewhere()["k1:pass"]
    assert found.uses == 2
    assert found.at_ms == NOW_MS - NOW_MS % DAY_MS
    assert found.newest_code_s is not None
    assert found.newest_code_s >= code_s, "moved down, the code could open again"
    assert found.newest_code_s % 86_400 == 0


def test_what_was_forgotten_is_not_counted_again_when_it_comes_again(ledger: Ledger) -> None:
    ledger.take_uses(told(use()))
    ledger._clock.advance(15 * 86_400)  # type: ignore[attr-defined]  # a FakeClock
    ledger.expire_links()
    assert ledger.take_uses(told(use())) == {}
    assert ledger.uses_elsewhere()["k1:pass"].uses == 1


def test_counts_of_several_days_add_up(ledger: Ledger) -> None:
    for day in range(3):
        at_ms = NOW_MS + day * DAY_MS
        ledger.take_uses(told(use(day + 1, at_ms=at_ms)))
        ledger._clock.advance(86_400)  # type: ignore[attr-defined]  # a FakeClock
    ledger._clock.advance(12.5 * 86_400)  # type: ignore[attr-defined]
    ledger.expire_links()
    ledger._clock.advance(86_400)  # type: ignore[attr-defined]
    ledger.expire_links()
    assert ledger.uses_elsewhere()["k1:pass"].uses == 3
    assert ledger._db.execute("SELECT count(*) FROM site_total").fetchone() == (1,)


def test_forgetting_goes_in_small_chunks(ledger: Ledger) -> None:
    ledger.take_uses(told(*(use(seq, ref=f"k1:{seq}") for seq in range(1, 8))))
    ledger._clock.advance(15 * 86_400)  # type: ignore[attr-defined]  # a FakeClock
    assert [ledger.expire_links(limit=3) for _ in range(4)] == [3, 3, 1, 0]


def test_a_file_of_schema_1_gets_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path).ledger
    ledger.append([visit("v1")])
    ledger.close()
    db = connect_writer(path, synchronous="FULL")
    for table in ("own_use", "site_use", "site_total", "uses_taken"):
        db.execute(f"DROP TABLE {table}")
    db.execute("ALTER TABLE pass_use DROP COLUMN newest_code_s")
    db.execute("UPDATE meta SET v = '1' WHERE k = 'schema'")
    db.execute("PRAGMA user_version = 1")
    close_leaving_wal(db, path)
    opened = open_ledger(path)
    assert opened.how == "opened"
    grant(opened.ledger, "v2")
    opened.ledger.take_uses(told(use()))
    assert len(own(opened.ledger)) == len(opened.ledger.uses_elsewhere()) == 1
    opened.ledger.close()


# --- uplink.db ------------------------------------------------------------------------------------


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    mailbox = Mailbox(tmp_path / "uplink.db", FakeClock())
    yield mailbox
    mailbox.close()


def put(mailbox: Mailbox, *uses: UseAt, change: int = 1) -> int | None:
    known = Known("store", change)
    return mailbox.put_uses(uses, collector="centre", known=known, ledger_epoch=EPOCH)


def test_the_inbox_keeps_what_is_new_and_gives_it_in_order(mailbox: Mailbox) -> None:
    assert put(mailbox, use(1), use(2)) == 2
    assert put(mailbox, use(1)) == 0
    assert put(mailbox, use(1, given_back=True)) == 1
    assert put(mailbox, use(1)) == 0, "an old message that came late"
    reader = MailboxReader(mailbox.path)
    first = reader.uses_after(None, 1)
    assert first is not None
    assert (first.uses, first.is_all) == ((use(2),), False)
    rest = reader.uses_after(first.taken, 5)
    assert rest is not None
    assert (rest.uses, rest.is_all) == ((use(1, given_back=True),), True)
    assert reader.uses_after(rest.taken, 5) is None
    reader.close()


def test_what_was_taken_is_dropped_and_another_files_ids_say_nothing(mailbox: Mailbox) -> None:
    put(mailbox, use(1), use(2))
    reader = MailboxReader(mailbox.path)
    first = reader.uses_after(None, 1)
    assert first is not None
    mailbox.drop_uses(Taken("another file", 99))
    mailbox.drop_uses(first.taken)
    left = reader.uses_after(Taken("another file", 99), 5)
    assert left is not None
    assert left.uses == (use(2),)
    reader.close()


def test_a_full_inbox_takes_nothing_and_forgets_nothing(mailbox: Mailbox) -> None:
    mailbox._db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
        " INSERT INTO shared_use (gate, epoch, seq, given_back, use)"
        " SELECT 'x', '', i, 0, '' FROM n"
    )
    assert put(mailbox, use(), change=5) is None
    assert mailbox.known_uses(EPOCH) == {}


def test_a_new_ledger_asks_for_everything_again(mailbox: Mailbox) -> None:
    put(mailbox, use(), change=5)
    assert mailbox.known_uses(EPOCH) == {"centre": Known("store", 5)}
    assert mailbox.known_uses("a" * 16) == {}


def test_a_damaged_row_is_passed_over(mailbox: Mailbox) -> None:
    put(mailbox, use(1), use(2))
    mailbox._db.execute("UPDATE shared_use SET use = '{' WHERE seq = 1")
    reader = MailboxReader(mailbox.path)
    found = reader.uses_after(None, 5)
    assert found is not None
    assert (found.uses, found.taken.id) == ((use(2),), 2)
    reader.close()


# --- messages -------------------------------------------------------------------------------------


def test_a_message_comes_back_as_it_was() -> None:
    shared = SharedUse(epoch=EPOCH, seq=3, pass_ref="k1:a", direction=Direction.OUT, at_ms=5)
    message = GateUses(epoch=EPOCH, after=1, upto=3, uses=(shared,), known={"centre": ("store", 9)})
    assert parse_gate_uses(message.model_dump_json().encode()) == message


GOOD = '{"v":1,"epoch":"k3v7q2m7x2c2d4zt","after":0,"upto":1,"uses":[%s]}'
GOOD_USE = '{"epoch":"k3v7q2m7x2c2d4zt","seq":1,"pass_ref":"k1:a","direction":"in","at_ms":1}'


def test_the_good_message_is_one() -> None:
    assert len(parse_gate_uses((GOOD % GOOD_USE).encode()).uses) == 1


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "[]",
        "{",
        GOOD.replace('"v":1', '"v":2') % GOOD_USE,
        GOOD.replace('"after":0', '"after":2') % GOOD_USE,
        GOOD.replace('"after":0', '"after":-1') % GOOD_USE,
        GOOD.replace('"upto":1', '"upto":1e400') % GOOD_USE,
        GOOD % ",".join([GOOD_USE] * 51),
        GOOD % GOOD_USE.replace('"seq":1', '"seq":"1"'),
        GOOD % GOOD_USE.replace('"seq":1', '"seq":0'),
        GOOD % GOOD_USE.replace('"seq":1', '"seq":99999999999999999999'),
        GOOD % GOOD_USE.replace("k1:a", "k1 a"),
        GOOD % GOOD_USE.replace("k1:a", "k" * 65),
        GOOD % GOOD_USE.replace("k1:a", "\\ud800"),
        GOOD % GOOD_USE.replace('"in"', '"sideways"'),
        GOOD % GOOD_USE.replace('"at_ms":1', '"at_ms":-1'),
        GOOD % GOOD_USE.replace('"at_ms":1', '"code_made_s":4294967296'),
        GOOD % GOOD_USE + " " * MAX_MESSAGE_BYTES,
    ],
)
def test_whatever_else_comes_is_refused_without_quoting_it(payload: str) -> None:
    with pytest.raises(WireError, match="no message about uses") as caught:
        parse_gate_uses(payload.encode())
    assert "k1" not in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_bring_the_parsers_down(payload: bytes) -> None:
    for parse in (parse_gate_uses, parse_site_uses):
        with pytest.raises(WireError):
            parse(payload)


def test_the_messages_and_topics_on_the_page_are_those() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/mqtt-reference.md").read_text("utf-8")
    examples = re.findall(r"```json\n(\{.*?\})\n```", page, re.DOTALL)
    told, answer = (text.replace("\n", "").encode() for text in examples if '"uses":' in text)
    assert parse_gate_uses(told).uses[0].seq == 48213
    assert parse_site_uses(answer).uses[0].gate == "east-1"
    topics = GateTopics("{site}", "{gate}")
    for topic in (topics.uses, site_uses_topic("{site}"), uses_answer_topic(topics)):
        assert f"`{topic}`" in page


def test_a_gate_that_tells_of_uses_without_end_fills_nobodys_disk() -> None:
    db = empty()
    others = [use(seq, ref="k1:hers", gate="west-3") for seq in (1, 2)]
    flood = [use(seq, ref=f"k1:{seq}") for seq in range(1, 9)]
    for each in (*others, *flood):
        shared_uses.merge(db, [each], us=("east-1", EPOCH), span=ALL_TIMES, most=3)
    known = shared_uses.all_uses(db, Sharing())
    counts = {ref: told.uses for ref, told in known.items()}
    assert counts == {"k1:hers": 2, "k1:1": 1, "k1:2": 1, "k1:3": 1}
    back = [use(seq, ref=f"k1:{seq}", given_back=True) for seq in (1, 8)]
    changed = shared_uses.merge(db, back, us=("east-1", EPOCH), span=ALL_TIMES, most=3)
    assert changed == {"k1:1"}
