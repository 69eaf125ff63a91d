"""``config/mosquitto.acl`` in a real mosquitto: everybody's rights, by MQTT 5 reason codes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from gated.simulation.broker import HOST
from tests.brokers import Mosquitto, wait_until

ACL = Path(__file__).resolve().parents[2] / "config" / "mosquitto.acl"
SITE = "gates/v1/lixin-primary"
EAST, WEST = f"{SITE}/east-1", f"{SITE}/west-2"
COLLECTOR = "gates/v1/collector/centre/state"
CLAIM_REQUEST = "gates/v1/collector/claims/request/7KQ"
CLAIM_ANSWER = "gates/v1/collector/claims/answer/7KQ"
NOT_AUTHORIZED = 0x87
_NUMBERS = itertools.count()
WAIT_S = 10.0

TOPICS = (
    *(f"{EAST}/{branch}" for branch in ("rec/visit", "rec/alarm", "live", "state", "uses")),
    *(f"{EAST}/{branch}" for branch in ("resp", "ack", "cmd", "diag/00ff/0")),
    *(f"{SITE}/uses/all", f"{SITE}/uses/to/east-1", COLLECTOR),
    *(CLAIM_REQUEST, CLAIM_ANSWER, f"{SITE}/claim/rec/visit", f"{SITE}/claim/cmd"),
    *("gates/v1/other-site/east-1/rec/visit", "gates/v1/other-site/east-1/cmd", "elsewhere"),
)
OWN = {
    f"{EAST}/{b}"
    for b in ("rec/visit", "rec/alarm", "live", "state", "uses", "resp", "diag/00ff/0")
}
SEEN = {f"{EAST}/{b}" for b in ("rec/visit", "rec/alarm", "live", "state")}
OF_OTHER_SITE = "gates/v1/other-site/east-1"
MAY_WRITE: dict[str, set[str]] = {
    "east-1": OWN,
    "west-2": set(),
    "centre": {
        *(f"{EAST}/ack", f"{SITE}/uses/all", f"{SITE}/uses/to/east-1", COLLECTOR),
        CLAIM_ANSWER,
    },
    "control": {f"{EAST}/cmd", f"{SITE}/claim/cmd", f"{OF_OTHER_SITE}/cmd"},
    "claim": {CLAIM_REQUEST},
    "observer": set(),
    "stranger": set(),
}
MAY_READ: dict[str, set[str]] = {
    "east-1": {f"{EAST}/ack", f"{EAST}/cmd", *(MAY_WRITE["centre"] - {CLAIM_ANSWER})},
    "west-2": {f"{SITE}/uses/all", COLLECTOR},
    "centre": {
        *(*SEEN, f"{EAST}/uses", f"{SITE}/claim/rec/visit", f"{OF_OTHER_SITE}/rec/visit"),
        CLAIM_REQUEST,
        *(f"{SITE}/uses/all", COLLECTOR),  # patterns hold for every user
    },
    "control": {f"{EAST}/resp", f"{EAST}/diag/00ff/0", f"{EAST}/state", COLLECTOR},
    "observer": {*SEEN, f"{SITE}/claim/rec/visit", f"{OF_OTHER_SITE}/rec/visit", COLLECTOR},
    "claim": {CLAIM_ANSWER},
    "stranger": {f"{SITE}/uses/all", COLLECTOR},
}
"""A user that is none of these is a gate without a name of ours: it sees what all gates see."""


class Party:
    """One user at the broker."""

    def __init__(self, port: int, user: str) -> None:
        self.heard: set[str] = set()
        self._answers: dict[int, ReasonCode] = {}
        self._granted = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{user}-{next(_NUMBERS)}",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        self._client.username_pw_set(user)
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._granted.set()
        self._client.connect(HOST, port)
        self._client.loop_start()

    def _on_publish(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: object
    ) -> None:
        self._answers[mid] = reason

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.heard.add(message.topic)

    def publish(self, topic: str) -> int:
        """Return the reason code of the PUBACK."""
        mid = self._client.publish(topic, b"{}", qos=1).mid
        assert wait_until(lambda: mid in self._answers, WAIT_S)
        return int(self._answers[mid].value)

    def subscribe(self, *topics: str) -> None:
        self._granted.clear()
        self._client.subscribe([(topic, 1) for topic in topics])
        assert self._granted.wait(WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("acl")
    acl = folder / "acl"
    everybody = "\nuser root\ntopic readwrite #\n"  # who says something, so that others may hear it
    acl.write_text(ACL.read_text(encoding="utf-8") + everybody, encoding="utf-8")
    acl.chmod(0o600)
    broker = Mosquitto(folder, options=f"acl_file {acl}")
    broker.start()
    yield broker.port
    broker.kill()


@pytest.mark.parametrize("user", MAY_WRITE)
def test_a_user_writes_its_own_topics_and_no_others(port: int, user: str) -> None:
    party = Party(port, user)
    codes = {topic: party.publish(topic) for topic in TOPICS}
    party.close()
    assert {topic for topic, code in codes.items() if code < 0x80} == MAY_WRITE[user]
    refused = {topic: code for topic, code in codes.items() if topic not in MAY_WRITE[user]}
    assert set(refused.values()) == {NOT_AUTHORIZED}


@pytest.mark.parametrize("wide", [False, True], ids=["by name", "by #"])
@pytest.mark.parametrize("user", MAY_READ)
def test_a_user_hears_what_it_needs_and_nothing_else(port: int, user: str, *, wide: bool) -> None:
    party, root = Party(port, user), Party(port, "root")
    heard_all = Party(port, "root")
    heard_all.subscribe("#")
    party.subscribe(*(("#",) if wide else TOPICS))
    for topic in TOPICS:
        assert root.publish(topic) < 0x80
    assert wait_until(lambda: heard_all.heard >= set(TOPICS), WAIT_S)
    assert wait_until(lambda: party.heard >= MAY_READ[user], WAIT_S), party.heard
    assert not wait_until(lambda: party.heard != MAY_READ[user], 0.3), party.heard
    for one in (party, root, heard_all):
        one.close()


def test_a_collector_hears_records_through_a_shared_subscription(port: int) -> None:
    party, root = Party(port, "centre"), Party(port, "root")
    party.subscribe("$share/gated-centre/gates/v1/+/+/rec/+")
    root.publish(f"{EAST}/rec/visit")
    assert wait_until(lambda: party.heard == {f"{EAST}/rec/visit"}, WAIT_S)
    party.close()
    root.close()


def test_the_page_on_mqtt_names_the_file() -> None:
    page = ACL.parents[1] / "docs" / "mqtt-reference.md"
    assert "config/mosquitto.acl" in page.read_text(encoding="utf-8")
