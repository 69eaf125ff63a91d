from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gated.collector.chain import link_hash
from gated.collector.intake import (
    UNREADABLE_KIND,
    Ignored,
    Readable,
    StateSeen,
    Unreadable,
    read_arrival,
    to_ms,
)
from gated.collector.sqlite_store import SqliteStore
from gated.collector.store import Arrival
from gated.contents import Kind
from gated.errors import WireError
from gated.wire import GENESIS, GateTopics, PersonLink, chain_hash
from tests.collector_gate import LedgerOfGate, ms, visit

LINK = PersonLink(holder_ref="k4:9c41f07be2d85a13", salt="c2FsdHNhbHRzYWx0c2E")
GATE = LedgerOfGate()
MESSAGE = GATE.write(visit(), link=LINK)
STATE = GATE.state()

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "", "2026", "unknown", 2**63, -(2**63) - 1, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_a_good_record_is_read_with_its_link() -> None:
    intake = read_arrival(MESSAGE.arrival())
    assert isinstance(intake, Readable)
    assert (intake.chain, intake.seq, intake.body) == (GATE.chain, 1, MESSAGE.body)
    assert (intake.link, intake.link_error) == (LINK, None)
    assert intake.extract.body_c == 36.62
    assert intake.extract.at_ms == ms(MESSAGE.at)
    assert intake.extract.holder_group == "g3-2"


def test_the_hash_from_a_bodys_hash_is_the_hash_on_the_wire() -> None:
    intake = read_arrival(MESSAGE.arrival())
    assert isinstance(intake, Readable)
    assert link_hash(GENESIS, 1, intake.body_sha) == chain_hash(GENESIS, 1, MESSAGE.body)


def test_the_word_for_an_unreadable_record_is_no_kind_on_the_wire() -> None:
    assert UNREADABLE_KIND not in set(Kind)


def test_the_user_properties_place_what_cannot_be_read() -> None:
    intake = read_arrival(Arrival(MESSAGE.topic, b"?", 0, GATE.epoch, 7))
    assert isinstance(intake, Unreadable)
    assert (intake.chain, intake.seq) == (GATE.chain, 7)


@pytest.mark.parametrize(
    ("epoch", "seq"),
    [("short", 1), ("K" * 16, 1), (GATE.epoch, 0), (GATE.epoch, -1), (GATE.epoch, 2**63)],
)
def test_user_properties_that_cannot_be_a_place_place_nothing(epoch: str, seq: int) -> None:
    intake = read_arrival(Arrival(MESSAGE.topic, b"?", 0, epoch, seq))
    assert isinstance(intake, Unreadable)
    assert (intake.chain, intake.seq) == (None, None)


@pytest.mark.parametrize("at", ["", "yesterday", "2026-11-23", "2026-11-23T07:41:08", "24:00"])
def test_a_time_without_an_offset_is_none(at: str) -> None:
    with pytest.raises(WireError, match="at:"):
        to_ms(at)


def test_a_birth_is_read_with_its_anchor() -> None:
    intake = read_arrival(GATE.state_arrival(STATE))
    assert isinstance(intake, StateSeen)
    assert (intake.state, intake.anchor) == (STATE, GENESIS)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        STATE.model_copy(update={"gate": "west-1"}).model_dump_json().encode(),
        STATE.model_copy(update={"session": -1}).model_dump_json().encode(),
        STATE.model_copy(update={"newest_seq": 2**63}).model_dump_json().encode(),
        STATE.model_copy(update={"epoch": "?"}).model_dump_json().encode(),
        STATE.model_dump_json().replace('"scanner"', '"\\ud800"').encode(),
    ],
)
def test_a_state_that_is_not_what_it_should_be_is_ignored(payload: bytes) -> None:
    topic = GateTopics(GATE.site, GATE.gate).state
    assert isinstance(read_arrival(Arrival(topic, payload, 0)), Ignored)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_member_of_a_record_can_stop_the_store(data: st.DataObject, tmp_path: Path) -> None:
    body = json.loads(MESSAGE.payload)
    for name in data.draw(st.lists(st.sampled_from([*body, "device", "alarm"]), min_size=1)):
        body[name] = data.draw(anything)
    path = tmp_path / "records.db"
    store = SqliteStore(path, keep_person_days=14)
    result = store.ingest(
        [Arrival(MESSAGE.topic, json.dumps(body).encode(), ms(MESSAGE.at), GATE.epoch, 1)]
    )
    assert result.ignored == 0
    store.close()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_member_of_a_state_can_stop_the_store(data: st.DataObject, tmp_path: Path) -> None:
    state = json.loads(STATE.model_dump_json())
    for name in data.draw(st.lists(st.sampled_from([*state]), min_size=1)):
        state[name] = data.draw(anything)
    store = SqliteStore(tmp_path / "records.db", keep_person_days=14)
    topic = GateTopics(GATE.site, GATE.gate).state
    store.ingest([Arrival(topic, json.dumps(state).encode(), ms(MESSAGE.at))])
    store.current_chains()
    store.close()
