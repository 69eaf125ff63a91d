"""ST VL53L1X, a time-of-flight distance sensor: who stands within a thermometer's reach.

Datasheet DS12385 (what it measures) and ST's ultra lite driver (how; ``vl53l1x_registers``). No
package is wrapped: those that are kept need another I2C layer (Blinka, or ST's C code with a bus of
its own), and neither could run over the simulated chip.

- I2C address 0x29 (other addresses are given anew after each power-on, which this driver does not
  do: one per bus); up to 400 kHz, but 100 kHz on a bus shared with an MLX90614. 16-bit registers.
- Accuracy ±20 mm (±25 mm in the long mode); works at −20…85 °C. View of 27°, less with a smaller
  region of interest (``roi_*``): 16 × 16 cells are all, 4 × 4 the least.
- **Short mode** up to 1.3 m, hardly disturbed by sun and lamps: a gate's. Long mode up to 4 m in
  the dark, 0.7 m in strong light.
- It measures by itself every ``period_ms``. A read clears what is there and waits for the next, so
  that it is never an earlier one: at most about a period and a timing budget.
- Nothing in range, too weak, too uncertain, too close, or beyond the range and so wrapped: no
  distance. Tests of laser and references that fail, merged targets, arithmetic: a fault.
- **No checksum on the wire**: a held line shows no valid status. It has no number of its own that
  can be read plainly; its model and mask revision stand for its identity.
- ``offset_mm`` is added to each distance: that of a housing's window, or what a tape measure says.
- A VL53L0X has the same address and 8-bit registers. It is asked for first, because the question
  for this chip would write to it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gated.clock import Clock
from gated.errors import BusError, DeviceNotFound, SensorFault
from gated.sensors import vl53l1x_registers as reg
from gated.sensors.bus import I2CBus
from gated.sensors.port import DistanceDriver, DistanceSample, DistanceSensor, Pause, narrow

MODEL = bytes((0xEA, 0xCC))
VL53L0X_MODEL_REGISTER, VL53L0X_MODEL = 0xC0, 0xEE
IDENTITY_BYTES = 3
RESULT_BYTES = 17
STATUS_MASK = 0x1F
DISTANCE_AT = 13
POLARITY_LOW = 0x10
CELLS = 16
CELLS_OFF_CENTRE = 10  # a wider region has room only about the whole array's centre
CENTRE_OF_ALL = 199

BOOT_S = 0.1  # 1.2 ms in the datasheet
FIRST_SAMPLE_S = 0.5
POLL_S = 0.01
PACE_TOLERANCE = 1.2
WAIT_MARGIN_S = 0.05

M_PER_MM = 0.001
LIMITS_MM = (-50, 4_500)  # what is slightly below 0 touches the window


class Options(BaseModel):
    """The keys of a VL53L1X in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[int, Field(ge=0x29, le=0x29, description="7-bit I2C address")] = 0x29
    mode: Annotated[
        Literal["short", "long"],
        Field(description="short: to 1.3 m in any light; long: to 4 m in the dark"),
    ] = "short"
    timing_budget_ms: Annotated[
        Literal[15, 20, 33, 50, 100, 200],
        Field(description="for one measurement; longer is steadier. 15 in the short mode only"),
    ] = 33
    period_ms: Annotated[
        int, Field(ge=15, le=250, description="between two measurements; the budget or more")
    ] = 50
    offset_mm: Annotated[
        int, Field(ge=-100, le=100, description="added to each distance, in mm")
    ] = 0
    roi_width: Annotated[
        int, Field(ge=4, le=CELLS, description="of the region of interest, in cells")
    ] = CELLS
    roi_height: Annotated[
        int, Field(ge=4, le=CELLS, description="of the region of interest, in cells")
    ] = CELLS

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.timing_budget_ms not in reg.TIMEOUTS[self.mode]:
            raise ValueError(f"timing_budget_ms {self.timing_budget_ms} is for the short mode only")
        if self.period_ms < self.timing_budget_ms:
            raise ValueError("period_ms must be timing_budget_ms or more")
        return self


def decode(result: bytes) -> float | None:
    """Return the distance in m of a result's 17 bytes; None: nothing in range.

    Raises: SensorFault: the chip says that it failed, or cannot have measured this.
    """
    if len(result) != RESULT_BYTES:
        raise SensorFault(f"{len(result)} bytes of {RESULT_BYTES}")
    status = result[0] & STATUS_MASK
    if status in reg.NOTHING_THERE:
        return None
    if status != reg.VALID:
        raise SensorFault(f"range status {status}: {reg.FAULTS.get(status, 'none that is known')}")
    distance_mm = int.from_bytes(result[DISTANCE_AT : DISTANCE_AT + 2], signed=True)
    low_mm, high_mm = LIMITS_MM
    if not low_mm <= distance_mm <= high_mm:
        raise SensorFault(f"impossible distance ({distance_mm} mm)")
    return max(distance_mm, 0) * M_PER_MM


