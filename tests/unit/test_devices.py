"""Which devices a configuration means: nothing is opened, so nothing can be missing yet."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.actuators.gpio_inputs import GpioInputs
from gated.actuators.inputs import LEVELS, PULSES, SocketInputs
from gated.actuators.voice import Voice
from gated.clock import FakeClock
from gated.config import GateConfig, parse_gate
from gated.controller.ports import Devices
from gated.devices import heat_columns, real_devices, simulated_devices
from gated.messages import GateMoved, KeyTurned
from gated.simulation.stage import HEAT_FILE, HeatLog, StageAnnouncer
from tests.config_texts import MINIMAL, with_keys

EVERYTHING = (
    MINIMAL.replace(
        'relay = { line = "GPIO17" }',
        'relay = { driver = "lcus", channel = 2, device = "/dev/serial/by-id/usb-relay-if00" }\n'
        'buzzer = { line = "GPIO25" }\n'
        'call_staff = { line = "GPIO27", repeat_s = 30.0 }\n'
        'lamps = { go = "GPIO22", wait = "GPIO23", code = "GPIO24", observe = "GPIO26" }\n'
        'voice = { driver = "alsa" }',
    )
    + """
[inputs]
passage = { line = "GPIO5" }
contact = { line = "GPIO6" }
attendant_button = { line = "GPIO13" }
call_button = { line = "GPIO19" }
key_release = { line = "GPIO20" }
key_mode = { line = "GPIO21" }
"""
)
ALL_NAMES = (
    "relay", "lamp go", "lamp wait", "lamp code", "lamp observe", "buzzer", "call_staff",
)  # fmt: skip


def close(devices: Devices) -> None:
    assert isinstance(devices.outputs.announcer, StageAnnouncer)
    devices.outputs.announcer.close()


def config(text: str) -> GateConfig:
    return parse_gate(text, "gated.toml")


@pytest.fixture
def stage() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:  # a socket's path is short
        path = Path(folder)
        HeatLog(path / HEAT_FILE, heat_columns(config(MINIMAL)), create=True).close()
        yield path


def test_what_is_not_in_the_configuration_is_no_device() -> None:
    devices = real_devices(config(MINIMAL), FakeClock())
    assert devices.outputs.names() == ("relay",)
    assert devices.outputs.relay.spec == "gpio:pinctrl-*:GPIO17:high"
    assert (devices.inputs, devices.voice, devices.outputs.announcer) == (None, None, None)


def test_everything_in_the_configuration_is_a_device_and_none_is_opened() -> None:
    devices = real_devices(config(EVERYTHING), FakeClock())
    assert devices.outputs.names() == ALL_NAMES
    assert devices.outputs.relay.spec == "lcus:2:/dev/serial/by-id/usb-relay-if00"
    assert devices.outputs.call_repeat_s == 30.0
    assert isinstance(devices.inputs, GpioInputs)
    assert isinstance(devices.voice, Voice)
    assert devices.outputs.announcer is devices.voice


def test_every_input_that_can_be_wired_is_one_that_the_drivers_know() -> None:
    devices = real_devices(config(EVERYTHING), FakeClock())
    assert isinstance(devices.inputs, GpioInputs)
    assert devices.inputs._wires.keys() == PULSES | LEVELS
    assert len(config(EVERYTHING).inputs.lines()) == len(PULSES | LEVELS)


def test_a_stage_has_the_same_devices_as_the_machine(stage: Path) -> None:
    devices = simulated_devices(stage, config(EVERYTHING), FakeClock())
    assert devices.outputs.names() == ALL_NAMES
    assert devices.outputs.call_repeat_s == 30.0
    assert isinstance(devices.inputs, SocketInputs)
    close(devices)
    nothing = simulated_devices(stage, config(MINIMAL), FakeClock())
    assert nothing.outputs.names() == ("relay",)
    assert nothing.inputs is None
    close(nothing)


@pytest.mark.parametrize(
    ("wired", "told"),
    [
        ("passage", []),
        ("contact", [GateMoved]),
        ("key_mode", [KeyTurned]),
        ("key_release", [KeyTurned]),
    ],
)
def test_a_stage_tells_at_first_only_of_what_is_wired(
    wired: str, told: list[type], stage: Path
) -> None:
    text = with_keys("inputs", f'{wired} = {{ line = "GPIO5" }}')
    devices = simulated_devices(stage, config(text), FakeClock())
    assert devices.inputs is not None
    devices.inputs.open()
    assert [type(event) for event in devices.inputs.read()] == told
    devices.inputs.close()
    close(devices)
