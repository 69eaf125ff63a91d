from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from gated.contents import CONTENT_OF_KIND, Kind
from gated.received import parse_record
from gated.uplink.acks import parse_ack
from gated.wire import GateTopics, collector_state_topic, split_link

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "mqtt-reference.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "mqtt_reference", ROOT / "scripts" / "mqtt_reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_page_are_those_of_the_models(script: ModuleType) -> None:
    assert script.tables() in PAGE, "run: python scripts/mqtt_reference.py"


def test_every_topic_stands_on_the_page() -> None:
    topics = GateTopics("{site}", "{gate}")
    for topic in (
        topics.record("{kind}"),
        topics.live,
        topics.state,
        topics.ack,
        topics.command,
        collector_state_topic("{collector}"),
    ):
        assert f"`{topic}`" in PAGE
    for kind in Kind:
        assert f"### rec/{kind}" in PAGE


def test_the_record_on_the_page_is_one() -> None:
    example = re.search(r"```json\n(\{\"v\":1,\"kind\":\"visit\".*?)\n```", PAGE, re.DOTALL)
    assert example is not None
    message = example[1].replace("\n", "").encode()
    body, link = split_link(message)
    record = parse_record(body)
    assert link is not None
    names = list(json.loads(body))
    visit = CONTENT_OF_KIND[Kind.VISIT]
    content = [name for name in visit.model_fields if name not in visit.added]
    assert names == [*list(type(record).model_fields)[:10], *content, *names[-5:]]


def test_the_ack_on_the_page_is_one() -> None:
    example = re.search(r"```json\n(\{\"v\":1,\"collector\".*?)\n```", PAGE, re.DOTALL)
    assert example is not None
    text = example[1].replace("\n", "").replace("9f2c…64 digits", "9f2c" * 16)
    assert parse_ack(text.encode()).have == ((48212, 48213),)


def test_the_receiver_on_the_page_compiles() -> None:
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    compile(example[1], "receiver.py", "exec")
