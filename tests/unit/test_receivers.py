"""docs/receivers.md and what lies beside it say what the code does."""

from __future__ import annotations

import base64
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gated.collector.web import _ENTRY_FIELDS
from gated.collector.webhook import sign
from gated.config.load import parse_collector
from gated.contents import CONTENT_OF_KIND, Kind
from gated.received import Record
from gated.wire import ALL_RECORDS
from tests.webhook_receiver import SECRET

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "receivers.md").read_text(encoding="utf-8")


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_check_of_a_signature_on_the_page_takes_ours_and_no_other() -> None:
    names: dict[str, Any] = {}
    exec(example("python"), names)  # noqa: S102  the page's own text is what is tested
    is_genuine: Callable[[dict[str, str], bytes, str], bool] = names["is_genuine"]
    body = b'{"specversion":"1.0"}'
    headers = {
        "webhook-id": "gated_k3v7q2m7x2c2d4zt_1",
        "webhook-timestamp": "1795723969",
        "webhook-signature": sign(
            base64.b64decode(SECRET), "gated_k3v7q2m7x2c2d4zt_1", 1795723969, body
        ),
    }
    assert is_genuine(headers, body, SECRET)
    assert not is_genuine(headers, body + b" ", SECRET)
    assert not is_genuine({**headers, "webhook-timestamp": "1795723970"}, body, SECRET)
    assert not is_genuine({**headers, "webhook-id": "gated_k3v7q2m7x2c2d4zt_2"}, body, SECRET)


def test_the_configuration_on_the_page_is_one() -> None:
    collector = '[collector]\nname = "centre"\nbroker = "mqtt://127.0.0.1:1883"\n'
    webhook = parse_collector(collector + example("toml"), "receivers.md").webhook
    assert webhook.address is not None
    assert len(webhook.wanted) == 4


def test_every_member_of_an_entry_is_on_the_page() -> None:
    shown = {name for name in _ENTRY_FIELDS if name != "received_at_ms"} | {"received_at", "late"}
    assert {name for name in shown if f"`{name}`" not in PAGE} == set()


def test_telegraf_takes_members_that_there_are_and_nothing_of_a_person() -> None:
    config = tomllib.loads((DOCS / "telegraf.conf").read_text(encoding="utf-8"))
    (consumer,) = config["inputs"]["mqtt_consumer"]
    kinds = [topic.removeprefix(ALL_RECORDS.removesuffix("+")) for topic in consumer["topics"]]
    assert set(kinds) <= set(Kind)
    members = set(Record.model_fields)
    members |= {name for kind in kinds for name in CONTENT_OF_KIND[Kind(kind)].model_fields}
    named = {*consumer["tag_keys"], *consumer["fieldinclude"], *consumer["json_string_fields"]}
    assert named <= members
    assert not [name for name in named if "commitment" in name or "link" in name]
    assert set(consumer["json_string_fields"]) <= set(consumer["fieldinclude"])
    assert consumer["qos"] == 1
    assert consumer["persistent_session"] is True
