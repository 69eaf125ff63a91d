"""I2C buses and what answers on them. Known chips are asked by their own drivers.

Nothing is ever written but a driver's own question for the chip's identity, and to a chip that it
has recognised what the gate would write as well. Every other address gets a one-byte read, as
``i2cdetect -r`` does it, except where that is known to do harm.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gated.clock import Clock
from gated.errors import BusError, ChecksumError, DeviceError
from gated.probe.findings import Answer, I2CFound
from gated.sensors.bus import I2CBus
from gated.sensors.port import AmbientSample, DistanceSample, Pause, TemperatureSample
from gated.sensors.registry import driver_names, load_driver

FIRST_ADDRESS, LAST_ADDRESS = 0x08, 0x77  # the rest is reserved [I2C specification 3.1.12]
RISKY = frozenset({0x69})
"""Clock chips that are write-only lock the bus when they are read [i2cdetect(8), -r]. Only a driver
asks there, and none on a bus of the kind that has such chips, the one of a PC's main board."""
MAIN_BOARD = "SMBus "
"""How Linux begins the names of those: "SMBus I801 adapter at efa0", "SMBus PIIX4 adapter …"."""
EXPANDERS = range(0x38, 0x40)
"""Where a PCF8574A is: an expander without registers, so that any byte written to it switches its
outputs, and a relay with them. Whoever answers there is asked by no driver unless a plain read
tells it apart: an expander gives the same byte, its pins', each time."""
EXPANDER_LOOKS = 4
FEW_ADDRESSES = 8
"""A driver that allows so many addresses is looked for at each; else at its default alone."""
STUCK_AFTER = 3
"""So many addresses in a row that fail as no absent chip does: the bus itself does not work."""
TOO_MANY_ANSWERS = 64
NOBODY = frozenset({errno.EREMOTEIO, errno.ENXIO, errno.ENODEV})
"""How kernels say that nobody acknowledged; which of them is the adapter driver's choice."""

OpenBus = Callable[[str], I2CBus]
Tell = Callable[[str], None]
"""Told what is being asked now, whether or not that is worth a line."""


@dataclass(frozen=True, slots=True)
class Bus:
    """One bus that the kernel offers."""

    path: str
    name: str
    in_kernel: tuple[int, ...]  # addresses with a kernel driver, such as a clock's


def list_buses(dev: Path = Path("/dev"), sys: Path = Path("/sys/bus/i2c/devices")) -> list[Bus]:
    """Return the buses of this machine, by number."""
    numbered = sorted(
        (int(match[1]), node)
        for node in dev.glob("i2c-*")
        if (match := _NODE.fullmatch(node.name)) is not None
    )
    return [
        Bus(str(node), _read_name(sys / node.name / "name"), tuple(_owned(sys, number)))
        for number, node in numbered
    ]


_NODE = re.compile(r"i2c-(\d+)")


