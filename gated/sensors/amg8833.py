"""Panasonic AMG8833 "Grid-EYE", 8 × 8 pixels: tells that somebody is there, never how warm.

Panasonic's reference specification as kept by libdriver/amg8833, whose datasheet names no revision;
facts cross-checked with the crate amg88.

- I2C address 0x69, 0x68 with AD_SELECT low; up to 400 kHz, but 100 kHz on a bus shared with an
  MLX90614. One byte per register, counting up by itself.
- Pixels: 12 bits, two's complement, 0.25 °C; lower byte first, the upper four bits mean nothing.
  Thermistor: 12 bits, **sign and magnitude**, 0.0625 °C.
- Accuracy **±2.5 °C** typical, noise 0.16 °C at 10 frames a second: nobody is judged by it. What
  is read is the mean of the hottest four pixels. Each sees 7.5°, all together 60°.
- 50 ms after power-on it talks, after 15 s it has settled.
- **No checksum on the wire, no identity, no number of its own.** It is known by registers that
  hold what this chip's do, and by 64 pixels that do not repeat themselves: read only, because clock
  chips (RTC) live at the same addresses, and writing to them would set the time. So it is
  taken in the mode of its power-on (normal, 10 frames a second) or not at all, and nothing is
  ever written but the clearing of its own overflow flag. Its address stands for its identity.
- It has no flag for a new frame: that it repeats itself is for sampling to see.
"""

from __future__ import annotations

import statistics
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from gated.clock import Clock
from gated.errors import BusError, DeviceNotFound, SensorFault
from gated.sensors.bus import I2CBus
from gated.sensors.port import (
    Pause,
    TemperatureSample,
    Thermometer,
    ThermometerDriver,
    Traits,
    narrow,
)

POWER = 0x00  # 0x00 normal, 0x10 asleep, 0x20 and 0x21 standing by
FRAME_RATE = 0x02  # 0: 10 per second
INTERRUPTS = 0x03
STATUS = 0x04
STATUS_CLEAR = 0x05
THERMISTOR = 0x0E
PIXELS = 0x80

PIXEL_COUNT = 64
HOTTEST = 4
OVERFLOW = 0x0C  # of a pixel, of the thermistor
AS_AFTER_POWER_ON = {POWER: 0x00, FRAME_RATE: 0x00, INTERRUPTS: 0x00}

BITS_MASK = 0x0FFF
SIGN = 0x0800
PIXEL_LSB_C = 0.25
THERMISTOR_LSB_C = 0.0625
PIXEL_LIMITS_C = (-25.0, 105.0)  # of the whole family, with its accuracy
THERMISTOR_LIMITS_C = (-25.0, 85.0)

TRAITS = Traits(fov_deg=7.5, settle_s=0.1, noise_c=0.16, supply_error_c=0.0, is_presence_only=True)


class Options(BaseModel):
    """The keys of an AMG8833 in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[int, Field(ge=0x68, le=0x69, description="7-bit I2C address")] = 0x69


def pixel_c(raw: int) -> float:
    """Return the temperature in °C of a pixel's 16 bits."""
    raw &= BITS_MASK
    return (raw - 2 * SIGN if raw & SIGN else raw) * PIXEL_LSB_C


def thermistor_c(raw: int) -> float:
    """Return the chip's own temperature in °C of the thermistor's 16 bits."""
    magnitude = raw & (SIGN - 1)
    return (-magnitude if raw & SIGN else magnitude) * THERMISTOR_LSB_C


def decode(pixels: bytes, thermistor: bytes) -> tuple[float, float]:
    """Return (mean of the hottest pixels, die) in °C.

    Raises: SensorFault: a line is held, or the chip cannot measure this.
    """
    # 64 noisy pixels never repeat themselves. A held line does, and so do the few registers of a
    # clock chip, which are counted round.
    if len(pixels) != 2 * PIXEL_COUNT or any(
        pixels[period:] == pixels[:-period] for period in range(1, PIXEL_COUNT + 1)
    ):
        raise SensorFault("no picture: the pixels repeat themselves")
    words = [int.from_bytes(pixels[at : at + 2], "little") for at in range(0, len(pixels), 2)]
    hottest_c = statistics.fmean(sorted(map(pixel_c, words))[-HOTTEST:])
    die_c = thermistor_c(int.from_bytes(thermistor, "little"))
    low_c, high_c = PIXEL_LIMITS_C
    if not low_c <= hottest_c <= high_c:
        raise SensorFault(f"impossible pixels ({hottest_c:.2f} °C)")
    low_c, high_c = THERMISTOR_LIMITS_C
    if not low_c <= die_c <= high_c:
        raise SensorFault(f"impossible thermistor ({die_c:.2f} °C)")
    return hottest_c, die_c


class Amg8833:
    """One AMG8833 on ``bus``, which the caller owns."""

    def __init__(self, bus: I2CBus, options: Options, clock: Clock) -> None:
        self._bus = bus
        self._address = options.address
        self._clock = clock
        self._device = f"{bus.name}/0x{options.address:02X}"
        self._chip_id = ""

    @property
    def traits(self) -> Traits:
        return TRAITS

    @property
    def chip_id(self) -> str:
        return self._chip_id

    def open(self) -> None:
        try:
            found = {register: self._ask(register)[0] for register in AS_AFTER_POWER_ON}
            if found != AS_AFTER_POWER_ON:
                raise self._refusal(f"power 0x{found[POWER]:02X}, rate 0x{found[FRAME_RATE]:02X}")
            self._look()
        except BusError as exc:
            raise DeviceNotFound(
                f"{self._device}: no AMG8833 answers: check its wires and supply",
                device=self._device,
            ) from exc
        except SensorFault as exc:
            raise self._refusal(str(exc)) from exc
        self._chip_id = f"{self._address:02x}"

    def read(self) -> TemperatureSample:
        if not self._chip_id:
            raise DeviceNotFound(f"{self._device} is not open", device=self._device)
        try:
            hottest_c, die_c = self._look()
            taken_at = self._clock.monotonic_s()
            status = self._ask(STATUS)[0]
            if status & OVERFLOW:
                self._bus.write(self._address, bytes((STATUS_CLEAR, OVERFLOW)))
                raise SensorFault(f"overflow (status 0x{status:02X})")
        except SensorFault as exc:
            raise SensorFault(f"{self._device}: {exc}", device=self._device) from exc
        return TemperatureSample(object_c=hottest_c, die_c=die_c, taken_at=taken_at)

    def close(self) -> None:
        self._chip_id = ""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _look(self) -> tuple[float, float]:
        return decode(self._ask(PIXELS, 2 * PIXEL_COUNT), self._ask(THERMISTOR, 2))

    def _ask(self, register: int, count: int = 1) -> bytes:
        return self._bus.write_then_read(self._address, bytes((register,)), count)

    def _refusal(self, why: str) -> DeviceNotFound:
        return DeviceNotFound(
            f"{self._device}: something answers ({why}), but not an AMG8833 as it is after "
            "power-on: switch its power off and on if it is one",
            device=self._device,
        )


def make(bus: I2CBus, options: BaseModel, clock: Clock, _pause: Pause) -> Thermometer:
    """Return the thermometer that ``options`` describes, not yet open."""
    return Amg8833(bus, narrow(options, Options), clock)


DRIVER = ThermometerDriver(options=Options, make=make, has_checksum=False)
