"""Which devices a controller and a scanner get: the real ones, or all of them simulated.

The command line chooses, once and in so many words. Nothing here falls back to the simulation.
"""

from __future__ import annotations

import logging
from functools import partial
from importlib import import_module
from pathlib import Path

from gated.actuators.gpio import GpioInputs, GpioLine, InputWire
from gated.actuators.inputs import InputSource, SocketInputs
from gated.actuators.line import AbsentLine, OutputLine, SocketLine
from gated.actuators.relay import Relay
from gated.actuators.signals import Lamp
from gated.actuators.worker import Outputs
from gated.clock import Clock, FakeClock
from gated.config import GateConfig, VoiceDriver
from gated.config.temperature import DriverSettings
from gated.controller.ports import Devices
from gated.errors import DeviceNotFound
from gated.sensors.bus import I2CBus
from gated.sensors.registry import load_driver, load_thermometer_driver
from gated.sensors.smbus2_bus import Smbus2Bus
from gated.simulation.bus import ChipModel, SimulatedBus
from gated.simulation.eye import Eye
from gated.simulation.stage import (
    AMBIENT,
    HEAT_FILE,
    INPUTS_SOCKET,
    OUTPUTS_SOCKET,
    HeatLog,
    StageAnnouncer,
)
from gated.vocabulary import Button

log = logging.getLogger(__name__)


def real_devices(config: GateConfig, clock: Clock) -> Devices:
    """Return what is wired to this machine. Raises: ActuationError: a line cannot be taken."""
    outputs = config.outputs
    if outputs.voice.driver is not VoiceDriver.NONE:
        log.warning("the voice is not available yet: prompts are lamps and beeps only")

    def line(name: str, gpio: str | None) -> OutputLine:
        if gpio is None:
            return AbsentLine()
        return GpioLine(name, gpio, outputs.chip, active_low=False)

    lamps = outputs.lamps
    wired = {} if lamps is None else {lamp: getattr(lamps, lamp.value) for lamp in Lamp}
    return Devices(
        open_bus=Smbus2Bus,
        outputs=Outputs(
            relay=Relay(f"gpio:{outputs.chip}:{outputs.relay.line}:high"),
            lamps={lamp: line(f"lamp {lamp}", gpio) for lamp, gpio in wired.items()},
            buzzer=line("buzzer", outputs.buzzer.line if outputs.buzzer else None),
            bell=line("call_staff", outputs.call_staff.line if outputs.call_staff else None),
            call_repeat_s=60.0 if outputs.call_staff is None else outputs.call_staff.repeat_s,
        ),
        inputs=_real_inputs(config, clock),
    )


def _real_inputs(config: GateConfig, clock: Clock) -> InputSource | None:
    """Return what is wired, or None. The gate contact is for alarms that do not exist yet."""
    settings = config.inputs
    lines = {
        "passage": settings.passage,
        Button.ATTENDANT.value: settings.attendant_button,
        Button.CALL.value: settings.call_button,
    }
    wires = {
        name: InputWire(line.line, line.active_low, line.debounce_ms)
        for name, line in lines.items()
        if line is not None
    }
    return GpioInputs(wires, config.outputs.chip, clock) if wires else None


def simulated_devices(stage: Path, config: GateConfig, clock: Clock) -> Devices:
    """Return devices on a scenario's stage: the chips of the configuration at register level."""
    socket = stage / OUTPUTS_SOCKET
    buses = _simulated_buses(stage, config, clock)

    def open_bus(name: str) -> I2CBus:
        if name not in buses:
            raise DeviceNotFound(f"no simulated bus {name}", device=name)
        return buses[name].open()

    return Devices(
        open_bus=open_bus,
        outputs=Outputs(
            relay=Relay(f"socket:{socket}"),
            lamps={lamp: SocketLine(lamp.value, socket) for lamp in Lamp},
            buzzer=SocketLine("buzzer", socket),
            bell=SocketLine("call_staff", socket),
            announcer=StageAnnouncer(stage),
        ),
        inputs=SocketInputs(stage / INPUTS_SOCKET, clock),
    )


def sensor_names(config: GateConfig) -> tuple[str, ...]:
    """Return the columns of the stage's heat log."""
    return (*(t.name for t in config.temperature.thermometers), AMBIENT)


def thermometer_eyes(config: GateConfig) -> tuple[Eye, ...]:
    """Return the thermometers as a scenario sees them: where they hang, and their optics."""
    clock = FakeClock()
    eyes = []
    for thermometer in config.temperature.thermometers:
        driver = load_thermometer_driver(thermometer.driver)
        options = driver.options.model_validate(thermometer.options)
        device = driver.make(SimulatedBus(), options, clock, lambda _: None)
        eyes.append(Eye(thermometer.name, thermometer.mount_height_m, device.traits.fov_deg))
    return tuple(eyes)


def _simulated_buses(stage: Path, config: GateConfig, clock: Clock) -> dict[str, SimulatedBus]:
    heat = HeatLog(stage / HEAT_FILE, sensor_names(config))
    temperature = config.temperature
    wanted: list[tuple[str, DriverSettings]] = [(t.name, t) for t in temperature.thermometers]
    if temperature.ambient is not None:
        wanted.append((AMBIENT, temperature.ambient))
    buses: dict[str, SimulatedBus] = {}
    for seed, (name, settings) in enumerate(wanted):
        model: ChipModel = import_module(f"gated.simulation.chips.{settings.driver}").MODEL
        options = load_driver(settings.driver).options.model_validate(settings.options)
        bus = buses.setdefault(settings.bus, SimulatedBus(settings.bus))
        chip = model.build(clock, partial(heat.read, name), seed, options)
        bus.attach(getattr(options, "address", model.address), chip)
    return buses
