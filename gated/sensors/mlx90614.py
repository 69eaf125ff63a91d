"""Melexis MLX90614, a spot IR thermometer (datasheet 3901090614 rev. 013, its § in brackets).

- I2C address 0x5A [8.4.2]; SMBus with PEC, **at most 100 kHz** [8.4]; no clock stretching.
- Temperatures in RAM: T = raw · 0.02 K; bit 15 flags an error [8.4.5, 8.7].
- A clock held low for 27 ms, or high for 45 µs inside a message, resets its port [8.4.9]: use a
  hardware I2C port, never a bit-banged one.
- "Continuous SMBus readings can introduce an error" [8.4.9]: the clock couples into the
  thermopile, worst in narrow optics. Leave the bus quiet for ``settle_s`` before each read.
- Readings move by 0.6 °C per volt of supply [10.1.3]; Dxx parts are calibrated at 3.0 V.
- Accuracy: Dxx ±0.2 °C for objects of 36–38 °C at a die of 16–40 °C, others ±0.5 °C; both only
  while the package has one temperature: allow 30 minutes.
- Order code, three letters: supply and accuracy (A 5 V, B 3 V, D 3 V medical), inside (A one zone,
  B two zones, of which only the first is read, C one zone, compensated for gradients), optics
  (A 90°, C 35°, K 13°, H 12°, F 10°, I 5°). The usual GY-906 module carries a 90° chip, whose spot
  is a forehead only at 17 mm.
- First data 0.25 s after power-on; until then the temperatures read as 0 K, a fault here.

Decisions:

- **Never written to.** Emissivity is corrected in software, because a wrong EEPROM write costs the
  factory calibration. A chip whose emissivity cell is not 1 is refused rather than recomputed:
  somebody has written to it, and the cell stands in a ratio to another of the calibration.
- **The PEC is always demanded.** Figure 8 of the datasheet shows it on reads, and drivers that
  check it work; a comment in Linux' own driver says that none valid comes. A chip of that kind
  would be refused at ``open``: without the PEC nothing tells a flipped bit from a fever, and two
  readings that agree may share one bad wire.
- **Asleep, or in PWM mode** [8.4.7, 8.6] it is silent. Waking it takes 33 ms of SDA held low, and
  leaving PWM mode 1.44 ms of SCL held low: no Linux I2C port can do either, so the message says
  what the maintainer can. This driver never sends the chip to sleep.
- **Flags** [8.4.6] are for diagnosis, and the datasheet describes their read without the repeated
  start that Linux always makes. So an answer without a right PEC is no fault; one with it, which
  says that the EEPROM is dead, is.
- **Retries** are the worker's business, which leaves the bus quiet before each one.
"""

from __future__ import annotations

import errno
import logging
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from gated.clock import Clock
from gated.errors import BusError, ChecksumError, DeviceNotFound, SensorFault
from gated.sensors.bus import WORD_AND_PEC_BYTES, I2CBus
from gated.sensors.crc import pec
from gated.sensors.port import (
    Pause,
    TemperatureSample,
    Thermometer,
    ThermometerDriver,
    Traits,
    narrow,
)
from gated.units import KELVIN_OFFSET_K

log = logging.getLogger(__name__)

RAM_DIE = 0x06
RAM_OBJECT = 0x07
EEPROM_PWM = 0x22
EEPROM_EMISSIVITY = 0x24
EEPROM_CONFIG = 0x25
READ_FLAGS = 0xF0
EEPROM_ID = (0x3C, 0x3D, 0x3E, 0x3F)  # cells 1C–1F, most significant word first

LSB_K = 0.02
ERROR_FLAG = 0x8000
RAW_LIMITS = {
    RAM_OBJECT: (0x27AD, 0x7FFF),  # −70.01 … 382.19 °C [8.7]
    RAM_DIE: (0x2DE4, 0x4DC4),  # −38.2 … 125.0 °C [8.7]
}
PWM_ENABLED = 0x0002
FULL_EMISSIVITY = 0xFFFF
CONFIG_DUAL_ZONE = 0x0040
CONFIG_FIR = 0x0700  # all set: 1,024 samples, as every part leaves the factory
FLAG_EEPROM_DEAD = 0x0020
FLAG_INITIALISED = 0x0010
NO_ID = (0x0000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF)

