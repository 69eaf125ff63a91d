"""Commands from the centre: a real gate, a real broker, and ``gated command``."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.contents import AlarmName, Kind
from gated.controller.list_watch import TAKES_EFFECT_WITHIN_S
from gated.credentials.signatures import key_fingerprint
from gated.ledger.reader import LedgerReader
from gated.simulation.broker import HOST
from gated.simulation.office import ATTENDANT_SUB, LISTED_SUB, Office
from gated.wire import GateTopics, split_link
from tests.brokers import Mosquitto, wait_until
from tests.gate_processes import CLOCK, PATIENCE_S, ask_gated, wait_for
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
def broker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mosquitto]:
    """A broker where everybody may do everything but what a test's parameter denies."""
    folder = tmp_path / "broker"
    folder.mkdir()
    acl = folder / "acl"
    acl.write_text(f"topic readwrite #\n{getattr(request, 'param', '')}\n")
    acl.chmod(0o600)
    broker = Mosquitto(folder, is_persistent=True, options=f"acl_file {acl}")
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


# --- what the gate believes ---------------------------------------------------------------------


@pytest.fixture
def keeper(gate: StagedGate, centre: Centre) -> Path:
    """Return a key that may change what the gate believes; the technician has put it there."""
    made = ask_gated(
        "command", "keygen", "--out", str(centre.folder), "--name", "keeper", "--trust"
    )
    assert made.returncode == 0, made.stderr
    public, before = centre.folder / "keeper.jwks.json", gate.newest_seq()
    added = ask_gated("trust", "add", str(public), "--trust", str(gate.trust), "--yes")
    assert added.returncode == 0, added.stderr
    assert "add and remove, with such commands, keys of passes" in added.stdout
    gate.wait_event(Kind.CONFIG, before, within_s=TAKES_EFFECT_WITHIN_S, accepted=True)
    return centre.folder / "keeper.key.pem"


def says(gate: StagedGate, code: str) -> tuple[object, object]:
    """Return outcome and reason of a visit with ``code``, all walked away afterwards."""
    visit = gate.visit(code)
    if visit.body["outcome"] == "granted":
        gate.go_through(visit)
    else:
        gate.leave()
    return visit.body["outcome"], visit.body["reason"]


def test_a_new_issuer_is_let_in_and_taken_out_from_afar(
    gate: StagedGate, centre: Centre, keeper: Path
) -> None:
    issuer = Office(gate.office.stranger, gate.office.key, CLOCK.now(), seed=3)
    public = gate.folder / "office" / "stranger.jwks.json"
    key = key_fingerprint(gate.office.stranger.public_key()).hex()
    own = {path.name: path.read_bytes() for path in gate.trust.iterdir()}
    assert says(gate, issuer.student()) == ("denied", "unknown_key")
    refused = centre.command("trust", "add", str(public), "--name", "branch")
    assert (refused.returncode, json.loads(refused.stdout)["reason"]) == (1, "wrong_use")
    assert "wrong_use" in wait_alarm(gate, 1)
    assert says(gate, issuer.student()) == ("denied", "unknown_key")

    centre.key, before = keeper, gate.newest_seq()
    answer = centre.done("trust", "add", str(public), "--name", "branch")
    assert answer["detail"] == f"add branch; came {key}"
    event = gate.wait_event(Kind.CONFIG, before, within_s=TAKES_EFFECT_WITHIN_S, accepted=True)
    assert str(event.body["detail"]).endswith(f"keys came: {key}")
    assert says(gate, issuer.student()) == ("granted", None)
    more = centre.command("trust", "add", str(centre.folder / "keeper.jwks.json"))
    assert more.returncode == 1
    assert "only somebody at the gate" in more.stderr

    gate.stop()
    gate.start()
    assert says(gate, issuer.student()) == ("granted", None)
    listed = ask_gated("trust", "list", "--config", str(gate.config_file))
    assert "state/centre-trust/branch.cose" in listed.stdout

    before = gate.newest_seq()
    answer = centre.done("trust", "remove", "branch")
    assert answer["detail"] == f"remove branch; went {key}"
    gate.wait_event(Kind.CONFIG, before, within_s=TAKES_EFFECT_WITHIN_S, accepted=True)
    assert says(gate, issuer.student()) == ("denied", "unknown_key")
    assert says(gate, gate.office.student()) == ("granted", None)
    never = centre.command("trust", "remove", "office")
    assert (never.returncode, json.loads(never.stdout)["reason"]) == (1, "unknown_name")
    assert {path.name: path.read_bytes() for path in gate.trust.iterdir()} == own


