"""A gate's side of the broker for the collector's tests, whose records are made elsewhere."""

from __future__ import annotations

import threading

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gated.collector.store import ChainKey
from gated.wire import Ack, CollectorState, GateTopics, collector_state_topic
from tests.collector_gate import LedgerOfGate, Message

_SUBSCRIBES_WITHIN_S = 20.0


class Station:
    """Publishes, and hears acks and the collector's state."""

    def __init__(self, port: int) -> None:
        self.acks: list[Ack] = []
        self.collector: list[CollectorState] = []
        self._is_subscribed = threading.Event()
        client = Client(
            CallbackAPIVersion.VERSION2, client_id="station", protocol=MQTTProtocolVersion.MQTTv5
        )
        client.on_message = self._on_message
        client.on_subscribe = lambda *_: self._is_subscribed.set()
        client.connect("127.0.0.1", port)
        client.loop_start()
        client.subscribe([("gates/v1/+/+/ack", 1), (collector_state_topic("county"), 1)])
        assert self._is_subscribed.wait(_SUBSCRIBES_WITHIN_S)
        self._client = client

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        if message.topic.endswith("/ack"):
            self.acks.append(Ack.model_validate_json(message.payload))
        elif message.payload:  # else a state that was cleared
            self.collector.append(CollectorState.model_validate_json(message.payload))

    def send(self, message: Message) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.UserProperty = [("epoch", message.chain.epoch), ("seq", str(message.seq))]
        self._client.publish(message.topic, message.payload, 1, properties=properties)

    def send_state(self, gate: LedgerOfGate) -> None:
        topic = GateTopics(gate.site, gate.gate).state
        self._client.publish(topic, gate.state().model_dump_json(), 1, retain=True)

    def last_ack(self, chain: ChainKey) -> Ack | None:
        return next((a for a in reversed(self.acks) if a.epoch == chain.epoch), None)

    def is_acked(self, chain: ChainKey, upto: int) -> bool:
        ack = self.last_ack(chain)
        return ack is not None and ack.upto >= upto

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
