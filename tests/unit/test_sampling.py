"""Presence and plateau from lists of samples."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from gated.errors import SensorFault
from gated.messages import PresenceEnded, PresenceStarted
from gated.optics import reach_m
from gated.sensors.mlx90614 import Options
from gated.sensors.port import DistanceSample, TemperatureSample, Traits
from gated.sensors.sampling import (
    Finding,
    Plateau,
    Sampling,
    SamplingRules,
    TooFar,
    stuck_after,
)
from gated.units import MonoSeconds
from gated.vocabulary import Site

SLOW = SamplingRules.for_traits(Options(variant="DCI").traits())
FAST = SamplingRules.for_traits(Options(variant="DAA").traits())
ARRAY = Traits(3.4, 0.0625, 0.14, 0.0, site=Site.FOREHEAD_MAX)
SLOW_S, FAST_S, ARRAY_S = 0.65, 0.1, 0.25
REACH_M = reach_m(5.0)


class Feeder:
    """Feeds temperatures at a steady pace and keeps what was found."""

    def __init__(self, rules: SamplingRules, period_s: float) -> None:
        self.sampling = Sampling("adult", rules)
        self.at_s = 100.0
        self.found: list[Finding] = []
        self._period_s = period_s

    def feed(self, *values_c: float) -> list[Finding]:
        return self.feed_samples(*(TemperatureSample(c, 25.0, MonoSeconds(0.0)) for c in values_c))

    def feed_at(self, distance_m: float | None, *values_c: float) -> list[Finding]:
        """Feed ``values_c``, all from the same distance; None: out of the sensor's range."""
        new: list[Finding] = []
        for value_c in values_c:
            at = MonoSeconds(self.at_s + self._period_s)
            sample = TemperatureSample(value_c, 25.0, at)
            new += self.feed_samples(sample, distance=DistanceSample(distance_m, at))
        return new

    def feed_samples(
        self, *samples: TemperatureSample, distance: DistanceSample | None = None
    ) -> list[Finding]:
        new: list[Finding] = []
        for sample in samples:
            self.at_s += self._period_s
            sample = replace(sample, taken_at=MonoSeconds(self.at_s))
            new.extend(self.sampling.feed(sample, distance))
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


@pytest.fixture
def array() -> Feeder:
    feeder = Feeder(SamplingRules.for_traits(ARRAY), ARRAY_S)
    feeder.feed(22.0, 22.1, 22.05, 22.1)
    return feeder


def names(found: Iterable[Finding]) -> list[str]:
    return [type(finding).__name__ for finding in found]


def test_a_slow_chip_answers_after_three_still_samples(slow: Feeder) -> None:
    assert slow.feed(34.0) == []
    assert names(slow.feed(34.1)) == ["PresenceStarted"]
    (plateau,) = slow.feed(34.06)
    assert isinstance(plateau, Plateau)
    assert plateau.object_c == pytest.approx(34.08)  # without the coldest
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
    assert slow.feed(34.5, 34.52) == []
    (second,) = slow.feed(34.54)
    assert isinstance(second, Plateau)
    assert second.object_c == pytest.approx(34.53)


def test_samples_between_the_plateaus_are_not_used_either(slow: Feeder) -> None:
    slow.feed(34.0, 34.02, 34.04, 34.7, 34.72)
    slow.sampling.measure_again()
    assert names(slow.feed(34.0, 34.02)) == []
    assert names(slow.feed(34.04)) == ["Plateau"]


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


def test_whoever_is_much_hotter_than_the_one_measured_is_measured_anew(slow: Feeder) -> None:
    """Somebody feverish who came up between two samples."""
    slow.feed(34.0, 34.02, 34.04)
    assert slow.feed(34.8) == []
    assert names(slow.feed(35.6)) == ["PresenceEnded"]
    assert names(slow.feed(35.62, 35.6, 35.64)) == ["PresenceStarted", "Plateau"]


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
    slow.feed(*[34.0] * (stuck_after(0.10) - 1))
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


