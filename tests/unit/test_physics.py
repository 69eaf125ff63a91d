"""The simulated world: air, people, things, the sun; and what sampling makes of them."""

from __future__ import annotations

import random
import statistics

import pytest

from gated.errors import BusError, ChecksumError, SensorFault
from gated.messages import PresenceEnded, PresenceStarted
from gated.sensors.compensation import MAX_BODY_C, true_surface_c
from gated.sensors.mlx90614 import DRIVER
from gated.sensors.sampling import Finding, Plateau, Sampling, SamplingRules, TooFar
from gated.simulation.approach import FOREHEAD, Person, Walker, forehead_c
from gated.simulation.chips.mlx90614 import Unit, with_physics
from gated.simulation.faults import Blinds, Comes, Event, Holds, Rehearsal, Shines
from gated.simulation.physics import (
    AIR_MAX_C,
    AIR_MIN_C,
    CUP,
    DAY_S,
    HAND,
    SUN_SKIN_C,
    SUN_WALL_C,
    Air,
    Held,
    Scene,
    covered_c,
    drawn_person,
    drawn_specimen,
)
from gated.vocabulary import Site

MOUNT_M = 1.55
SEEDS = range(10)
CALM = Person(36.8, restlessness=0.3)


def scene(*people: Walker, **more: object) -> Scene:
    return Scene(MOUNT_M, 5.0, 1, people=list(people), **more)  # type: ignore[arg-type]


def walker(person: Person = CALM, seed: int = 1) -> Walker:
    return Walker(person, seed=seed, arrives_at_s=10.0)


def play(
    *script: Event, seed: int, for_s: float, air: Air | None = None, unit: Unit | None = None
) -> tuple[Rehearsal, list[tuple[float, Finding]]]:
    """Return the rehearsal and what was found, each with its time in the script."""
    rehearsal = Rehearsal(script, seed=seed, air=air, unit=unit)
    traits = rehearsal.options.traits()
    sampling = Sampling("adult", SamplingRules.for_traits(traits))
    found: list[tuple[float, Finding]] = []
    driver = DRIVER.make(rehearsal.bus, rehearsal.options, rehearsal.clock, rehearsal.advance)
    with driver as device:
        while rehearsal.elapsed_s < for_s:
            rehearsal.advance(traits.settle_s)
            try:
                findings = sampling.feed(device.read(), rehearsal.distance())
            except (BusError, ChecksumError, SensorFault):
                continue
            found += [(rehearsal.elapsed_s, finding) for finding in findings]
    return rehearsal, found


def plateaus(found: list[tuple[float, Finding]]) -> list[Plateau]:
    return [finding for _, finding in found if isinstance(finding, Plateau)]


def error_c(rehearsal: Rehearsal, plateau: Plateau, who: int = 0) -> float:
    at_s = float(plateau.taken_at)
    shown_c = true_surface_c(plateau.object_c, rehearsal.scene.air.ambient_c(at_s), 0.98)
    return shown_c - rehearsal.scene.true_c(rehearsal.scene.people[who], at_s)


# --- the world -----------------------------------------------------------------------------------


def test_the_air_is_coldest_in_the_early_morning_and_never_beyond_its_limits() -> None:
    air = Air(21.0, 11.0)
    day_c = [air.ambient_c(hour * 3_600.0) for hour in range(24)]
    assert day_c.index(min(day_c)) == 4
    assert day_c.index(max(day_c)) == 16
    assert (min(day_c), max(day_c)) == pytest.approx((AIR_MIN_C, AIR_MAX_C))
    assert air.ambient_c(3 * DAY_S) == pytest.approx(air.ambient_c(0.0))
    extreme = Air(21.0, 30.0)
    assert extreme.ambient_c(4 * 3_600.0) == AIR_MIN_C
    assert Air(22.0).ambient_c(12_345.0) == 22.0


def test_the_population_has_a_fever_tail_and_skins_that_differ() -> None:
    chance = random.Random(5)
    people = [drawn_person(chance, Site.FOREHEAD_SPOT, stop_m=0.3) for _ in range(4_000)]
    bodies_c = sorted(person.body_c for person in people)
    assert statistics.median(bodies_c) == pytest.approx(36.82, abs=0.03)
    assert bodies_c[int(0.98 * len(bodies_c))] > 37.5
    assert bodies_c[-1] <= 41.0
    assert statistics.pstdev(p.skin_error_c for p in people) == pytest.approx(0.45, rel=0.05)
    canthi = [drawn_person(chance, Site.HOTTEST, stop_m=0.3).skin_error_c for _ in range(2_000)]
    assert statistics.pstdev(canthi) == pytest.approx(0.30, rel=0.06)
    assert all(-3.0 <= covered_c(chance) <= -0.5 for _ in range(50))


