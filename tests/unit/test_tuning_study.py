"""What a study adds up, of few visits that can be counted by hand and of many that cannot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.clock import TimeQuality
from gated.judgement import TemperatureRules
from gated.tuning.cases import accuracy, agreement, let_in
from gated.tuning.replay import replay
from gated.tuning.shares import Share
from gated.tuning.study import By, Question, Study, is_in_table, sweep_trials
from gated.tuning.trial import Trial, Wish
from gated.tuning.visits import PastVisit, VisitKey, parse_visit
from gated.vocabulary import Mode, Reason, Verdict, WhenNotJudged
from gated.wire import GENESIS, Draft, Place, encode_body
from tests.tuning_school import MONDAY, School, draft, visit

TODAY = Trial(TemperatureRules())
PLACE = Place("lixin-primary", "east-1", "k3v4q2m7x2c5d4zt", 7, 1, GENESIS)


def past(one: Draft) -> PastVisit:
    return parse_visit(encode_body(one, PLACE))


def at(threshold_c: float) -> Trial:
    return TODAY.at_threshold(threshold_c)


def studied(
    visits: Iterable[PastVisit],
    proposed: Trial | None = None,
    contacts: dict[str, float] | None = None,
    contact_threshold_c: float = 37.3,
    today: Trial = TODAY,
) -> Study:
    by_key: dict[VisitKey, float] = {
        ("lixin-primary", "east-1", visit_id): contact_c
        for visit_id, contact_c in (contacts or {}).items()
    }
    study = Study(Question(today, proposed, contact_threshold_c), by_key)
    for one in visits:
        study.add(one)
    study.finish()
    return study


def on(day: int, *readings_c: float, name: str = "", hour: int = 7, **members: object) -> PastVisit:
    moment = MONDAY.replace(hour=hour) + timedelta(days=day)
    content = visit(name or f"{day}-{readings_c}", *readings_c)
    return past(draft(content.model_copy(update=members), moment))


FOUR = [
    on(0, 36.6),
    on(0, 37.35, 37.2, hour=8, ambient_c=17.9),
    on(1, 37.4, 37.45, thermometer="adult"),
    on(1, 38.4, name="feverish", ambient_c=24.0),
]


def test_every_visit_is_counted_once_now_and_then() -> None:
    study = studied(FOUR, at(37.5))
    now, then = study.now.tally, study.then.tally
    assert (study.visits, study.days, study.replayed) == (4, 2, 4)
    assert (now.judged, now.high, now.again, now.unknown) == (4, 2, 2, 0)
    assert (then.judged, then.high, then.again, then.unknown) == (4, 1, 1, 0)
    assert (study.checked.same, study.checked.other) == (4, 0)


def test_groups_hold_the_same_visits_as_the_whole() -> None:
    study = studied(FOUR, at(37.5))
    assert set(study.groups[By.DAY]) == {"2026-11-23", "2026-11-24"}
    assert set(study.groups[By.HOUR]) == {7, 8}
    assert set(study.groups[By.AMBIENT]) == {16, 20, 24}
    assert set(study.groups[By.THERMOMETER]) == {"child", "adult"}
    for groups in study.groups.values():
        assert sum(pair.now.high for pair in groups.values()) == study.now.tally.high
        assert sum(pair.then.again for pair in groups.values()) == study.then.tally.again


def test_a_visit_that_would_be_measured_again_is_unknown_with_a_range() -> None:
    study = studied([on(0, 36.95), on(0, 37.05), on(0, 36.0)], at(37.0))
    then = study.then.tally
    assert (then.high, then.most_high, then.again, then.unknown) == (0, 2, 2, 2)
    assert study.then.expected_high is None  # nobody was measured twice


def test_with_enough_second_readings_there_is_an_estimate() -> None:
    twice = [on(0, 37.4, 37.4, name=f"t{n}") for n in range(25)]
    study = studied([*twice, on(0, 36.95), on(0, 37.05)], at(37.0))
    assert study.seconds.count == 25
    assert study.then.expected_high == pytest.approx(study.then.tally.high + 1)
    assert study.now.expected_high is None  # nothing is unknown there


def test_drills_count_for_nothing() -> None:
    study = studied([past(draft(visit("a", 38.5), drill=True)), on(0, 36.6)])
    assert (study.drills, study.visits, study.now.tally.high) == (1, 1, 0)


def test_visits_without_a_trustworthy_time_count_in_all_but_for_no_day() -> None:
    undated = past(draft(visit("a", 38.5), datetime(1970, 1, 1, 8, tzinfo=MONDAY.tzinfo),
                         quality=TimeQuality.UNKNOWN))  # fmt: skip
    study = studied([undated, on(0, 36.6)])
    assert (study.undated, study.days, study.now.tally.high) == (1, 1, 1)
    assert set(study.groups[By.DAY]) == {"2026-11-23"}
    for swept in (study.now, study.then, *study.sweep):
        assert (swept.shown.judged, swept.shown.high) == (1, 0)  # what is divided by the days


def test_where_no_day_is_known_all_visits_are_shown() -> None:
    undated = draft(visit("a", 38.5), quality=TimeQuality.UNKNOWN)
    study = studied([past(undated)])
    assert (study.days, study.now.shown.high) == (0, 1)


def test_an_estimate_a_day_leaves_out_the_second_readings_of_unknown_days() -> None:
    repeated = [on(0, 37.1, 37.1, name=f"again-{n}") for n in range(25)]
    undated = [past(draft(visit(f"u{n}", 36.9), quality=TimeQuality.UNKNOWN)) for n in range(9)]
    with_them = studied([*repeated, on(0, 36.9), *undated], proposed=at(37.0))
    without = studied([*repeated, on(0, 36.9)], proposed=at(37.0))
    assert with_them.then.expected_high == without.then.expected_high is not None


def test_visits_that_were_only_observed_count_as_the_rule_says() -> None:
    study = studied([past(draft(visit("a", 38.5), mode=Mode.OBSERVE))])
    assert (study.observed, study.now.tally.high) == (1, 1)


def test_visits_under_another_threshold_are_judged_anew_and_still_fit_their_record() -> None:
    strict = TemperatureRules(fever_threshold_c=37.0)
    then = past(draft(visit("a", 37.05, 37.1, rules=strict)))
    study = studied([then, on(0, 36.6)])
    assert (study.other_settings, study.checked.same, study.checked.other) == (1, 2, 0)
    assert study.now.tally.high == 0  # at today's threshold its first reading is normal


def test_a_verdict_that_the_rule_does_not_give_is_named() -> None:
    wide = TemperatureRules(guard_below_c=1.0)
    odd = [past(draft(visit(f"odd{n}", 36.6, 38.9, rules=wide))) for n in range(5)]
    study = studied([*odd, on(0, 36.6)])
    assert (study.checked.same, study.checked.other) == (1, 5)
    assert study.checked.examples == ["odd0", "odd1", "odd2"]


def test_what_could_not_be_judged_is_left_with_its_reason() -> None:
    study = studied([past(draft(visit("a", refusal=Reason.COLD_FACE))), on(0, 36.6)], at(37.0))
    assert study.not_judged == {Reason.COLD_FACE: 1}
    assert (study.now.tally.not_judged, study.then.tally.not_judged) == (1, 1)
    assert (study.now.tally.judged, study.replayed) == (1, 1)


def test_many_visits_are_settled_in_between_and_none_is_lost() -> None:
    visits = [past(one) for one in School().drafts(300, 3) if one.content.kind == "visit"]
    whole = studied(visits, at(37.5))
    pieces = Study(whole.question, {}, most_grouped=7, most_replayers=2)
    for one in visits:
        pieces.add(one)
    pieces.finish()
    assert pieces.now == whole.now
    assert pieces.then == whole.then
    assert pieces.sweep == whole.sweep
    assert pieces.groups == whole.groups


@given(st.lists(st.integers(36_000, 39_000).map(lambda mc: mc / 1_000), min_size=1, max_size=12))
def test_a_sweep_falls_as_the_threshold_rises(firsts_c: list[float]) -> None:
    once = replace(TODAY, rules=replace(TODAY.rules, max_attempts=1))
    visits = [on(0, first_c, name=f"v{n}") for n, first_c in enumerate(firsts_c)]
    study = studied(visits, today=once)
    highs = [swept.tally.high for swept in study.sweep]
    assert highs == sorted(highs, reverse=True)
    for swept in study.sweep:
        trial = swept.trial
        expected = [replay((first_c,), None, trial).verdict is Verdict.HIGH for first_c in firsts_c]
        assert swept.tally.high == sum(expected)


# --- the sweep -----------------------------------------------------------------------------------


def thresholds(trials: list[Trial]) -> list[float]:
    return [trial.rules.fever_threshold_c for trial in trials]


def test_the_sweep_goes_around_today_and_reaches_what_is_proposed() -> None:
    trials = sweep_trials(TODAY, TODAY)
    assert (thresholds(trials)[0], thresholds(trials)[-1], len(trials)) == (36.8, 37.8, 21)
    assert TODAY in trials
    table = [trial for trial in trials if is_in_table(trial, TODAY, TODAY)]
    assert thresholds(table) == [37.0, 37.1, 37.2, 37.3, 37.4, 37.5, 37.6]
    for far in (at(38.95), at(36.25)):
        reached = thresholds(sweep_trials(TODAY, far))
        assert far.rules.fever_threshold_c in reached
        steps = [above - below for below, above in pairwise(reached)]
        assert max(steps) < 0.11  # no gap that a plot would have to bridge
        assert is_in_table(far, TODAY, far)


def test_the_sweep_stays_inside_what_may_be_configured_but_for_what_was_asked() -> None:
    low = at(36.1)
    assert thresholds(sweep_trials(low, low))[0] == 36.0
    assert thresholds(sweep_trials(TODAY, TODAY))[-1] == 37.8
    assert thresholds(sweep_trials(TODAY, at(41.0)))[-1] == 41.0


def test_the_sweep_keeps_everything_else_as_proposed() -> None:
    proposed = Wish(guard_above_c=0.2, attempts=3, offset_c=0.1).applied_to(TODAY)
    assert proposed is not None
    for trial in sweep_trials(TODAY, proposed):
        assert (trial.offset_c, trial.rules.max_attempts) == (0.1, 3)


# --- contact readings ----------------------------------------------------------------------------


def test_a_case_that_today_stops_and_the_change_lets_in_is_named() -> None:
    visits = [on(0, 37.4, 37.4, name="ill"), on(0, 38.5, name="worse"), on(0, 37.4, 37.4)]
    study = studied(visits, at(37.6), {"ill": 37.9, "worse": 39.0})
    found = let_in(study, at(37.6))
    assert [case.key[2] for case in found.newly] == ["ill"]
    assert (found.perhaps, found.by_both) == ((), ())
    assert let_in(study, TODAY).newly == ()


def test_a_case_whose_second_reading_is_missing_might_be_let_in() -> None:
    study = studied([on(0, 37.85, name="ill")], at(37.9), {"ill": 38.0})
    found = let_in(study, at(37.9))
    assert ([case.key[2] for case in found.perhaps], found.newly) == (["ill"], ())
    assert let_in(study, at(38.5)).newly != ()


def test_a_case_that_todays_settings_miss_already_is_told_apart() -> None:
    study = studied([on(0, 36.9, name="ill")], at(37.5), {"ill": 38.0})
    found = let_in(study, at(37.5))
    assert [case.key[2] for case in found.by_both] == ["ill"]
    assert found.newly == ()


def test_a_case_that_becomes_a_cold_face_is_let_in_where_the_site_admits_the_unjudged() -> None:
    admits = replace(
        TODAY, rules=replace(TODAY.rules, when_not_judged=WhenNotJudged.ADMIT_AND_LIST)
    )
    then = replace(admits, offset_c=-4.0)
    study = studied([on(0, 38.0, name="ill")], then, {"ill": 38.0}, today=admits)
    assert [case.key[2] for case in let_in(study, then).newly] == ["ill"]


def test_the_contact_threshold_says_who_is_a_case() -> None:
    visits = [on(0, 38.0, name="a"), on(0, 38.0, name="b")]
    contacts = {"a": 37.3, "b": 37.2}
    study = studied(visits, None, contacts)
    assert [v.is_case for v in study.verified] == [True, False]
    study = studied(visits, None, contacts, contact_threshold_c=37.5)
    assert [v.is_case for v in study.verified] == [False, False]


def test_sensitivity_and_specificity_count_what_is_known_and_bound_the_rest() -> None:
    visits = [
        on(0, 38.5, name="case, high"),
        on(0, 36.9, name="case, normal"),
        on(0, 37.85, name="case, unknown"),
        on(0, 38.6, name="well, high"),
        on(0, 36.6, name="well, normal"),
        past(draft(visit("case, not judged", refusal=Reason.COLD_FACE))),
    ]
    contacts = {v.visit_id: 38.0 if v.visit_id.startswith("case") else 36.8 for v in visits}
    study = studied(visits, at(37.9), contacts)
    found = accuracy(study, at(37.9))
    assert (found.cases, found.others, found.not_judged) == (3, 2, 1)
    assert found.sensitivity == Share(1, 2, 3)
    assert found.specificity == Share(1, 1, 2)


def test_gate_and_contact_thermometer_are_held_against_each_other() -> None:
    study = studied([on(0, 38.0, name="a"), on(0, 38.6, name="b")], None, {"a": 37.5, "b": 38.5})
    found = agreement(study)
    assert found is not None
    assert found.pairs == 2
    assert found.bias_c == pytest.approx(-0.3)
    assert found.sd_c == pytest.approx(0.2828, abs=1e-4)
    assert (found.loa_low_c, found.loa_high_c) == pytest.approx((-0.8544, 0.2544), abs=1e-3)
    assert agreement(studied([on(0, 38.0, name="a")], None, {"a": 37.5})) is None
