"""Alarms from a broker to a webhook, with the real collector, while both ends fail."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gated.contents import AlarmName
from gated.simulation.broker import free_port
from gated.wire import GateTopics
from tests.brokers import Mosquitto, wait_until
from tests.collector_gate import LedgerOfGate, Message, alarm, visit
from tests.collector_process import CollectorProcess
from tests.webhook_receiver import SECRET, Receiver

WAIT_S = 30.0


class Centre(CollectorProcess):
    """A broker, a receiver and ``gated collector run`` between them."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        (folder / "mq").mkdir()
        self.broker = Mosquitto(folder / "mq")
        self.broker.start()
        self.receiver = receiver
        self.database = folder / "records.db"
        secret = folder / "webhook.secret"
        secret.write_text(f"whsec_{SECRET}\n", encoding="utf-8")
        secret.chmod(0o600)
        config = folder / "collector.toml"
        config.write_text(
            "\n".join(
                [
                    "[collector]",
                    'name = "centre"',
                    f'broker = "mqtt://127.0.0.1:{self.broker.port}"',
                    f'database = "{self.database}"',
                    f'listen = "127.0.0.1:{free_port()}"',
                    "[webhook]",
                    f'url = "{receiver.url}"',
                    f'secret_file = "{secret}"',
                    "time_out_s = 1.0",
                    "",
                ]
            ),
            encoding="utf-8",
        )
        super().__init__(folder / "collector.log", "--config", str(config))
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id="gate", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.connect("127.0.0.1", self.broker.port)
        self._client.loop_start()

    def start(self) -> None:
        connected = self.log().count("connected")
        super().start()
        self.wait(lambda: self.log().count("connected") > connected, "a connection")

    def send(self, message: Message) -> None:
        self._client.publish(message.topic, message.payload, 1).wait_for_publish(WAIT_S)

    def send_live(self, message: Message) -> None:
        topic = GateTopics(message.chain.site, message.chain.gate).live
        self._client.publish(topic, message.payload, 1).wait_for_publish(WAIT_S)

    def stored(self) -> int:
        db = sqlite3.connect(self.database)
        try:
            return int(db.execute("SELECT count(*) FROM record").fetchone()[0])
        finally:
            db.close()

    def wait(self, is_so: Callable[[], bool], what: str) -> None:
        assert wait_until(is_so, WAIT_S), f"{what} did not come\n{self.log()}"

    def wait_taken(self, messages: list[Message]) -> None:
        wanted = {f"gated_{m.chain.epoch}_{m.seq}" for m in messages}
        self.wait(lambda: wanted <= {d.id for d in self.receiver.taken()}, "the alarms")

    def close(self) -> None:
        self.stop_if_running()
        self._client.disconnect()
        self._client.loop_stop()
        self.broker.kill()


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    with Receiver() as receiver:
        centre = Centre(tmp_path, receiver)
        yield centre
        centre.close()


def alarms(gate: LedgerOfGate, count: int) -> list[Message]:
    return [gate.write(alarm(AlarmName.TEMPERATURE_HIGH)) for _ in range(count)]


def test_a_receiver_that_dies_refuses_and_hangs_has_each_alarm_in_the_end(centre: Centre) -> None:
    centre.receiver.answers.extend(["die in the middle", 500, "hang"])
    centre.start()
    messages = alarms(LedgerOfGate(), 3)
    for message in messages:
        centre.send(message)
    centre.wait_taken(messages)
    assert all(delivery.is_genuine() for delivery in centre.receiver.deliveries)
    assert len(centre.receiver.taken()) == 3, "once it was answered, it is not sent again"
    first = centre.receiver.taken()[0].event
    assert (first["data"]["alarm"], first["data"]["seq"]) == ("temperature_high", 1)
    assert centre.end() == 0
    log = centre.log()
    assert "Traceback" not in log
    assert "alarms?school" not in log, "an address may hold a token"
    assert SECRET not in log


def test_a_collector_killed_while_the_receiver_is_away_still_owes_every_alarm(
    centre: Centre,
) -> None:
    centre.receiver.end()
    centre.start()
    gate = LedgerOfGate()
    messages = alarms(gate, 2)
    for message in messages:
        centre.send(message)
    centre.wait(lambda: "does not take alarms" in centre.log(), "a failure")
    centre.end(signal.SIGKILL)
    centre.receiver.start()
    centre.start()
    centre.wait_taken(messages)


def test_an_alarm_that_was_taken_but_not_noted_comes_again_under_the_same_id(
    centre: Centre,
) -> None:
    """Killed between the receiver's answer and our note of it: at least once, never not at all."""
    gate = LedgerOfGate()
    sent: list[Message] = []
    for _ in range(5):
        centre.start()
        (message,) = alarms(gate, 1)
        sent.append(message)
        seen = len(centre.receiver.deliveries)
        centre.send(message)
        centre.wait(lambda: len(centre.receiver.deliveries) > seen, "a delivery")  # noqa: B023  used at once
        centre.end(signal.SIGKILL)
    centre.start()
    centre.wait_taken(sent)
    ids = [delivery.id for delivery in centre.receiver.taken()]
    assert set(ids) == {f"gated_{gate.epoch}_{seq}" for seq in range(1, 6)}
    assert len(ids) <= 10


def test_a_live_copy_is_posted_while_its_record_is_still_on_its_way(centre: Centre) -> None:
    centre.start()
    gate = LedgerOfGate()
    seen, message = gate.write(visit()), alarms(gate, 1)[0]
    centre.send_live(message)
    centre.wait_taken([message])
    assert centre.stored() == 0
    centre.send(seen)
    centre.send(message)
    centre.wait(lambda: centre.stored() == 2, "the records")
    assert centre.end() == 0
    assert len(centre.receiver.taken()) == 1
