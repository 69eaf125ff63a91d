"""The wall clock as the gate may believe it: quality, steps, floor, the daily reset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gated.clock import BUILT_AT, FakeClock, TimeQuality, clock_floor
from gated.controller.timekeeper import MAX_SETBACK, Timekeeper
from gated.visit.state import ClockChanged, PassbackReset

SHANGHAI = ZoneInfo("Asia/Shanghai")
MORNING = datetime(2026, 11, 23, 7, 30, tzinfo=SHANGHAI)


def clock_at(when: datetime) -> FakeClock:
    return FakeClock(wall=when.astimezone(UTC))


def timekeeper(
    clock: FakeClock,
    zone: tzinfo = SHANGHAI,
    *,
    newest_record: datetime | None = None,
    sync_file: Path | None = None,
    reset: str = "04:00",
) -> Timekeeper:
    return Timekeeper(
        clock, zone, newest_record=newest_record, sync_file=sync_file, passback_reset=reset
    )


def watched(keeper: Timekeeper) -> TimeQuality:
    keeper.watch()
    return keeper.quality


# --- quality -------------------------------------------------------------------------------------


def test_the_clock_is_held_over_until_a_time_service_has_set_it(tmp_path: Path) -> None:
    sync_file, clock = tmp_path / "synchronized", clock_at(MORNING)
    keeper = timekeeper(clock, sync_file=sync_file)
    assert keeper.quality is TimeQuality.HOLDOVER
    assert keeper.watch() == []
    sync_file.touch()
    clock.advance(1.0)
    assert keeper.watch() == [ClockChanged(TimeQuality.TRUSTED, clock.monotonic_s())]
    clock.advance(1.0)
    assert keeper.watch() == []


def test_without_a_sync_file_the_system_clock_is_trusted() -> None:
    assert timekeeper(clock_at(MORNING)).quality is TimeQuality.TRUSTED


def test_the_floor_is_the_newer_of_the_build_and_the_newest_record() -> None:
    day = timedelta(days=1)
    assert clock_floor(None) == BUILT_AT
    assert clock_floor(BUILT_AT - day) == BUILT_AT
    assert clock_floor(BUILT_AT + day) == BUILT_AT + day


def test_a_clock_before_the_software_was_built_is_unknown() -> None:
    keeper = timekeeper(clock_at(datetime(1970, 1, 1, tzinfo=UTC)))
    assert keeper.quality is TimeQuality.UNKNOWN
    assert keeper.judged_now() == BUILT_AT


def test_a_clock_before_the_newest_record_is_unknown() -> None:
    newest = MORNING + timedelta(days=30)
    keeper = timekeeper(clock_at(MORNING), newest_record=newest)
    assert keeper.quality is TimeQuality.UNKNOWN
    assert keeper.judged_now() == newest


def test_a_record_older_than_the_software_does_not_lower_the_floor() -> None:
    old = datetime(2020, 1, 1, tzinfo=UTC)
    keeper = timekeeper(clock_at(old), newest_record=old)
    assert keeper.quality is TimeQuality.UNKNOWN


def test_above_the_floor_validity_is_judged_at_the_clock() -> None:
    assert timekeeper(clock_at(MORNING)).judged_now() == MORNING


# --- steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step_ms", "quality"),
    [
        (-3_600_000, TimeQuality.UNKNOWN),
        (-310_000, TimeQuality.UNKNOWN),
        (-301_000, TimeQuality.TRUSTED),  # five minutes before what it was a second ago
        (-1_000, TimeQuality.TRUSTED),
        (1_000, TimeQuality.TRUSTED),
        (86_400_000, TimeQuality.TRUSTED),
    ],
)
def test_a_step_of_the_wall_clock_is_told_with_its_size(step_ms: int, quality: TimeQuality) -> None:
    clock = clock_at(MORNING + timedelta(days=10))
    keeper = timekeeper(clock)
    keeper.watch()
    clock.advance(1.0)
    clock.wall += timedelta(milliseconds=step_ms)
    events = [event for event in keeper.watch() if isinstance(event, ClockChanged)]
    assert events == [ClockChanged(quality, clock.monotonic_s(), step_ms)]
    clock.advance(1.0)
    assert keeper.watch() == []


@pytest.mark.parametrize("drift_ms", [-999, 0, 999])
def test_drift_between_two_looks_is_no_step(drift_ms: int) -> None:
    clock = clock_at(MORNING)
    keeper = timekeeper(clock)
    keeper.watch()
    clock.advance(1.0)
    clock.wall += timedelta(milliseconds=drift_ms)
    assert keeper.watch() == []


def test_the_first_look_finds_no_step() -> None:
    assert timekeeper(clock_at(MORNING)).watch() == []


def test_a_step_below_the_floor_is_told_with_the_quality_it_leaves() -> None:
    clock = clock_at(MORNING)
    keeper = timekeeper(clock)
    keeper.watch()
    clock.wall = datetime(1970, 1, 1, tzinfo=UTC)
    (event,) = keeper.watch()
    assert isinstance(event, ClockChanged)
    assert event.quality is TimeQuality.UNKNOWN
    assert event.step_ms is not None
    assert event.step_ms < 0


def test_a_clock_that_goes_back_by_months_is_unknown_until_it_has_caught_up() -> None:
    clock = clock_at(MORNING)
    keeper = timekeeper(clock)
    clock.advance(60 * 86_400.0)
    keeper.watch()
    newest = clock.now()
    clock.wall = (MORNING + timedelta(days=10)).astimezone(UTC)
    assert watched(keeper) is TimeQuality.UNKNOWN
    assert newest - keeper.judged_now() == MAX_SETBACK
    clock.wall = newest
    assert watched(keeper) is TimeQuality.TRUSTED


def test_a_clock_that_was_typed_wrongly_is_set_back_by_the_time_service(tmp_path: Path) -> None:
    sync_file, clock = tmp_path / "synchronized", clock_at(MORNING + timedelta(hours=8))
    keeper = timekeeper(clock, sync_file=sync_file)
    assert watched(keeper) is TimeQuality.HOLDOVER
    clock.wall -= timedelta(hours=8)
    sync_file.touch()
    assert watched(keeper) is TimeQuality.TRUSTED


def test_many_small_corrections_do_not_lead_back_any_further_than_one() -> None:
    clock = clock_at(MORNING)
    keeper = timekeeper(clock)
    keeper.watch()
    for _ in range(2):
        clock.wall -= MAX_SETBACK * 0.6
        keeper.watch()
    assert keeper.quality is TimeQuality.UNKNOWN


# --- the times that records show -----------------------------------------------------------------


def test_records_show_the_gates_own_offset_and_milliseconds() -> None:
    moment = datetime(2026, 11, 23, 7, 41, 8, 412_345, tzinfo=SHANGHAI)
    keeper = timekeeper(clock_at(moment))
    assert keeper.rfc3339() == "2026-11-23T07:41:08.412+08:00"
    assert keeper.after(None) is None
    assert keeper.after(3_600.0) == "2026-11-23T08:41:08.412+08:00"


def test_a_gate_in_utc_shows_an_offset_too() -> None:
    keeper = timekeeper(clock_at(MORNING), UTC)
    assert keeper.rfc3339() == "2026-11-22T23:30:00.000+00:00"


# --- the daily reset -----------------------------------------------------------------------------


def resets_at(keeper: Timekeeper, clock: FakeClock, hours: float) -> list[datetime]:
    """Return when the reset came within the next ``hours``, looking every quarter of an hour."""
    found = []
    for _ in range(round(hours * 4)):
        clock.advance(900.0)
        if any(isinstance(event, PassbackReset) for event in keeper.watch()):
            found.append(clock.now())
    return found


@pytest.mark.parametrize(
    "zone", [SHANGHAI, UTC, timezone(timedelta(hours=-11)), ZoneInfo("Asia/Kathmandu")], ids=str
)
def test_the_reset_comes_once_a_day_at_the_sites_own_hour(zone: tzinfo) -> None:
    clock = clock_at(datetime(2026, 11, 23, 12, 0, tzinfo=zone))
    found = resets_at(timekeeper(clock, zone), clock, 48.0)
    assert [when.astimezone(zone).strftime("%d %H:%M") for when in found] == [
        "24 04:00",
        "25 04:00",
    ]


@pytest.mark.parametrize("reset", ["00:00", "00:15", "23:45", "12:30"])
def test_the_hour_of_the_reset_is_the_sites_choice(reset: str) -> None:
    clock = clock_at(MORNING)
    found = resets_at(timekeeper(clock, reset=reset), clock, 24.0)
    assert [when.astimezone(SHANGHAI).strftime("%H:%M") for when in found] == [reset]


def test_a_change_of_the_hour_holds_at_once() -> None:
    clock = clock_at(MORNING)
    keeper = timekeeper(clock)
    keeper.set_passback_reset("08:00")
    found = resets_at(keeper, clock, 1.0)
    assert [when.astimezone(SHANGHAI).strftime("%H:%M") for when in found] == ["08:00"]


def test_a_change_of_daylight_saving_time_neither_skips_nor_doubles_the_reset() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for start in (
        datetime(2027, 3, 27, 12, tzinfo=berlin),
        datetime(2027, 10, 30, 12, tzinfo=berlin),
    ):
        clock = clock_at(start)
        found = resets_at(timekeeper(clock, berlin), clock, 47.0)
        assert [when.astimezone(berlin).strftime("%H:%M") for when in found] == ["04:00", "04:00"]


@pytest.mark.parametrize(
    ("used_at", "is_before"),
    [
        (datetime(2026, 11, 22, 7, 30, tzinfo=SHANGHAI), True),
        (datetime(2026, 11, 23, 3, 59, 59, tzinfo=SHANGHAI), True),
        (datetime(2026, 11, 23, 4, 0, 0, tzinfo=SHANGHAI), False),
        (datetime(2026, 11, 23, 7, 29, tzinfo=SHANGHAI), False),
        (datetime(2026, 11, 22, 20, 0, tzinfo=UTC), False),  # 04:00 in Shanghai
        (datetime(2026, 11, 22, 19, 59, tzinfo=UTC), True),
    ],
)
def test_a_use_is_from_before_the_reset_or_not_wherever_it_was_written(
    used_at: datetime, is_before: bool
) -> None:
    assert timekeeper(clock_at(MORNING)).is_before_reset(used_at) is is_before


def test_a_clock_set_right_after_a_boot_in_1970_resets_once() -> None:
    clock = clock_at(datetime(1970, 1, 1, 12, tzinfo=UTC))
    keeper = timekeeper(clock)
    keeper.watch()
    clock.wall = MORNING.astimezone(UTC)
    events = keeper.watch()
    assert [type(event) for event in events] == [ClockChanged, PassbackReset]
    clock.advance(1.0)
    assert keeper.watch() == []
