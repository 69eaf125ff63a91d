from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gated.clock import TimeQuality
from gated.collector.completeness import GapReason
from gated.collector.report import Completeness, LaneReport, Report, bounds_ms, daily_report
from gated.collector.sqlite_reader import SqliteReader
from gated.collector.sqlite_store import SqliteStore
from gated.collector.store import Arrival
from gated.contents import AlarmName, Content
from gated.vocabulary import (
    TO_MEASURE,
    Direction,
    Outcome,
    PassageResult,
    Reason,
    ReleaseResult,
)
from tests.collector_gate import (
    MONDAY,
    SHANGHAI,
    LedgerOfGate,
    alarm,
    arrivals,
    boot,
    health,
    ms,
    passage,
    refused,
    release,
    visit,
)

ZONE = ZoneInfo("Asia/Shanghai")
DAY = date(2026, 11, 23)
TUESDAY = MONDAY + timedelta(days=1)
WEDNESDAY = MONDAY + timedelta(days=2)


class Centre:
    """A store that is filled by hand, and the report that comes out of it."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path, keep_person_days=14)
        self.reader = SqliteReader(path)

    def take(self, gate: LedgerOfGate, *, without: frozenset[int] = frozenset()) -> None:
        self.store.ingest(arrivals([m for m in gate.messages if m.seq not in without]))

    def take_state(
        self, gate: LedgerOfGate, at: datetime, *, online: bool = True, session: int = 1
    ) -> None:
        state = gate.state(online=online, session=session)
        state = state.model_copy(update={"at": at.isoformat()})
        self.store.ingest([gate.state_arrival(state, at)])

    def report(self, day: date = DAY, now: datetime = WEDNESDAY) -> Report:
        return daily_report(self.reader, day, ZONE, now)

    def lane(self, day: date = DAY, now: datetime = WEDNESDAY) -> LaneReport:
        (lane,) = self.report(day, now).lanes
        return lane

    def reasons(self, day: date = DAY, now: datetime = WEDNESDAY) -> list[GapReason]:
        return [gap.reason for gap in self.lane(day, now).gaps]


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    centre = Centre(tmp_path / "records.db")
    yield centre
    centre.reader.close()
    centre.store.close()


@pytest.fixture
def gate() -> LedgerOfGate:
    return LedgerOfGate()


def end_of_day(gate: LedgerOfGate, moment: datetime = TUESDAY) -> None:
    """Let the gate write the next day's first event, which closes the day before."""
    gate.at = moment
    gate.write(health())


def test_a_day_is_the_local_day_of_the_time_zone() -> None:
    begin, end = bounds_ms(DAY, ZONE)
    assert begin == ms(datetime(2026, 11, 23, tzinfo=SHANGHAI))
    assert end - begin == 86_400_000


def test_a_day_on_which_the_clocks_change_has_its_own_length() -> None:
    begin, end = bounds_ms(date(2026, 10, 25), ZoneInfo("Europe/Berlin"))
    assert end - begin == 25 * 3_600_000


