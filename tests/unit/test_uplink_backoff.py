from __future__ import annotations

from gated.uplink.backoff import (
    ALARM_MAX_DELAY_S,
    MAX_DELAY_S,
    STABLE_AFTER_S,
    Backoff,
    shorten_for_alarms,
)


def longest(_low: float, high: float) -> float:
    return high


def shortest(low: float, _high: float) -> float:
    return low


def test_delays_double_from_one_second_to_five_minutes() -> None:
    backoff = Backoff(longest)
    assert [backoff.next_delay_s() for _ in range(11)] == [
        *(1, 2, 4, 8, 16, 32, 64, 128, 256),
        *(300, 300),
    ]


def test_jitter_takes_at_most_half_of_a_delay_away() -> None:
    backoff = Backoff(shortest)
    assert [backoff.next_delay_s() for _ in range(3)] == [0.5, 1.0, 2.0]


def test_a_short_connection_does_not_reset_the_delay() -> None:
    backoff = Backoff(longest)
    backoff.next_delay_s()
    backoff.next_delay_s()
    backoff.note_connection(STABLE_AFTER_S - 0.1)
    assert backoff.next_delay_s() == 4


def test_a_stable_connection_resets_the_delay() -> None:
    backoff = Backoff(longest)
    backoff.next_delay_s()
    backoff.next_delay_s()
    backoff.note_connection(STABLE_AFTER_S)
    assert backoff.next_delay_s() == 1


def test_no_delay_exceeds_thirty_seconds_while_alarms_wait() -> None:
    assert shorten_for_alarms(MAX_DELAY_S, alarms_wait=True) == ALARM_MAX_DELAY_S
    assert shorten_for_alarms(MAX_DELAY_S, alarms_wait=False) == MAX_DELAY_S
    assert shorten_for_alarms(3.0, alarms_wait=True) == 3.0
