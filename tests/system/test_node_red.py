"""The flow in docs/node-red-flow.json in a real Node-RED: a receiver that nobody here wrote."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gated.simulation.broker import HOST, free_port
from gated.wire import PersonLink
from tests.brokers import Mosquitto, wait_until
from tests.collector_gate import LedgerOfGate, visit

ROOT = Path(__file__).resolve().parents[2]
FLOW = ROOT / "docs" / "node-red-flow.json"
FOLDER = ROOT / "build" / "node-red"
VERSION = "4.1.15"
INSTALL_S = 100.0
WAIT_S = 60.0
LINK = PersonLink(holder_ref="k4:9c41f07be2d85a13", salt="c2FsdHNhbHRzYWx0c2E")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def program() -> Path:
    """Return Node-RED's program, installed once; skip where npm cannot bring it."""
    program = FOLDER / "node_modules" / "node-red" / "red.js"
    if program.exists():
        return program
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed: apt install npm")
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--no-save", f"node-red@{VERSION}"],
            cwd=FOLDER,
            timeout=INSTALL_S,
            check=True,
            capture_output=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip(f"npm cannot install node-red@{VERSION} within {INSTALL_S:.0f} s")
    return program


class NodeRed:
    """Node-RED with the flow, in a folder of its own, without its editor."""

    def __init__(self, program: Path, folder: Path, broker_port: int) -> None:
        self._folder = folder
        flow = json.loads(FLOW.read_text(encoding="utf-8"))
        (broker,) = (node for node in flow if node["type"] == "mqtt-broker")
        broker["port"] = str(broker_port)
        (folder / "flow.json").write_text(json.dumps(flow), encoding="utf-8")
        (folder / "settings.js").write_text(
            "module.exports = {uiHost: '127.0.0.1', httpAdminRoot: false, httpNodeRoot: false,"
            " credentialSecret: false, telemetry: {enabled: false}};",
            encoding="utf-8",
        )
        arguments = ["node", str(program), "-u", str(folder), "-s", str(folder / "settings.js")]
        self._arguments = [*arguments, "-p", str(free_port()), str(folder / "flow.json")]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        connected = self.log().count("Connected to broker")
        with (self._folder / "node-red.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, stdout=log, stderr=log, cwd=self._folder
            )
        is_connected = wait_until(
            lambda: self.log().count("Connected to broker") > connected, WAIT_S
        )
        assert is_connected, self.log()

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_S)
            self._process = None

    def log(self) -> str:
        file = self._folder / "node-red.log"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def lines(self, name: str) -> list[bytes]:
        file = self._folder / name
        return file.read_bytes().splitlines() if file.exists() else []


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "mq").mkdir()
    broker = Mosquitto(tmp_path / "mq", options="max_queued_messages 0")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def node_red(program: Path, broker: Mosquitto, tmp_path: Path) -> Iterator[NodeRed]:
    (tmp_path / "nr").mkdir()
    node_red = NodeRed(program, tmp_path / "nr", broker.port)
    node_red.start()
    yield node_red
    node_red.end()


def test_each_visit_is_kept_once_to_the_byte_without_its_link_also_after_being_away(
    node_red: NodeRed, broker: Mosquitto
) -> None:
    gate = LedgerOfGate()
    gate_client = Client(
        CallbackAPIVersion.VERSION2, client_id="gate", protocol=MQTTProtocolVersion.MQTTv5
    )
    gate_client.connect(HOST, broker.port)
    gate_client.loop_start()

    def send(payloads: list[bytes]) -> None:
        for payload in payloads:
            topic = "gates/v1/lixin-primary/east-1/rec/visit"
            gate_client.publish(topic, payload, 1).wait_for_publish(WAIT_S)

    linked = [gate.write(visit(), link=LINK) for _ in range(20)]
    plain = gate.write_visits(20)
    send([m.payload for m in linked] + [b"\xff poison {"] + [m.payload for m in [*linked, *plain]])
    bodies = [m.body for m in [*linked, *plain]]
    assert wait_until(lambda: len(node_red.lines("visits.jsonl")) >= 40, WAIT_S), node_red.log()
    assert node_red.lines("visits.jsonl") == bodies
    assert len(node_red.lines("aside.jsonl")) == 1

    node_red.end()
    missed = gate.write_visits(30)
    send([m.payload for m in missed])  # the broker keeps them for the session
    node_red.start()
    bodies += [m.body for m in missed]
    assert wait_until(lambda: len(node_red.lines("visits.jsonl")) >= 70, WAIT_S), node_red.log()
    assert node_red.lines("visits.jsonl") == bodies
    gate_client.disconnect()
    gate_client.loop_stop()


def test_the_page_on_receivers_names_both_files() -> None:
    page = (ROOT / "docs" / "receivers.md").read_text(encoding="utf-8")
    assert "node-red-flow.json" in page
    assert "telegraf.conf" in page
