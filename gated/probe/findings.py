"""What probing finds: values, said by ``gated.probe.words``."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """What a device of the configuration is for."""

    THERMOMETER = "thermometer"
    DISTANCE = "distance"
    AMBIENT = "ambient"
    CAMERA = "camera"
    SERIAL_SCANNER = "serial_scanner"
    RELAY = "relay"
    LAMP = "lamp"
    BUZZER = "buzzer"
    BELL = "bell"
    VOICE = "voice"
    INPUTS = "inputs"


class State(enum.StrEnum):
    OK = "ok"
    MISSING = "missing"  # not there, busy, or not what the configuration says
    REFUSED = "refused"  # its driver refuses the configuration: trying again would not mend it
    SILENT = "silent"  # it did not answer in time; whoever asked has stopped waiting


@dataclass(frozen=True, slots=True)
class Checked:
    """One device that the configuration names."""

    kind: Kind
    name: str  # as alarms and the status name it
    key: str  # where the configuration names it
    expected: str  # what it should be, and where
    state: State
    detail: str = ""  # what its adapter says is missing
    reading: str = ""  # what it shows now
    chip_id: str = ""  # of a thermometer: whose calibration may be used
    air_c: float | None = None  # what a thermometer takes its surroundings for
    brightness_percent: float | None = None  # of a camera's frame


@dataclass(frozen=True, slots=True)
class Shown:
    """What an open device shows: for people, and the figures that can be judged."""

    text: str = ""
    chip_id: str = ""
    air_c: float | None = None
    brightness_percent: float | None = None


@dataclass(frozen=True, slots=True)
class StartFindings:
    """What a start would run into, one sentence each."""

    faults: tuple[str, ...] = ()  # the gate would not start
    doubts: tuple[str, ...] = ()  # it would, but accept fewer passes than is meant


@dataclass(frozen=True, slots=True)
class Answer:
    """Something that answers on an I2C bus. ``driver`` is empty for what nobody knows."""

    address: int
    driver: str = ""
    chip_id: str = ""
    reading: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class I2CFound:
    """One I2C bus, and what answers there."""

    path: str
    name: str  # as the kernel calls its adapter
    answers: tuple[Answer, ...] = ()
    in_kernel: tuple[str, ...] = ()  # addresses that a kernel driver owns: never asked
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LineFound:
    """One line of a GPIO chip that has a name or an owner."""

    offset: int
    name: str
    consumer: str  # empty: free


@dataclass(frozen=True, slots=True)
class ChipFound:
    """One GPIO chip."""

    path: str
    label: str
    lines: int
    noted: tuple[LineFound, ...] = ()  # with a name or an owner
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CameraFound:
    """One camera. ``source`` and ``device`` are scanner.camera and scanner.device for it."""

    source: str
    device: str
    model: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FrameSeen:
    """One frame, without what it shows."""

    device: str
    width_px: int = 0
    height_px: int = 0
    brightness_percent: float = 0.0  # mean: 0 black, 100 white
    has_code: bool = False
    saved_as: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SerialFound:
    """One serial device by its stable path."""

    path: str
    device: str  # where the stable path leads to now


@dataclass(frozen=True, slots=True)
class CardFound:
    """One sound card. ``device`` is what outputs.voice.device may call it."""

    number: int
    device: str
    name: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything that was found on this machine."""

    i2c: tuple[I2CFound, ...] = ()
    gpio: tuple[ChipFound, ...] = ()
    cameras: tuple[CameraFound, ...] = ()
    frames: tuple[FrameSeen, ...] = ()
    serial: tuple[SerialFound, ...] = ()
    sound: tuple[CardFound, ...] = ()
    held_by: int | None = None  # the process of a controller: nothing of its was touched
