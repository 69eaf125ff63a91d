"""What the doctor says of devices: all there, at another address, on a wrong line, implausible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gated.actuators.alsa import AlsaSoundCard
from gated.clock import TimeQuality
from gated.doctor.findings import Finding, Level
from gated.doctor.wired import implausible, look_at_devices, told_by_gate
from gated.facts.running import ControllerStatus
from gated.probe.check import Bench
from gated.probe.findings import Checked, Kind, State
from gated.probe.words import complaint
from gated.scanner.picture import encode_picture
from gated.sensors.calibration import FOLDER, Calibration, CalibrationFolder
from gated.vocabulary import Mode, Prompt
from tests.probe_gate import ProbedGate, chip
from tests.relay_wire import wire


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[ProbedGate]:
    with wire() as far_end:
        yield ProbedGate(tmp_path, far_end)


def bench(gate: ProbedGate) -> Bench:
    return Bench(
        gate.config,
        gate.devices(),
        gate.clock,
        gate.pause,
        open_serial=gate.open_port,
        make_card=lambda device, clock: AlsaSoundCard(device, clock, lambda: gate.sound),
    )


def found(gate: ProbedGate) -> dict[str, Finding]:
    return {finding.subject: finding for finding in look_at_devices(bench(gate))}


def bad(gate: ProbedGate) -> dict[str, Finding]:
    return {name: f for name, f in found(gate).items() if f.level is not Level.OK}


def test_a_gate_with_everything_in_place_is_well(gate: ProbedGate) -> None:
    every = found(gate)
    assert bad(gate) == {}
    assert len(every) > 10
    assert "°C" in every["device_child"].says[1]


def test_a_chip_at_another_address_is_found_there(gate: ProbedGate) -> None:
    air = gate.buses["/dev/i2c-0"]
    air.detach(0x44)
    air.attach(0x45, chip("sht3x", gate.clock, 20.0)[1])
    (finding,) = bad(gate).values()
    assert (finding.subject, finding.level) == ("device_ambient", Level.ERROR)
    assert finding.says[1].startswith("ambient is lost: /dev/i2c-0/0x44: ")
    assert finding.mend is not None
    assert "sht3x answers at 0x45" in finding.mend[1]
    assert "address of temperature.ambient" in finding.mend[1]


def test_the_doctor_says_of_a_missing_device_what_the_start_says(gate: ProbedGate) -> None:
    gate.buses["/dev/i2c-1"].detach(0x5A)
    said = gate.check()["child"]
    assert said.detail in complaint(said, "en")
    assert bad(gate)["device_child"].says[1] == f"child is lost: {said.detail}"


def test_a_line_that_the_chip_has_not_is_a_wrong_pin(gate: ProbedGate) -> None:
    lamps = gate.config.outputs.lamps
    assert lamps is not None
    outputs = gate.config.outputs.model_copy(
        update={"lamps": lamps.model_copy(update={"go": "GPIO99"})}
    )
    gate.config = gate.config.model_copy(update={"outputs": outputs})
    (finding,) = bad(gate).values()
    assert (finding.subject, finding.level) == ("device_lamp go", Level.ERROR)
    assert "GPIO99" in finding.says[1]


def test_a_picture_without_light_is_doubtful(gate: ProbedGate) -> None:
    import numpy as np

    picture = Path(gate.config.scanner.device) / "a.png"
    picture.write_bytes(encode_picture(np.zeros((240, 320, 3), np.uint8)))
    (finding,) = bad(gate).values()
    assert (finding.subject, finding.level) == ("device_scanner", Level.WARNING)
    assert "take the cap off" in str(finding.mend)


def test_a_calibration_of_another_chip_is_an_error(gate: ProbedGate, tmp_path: Path) -> None:
    paths = gate.config.paths.model_copy(update={"state": tmp_path})
    gate.config = gate.config.model_copy(update={"paths": paths})
    made = {
        "thermometer": "child",
        "version": 1,
        "chip_id": "0000000000000001",
        "made_at": "2026-11-23T08:00:00+08:00",
        "made_by": "cli:li",
        "note": "",
    }
    folder = CalibrationFolder(tmp_path / FOLDER)
    folder.save(Calibration.model_validate(made))
    (finding,) = bad(gate).values()
    assert (finding.subject, finding.level) == ("calibration_child", Level.ERROR)
    assert finding.mend == ("gated calibrate confirm child",) * 2
    chip_id = gate.check()["child"].chip_id
    folder.save(Calibration.model_validate({**made, "version": 2, "chip_id": chip_id}))
    assert bad(gate) == {}


SPOT = Checked(Kind.THERMOMETER, "child", "k", "mlx90614", State.OK, air_c=24.0)
AIR = Checked(Kind.AMBIENT, "ambient", "temperature.ambient", "sht3x", State.OK, air_c=21.0)
PLATE = Checked(Kind.AMBIENT, "reference", "temperature.reference", "sht3x", State.OK, air_c=37.0)


@pytest.mark.parametrize(
    ("device", "every", "words"),
    [
        (SPOT, [SPOT, AIR, PLATE], ""),
        (PLATE, [SPOT, AIR, PLATE], ""),  # is meant to be warm
        (replace(SPOT, air_c=40.0), [AIR], "19 °C from the air's temperature"),
        (replace(SPOT, air_c=40.0), [], ""),  # nothing to compare with
        (replace(SPOT, air_c=85.0), [AIR], "that cannot be"),
        (replace(AIR, air_c=-45.0), [], "that cannot be"),
        (replace(AIR, air_c=float("nan")), [], "that cannot be"),
    ],
)
def test_what_a_thermometer_cannot_mean(device: Checked, every: list[Checked], words: str) -> None:
    doubt = implausible(device, every)
    assert (doubt is None) is (not words)
    assert doubt is None or words in doubt[1]


def test_a_running_gates_devices_are_as_it_says(gate: ProbedGate) -> None:
    running = ControllerStatus(
        v=1,
        pid=1,
        boottime_ms=1,
        mode=Mode.NORMAL,
        drill=False,
        prompt=Prompt.READY,
        time_quality=TimeQuality.TRUSTED,
        devices={"child": "ok", "scanner": "lost"},
        chips={"child": "123456789abcdef0"},
        threshold_c=37.3,
        rules="r-1",
    )
    child, scanner, calibration = told_by_gate(running, gate.config)
    assert (calibration.subject, calibration.level) == ("calibration_child", Level.OK)
    assert (child.level, scanner.level) == (Level.OK, Level.ERROR)
    assert "123456789abcdef0" in child.says[1]
    assert "journalctl -u gated-scanner" in str(scanner.mend)
