"""Whether each device that a configuration names is there: opened by its own adapter, let go again.

Nothing is moved: outputs are taken de-energised. Nothing stays open. Each device has a limit of
time, because a camera stack or a bus that hangs must not keep whoever asks from the answers of the
others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from pydantic import ValidationError

from gated.actuators.alsa import AlsaSoundCard
from gated.actuators.inputs import DEVICE as INPUTS
from gated.actuators.inputs import InputSource
from gated.actuators.line import OpenLine
from gated.actuators.relay import Relay
from gated.actuators.voice import DEVICE as VOICE
from gated.actuators.voice import SoundCard
from gated.actuators.worker import BELL, BUZZER, RELAY, lamp_name
from gated.clock import Clock
from gated.config import Camera, GateConfig, ScannerSettings, VoiceDriver
from gated.config.faults import explain
from gated.config.sensors import DriverSettings
from gated.config.serial_scanner import SerialScannerSettings
from gated.controller.ports import Devices
from gated.controller.sensors import AMBIENT, PLATE, distance_name
from gated.errors import ConfigError, DeviceError, GatedError
from gated.probe.bounded import Overdue, bounded
from gated.probe.cameras import FRAME_WITHIN_S, look
from gated.probe.findings import Checked, Kind, Shown, State
from gated.probe.i2c import in_words
from gated.scanner.sighting import CAMERA
from gated.sensors.port import Device, Driver, Pause
from gated.sensors.registry import (
    load_ambient_driver,
    load_distance_driver,
    load_thermometer_driver,
)
from gated.serialport import SerialPort

WITHIN_S: Mapping[Kind, float] = {
    # Four words of an MLX90614's identity and two of a reading, each for up to a second.
    Kind.THERMOMETER: 8.0,
    Kind.AMBIENT: 8.0,
    Kind.DISTANCE: 8.0,
    # A camera that works at all starts within 2 s; the first one on a cold machine within 10 s.
    Kind.CAMERA: FRAME_WITHIN_S + 10.0,
    Kind.SERIAL_SCANNER: 3.0,
    Kind.RELAY: 8.0,  # its guard may take 5 s to start on a busy machine
    Kind.LAMP: 3.0,
    Kind.BUZZER: 3.0,
    Kind.BELL: 3.0,
    Kind.VOICE: 3.0,
    Kind.INPUTS: 3.0,
}

Tell = Callable[[str], None]
DeviceT = TypeVar("DeviceT", bound=Device)


@dataclass(frozen=True, slots=True)
class Target:
    """One device of the configuration, and how to look at it."""

    kind: Kind
    name: str
    key: str
    expected: str
    look: Callable[[], Shown]
    """Open it, return what it shows, let it go. Raises: GatedError: what is missing."""


def check_devices(bench: Bench, tell: Tell) -> list[Checked]:
    """Return every device of the configuration, and what is wrong with it."""
    checked = []
    for target in targets(bench):
        tell(f"{target.name}: {target.expected}")
        checked.append(check(target, bench.within_s[target.kind]))
    return checked


def check(target: Target, within_s: float) -> Checked:
    """Return what came of looking at one device, within its time."""
    seen = partial(Checked, target.kind, target.name, target.key, target.expected)
    try:
        shown = bounded(target.look, within_s, target.name)
    except Overdue as exc:
        return seen(State.SILENT, str(exc))
    except ConfigError as exc:
        return seen(State.REFUSED, str(exc))
    except GatedError as exc:
        return seen(State.MISSING, str(exc))
    return seen(
        State.OK,
        reading=shown.text,
        chip_id=shown.chip_id,
        air_c=shown.air_c,
        brightness_percent=shown.brightness_percent,
    )


class Closable(Protocol):
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Bench:
    """What every look needs: the gate's devices, and the adapters of what its processes open."""

    config: GateConfig
    devices: Devices
    clock: Clock
    pause: Pause
    open_serial: Callable[[str, int], Closable] = SerialPort  # (path, baud in Bd)
    make_card: Callable[[str, Clock], SoundCard] = AlsaSoundCard
    within_s: Mapping[Kind, float] = field(default_factory=lambda: WITHIN_S)
    scanner: str | None = None  # the process that has camera and serial scanners: left alone


def targets(bench: Bench) -> Iterator[Target]:
    """Yield every device that the configuration names, and that nobody has."""
    yield from _sensors(bench)
    if bench.scanner is None:
        yield from _scanners(bench)
    yield from _outputs(bench)
    yield from _inputs(bench)


# --- sensors and camera --------------------------------------------------------------------------


def _sensors(bench: Bench) -> Iterator[Target]:
    settings = bench.config.temperature
    for spot in settings.thermometers:
        key = f"temperature.thermometers[{spot.name}]"
        read = partial(_read_spot, spot, bench)
        yield Target(Kind.THERMOMETER, spot.name, key, _chip(spot), read)
        if spot.distance is not None:
            name = distance_name(spot.name)
            read = partial(_read_distance, spot.distance, bench)
            yield Target(Kind.DISTANCE, name, f"{key}.distance", _chip(spot.distance), read)
    for name, air in ((AMBIENT, settings.ambient), (PLATE, settings.reference)):
        if air is not None:
            read = partial(_read_air, air, bench)
            yield Target(Kind.AMBIENT, name, f"temperature.{name}", _chip(air), read)


def _read_spot(settings: DriverSettings, bench: Bench) -> Shown:
    with opened(load_thermometer_driver(settings.driver), settings, bench) as thermometer:
        sample = thermometer.read()
        return Shown(in_words(sample), thermometer.chip_id, air_c=sample.die_c)


