"""Sensirion SHT3x (SHT30, SHT31, SHT35, SHT85): air temperature and humidity.

Datasheet SHT3x-DIS version 7, its § in brackets; the serial number is in Sensirion's note
"Electronic identification code SHT3x".

- I2C address 0x44, or 0x45 with ADDR high [3.4]; up to 1 MHz, but 100 kHz on a bus shared with an
  MLX90614.
- One measurement at high repeatability takes at most 15 ms [2.2]. Only the commands *without* clock
  stretching are used [4.3]: the BCM2835 reads wrong bits from a chip that stretches.
- T = −45 + 175 · raw / 65535 °C, RH = 100 · raw / 65535 % [4.13]; each word has a CRC [4.12].
- Accuracy ±0.2 °C (SHT31, SHT35), ±0.3 °C (SHT30). Mount it in free air, in the shade: its reading
  goes into every body temperature.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from gated.clock import Clock
from gated.errors import BusError, ChecksumError, DeviceNotFound, SensorFault
from gated.sensors.bus import I2CBus
from gated.sensors.crc import sensirion_crc
from gated.sensors.port import AmbientDriver, AmbientSample, AmbientSensor, Pause, narrow

MEASURE_HIGH_REPEATABILITY = bytes((0x24, 0x00))
READ_SERIAL_NUMBER = bytes((0x36, 0x82))
MEASURING_S = 0.015
COMMAND_S = 0.001  # between a command and its answer [2.2: t_SR]
WORD_AND_CRC_BYTES = 3
FULL_SCALE = 0xFFFF

OFFSET_C = -45.0
SPAN_C = 175.0
SPAN_PERCENT = 100.0
MIN_C, MAX_C = -40.0, 125.0  # what the chip can measure [1.2]
NO_SERIAL = (0x0000_0000, 0xFFFF_FFFF)


class Options(BaseModel):
    """The keys of an SHT3x in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[int, Field(ge=0x44, le=0x45, description="7-bit I2C address")] = 0x44


def words(answer: bytes) -> tuple[int, int]:
    """Return the two words of an answer (high byte first, each with its CRC).

    Raises: ChecksumError: a CRC does not match.
    """
    parts = (answer[:WORD_AND_CRC_BYTES], answer[WORD_AND_CRC_BYTES:])
    if any(len(p) != WORD_AND_CRC_BYTES or sensirion_crc(p[:2]) != p[2] for p in parts):
        raise ChecksumError(f"CRC mismatch: {answer.hex(' ')}")
    return int.from_bytes(parts[0][:2]), int.from_bytes(parts[1][:2])


def decode(answer: bytes) -> tuple[float, float]:
    """Return temperature in °C and relative humidity in % of a measurement's six bytes.

    Raises: ChecksumError; SensorFault: outside what the chip can measure. A line held low or high
    over both data bytes cannot pass: 0x0000 is −45 °C and 0xFFFF 130 °C.
    """
    raw_temperature, raw_humidity = words(answer)
    ambient_c = OFFSET_C + SPAN_C * raw_temperature / FULL_SCALE
    if not MIN_C <= ambient_c <= MAX_C:
        raise SensorFault(f"impossible temperature (raw 0x{raw_temperature:04X})")
    return ambient_c, SPAN_PERCENT * raw_humidity / FULL_SCALE


class Sht3x:
    """One SHT3x on ``bus``, which the caller owns."""

    def __init__(self, bus: I2CBus, options: Options, clock: Clock, pause: Pause) -> None:
        self._bus = bus
        self._address = options.address
        self._clock = clock
        self._pause = pause
        self._device = f"{bus.name}/0x{options.address:02X}"
        self._chip_id = ""

    @property
    def chip_id(self) -> str:
        return self._chip_id

    def open(self) -> None:
        try:
            answer = self._ask(READ_SERIAL_NUMBER, COMMAND_S)
        except BusError as exc:
            raise DeviceNotFound(
                f"{self._device}: no SHT3x answers: check its wires and supply",
                device=self._device,
            ) from exc
        try:
            high, low = words(answer)
        except ChecksumError as exc:
            raise ChecksumError(f"{self._device}: {exc}", device=self._device) from exc
        serial = high << 16 | low
        if serial in NO_SERIAL:
            raise DeviceNotFound(
                f"{self._device}: something answers, but not an SHT3x", device=self._device
            )
        self._chip_id = f"{serial:08x}"

    def read(self) -> AmbientSample:
        if not self._chip_id:
            raise DeviceNotFound(f"{self._device} is not open", device=self._device)
        answer = self._ask(MEASURE_HIGH_REPEATABILITY, MEASURING_S)
        taken_at = self._clock.monotonic_s()
        try:
            ambient_c, humidity_percent = decode(answer)
        except (ChecksumError, SensorFault) as exc:
            raise type(exc)(f"{self._device}: {exc}", device=self._device) from exc
        return AmbientSample(ambient_c, humidity_percent, taken_at)

    def close(self) -> None:
        self._chip_id = ""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _ask(self, command: bytes, wait_s: float) -> bytes:
        self._bus.write(self._address, command)
        self._pause(wait_s)
        return self._bus.read(self._address, 2 * WORD_AND_CRC_BYTES)


def make(bus: I2CBus, options: BaseModel, clock: Clock, pause: Pause) -> AmbientSensor:
    """Return the sensor that ``options`` describes, not yet open."""
    return Sht3x(bus, narrow(options, Options), clock, pause)


DRIVER = AmbientDriver(options=Options, make=make)
