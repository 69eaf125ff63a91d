"""How the controller wires its sensors, and which calibrations it records."""

from __future__ import annotations

import queue
from pathlib import Path

import pytest

from gated.actuators.line import AbsentLine
from gated.actuators.relay import Relay
from gated.actuators.worker import Outputs
from gated.clock import FakeClock
from gated.config import GateConfig, parse_gate
from gated.config.explain import with_paths
from gated.controller.ports import Devices
from gated.controller.sensors import (
    SensorBank,
    load_calibrations,
    new_calibrations,
    sensor_names,
)
from gated.errors import ConfigError, DeviceNotFound
from gated.sensors.bus import I2CBus
from gated.sensors.calibration import FOLDER, Agreement, Calibration, CalibrationFolder
from gated.supervisor import Supervisor
from tests.config_texts import MINIMAL

EVERYTHING = MINIMAL.replace(
    'variant = "DCI" }',
    'variant = "DCI", distance = { driver = "vl53l1x", bus = "/dev/i2c-4" } }',
).replace(
    "[temperature]",
    '[temperature]\nambient = { driver = "sht3x", bus = "/dev/i2c-0" }\n'
    'reference = { driver = "tmp117", bus = "/dev/i2c-0", seen_by = "child" }',
)  # fmt: skip


def config_in(folder: Path, text: str = EVERYTHING) -> GateConfig:
    return with_paths(parse_gate(text, "gated.toml"), state=folder)


def calibration(version: int = 1, **values: object) -> Calibration:
    return Calibration.model_validate(
        {
            "thermometer": "child",
            "version": version,
            "chip_id": "00ab",
            "made_at": "2026-11-26T10:00:00+08:00",
            "made_by": "staff",
            **values,
        }
    )


def no_bus(name: str) -> I2CBus:
    raise DeviceNotFound(f"no {name}", device=name)


def bank(config: GateConfig) -> SensorBank:
    outputs = Outputs(Relay("gpio:x:GPIO17:high"), {}, AbsentLine, AbsentLine)
    devices = Devices(open_bus=no_bus, outputs=outputs, inputs=None)
    return SensorBank(
        config,
        devices,
        load_calibrations(config),
        clock=FakeClock(),
        publish=lambda _: None,
        requests={"child": queue.Queue(4)},
    )


def test_every_sensor_has_a_name_and_a_thread(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    assert list(sensor_names(config)) == ["child", "distance child", "ambient", "reference"]
    supervisor = Supervisor("controller", FakeClock())
    bank(config).add_to(supervisor)
    assert [worker.name for worker in supervisor._workers] == [
        "ambient",
        "reference",
        "distance-child",
        "thermometer-child",
    ]


def test_what_is_not_wired_is_not_there(tmp_path: Path) -> None:
    config = config_in(tmp_path, MINIMAL)
    assert list(sensor_names(config)) == ["child"]
    assert bank(config).chips() == {}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('driver = "vl53l1x"', "not a distance sensor's"),
        ('driver = "tmp117"', "not an ambient sensor's"),
    ],
)
def test_a_driver_of_another_kind_is_refused(tmp_path: Path, wrong: str, told: str) -> None:
    config = config_in(tmp_path, EVERYTHING.replace(wrong, 'driver = "mlx90614"'))
    with pytest.raises(ConfigError, match=told):
        bank(config)


def test_a_damaged_calibration_stops_the_start_and_says_what_to_do(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    CalibrationFolder(tmp_path / FOLDER).save(calibration())
    (tmp_path / FOLDER / "child.2.json").write_text('{"v": 1, "gain": "x"}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"child\.2\.json.*gated calibrate"):
        load_calibrations(config)


def test_a_calibration_is_recorded_once_with_what_it_rests_on() -> None:
    agreed = Agreement(pairs=34, bias_c=0.07, sd_c=0.5, loa_low_c=-0.91, loa_high_c=1.05)
    taken = calibration(3, gain=1.01, offset_c=-0.2, site_a_c=6.1, site_b=0.149, agreement=agreed)
    (event,) = new_calibrations({"child": taken}, {"child": "child.2"})
    assert event.members() == {
        "thermometer": "child",
        "calibration": "child.3",
        "chip_id": "00ab",
        "made_at": "2026-11-26T10:00:00+08:00",
        "made_by": "staff",
        "gain": 1.01,
        "offset_c": -0.2,
        "site_a_c": 6.1,
        "site_b": 0.149,
        "pairs": 34,
        "bias_c": 0.07,
        "loa_low_c": -0.91,
        "loa_high_c": 1.05,
    }
    assert list(new_calibrations({"child": taken}, {"child": "child.3"})) == []


def test_a_thermometer_that_never_had_one_is_worth_no_event_and_losing_it_is() -> None:
    assert list(new_calibrations({"child": None}, {})) == []
    (event,) = new_calibrations({"child": None}, {"child": "child.3"})
    assert (event.calibration, event.gain, event.site_a_c) == ("default", 1.0, None)