def _read_air(settings: DriverSettings, bench: Bench) -> Shown:
    with opened(load_ambient_driver(settings.driver), settings, bench) as ambient:
        sample = ambient.read()
        return Shown(in_words(sample), ambient.chip_id, air_c=sample.ambient_c)


def _read_distance(settings: DriverSettings, bench: Bench) -> Shown:
    with opened(load_distance_driver(settings.driver), settings, bench) as distance:
        return Shown(in_words(distance.read()))


@contextmanager
def opened(driver: Driver[DeviceT], settings: DriverSettings, bench: Bench) -> Iterator[DeviceT]:
    """Give one sensor, open. Raises: ConfigError: its driver refuses a key; DeviceError."""
    try:
        options = driver.options.model_validate(settings.options)
    except ValidationError as exc:
        faults = explain(exc, driver.options, settings.options)
        raise ConfigError("; ".join(faults)) from exc
    with (
        closing(bench.devices.open_bus(settings.bus)) as bus,
        driver.make(bus, options, bench.clock, bench.pause) as device,
    ):
        yield device


def settings_of(key: str, config: GateConfig) -> DriverSettings | None:
    """Return the settings that a device's ``key`` names; None: it is on no bus."""
    temperature = config.temperature
    named: dict[str, DriverSettings | None] = {
        "temperature.ambient": temperature.ambient,
        "temperature.reference": temperature.reference,
    }
    for spot in temperature.thermometers:
        at = f"temperature.thermometers[{spot.name}]"
        named |= {at: spot, f"{at}.distance": spot.distance}
    return named.get(key)


def _chip(settings: DriverSettings) -> str:
    options = {name: value for name, value in settings.options.items() if name != "address"}
    address = settings.options.get("address")
    where = f"{settings.bus}" if address is None else f"{settings.bus} 0x{address:02X}"
    return " ".join((settings.driver, *map(str, options.values()), where))


def _scanners(bench: Bench) -> Iterator[Target]:
    settings = bench.config.scanner
    if settings.camera is not Camera.NONE:
        frame = partial(_take_frame, bench)
        yield Target(Kind.CAMERA, CAMERA, "scanner.camera", _camera(settings), frame)
    for reader in settings.serial:
        key = f"scanner.serial[{reader.name}]"
        open_port = partial(_open_port, reader, bench)
        yield Target(Kind.SERIAL_SCANNER, reader.name, key, reader.device, open_port)


def _take_frame(bench: Bench) -> Shown:
    frame = look(bench.config.scanner, bench.clock, None, decode=False)
    brightness = frame.brightness_percent
    text = f"{frame.width_px} × {frame.height_px} px, {brightness:.0f} %"
    return Shown(text, brightness_percent=brightness)


def _camera(settings: ScannerSettings) -> str:
    has_no_path = {Camera.PICAMERA2, Camera.TEST_PATTERN, Camera.NONE}
    has_path = settings.camera not in has_no_path
    return f"{settings.camera} {settings.device}" if has_path else settings.camera.value


def _open_port(settings: SerialScannerSettings, bench: Bench) -> Shown:
    bench.open_serial(settings.device, settings.baud).close()
    return Shown(f"{settings.baud} Bd")


# --- outputs and inputs --------------------------------------------------------------------------


def _outputs(bench: Bench) -> Iterator[Target]:
    settings, outputs = bench.config.outputs, bench.devices.outputs
    relay = settings.relay
    wire = f"{relay.driver} {relay.line or f'{relay.device} {relay.channel}'}"
    take_relay = partial(_take_relay, outputs.relay)
    yield Target(Kind.RELAY, RELAY, "outputs.relay", wire, take_relay)
    if settings.call_staff is not None:
        yield _line(Kind.BELL, BELL, "outputs.call_staff", settings.call_staff.line, outputs.bell)
    if settings.lamps is not None:
        for lamp, line in outputs.lamps.items():
            key, gpio = f"outputs.lamps.{lamp}", getattr(settings.lamps, lamp.value)
            yield _line(Kind.LAMP, lamp_name(lamp), key, gpio, line)
    if settings.buzzer is not None:
        yield _line(Kind.BUZZER, BUZZER, "outputs.buzzer", settings.buzzer.line, outputs.buzzer)
    if settings.voice.driver is not VoiceDriver.NONE:
        expected = f"{settings.voice.driver} {settings.voice.device}"
        yield Target(Kind.VOICE, VOICE, "outputs.voice", expected, partial(_find_card, bench))


def _find_card(bench: Bench) -> Shown:
    trouble = bench.make_card(bench.config.outputs.voice.device, bench.clock).check()
    if trouble:  # there is a card, but nobody would hear it
        raise DeviceError(trouble, device="voice")
    return Shown()


def _line(kind: Kind, name: str, key: str, gpio: str, open_line: OpenLine) -> Target:
    def take() -> Shown:
        open_line().close()
        return Shown()

    return Target(kind, name, key, f"gpio {gpio}", take)


def _take_relay(relay: Relay) -> Shown:
    with closing(relay):
        relay.open()  # takes the line de-energised
    return Shown()


def _inputs(bench: Bench) -> Iterator[Target]:
    lines = bench.config.inputs.lines()
    source = bench.devices.inputs
    if lines and source is not None:
        wired = ", ".join(f"{key.split('.')[1]} {line}" for key, line in lines.items())
        yield Target(Kind.INPUTS, INPUTS, "inputs", wired, partial(_take_inputs, source))


def _take_inputs(source: InputSource) -> Shown:
    with closing(source):
        source.open()
    return Shown()