def test_a_chest_before_the_low_thermometer_is_no_sun(slow: Feeder) -> None:
    slow.feed_at(None, *(22.0, 22.02) * 3)
    slow.feed_at(0.3, *(27.9 + 0.02 * (i % 2) for i in range(8)))  # an adult stands at the other
    assert not slow.sampling.is_present
    assert slow.sampling.surroundings_c(MonoSeconds(slow.at_s)) == pytest.approx(22.0, abs=0.05)


def test_the_sun_is_seen_where_nothing_is_in_the_way(slow: Feeder) -> None:
    slow.feed_at(None, *(29.0 + 0.02 * (i % 2) for i in range(8)))
    slow.feed_at(0.3, *(27.9 + 0.02 * (i % 2) for i in range(8)))
    assert slow.sampling.surroundings_c(MonoSeconds(slow.at_s)) == pytest.approx(29.0, abs=0.05)


def test_where_something_is_always_in_the_way_nothing_is_known_of_the_sun() -> None:
    feeder = Feeder(SLOW, SLOW_S)
    feeder.feed_at(1.2, *(29.0 + 0.02 * (i % 2) for i in range(8)))  # a fence in the sun
    assert feeder.sampling.surroundings_c(MonoSeconds(feeder.at_s)) is None
    assert "PresenceStarted" in {
        type(one).__name__ for one in feeder.feed_at(0.3, *(36.0, 36.02) * 3)
    }


def test_surroundings_of_long_ago_say_nothing(slow: Feeder) -> None:
    assert slow.sampling.surroundings_c(MonoSeconds(slow.at_s)) is not None
    assert slow.sampling.surroundings_c(MonoSeconds(slow.at_s + 31.0)) is None
    assert Sampling("adult", SLOW).surroundings_c(MonoSeconds(0.0)) is None


# --- how still, how hot --------------------------------------------------------------------------


def test_a_plateau_says_how_it_was_measured(slow: Feeder) -> None:
    at = MonoSeconds(0.0)
    found = slow.feed_samples(
        TemperatureSample(34.0, 25.0, at, forehead_c=33.8),
        TemperatureSample(34.02, 25.4, at, forehead_c=33.9),
        TemperatureSample(34.04, 25.2, at),
    )
    assert isinstance(found[-1], Plateau)
    assert found[-1].die_c == 25.2
    assert found[-1].forehead_c == pytest.approx(33.85)
    assert found[-1].distance_m is None


def test_the_coldest_sample_of_a_spot_is_left_out(slow: Feeder) -> None:
    (plateau,) = slow.feed(34.0, 34.25, 34.15)[1:]
    assert isinstance(plateau, Plateau)
    assert plateau.object_c == pytest.approx(34.2)
    assert plateau.samples == 3


def test_an_array_which_finds_the_forehead_itself_leaves_none_out(array: Feeder) -> None:
    (plateau,) = array.feed(34.1, 34.2, 34.0, 34.2)[1:]
    assert isinstance(plateau, Plateau)
    assert plateau.object_c == pytest.approx(34.125)


def test_an_array_answers_within_1200_ms_of_standing_still(array: Feeder) -> None:
    still_s = array.at_s
    (plateau,) = array.feed(34.0, 34.1, 34.05, 34.1)[1:]
    assert isinstance(plateau, Plateau)
    assert plateau.taken_at - still_s <= 1.2


def test_whoever_was_hotter_a_moment_ago_has_turned_the_forehead_away(slow: Feeder) -> None:
    assert names(slow.feed(34.0, 34.02)) == ["PresenceStarted"]
    assert slow.feed(33.4, 33.42, 33.44, 33.46) == []
    assert names(slow.feed(34.0, 34.02, 34.04)) == ["Plateau"]


def test_what_was_hotter_long_ago_does_not_count(slow: Feeder) -> None:
    slow.feed(34.0, 34.02)
    found = slow.feed(*(33.4 + 0.02 * (i % 3) for i in range(9)))
    assert names(found) == ["Plateau"]