# --- diagnostics --------------------------------------------------------------------------------


def test_diagnostics_come_whole_and_name_nobody(
    gate: StagedGate, centre: Centre, broker: Mosquitto
) -> None:
    passed, listed = gate.let_one_pass(), gate.office.listed()
    gate.visit(listed)
    gate.leave()
    centre.publish(b"not a command")
    wait_alarm(gate, 1)
    out = centre.folder / "found.zip"
    parts = Subscriber(broker.port, "spy", (TOPICS.part("+", "+"),))
    parts.start()
    try:
        answer = centre.done("diagnose", "--out", str(out))
    finally:
        parts.stop()
    data = out.read_bytes()
    assert answer["bundle_bytes"] == len(data)
    assert answer["bundle_sha256"] == hashlib.sha256(data).hexdigest()
    assert b"".join(delivery.payload for delivery in parts.deliveries) == data
    assert not any(delivery.retained for delivery in parts.deliveries)

    with zipfile.ZipFile(out) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    status = json.loads(files["status.json"])
    assert (status["v"], status["mode"], status["devices"]["child"]) == (1, "normal", "ok")
    assert json.loads(files["versions.json"])["libraries"]["paho-mqtt"]
    assert b'name = "east-1"' in files["config.toml"]
    ledger = json.loads(files["ledger.json"])
    assert ledger["newest_seq"] >= passed.seq
    alarms = {(name, device): n for _, name, device, n in json.loads(files["alarms.json"])}
    assert alarms["command_refused", ""] == 1
    assert alarms["listed_person", ""] == 1
    assert b"gated.controller" in files["log.txt"]

    # Whoever passed and whoever is listed, their passes, what stands for them, and every secret.
    secrets = [
        *("s-0", LISTED_SUB, ATTENDANT_SUB, listed[4:28], gate.site_key.read_text().strip()),
        *(str(passed.body["holder_commitment"]), passed.visit_id or "?"),
        *_links(gate),
    ]
    everything = b"\n".join(files.values())
    assert [secret for secret in secrets if secret.encode() in everything] == []
    assert len(secrets) > 8

    again = centre.command("diagnose", "--out", str(centre.folder / "again.zip"))
    assert (again.returncode, json.loads(again.stdout)["reason"]) == (1, "too_soon")
    assert not (centre.folder / "again.zip").exists()


def _links(gate: StagedGate) -> list[str]:
    """Return the pseudonyms and salts that the ledger holds beside its records."""
    with contextlib.closing(LedgerReader(gate.ledger_path)) as reader:
        links = [event.link for event in reader.after(0, 1_000) if event.link is not None]
    return [text for link in links for text in (link.holder_ref, link.salt)]


@pytest.mark.parametrize("broker", ["topic deny gates/v1/+/+/diag/#"], indirect=True)
def test_diagnostics_that_do_not_come_are_missed_and_nothing_is_written(
    gate: StagedGate, centre: Centre
) -> None:
    out = centre.folder / "found.zip"
    answer = centre.command("diagnose", "--out", str(out))
    assert answer.returncode == 69
    assert "did not come whole (0 of " in answer.stderr
    assert not out.exists()
    wait_for(lambda: "diagnostics were not sent" in gate.log(), "a line", log=gate.log)
    assert centre.done("ping")["outcome"] == "done", "nothing else suffered"