def test_specimens_differ_as_half_of_the_datasheet_s_limits() -> None:
    chance = random.Random(5)
    drawn = [drawn_specimen(chance) for _ in range(2_000)]
    assert statistics.pstdev(offset_c for offset_c, _ in drawn) == pytest.approx(0.1, rel=0.06)
    assert all(0.997 <= gain <= 1.003 for _, gain in drawn)


def test_a_forehead_is_the_body_by_the_rule_of_its_site() -> None:
    assert forehead_c(Person(37.0, skin_error_c=0.2), 22.0) == pytest.approx(
        37.0 - (FOREHEAD.a_c - FOREHEAD.b * 22.0) + 0.2
    )


def test_a_scene_is_a_pure_function_of_time() -> None:
    one, two = scene(walker()), scene(walker())
    times_s = [9.0 + 0.13 * step for step in range(60)]
    forwards = [(one.seen_c(at_s), one.ranged(at_s)) for at_s in times_s]
    backwards = [(two.seen_c(at_s), two.ranged(at_s)) for at_s in reversed(times_s)]
    assert forwards == backwards[::-1]


def test_the_distance_sensor_sees_the_nearest_in_whole_millimetres() -> None:
    one = walker()
    before = scene(one, wall_m=2.0)
    standing_s = one.stands_from_s + 1.0
    assert before.ranged(9.0).distance_m == pytest.approx(2.0, abs=0.02)
    seen_m = [before.ranged(standing_s + 0.001 * n).distance_m for n in range(300)]
    known_m = [distance_m for distance_m in seen_m if distance_m is not None]
    assert len(known_m) == 300
    true_m = before.distance_m(standing_s)
    assert true_m is not None
    assert statistics.fmean(known_m) == pytest.approx(true_m, abs=0.002)
    assert statistics.pstdev(known_m) == pytest.approx(0.004, rel=0.2)
    assert all(abs(round(1_000 * m) - 1_000 * m) < 1e-6 for m in known_m)
    assert scene().ranged(9.0).distance_m is None


def test_a_child_is_not_in_the_high_distance_sensor_s_cone_and_a_grown_up_s_chest_is() -> None:
    child = walker(Person(36.8, stature_m=1.0, restlessness=0.3))
    adult = walker(Person(36.8, stature_m=1.95, restlessness=0.3))
    assert scene(child).distance_m(child.stands_from_s) is None
    assert scene(adult).distance_m(adult.stands_from_s) == pytest.approx(0.3, abs=0.05)


def test_a_hand_is_nearer_than_the_face_and_shows_its_own_temperature() -> None:
    one = walker()
    at_s = one.stands_from_s + 1.0
    held = scene(one, things=[Held(HAND, at_s, at_s + 1.0)])
    assert held.distance_m(at_s) == HAND.distance_m
    assert held.seen_c(at_s) == pytest.approx(HAND.surface_c - 0.2, abs=0.15)
    assert held.seen_c(at_s + 1.0) == pytest.approx(scene(one).seen_c(at_s + 1.0))


def test_in_the_sun_the_wall_and_the_skin_are_warmer() -> None:
    one = walker()
    sunny = scene(one, sun=[(0.0, 5.0), (12.0, 1_000.0)])
    assert sunny.seen_c(6.0) == 22.0
    assert sunny.seen_c(4.0) == pytest.approx(22.0 + SUN_WALL_C)
    at_s = one.stands_from_s + 1.0
    assert sunny.true_c(one, at_s) - scene(one).true_c(one, at_s) == pytest.approx(SUN_SKIN_C)
    assert sunny.seen_c(at_s) > scene(one).seen_c(at_s) + SUN_SKIN_C


def test_the_next_in_the_queue_is_seen_past_whoever_stands_before_them() -> None:
    front = walker()
    at_s = front.stands_from_s + 2.0
    behind = Walker(CALM, seed=2, arrives_at_s=at_s - 0.2)
    assert scene(front, behind).distance_m(at_s) == scene(front).distance_m(at_s)
    assert scene(front, behind).seen_c(at_s) >= scene(front).seen_c(at_s)


# --- what sampling makes of it -------------------------------------------------------------------


