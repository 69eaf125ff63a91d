"""Topics: what a gate's are called, and that nobody else's are taken for them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.contents import Kind
from gated.errors import WireError
from gated.wire import (
    ALL_LIVE,
    ALL_RECORDS,
    ALL_STATES,
    COLLECTOR,
    GateTopics,
    collector_state_topic,
    is_name,
    parse_gate_topic,
)

EAST = GateTopics("lixin-primary", "east-1")
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


def test_the_topics_of_a_gate_are_those_of_the_reference() -> None:
    assert (EAST.record("visit"), EAST.live, EAST.state, EAST.ack) == (
        "gates/v1/lixin-primary/east-1/rec/visit",
        "gates/v1/lixin-primary/east-1/live",
        "gates/v1/lixin-primary/east-1/state",
        "gates/v1/lixin-primary/east-1/ack",
    )
    assert (EAST.command, EAST.response) == (
        "gates/v1/lixin-primary/east-1/cmd",
        "gates/v1/lixin-primary/east-1/resp",
    )
    assert collector_state_topic("hall-1") == "gates/v1/collector/hall-1/state"


@given(NAMES.filter(lambda name: name != COLLECTOR), NAMES, st.sampled_from(Kind))
def test_every_topic_of_a_gate_is_parsed_as_it_was_made(site: str, gate: str, kind: Kind) -> None:
    topics = GateTopics(site, gate)
    assert parse_gate_topic(topics.record(kind)) == (topics, "rec", kind)
    assert parse_gate_topic(topics.live) == (topics, "live", "")
    assert parse_gate_topic(topics.state) == (topics, "state", "")
    assert parse_gate_topic(topics.ack) == (topics, "ack", "")
    assert parse_gate_topic(topics.command) == (topics, "cmd", "")
    assert parse_gate_topic(topics.response) == (topics, "resp", "")


def test_a_kind_of_a_later_version_has_a_topic_too() -> None:
    topic = "gates/v1/lixin-primary/east-1/rec/vaccination"
    assert parse_gate_topic(topic) == (EAST, "rec", "vaccination")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "gates/v1",
        "gates/v1/lixin-primary/east-1",
        "gates/v2/lixin-primary/east-1/state",
        "gates/v1/lixin-primary/east-1/rec",
        "gates/v1/lixin-primary/east-1/rec/",
        "gates/v1/lixin-primary/east-1/rec/Visit",
        "gates/v1/lixin-primary/east-1/rec/visit/more",
        "gates/v1/lixin-primary/east-1/other",
        "gates/v1/lixin-primary//state",
        "gates/v1/+/east-1/state",
        "gates/v1/lixin-primary/#",
        "gates/v1/Lixin/east-1/state",
        "gates/v1/立新/east-1/state",
        "/gates/v1/lixin-primary/east-1/state",
        "gates/v1/lixin-primary/east-1/state\n",
        "gates/v1/-lixin/east-1/state",
        f"gates/v1/{'a' * 64}/east-1/state",
        # a collector's own state is no gate's, though it has the shape of one
        "gates/v1/collector/hall-1/state",
        "gates/v1/collector/hall-1/rec/visit",
    ],
)
def test_any_other_topic_is_refused(topic: str) -> None:
    with pytest.raises(WireError):
        parse_gate_topic(topic)


@pytest.mark.parametrize("name", ["a", "0", "east-1", "a" * 63, "lixin-primary"])
def test_a_name_may_stand_in_a_topic(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", "-a", "A", "a b", "a/b", "+", "#", "$sys", "a" * 64, "a\n", "门", "a_b", "a.b"]
)
def test_what_a_broker_would_read_otherwise_is_no_name(name: str) -> None:
    assert not is_name(name)


def test_the_filters_of_a_collector_match_what_gates_publish() -> None:
    def matches(filter_: str, topic: str) -> bool:
        return re.fullmatch(filter_.replace("+", "[^/]+"), topic) is not None

    assert matches(ALL_RECORDS, EAST.record("visit"))
    assert matches(ALL_STATES, EAST.state)
    assert matches(ALL_STATES, collector_state_topic("hall-1"))
    assert matches(ALL_LIVE, EAST.live)
    assert not matches(ALL_RECORDS, EAST.live)
