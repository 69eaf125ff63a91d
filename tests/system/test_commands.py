"""Commands from the centre: a real gate, a real broker, and ``gated command``."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.contents import AlarmName, Kind
from gated.simulation.broker import HOST
from gated.wire import GateTopics, split_link
from tests.brokers import Mosquitto, wait_until
from tests.gate_processes import PATIENCE_S, ask_gated, wait_for
from tests.gate_rig import StagedGate
from tests.uplink_rig import Subscriber

GATE = "school/east-1"
TOPICS = GateTopics("school", "east-1")


class Centre:
    """Somebody at the centre with a key, and an eavesdropper at the broker."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.folder = folder
        self.key = folder / "centre.key.pem"
        self.url = f"mqtt://{HOST}:{broker.port}"
        self._broker = broker
        made = ask_gated("command", "keygen", "--out", str(folder), "--config")
        assert made.returncode == 0, made.stderr

    def command(self, *words: str, gate: str = GATE) -> subprocess.CompletedProcess[str]:
        action, *rest = words
        return ask_gated(
            "command", action, *rest, "--key", str(self.key), "--gate", gate,
            "--broker", self.url, "--by", "duty-desk", "--wait", "5", "--json",
        )  # fmt: skip

    def done(self, *words: str) -> dict[str, object]:
        """Return the answer to a command that was carried out."""
        answer = self.command(*words)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        body: dict[str, object] = json.loads(answer.stdout)
        return body

    @contextlib.contextmanager
    def eavesdropping(self) -> Iterator[Subscriber]:
        """Give everything that goes over the command topic and the answers."""
        spy = Subscriber(self._broker.port, "spy", (TOPICS.command, TOPICS.response))
        spy.start()
        try:
            yield spy
        finally:
            spy.stop()

    def publish(self, payload: bytes, *, is_retained: bool = False) -> None:
        """Publish whatever anybody at the broker could."""
        with self.eavesdropping() as anybody:
            anybody.client.publish(TOPICS.command, payload, 1, is_retained).wait_for_publish(5)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Mosquitto(folder, is_persistent=True)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def centre(tmp_path: Path, broker: Mosquitto) -> Centre:
    return Centre(tmp_path / "centre", broker)


@pytest.fixture
def gate(
    tmp_path_factory: pytest.TempPathFactory, broker: Mosquitto, centre: Centre
) -> Iterator[StagedGate]:
    """A gate at work that is connected; it must end in order."""
    gate = StagedGate(tmp_path_factory.mktemp("t") / "g", broker=centre.url)
    try:
        public = centre.folder / "centre.jwks.json"
        (gate.trust / public.name).write_bytes(public.read_bytes())
        gate.start()
        wait_for(lambda: "connected to" in gate.log(), "a connection", log=gate.log)
        yield gate
        assert gate.stop() == 0, gate.log()
        assert "Traceback" not in gate.log()
    finally:
        gate.close()


def alarms(gate: StagedGate) -> list[object]:
    return [
        event.body["detail"]
        for event in gate.of_kind(Kind.ALARM)
        if event.body["alarm"] == AlarmName.COMMAND_REFUSED
    ]


def wait_alarm(gate: StagedGate, count: int) -> str:
    wait_for(lambda: len(alarms(gate)) >= count, f"{count} alarms", log=gate.log)
    return str(alarms(gate)[count - 1])


def test_the_centre_opens_once_and_nobody_opens_with_what_they_overheard(
    gate: StagedGate, centre: Centre, broker: Mosquitto
) -> None:
    openings = gate.stage.openings
    with centre.eavesdropping() as spy:
        answer = centre.done("open")
        assert wait_until(lambda: len(spy.deliveries) >= 2, PATIENCE_S)
        captured = next(d.payload for d in spy.deliveries if d.topic == TOPICS.command)
    assert (answer["command"], answer["by"]) == ("open", "centre:duty-desk")
    wait_for(lambda: gate.stage.openings == openings + 1, "the relay", log=gate.log)
    gate.stage.press("passage")
    passage = gate.wait_event(Kind.PASSAGE, result="passed")
    assert passage.visit_id == answer["visit_id"]

    centre.publish(captured)
    assert "replayed" in wait_alarm(gate, 1)
    centre.publish(b"open")
    assert "malformed" in wait_alarm(gate, 2)
    centre.publish(captured, is_retained=True)
    assert "retained" in wait_alarm(gate, 3)
    # As it was with doors that opened by themselves: the broker restarts and hands it over again.
    logged = len(gate.log())
    broker.stop()
    broker.start()
    wait_for(lambda: "connected to" in gate.log()[logged:], "a connection", log=gate.log)
    assert "retained" in wait_alarm(gate, 4)
    centre.publish(b"", is_retained=True)

    gate.stop()
    gate.start()
    centre.done("ping")
    centre.publish(captured)
    assert "replayed" in wait_alarm(gate, 5)
    assert gate.stage.openings == openings + 1
    assert centre.done("ping")["outcome"] == "done"


