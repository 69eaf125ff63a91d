"""What there is to try at a gate, in the order in which one walks around it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gated.actuators.inputs import CONTACT, PASSAGE
from gated.actuators.signals import Lamp
from gated.actuators.voice import DEVICE as VOICE
from gated.actuators.worker import BELL, BUZZER, RELAY, lamp_name
from gated.config import Camera, GateConfig, VoiceDriver
from gated.config.devices import InputSettings
from gated.config.sensors import DriverSettings
from gated.controller.sensors import AMBIENT, PLATE, distance_name
from gated.scanner.sighting import CAMERA
from gated.vocabulary import Button, Key


class What(enum.StrEnum):
    """What a step tries."""

    RELAY = "relay"
    LAMP = "lamp"
    BUZZER = "buzzer"
    BELL = "bell"
    VOICE = "voice"
    PASSAGE = "passage"
    CONTACT = "contact"
    BUTTON = "button"
    KEY = "key"
    FACE = "face"
    WARMTH = "warmth"
    AIR = "air"
    PLATE = "plate"
    DISTANCE = "distance"
    CAMERA = "camera"
    SERIAL_SCANNER = "serial_scanner"
    WAY_OUT = "way_out"


def button_name(button: Button) -> str:
    """Return the key of ``button`` below [inputs]."""
    return f"{button}_button"


BRIEF = frozenset({What.RELAY, What.BUZZER, What.BELL})
"""Over within moments: asked about when it is."""
ASKED_FIRST = frozenset({What.RELAY})
"""Something moves: only a plain yes begins it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to try."""

    what: What
    name: str  # of the device, as alarms and the status have it
    key: str  # where the configuration names it
    wire: str = ""  # what is configured there; empty: nothing is

    @property
    def is_configured(self) -> bool:
        return bool(self.wire)

    @property
    def id(self) -> str:
        """Its name for programs: a thermometer is tried twice."""
        return f"{self.name} warmth" if self.what is What.WARMTH else self.name


INPUTS: tuple[tuple[What, str], ...] = (
    (What.PASSAGE, PASSAGE),
    (What.CONTACT, CONTACT),
    (What.BUTTON, button_name(Button.ATTENDANT)),
    (What.BUTTON, button_name(Button.CALL)),
    (What.KEY, Key.RELEASE.value),
    (What.KEY, Key.MODE.value),
)
"""What, and its key below [inputs]."""
WAY_OUT = "way_out"


def plan(config: GateConfig) -> tuple[Step, ...]:
    """Return every step, also those of what is not configured."""
    return (
        *_outputs(config),
        *_inputs(config.inputs),
        *_sensors(config),
        *_eyes(config),
        Step(What.WAY_OUT, WAY_OUT, "", "by hand"),
    )


def _outputs(config: GateConfig) -> Iterator[Step]:
    outputs = config.outputs
    relay = outputs.relay
    wire = f"{relay.driver} {relay.line or f'{relay.device} {relay.channel}'}"
    yield Step(What.RELAY, RELAY, "outputs.relay", wire)
    for lamp in Lamp:
        line = None if outputs.lamps is None else getattr(outputs.lamps, lamp.value)
        wire = f"gpio {line}" if line else ""
        yield Step(What.LAMP, lamp_name(lamp), f"outputs.lamps.{lamp}", wire)
    buzzer, bell = outputs.buzzer, outputs.call_staff
    yield Step(What.BUZZER, BUZZER, "outputs.buzzer", _gpio(buzzer))
    yield Step(What.BELL, BELL, "outputs.call_staff", _gpio(bell))
    voice = outputs.voice
    has_voice = voice.driver is not VoiceDriver.NONE
    card = f"{voice.driver} {voice.device}" if has_voice else ""
    yield Step(What.VOICE, VOICE, "outputs.voice", card)


class Wired(Protocol):
    @property
    def line(self) -> str: ...


def _gpio(wired: Wired | None) -> str:
    return "" if wired is None else f"gpio {wired.line}"


def _inputs(settings: InputSettings) -> Iterator[Step]:
    for what, name in INPUTS:
        yield Step(what, name, f"inputs.{name}", _gpio(getattr(settings, name)))


def _sensors(config: GateConfig) -> Iterator[Step]:
    temperature = config.temperature
    for spot in temperature.thermometers:
        key = f"temperature.thermometers[{spot.name}]"
        yield Step(What.FACE, spot.name, key, _chip(spot))
        yield Step(What.WARMTH, spot.name, key, _chip(spot))
        yield Step(What.DISTANCE, distance_name(spot.name), f"{key}.distance", _chip(spot.distance))
    yield Step(What.AIR, AMBIENT, "temperature.ambient", _chip(temperature.ambient))
    yield Step(What.PLATE, PLATE, "temperature.reference", _chip(temperature.reference))


def _chip(settings: DriverSettings | None) -> str:
    return "" if settings is None else f"{settings.driver} {settings.bus}"


def _eyes(config: GateConfig) -> Iterator[Step]:
    scanner = config.scanner
    has_camera = scanner.camera is not Camera.NONE
    yield Step(What.CAMERA, CAMERA, "scanner.camera", scanner.camera.value if has_camera else "")
    for reader in scanner.serial:
        key = f"scanner.serial[{reader.name}]"
        yield Step(What.SERIAL_SCANNER, reader.name, key, reader.device)
    if not scanner.serial:
        yield Step(What.SERIAL_SCANNER, "serial", "scanner.serial")
