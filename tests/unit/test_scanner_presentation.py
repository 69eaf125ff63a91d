from __future__ import annotations

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from gated.messages import CodeSeen
from gated.scanner.presentation import (
    CALM_LOOK_EVERY_S,
    FIXTURE_AFTER_S,
    LOOK_EVERY_S,
    MAX_REMEMBERED,
    QUIET_AFTER_READ_S,
    STOOD_S,
    Presentations,
    UnreadWatch,
)
from gated.scanner.unread import Unread
from gated.units import MonoSeconds
from gated.vocabulary import UnreadCause

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
    first = gate.shows(0.0, "A")
    assert first is not None
    assert (first.text, first.decoder, first.presentation) == ("A", "zxing", "p1")
    assert [gate.shows(n / 10, "A") for n in range(1, 600)] == [None] * 599


def test_a_few_unread_frames_do_not_make_a_second_presentation() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "A") == "p1"
    assert gate.name_of(1.0) is None
    assert gate.name_of(HOLD_OFF_S - 0.1, "A") is None


def test_a_code_shown_again_after_the_hold_off_is_a_new_presentation() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "A") == "p1"
    assert gate.name_of(1.0, "A") is None
    assert gate.name_of(1.0 + HOLD_OFF_S, "A") == "p2"


def test_the_next_persons_code_does_not_wait_for_the_last_ones_hold_off() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "A") == "p1"
    assert gate.name_of(0.1, "B") == "p2"
    assert gate.name_of(0.2, "A") is None
    assert gate.name_of(0.3, "B") is None


def test_two_codes_in_view_are_ambiguous_and_neither_is_given_away() -> None:
    gate = Gate()
    seen = gate.shows(0.0, "A", "B")
    assert seen is not None
    assert seen.is_ambiguous
    assert seen.text == ""
    assert gate.shows(0.1, "A", "B") is None


def test_one_of_two_codes_alone_in_the_next_frame_does_not_count_yet() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "A", "B") == "p1"
    assert gate.name_of(0.1, "A") is None
    assert gate.name_of(0.9, "B") is None


def test_after_two_codes_one_alone_counts_once_the_other_is_gone_for_a_second() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "A", "B") == "p1"
    assert gate.name_of(0.5, "A") is None
    assert gate.name_of(1.0, "A") == "p2"


def test_two_codes_shown_again_after_the_hold_off_are_ambiguous_again() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "A", "B") == "p1"
    assert gate.name_of(HOLD_OFF_S, "A", "B") == "p2"


def test_a_presented_code_beside_another_goes_on_being_presented() -> None:
    gate = Gate()
    assert gate.name_of(0.0, "A") == "p1"
    assert gate.name_of(2.0, "A", "B") == "p2"
    assert gate.name_of(4.0, "A") is None


def test_the_same_text_twice_in_one_frame_is_one_code() -> None:
    gate = Gate()
    seen = gate.shows(0.0, "A", "A")
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
    seen = Gate().shows(0.0, "A", "bad\n")
    assert seen is not None
    assert seen.is_ambiguous


def test_texts_are_forgotten_when_their_hold_off_is_over() -> None:
    gate = Gate()
    gate.shows(0.0, "A")
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


# --- hints ---------------------------------------------------------------------------------------

SMALL, DARK, BLURRED = UnreadCause.TOO_SMALL, UnreadCause.TOO_DARK, UnreadCause.BLURRED
NOTHING = "nothing"


class Watched:
    """An unread watch that is shown one thing after another, and what it told when."""

    def __init__(self) -> None:
        self.watch = UnreadWatch(HOLD_OFF_S)
        self.now_s = 100.0
        self.told: list[tuple[float, UnreadCause]] = []

    def sees(
        self,
        what: UnreadCause | str | None,
        for_s: float,
        *,
        x_px: float = 640.0,
        is_calm: bool = False,
    ) -> list[UnreadCause]:
        """Show ``what`` in ten frames a second; return the causes told of it."""
        before = len(self.told)
        for _ in range(round(for_s * 10)):
            self.now_s += 0.1
            at = MonoSeconds(self.now_s)
            if not self.watch.is_due(at, is_calm=is_calm):
                continue
            cause = what if isinstance(what, UnreadCause) else None
            found = () if what == NOTHING else (Unread(cause, x_px, 360.0, 200.0),)
            hint = self.watch.look(found, at, is_calm=is_calm)
            if hint is not None:
                self.told.append((self.now_s, hint.cause))
        return [cause for _, cause in self.told[before:]]

    def reads(self) -> None:
        self.watch.take_read(MonoSeconds(self.now_s))


def test_what_stands_unread_is_told_once_and_soon() -> None:
    watched = Watched()
    assert watched.sees(DARK, 10.0) == [DARK]
    assert STOOD_S <= watched.told[0][0] - 100.0 <= STOOD_S + 2 * LOOK_EVERY_S