def test_who_comes_nearer_at_an_old_person_s_pace_is_not_taken_for_still(slow: Feeder) -> None:
    """0.3 m/s before 5° optics: 0.13 °C from one sample to the next."""
    assert names(slow.feed(*(33.0 + 0.13 * i for i in range(7)))) == ["PresenceStarted"]


def test_a_sample_that_repeats_the_last_one_is_no_part_of_a_plateau(slow: Feeder) -> None:
    assert names(slow.feed(34.0, 34.02, 34.02)) == ["PresenceStarted"]
    (plateau,) = slow.feed(34.04)
    assert isinstance(plateau, Plateau)
    assert plateau.samples == 3


def test_three_repeats_in_a_row_have_a_slow_chip_measure_anew(slow: Feeder) -> None:
    slow.feed(34.0, 34.02, 34.04)
    assert slow.feed(34.04, 34.04) == []
    assert names(slow.feed(34.04)) == ["PresenceEnded"]
    assert names(slow.feed(34.1, 34.12, 34.1)) == ["PresenceStarted", "Plateau"]


def test_nobody_is_vouched_for_across_a_gap(slow: Feeder) -> None:
    slow.feed(34.0, 34.02, 34.04)
    slow.skip(2 * SLOW_S)
    assert names(slow.feed(34.0, 34.02, 34.04)) == ["PresenceEnded", "PresenceStarted", "Plateau"]


def test_one_void_sample_is_no_gap(slow: Feeder) -> None:
    slow.feed(34.0, 34.02, 34.04)
    slow.skip(SLOW_S)
    assert slow.feed(34.0, 34.02) == []
    assert slow.sampling.is_present


def test_whoever_waits_for_a_plateau_is_still_there_after_a_gap(slow: Feeder) -> None:
    slow.feed(34.0, 34.02)
    slow.skip(10 * SLOW_S)
    assert names(slow.feed(34.0, 34.02, 34.04)) == ["Plateau"]


# --- a picture that is not clear -----------------------------------------------------------------


def unclear(value_c: float) -> TemperatureSample:
    return TemperatureSample(value_c, 30.0, MonoSeconds(0.0), is_clear=False)


def test_what_is_not_clear_is_nobody(array: Feeder) -> None:
    assert array.feed_samples(*(unclear(55.0 + 0.1 * i) for i in range(20))) == []


def test_what_is_not_clear_is_no_part_of_a_plateau(array: Feeder) -> None:
    array.feed(34.0, 34.1, 34.05)
    assert array.feed_samples(unclear(36.0)) == []
    (plateau,) = array.feed(34.1)
    assert isinstance(plateau, Plateau)
    assert plateau.object_c == pytest.approx(34.0625)
    assert plateau.spread_c < 0.2


def test_a_face_that_is_lost_for_one_picture_has_not_left(array: Feeder) -> None:
    array.feed(34.0, 34.1, 34.05, 34.1)
    assert array.feed_samples(unclear(22.0)) == []
    assert array.feed(34.0, 34.1) == []
    assert array.sampling.is_present


@pytest.mark.parametrize("seen_c", [22.0, 31.0])
def test_a_face_that_stays_lost_has_left(array: Feeder, seen_c: float) -> None:
    array.feed(34.0, 34.1, 34.05, 34.1)
    found = array.feed_samples(*(unclear(seen_c + 0.1 * i) for i in range(3)))
    assert names(found) == ["PresenceEnded"]


# --- with a distance sensor ----------------------------------------------------------------------


def test_who_stands_within_reach_is_measured_and_the_distance_told(slow: Feeder) -> None:
    found = slow.feed_at(0.30, 34.0, 34.02, 34.04)
    assert names(found) == ["PresenceStarted", "Plateau"]
    assert isinstance(found[1], Plateau)
    assert found[1].distance_m == 0.30


