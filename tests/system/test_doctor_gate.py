"""``gated doctor`` beside a running gate: its devices are left alone, the whole line is well."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gated.doctor.wired import SUBJECT
from gated.errors import ExitCode
from gated.simulation.broker import HOST
from tests.brokers import Mosquitto
from tests.gate_processes import ask_gated, running_centre
from tests.gate_rig import StagedGate, staged_gate
from tests.gate_stage import THERMOMETER


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StagedGate]:
    folder = tmp_path_factory.mktemp("d")  # a short name: paths of sockets are limited
    broker = Mosquitto(folder)
    broker.start()
    url = f"mqtt://{HOST}:{broker.port}"
    try:
        with (
            running_centre(folder, url),
            staged_gate(folder / "gate", broker=url) as gate,
        ):
            gate.start()
            gate.let_one_pass()
            gate.wait_delivered()
            yield gate
    finally:
        broker.stop()


def examine(gate: StagedGate) -> list[dict[str, Any]]:
    answer = ask_gated("doctor", "--config", str(gate.config_file), "--json")
    assert answer.returncode in {ExitCode.OK, ExitCode.FAILED}, answer.stderr
    findings: list[dict[str, Any]] = json.loads(answer.stdout)["findings"]
    return findings


def test_a_running_gate_is_well_and_works_on(gate: StagedGate) -> None:
    findings = examine(gate)
    # What is wrong with this machine, which is no gate, is its own.
    of_gate = [f for f in findings if f["area"] in {"devices", "storage", "centre"}]
    of_gate += [f for f in findings if f["subject"] in {"start", "clock", "controller"}]
    sentences = {f["subject"]: (f["level"], f["says"]["en"]) for f in of_gate}
    bad = {subject: said for subject, said in sentences.items() if said[0] != "ok"}
    bad.pop("permissions", None)  # there is no user for the services here
    assert bad == {}
    assert {SUBJECT.format(name) for name in (THERMOMETER, "relay", "scanner")} <= set(sentences)
    assert "everything is delivered" in sentences["collector_ack"][1]
    assert "chip " in sentences[SUBJECT.format(THERMOMETER)][1]

    # Neither its devices nor its connection were touched.
    assert "the connection broke" not in gate.log()
    gate.let_one_pass()
    gate.wait_delivered()

    # By now an acknowledgement came for a record that this uplink has sent.
    (said,) = [f["says"]["en"] for f in examine(gate) if f["subject"] == "collector_ack"]
    assert re.search(r"; the newest record's took \d+\.\d s$", said), said