MESSAGE_GAP_S = 0.002
"""Between two messages: back-to-back reads are answered with NACKs (dotnet/iot#832)."""

FIRST_DATA_S = 0.25
"""After power-on."""

SUPPLY_C_PER_V = 0.6
NOMINAL_SUPPLY_V = {"A": 5.0, "B": 3.0, "D": 3.0}

FOV_DEG = {"A": 90.0, "C": 35.0, "K": 13.0, "H": 12.0, "F": 10.0, "I": 5.0}
SETTLE_S = {"A": 0.10, "C": 0.14, "H": 0.65, "I": 0.65, "F": 1.33, "K": 3.23}
NOISE_C = {"A": 0.05, "C": 0.18, "H": 0.10, "I": 0.10, "F": 0.10, "K": 0.30}


class Options(BaseModel):
    """The keys of an MLX90614 in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variant: Annotated[
        str,
        Field(
            pattern="^[ABD][ABC][ACFHIK]$",
            description="the three letters of the order code: DCI is a medical part with 5° optics",
        ),
    ]
    address: Annotated[int, Field(ge=0x08, le=0x77, description="7-bit I2C address")] = 0x5A
    supply_v: Annotated[
        float | None,
        Field(
            ge=2.6,
            le=5.5,
            description="the chip's supply, measured at its pins, in V; left out: the nominal one",
        ),
    ] = None

    def traits(self) -> Traits:
        """Return what the named variant is like."""
        nominal_v = NOMINAL_SUPPLY_V[self.variant[0]]
        optics = self.variant[2]
        return Traits(
            fov_deg=FOV_DEG[optics],
            settle_s=SETTLE_S[optics],
            noise_c=NOISE_C[optics],
            supply_error_c=SUPPLY_C_PER_V * ((self.supply_v or nominal_v) - nominal_v),
        )


def decode(word: bytes, register: int) -> float:
    """Return the temperature in °C of a RAM word (low byte first).

    Raises: SensorFault: the error flag is set, or the chip cannot measure this value.
    """
    raw = int.from_bytes(word, "little")
    if raw & ERROR_FLAG:
        raise SensorFault(f"error flag in register 0x{register:02X} (raw 0x{raw:04X})")
    low, high = RAW_LIMITS[register]
    if not low <= raw <= high:
        raise SensorFault(f"impossible value in register 0x{register:02X} (raw 0x{raw:04X})")
    return raw * LSB_K - KELVIN_OFFSET_K


def checked(address: int, command: int, answer: bytes) -> bytes:
    """Return the two data bytes of a word read. Raises: ChecksumError: the PEC does not match."""
    message = bytes((address << 1, command, address << 1 | 1)) + answer[:2]
    if len(answer) != WORD_AND_PEC_BYTES or pec(message) != answer[2]:
        raise ChecksumError(f"PEC mismatch reading 0x{command:02X}: {answer.hex(' ')}")
    return answer[:2]


class Mlx90614:
    """One MLX90614 on ``bus``, which the caller owns."""

    def __init__(self, bus: I2CBus, options: Options, clock: Clock, pause: Pause) -> None:
        self._bus = bus
        self._options = options
        self._clock = clock
        self._pause = pause
        self._device = f"{bus.name}/0x{options.address:02X}"
        self._chip_id = ""

    @property
    def traits(self) -> Traits:
        return self._options.traits()

    @property
    def chip_id(self) -> str:
        return self._chip_id

    def open(self) -> None:
        try:
            words = [self._ask(cell) for cell in EEPROM_ID]
            identity = int.from_bytes(b"".join(word.to_bytes(2) for word in words))
            if identity in NO_ID:
                raise self._refusal("something answers, but not an MLX90614")
            self._check_eeprom()
        except BusError as exc:
            raise self._refusal(_why_silent(exc)) from exc
        self._check_flags()
        self._chip_id = f"{identity:016x}"

    def _check_eeprom(self) -> None:
        """Raises: DeviceNotFound: the chip is set up in a way that gives other temperatures."""
        emissivity = self._ask(EEPROM_EMISSIVITY)
        if emissivity != FULL_EMISSIVITY:
            raise self._refusal(
                f"its EEPROM sets the emissivity to {emissivity / FULL_EMISSIVITY:.3f}, where it "
                "is taken to be 1, as from the factory: write 0xFFFF to cell 0x04 or change the "
                "chip"
            )
        config = self._ask(EEPROM_CONFIG)
        if "variant" in self._options.model_fields_set:  # not while only its identity is asked
            has_two_zones = bool(config & CONFIG_DUAL_ZONE)
            if has_two_zones != (self._options.variant[1] == "B"):
                raise self._refusal(
                    f"it has {'two zones' if has_two_zones else 'one zone'}, which variant "
                    f"{self._options.variant} has not: name the order code on the part"
                )
        if config & CONFIG_FIR != CONFIG_FIR:
            log.info("%s: its filter (0x%04X) is not the factory's", self._device, config)
        if self._ask(EEPROM_PWM) & PWM_ENABLED:
            raise self._refusal(
                "its EEPROM puts it into PWM mode, silent, at its next power-on: clear bit 1 of "
                "cell 0x02 or change the chip"
            )

    def _check_flags(self) -> None:
        try:
            flags = self._ask(READ_FLAGS)
        except (BusError, ChecksumError):
            return  # this chip does not tell them to a master that makes a repeated start
        if flags & FLAG_EEPROM_DEAD:
            raise self._refusal("its EEPROM is dead, and its calibration with it: change the chip")
        if not flags & FLAG_INITIALISED:
            self._pause(FIRST_DATA_S)

    def _ask(self, command: int) -> int:
        """Return one word, and leave time for the next message."""
        try:
            return int.from_bytes(self._word(command), "little")
        finally:
            self._pause(MESSAGE_GAP_S)

    def _refusal(self, why: str) -> DeviceNotFound:
        return DeviceNotFound(f"{self._device}: {why}", device=self._device)

    def read(self) -> TemperatureSample:
        if not self._chip_id:
            raise DeviceNotFound(f"{self._device} is not open", device=self._device)
        try:
            object_c = decode(self._word(RAM_OBJECT), RAM_OBJECT)
            taken_at = self._clock.monotonic_s()
            self._pause(MESSAGE_GAP_S)
            die_c = decode(self._word(RAM_DIE), RAM_DIE)
        except SensorFault as exc:
            raise SensorFault(f"{self._device}: {exc}", device=self._device) from exc
        return TemperatureSample(object_c=object_c, die_c=die_c, taken_at=taken_at)

    def close(self) -> None:
        self._chip_id = ""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _word(self, command: int) -> bytes:
        address = self._options.address
        try:
            return checked(address, command, self._bus.read_word_with_pec(address, command))
        except ChecksumError as exc:
            raise ChecksumError(f"{self._device}: {exc}", device=self._device) from exc
        except BusError as exc:
            if exc.errno == errno.EBADMSG:  # an adapter that checks the PEC itself
                raise ChecksumError(str(exc), device=self._device) from exc
            raise


def _why_silent(exc: BusError) -> str:
    if exc.errno == errno.EBUSY:
        return "a kernel driver holds this chip: unload it, or take its overlay out of config.txt"
    return (
        "no MLX90614 answers: check its wires and supply; if it is asleep, switch its power off "
        "and on; if it is in PWM mode, change it"
    )


def make(bus: I2CBus, options: BaseModel, clock: Clock, pause: Pause) -> Thermometer:
    """Return the thermometer that ``options`` describes, not yet open."""
    return Mlx90614(bus, narrow(options, Options), clock, pause)


DRIVER = ThermometerDriver(options=Options, make=make)
