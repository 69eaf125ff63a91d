"""What is shown of a study: warnings, tables, notes, and lines that the configuration takes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

import pytest

from gated.clock import TimeQuality
from gated.config import parse_gate
from gated.controller.rules import policy_rules
from gated.judgement import TemperatureRules
from gated.texts import LANGUAGES
from gated.tuning import words
from gated.tuning.study import Question, Study
from gated.tuning.tables import Table, Tone
from gated.tuning.trial import Trial, Wish
from gated.tuning.view import Origin, View, view
from gated.tuning.visits import parse_visit
from gated.vocabulary import Check, Mode, Reason
from gated.wire import GENESIS, Draft, Place, encode_body
from tests.config_texts import with_keys
from tests.tuning_school import MONDAY, draft, visit

TODAY = Trial(TemperatureRules())
CONFIGURED = Origin("ledger.db", offset_a_c=5.64, has_config=True)
UNCONFIGURED = Origin("ledger.db", offset_a_c=None, has_config=False)
ILL = draft(visit("ill", 37.4, 37.4))


def shown(
    *drafts: Draft,
    wish: Wish | None = None,
    contacts: Mapping[str, float] | None = None,
    origin: Origin = CONFIGURED,
    gates: tuple[str, ...] = ("east-1",),
) -> View:
    by_key = {
        ("school", gate, visit_id): contact_c
        for gate in gates
        for visit_id, contact_c in (contacts or {}).items()
    }
    study = Study(Question(TODAY, (wish or Wish()).applied_to(TODAY), 37.3), by_key)
    for gate in gates:
        place = Place("school", gate, "k3v4q2m7x2c5d4zt", 7, 1, GENESIS)
        for one in drafts or (draft(visit("a", 36.6)),):
            study.add(parse_visit(encode_body(one, place)))
    study.finish()
    return view(study, origin)


def table(found: View, name: str) -> Table:
    (one,) = [each for each in found.tables if each.name == name]
    return one


def notes(found: View) -> str:
    return "\n".join(en for _, en in found.notes)


def test_a_change_that_lets_a_case_in_is_refused_in_red_with_the_visit() -> None:
    found = shown(ILL, wish=Wish(threshold_c=37.6), contacts={"ill": 37.9})
    (danger,) = found.dangers
    assert "would let in a confirmed case" in danger.text[1]
    assert "会放行 1 例" in danger.text[0]
    assert danger.cases == (("ill", "37.40", "37.9"),)
    assert found.is_refused
    assert found.safe is None
    assert "think twice" in found.paste_notes[0][1]
    (row,) = [row for row in table(found, "sweep").rows if row.cells[0] == "37.6 °C"]
    assert row.tone is Tone.DANGER
    assert "lets a confirmed case in" in row.mark[1]
    assert "proposed" in row.mark[1]


def test_a_change_that_might_is_red_but_no_refusal() -> None:
    worse = draft(visit("ill", 37.85))
    found = shown(worse, wish=Wish(threshold_c=37.9), contacts={"ill": 38.0})
    (danger,) = found.dangers
    assert "might let in" in danger.text[1]
    assert not found.is_refused
    (row,) = [row for row in table(found, "sweep").rows if row.cells[0] == "37.9 °C"]
    assert (row.tone, row.cells[3]) == (Tone.DANGER, "0–1/1")
    assert "might let a confirmed case in" in row.mark[1]
    assert "think twice" in found.paste_notes[0][1]


def test_what_today_lets_in_already_is_red_without_any_change() -> None:
    found = shown(draft(visit("ill", 36.9)), contacts={"ill": 38.0})
    assert "today's settings let in" in found.dangers[0].text[1]
    rows = {str(row.cells[0]): row for row in table(found, "sweep").rows}
    assert rows["37.3 °C"].tone is Tone.DANGER
    assert "today" in rows["37.3 °C"].mark[1]
    assert rows["37.3 °C"].cells[3] == "1/1"
    # At 37.0 °C it would be measured again: not safe, but no worse than today.
    assert rows["37.0 °C"].tone is Tone.PLAIN
    assert rows["37.0 °C"].cells[3] == "0–1/1"


def test_a_case_that_a_second_reading_would_decide_is_not_called_safe() -> None:
    missed = draft(visit("ill", 36.9))  # today lets it in; at 37.0 °C it would be measured again
    found = shown(missed, wish=Wish(threshold_c=37.0), contacts={"ill": 38.0})
    assert found.dangers == ()  # no worse than today
    assert found.safe is None


def test_a_change_that_lets_no_case_in_says_how_many_it_was_held_up_to() -> None:
    found = shown(ILL, wish=Wish(threshold_c=37.2), contacts={"ill": 37.9})
    assert found.dangers == ()
    assert found.safe is not None
    assert found.safe[1].endswith("1 of 1")
    assert shown(ILL, contacts={"ill": 37.9}).safe is None  # nothing was proposed
    assert shown(ILL, wish=Wish(threshold_c=37.2)).safe is None  # nothing to hold it up to


def test_only_the_first_cases_are_named_and_the_others_counted() -> None:
    ill = [draft(visit(f"v{n}", 37.4, 37.4)) for n in range(words.NAMED + 3)]
    contacts = {f"v{n}": 38.0 for n in range(words.NAMED + 3)}
    (danger,) = shown(*ill, wish=Wish(threshold_c=38.0), contacts=contacts).dangers
    assert (len(danger.cases), danger.more) == (words.NAMED, 3)


def test_of_several_gates_each_case_says_which() -> None:
    found = shown(
        ILL, wish=Wish(threshold_c=37.6), contacts={"ill": 37.9}, gates=("east-1", "west-2")
    )
    assert [case[0] for case in found.dangers[0].cases] == [
        "school/east-1 ill",
        "school/west-2 ill",
    ]
    assert "2 gates are taken together: school/east-1, school/west-2" in notes(found)


def test_todays_row_is_marked_and_the_proposed_one_too() -> None:
    found = shown(wish=Wish(threshold_c=37.5))
    marks = {row.cells[0]: row.mark[1] for row in table(found, "sweep").rows if row.mark[1]}
    assert marks == {"37.3 °C": "← today", "37.5 °C": "← proposed"}
    other = shown(wish=Wish(guard_below_c=0.3))
    title = table(other, "sweep").title
    assert "everything else as proposed" in title[1]
    marks = {row.cells[0]: row.mark[1] for row in table(other, "sweep").rows if row.mark[1]}
    assert marks == {"37.3 °C": "← proposed"}


def test_a_range_says_that_it_is_one_and_why_there_is_no_estimate() -> None:
    found = shown(draft(visit("a", 36.95)), wish=Wish(threshold_c=37.0))
    (row, *_) = table(found, "per_day").rows
    assert row.cells[1:] == ("0.0", "0.0–1.0", "±0.0 … +1.0")
    assert "nobody knows with what result" in notes(found)
    assert "visits measured twice: 0; at least 20 are needed" in notes(found)


def test_an_estimate_says_what_it_rests_on() -> None:
    twice = [draft(visit(f"t{n}", 37.4, 37.4)) for n in range(20)]
    found = shown(*twice, draft(visit("a", 37.05)), wish=Wish(threshold_c=37.0))
    assert "≈" in str(table(found, "per_day").rows[0].cells[2])
    assert "≈ is an estimate, from how 20 second readings" in notes(found)


@pytest.mark.parametrize(
    ("one", "origin", "says"),
    [
        (draft(visit("a", 36.6), mode=Mode.OBSERVE), CONFIGURED, "In mode observe: 1"),
        (draft(visit("a", 36.6), quality=TimeQuality.UNKNOWN), CONFIGURED, "trustworthy time: 1"),
        (
            draft(visit("a", 36.6, rules=TemperatureRules(fever_threshold_c=37.5))),
            CONFIGURED,
            "another threshold than today's: 1",
        ),
        (draft(visit("a", 36.6)), UNCONFIGURED, "No configuration was given"),
        (
            draft(visit("a", 36.6)),
            Origin("x", 5.64, has_config=True, check_temperature=Check.SOFT),
            "checks.temperature = soft",
        ),
    ],
)
def test_what_must_be_known_of_the_figures_is_noted(one: Draft, origin: Origin, says: str) -> None:
    assert says in notes(shown(one, origin=origin))
    assert says not in notes(shown(draft(visit("a", 36.6))))


def test_cold_faces_are_noted_for_an_offset_alone() -> None:
    visits = [draft(visit("a", 36.6)), draft(visit("b", refusal=Reason.COLD_FACE))]
    assert "cold face" in notes(shown(*visits, wish=Wish(offset_c=0.2)))
    assert "cold face" not in notes(shown(*visits, wish=Wish(threshold_c=37.5)))


def test_without_contact_readings_it_says_what_cannot_be_said() -> None:
    found = table(shown(), "contact")
    assert found.heads == ()
    assert "nothing can be said of sensitivity" in found.notes[0][1]
    assert len(table(shown(), "sweep").heads) == 3


def test_with_contact_readings_it_says_whom_they_are_of() -> None:
    found = table(shown(ILL, contacts={"ill": 37.9}), "contact")
    text = "\n".join(en for _, en in found.notes)
    assert "1 contact reading: 1 confirmed case, 0 others" in text
    assert "hold for these 1 visits alone" in text
    assert found.rows[0].cells[1:] == ("1/1: 100 % (21–100 %)", "364")
    assert found.rows[1].cells[1] == ("没有", "none")


def test_without_any_dated_visit_the_figures_are_in_all() -> None:
    undated = draft(visit("a", 38.5), quality=TimeQuality.UNKNOWN)
    found = table(shown(undated), "per_day")
    assert found.title == words.IN_ALL
    assert found.rows[0].cells[1] == "1"


def test_small_figures_keep_a_second_decimal() -> None:
    days = [draft(visit(f"d{n}", 36.6), MONDAY.replace(day=n)) for n in range(1, 29)]
    found = table(shown(*days, draft(visit("hot", 38.5))), "per_day")
    assert found.rows[0].cells[1] == "0.04"


# --- what to paste -------------------------------------------------------------------------------

WISHES = [
    Wish(threshold_c=37.5),
    Wish(threshold_c=38.0, is_inclusive=False),
    Wish(guard_below_c=0.0, guard_above_c=1.0),
    Wish(attempts=3),
    Wish(threshold_c=37.0, is_inclusive=False, guard_below_c=0.2, guard_above_c=0.7, attempts=1),
]


@pytest.mark.parametrize("wish", WISHES)
def test_the_lines_to_paste_give_the_settings_that_were_tried(wish: Wish) -> None:
    lines = shown(wish=wish).paste
    assert lines[0] == "[temperature]"
    config = parse_gate(with_keys("temperature", *lines[1:]), "gated.toml")
    proposed = wish.applied_to(TODAY)
    assert proposed is not None
    assert policy_rules(config).temperature == proposed.rules


def test_only_what_changes_is_to_be_pasted() -> None:
    found = shown(wish=Wish(threshold_c=37.5, attempts=2, guard_below_c=0.1))
    assert found.paste == ("[temperature]", "fever_threshold_c = 37.5")
    unchanged = shown(wish=Wish(threshold_c=37.3))
    assert unchanged.paste == ()
    assert "nothing would change" in unchanged.paste_notes[0][1]
    assert not shown().paste
    assert not shown().paste_notes


def test_an_offset_is_added_to_todays_where_that_is_known() -> None:
    found = shown(wish=Wish(offset_c=-0.2))
    assert tomllib.loads("\n".join(found.paste)) == {"temperature": {"offset_a_c": 5.44}}
    assert "today's 5.64, and -0.2" in found.paste_notes[0][1]
    published = shown(wish=Wish(offset_c=0.2), origin=Origin("x", None, has_config=True))
    assert published.paste == ()
    assert "see gated calibrate" in published.paste_notes[0][1]
    unknown = shown(wish=Wish(offset_c=0.2), origin=UNCONFIGURED)
    assert "add +0.2 to offset_a_c" in unknown.paste_notes[0][1]


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (Wish(threshold_c=40.5), "fever_threshold_c = 40.5 is outside 36.0 … 40.0 °C"),
        (Wish(threshold_c=35.0), "fever_threshold_c = 35 is outside"),
        (Wish(guard_below_c=1.5), "guard_below_c = 1.5 is outside 0.0 … 1.0 °C"),
        (Wish(guard_above_c=2.5), "guard_above_c = 2.5 is outside"),
        (Wish(offset_c=6.0), "offset_a_c = 11.64 is outside 0.0 … 10.0 °C"),
    ],
)
def test_what_the_configuration_would_refuse_is_said_and_not_offered(wish: Wish, says: str) -> None:
    found = shown(wish=wish)
    assert found.paste == ()
    assert says in found.paste_notes[0][1]


# --- words ---------------------------------------------------------------------------------------


def test_every_text_is_there_in_both_languages_with_the_same_places() -> None:
    texts = {
        name: value
        for name, value in vars(words).items()
        if name.isupper() and isinstance(value, tuple)
    }
    assert len(texts) > 40
    for name, (zh, en) in texts.items():
        assert re.search("[\u4e00-\u9fff]|≈|±", zh), name
        assert not re.search("[\u3000-\u9fff\uff00-\uffef]", en), name
        assert set(re.findall(r"{(\w+)", zh)) == set(re.findall(r"{(\w+)", en)), name
    assert len(LANGUAGES) == 2


@pytest.mark.parametrize(
    ("wish", "zh", "en"),
    [
        (Wish(threshold_c=37.5), "37.5 °C 及以上为高温", "high from 37.5 °C on; from 37.4"),
        (Wish(is_inclusive=False), "高于 37.3 °C 为高温", "high above 37.3 °C"),
        (Wish(attempts=1), "不复测", "never measured again"),
        (Wish(guard_below_c=0.0, guard_above_c=0.0), "不复测", "never measured again"),
        (Wish(offset_c=0.2), "每个读数 +0.2 °C", "+0.2 °C on every reading"),
        (Wish(attempts=3), "最多测 3 次", "3 readings"),
    ],
)
def test_settings_are_said_in_words(wish: Wish, zh: str, en: str) -> None:
    trial = wish.applied_to(TODAY)
    assert trial is not None
    said = words.settings(trial)
    assert zh in said[0]
    assert en in said[1]


def test_nothing_wished_for_is_no_trial() -> None:
    assert Wish().applied_to(TODAY) is None
    assert Wish(offset_c=0.0).applied_to(TODAY) == TODAY
