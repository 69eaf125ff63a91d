"""What is taken over of a record, and that a damaged one is refused instead of believed."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from gated.clock import TimeQuality
from gated.contents import Content
from gated.errors import WireError
from gated.tuning.visits import Contact, parse_contact, parse_visit
from gated.vocabulary import Mode, Reason
from gated.wire import GENESIS, Place, encode_body
from tests.tuning_school import HOLDER, MONDAY, draft, release, visit

PLACE = Place("lixin-primary", "east-1", "k3v4q2m7x2c5d4zt", 7, 1, GENESIS)


def body(content: Content, **stamped: object) -> bytes:
    return encode_body(draft(content, MONDAY, **stamped), PLACE)  # type: ignore[arg-type]


def changed(data: bytes, **members: object) -> bytes:
    return json.dumps(json.loads(data) | members).encode()


def test_a_visit_is_read_with_the_gates_own_day_and_hour() -> None:
    found = parse_visit(body(visit("7f3a", 37.35, 37.2, ambient_c=19.0)))
    assert found.key == ("lixin-primary", "east-1", "7f3a")
    assert found.visit_id == "7f3a"
    assert (found.day, found.hour) == ("2026-11-23", 7)  # 23:30 the day before, in UTC
    assert (found.readings_c, found.refusal) == ((37.35, 37.2), None)
    assert (found.body_c, found.verdict, found.ambient_c) == (37.275, "normal", 19.0)
    assert (found.threshold_c, found.is_inclusive, found.thermometer) == (37.3, True, "child")
    assert not found.is_drill
    assert not found.is_observed


def test_nothing_that_leads_to_a_person_is_taken_over() -> None:
    found = parse_visit(body(visit("7f3a", 36.6)))
    shown = json.dumps(asdict(found))
    for secret in (HOLDER, "g3-2", "student", "commitment"):
        assert secret not in shown


def test_a_refused_reading_keeps_its_reason_hard_or_noted() -> None:
    refused = visit("7f3a", 37.25, refusal=Reason.SPREAD_TOO_LARGE)
    assert parse_visit(body(refused)).refusal is Reason.SPREAD_TOO_LARGE
    noted = visit("7f3a", refusal=Reason.COLD_FACE, reasons=(), noted=(Reason.COLD_FACE,))
    assert parse_visit(body(noted)).refusal is Reason.COLD_FACE
    for_another_reason = visit("7f3a", reasons=(Reason.EXPIRED,))
    assert parse_visit(body(for_another_reason)).refusal is Reason.NO_READING
    of_a_later_version = changed(body(refused), reasons=["too_hairy"])
    assert parse_visit(of_a_later_version).refusal is Reason.NO_READING


def test_a_wrong_clock_gives_no_day() -> None:
    found = parse_visit(body(visit("7f3a", 36.6), quality=TimeQuality.UNKNOWN))
    assert (found.day, found.hour) == (None, None)


def test_drills_and_observing_are_told_apart() -> None:
    assert parse_visit(body(visit("7f3a", 36.6), drill=True)).is_drill
    assert parse_visit(body(visit("7f3a", 36.6), mode=Mode.OBSERVE)).is_observed


@pytest.mark.parametrize(
    "members",
    [
        {"kind": "passage"},
        {"visit_id": None},
        {"site": 7},
        {"at": "yesterday"},
        {"at": None},
        {"readings_c": "37.2"},
        {"readings_c": ["37.2"]},
        {"readings_c": [True]},
        {"readings_c": [1e9]},
        {"readings_c": [37.0] * 99},
        {"ambient_c": "warm"},
        {"body_c": []},
        {"threshold_c": None},
        {"threshold_inclusive": 1},
        {"drill": "no"},
    ],
)
def test_a_visit_that_says_something_else_is_refused(members: dict[str, object]) -> None:
    with pytest.raises(WireError):
        parse_visit(changed(body(visit("7f3a", 36.6)), **members))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"kind":"visit"}', b"\xff\xfe", b"NaN"])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        parse_visit(data)
    with pytest.raises(WireError):
        parse_contact(data)


def test_a_contact_reading_is_read_and_none_is_none() -> None:
    found = parse_contact(body(release("7f3a", 38.2)))
    assert found == Contact(("lixin-primary", "east-1", "7f3a"), 38.2, is_drill=False)
    assert parse_contact(body(release("7f3a", None))) is None
    with pytest.raises(WireError):
        parse_contact(changed(body(release("7f3a", 38.2)), contact_c="38.2"))
