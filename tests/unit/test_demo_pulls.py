"""Plugs by key and by --pull: what can be written, what is said, what the backlog shows."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from gated.demo.gauge import NOTICEABLE, Gauge
from gated.demo.pulls import (
    DARKENS,
    HELP_KEYS,
    KEYS,
    PULL_EXAMPLE,
    WORDS,
    Plug,
    Pull,
    Step,
    help_lines,
    key_of,
    keys_in_a_line,
    parse_pulls,
    steps_of,
)
from gated.demo.screen import Screen


def test_every_plug_has_a_key_of_its_own_and_words_in_both_languages() -> None:
    assert sorted(KEYS.values()) == sorted(Plug)
    assert set(KEYS).isdisjoint(HELP_KEYS)
    said = "\n".join(help_lines())
    for plug in Plug:
        key, words = key_of(plug), WORDS[plug]
        assert f"{key} {plug} {words.name_zh}" in keys_in_a_line()
        assert f"  {key}  {plug} " in said
        assert all(text in said for text in words.out)


def test_the_tutorial_has_every_key_with_its_plug() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w)` \| `(\w+)` (\S+) \| .+ \| .+ \|$", page, re.MULTILINE)
    assert rows == [(key, plug, WORDS[plug].name_zh) for key, plug in KEYS.items()]


def test_the_example_in_the_help_is_read_as_it_says() -> None:
    collector, network = parse_pulls(PULL_EXAMPLE)
    assert collector == Pull(Plug.COLLECTOR, 5.0, 20.0)
    assert network == Pull(Plug.NETWORK, 30.0, 8.0)
    assert ",".join(map(str, (collector, network))) == PULL_EXAMPLE
    assert steps_of((network, collector)) == [
        Step(5.0, Plug.COLLECTOR, is_out=True),
        Step(25.0, Plug.COLLECTOR, is_out=False),
        Step(30.0, Plug.NETWORK, is_out=True),
        Step(38.0, Plug.NETWORK, is_out=False),
    ]


def test_a_pull_without_an_end_lasts_to_the_end() -> None:
    (pull,) = parse_pulls("scanner@2.5")
    assert pull == Pull(Plug.SCANNER, 2.5, math.inf)
    assert str(pull) == "scanner@2.5"
    assert steps_of([pull]) == [Step(2.5, Plug.SCANNER, is_out=True)]


def test_a_plug_may_be_pulled_again_once_it_is_in() -> None:
    assert len(parse_pulls("broker@10:2, broker@5:4")) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is not PLUG@SECOND:SECONDS"),
        ("network", f"as in {PULL_EXAMPLE}"),
        ("network@-1:2", "'network@-1:2' is not"),
        ("network@5:", "'network@5:' is not"),
        ("network@5:3,", "'' is not"),
        ("printer@5:3", "there is no plug 'printer'; there are network, broker, "),
        ("broker@5:4,broker@7:1", "broker@7:1 would pull what is out already by broker@5:4"),
        ("broker@7:1,broker@5", "broker@7:1 would pull what is out already by broker@5"),
        *((f"{plug}@5", f"{plug}@5 needs :SECONDS") for plug in DARKENS),
    ],
)
def test_what_cannot_be_pulled_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the texts are below
        parse_pulls(text)
    assert said in str(caught.value)


# --- the backlog ----------------------------------------------------------------------------------


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_without_a_pulled_plug_nothing_is_said_of_the_backlog(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gauge = Gauge(Screen())
    for backlog in (0, 2, 40, 0):
        gauge.show(backlog, ())
    assert lines_of(capsys) == []


def test_a_rise_and_a_fall_worth_noticing_are_lines_and_so_is_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gauge = Gauge(Screen())
    for backlog in (0, 1, NOTICEABLE, NOTICEABLE + 1, 2 * NOTICEABLE):
        gauge.show(backlog, [Plug.NETWORK])
    gauge.show(2 * NOTICEABLE, ())
    gauge.show(1, ())
    gauge.show(0, ())
    gauge.show(5, ())  # an ordinary moment later
    assert lines_of(capsys) == [
        "backlog 待送达 2",
        "backlog 待送达 4",
        "backlog 待送达 1",
        "backlog 待送达 0 (at most 最多 4)",
    ]


def test_what_left_no_backlog_is_not_spoken_of(capsys: pytest.CaptureFixture[str]) -> None:
    gauge = Gauge(Screen())
    gauge.show(0, [Plug.SCANNER])
    gauge.show(0, ())
    assert lines_of(capsys) == []


def test_on_a_terminal_the_backlog_stands_below_the_lines_and_goes_when_it_is_drained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen()
    screen.is_terminal = True
    gauge = Gauge(screen)
    gauge.show(1, [Plug.NETWORK, Plug.BROKER])
    status = "backlog 待送达 1 · out 拔掉 network, broker\x1b[K\r"
    assert capsys.readouterr().out == status
    screen.say("a visit")
    assert capsys.readouterr().out == f"\x1b[Ka visit\n{status}"
    gauge.show(0, ())
    assert capsys.readouterr().out == "\x1b[Kbacklog 待送达 0 (at most 最多 1)\n"
