"""``gated calibrate`` beside a real gate: taken over by a reload, and never while it measures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.contents import Kind
from gated.errors import ExitCode
from gated.sensors.calibration import CalibrationFolder
from gated.sensors.site import SITES
from gated.simulation.optics import SKIN_EMISSIVITY
from gated.vocabulary import Site
from tests.gate_processes import PATIENCE_S, ask_gated, wait_for
from tests.gate_rig import StagedGate, staged_gate
from tests.gate_stage import AMBIENT_C

BIAS_C = 0.3
BODY_C = 36.4
SPOT = SITES[Site.FOREHEAD_SPOT]
SURFACE_C = BODY_C - SPOT.a_c + SPOT.b * AMBIENT_C
"""What stands before the thermometer while the stage shows a forehead of BODY_C."""


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StagedGate]:
    with staged_gate(tmp_path_factory.mktemp("c") / "g") as gate:
        yield gate


def calibrate(gate: StagedGate, *words: str) -> subprocess.CompletedProcess[str]:
    return ask_gated("calibrate", *words, "--config", str(gate.config_file))


def folder_of(gate: StagedGate) -> CalibrationFolder:
    return CalibrationFolder(gate.state / "calibrations")


def pairs_file(gate: StagedGate) -> str:
    """Return a table of twelve people who are BIAS_C warmer than the gate says."""
    file = gate.folder / "pairs.csv"
    rows = [f"{36.5 + n / 10 + BIAS_C:.2f},{36.5 + n / 10:.2f}" for n in range(5)] * 3
    file.write_text("\n".join(["contact_c,body_c", *rows]), encoding="utf-8")
    return str(file)


def test_a_running_gate_takes_a_new_calibration_over_and_records_it(gate: StagedGate) -> None:
    gate.start()
    before = gate.let_one_pass()
    assert before.body["calibration"] == "default"
    wait_for(lambda: "child" in str(gate.status().get("chips")), "the chip's identity")

    refused = calibrate(gate, "reference", "child", "--at", "35", "--yes")
    assert refused.returncode == ExitCode.UNAVAILABLE
    assert "sudo systemctl stop gated.target" in refused.stderr

    written = calibrate(gate, "site", "child", "--pairs", pairs_file(gate), "--yes")
    assert written.returncode == ExitCode.OK, written.stderr
    assert "sudo systemctl reload gated.target" in written.stderr
    gate.reload()
    event = gate.wait_event(Kind.CALIBRATION)
    assert event.body["calibration"] == "child.1"
    assert event.body["pairs"] == 15
    assert str(event.body["made_by"]).startswith("cli:")

    after = gate.let_one_pass()
    assert after.body["calibration"] == "child.1"
    warmer_c = float(str(after.body["body_c"])) - float(str(before.body["body_c"]))
    assert warmer_c == pytest.approx(BIAS_C, abs=0.15)  # two readings of a DAA, to 0.05 °C each

    assert calibrate(gate, "list").returncode == ExitCode.OK
    assert calibrate(gate, "revert", "child", "--yes").returncode == ExitCode.OK
    gate.reload()
    event = gate.wait_event(Kind.CALIBRATION, event.seq)
    assert (event.body["calibration"], event.body["site_a_c"]) == ("child.2", None)


@pytest.mark.slow
def test_a_stopped_gates_thermometer_is_measured_against_a_surface(gate: StagedGate) -> None:
    gate.stage.stand(BODY_C)
    options = (
        "--at", f"{SURFACE_C:.3f}", "--emissivity", str(SKIN_EMISSIVITY), "--samples", "45",
        "--stage", str(gate.run_folder), "--yes",
    )  # fmt: skip
    process = start(gate, *options)
    shown, said = process.communicate(timeout=60 + PATIENCE_S)
    assert process.returncode == ExitCode.OK, said
    assert "written: " in shown
    made = folder_of(gate).load("child")
    assert made is not None
    assert made.points[0].samples == 45
    assert abs(made.offset_c) < 0.05


def test_an_interrupt_leaves_nothing_behind(gate: StagedGate) -> None:
    gate.stage.stand(BODY_C)
    process = start(gate, "--at", "35", "--stage", str(gate.run_folder))
    assert process.stderr is not None
    assert "air" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    try:
        shown, said = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert (process.returncode, shown) == (130, "")
    assert "Traceback" not in said
    assert not Path(gate.state / "calibrations").exists()


def start(gate: StagedGate, *options: str) -> subprocess.Popen[str]:
    """Start ``gated calibrate reference child`` where nobody can be asked."""
    command = ["calibrate", "reference", "child", "--config", str(gate.config_file), *options]
    return subprocess.Popen(
        [sys.executable, "-m", "gated", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "GATED_LANG": "en"},
    )