def test_everything_that_happened_is_counted_once(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write(boot())
    gate.write(visit())
    gate.write(passage())
    gate.write(visit(direction=Direction.OUT, attempt=2))
    gate.write(passage(PassageResult.FORCED))
    gate.write(refused(Reason.TEMPERATURE_HIGH, Outcome.SEE_STAFF))
    gate.write(alarm(AlarmName.TEMPERATURE_HIGH))
    gate.write(release(ReleaseResult.ISOLATED))
    gate.write(refused(Reason.EXPIRED))
    gate.write(visit(outcome=Outcome.SCREENED_ONLY, reason=Reason.ESCORT))
    gate.write(visit(outcome=Outcome.ABANDONED, reason=Reason.WALKED_AWAY))
    gate.write(visit(would_have=Outcome.DENIED))
    gate.drill = True
    gate.write(refused(Reason.CODE_RED, Outcome.SEE_STAFF))
    gate.drill = False
    end_of_day(gate)
    centre.take(gate)
    counts = centre.lane().counts
    assert counts.visits == {"in": 6, "out": 1}
    assert counts.outcomes == {
        "granted": 3,
        "denied": 1,
        "see_staff": 1,
        "screened_only": 1,
        "abandoned": 1,
    }
    assert counts.refusals == {"temperature_high": 1, "expired": 1}
    assert counts.releases == {"isolated": 1}
    assert counts.passages == {"passed": 1, "forced": 1}
    assert counts.alarms == {"temperature_high": 1}
    assert (counts.second_measurements, counts.would_have_been_refused) == (1, 1)
    assert (counts.boots, counts.drills) == (1, 1)
    assert counts.findings == 3
    assert centre.report().total.visits == counts.visits


def test_a_whole_day_with_findings_is_complete_but_no_zero_report(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write(refused(Reason.CODE_RED, Outcome.SEE_STAFF))
    end_of_day(gate)
    centre.take(gate)
    assert centre.lane().completeness is Completeness.COMPLETE
    assert not centre.lane().is_zero_report


def test_whoever_was_admitted_unmeasured_is_a_finding(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write(visit())
    gate.write(visit(body_c=None, follow_up=TO_MEASURE))
    gate.write(visit(outcome=Outcome.SCREENED_ONLY, body_c=None, follow_up=TO_MEASURE))
    gate.drill = True
    gate.write(visit(body_c=None, follow_up=TO_MEASURE))
    gate.drill = False
    end_of_day(gate)
    centre.take(gate)
    lane = centre.lane()
    assert (lane.counts.to_measure, lane.counts.findings) == (2, 2)
    assert lane.completeness is Completeness.COMPLETE
    assert not lane.is_zero_report
    assert centre.report().total.to_measure == 2


HOT = {"body_c": 38.4}
CLOSED = {"outcome": Outcome.DENIED, "reason": Reason.CLOSED}


@pytest.mark.parametrize(
    ("members", "raised"),
    [
        ({**HOT, "would_have": Outcome.SEE_STAFF}, AlarmName.TEMPERATURE_HIGH),  # only observed
        (HOT, None),  # the check is soft
        ({"body_c": 37.3}, None),
        ({**HOT, "outcome": Outcome.ABANDONED, "reason": Reason.WALKED_AWAY}, None),
        ({**HOT, **CLOSED}, AlarmName.TEMPERATURE_HIGH),
        (CLOSED, AlarmName.LISTED_PERSON),
        (CLOSED, AlarmName.CODE_RED_OR_YELLOW),
    ],
)
def test_who_must_be_looked_after_is_a_finding_whatever_the_gate_did(
    centre: Centre, gate: LedgerOfGate, members: dict[str, object], raised: AlarmName | None
) -> None:
    gate.write(visit(**members))
    if raised is not None:
        gate.write(alarm(raised))
    end_of_day(gate)
    centre.take(gate)
    lane = centre.lane()
    assert lane.completeness is Completeness.COMPLETE
    assert (lane.counts.findings, lane.is_zero_report) == (1, False)
    assert (centre.report().total.findings, centre.report().is_zero_report) == (1, False)


def test_somebody_hot_in_a_drill_and_an_alarm_about_a_device_are_no_finding(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write(visit(body_c=37.299))
    gate.write(visit(body_c=None))
    gate.write(alarm(AlarmName.DEVICE_LOST))
    gate.drill = True
    gate.write(visit(body_c=38.4))
    gate.write(alarm(AlarmName.TEMPERATURE_HIGH))
    gate.drill = False
    end_of_day(gate)
    centre.take(gate)
    assert centre.lane().is_zero_report


def test_a_whole_day_without_visits_is_a_zero_report(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write(health())
    end_of_day(gate)
    centre.take(gate)
    lane = centre.lane()
    assert (lane.completeness, lane.is_zero_report) == (Completeness.COMPLETE, True)
    assert centre.report().is_zero_report


def test_a_later_record_beyond_a_hole_does_not_close_the_day(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write_visits(5)
    end_of_day(gate)
    centre.take(gate, without=frozenset({3, 4}))
    lane = centre.lane()
    assert lane.completeness is Completeness.INCOMPLETE
    assert [(gap.reason, gap.records) for gap in lane.gaps] == [(GapReason.MISSING, 2)]
    assert not lane.is_zero_report
    assert centre.lane(date(2026, 11, 24)).completeness is Completeness.INCOMPLETE  # open end


def test_a_hole_spoils_only_the_days_that_it_may_be_in(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write_visits(2)  # Monday
    gate.at = TUESDAY
    gate.write_visits(4)  # 3, 4, 5, 6
    gate.at = WEDNESDAY
    gate.write_visits(2)
    gate.at = WEDNESDAY + timedelta(days=1)
    gate.write_visits(1)
    centre.take(gate, without=frozenset({4}))
    later = WEDNESDAY + timedelta(days=2)
    found = [centre.lane(DAY + timedelta(days=n), later).completeness for n in range(3)]
    assert found == [Completeness.COMPLETE, Completeness.INCOMPLETE, Completeness.COMPLETE]


def test_filling_the_hole_makes_the_day_complete(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write_visits(5)
    end_of_day(gate)
    centre.take(gate, without=frozenset({3}))
    assert centre.lane().completeness is Completeness.INCOMPLETE
    centre.take(gate)
    assert centre.lane().completeness is Completeness.COMPLETE


def test_a_day_without_an_end_is_incomplete(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write_visits(3)
    centre.take(gate)
    assert centre.reasons() == [GapReason.NOTHING_SINCE]


def test_a_state_after_the_day_that_names_no_later_event_closes_it(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write_visits(3)
    centre.take(gate)
    centre.take_state(gate, TUESDAY)
    assert centre.lane().completeness is Completeness.COMPLETE


def test_a_state_that_names_events_we_do_not_have_closes_nothing(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write_visits(3)
    centre.take(gate, without=frozenset({3}))
    centre.take_state(gate, TUESDAY)
    (gap,) = centre.lane().gaps
    assert (gap.reason, gap.records) == (GapReason.NOTHING_SINCE, 1)


def test_a_state_from_a_clock_in_the_future_proves_no_more_than_its_arrival(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write_visits(3)
    centre.take(gate)
    state = gate.state().model_copy(update={"at": WEDNESDAY.isoformat()})
    centre.store.ingest([gate.state_arrival(state, received=gate.at)])
    assert centre.reasons() == [GapReason.NOTHING_SINCE]


def test_a_last_will_proves_nothing(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write_visits(3)
    centre.take(gate)
    centre.take_state(gate, gate.at)
    centre.take_state(gate, TUESDAY, online=False)
    assert centre.reasons() == [GapReason.NOTHING_SINCE]


def test_a_gate_that_was_only_ever_heard_of_is_never_zero(
    centre: Centre, gate: LedgerOfGate
) -> None:
    centre.take_state(gate, MONDAY)
    lane = centre.lane()
    assert (lane.completeness, lane.is_zero_report) == (Completeness.INCOMPLETE, False)


def test_without_any_gate_the_report_is_incomplete(centre: Centre) -> None:
    report = centre.report()
    assert (report.completeness, report.is_zero_report) == (Completeness.INCOMPLETE, False)


def test_a_lane_is_not_in_the_report_before_its_first_event(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write_visits(2)
    centre.take(gate)
    assert centre.report(DAY - timedelta(days=1)).lanes == ()


def test_a_lane_whose_first_events_were_never_received_is_incomplete_before(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write_visits(4)
    centre.store.ingest([gate.state_arrival(gate.state(oldest_seq=3))])
    centre.take(gate, without=frozenset({1, 2}))
    day_before = DAY - timedelta(days=1)
    assert centre.reasons(day_before) == [GapReason.MISSING]


def test_a_gate_that_was_off_all_day_is_not_a_zero_report(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write_visits(2)
    gate.boot = 2
    end_of_day(gate, WEDNESDAY)
    centre.take(gate)
    assert centre.reasons(date(2026, 11, 24)) == [GapReason.NO_SIGN_OF_LIFE]


def test_a_silent_day_within_one_boot_is_a_zero_report(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write_visits(2)
    end_of_day(gate, WEDNESDAY)
    centre.take(gate)
    assert centre.lane(date(2026, 11, 24)).is_zero_report


def test_a_silent_day_in_one_unbroken_session_is_a_zero_report(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write_visits(2)
    centre.take(gate)
    centre.take_state(gate, gate.at)
    centre.take_state(gate, WEDNESDAY)
    assert centre.lane(date(2026, 11, 24)).is_zero_report


def test_a_session_that_broke_off_in_between_is_no_sign_of_life(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write_visits(2)
    centre.take(gate)
    centre.take_state(gate, gate.at)
    centre.take_state(gate, gate.at, online=False)
    centre.take_state(gate, WEDNESDAY)
    assert centre.reasons(date(2026, 11, 24)) == [GapReason.NO_SIGN_OF_LIFE]


def test_a_new_ledger_leaves_the_end_of_the_old_one_in_doubt(centre: Centre) -> None:
    old, new = LedgerOfGate(), LedgerOfGate(epoch="b" * 16, at=TUESDAY)
    old.write_visits(3)
    new.write_visits(3)
    new.at = WEDNESDAY
    new.write_visits(1)
    centre.take(old)
    centre.take(new)
    later = WEDNESDAY + timedelta(days=1)
    assert centre.reasons(DAY, later) == [GapReason.REPLACED]
    assert centre.reasons(date(2026, 11, 24), later) == [GapReason.REPLACED]
    assert centre.lane(date(2026, 11, 24), later).counts.visits == {"in": 3}


def test_an_unreadable_record_spoils_its_day(centre: Centre, gate: LedgerOfGate) -> None:
    first, second, third = gate.write_visits(3)
    end_of_day(gate)
    poison = Arrival(second.topic, b"?", ms(second.at), gate.epoch, 2)
    centre.store.ingest([first.arrival(), poison, third.arrival(), gate.messages[3].arrival()])
    assert set(centre.reasons()) == {GapReason.UNREADABLE, GapReason.CHAIN}
    assert not centre.lane().is_zero_report


def test_a_conflict_spoils_its_day(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write_visits(3)
    end_of_day(gate)
    centre.take(gate)
    other = LedgerOfGate()
    other.write(visit(body_c=36.0))
    centre.take(other)
    assert centre.reasons() == [GapReason.CONFLICT]


def test_a_chain_break_spoils_its_day(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write(visit())
    gate.write(visit(), prev=bytes([9]) * 32)
    end_of_day(gate)
    centre.take(gate)
    assert centre.reasons() == [GapReason.CHAIN]


def test_visits_with_a_wrong_clock_are_counted_apart(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write(health())
    known = gate.at
    gate.at, gate.time_quality = datetime(1970, 1, 1, tzinfo=SHANGHAI), TimeQuality.UNKNOWN
    gate.write(visit())
    gate.write(passage())
    gate.at, gate.time_quality = known + timedelta(hours=1), TimeQuality.TRUSTED
    gate.write(visit())
    end_of_day(gate)
    centre.store.ingest([message.arrival(TUESDAY) for message in gate.messages])
    lane = centre.lane()
    assert (lane.counts.undated_visits, lane.counts.undated_others) == (1, 1)
    assert lane.counts.visits == {"in": 1}
    assert lane.completeness is Completeness.COMPLETE
    assert not lane.is_zero_report
    assert centre.lane(date(2026, 11, 24)).counts.undated_visits == 0


def first_day_in_1970(gate: LedgerOfGate, *contents: Content) -> None:
    """Let a new gate record ``contents`` before it knows the time."""
    gate.at, gate.time_quality = datetime(1970, 1, 1, tzinfo=SHANGHAI), TimeQuality.UNKNOWN
    for content in contents:
        gate.write(content)
    gate.time_quality = TimeQuality.TRUSTED


@pytest.mark.parametrize("learns_later", [True, False])
def test_a_gates_first_day_counts_though_its_clock_was_wrong(
    centre: Centre, learns_later: bool
) -> None:
    west, east = LedgerOfGate(gate="west-1", epoch="w" * 16), LedgerOfGate()
    west.write(health())
    end_of_day(west)
    first_day_in_1970(east, boot(), visit())  # two seconds
    east.boot += not learns_later
    midnight = datetime(2026, 11, 24, tzinfo=SHANGHAI)
    end_of_day(east, midnight - timedelta(milliseconds=500))
    centre.take(west)
    centre.store.ingest([message.arrival(TUESDAY) for message in east.messages])
    report = centre.report()
    assert [lane.counts.undated_visits for lane in report.lanes] == [1, 0]
    assert [lane.is_zero_report for lane in report.lanes] == [False, True]
    assert not report.is_zero_report
    before = centre.report(DAY - timedelta(days=1))
    assert [lane.lane.gate for lane in before.lanes] == ([] if learns_later else ["east-1"])


def test_a_new_gate_that_only_started_with_a_wrong_clock_is_not_in_the_days_before(
    centre: Centre, gate: LedgerOfGate
) -> None:
    first_day_in_1970(gate, boot(), health())
    gate.boot = 2
    end_of_day(gate)
    centre.take(gate)
    assert centre.report().lanes == ()


def test_a_day_that_is_not_over_is_so_far(centre: Centre, gate: LedgerOfGate) -> None:
    gate.write_visits(2)
    centre.take(gate)
    centre.take_state(gate, gate.at)
    lane = centre.lane(now=gate.at)
    assert (lane.completeness, lane.is_zero_report) == (Completeness.SO_FAR, False)


def test_a_gate_that_went_offline_today_makes_today_incomplete(
    centre: Centre, gate: LedgerOfGate
) -> None:
    gate.write_visits(2)
    centre.take(gate)
    assert centre.reasons(now=gate.at) == [GapReason.NOTHING_SINCE]


def test_one_incomplete_lane_makes_the_whole_report_incomplete(centre: Centre) -> None:
    east, west = LedgerOfGate(), LedgerOfGate(gate="west-1", epoch="w" * 16)
    for gate in (east, west):
        gate.write_visits(2)
        end_of_day(gate)
    centre.take(east)
    centre.take(west, without=frozenset({2}))
    report = centre.report()
    assert report.completeness is Completeness.INCOMPLETE
    assert not report.is_zero_report
    assert [lane.completeness for lane in report.lanes] == [
        Completeness.COMPLETE,
        Completeness.INCOMPLETE,
    ]
