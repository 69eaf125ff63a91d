from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gated.scanner.unread import Unread
from gated.scanner.unread_watch import (
    CALM_LOOK_EVERY_S,
    FIXTURE_AFTER_S,
    LOOK_EVERY_S,
    QUIET_AFTER_READ_S,
    STOOD_S,
    UnreadWatch,
)
from gated.units import MonoSeconds
from gated.vocabulary import UnreadCause

HOLD_OFF_S = 3.0


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
