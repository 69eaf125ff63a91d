from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

from gated.contents import CONTENT_OF_KIND, Kind
from gated.uses import GateUses, site_uses_topic, uses_answer_topic
from gated.wire import Ack, GateTopics, collector_state_topic, join_link
from scripts import asyncapi
from tests.collector_gate import LedgerOfGate
from tests.wire_golden import GOLDEN, LINK

GOLDENS = sorted(path for path in GOLDEN.glob("*.json") if path.stem in set(Kind))
PLACE = GateTopics("{site}", "{gate}")


@cache
def document() -> dict[str, Any]:
    return asyncapi.document()


@cache
def validator(schema: str) -> Callable[[object], object]:
    """Return what raises for a value that is not as ``schema`` of the document says."""
    rules = {"allOf": [{"$ref": f"#/components/schemas/{schema}"}]}
    made = fastjsonschema.compile(
        {"$schema": "http://json-schema.org/draft-07/schema", **rules}
        | {"components": document()["components"]},
        use_default=False,
    )
    assert callable(made)
    return made


def record_schema(kind: str) -> str:
    return f"{kind.title()}Record"


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_document_in_the_docs_is_that_of_the_models() -> None:
    written = asyncapi.FILE.read_text(encoding="utf-8")
    assert written == asyncapi.text(), "run: python -m scripts.asyncapi"


def test_every_reference_leads_somewhere() -> None:
    found = set(references(document()))
    assert len(found) > 50
    for reference in found:
        place: Any = document()
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]


def test_every_topic_has_a_channel_and_an_operation() -> None:
    addresses = {channel["address"] for channel in document()["channels"].values()}
    assert addresses == {
        *(PLACE.record(kind) for kind in CONTENT_OF_KIND),
        *(PLACE.live, PLACE.state, PLACE.ack, PLACE.uses, PLACE.command, PLACE.response),
        *(site_uses_topic("{site}"), uses_answer_topic(PLACE)),
        collector_state_topic("{collector}"),
        PLACE.part("{command_id}", "{part}"),
    }
    used = {operation["channel"]["$ref"] for operation in document()["operations"].values()}
    assert used == {f"#/channels/{name}" for name in document()["channels"]}


def test_every_parameter_of_an_address_is_explained() -> None:
    for channel in document()["channels"].values():
        assert set(re.findall(r"\{(\w+)\}", channel["address"])) == set(channel["parameters"])


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)
def test_every_golden_record_is_as_its_schema_says_with_a_link_and_without(golden: Path) -> None:
    body = golden.read_bytes().strip()
    validate = validator(record_schema(golden.stem))
    validate(json.loads(body))
    validate(json.loads(join_link(body, LINK)))


def test_there_is_a_golden_record_to_check() -> None:
    assert len(GOLDENS) >= 11


@pytest.mark.parametrize(
    ("member", "value"),
    [("seq", 0), ("seq", "1"), ("kind", "passage"), ("body_c", "37.4"), ("prev", "xyz"), ("v", 2)],
)
def test_a_record_that_says_something_else_is_refused(member: str, value: object) -> None:
    record = json.loads((GOLDEN / "visit.json").read_bytes())
    validate = validator("VisitRecord")
    with pytest.raises(fastjsonschema.JsonSchemaException):
        validate({**record, member: value})


@pytest.mark.parametrize("member", ["seq", "epoch", "outcome", "threshold_c", "prev"])
def test_a_record_without_a_member_that_all_have_is_refused(member: str) -> None:
    record = json.loads((GOLDEN / "visit.json").read_bytes())
    del record[member]
    with pytest.raises(fastjsonschema.JsonSchemaException):
        validator("VisitRecord")(record)


def test_a_later_word_and_a_later_member_are_taken() -> None:
    record = json.loads((GOLDEN / "visit.json").read_bytes())
    validator("VisitRecord")({**record, "outcome": "levitated", "aura": "green"})


def test_states_acks_and_uses_are_as_their_schemas_say() -> None:
    gate = LedgerOfGate()
    gate.write_visits(2)
    validator("GateState")(json.loads(gate.state().model_dump_json()))
    ack = Ack(
        collector="centre",
        collector_epoch="5f0c2a",
        epoch=gate.epoch,
        upto=1,
        hash="0" * 64,
        have=((3, 4), (6, 6)),
        at="2026-11-22T23:41:09.020Z",
    )
    validator("Ack")(json.loads(ack.model_dump_json()))
    with pytest.raises(fastjsonschema.JsonSchemaException):
        validator("Ack")({**json.loads(ack.model_dump_json()), "have": [["3", 4]]})
    uses = GateUses(epoch=gate.epoch, after=0, upto=0, uses=(), known={"centre": ("e", 4)})
    validator("GateUses")(json.loads(uses.model_dump_json()))


def test_yaml_keeps_what_json_says() -> None:
    lines = list(asyncapi.yaml({"a": {"b-c": [1, "no", "x: y", {"d": None}], "e": {}}, "f": True}))
    assert lines == [
        "a:",
        '  "b-c":',
        "    - 1",
        '    - "no"',
        '    - "x: y"',
        "    -",
        "      d: null",
        "  e: {}",
        "f: true",
    ]