def test_the_gate_does_what_the_centre_asks_and_says_what_it_did(
    gate: StagedGate, centre: Centre, broker: Mosquitto
) -> None:
    assert centre.done("mode", "closed", "--for", "8h")["outcome"] == "done"
    wait_for(lambda: gate.status()["mode"] == "closed", "closed in the status", log=gate.log)
    refused = centre.command("open")
    assert (refused.returncode, json.loads(refused.stdout)["reason"]) == (1, "mode_closed")
    centre.done("drill", "on")
    mode = gate.of_kind(Kind.MODE)[-1].body
    assert (mode["to_mode"], mode["to_drill"], mode["by"]) == ("closed", True, "centre:duty-desk")
    assert mode["expires_at"] is not None, "a drill does not make it endless"
    centre.done("drill", "off")
    centre.done("mode", "normal")
    gate.let_one_pass()

    newest = gate.newest_seq()
    watcher = Subscriber(broker.port, "watcher", (TOPICS.record("+"),))
    watcher.start()
    try:
        centre.done("resend", "1", str(newest))
        assert wait_until(lambda: set(range(1, newest + 1)) <= set(watcher.seqs()), PATIENCE_S)
    finally:
        watcher.stop()
    recorded = gate.bodies()
    for sent in watcher.deliveries:
        body, _ = split_link(sent.payload)
        assert body == recorded[sent.properties["epoch"], sent.seq]
    nothing = centre.command("resend", "1", "9000")
    assert (nothing.returncode, json.loads(nothing.stdout)["reason"]) == (1, "not_kept")


def test_a_pushed_list_holds_seconds_later(gate: StagedGate, centre: Centre) -> None:
    persons, before = gate.folder / "persons.txt", gate.newest_seq()
    longer = centre.folder / "persons.txt"
    longer.write_bytes(persons.read_bytes() + b"s-9999 2026-12-31\n")
    centre.done("list", "persons", str(longer))
    gate.wait_event(Kind.CONFIG, before, accepted=True)
    assert persons.read_bytes() == longer.read_bytes()
    longer.write_text("not a list, a sentence\n")
    refused = centre.command("list", "persons", str(longer))
    assert (refused.returncode, json.loads(refused.stdout)["reason"]) == (1, "list_refused")
    none = centre.command("list", "duty", str(persons))
    assert (none.returncode, json.loads(none.stdout)["reason"]) == (1, "not_configured")
    assert persons.read_bytes().endswith(b"s-9999 2026-12-31\n")


def test_a_pushed_value_holds_over_a_restart_and_is_rolled_back(
    gate: StagedGate, centre: Centre
) -> None:
    def threshold() -> object:
        return gate.status().get("threshold_c")

    before = gate.newest_seq()
    centre.done("config", "temperature.fever_threshold_c=37.6")
    wait_for(lambda: threshold() == 37.6, "the pushed threshold", log=gate.log)
    event = gate.wait_event(Kind.CONFIG, before, accepted=True)
    assert event.body["changed"] == ["temperature.fever_threshold_c"]
    refused = centre.command("config", "temperature.fever_threshold_c=50.0")
    answer = json.loads(refused.stdout)
    assert (refused.returncode, answer["reason"]) == (1, "config_refused")
    assert "fever_threshold_c" in answer["detail"]
    gate.stop()
    gate.start()
    wait_for(lambda: threshold() == 37.6, "the same after a restart", log=gate.log)
    centre.done("config", "--rollback")
    wait_for(lambda: threshold() == 37.3, "the file's threshold", log=gate.log)


def test_a_key_that_is_not_in_the_trust_folder_gets_no_answer(
    gate: StagedGate, centre: Centre
) -> None:
    stranger = centre.folder / "x"
    made = ask_gated("command", "keygen", "--out", str(stranger))
    assert made.returncode == 0
    answer = ask_gated(
        "command", "open", "--key", str(stranger / "centre.key.pem"), "--gate", GATE,
        "--broker", centre.url, "--wait", "2",
    )  # fmt: skip
    assert answer.returncode == 69
    assert "no answer" in answer.stderr
    assert "unknown_key" in wait_alarm(gate, 1)
    unknown = centre.command("ping", gate="school/nowhere")
    assert unknown.returncode == 69
    assert "no such gate" in unknown.stderr