@pytest.mark.parametrize("distance_m", [REACH_M + 0.01, 0.7, None])
def test_who_stands_out_of_reach_gets_no_plateau_and_is_told_once_a_second(
    slow: Feeder, distance_m: float | None
) -> None:
    began_s = slow.at_s
    found = slow.feed_at(distance_m, *(34.0 + 0.02 * (i % 5) for i in range(20)))
    assert set(names(found)) == {"PresenceStarted", "TooFar"}
    told = [finding for finding in found if isinstance(finding, TooFar)]
    assert {finding.distance_m for finding in told} == {distance_m}
    assert (slow.at_s - began_s) / 2 <= len(told) <= slow.at_s - began_s
    assert names(slow.feed_at(0.3, 34.0, 34.02, 34.04)) == ["Plateau"]


def test_who_stands_too_near_is_told_the_same() -> None:
    feeder = Feeder(replace(SLOW, min_distance_m=0.25), SLOW_S)
    feeder.feed_at(None, 22.0, 22.02, 22.04)
    found = feeder.feed_at(0.15, 34.0, 34.02, 34.04, 34.06)
    assert set(names(found)) == {"PresenceStarted", "TooFar"}


def test_samples_of_the_approach_are_no_part_of_a_plateau(slow: Feeder) -> None:
    slow.feed_at(0.38, 33.9)
    slow.feed_at(0.30, 34.0, 34.02)
    (plateau,) = slow.feed_at(0.30, 34.04)
    assert isinstance(plateau, Plateau)
    assert plateau.distance_m == 0.30
    assert plateau.samples == 3


def test_who_walks_up_is_not_told_to_come_closer(slow: Feeder) -> None:
    found = [f for d in (1.2, 0.8, 0.45) for f in slow.feed_at(d, 33.0 + d)]
    assert "TooFar" not in names(found)


def test_one_sway_out_of_reach_does_not_start_all_over_again(slow: Feeder) -> None:
    slow.feed_at(0.37, 34.0)
    slow.feed_at(0.39, 34.02)
    assert slow.feed_at(0.37, 34.04) == []
    (plateau,) = slow.feed_at(0.37, 34.06)
    assert isinstance(plateau, Plateau)
    assert plateau.samples == 3
    assert plateau.object_c == pytest.approx(34.05)


def test_nobody_is_measured_by_the_noise_of_the_distance_sensor(fast: Feeder) -> None:
    """90° optics reach 17 mm; somebody at 21 mm is within that once in six samples."""
    chance = random.Random(3)
    found = [
        finding
        for i in range(400)
        for finding in fast.feed_at(chance.gauss(0.021, 0.004), 33.0 + 0.02 * (i % 4))
    ]
    assert "Plateau" not in names(found)


def test_samples_with_and_without_a_distance_are_not_mixed(slow: Feeder) -> None:
    slow.feed(34.0, 34.02)
    assert slow.feed_at(0.30, 34.04, 34.06) == []
    (plateau,) = slow.feed_at(0.30, 34.08)
    assert isinstance(plateau, Plateau)
    assert plateau.distance_m == 0.30


def test_an_old_distance_is_none(slow: Feeder) -> None:
    old = DistanceSample(0.9, MonoSeconds(slow.at_s))
    warm = [TemperatureSample(34.0 + 0.02 * i, 25.0, MonoSeconds(0.0)) for i in range(3)]
    (plateau,) = slow.feed_samples(*warm, distance=old)[1:]
    assert isinstance(plateau, Plateau)
    assert plateau.distance_m is None


def test_whoever_steps_in_behind_somebody_who_leaves_is_told_by_the_distance(slow: Feeder) -> None:
    slow.feed_at(0.30, 34.0, 34.02, 34.04)
    assert slow.feed_at(0.55, 33.8) == []
    assert names(slow.feed_at(0.65, 33.8)) == ["PresenceEnded"]
    found = slow.feed_at(0.30, 35.0, 35.02, 35.04)
    assert names(found) == ["PresenceStarted", "Plateau"]


