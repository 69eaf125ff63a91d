"""Which devices a controller and a scanner get: the real ones, or all of them simulated.

The command line chooses, once and in so many words. Nothing here falls back to the simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

from gated.actuators.alsa import AlsaSoundCard
from gated.actuators.gpio import GpioLine
from gated.actuators.gpio_inputs import GpioInputs, InputWire
from gated.actuators.inputs import CONTACT, PASSAGE, InputSource, SocketInputs
from gated.actuators.line import AbsentLine, OpenLine, SocketLine
from gated.actuators.relay import Relay
from gated.actuators.signals import Lamp
from gated.actuators.voice import Voice
from gated.actuators.worker import BELL, BUZZER, Announcer, Outputs, lamp_name
from gated.clock import Clock, FakeClock
from gated.config import GateConfig, VoiceDriver
from gated.config.devices import InputLine, RelayDriver
from gated.config.sensors import DriverSettings
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
    PLATE,
    HeatLog,
    StageAnnouncer,
    distance_column,
)
from gated.vocabulary import Button, Key


def real_devices(config: GateConfig, clock: Clock) -> Devices:
    """Return what is wired to this machine. Nothing is opened yet: what is missing says so then."""
    voice = _voice(config, clock)

    def wire(name: str, line: str) -> OpenLine:
        return partial(GpioLine, name, line, config.outputs.chip, active_low=False)

    return Devices(
        open_bus=Smbus2Bus,
        outputs=_outputs(config, Relay(_relay_spec(config)), wire, voice),
        inputs=_real_inputs(config, clock),
        voice=voice,
    )


def _outputs(
    config: GateConfig,
    relay: Relay,
    wire: Callable[[str, str], OpenLine],
    announcer: Announcer | None,
) -> Outputs:
    """Return what the configuration names. ``wire``: device's name, its GPIO line → the line."""
    outputs = config.outputs
    lamps = {} if outputs.lamps is None else outputs.lamps.model_dump(exclude_none=True)
    buzzer, bell = outputs.buzzer, outputs.call_staff
    return Outputs(
        relay=relay,
        lamps={lamp: wire(lamp_name(lamp), lamps[lamp]) for lamp in Lamp if lamp in lamps},
        buzzer=AbsentLine if buzzer is None else wire(BUZZER, buzzer.line),
        bell=AbsentLine if bell is None else wire(BELL, bell.line),
        announcer=announcer,
        call_repeat_s=60.0 if bell is None else bell.repeat_s,
    )


def _relay_spec(config: GateConfig) -> str:
    """Return the relay's wire as its guard takes it."""
    relay = config.outputs.relay
    match relay.driver:
        case RelayDriver.GPIO:
            return f"gpio:{config.outputs.chip}:{relay.line}:high"
        case RelayDriver.LCUS:
            return f"lcus:{relay.channel}:{relay.device}"


def _voice(config: GateConfig, clock: Clock) -> Voice | None:
    settings = config.outputs.voice
    match settings.driver:
        case VoiceDriver.NONE:
            return None
        case VoiceDriver.ALSA:
            return Voice(
                AlsaSoundCard(settings.device, clock),
                languages=config.gate.languages,
                volume_percent=settings.volume_percent,
                folder=settings.folder,
                clock=clock,
            )


def _wired_inputs(config: GateConfig) -> dict[str, InputLine]:
    """Return {name as the inputs have it: its line} of everything that is wired."""
    settings = config.inputs
    lines = {
        PASSAGE: settings.passage,
        CONTACT: settings.contact,
        Button.ATTENDANT: settings.attendant_button,
        Button.CALL: settings.call_button,
        Key.RELEASE: settings.key_release,
        Key.MODE: settings.key_mode,
    }
    return {str(name): line for name, line in lines.items() if line is not None}


def _real_inputs(config: GateConfig, clock: Clock) -> InputSource | None:
    wires = {
        name: InputWire(line.line, line.active_low, line.debounce_ms)
        for name, line in _wired_inputs(config).items()
    }
    return GpioInputs(wires, config.outputs.chip, clock) if wires else None


def simulated_devices(stage: Path, config: GateConfig, clock: Clock) -> Devices:
    """Return devices on a scenario's stage: the chips of the configuration at register level."""
    socket = stage / OUTPUTS_SOCKET
    buses = _simulated_buses(stage, config, clock)
    wired = _wired_inputs(config)

    def open_bus(name: str) -> I2CBus:
        if name not in buses:
            raise DeviceNotFound(f"no simulated bus {name}", device=name)
        return buses[name].open()

    def wire(name: str, _line: str) -> OpenLine:
        return partial(SocketLine, name.removeprefix("lamp "), socket)

    return Devices(
        open_bus=open_bus,
        outputs=_outputs(config, Relay(f"socket:{socket}"), wire, StageAnnouncer(stage)),
        inputs=SocketInputs(stage / INPUTS_SOCKET, wired, clock) if wired else None,
    )


def heat_columns(config: GateConfig) -> tuple[str, ...]:
    """Return the columns of the stage's heat log: what each sensor of ``config`` sees."""
    columns = [*(t.name for t in config.temperature.thermometers), AMBIENT, PLATE]
    for thermometer in config.temperature.thermometers:
        if thermometer.distance is not None:
            columns.append(distance_column(thermometer.name))
        if _model_of(thermometer).sees_picture:
            columns += _heads().head_columns(thermometer.name)
    return tuple(columns)


def thermometer_eyes(config: GateConfig) -> tuple[Eye, ...]:
    """Return the thermometers as a scenario sees them: where they hang, and their optics."""
    clock = FakeClock()
    eyes = []
    for thermometer in config.temperature.thermometers:
        driver = load_thermometer_driver(thermometer.driver)
        options = driver.read_options(thermometer.options, thermometer.name)
        device = driver.make(SimulatedBus(), options, clock, lambda _: None)
        eyes.append(
            Eye(
                thermometer.name,
                thermometer.mount_height_m,
                device.traits.fov_deg,
                is_array=_model_of(thermometer).sees_picture,
                has_distance=thermometer.distance is not None,
            )
        )
    return tuple(eyes)


def _simulated_buses(stage: Path, config: GateConfig, clock: Clock) -> dict[str, SimulatedBus]:
    heat = HeatLog(stage / HEAT_FILE, heat_columns(config))
    buses: dict[str, SimulatedBus] = {}
    for seed, (name, settings) in enumerate(_wanted(config)):
        model = _model_of(settings)
        options = load_driver(settings.driver).read_options(settings.options, name)
        bus = buses.setdefault(settings.bus, SimulatedBus(settings.bus))
        seen = _heads().StageScene(heat, name) if model.sees_picture else partial(heat.read, name)
        chip = model.build(clock, seen, seed, options)
        bus.attach(getattr(options, "address", model.address), chip)
    return buses


def _wanted(config: GateConfig) -> Iterator[tuple[str, DriverSettings]]:
    """Yield (column of the heat log, device) of every sensor."""
    temperature = config.temperature
    for thermometer in temperature.thermometers:
        yield thermometer.name, thermometer
        if thermometer.distance is not None:
            yield distance_column(thermometer.name), thermometer.distance
    if temperature.ambient is not None:
        yield AMBIENT, temperature.ambient
    if temperature.reference is not None:
        yield PLATE, temperature.reference


def _model_of(settings: DriverSettings) -> ChipModel:
    model: ChipModel = import_module(f"gated.simulation.chips.{settings.driver}").MODEL
    return model


def _heads() -> ModuleType:
    """Return the module that draws pictures: it needs NumPy, which a gate without array has not."""
    return import_module("gated.simulation.heads")
