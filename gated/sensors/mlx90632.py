"""Melexis MLX90632, a spot IR thermometer in a chip-sized package: the best accuracy, close by.

Registers and formulas from melexis/mlx90632-library (Apache-2.0) and Linux' mlx90632; the datasheet
(3901090632) was read in excerpts only: its § are not named, and what it alone can tell is marked.

- I2C address 0x3A, 0x3B with its address pin high; up to 1 MHz, but 100 kHz on a bus shared with an
  MLX90614. 16-bit registers, high byte first.
- Accuracy of medical parts ±0.2 °C for objects of 35–42 °C (datasheet, excerpt), consumer parts
  ±1 °C; noise 0.1 °C at 2 Hz (assumed). Both want a package of one temperature.
- **50° optics**: a forehead fills its view up to 36 mm only. For hands-on close range, not for a
  gate's usual distance; the configuration's check says so.
- It measures two channels in turn, each once a period: a reading is the mean of the newest two.
  The **extended range** (objects to 200 °C and more, a warmer chip) takes three periods, is noisier
  and needs an EEPROM that offers it.
- The pace stands in the EEPROM (2 Hz from the factory), which this driver never writes to: it
  adopts what it finds. Below 2 Hz one reading would take longer than a worker may be silent.
- **No checksum on the wire.** So the EEPROM's constants are read twice and must agree; a reading
  counts only with the flag for new data, a position that belongs to the mode, one and the same
  position before and after its words, words that are not at a limit, and a possible result.
- The brown-out bit is set at ``open`` and is 0 after any restart of the chip (datasheet, by way of
  SparkFun's library). A chip that has restarted has lost its mode and mixes measurements from
  before and after: everything is void until it is opened anew.
- Temperatures are those of an object of emissivity 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from gated.clock import Clock
from gated.errors import BusError, ChecksumError, DeviceNotFound, SensorFault
from gated.sensors.bus import I2CBus
from gated.sensors.mlx90632_formulas import (
    CONSTANT_WORDS,
    Calibration,
    decode_calibration,
    die_c,
    die_signal,
    object_c,
    object_signal,
    signed,
)
from gated.sensors.port import (
    Pause,
    TemperatureSample,
    Thermometer,
    ThermometerDriver,
    Traits,
    narrow,
)

EEPROM_ID = (0x2407, 0x2406, 0x2405)  # most significant word first
EEPROM_VERSION = 0x240B
EEPROM_PACE = {"medical": (0x24E1, 0x24E2), "extended": (0x24F1, 0x24F2, 0x24F3)}
CONTROL = 0x3001
COMMAND = 0x3005
STATUS = 0x3FFF
RAM = 0x4000
WORDS_PER_POSITION = 3

DSP_VERSION_MASK, DSP_VERSION = 0x00FF, 0x05
GRADE_MASK, GRADE_MEDICAL, GRADE_CONSUMER, GRADE_EXTENDED = 0x7F00, 0x0100, 0x0200, 0x0500
PACE_SHIFT, PACE_MASK = 8, 0x7
SLOWEST_PERIOD_S = 2.0
LONGEST_PERIOD_S = 0.5
RESET = 0x0006
START_S = 0.05  # from a reset to the first question; Melexis asks for 150 µs
MODE_MASK, MODE_CONTINUOUS = 0x0006, 0x0006  # 0: halted
TYPE_MASK, TYPES = 0x01F0, {"medical": 0x0000, "extended": 0x0110}
NEW_DATA = 0x0001
BROWN_OUT = 0x0100
POSITION_SHIFT, POSITION_MASK = 2, 0x1F

POSITIONS = {"medical": (1, 2), "extended": (19,)}  # after which a reading is complete
MEASUREMENTS = {"medical": 2, "extended": 3}  # in one reading
PERIODS_APART = {"medical": 1, "extended": 3}  # two readings
POLL_S = 0.02
PACE_TOLERANCE = 1.2  # of the chip's clock, with room
WAIT_MARGIN_S = 0.05
LONGEST_WAIT_S = 0.9

WORD_LIMIT = 0x7FFF
OBJECT_LIMITS_C = {"medical": (-40.0, 220.0), "extended": (-40.0, 300.0)}
DIE_LIMITS_C = (-40.0, 105.0)
NO_ID = (0x0000_0000_0000, 0xFFFF_FFFF_FFFF)

FOV_DEG = 50.0
NOISE_C_AT_2_HZ = 0.1
PERIOD_AT_2_HZ_S = 0.5


class Options(BaseModel):
    """The keys of an MLX90632 in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[int, Field(ge=0x3A, le=0x3B, description="7-bit I2C address")] = 0x3A
    variant: Annotated[
        Literal["medical", "consumer"],
        Field(description="a consumer part (±1 °C) is not taken for a medical one (±0.2 °C)"),
    ] = "medical"
    mode: Annotated[
        Literal["medical", "extended"],
        Field(description="extended: objects to 200 °C and more, slower and noisier"),
    ] = "medical"
    refresh_hz: Annotated[
        Literal[2, 4, 8, 16, 32, 64] | None,
        Field(description="what the chip's EEPROM must say; left out: whatever it says"),
    ] = None


