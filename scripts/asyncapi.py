"""Writes docs/asyncapi.yaml from the wire models: AsyncAPI 3, for tools that generate and check.

Run it after changing one: ``python -m scripts.asyncapi``. A test compares. The document describes a
gate; a collector and other receivers do the opposite.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import gated
from gated.carried import PART_BYTES
from gated.contents import CONTENT_OF_KIND, Kind
from gated.received import Record
from gated.uses import GateUses, SiteUses, site_uses_topic, uses_answer_topic
from gated.wire import Ack, CollectorState, GateState, GateTopics, collector_state_topic
from scripts.mqtt_reference import MEANINGS

FILE = Path(__file__).resolve().parents[1] / "docs" / "asyncapi.yaml"
HEAD = """\
# What goes over the broker, as AsyncAPI 3. Written by scripts/asyncapi.py; do not edit.
# In words, with the rules of delivery: mqtt-reference.md
"""
_PLACE = GateTopics("{site}", "{gate}")
_SPARE = frozenset({"title", "default"})
_MQTT = "0.2.0"  # of the binding

Schema = dict[str, Any]


# --- schemas -------------------------------------------------------------------------------------


def schemas() -> dict[str, Schema]:
    """Return every schema by name."""
    found: dict[str, Schema] = {}
    for kind, content in CONTENT_OF_KIND.items():
        head, own = _of_model(Record, found), _of_model(content, found)
        said = {name for name in content.model_fields if name not in content.added}
        found[_record_name(kind)] = {
            "type": "object",
            "description": "Members that are not here may come: ignore them.",
            "properties": {
                **head["properties"],
                "kind": {"const": kind.value, "description": MEANINGS["kind"]},
                **own["properties"],
                "link": {"$ref": "#/components/schemas/PersonLink"},
            },
            "required": [*head["required"], *(n for n in content.model_fields if n in said)],
        }
    for model in (Ack, GateState, CollectorState, GateUses, SiteUses):
        found[model.__name__] = _of_model(model, found)
    found["PersonLink"] = {
        "type": "object",
        "description": "What leads from a record to a person; no part of its body. Delete it.",
        "properties": {"holder_ref": {"type": "string"}, "salt": {"type": "string"}},
        "required": ["holder_ref", "salt"],
    }
    return dict(sorted(found.items()))


def _record_name(kind: Kind) -> str:
    return f"{kind.value.title().replace('_', '')}Record"


def _of_model(model: type[BaseModel], found: dict[str, Schema]) -> Schema:
    """Return the schema of ``model``; what it refers to goes into ``found``."""
    raw = model.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, definition in raw.pop("$defs", {}).items():
        found[name] = _plain(definition)
    schema = _plain(raw)
    for name, member in schema["properties"].items():
        if name in MEANINGS:
            member["description"] = MEANINGS[name]
    return {"type": "object", "properties": schema["properties"], "required": _required(model)}


def _required(model: type[BaseModel]) -> list[str]:
    return [name for name, member in model.model_fields.items() if member.is_required()]


def _plain(value: Any) -> Any:  # noqa: ANN401  any part of a JSON Schema
    """Return ``value`` in the words of draft 7, which AsyncAPI 3 takes, and open to later words."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "properties" in value:
        members = {name: _plain(member) for name, member in value["properties"].items()}
        required = {"required": value["required"]} if "required" in value else {}
        return {"type": "object", "properties": members, **required}
    plain = {key: _plain(item) for key, item in value.items() if key not in _SPARE}
    if "prefixItems" in plain:
        plain["items"] = plain.pop("prefixItems")
    if "enum" in plain:  # later versions may add words
        plain["x-extensible-enum"] = plain.pop("enum")
    if "$ref" in plain:  # draft 7 ignores what stands beside a reference
        return {"allOf": [{"$ref": plain.pop("$ref")}], **plain} if len(plain) > 1 else plain
    return plain


# --- the document --------------------------------------------------------------------------------


