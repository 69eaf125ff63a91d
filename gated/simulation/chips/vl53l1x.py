"""VL53L1X at register level: boot, ranging by itself, the ready line, a result's 17 bytes."""

from __future__ import annotations

import math
import random

from pydantic import BaseModel

from gated.clock import Clock
from gated.simulation.bus import ChipModel, Fault, NotAcknowledged, Signal

ADDRESS = 0x29
REGISTERS = 0x0200
IDENTITY = bytes((0xEA, 0xCC, 0x10))
GPIO_POLARITY, GPIO_STATUS = 0x0030, 0x0031
PHASECAL_TIMEOUT, TIMEOUT_A, PERIOD = 0x004B, 0x005E, 0x006C
INTERRUPT_CLEAR, MODE_START, RESULT = 0x0086, 0x0087, 0x0089
OSCILLATOR, FIRMWARE_STATUS, MODEL_ID, ROI_CENTRE_OF_PART = 0x00DE, 0x00E5, 0x010F, 0x013E
RANGING = 0x40
SHORT_MODE = 0x14  # in PHASECAL_TIMEOUT
OSCILLATOR_VALUE = 0x02B5
CENTRE = 0xC8
MS_PER_CYCLE = 1 / (OSCILLATOR_VALUE * 1.075)
BUDGETS_MS = {
    0x001D: 15,
    0x0051: 20,
    0x00D6: 33,
    0x01AE: 50,
    0x02E1: 100,
    0x03E1: 200,
    0x001E: 20,
    0x0060: 33,
    0x00AD: 50,
    0x01CC: 100,
    0x02D9: 200,
}
BOOT_S = 0.0012
RANGE_M = {True: 1.36, False: 4.0}  # in the short mode, in the long one
CLOSEST_M = 0.04
NOISE_MM = 3.0
VALID, TOO_WEAK, TOO_CLOSE, FIRST_OF_A_SERIES, WATCHDOG = 9, 4, 8, 19, 2


class Vl53l1xModel:
    """One VL53L1X with something at ``distance_m``.

    Args:
        clock: when it measures.
        distance_m: to the nearest thing; infinite or not a number: nothing is there.
        seed: of its noise.
        powered_at_s: since when it has had power; −inf: for long.
    """

    def __init__(
        self, clock: Clock, distance_m: Signal, *, seed: int, powered_at_s: float = -math.inf
    ) -> None:
        self.fault: Fault | None = None
        self._clock = clock
        self._distance_m = distance_m
        self._random = random.Random(seed)  # noqa: S311 - noise, seeded so that runs repeat
        self._powered_at_s = powered_at_s
        self._started_at_s = math.inf
        self._done = 0
        self._is_ready = False
        self.memory = bytearray(REGISTERS)
        self.memory[MODEL_ID : MODEL_ID + len(IDENTITY)] = IDENTITY
        self.memory[OSCILLATOR : OSCILLATOR + 2] = OSCILLATOR_VALUE.to_bytes(2)
        self.memory[ROI_CENTRE_OF_PART] = CENTRE

    def transfer(self, _address: int, written: bytes, count: int) -> bytes:
        self._range()
        if len(written) < 2:  # noqa: PLR2004 - half of a register's address, as for a VL53L0X
            return bytes(count)
        register = int.from_bytes(written[:2])
        if register + max(len(written) - 2, count) > REGISTERS:
            raise NotAcknowledged
        for offset, value in enumerate(written[2:]):
            self._write(register + offset, value)
        return bytes(self._read(register + offset) for offset in range(count))

    def _read(self, register: int) -> int:
        if register == FIRMWARE_STATUS:
            return int(self._clock.monotonic_s() >= self._powered_at_s + BOOT_S) * 3
        if register == GPIO_STATUS:
            is_active_high = not self.memory[GPIO_POLARITY] & 0x10
            return 0x02 | (self._is_ready == is_active_high)
        return self.memory[register]

    def _write(self, register: int, value: int) -> None:
        self.memory[register] = value
        if register == INTERRUPT_CLEAR and value & 1:
            self._is_ready = False
        if register == MODE_START:
            is_ranging = bool(value & RANGING)
            self._started_at_s = self._clock.monotonic_s() if is_ranging else math.inf
            self._done = 0

    # --- measuring -----------------------------------------------------------------------------

    def _word(self, register: int, size: int = 2) -> int:
        return int.from_bytes(self.memory[register : register + size])

    def _range(self) -> None:
        """Do what has been measured since the last message."""
        now_s = self._clock.monotonic_s()
        budget_s = BUDGETS_MS.get(self._word(TIMEOUT_A), 100) / 1_000
        period_s = max(self._word(PERIOD, 4) * MS_PER_CYCLE / 1_000, budget_s)
        ran_s = now_s - self._started_at_s - budget_s
        if ran_s < 0:
            return
        due = 1 + math.floor(ran_s / period_s + 1e-6)
        if due <= self._done or self.fault is Fault.HALTED:
            self._done = max(self._done, due)
            return
        is_first, self._done = self._done == 0 and due == 1, due
        self._is_ready = True
        if self.fault is not Fault.STUCK:
            at_s = self._started_at_s + budget_s + (due - 1) * period_s
            self.memory[RESULT : RESULT + 17] = self._result(self._distance_m(at_s), is_first)

    def _result(self, distance_m: float, is_first: bool) -> bytes:
        within_m = RANGE_M[self.memory[PHASECAL_TIMEOUT] == SHORT_MODE]
        status, shown_mm = VALID, 0
        if not distance_m <= within_m:  # not a number passes no comparison
            status = TOO_WEAK
        elif distance_m < CLOSEST_M:
            status = TOO_CLOSE
        else:
            shown_mm = max(0, round(distance_m * 1_000 + self._random.gauss(0.0, NOISE_MM)))
        if is_first and status == VALID:
            status = FIRST_OF_A_SERIES
        if self.fault is Fault.ERROR_FLAG:
            status = WATCHDOG
        head = bytes((status, 0, self._done & 0xFF, 0x10)) + bytes(9)
        return head + shown_mm.to_bytes(2) + bytes((0x01, 0x80))


def build(
    clock: Clock,
    temperature: Signal,  # the distance, in m
    seed: int,
    options: BaseModel | None = None,  # noqa: ARG001 - its driver sets it up
) -> Vl53l1xModel:
    """Return a perfect VL53L1X with something at so many metres."""
    return Vl53l1xModel(clock, temperature, seed=seed)


MODEL = ChipModel(address=ADDRESS, build=build)