def registers(mode: str) -> tuple[int, ...]:
    """Return the registers of the raw words that one reading takes, as ``decode`` wants them."""
    numbers = (1, 2) if mode == "medical" else (17, 18, 19)
    last = len(numbers) if mode == "medical" else len(numbers) - 1  # 19 measures no die
    base = [RAM + WORDS_PER_POSITION * number for number in numbers]
    return (*(b + half for b in base for half in (0, 1)), *(b + 2 for b in base[:last]))


def decode(words: Iterable[int], mode: str, calibration: Calibration) -> tuple[float, float]:
    """Return (object, die) in °C of the raw words of ``registers``.

    Raises: SensorFault: the chip cannot measure this.
    """
    raw = [signed(word) for word in words]
    if any(abs(value) >= WORD_LIMIT for value in raw):
        raise SensorFault(f"raw words at their limit: {raw}")
    *channels, new, old = raw
    if new <= 0 or old <= 0:
        raise SensorFault(f"the die's raw words are none: {raw}")
    if mode == "medical":
        seen = sum(channels) / len(channels)
    else:
        a, b, c, d, e, f = channels
        seen = (a - b - c + d) / 2 + e + f
        calibration = calibration.for_extended_range()
    amb = die_signal(new, old, calibration)
    shown_c = object_c(object_signal(seen, new, old, calibration), amb, calibration)
    own_c = die_c(amb, calibration)
    low_c, high_c = OBJECT_LIMITS_C[mode]
    if not (low_c <= shown_c <= high_c and DIE_LIMITS_C[0] <= own_c <= DIE_LIMITS_C[1]):
        raise SensorFault(f"impossible temperatures {shown_c:.1f} and {own_c:.1f} °C")
    return shown_c, own_c


