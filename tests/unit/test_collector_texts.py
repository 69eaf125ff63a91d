from __future__ import annotations

import re
from importlib.resources import files

import pytest

from gated.collector.completeness import GapReason
from gated.collector.intake import UNREADABLE_KIND
from gated.collector.report import Completeness
from gated.collector.store import Problem
from gated.collector.texts import GROUPS, LANGS, all_texts, say
from gated.contents import AlarmName, Kind
from gated.vocabulary import (
    Direction,
    HolderCategory,
    Mode,
    Outcome,
    PassageResult,
    Reason,
    ReleaseResult,
)

VOCABULARIES = {
    "outcome": {*Outcome},
    "reason": {*Reason},
    "mode": {*Mode},
    "release": {*ReleaseResult},
    "kind": {*Kind, UNREADABLE_KIND},
    "direction": {*Direction},
    "category": {*HolderCategory},
    "passage": {*PassageResult},
    "alarm": {*AlarmName},
    "completeness": {*Completeness},
    "gap": {*GapReason},
    "problem": {*Problem},
}


@pytest.mark.parametrize("group", sorted(VOCABULARIES))
def test_every_word_on_the_wire_has_both_texts(group: str) -> None:
    assert set(GROUPS[group]) == VOCABULARIES[group]
    for zh, en in GROUPS[group].values():
        assert zh.strip()
        assert en.strip()


def test_a_word_of_a_later_version_is_shown_as_it_is() -> None:
    assert say("alarm", "flood", "zh") == "flood"


def text_of(suffix: str) -> list[str]:
    """Return the page's files with ``suffix``."""
    pages = (files("gated.collector") / "pages").iterdir()
    return [file.read_text(encoding="utf-8") for file in pages if file.name.endswith(suffix)]


def test_what_the_page_asks_for_is_there() -> None:
    html = "".join(text_of(".html"))
    script = "".join(text_of(".js"))
    asked = set(re.findall(r'data-t(?:-label)?="(\w+\.\w+)"', html))
    asked |= {f"{group}.{key}" for group, key in re.findall(r't\("(\w+)", "(\w+)"\)', script)}
    assert len(asked) > 10
    known = {f"{group}.{key}" for group, pairs in GROUPS.items() for key in pairs}
    assert asked <= known


def test_no_text_of_the_page_is_left_over() -> None:
    used = "".join([*text_of(".html"), *text_of(".js")])
    assert [key for key in GROUPS["page"] if key not in used] == []


def test_an_alarm_that_comes_when_storage_has_room_again_speaks_of_what_was() -> None:
    assert "storage was full" in say("alarm", AlarmName.LEDGER_FULL, "en")
    assert "曾满" in say("alarm", AlarmName.LEDGER_FULL, "zh")


def test_all_texts_are_given_in_both_languages() -> None:
    texts = all_texts()
    assert set(texts) == set(LANGS)
    assert texts["zh"]["outcome"]["granted"] == "放行"
    assert texts["en"]["outcome"]["granted"] == "granted"
