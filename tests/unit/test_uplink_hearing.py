from __future__ import annotations

import pytest

from gated.errors import WireError
from gated.uplink.acks import parse_ack
from gated.uplink.collectors import Collectors, collector_of
from gated.wire import Ack, CollectorState

ACK = Ack(
    collector="centre",
    collector_epoch="c1",
    epoch="k3v9q2m7x1c8d4zt",
    upto=7,
    hash="0" * 64,
    have=((9, 12),),
    at="2026-11-23T00:00:00.000Z",
)


def state(*, session: int, online: bool) -> bytes:
    return CollectorState(online=online, session=session, collector="x").model_dump_json().encode()


def test_an_ack_is_read_back_as_it_was_written() -> None:
    assert parse_ack(ACK.model_dump_json().encode()) == ACK


def test_members_of_later_versions_are_ignored() -> None:
    text = ACK.model_dump_json().replace("{", '{"later":[1],', 1)
    assert parse_ack(text.encode()) == ACK


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("v", 2),
        ("upto", -1),
        ("upto", 2**63),
        ("hash", "xyz"),
        ("collector", "../centre"),
        ("have", ((1,),)),
        ("epoch", None),
    ],
)
def test_an_ack_with_a_wrong_member_is_none(member: str, value: object) -> None:
    raw = ACK.model_copy(update={member: value})
    with pytest.raises(WireError):
        parse_ack(raw.model_dump_json(warnings=False).encode())


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b"null", b"1e999", b"{" * 9_000, b"{}"])
def test_what_is_no_json_object_is_no_ack(payload: bytes) -> None:
    with pytest.raises(WireError):
        parse_ack(payload)


@pytest.mark.parametrize(
    ("topic", "collector"),
    [
        ("gates/v1/collector/centre/state", "centre"),
        ("gates/v1/collector/centre/cmd", None),
        ("gates/v1/collector//state", None),
        ("gates/v1/collector/a/b/state", None),
        ("gates/v1/school/east-1/state", None),
        ("gates/v2/collector/centre/state", None),
    ],
)
def test_only_a_collectors_state_is_taken_for_one(topic: str, collector: str | None) -> None:
    assert collector_of(topic) == collector


def test_no_news_of_a_collector_is_good_news() -> None:
    assert Collectors().is_up


def test_the_collector_is_down_when_every_known_one_is() -> None:
    collectors = Collectors()
    collectors.hear("a", state(session=1, online=False))
    assert not collectors.is_up
    collectors.hear("b", state(session=1, online=True))
    assert collectors.is_up


def test_once_a_collector_has_acked_its_own_state_counts() -> None:
    collectors = Collectors()
    collectors.hear("a", state(session=1, online=True))
    collectors.hear("b", state(session=1, online=False))
    collectors.acked_by = "b"
    assert not collectors.is_up
    collectors.acked_by = "unheard-of"
    assert collectors.is_up


def test_the_late_will_of_an_earlier_connection_is_ignored() -> None:
    collectors = Collectors()
    collectors.hear("a", state(session=5, online=True))
    collectors.hear("a", state(session=4, online=False))
    assert collectors.is_up
    collectors.hear("a", state(session=5, online=False))
    assert not collectors.is_up


def test_a_collector_that_counts_from_one_again_is_believed_at_its_birth() -> None:
    collectors = Collectors()
    collectors.hear("a", state(session=5, online=False))
    collectors.hear("a", state(session=1, online=True))
    assert collectors.is_up


def test_a_cleared_state_is_no_news() -> None:
    collectors = Collectors()
    collectors.hear("a", state(session=5, online=False))
    collectors.hear("a", b"")
    assert collectors.is_up


def test_garbage_is_refused_and_changes_nothing() -> None:
    collectors = Collectors()
    collectors.hear("a", state(session=5, online=False))
    with pytest.raises(WireError):
        collectors.hear("a", b"{")
    assert not collectors.is_up