class Mlx90632:
    """One MLX90632 on ``bus``, which the caller owns."""

    def __init__(self, bus: I2CBus, options: Options, clock: Clock, pause: Pause) -> None:
        self._bus = bus
        self._options = options
        self._clock = clock
        self._pause = pause
        self._device = f"{bus.name}/0x{options.address:02X}"
        self._chip_id = ""
        self._calibration: Calibration | None = None
        self._period_s = 1 / (options.refresh_hz or 2)
        self._watches_brown_out = False

    @property
    def traits(self) -> Traits:
        """What this part is like; once it is open, at the pace that its EEPROM says."""
        return Traits(
            fov_deg=FOV_DEG,
            settle_s=self._period_s * PERIODS_APART[self._options.mode],
            noise_c=NOISE_C_AT_2_HZ * math.sqrt(PERIOD_AT_2_HZ_S / self._period_s),
            supply_error_c=0.0,
        )

    @property
    def chip_id(self) -> str:
        return self._chip_id

    def open(self) -> None:
        try:
            self._check_version(self._register(EEPROM_VERSION))
            self._write(COMMAND, RESET)
            self._pause(START_S)
            control = self._register(CONTROL) & ~(MODE_MASK | TYPE_MASK)
            control |= TYPES[self._options.mode]
            self._write(CONTROL, control)  # halted, while its EEPROM is read
            words = self._read_twice()
            self._period_s = self._find_period_s(words)
            self._write(CONTROL, control | MODE_CONTINUOUS)
            self._write(STATUS, self._register(STATUS) & ~NEW_DATA | BROWN_OUT)
            self._watches_brown_out = bool(self._register(STATUS) & BROWN_OUT)
        except BusError as exc:
            raise self._refusal("no MLX90632 answers: check its wires and supply") from exc
        identity = int.from_bytes(b"".join(words[cell].to_bytes(2) for cell in EEPROM_ID))
        if identity in NO_ID:
            raise self._refusal("something answers, but not an MLX90632")
        try:
            self._calibration = decode_calibration(words)
        except SensorFault as exc:
            raise self._refusal(str(exc)) from exc
        # Until every channel has been measured once, the memory holds zeros or an earlier scene.
        measurements = MEASUREMENTS[self._options.mode]
        self._pause(measurements * self._period_s * PACE_TOLERANCE + WAIT_MARGIN_S)
        self._chip_id = f"{identity:012x}"

    def read(self) -> TemperatureSample:
        calibration = self._calibration
        if calibration is None or not self._chip_id:
            raise DeviceNotFound(f"{self._device} is not open", device=self._device)
        try:
            position = self._await_new_data()
            taken_at = self._clock.monotonic_s()
            words = [self._register(address) for address in registers(self._options.mode)]
            status = self._status()
            if _position(status) != position:
                raise SensorFault("measured anew while it was read")
            self._write(STATUS, status & ~NEW_DATA)
            shown_c, own_c = decode(words, self._options.mode, calibration)
        except SensorFault as exc:
            raise SensorFault(f"{self._device}: {exc}", device=self._device) from exc
        return TemperatureSample(object_c=shown_c, die_c=own_c, taken_at=taken_at)

    def close(self) -> None:
        self._chip_id = ""
        self._calibration = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _await_new_data(self) -> int:
        """Return the position of a measurement that nobody has read. Raises: SensorFault: none."""
        mode = self._options.mode
        until_s = self._clock.monotonic_s() + min(
            MEASUREMENTS[mode] * self._period_s * PACE_TOLERANCE + WAIT_MARGIN_S, LONGEST_WAIT_S
        )
        while True:
            status = self._status()
            position = _position(status)
            if status & NEW_DATA and position in POSITIONS[mode]:
                return position
            if self._clock.monotonic_s() >= until_s:
                raise SensorFault(f"no new measurement (status 0x{status:04X})")
            self._pause(POLL_S)

    def _status(self) -> int:
        status = self._register(STATUS)
        if self._watches_brown_out and not status & BROWN_OUT:
            raise SensorFault("it has restarted by itself: check its supply")
        return status

    def _check_version(self, version: int) -> None:
        if version & DSP_VERSION_MASK != DSP_VERSION:
            raise self._refusal("something answers, but not an MLX90632")
        grade = version & GRADE_MASK
        if self._options.mode == "extended" and grade != GRADE_EXTENDED:
            raise self._refusal(f"it (0x{version:04X}) has no extended range: mode = medical")
        is_medical = grade in {GRADE_MEDICAL, GRADE_EXTENDED}
        if self._options.variant == "medical" and not is_medical:
            raise self._refusal(
                f"it is no medical part (0x{version:04X}), so ±1 °C: variant = consumer"
            )

    def _read_twice(self) -> dict[int, int]:
        """Return the EEPROM's words by address. Raises: ChecksumError: one read not as before."""
        cells = (*EEPROM_ID, *EEPROM_PACE[self._options.mode], *CONSTANT_WORDS)
        first = {cell: self._register(cell) for cell in cells}
        for cell, word in first.items():
            if self._register(cell) != word:
                raise ChecksumError(
                    f"{self._device}: EEPROM cell 0x{cell:04X} reads differently each time",
                    device=self._device,
                )
        return first

    def _find_period_s(self, words: Mapping[int, int]) -> float:
        rates = [words[cell] >> PACE_SHIFT & PACE_MASK for cell in EEPROM_PACE[self._options.mode]]
        period_s = SLOWEST_PERIOD_S / (1 << min(rates))
        if period_s > LONGEST_PERIOD_S:
            raise self._refusal(f"its EEPROM says {1 / period_s:g} Hz: set it to 2 Hz or more")
        wanted_hz = self._options.refresh_hz
        if wanted_hz is not None and wanted_hz * period_s != 1:
            raise self._refusal(f"its EEPROM says {1 / period_s:g} Hz, not {wanted_hz} Hz")
        return period_s

    def _register(self, address: int) -> int:
        answer = self._bus.write_then_read(self._options.address, address.to_bytes(2), 2)
        return int.from_bytes(answer)

    def _write(self, address: int, word: int) -> None:
        self._bus.write(self._options.address, address.to_bytes(2) + word.to_bytes(2))

    def _refusal(self, why: str) -> DeviceNotFound:
        return DeviceNotFound(f"{self._device}: {why}", device=self._device)


def _position(status: int) -> int:
    return status >> POSITION_SHIFT & POSITION_MASK


def make(bus: I2CBus, options: BaseModel, clock: Clock, pause: Pause) -> Thermometer:
    """Return the thermometer that ``options`` describes, not yet open."""
    return Mlx90632(bus, narrow(options, Options), clock, pause)


DRIVER = ThermometerDriver(options=Options, make=make, has_checksum=False)
