"""Messages that nobody can read, among those of the gate."""

from __future__ import annotations

import contextlib
import json
import random

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gated.simulation.broker import HOST
from gated.wire import GateTopics
from tests.faults.fault import Fault
from tests.faults.gate_process import GATE, SITE
from tests.faults.line import Line, Scene, any_broker
from tests.faults.verdict import Tally

_MOST_BYTES = 20_000
_WAIT_S = 10.0


def poison(rng: random.Random) -> tuple[str, bytes]:
    """Return (topic, payload) of a message that is no record, in one of many ways."""
    topics = GateTopics(SITE, GATE)
    topic = rng.choice((topics.record("visit"), topics.record("alarm"), topics.state, topics.uses))
    deep = b"[" * 5_000 + b"]" * 5_000
    payload = rng.choice(
        (
            rng.randbytes(rng.randrange(1, _MOST_BYTES)),
            b'{"v":1,"kind":"visit","seq":NaN}',
            b'{"a":' + deep + b"}",
            b"\xff\xfe" * 20,
            b'{"v":1,"seq":1e999}',
            b'{"v":1,"kind":"\\ud800"}',
            json.dumps({"v": 1, "kind": "visit", "seq": rng.getrandbits(80)}).encode(),
            b'{"v":1},"link":{}}',
        )
    )
    return topic, payload


def run_poison(scene: Scene) -> Tally:
    with contextlib.closing(Line(scene, any_broker(scene))) as line:
        line.start(rate=200)
        client = Client(
            CallbackAPIVersion.VERSION2, client_id="stranger", protocol=MQTTProtocolVersion.MQTTv5
        )
        client.connect(HOST, line.broker.port)
        client.loop_start()
        for _ in range(scene.times(30, 10)):
            topic, payload = poison(scene.rng)
            client.publish(topic, payload, 1).wait_for_publish(_WAIT_S)
            line.injected += 1
            line.pause(0.0, 0.05)
        client.disconnect()
        client.loop_stop()
        return line.finish()


FAULTS = (
    Fault(
        "poison", "messages that are no records, in the gate's topics", run_poison,
        may_quarantine=True,
    ),
)  # fmt: skip
