"""What each prompt looks and sounds like: pure patterns, and no two prompts alike."""

from __future__ import annotations

import itertools

import pytest

from gated.actuators.signals import BLINK, ON, SIGNALS, WINK, Lamp, Pattern
from gated.vocabulary import Prompt

# --- patterns ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "on_from_to_s"),
    [
        (Pattern(), []),
        (ON, [(0.0, 10.0)]),
        (Pattern((0.5,)), [(0.0, 0.5)]),
        (Pattern((0.1, 0.2, 0.3)), [(0.0, 0.1), (0.3, 0.6)]),
        (Pattern((1.0,), every_s=4.0), [(0.0, 1.0), (4.0, 5.0), (8.0, 9.0)]),
        (Pattern((0.5, 0.5, 0.5), every_s=5.0), [(0.0, 0.5), (1.0, 1.5), (5.0, 5.5), (6.0, 6.5)]),
    ],
)
def test_a_pattern_is_on_when_its_steps_say_so(
    pattern: Pattern, on_from_to_s: list[tuple[float, float]]
) -> None:
    for tenth in range(99):
        at_s = tenth / 10 + 0.05
        expected = any(start_s <= at_s < end_s for start_s, end_s in on_from_to_s)
        assert pattern.is_on(at_s) is expected, at_s


@pytest.mark.parametrize("pattern", [ON, BLINK, WINK, Pattern((0.1, 0.2, 0.3)), Pattern()])
def test_a_pattern_changes_exactly_where_it_says(pattern: Pattern) -> None:
    at_s = 0.05
    for _ in range(6):
        wait_s = pattern.next_change_s(at_s)
        if wait_s == float("inf"):
            assert pattern.is_on(at_s) is pattern.is_on(at_s + 1e6)
            return
        before, after = at_s + wait_s - 1e-6, at_s + wait_s + 1e-6
        assert pattern.is_on(at_s) is pattern.is_on(before)
        assert pattern.is_on(before) is not pattern.is_on(after)
        at_s = after


# --- prompts -------------------------------------------------------------------------------------


def test_no_two_prompts_look_and_sound_the_same() -> None:
    for one, other in itertools.combinations(Prompt, 2):
        assert SIGNALS[one] != SIGNALS[other], f"{one} and {other}"


@pytest.mark.parametrize("prompt", Prompt)
def test_only_a_lit_lamp_blinks_and_none_stands_for_the_mode(prompt: Prompt) -> None:
    signal = SIGNALS[prompt]
    assert signal.blinks <= signal.lamps
    assert Lamp.OBSERVE not in signal.lamps


@pytest.mark.parametrize("prompt", set(Prompt) - {Prompt.GO})
def test_the_go_lamp_is_for_go_alone(prompt: Prompt) -> None:
    assert Lamp.GO not in SIGNALS[prompt].lamps