def _read_name(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # a kernel without sysfs names; the bus works all the same
        return ""


def _owned(sys: Path, number: int) -> Iterator[int]:
    for client in sorted(sys.glob(f"{number}-00[0-9a-f][0-9a-f]")):
        if (client / "driver").exists():
            yield int(client.name[-2:], 16)


def addresses_of(options: type[BaseModel]) -> tuple[int, ...]:
    """Return where a driver's chip may be, its default first; nothing if it does not say."""
    field = options.model_fields.get("address")
    if field is None or not isinstance(field.default, int):
        return ()
    lowest, highest = _bound(field, "ge"), _bound(field, "le")
    if lowest is None or highest is None or highest - lowest >= FEW_ADDRESSES:
        return (field.default,)
    return (field.default, *(a for a in range(lowest, highest + 1) if a != field.default))


def _bound(field: FieldInfo, name: str) -> int | None:
    bounds = (getattr(constraint, name, None) for constraint in field.metadata)
    return next((bound for bound in bounds if isinstance(bound, int)), None)


def scan(bus: Bus, open_bus: OpenBus, clock: Clock, pause: Pause, tell: Tell) -> I2CFound:
    """Return what answers on ``bus``. Never raises: what fails is part of the answer."""
    found = _Scan(bus, clock, pause, tell)
    problem = ""
    try:
        wire = open_bus(bus.path)
    except DeviceError as exc:
        problem = str(exc)
    else:
        try:
            found.run(wire)
        except BusError as exc:
            problem = f"{exc}: check SDA and SCL, their pull-ups, and each chip's supply"
        finally:
            wire.close()
    if len(found.answers) >= TOO_MANY_ANSWERS:
        found.answers.clear()
        problem = f"{bus.path}: every address answers: SDA is held low, check the wires"
    return I2CFound(
        path=bus.path,
        name=bus.name,
        answers=tuple(found.answers[address] for address in sorted(found.answers)),
        in_kernel=tuple(f"0x{address:02X}" for address in bus.in_kernel),
        problem=problem,
    )


class _Scan:
    """One walk over one bus. Gives up when the bus itself fails, so that it ends in seconds."""

    def __init__(self, bus: Bus, clock: Clock, pause: Pause, tell: Tell) -> None:
        self._bus = bus
        self._clock = clock
        self._pause = pause
        self._tell = tell
        self._failures = 0
        self._complaints: dict[int, str] = {}  # of drivers that got an answer, but not theirs
        self.answers: dict[int, Answer] = {}

    def run(self, wire: I2CBus) -> None:
        """Fill ``answers``. Raises: BusError: the bus does not work."""
        risky = RISKY if self._bus.name.startswith(MAIN_BOARD) else frozenset()
        for name in driver_names():
            for address in addresses_of(load_driver(name).options):
                if address not in {*self._bus.in_kernel, *self.answers, *risky}:
                    self._tell(f"{self._bus.path} 0x{address:02X} {name}")
                    self._identify(wire, name, address)
        for address in range(FIRST_ADDRESS, LAST_ADDRESS + 1):
            if address not in {*self._bus.in_kernel, *self.answers, *RISKY}:
                self._tell(f"{self._bus.path} 0x{address:02X}")
                self._listen(wire, address)
        for address, complaint in self._complaints.items():
            self.answers.setdefault(address, Answer(address, problem=complaint))

    def _identify(self, wire: I2CBus, name: str, address: int) -> None:
        if address in EXPANDERS and _is_like_an_expander(wire, address):
            self._complaints[address] = (
                f"{self._bus.path}/0x{address:02X}: answers as an I/O expander does, so {name} was "
                "not asked for: that might have switched something"
            )
            return
        driver = load_driver(name)
        # Not validated: what else the driver wants to be told (the optics, the supply) does not
        # show in a chip's identity, and nobody has written it down yet.
        options = driver.options.model_construct(address=address)
        device = driver.make(wire, options, self._clock, self._pause)
        try:
            device.open()
        except DeviceError as exc:
            # A driver that heard nothing says so because of a bus error. One that heard another
            # chip, or its own in a state that no gate can use, says what it heard.
            if isinstance(exc, ChecksumError) or not isinstance(exc.__cause__, BusError):
                self._complaints[address] = str(exc)
            return
        try:
            reading, problem = in_words(device.read()), ""
        except DeviceError as exc:
            reading, problem = "", str(exc)
        self.answers[address] = Answer(address, name, device.chip_id, reading, problem)
        device.close()

    def _listen(self, wire: I2CBus, address: int) -> None:
        try:
            wire.read(address, 1)
        except BusError as exc:
            if exc.errno in NOBODY:
                self._failures = 0
                return
            self._failures += 1
            if self._failures >= STUCK_AFTER:
                raise
            return
        self._failures = 0
        self.answers[address] = Answer(address, problem=self._complaints.get(address, ""))


def _is_like_an_expander(wire: I2CBus, address: int) -> bool:
    try:
        return len(set(wire.read(address, EXPANDER_LOOKS))) == 1
    except BusError:  # an expander would have answered
        return False


def in_words(sample: TemperatureSample | AmbientSample | DistanceSample) -> str:
    """Return a sample for a maintainer: numbers and units only, the same in every language."""
    if isinstance(sample, TemperatureSample):
        return f"{sample.object_c:.2f} °C (chip {sample.die_c:.2f} °C)"
    if isinstance(sample, DistanceSample):
        return "– m" if sample.distance_m is None else f"{sample.distance_m:.3f} m"
    humidity = sample.humidity_percent
    return f"{sample.ambient_c:.2f} °C" + ("" if humidity is None else f", {humidity:.0f} %RH")