def test_two_people_close_behind_each_other_get_one_plateau_each() -> None:
    for seed in SEEDS:
        first = Comes(3.0, Person(36.5, restlessness=0.3), stands_s=3.5)
        second = Comes(3.0 + 2.0 + 3.5, Person(38.5, restlessness=0.3), stands_s=4.0)
        rehearsal, found = play(first, second, seed=seed, for_s=18.0)
        one, two = plateaus(found)
        assert abs(error_c(rehearsal, one, 0)) < 0.45, seed
        assert abs(error_c(rehearsal, two, 1)) < 0.45, seed
        kinds = [type(f) for _, f in found if not isinstance(f, TooFar)]
        assert kinds == 2 * [PresenceStarted, Plateau, PresenceEnded], seed


def test_a_hot_cup_is_no_body_temperature_and_spoils_nobody_s() -> None:
    for seed in SEEDS:
        cup = Holds(7.0, CUP, 2.0)
        rehearsal, found = play(Comes(3.0, CALM, stands_s=14.0), cup, seed=seed, for_s=24.0)
        for plateau in plateaus(found):
            at_s = rehearsal.since_start_s(plateau.taken_at)
            is_cup = 7.0 <= at_s <= 10.0
            hot = plateau.object_c > MAX_BODY_C
            assert hot == is_cup or abs(error_c(rehearsal, plateau)) < 0.45, (seed, at_s)


def test_a_cold_face_is_seen_as_it_is() -> None:
    for seed in SEEDS:
        person = Person(36.8, minutes_indoors=1.0, restlessness=0.3)
        rehearsal, found = play(Comes(3.0, person), seed=seed, for_s=12.0)
        (plateau,) = plateaus(found)
        assert abs(error_c(rehearsal, plateau)) < 0.45
        assert plateau.object_c < forehead_c(Person(36.8), 22.0) - 1.2


def test_in_the_sun_people_are_still_found() -> None:
    for seed in SEEDS:
        _, found = play(Shines(0.0, 60.0), Comes(15.0, CALM), seed=seed, for_s=24.0)
        assert len(plateaus(found)) == 1, seed


def test_the_sun_alone_is_nobody() -> None:
    for seed in SEEDS:
        _, found = play(Shines(5.0, 8.0), Shines(20.0, 15.0), seed=seed, for_s=40.0)
        assert found == []


@pytest.mark.parametrize("from_s", [0.0, 5.0, 6.5])
def test_while_the_distance_sensor_is_silent_a_plateau_says_so(from_s: float) -> None:
    for seed in SEEDS:
        _, found = play(Comes(3.0, CALM), Blinds(from_s, 30.0), seed=seed, for_s=12.0)
        for plateau in plateaus(found):
            assert (plateau.distance_m is None) == (plateau.taken_at - 1_000.0 > from_s + 0.7)


def test_an_imperfect_chip_over_a_whole_day_stays_within_its_own_error() -> None:
    errors_c = []
    for seed in range(24):
        unit = with_physics(Unit(offset_c=0.1))
        air = Air(21.0, 11.0, coldest_at_s=3_600.0 * seed)
        rehearsal, found = play(Comes(3.0, CALM), seed=seed, for_s=12.0, air=air, unit=unit)
        errors_c += [error_c(rehearsal, plateau) for plateau in plateaus(found)]
    assert len(errors_c) >= 22
    assert statistics.fmean(errors_c) == pytest.approx(0.1, abs=0.06)


def test_a_chip_that_has_just_been_switched_on_reads_too_cold() -> None:
    errors_c = []
    for seed in SEEDS:
        unit = with_physics(Unit(powered_at_s=1_000.0))
        rehearsal, found = play(Comes(3.0, CALM), seed=seed, for_s=12.0, unit=unit)
        errors_c += [error_c(rehearsal, plateau) for plateau in plateaus(found)]
    assert statistics.fmean(errors_c) == pytest.approx(-0.7, abs=0.1)


def test_a_supply_that_sags_moves_a_plateau_by_no_more_than_the_datasheet_says() -> None:
    """0.6 °C per volt: 50 mV are 0.03 °C."""
    both_c: list[list[float]] = []
    for supply_v in (lambda _: 3.0, lambda at_s: 2.95 if at_s > 1_005.0 else 3.0):
        errors_c = []
        for seed in SEEDS:
            rehearsal, found = play(
                Comes(3.0, CALM), seed=seed, for_s=12.0, unit=Unit(supply_v=supply_v)
            )
            errors_c += [error_c(rehearsal, plateau) for plateau in plateaus(found)]
        both_c.append(errors_c)
    steady_c, sagged_c = map(statistics.fmean, both_c)
    assert steady_c - sagged_c == pytest.approx(0.03, abs=0.015)