def test_who_was_measured_and_steps_back_is_not_asked_to_come_closer(slow: Feeder) -> None:
    slow.feed_at(0.30, 34.0, 34.02, 34.04)
    assert slow.feed_at(0.50, *(33.8 + 0.02 * (i % 3) for i in range(6))) == []
    slow.sampling.measure_again()
    assert names(slow.feed_at(0.50, 33.8)) == ["TooFar"]


def test_who_is_not_warm_in_a_wide_view_is_told_by_distance_alone(fast: Feeder) -> None:
    fast.feed_at(None, *(22.0 + 0.02 * (i % 3) for i in range(30)))
    found = fast.feed_at(0.10, *(26.0 + 0.02 * (i % 4) for i in range(30)))
    assert set(names(found)) == {"TooFar"}
    assert not fast.sampling.is_present


def test_who_passes_by_or_queues_far_behind_is_not_told(fast: Feeder) -> None:
    fast.feed_at(None, *(22.0 + 0.02 * (i % 3) for i in range(30)))
    assert fast.feed_at(1.2, *(22.0 + 0.02 * (i % 4) for i in range(30))) == []
    passing = [f for d in range(30) for f in fast.feed_at(0.3 + 0.05 * d, 22.0 + 0.02 * (d % 4))]
    assert passing == []


def test_a_chair_that_is_left_in_the_lane_is_background_within_half_a_minute(fast: Feeder) -> None:
    fast.feed_at(None, *(22.0 + 0.02 * (i % 3) for i in range(300)))
    fast.feed_at(0.60, *(22.0 + 0.02 * (i % 3) for i in range(200)))
    assert fast.feed_at(0.60, *(22.0 + 0.02 * (i % 3) for i in range(200))) == []
    # Whoever stands before it is nearer.
    assert set(names(fast.feed_at(0.30, *(24.0 + 0.02 * (i % 3) for i in range(20))))) == {"TooFar"}


def test_a_wall_in_range_is_nobody(fast: Feeder) -> None:
    assert fast.feed_at(0.80, *(22.0 + 0.02 * (i % 3) for i in range(100))) == []


PLATE_M = 1.0


@pytest.mark.parametrize(
    ("distance_m", "is_seen"), [(None, True), (1.02, True), (0.9, True), (0.7, False)]
)
def test_a_plate_is_seen_with_nothing_nearer_in_view(
    slow: Feeder, distance_m: float | None, is_seen: bool
) -> None:
    slow.feed_at(distance_m, 22.0)
    assert slow.sampling.sees_as_far_as(PLATE_M) is is_seen


def test_without_a_fresh_distance_nobody_knows_whether_a_plate_is_seen(slow: Feeder) -> None:
    slow.feed(22.0)
    assert not slow.sampling.sees_as_far_as(PLATE_M)
    late = DistanceSample(None, MonoSeconds(slow.at_s - 1.0))
    slow.feed_samples(TemperatureSample(22.0, 25.0, MonoSeconds(0.0)), distance=late)
    assert not slow.sampling.sees_as_far_as(PLATE_M)


def test_a_plate_is_not_seen_while_a_person_is_and_shortly_after(slow: Feeder) -> None:
    slow.feed_at(None, *[22.0] * 3)
    slow.feed_at(0.3, *[34.0] * 4)
    assert not slow.sampling.sees_as_far_as(PLATE_M)
    slow.feed_at(None, 27.0, 23.0, 22.0)
    assert not slow.sampling.sees_as_far_as(PLATE_M)
    slow.feed_at(None, 22.0)
    assert slow.sampling.sees_as_far_as(PLATE_M)


def test_a_plate_is_not_seen_while_somebody_warm_is_not_yet_taken_for_a_person(
    slow: Feeder,
) -> None:
    slow.feed_at(None, *[22.0] * 3)
    slow.feed_at(1.0, 31.2)
    assert not slow.sampling.sees_as_far_as(PLATE_M)
