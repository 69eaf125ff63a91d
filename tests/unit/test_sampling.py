"""Presence and plateau from lists of samples."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from gated.errors import SensorFault
from gated.messages import PresenceEnded, PresenceStarted
from gated.sensors.mlx90614 import Options
from gated.sensors.port import TemperatureSample
from gated.sensors.sampling import STUCK_SAMPLES, Finding, Plateau, Sampling, SamplingRules
from gated.units import MonoSeconds

SLOW = SamplingRules.for_traits(Options(variant="DCI").traits())
FAST = SamplingRules.for_traits(Options(variant="DAA").traits())
SLOW_S, FAST_S = 0.65, 0.1


class Feeder:
    """Feeds temperatures at a steady pace and keeps what was found."""

    def __init__(self, rules: SamplingRules, period_s: float) -> None:
        self.sampling = Sampling("adult", rules)
        self.at_s = 100.0
        self.found: list[Finding] = []
        self._period_s = period_s

    def feed(self, *values_c: float) -> list[Finding]:
        new: list[Finding] = []
        for value_c in values_c:
            self.at_s += self._period_s
            sample = TemperatureSample(value_c, 25.0, MonoSeconds(self.at_s))
            new.extend(self.sampling.feed(sample))
        self.found += new
        return new

    def skip(self, by_s: float) -> None:
        self.at_s += by_s


@pytest.fixture
def slow() -> Feeder:
    feeder = Feeder(SLOW, SLOW_S)
    feeder.feed(22.0, 22.1, 21.9, 22.02)
    return feeder


@pytest.fixture
def fast() -> Feeder:
    feeder = Feeder(FAST, FAST_S)
    feeder.feed(*(22.0 + 0.02 * (i % 3) for i in range(12)))
    return feeder


def names(found: Iterable[Finding]) -> list[str]:
    return [type(finding).__name__ for finding in found]


def test_a_slow_chip_answers_after_three_still_samples(slow: Feeder) -> None:
    assert slow.feed(34.0) == []
    assert names(slow.feed(34.1)) == ["PresenceStarted"]
    (plateau,) = slow.feed(34.06)
    assert isinstance(plateau, Plateau)
    assert plateau.object_c == pytest.approx(34.08)  # the newer half is higher than the median
    assert plateau.samples == 3
    assert plateau.spread_c == pytest.approx(0.1)
    assert plateau.taken_at == MonoSeconds(slow.at_s)


def test_a_fast_chip_answers_within_1200_ms_of_standing_still(fast: Feeder) -> None:
    started_s = fast.at_s
    found = fast.feed(*(34.0 + 0.02 * (i % 4) for i in range(12)))
    assert names(found) == ["PresenceStarted", "Plateau"]
    assert isinstance(found[1], Plateau)
    assert found[1].taken_at - started_s <= 1.2
    assert found[1].object_c == pytest.approx(34.03, abs=0.02)


def test_whoever_still_comes_nearer_gets_no_plateau(slow: Feeder) -> None:
    assert names(slow.feed(30.5, 31.4, 32.3, 33.2, 34.0)) == ["PresenceStarted"]
    assert names(slow.feed(34.05, 34.0)) == ["Plateau"]


def test_whoever_walks_by_gets_no_plateau(fast: Feeder) -> None:
    ramp = [30.0 + 0.3 * i for i in range(14)]
    found = fast.feed(*ramp, *reversed(ramp), *[22.0 + 0.02 * (i % 3) for i in range(12)])
    assert names(found) == ["PresenceStarted", "PresenceEnded"]


@pytest.mark.parametrize("middle_c", [36.0, 32.5])
def test_one_sample_that_sticks_out_of_three_makes_no_plateau(
    slow: Feeder, middle_c: float
) -> None:
    assert names(slow.feed(33.0, 34.0, middle_c, 34.02)) == ["PresenceStarted"]


def test_one_plateau_is_found_for_each_presence(slow: Feeder) -> None:
    slow.feed(*(34.0 + 0.02 * (i % 5) for i in range(20)))
    assert names(slow.found) == ["PresenceStarted", "Plateau"]


def test_a_plateau_on_request_shares_no_sample_with_the_first(slow: Feeder) -> None:
    slow.feed(34.0, 34.02, 34.04)
    slow.sampling.measure_again()
    assert slow.feed(35.0, 35.02) == []
    (second,) = slow.feed(35.04)
    assert isinstance(second, Plateau)
    assert second.object_c == pytest.approx(35.03)


def test_samples_between_the_plateaus_are_not_used_either(slow: Feeder) -> None:
    slow.feed(34.0, 34.02, 34.04, 35.5, 35.52)
    slow.sampling.measure_again()
    assert names(slow.feed(35.0, 35.02)) == []
    assert names(slow.feed(35.04)) == ["Plateau"]


def test_a_request_while_nobody_is_there_is_forgotten(slow: Feeder) -> None:
    slow.sampling.measure_again()
    assert not slow.sampling.is_owed
    slow.feed(34.0, 34.02, 34.04, 34.02, 34.04, 34.06)
    assert names(slow.found) == ["PresenceStarted", "Plateau"]


def test_nobody_is_colder_than_thirty_degrees(slow: Feeder) -> None:
    assert slow.feed(29.9, 29.92, 29.94, 29.9) == []


def test_a_warm_background_raises_the_threshold() -> None:
    feeder = Feeder(SLOW, SLOW_S)
    feeder.feed(29.0, 29.02, 29.04, 29.02)
    assert feeder.feed(31.9, 31.92, 31.9) == []
    assert names(feeder.feed(34.0, 34.02)) == ["PresenceStarted"]


def test_whatever_is_in_view_at_the_start_is_the_background() -> None:
    feeder = Feeder(SLOW, SLOW_S)
    assert feeder.feed(*(36.0 + 0.02 * (i % 3) for i in range(8))) == []


def test_the_background_follows_slowly_and_only_while_nobody_is_there(slow: Feeder) -> None:
    slow.feed(*(34.0 + 0.02 * (i % 3) for i in range(60)))
    slow.feed(22.0, 22.02)
    assert names(slow.feed(34.0, 34.02)) == ["PresenceStarted"]


def test_a_person_who_was_there_at_the_start_is_seen_after_stepping_away() -> None:
    feeder = Feeder(SLOW, SLOW_S)
    feeder.feed(*(34.0 + 0.02 * (i % 3) for i in range(6)))
    feeder.feed(*(22.0 + 0.02 * (i % 3) for i in range(20)))
    assert names(feeder.feed(34.0, 34.02)) == ["PresenceStarted"]


def test_before_a_plateau_leaving_has_a_hysteresis_of_one_and_a_half_degrees(slow: Feeder) -> None:
    slow.feed(33.0, 34.04)
    assert slow.feed(28.6, 31.0, 28.6) == []
    assert names(slow.feed(28.4)) == ["PresenceEnded"]


def test_who_was_measured_has_left_once_the_view_is_two_degrees_colder(slow: Feeder) -> None:
    slow.feed(34.0, 34.02, 34.04)
    assert slow.feed(32.1, 32.1) == []
    assert names(slow.feed(31.9)) == ["PresenceEnded"]
    # The next in the queue, who was that colder view, is a presence and a plateau of their own.
    assert names(slow.feed(32.5, 34.4, 34.42, 34.4)) == ["PresenceStarted", "Plateau"]


def test_a_slow_chip_sees_an_exchange_in_a_single_cold_sample(slow: Feeder) -> None:
    slow.feed(34.0, 34.02, 34.04)
    assert names(slow.feed(23.0)) == ["PresenceEnded"]
    assert names(slow.feed(34.5, 34.52, 34.54)) == ["PresenceStarted", "Plateau"]


def test_before_a_plateau_a_fast_chip_wants_half_a_second_of_cold(fast: Feeder) -> None:
    fast.feed(33.0, 33.5, 34.0, 34.04)
    assert fast.feed(23.0, 23.02, 23.0, 23.02) == []
    assert names(fast.feed(23.0, 23.02)) == ["PresenceEnded"]


def test_who_turns_away_slowly_is_not_taken_for_the_next_one(slow: Feeder) -> None:
    slow.feed(34.0, 34.02, 34.04)
    assert names(slow.feed(31.9, 31.2, 30.4, 28.0, 22.0)) == ["PresenceEnded"]


def test_somebody_at_the_sensor_at_the_start_is_outvoted_in_seconds() -> None:
    feeder = Feeder(SLOW, SLOW_S)
    feeder.feed(*(34.0 + 0.02 * (i % 3) for i in range(15)))
    feeder.feed(*(22.0 + 0.02 * (i % 3) for i in range(8)))
    assert names(feeder.feed(34.0, 34.02, 34.0)) == ["PresenceStarted", "Plateau"]


def test_a_short_look_aside_is_no_departure_but_starts_the_window_afresh(fast: Feeder) -> None:
    fast.feed(*(34.0 + 0.02 * (i % 4) for i in range(5)))
    fast.feed(23.0, 23.02)
    still = [34.0 + 0.02 * (i % 4) for i in range(9)]
    assert names(fast.feed(*still[:-1])) == []
    assert names(fast.feed(still[-1], 34.06)) == ["Plateau"]
    assert names(fast.found) == ["PresenceStarted", "Plateau"]


def test_samples_before_a_long_gap_are_not_mixed_with_those_after(slow: Feeder) -> None:
    slow.feed(34.0, 34.02)
    slow.skip(5.0)
    assert slow.feed(34.04, 34.02) == []
    assert names(slow.feed(34.0)) == ["Plateau"]


def test_one_void_sample_delays_the_plateau_and_does_not_prevent_it(slow: Feeder) -> None:
    slow.feed(34.0, 34.02)
    slow.skip(SLOW_S)
    assert names(slow.feed(34.04)) == ["Plateau"]


def test_after_the_sensor_was_lost_nothing_is_owed_and_presence_lasts(slow: Feeder) -> None:
    slow.feed(34.0, 34.02)
    slow.sampling.give_up()
    assert slow.sampling.is_present
    assert not slow.sampling.is_owed
    assert slow.feed(34.0, 34.02, 34.04, 34.0) == []
    assert names(slow.feed(22.0)) == ["PresenceEnded"]


def test_a_chip_that_repeats_itself_is_at_fault_until_it_changes(slow: Feeder) -> None:
    slow.feed(*[34.0] * (STUCK_SAMPLES - 1))
    for _ in range(3):
        with pytest.raises(SensorFault, match="stuck"):
            slow.feed(34.0)
    slow.feed(34.02)


def test_the_messages_carry_name_and_time(slow: Feeder) -> None:
    slow.feed(34.0, 34.02)
    started_at = MonoSeconds(slow.at_s)
    slow.feed(22.0)
    assert slow.found == [
        PresenceStarted("adult", started_at),
        PresenceEnded("adult", MonoSeconds(slow.at_s)),
    ]


def test_noise_alone_never_makes_a_person() -> None:
    chance = random.Random(7)
    for variant, period_s in (("DCI", SLOW_S), ("DCC", 0.14), ("DAA", FAST_S)):
        traits = Options(variant=variant).traits()
        feeder = Feeder(SamplingRules.for_traits(traits), period_s)
        feeder.feed(*(28.0 + chance.gauss(0.0, traits.noise_c) for _ in range(5_000)))
        assert feeder.found == []


# --- what is in view with nobody there -----------------------------------------------------------


def test_the_surroundings_are_what_was_seen_shortly_before_somebody_came(slow: Feeder) -> None:
    slow.feed(*(29.0 + 0.02 * (i % 2) for i in range(8)))  # the sun has come out
    before = MonoSeconds(slow.at_s)
    assert slow.sampling.surroundings_c(before) == pytest.approx(29.0, abs=0.05)
    slow.feed(*(36.0 + 0.02 * (i % 2) for i in range(8)))
    assert slow.sampling.is_present
    assert slow.sampling.surroundings_c(MonoSeconds(slow.at_s)) == pytest.approx(29.0, abs=0.05)


def test_somebody_on_the_way_is_no_sun(slow: Feeder) -> None:
    slow.feed(*(22.0, 22.02) * 3, 26.5, 29.0)  # from 1.5 m up to the sensor
    assert slow.sampling.surroundings_c(MonoSeconds(slow.at_s)) == pytest.approx(22.0, abs=0.05)


def test_surroundings_of_long_ago_say_nothing(slow: Feeder) -> None:
    assert slow.sampling.surroundings_c(MonoSeconds(slow.at_s)) is not None
    assert slow.sampling.surroundings_c(MonoSeconds(slow.at_s + 31.0)) is None
    assert Sampling("adult", SLOW).surroundings_c(MonoSeconds(0.0)) is None
