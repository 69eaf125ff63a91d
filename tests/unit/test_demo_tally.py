"""The demo's last line: what a pulled plug explains, and what nothing explains."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gated.demo.tally import Tally

CLEAN = Tally(visits=4, stored=4, lost=0, duplicated=0, unexpected=())
PULLED = replace(CLEAN, disturbed_persons=0)
DISTURBED = replace(CLEAN, stored=5, disturbed=("healthy, controller out: …",), disturbed_persons=1)


def test_the_line_speaks_of_what_was_disturbed_only_if_a_plug_was_pulled() -> None:
    line = "visits=4 stored=4 lost=0 duplicated=0 unexpected=0"
    assert str(CLEAN) == line
    assert str(PULLED) == f"{line} disturbed=0"
    assert str(DISTURBED).endswith(" disturbed=1")


def test_who_was_disturbed_may_have_more_or_fewer_visits_and_nobody_else() -> None:
    assert DISTURBED.is_clean
    assert replace(DISTURBED, stored=3).is_clean
    assert CLEAN.is_clean
    assert PULLED.is_clean
    assert not replace(PULLED, stored=5).is_clean
    assert not replace(CLEAN, stored=3).is_clean


@pytest.mark.parametrize("tally", [CLEAN, PULLED, DISTURBED])
def test_no_pulled_plug_excuses_what_is_lost_or_twice_there_or_unexpected(tally: Tally) -> None:
    assert not replace(tally, lost=1).is_clean
    assert not replace(tally, duplicated=1).is_clean
    assert not replace(tally, unexpected=("nobody's",)).is_clean