def test_what_passes_by_is_not_told() -> None:
    watched = Watched()
    assert watched.sees(SMALL, STOOD_S - 0.1) == []
    assert watched.sees(NOTHING, 5.0) == []


def test_on_the_way_from_one_cause_to_the_next_only_what_lasts_is_told() -> None:
    watched = Watched()
    assert watched.sees(SMALL, 0.5) == []
    assert watched.sees(BLURRED, 0.5) == []
    assert watched.sees(DARK, 4.0) == [DARK]


def test_a_cause_that_is_seen_in_half_of_the_looks_is_not_told() -> None:
    watch = UnreadWatch(HOLD_OFF_S)
    for number in range(20):
        code = Unread(DARK if number % 2 == 0 else None, 640.0, 360.0, 200.0)
        at = MonoSeconds(number * LOOK_EVERY_S)
        assert watch.look((code,), at, is_calm=False) is None


def test_another_cause_is_told_too_but_none_twice() -> None:
    watched = Watched()
    assert watched.sees(SMALL, 4.0) == [SMALL]
    assert watched.sees(DARK, 4.0) == [DARK]
    assert watched.sees(SMALL, 4.0) == []


def test_after_it_was_out_of_view_for_the_hold_off_a_cause_is_told_anew() -> None:
    watched = Watched()
    assert watched.sees(SMALL, 2.0) == [SMALL]
    watched.sees(NOTHING, HOLD_OFF_S - 0.5)
    assert watched.sees(SMALL, 2.0) == []
    watched.sees(NOTHING, HOLD_OFF_S + LOOK_EVERY_S)
    assert watched.sees(SMALL, 2.0) == [SMALL]


def test_what_is_lowered_after_it_was_read_gives_no_hint() -> None:
    watched = Watched()
    watched.sees(SMALL, 0.6)
    watched.reads()
    assert watched.sees(BLURRED, QUIET_AFTER_READ_S) == []


def test_after_something_was_read_the_next_one_gets_its_own_hint() -> None:
    watched = Watched()
    assert watched.sees(SMALL, 2.0) == [SMALL]
    watched.reads()
    assert watched.sees(SMALL, QUIET_AFTER_READ_S + 2.0) == [SMALL]


def test_a_code_without_a_telling_cause_gives_no_hint() -> None:
    assert Watched().sees(None, 10.0) == []


def test_a_poster_is_told_once_at_most_and_later_never_again() -> None:
    watched = Watched()
    watched.sees(SMALL, FIXTURE_AFTER_S + 2 * CALM_LOOK_EVERY_S, is_calm=True)
    assert len(watched.told) == 1
    for _ in range(3):  # people come, and what they hold up is read
        assert watched.sees(SMALL, 4.0) == []
        watched.reads()
        watched.sees(SMALL, 2 * CALM_LOOK_EVERY_S, is_calm=True)
    assert len(watched.told) == 1


def test_beside_a_poster_what_somebody_holds_up_is_told() -> None:
    watched = Watched()
    watched.sees(SMALL, FIXTURE_AFTER_S + 2 * CALM_LOOK_EVERY_S, is_calm=True)
    assert watched.sees(SMALL, 2.0, x_px=300.0) == [SMALL]


def test_where_a_poster_was_taken_away_hints_are_given_again() -> None:
    watched = Watched()
    watched.sees(SMALL, FIXTURE_AFTER_S + 2 * CALM_LOOK_EVERY_S, is_calm=True)
    watched.sees(NOTHING, 2 * CALM_LOOK_EVERY_S, is_calm=True)
    assert watched.sees(SMALL, 2.0) == [SMALL]


def test_with_nobody_there_a_look_is_rarely_worth_its_time() -> None:
    watch = UnreadWatch(HOLD_OFF_S)
    looks = 0
    for tenth in range(600):
        if watch.is_due(MonoSeconds(tenth / 10), is_calm=True):
            watch.look((), MonoSeconds(tenth / 10), is_calm=True)
            looks += 1
    assert looks == 6


@given(
    st.lists(
        st.tuples(st.sampled_from([SMALL, DARK, BLURRED, None, NOTHING]), st.floats(0.1, 3.0)),
        max_size=20,
    )
)
def test_between_two_readings_without_a_pause_no_cause_is_told_twice(
    shown: list[tuple[UnreadCause | str | None, float]],
) -> None:
    watched = Watched()
    for what, for_s in shown:
        watched.sees(what, min(for_s, HOLD_OFF_S - 0.4) if what == NOTHING else for_s)
        if what == NOTHING:
            watched.sees(None, LOOK_EVERY_S + 0.1)  # back in view
    told = [cause for _, cause in watched.told]
    assert len(told) == len(set(told))