def document() -> dict[str, Any]:
    """Return the whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "gated: an entry gate at the broker",
            "version": gated.__version__,
            "description": (
                "Format 1, frozen: members may be added, none changes its meaning or its unit. "
                "Records come at least once: dedupe on (gate, epoch, seq)."
            ),
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "{host}:8883",
                "protocol": "secure-mqtt",
                "protocolVersion": "5.0",
                "variables": {"host": {"default": "broker.example"}},
                "security": [
                    {"$ref": "#/components/securitySchemes/password"},
                    {"$ref": "#/components/securitySchemes/certificate"},
                ],
            }
        },
        "channels": dict(_channels()),
        "operations": dict(_operations()),
        "components": {
            "schemas": schemas(),
            "messages": dict(_messages()),
            "securitySchemes": {
                "password": {"type": "userPassword"},
                "certificate": {"type": "X509"},
            },
        },
    }


def _channels() -> Iterator[tuple[str, Any]]:
    for kind in CONTENT_OF_KIND:
        yield f"record_{kind}", _channel(_PLACE.record(kind), _record_name(kind))
    yield "live", _channel(_PLACE.live, "LiveAlarm")
    yield "state", _channel(_PLACE.state, "GateState")
    yield "ack", _channel(_PLACE.ack, "Ack")
    yield "uses", _channel(_PLACE.uses, "GateUses")
    yield "site_uses", _channel(site_uses_topic("{site}"), "SiteUses")
    yield "uses_answer", _channel(uses_answer_topic(_PLACE), "SiteUses")
    yield "collector_state", _channel(collector_state_topic("{collector}"), "CollectorState")
    yield "command", _channel(_PLACE.command, "Command")
    yield "response", _channel(_PLACE.response, "Response")
    yield "diagnostics", _channel(_PLACE.part("{command_id}", "{part}"), "DiagnosticsPart")


def _channel(address: str, message: str) -> dict[str, Any]:
    meanings = {
        "site": MEANINGS["site"],
        "gate": MEANINGS["gate"],
        "collector": "the collector",
        "command_id": MEANINGS["command_id"],
        "part": "the part's number, from 0",
    }
    parameters = {
        name: {"description": meaning}
        for name, meaning in meanings.items()
        if f"{{{name}}}" in address
    }
    return {
        "address": address,
        "parameters": parameters,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


_RETAINED = frozenset({"state", "ack", "collector_state"})
_RECEIVED = frozenset({"ack", "site_uses", "uses_answer", "collector_state", "command"})
_SUMMARIES: Mapping[str, str] = {
    "live": "A copy of an alarm at once, ahead of a backlog; its record follows in its turn.",
    "state": "Birth, changes, and the last will.",
    "ack": "What the collector has stored; only this frees a backlog.",
    "uses": "New uses of passes, and a question for those at the site's other gates.",
    "site_uses": "What is new in the site's uses.",
    "uses_answer": "The answer to a question, and how far the gate's own uses are stored.",
    "collector_state": "Birth and last will of a collector.",
    "command": "Signed by the centre; a retained one is never obeyed.",
    "response": "What came of a command: a copy of its record.",
    "diagnostics": "A zip in parts, when a command asked for it; nothing is sent again.",
}


def _operations() -> Iterator[tuple[str, Any]]:
    for name, _ in _channels():
        action = "receive" if name in _RECEIVED else "send"
        operation: dict[str, Any] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": _SUMMARIES.get(name, "A record, again and again until it is acked."),
        }
        is_sent_retained = action == "send" and name in _RETAINED
        operation["bindings"] = {
            "mqtt": {"qos": 1, "retain": is_sent_retained, "bindingVersion": _MQTT}
        }
        yield f"{action}_{name}", operation


def _messages() -> Iterator[tuple[str, Any]]:
    properties = {"epoch": {"type": "string"}, "seq": {"type": "string"}}
    for kind in CONTENT_OF_KIND:
        yield _record_name(kind), _message(_record_name(kind), properties)
    copy = {**properties, "copy": {"const": "1"}}
    yield "LiveAlarm", _message(_record_name(Kind.ALARM), copy)
    for name in ("GateState", "Ack", "GateUses", "SiteUses", "CollectorState"):
        yield name, _message(name)
    yield (
        "Command",
        {
            "contentType": "application/cose",
            "summary": "COSE_Sign1, at most 4,096 bytes: docs/commands.md",
            "payload": {"type": "string", "format": "binary"},
        },
    )
    yield "Response", _message(_record_name(Kind.COMMAND), properties)
    yield (
        "DiagnosticsPart",
        {
            "contentType": "application/octet-stream",
            "summary": f"At most {PART_BYTES:,} bytes of the zip: docs/commands.md",
            "payload": {"type": "string", "format": "binary"},
        },
    )


def _message(schema: str, user_properties: Mapping[str, Any] | None = None) -> dict[str, Any]:
    message: dict[str, Any] = {"payload": {"$ref": f"#/components/schemas/{schema}"}}
    if user_properties is not None:
        # MQTT 5 user properties; a bridge to MQTT 3 drops them, and the payload says the same.
        message["headers"] = {"type": "object", "properties": dict(user_properties)}
    return message


# --- YAML ----------------------------------------------------------------------------------------


def yaml(value: dict[str, Any] | list[Any], indent: int = 0) -> Iterator[str]:
    """Yield ``value`` as lines of YAML: blocks, whose keys and leaves are spelled as in JSON."""
    pad = "  " * indent
    items: list[tuple[str, Any]]
    if isinstance(value, dict):
        items = [(f"{_scalar(key)}:", item) for key, item in value.items()]
    else:
        items = [("-", item) for item in value]
    for mark, item in items:
        if isinstance(item, dict | list) and item:
            yield f"{pad}{mark}"
            yield from yaml(item, indent + 1)
        else:
            yield f"{pad}{mark} {_scalar(item)}"


def _scalar(value: object) -> str:
    is_plain = isinstance(value, str) and value.isidentifier() and value not in _NOT_PLAIN
    return str(value) if is_plain else json.dumps(value, ensure_ascii=False)


_NOT_PLAIN = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""What a YAML reader takes for something else than a text."""


def text() -> str:
    """Return the file's whole text."""
    return HEAD + "\n".join(yaml(document())) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
