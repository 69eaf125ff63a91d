from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from gated.messages import CodeSeen
from gated.scanner.presentation import MAX_REMEMBERED, Presentations
from gated.units import MonoSeconds

HOLD_OFF_S = 3.0


class Gate:
    """Presentations with names p1, p2, … and the sightings that came of them."""

    def __init__(self) -> None:
        numbers = count(1)
        self.presentations = Presentations(HOLD_OFF_S, lambda: f"p{next(numbers)}")

    def shows(self, at_s: float, *texts: str) -> CodeSeen | None:
        return self.presentations.see(texts, "zxing", MonoSeconds(at_s))

    def name_of(self, at_s: float, *texts: str) -> str | None:
        seen = self.shows(at_s, *texts)
        return None if seen is None else seen.presentation


def test_a_code_held_up_for_a_minute_is_one_presentation() -> None:
    gate = Gate()
    first = gate.shows(0.0, "GP1:CODE-A")
    assert first is not None
    assert (first.text, first.decoder, first.presentation) == ("GP1:CODE-A", "zxing", "p1")
    assert [gate.shows(n / 10, "GP1:CODE-A") for n in range(1, 600)] == [None] * 599


def test_a_few_unread_frames_do_not_make_a_second_presentation() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "GP1:CODE-A") == "p1"
    assert gate.name_of(1.0) is None
    assert gate.name_of(HOLD_OFF_S - 0.1, "GP1:CODE-A") is None


def test_a_code_shown_again_after_the_hold_off_is_a_new_presentation() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "GP1:CODE-A") == "p1"
    assert gate.name_of(1.0, "GP1:CODE-A") is None
    assert gate.name_of(1.0 + HOLD_OFF_S, "GP1:CODE-A") == "p2"


def test_the_next_persons_code_does_not_wait_for_the_last_ones_hold_off() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "GP1:CODE-A") == "p1"
    assert gate.name_of(0.1, "GP1:CODE-B") == "p2"
    assert gate.name_of(0.2, "GP1:CODE-A") is None
    assert gate.name_of(0.3, "GP1:CODE-B") is None


def test_two_codes_in_view_are_ambiguous_and_neither_is_given_away() -> None:
    gate = Gate()
    seen = gate.shows(0.0, "GP1:CODE-A", "GP1:CODE-B")
    assert seen is not None
    assert seen.is_ambiguous
    assert seen.text == ""
    assert gate.shows(0.1, "GP1:CODE-A", "GP1:CODE-B") is None


def test_one_of_two_codes_alone_in_the_next_frame_does_not_count_yet() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "GP1:CODE-A", "GP1:CODE-B") == "p1"
    assert gate.name_of(0.1, "GP1:CODE-A") is None
    assert gate.name_of(0.9, "GP1:CODE-B") is None


def test_after_two_codes_one_alone_counts_once_the_other_is_gone_for_a_second() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "GP1:CODE-A", "GP1:CODE-B") == "p1"
    assert gate.name_of(0.5, "GP1:CODE-A") is None
    assert gate.name_of(1.0, "GP1:CODE-A") == "p2"


def test_two_codes_shown_again_after_the_hold_off_are_ambiguous_again() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "GP1:CODE-A", "GP1:CODE-B") == "p1"
    assert gate.name_of(HOLD_OFF_S, "GP1:CODE-A", "GP1:CODE-B") == "p2"


def test_a_presented_code_beside_another_goes_on_being_presented() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "GP1:CODE-A") == "p1"
    assert gate.name_of(2.0, "GP1:CODE-A", "GP1:CODE-B") == "p2"
    assert gate.name_of(4.0, "GP1:CODE-A") is None


def test_the_same_text_twice_in_one_frame_is_one_code() -> None:
    gate = Gate()
    seen = gate.shows(0.0, "GP1:CODE-A", "GP1:CODE-A")
    assert seen is not None
    assert not seen.is_ambiguous


def test_a_text_that_cannot_be_a_pass_is_presented_without_itself_and_counted() -> None:
    gate = Gate()
    seen = gate.shows(0.0, "a\x1b[2Jb")
    assert seen is not None
    assert (seen.text, seen.is_ambiguous) == ("", False)
    assert gate.shows(0.1, "a\x1b[2Jb") is None  # still the same presentation
    longer = gate.shows(0.2, "x" * 5_000)
    assert longer is not None
    assert longer.text == ""
    assert gate.presentations.unreadable == 2


def test_a_good_code_beside_one_that_cannot_be_a_pass_is_ambiguous() -> None:
    seen = Gate().shows(0.0, "GP1:CODE-A", "bad\n")
    assert seen is not None
    assert seen.is_ambiguous


def test_texts_are_forgotten_when_their_hold_off_is_over() -> None:
    gate = Gate()
    gate.shows(0.0, "GP1:CODE-A")
    gate.shows(HOLD_OFF_S)
    assert gate.presentations._last_seen == {}


def test_a_flood_of_codes_does_not_fill_the_memory() -> None:
    gate = Gate()
    for n in range(1_000):
        gate.shows(n / 10_000, f"code {n}")
    assert len(gate.presentations._last_seen) <= MAX_REMEMBERED + 1


@given(st.lists(st.tuples(st.floats(0.05, 1.0), st.lists(st.sampled_from("ABC"), max_size=3))))
def test_a_code_is_never_presented_twice_within_the_hold_off(
    frames: list[tuple[float, list[str]]],
) -> None:
    gate = Gate()
    now_s = 0.0
    last_seen_s: dict[str, float] = {}
    for step_s, texts in frames:
        now_s += step_s
        seen = gate.shows(now_s, *texts)
        if seen is not None and not seen.is_ambiguous:
            assert set(texts) == {seen.text}
            assert now_s - last_seen_s.get(seen.text, -HOLD_OFF_S) >= HOLD_OFF_S
        if seen is not None and seen.is_ambiguous:
            assert len(set(texts)) > 1
            assert seen.text == ""
        for text in set(texts) & set(gate.presentations._last_seen):
            last_seen_s[text] = now_s


# --- agreement -----------------------------------------------------------------------------------


def test_what_the_second_family_alone_has_read_counts_when_it_is_read_again() -> None:
    see = Gate().presentations.see
    assert see(["GP1:CODE-A"], "pyzbar", MonoSeconds(0.0), is_certain=False) is None
    seen = see(["GP1:CODE-A"], "pyzbar", MonoSeconds(0.1), is_certain=False)
    assert seen is not None
    assert seen.text == "GP1:CODE-A"


def test_what_the_other_family_has_read_too_counts_at_once() -> None:
    see = Gate().presentations.see
    assert see(["GP1:CODE-A"], "pyzbar", MonoSeconds(0.0), is_certain=False) is None
    assert see(["GP1:CODE-A"], "zxing", MonoSeconds(0.1)) is not None


def test_what_is_read_again_much_later_is_still_doubtful() -> None:
    see = Gate().presentations.see
    for at_s in (0.0, 1.1, 2.2):
        assert see(["GP1:CODE-A"], "pyzbar", MonoSeconds(at_s), is_certain=False) is None


def test_a_code_that_lies_still_before_the_camera_stays_one_presentation() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "GP1:CODE-A") == "p1"
    for tenth in range(1, 100):
        gate.presentations.stay(MonoSeconds(tenth / 10))
    assert gate.name_of(10.0, "GP1:CODE-A") is None
