"""Rosters: what a line says, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gated.credentials.gp1 import seal
from gated.credentials.signatures import key_fingerprint
from gated.errors import GatedError
from gated.office.issuing import MAX_CARD_CHARACTERS, MAX_SLIP_CHARACTERS
from gated.office.moments import end_of, start_of
from gated.office.passes import Holder, PassKind, RegisteredPass, RevokedWhy
from gated.office.planning import Doing, Known, Plan, plan_roster
from gated.office.roster import Roster, parse_roster
from gated.office.table_file import parse_table
from gated.vocabulary import HolderCategory

NOW = datetime(2026, 11, 26, 4, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY_ID = key_fingerprint(KEY.public_key())
NOBODY = Known((), ())


def roster(*lines: str, head: str = "姓名,班级") -> Roster:
    return parse_roster(parse_table("\n".join([head, *lines]).encode(), "x.csv"), "x.csv")


def planned(
    *lines: str, head: str = "姓名,班级", known: Known = NOBODY, until: date | None = None
) -> Plan:
    read = roster(*lines, head=head)
    assert read.problems == ()
    return plan_roster(read.entries, known, now=NOW, key=KEY, until=until)


def registered(plan: Plan, before: Known = NOBODY) -> Known:
    """Return the register after ``plan``."""
    holders = {holder.pseudonym: holder for holder in before.holders}
    passes = list(before.passes)
    for step in plan.steps:
        holders |= {holder.pseudonym: holder for holder in step.holders}
        if step.doing is Doing.KEEP:
            continue
        if step.old is not None:
            at = passes.index(step.old)
            number = len(passes) + 1
            passes[at] = replace(
                step.old, revoked_at=NOW, revoked_why=RevokedWhy.CHANGED, replaced_by=number
            )
        passes.append(
            RegisteredPass(
                len(passes) + 1, step.kind, holders[step.claims.sub], step.claims, KEY_ID, NOW
            )
        )
    passes = [replace(item, holder=holders[item.holder.pseudonym]) for item in passes]
    return Known(tuple(holders.values()), tuple(passes))


def doings(plan: Plan) -> list[Doing]:
    return [step.doing for step in plan.steps]


# --- what a line says ----------------------------------------------------------------------------


def test_columns_may_be_headed_in_chinese_or_english_and_stand_in_any_order() -> None:
    chinese = roster("g3-2,张三,,是", head="班级,姓名,编号,行动较慢")
    english = roster("张三,yes,g3-2", head="Name,SLOW,Class")
    assert chinese.entries == english.entries
    assert chinese.entries[0].is_slow


@pytest.mark.parametrize("zone", ["食堂", "Canteen", "a_yard", "-yard", "canteen-of-school"])
def test_a_zone_that_no_gate_can_be_configured_with_is_a_problem_of_its_line(zone: str) -> None:
    read = roster(f"张三,yard、{zone}", "李四,canteen、yard-2", head="姓名,区域")
    assert [entry.zones for entry in read.entries] == [("canteen", "yard-2")]
    (problem,) = read.problems
    assert "gate.zone" in problem.text
    assert "canteen" in problem.text


def test_a_title_may_stand_above_the_headings_and_other_columns_are_not_read() -> None:
    read = roster("姓名,身份证号,班级", "张三,11010519491231002X,g3-2", head="三年2班名单")
    assert [(e.number, e.name, e.group) for e in read.entries] == [(3, "张三", "g3-2")]
    assert read.unread == ("身份证号",)
    assert "1949" not in repr(read)


@pytest.mark.parametrize("head", ["班级,编号", "姓名,班级,name"])
def test_without_a_name_column_or_with_two_the_file_is_refused(head: str) -> None:
    with pytest.raises(GatedError):
        roster("x", head=head)


def test_full_width_is_made_half_width_in_classes_and_days_and_spaces_go_from_names() -> None:
    (entry,) = roster(
        "张\u3000三\u00a0,３年２班,２０２７年１月３１日", head="姓名,班级,有效期至"
    ).entries
    assert (entry.name, entry.group, entry.valid_until) == ("张三", "3年2班", date(2027, 1, 31))
    (entry,) = roster(" Anna  Maria Li ,g1", head="name,class").entries
    assert entry.name == "Anna Maria Li"


def test_a_name_keeps_a_character_that_normalising_would_change() -> None:
    rare = "\uf9dc"  # a compatibility ideograph: NFKC makes another one of it
    assert roster(f"{rare}明,g1").entries[0].name == f"{rare}明"


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("姓名,班级", ",g3-2"),
        ("姓名,班级", "=cmd,g3-2"),
        ("姓名,班级", "13800138000,g3-2"),
        ("姓名,班级", "张\u202e三,g3-2"),
        ("姓名,班级", "张三,=g3"),
        ("姓名,班级", "张三,一二三四五六七八九十一二三四五六七"),
        ("姓名,编号", "张三,李四"),
        ("姓名,编号", "张三,11010519491231002X"),
        ("姓名,编号", "张三,zhang"),
        ("姓名,区分", "张三,13800138000"),
        ("姓名,学号", "张三,G11010519491231002X"),
        ("姓名,类别", "张三,国王"),
        ("姓名,有效期至", "张三,明年"),
        ("姓名,有效期至", "张三,2027-02-30"),
        ("姓名,有效期至", "张三,46053"),
        ("姓名,生效日期,有效期至", "张三,2027-02-01,2027-01-31"),
        ("姓名,行动较慢", "张三,也许"),
        ("姓名,值守", "张三,是"),
        ("姓名,监护人", "张三,13800138000"),
        ("姓名,区域", "张三,a;b;c;d;e;f;g;h;i"),
    ],
)
def test_a_line_that_cannot_be_used_is_told_by_its_number_and_without_the_name(
    head: str, line: str
) -> None:
    read = roster("李四,", line, head=head)
    assert [problem.number for problem in read.problems] == [3]
    assert [entry.number for entry in read.entries] == [2]
    assert "张" not in read.problems[0].text
    assert "1101" not in read.problems[0].text


@settings(max_examples=60)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=11))
def test_no_cells_raise_anything_else(cells: list[str]) -> None:
    head = "姓名,班级,编号,区分,类别,生效日期,有效期至,区域,行动较慢,值守,监护人"
    table = parse_table(head.encode(), "x.csv")
    row = replace(table.rows[0], number=2, cells=tuple(cells))
    read = parse_roster(replace(table, rows=(*table.rows, row)), "x.csv")
    plan_roster(read.entries, NOBODY, now=NOW, key=KEY)


# --- what becomes of it --------------------------------------------------------------------------


def test_everybody_gets_a_card_and_the_next_pseudonym() -> None:
    plan = planned("张三,g3-2", "李四,g3-2")
    assert plan.problems == ()
    assert doings(plan) == [Doing.ISSUE, Doing.ISSUE]
    assert [step.claims.sub for step in plan.steps] == ["s-0001", "s-0002"]
    more = planned("王五,g3-2", known=registered(plan))
    assert more.steps[0].claims.sub == "s-0003"


def test_a_pseudonym_is_never_given_twice_even_beside_one_that_the_file_names() -> None:
    plan = planned("张三,", "李四,s-0001", head="姓名,编号")
    assert [step.claims.sub for step in plan.steps] == ["s-0002", "s-0001"]


def test_the_same_roster_again_changes_nothing() -> None:
    head = "姓名,班级,区分,监护人,有效期至"
    lines = ("王小明,g3-2,1,李大强,", "王小明,g3-2,2,,2027-01-31", "张三,g3-2,,,")
    first = planned(*lines, head=head)
    assert doings(first) == [Doing.ISSUE] * 4
    again = planned(*lines, head=head, known=registered(first))
    assert doings(again) == [Doing.KEEP] * 4
    assert registered(again, registered(first)) == registered(first)


def test_two_of_one_name_in_one_class_need_something_that_tells_them_apart() -> None:
    plan = planned("王小明,g3-2", "张三,g3-2", "王小明,g3-2")
    assert [problem.number for problem in plan.problems] == [2, 4]
    assert "区分" in plan.problems[0].text
    apart = planned("王小明,g3-2,1", "王小明,g3-2,2", head="姓名,班级,区分")
    assert [step.claims.sub for step in apart.steps] == ["s-0001", "s-0002"]
    both = planned("王小明,g3-2", known=registered(apart))
    assert "s-0001 or s-0002" in both.problems[0].text


def test_the_same_name_in_another_class_asks_who_that_is() -> None:
    known = registered(planned("王小明,g3-2"))
    asked = planned("王小明,g4-2", known=known)
    assert asked.steps == ()
    assert "s-0001 (g3-2)" in asked.problems[0].text
    assert "王" not in asked.problems[0].text
    moved = planned("王小明,g4-2,s-0001", head="姓名,班级,编号", known=known)
    assert [(step.doing, step.changes) for step in moved.steps] == [(Doing.CHANGE, ("class 班级",))]
    other = planned("王小明,g4-2,新", head="姓名,班级,编号", known=known)
    assert [(step.doing, step.claims.sub) for step in other.steps] == [(Doing.ISSUE, "s-0002")]


@pytest.mark.parametrize(
    "earlier",
    [
        Holder("v-0001", "李大强", HolderCategory.VISITOR),
        Holder("p-0001", "李大强", HolderCategory.ESCORT),
    ],
    ids=["a visitor", "a guardian"],
)
@pytest.mark.parametrize("number", ["", "20260412"])
def test_a_visitor_or_guardian_of_the_name_is_asked_about(earlier: Holder, number: str) -> None:
    known, head = Known((earlier,), ()), "姓名,类别,学号,编号"
    asked = planned(f"李大强,教师,{number},", head=head, known=known)
    assert asked.steps == ()
    assert f"{earlier.pseudonym} (–)" in asked.problems[0].text
    other = planned(f"李大强,教师,{number},新", head=head, known=known)
    assert [(step.doing, step.claims.sub) for step in other.steps] == [(Doing.ISSUE, "t-0001")]
    again = planned(f"李大强,教师,{number},", head=head, known=registered(other, known))
    assert doings(again) == [Doing.KEEP]
    same = planned(f"李大强,教师,{number},{earlier.pseudonym}", head=head, known=known)
    as_staff = registered(same, known)
    assert doings(planned(f"李大强,教师,{number},", head=head, known=as_staff)) == [Doing.KEEP]


def test_a_school_number_finds_the_pupil_in_a_new_class() -> None:
    known = registered(planned("王小明,g3-2,20260412", head="姓名,班级,学号"))
    moved = planned("王小明,g4-2,20260412", head="姓名,班级,学号", known=known)
    assert [(step.doing, step.claims.group) for step in moved.steps] == [(Doing.CHANGE, "g4-2")]


def test_a_seat_number_says_nothing_about_another_class() -> None:
    known = registered(planned("张三,三年2班,5", head="姓名,班级,座号"))
    asked = planned("张三,四年1班,5", head="姓名,班级,座号", known=known)
    assert asked.steps == ()
    assert "s-0001 (三年2班)" in asked.problems[0].text
    same = planned("张三,三年2班,5", head="姓名,班级,座号", known=known)
    assert [step.doing for step in same.steps] == [Doing.KEEP]
    other = planned("张三,四年1班,6", head="姓名,班级,座号", known=known)
    assert [(step.doing, step.claims.sub) for step in other.steps] == [(Doing.ISSUE, "s-0002")]


def test_a_changed_card_keeps_its_end_unless_the_roster_says_another() -> None:
    known = registered(planned("张三,g3-2", until=date(2027, 1, 31)))
    (step,) = planned("张三,g3-2,是", head="姓名,班级,行动较慢", known=known).steps
    assert step.changes == ("slow 行动较慢",)
    assert step.claims.expires_at == end_of(date(2027, 1, 31))
    assert step.old == known.passes[0]
    assert step.claims.cti != known.passes[0].claims.cti
    (step,) = planned("张三,g3-2", known=known, until=date(2027, 7, 10)).steps
    assert (step.doing, step.changes) == (Doing.CHANGE, ("valid until 有效期至",))


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("2027-02-15", "2027-03-01", ("valid from 生效日期",)),
        ("2026-11-01", "2027-03-01", ("valid from 生效日期",)),
        ("2027-02-15", "2026-11-01", ("valid from 生效日期",)),
        ("2027-02-15", "2027-02-15", ()),
        ("2026-11-01", "2026-09-01", ()),  # both have begun: nothing would be different
        ("2027-02-15", "", ()),
    ],
)
def test_another_first_day_makes_another_card(
    before: str, after: str, changes: tuple[str, ...]
) -> None:
    head = "姓名,生效日期,有效期至"
    known = registered(planned(f"张三,{before},2027-07-10", head=head))
    (step,) = planned(f"张三,{after},2027-07-10", head=head, known=known).steps
    assert step.changes == changes


def test_the_roster_of_the_term_again_keeps_what_was_made_during_the_term() -> None:
    head, line = "姓名,监护人,生效日期", "张三,李大强,2026-09-01"
    known = registered(planned(line, head=head))
    today = start_of(NOW.date())
    later = [replace(p, claims=replace(p.claims, not_before=today)) for p in known.passes]
    again = planned(line, head=head, known=replace(known, passes=tuple(later)))
    assert doings(again) == [Doing.KEEP, Doing.KEEP]


def test_a_pseudonym_of_another_name_and_one_person_on_two_lines_are_refused() -> None:
    known = registered(planned("张三,g3-2"))
    taken = planned("李四,s-0001", head="姓名,编号", known=known)
    assert [problem.number for problem in taken.problems] == [2]
    twice = planned("张三,g3-2,", "张三,g3-2,s-0001", head="姓名,班级,编号", known=known)
    assert [problem.number for problem in twice.problems] == [3]


def test_who_lost_the_card_gets_no_other_by_being_on_the_roster() -> None:
    known = registered(planned("张三,g3-2"))
    lost = replace(known.passes[0], revoked_at=NOW, revoked_why=RevokedWhy.LOST)
    plan = planned("张三,g3-2", known=replace(known, passes=(lost,)))
    assert plan.steps == ()
    assert "gated pass reissue 1 --why lost" in plan.problems[0].text


def test_a_card_of_an_earlier_key_is_made_anew() -> None:
    known = registered(planned("张三,g3-2"))
    old = replace(known.passes[0], key_id=b"earlier!")
    (step,) = planned("张三,g3-2", known=replace(known, passes=(old,))).steps
    assert (step.doing, step.changes) == (Doing.CHANGE, ("key 密钥",))


def test_whose_card_has_expired_gets_a_new_one() -> None:
    known = registered(planned("张三,g3-2", until=date(2026, 11, 27)))
    read = roster("张三,g3-2")
    later = plan_roster(read.entries, known, now=NOW + timedelta(days=30), key=KEY)
    assert [(step.doing, step.claims.sub) for step in later.steps] == [(Doing.ISSUE, "s-0001")]


def test_next_terms_card_does_not_revoke_this_terms() -> None:
    known = registered(planned("张三,g3-2", until=date(2027, 1, 31)))
    plan = planned(
        "张三,g3-2,2027-02-15,2027-07-10", head="姓名,班级,生效日期,有效期至", known=known
    )
    assert [(step.doing, step.old) for step in plan.steps] == [(Doing.ISSUE, None)]


def test_a_day_that_is_over_is_a_problem_of_its_line() -> None:
    plan = planned("张三,2026-11-25", "李四,2027-01-01", head="姓名,有效期至")
    assert [problem.number for problem in plan.problems] == [2]
    assert len(plan.steps) == 1


def test_a_guardian_gets_a_card_for_the_pupil_and_the_name_stays_out_of_it() -> None:
    plan = planned("张三,g1-1,李大强", head="姓名,班级,监护人")
    card, guardian = plan.steps
    assert (card.kind, guardian.kind) == (PassKind.CARD, PassKind.GUARDIAN)
    assert guardian.claims.sub == card.claims.sub == "s-0001"
    assert guardian.claims.guardian_ref == "p-0001"
    assert guardian.claims.cti != card.claims.cti
    assert guardian.holders[1] == Holder("p-0001", "李大强", HolderCategory.ESCORT)
    sibling = planned("张四,g1-1,p-0001", head="姓名,班级,监护人", known=registered(plan))
    assert sibling.steps[1].claims.guardian_ref == "p-0001"
    nobody = planned("张四,g1-1,p-0009", head="姓名,班级,监护人")
    assert (nobody.steps, len(nobody.problems)) == ((), 1)


def test_staff_who_release_get_an_attendants_card() -> None:
    (step,) = planned("刘老师,语文组,教师,是", head="姓名,班级,类别,值守").steps
    assert (step.claims.sub, step.claims.is_attendant) == ("t-0001", True)
    assert step.claims.category is HolderCategory.STAFF


@pytest.mark.parametrize("group", ["g3-2", "三年2班", "高一1班"])
def test_a_pupils_pass_fits_200_characters(group: str) -> None:
    (step,) = planned(f"张三,{group}").steps
    assert len(seal(step.claims, KEY)) <= 200


@pytest.mark.parametrize("group", ["g3-2", "三年2班", "高一(12)班"])
def test_a_pupils_cards_are_version_8_at_level_m_even_with_a_guardian_and_slow(group: str) -> None:
    head = "姓名,班级,行动较慢,监护人"
    for step in planned(f"张三,{group},是,李大强", head=head).steps:
        qr = segno.make_qr(seal(step.claims, KEY), error="m", boost_error=False)
        assert isinstance(qr.version, int)
        assert qr.version <= 8
        assert qr.mode == "alphanumeric"


@pytest.mark.parametrize(("most", "version"), [(MAX_CARD_CHARACTERS, 8), (MAX_SLIP_CHARACTERS, 10)])
def test_the_most_characters_are_what_that_version_holds_at_level_m(
    most: int, version: int
) -> None:
    assert segno.make_qr("A" * most, error="m", boost_error=False).version == version
    assert segno.make_qr("A" * (most + 1), error="m", boost_error=False).version == version + 1


def test_a_class_that_would_make_the_code_too_dense_is_a_problem_of_its_line() -> None:
    plan = planned("张三,初中部三年级二班甲组乙队,canteen、yard", head="姓名,班级,区域")
    assert plan.steps == ()
    assert "too many for a code" in plan.problems[0].text
