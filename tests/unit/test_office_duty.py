"""Duty rosters: days become windows, windows become passes and lines of the gates' list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gated.credentials.persons import load_persons
from gated.errors import GatedError
from gated.office.duty import parse_duty, plan_duty
from gated.office.lists import KEPT_AFTER_END, duty_lines, revoked_ids
from gated.office.moments import end_of, start_of
from gated.office.passes import Holder, PassKind, RegisteredPass, RevokedWhy
from gated.office.planning import Doing, Known, Plan
from gated.office.table_file import parse_table
from gated.vocabulary import HolderCategory

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
KEY_ID = b"k" * 8
LIU = Holder("t-0001", "刘老师", HolderCategory.STAFF, "语文组")
WANG = Holder("t-0002", "王老师", HolderCategory.STAFF)
OTHER_WANG = Holder("t-0003", "王老师", HolderCategory.STAFF)
KNOWN = Known((LIU, WANG, OTHER_WANG), ())


def planned(*lines: str, known: Known = KNOWN) -> Plan:
    table = parse_table("\n".join(["姓名,日期,至", *lines]).encode(), "x.csv")
    found, problems = parse_duty(table, "x.csv")
    assert problems == ()
    return plan_duty(found, known, NOW, KEY_ID)


def registered(plan: Plan) -> Known:
    passes = [
        RegisteredPass(number, step.kind, step.holders[0], step.claims, KEY_ID, NOW)
        for number, step in enumerate(plan.steps, start=1)
    ]
    return replace(KNOWN, passes=tuple(passes))


def test_days_that_follow_on_each_other_are_one_pass() -> None:
    plan = planned(
        "刘老师,2026-12-03,",
        "刘老师,2026-12-01,2026-12-02",
        "t-0002,2026-12-02,",
        "刘老师,2026-12-07,",
    )
    spans = [(s.claims.sub, s.claims.not_before, s.claims.expires_at) for s in plan.steps]
    assert spans == [
        ("t-0001", start_of(date(2026, 12, 1)), end_of(date(2026, 12, 3))),
        ("t-0001", start_of(date(2026, 12, 7)), end_of(date(2026, 12, 7))),
        ("t-0002", start_of(date(2026, 12, 2)), end_of(date(2026, 12, 2))),
    ]
    assert {step.claims.category for step in plan.steps} == {HolderCategory.DUTY}


def test_the_same_duty_roster_again_changes_nothing() -> None:
    lines = ("刘老师,2026-12-01,2026-12-03", "t-0002,2026-12-02,")
    plan = planned(*lines, known=registered(planned(*lines)))
    assert [step.doing for step in plan.steps] == [Doing.KEEP, Doing.KEEP]


def test_who_is_not_known_or_not_told_apart_is_a_problem_without_the_name() -> None:
    plan = planned("王老师,2026-12-01,", "赵老师,2026-12-01,", "刘老师,2026-11-25,")
    assert plan.steps == ()
    assert [problem.number for problem in plan.problems] == [2, 3, 4]
    assert "t-0002 or t-0003" in plan.problems[0].text
    assert not any("老师" in problem.text for problem in plan.problems)


def test_a_visitor_of_that_name_is_asked_about_and_meant_only_by_the_pseudonym() -> None:
    visitor = Holder("v-0007", "陈明", HolderCategory.VISITOR)
    known = Known((visitor,), ())
    (problem,) = planned("陈明,2026-12-01,", known=known).problems
    assert "v-0007 (visitor)" in problem.text
    assert "陈明" not in problem.text
    (step,) = planned("v-0007,2026-12-01,", known=known).steps
    assert step.holders == (visitor,)


def test_days_that_overlap_a_pass_in_force_must_be_revoked_first() -> None:
    known = registered(planned("刘老师,2026-12-01,2026-12-03"))
    plan = planned("刘老师,2026-12-03,2026-12-04", known=known)
    assert plan.steps == ()
    assert "gated pass revoke 1 --why changed" in plan.problems[0].text


def test_a_duty_pass_of_an_earlier_key_is_not_kept_but_must_be_made_anew() -> None:
    known = registered(planned("刘老师,2026-12-01,2026-12-03"))
    earlier = replace(known.passes[0], key_id=b"earlier!")
    plan = planned("刘老师,2026-12-01,2026-12-03", known=replace(known, passes=(earlier,)))
    assert plan.steps == ()
    assert "gated pass reissue 1 --why changed" in plan.problems[0].text


@pytest.mark.parametrize("line", ["刘老师,,", "刘老师,2026-12-03,2026-12-01", ",2026-12-01,"])
def test_a_line_without_a_day_or_a_person_cannot_be_used(line: str) -> None:
    table = parse_table(f"姓名,日期,至\n{line}".encode(), "x.csv")
    lines, problems = parse_duty(table, "x.csv")
    assert (lines, [problem.number for problem in problems]) == ((), [2])


def test_a_roster_without_people_is_refused() -> None:
    with pytest.raises(GatedError):
        parse_duty(parse_table("日期\n2026-12-01\n".encode(), "x.csv"), "x.csv")


def test_the_gates_read_the_duty_list_that_the_office_writes(tmp_path: Path) -> None:
    plan = planned("刘老师,2026-12-01,2026-12-03", "刘老师,2026-12-07,", "t-0002,2026-12-02,")
    lines = list(duty_lines(registered(plan).passes, NOW))
    assert lines[0] == "t-0001 2026-12-01 2026-12-03"
    path = tmp_path / "duty.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    listed = load_persons(path)
    assert [sorted(listed.on(date(2026, 12, day))) for day in (1, 2, 4, 7)] == [
        ["t-0001"],
        ["t-0001", "t-0002"],
        [],
        ["t-0001"],
    ]


def test_only_duty_passes_in_force_stand_on_the_duty_list() -> None:
    (item,) = registered(planned("刘老师,2026-12-01,2026-12-03")).passes
    revoked = replace(item, revoked_at=NOW, revoked_why=RevokedWhy.CHANGED)
    card = replace(item, kind=PassKind.CARD)
    assert list(duty_lines([revoked, card], NOW)) == []
    assert list(duty_lines([item], end_of(date(2026, 12, 3)))) == []


def test_a_revoked_pass_stays_on_the_list_until_it_is_long_over() -> None:
    (item,) = registered(planned("刘老师,2026-12-01,2026-12-03")).passes
    revoked = replace(item, revoked_at=NOW, revoked_why=RevokedWhy.LOST)
    last = item.claims.expires_at + KEPT_AFTER_END
    assert revoked_ids([item, revoked], NOW) == [item.claims.cti]
    assert revoked_ids([revoked], last - timedelta(seconds=1)) == [item.claims.cti]
    assert revoked_ids([revoked], last) == []
