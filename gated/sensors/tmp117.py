"""TI TMP117 (and TMP119): the temperature of what it is soldered or glued to.

For air, on a thin board in free air and in the shade; and for a reference plate before an array, on
the back of the painted plate. Datasheet SNOSD82D (September 2022), its § in brackets.

- I2C address 0x48–0x4B by one pin [7.5.3.1.2]; up to 400 kHz, but 100 kHz on a bus shared with an
  MLX90614. No clock stretching.
- T = raw · 0.0078125 °C, two's complement; 0x8000 (−256 °C) until the first conversion [7.6].
- Accuracy ±0.1 °C for −20…50 °C, ±0.15 °C to 70 °C [6.5]. It measures its own board: keep it away
  from what warms, the Pi above all. No humidity.
- **One conversion for each read**, the mean of eight as after power-on (configuration 0x0220): done
  in 125 ms [7.4.3], then it sleeps, which also keeps it from warming itself. So a reading is
  never an earlier one, whatever the worker's pace.
- **No checksum on the wire.** A reading counts only with the data-ready flag and with the
  configuration as written, which a held line cannot show. Its EEPROM is never unlocked.
- The 48 bits of its own identity stand in EEPROM1–3 [7.6].
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from gated.clock import Clock
from gated.errors import BusError, DeviceNotFound, SensorFault
from gated.sensors.bus import I2CBus
from gated.sensors.port import AmbientDriver, AmbientSample, AmbientSensor, Pause, narrow

TEMPERATURE = 0x00
CONFIGURATION = 0x01
EEPROM_ID = (0x05, 0x06, 0x08)  # 0x07 holds an offset
DEVICE_ID = 0x0F

DEVICE_MASK, DEVICE = 0x0FFF, 0x0117  # the four bits above are the revision
FACTORY = 0x0220  # every second, the mean of eight
SETTINGS_MASK = 0x03FC  # without flags and mode, which the chip changes by itself
ONE_SHOT = 0x0C00
DATA_READY = 0x2000
EEPROM_BUSY = 0x1000
NO_DATA = 0x8000
NO_ID = (0x0000_0000_0000, 0xFFFF_FFFF_FFFF)

LSB_C = 0.0078125
MIN_C, MAX_C = -55.0, 150.0  # what the chip can measure [6.3]
CONVERSION_S = 0.125
POLL_S = 0.01
LAST_POLL = 10
"""So many more looks after the conversion's typical time; it may take 140 ms."""


class Options(BaseModel):
    """The keys of a TMP117 in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[int, Field(ge=0x48, le=0x4B, description="7-bit I2C address")] = 0x48


def decode(word: bytes) -> float:
    """Return the temperature in °C of a result (high byte first).

    Raises: SensorFault: there is none yet, or the chip cannot measure it.
    """
    if int.from_bytes(word) == NO_DATA:
        raise SensorFault("no temperature yet (raw 0x8000)")
    value_c = int.from_bytes(word, signed=True) * LSB_C
    if not MIN_C <= value_c <= MAX_C:
        raise SensorFault(f"impossible temperature (raw 0x{word.hex().upper()})")
    return value_c


class Tmp117:
    """One TMP117 on ``bus``, which the caller owns."""

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
            device = int.from_bytes(self._ask(DEVICE_ID))
            is_tmp117 = device & DEVICE_MASK == DEVICE
            identity = b"".join(self._ask(cell) for cell in EEPROM_ID) if is_tmp117 else b""
        except BusError as exc:
            raise DeviceNotFound(
                f"{self._device}: no TMP117 answers: check its wires and supply",
                device=self._device,
            ) from exc
        if int.from_bytes(identity) in NO_ID:
            raise DeviceNotFound(
                f"{self._device}: something answers (0x{device:04X}), but not a TMP117",
                device=self._device,
            )
        self._chip_id = identity.hex()

    def read(self) -> AmbientSample:
        if not self._chip_id:
            raise DeviceNotFound(f"{self._device} is not open", device=self._device)
        wanted = (FACTORY | ONE_SHOT).to_bytes(2)
        self._bus.write(self._address, bytes((CONFIGURATION,)) + wanted)
        self._pause(CONVERSION_S)
        try:
            self._await_data()
            taken_at = self._clock.monotonic_s()
            ambient_c = decode(self._ask(TEMPERATURE))
        except SensorFault as exc:
            raise SensorFault(f"{self._device}: {exc}", device=self._device) from exc
        return AmbientSample(ambient_c, None, taken_at)

    def close(self) -> None:
        self._chip_id = ""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _await_data(self) -> None:
        """Raises: SensorFault: the conversion does not end, or the chip is set up otherwise."""
        for _ in range(1 + LAST_POLL):
            config = int.from_bytes(self._ask(CONFIGURATION))
            if config & SETTINGS_MASK != FACTORY or config & EEPROM_BUSY:
                raise SensorFault(f"its configuration is not as written (0x{config:04X})")
            if config & DATA_READY:
                return
            self._pause(POLL_S)
        raise SensorFault("no conversion ends")

    def _ask(self, register: int) -> bytes:
        return self._bus.write_then_read(self._address, bytes((register,)), 2)


def make(bus: I2CBus, options: BaseModel, clock: Clock, pause: Pause) -> AmbientSensor:
    """Return the sensor that ``options`` describes, not yet open."""
    return Tmp117(bus, narrow(options, Options), clock, pause)


DRIVER = AmbientDriver(options=Options, make=make, has_checksum=False)