class Vl53l1x:
    """One VL53L1X on ``bus``, which the caller owns."""

    def __init__(self, bus: I2CBus, options: Options, clock: Clock, pause: Pause) -> None:
        self._bus = bus
        self._options = options
        self._clock = clock
        self._pause = pause
        self._device = f"{bus.name}/0x{options.address:02X}"
        self._chip_id = ""
        self._ready_level = 1

    @property
    def chip_id(self) -> str:
        return self._chip_id

    def open(self) -> None:
        try:
            identity = self._identify()
            self._await(self._has_booted, BOOT_S, "does not start")
            self._write(reg.DEFAULTS_FROM, reg.DEFAULTS)
            self._ready_level = 0 if self._byte(reg.GPIO_POLARITY) & POLARITY_LOW else 1
            self._take_one()  # which also calibrates it for the temperature of now
            self._write(reg.MODE_START, bytes((reg.STOPPED,)))
            self._write(reg.VHV_LOOP_BOUND, b"\x09")
            self._write(reg.VHV_START, b"\x00")
            self._set_up()
            self._take_one()  # the first of a series is not checked for wrapping
        except BusError as exc:
            raise self._refusal("no VL53L1X answers: check its wires and supply") from exc
        except SensorFault as exc:
            raise self._refusal(f"this VL53L1X {exc}: switch its power off and on") from exc
        self._chip_id = identity.hex()

    def read(self) -> DistanceSample:
        if not self._chip_id:
            raise DeviceNotFound(f"{self._device} is not open", device=self._device)
        options = self._options
        within_s = (options.period_ms + options.timing_budget_ms) / 1_000 * PACE_TOLERANCE
        try:
            self._clear()
            self._await(self._has_data, within_s + WAIT_MARGIN_S, "has no new measurement")
            taken_at = self._clock.monotonic_s()
            distance_m = decode(self._ask(reg.RESULT, RESULT_BYTES))
        except SensorFault as exc:
            raise SensorFault(f"{self._device}: {exc}", device=self._device) from exc
        if distance_m is not None:
            distance_m = max(distance_m + options.offset_mm * M_PER_MM, 0.0)
        return DistanceSample(distance_m, taken_at)

    def close(self) -> None:
        if not self._chip_id:
            return
        self._chip_id = ""
        with suppress(BusError):  # the bus may be what failed; its laser then goes on, harmless
            self._write(reg.MODE_START, bytes((reg.STOPPED,)))

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _identify(self) -> bytes:
        address = self._options.address
        old = self._bus.write_then_read(address, bytes((VL53L0X_MODEL_REGISTER,)), 1)
        if old == bytes((VL53L0X_MODEL,)):
            raise self._refusal("a VL53L0X answers, for which there is no driver")
        identity = self._ask(reg.MODEL_ID, IDENTITY_BYTES)
        if identity[:2] != MODEL:
            raise self._refusal(f"something answers ({identity.hex(' ')}), but not a VL53L1X")
        return identity

    def _set_up(self) -> None:
        options = self._options
        for register, value in reg.DISTANCE_MODES[options.mode]:
            self._write(register, value)
        timeouts = reg.TIMEOUTS[options.mode][options.timing_budget_ms]
        for register, timeout in zip((reg.TIMEOUT_A, reg.TIMEOUT_B), timeouts, strict=True):
            self._write(register, timeout.to_bytes(2))
        oscillator = int.from_bytes(self._ask(reg.OSCILLATOR, 2)) & reg.OSCILLATOR_MASK
        if not oscillator:
            raise SensorFault("has no clock")
        period = int(oscillator * options.period_ms * reg.PERIOD_FACTOR)
        self._write(reg.PERIOD, period.to_bytes(4))
        if max(options.roi_width, options.roi_height) > CELLS_OFF_CENTRE:
            centre = CENTRE_OF_ALL
        else:
            centre = self._byte(reg.ROI_CENTRE_OF_PART)
        size = (options.roi_height - 1) << 4 | options.roi_width - 1
        self._write(reg.ROI_CENTRE, bytes((centre,)))
        self._write(reg.ROI_SIZE, bytes((size,)))

    def _take_one(self) -> None:
        """Start ranging and let the first sample go by."""
        self._clear()
        self._write(reg.MODE_START, bytes((reg.RANGING,)))
        self._await(self._has_data, FIRST_SAMPLE_S, "does not measure")
        self._clear()

    def _clear(self) -> None:
        self._write(reg.INTERRUPT_CLEAR, b"\x01")

    def _has_booted(self) -> bool:
        return self._byte(reg.FIRMWARE_STATUS) != 0

    def _has_data(self) -> bool:
        return self._byte(reg.GPIO_STATUS) & 1 == self._ready_level

    def _await(self, is_so: Callable[[], bool], within_s: float, else_says: str) -> None:
        """Ask until ``is_so``. Raises: SensorFault: not within ``within_s``."""
        until_s = self._clock.monotonic_s() + within_s
        while not is_so():
            if self._clock.monotonic_s() >= until_s:
                raise SensorFault(else_says)
            self._pause(POLL_S)

    def _byte(self, register: int) -> int:
        return self._ask(register, 1)[0]

    def _ask(self, register: int, count: int) -> bytes:
        return self._bus.write_then_read(self._options.address, register.to_bytes(2), count)

    def _write(self, register: int, values: bytes) -> None:
        self._bus.write(self._options.address, register.to_bytes(2) + values)

    def _refusal(self, why: str) -> DeviceNotFound:
        return DeviceNotFound(f"{self._device}: {why}", device=self._device)


def make(bus: I2CBus, options: BaseModel, clock: Clock, pause: Pause) -> DistanceSensor:
    """Return the sensor that ``options`` describes, not yet open."""
    return Vl53l1x(bus, narrow(options, Options), clock, pause)


DRIVER = DistanceDriver(options=Options, make=make, has_checksum=False)
