"""TMP117 at register level: configuration, conversions that take their time, EEPROM identity."""

from __future__ import annotations

import random

from pydantic import BaseModel

from gated.clock import Clock
from gated.simulation.bus import ChipModel, Fault, NotAcknowledged, Signal

ADDRESS = 0x48
TEMPERATURE, CONFIGURATION, DEVICE_ID = 0x00, 0x01, 0x0F
AFTER_RESET = 0x0220
WRITABLE = 0x0FFC
READY = 0x2000
NO_DATA = 0x8000
CONTINUOUS, SHUTDOWN, ONE_SHOT = 0x0000, 0x0400, 0x0C00
MODE_MASK = 0x0C00
SAMPLE_S = 0.0155
SAMPLES = (1, 8, 32, 64)
CYCLES_S = (0.0155, 0.125, 0.25, 0.5, 1.0, 4.0, 8.0, 16.0)
LSB_C = 0.0078125
NOISE_C = 0.004  # of the mean of eight: about half a step


class Tmp117Model:
    """One TMP117 on a board of ``temperature``."""

    def __init__(
        self, clock: Clock, temperature: Signal, *, seed: int, identity: int = 0x1E57_0A11_4B2C
    ) -> None:
        self.fault: Fault | None = None
        self._clock = clock
        self._temperature = temperature
        self._random = random.Random(seed)  # noqa: S311 - noise, seeded so that runs repeat
        self._identity = identity
        self.device_id = 0x0117
        self._config = AFTER_RESET
        self._result = NO_DATA
        self._is_ready = False
        self._began_at_s = clock.monotonic_s()
        self._ended = 0

    def transfer(self, _address: int, written: bytes, count: int) -> bytes:
        if not written:
            raise NotAcknowledged  # the drivers of this project always name a register
        self._convert()
        if count == 0:
            if len(written) != 3 or written[0] != CONFIGURATION:  # noqa: PLR2004 - pointer and word
                raise NotAcknowledged  # limits, offset and EEPROM are left alone
            self._config = int.from_bytes(written[1:]) & WRITABLE
            self._began_at_s, self._ended, self._is_ready = self._clock.monotonic_s(), 0, False
            return b""
        return (self._word(written[0]).to_bytes(2) + b"\xff" * count)[:count]

    def _word(self, register: int) -> int:
        if register == CONFIGURATION:
            word = self._config | (READY if self._is_ready else 0)
            self._is_ready = False  # cleared by this read as by one of the result
            return word
        if register == TEMPERATURE:
            self._is_ready = False
            return self._result
        if register == DEVICE_ID:
            return self.device_id
        cells = {0x05: 32, 0x06: 16, 0x08: 0}
        return self._identity >> cells[register] & 0xFFFF if register in cells else 0x0000

    def _convert(self) -> None:
        if self.fault is Fault.HALTED or self._config & MODE_MASK == SHUTDOWN:
            return
        active_s = SAMPLE_S * SAMPLES[self._config >> 5 & 0x3]
        ran_s = self._clock.monotonic_s() - self._began_at_s
        if self._config & MODE_MASK == ONE_SHOT:
            due = int(ran_s >= active_s)
        else:
            cycle_s = max(CYCLES_S[self._config >> 7 & 0x7], active_s)
            due = int(ran_s >= active_s) + int(max(ran_s - active_s, 0.0) / cycle_s)
        if due <= self._ended:
            return
        self._ended, self._is_ready = due, True
        if self.fault is Fault.ERROR_FLAG:
            self._result = NO_DATA
        elif self.fault is not Fault.STUCK:
            at_s = self._clock.monotonic_s()
            value_c = self._temperature(at_s) + self._random.gauss(0.0, NOISE_C)
            raw = min(max(round(value_c / LSB_C), -0x8000), 0x7FFF)
            self._result = raw & 0xFFFF
        if self._config & MODE_MASK == ONE_SHOT:
            self._config = self._config & ~MODE_MASK | SHUTDOWN


def build(
    clock: Clock,
    temperature: Signal,
    seed: int,
    options: BaseModel | None = None,  # noqa: ARG001 - every TMP117 measures alike
) -> Tmp117Model:
    """Return a perfect TMP117 on a board of ``temperature``."""
    return Tmp117Model(clock, temperature, seed=seed)


MODEL = ChipModel(address=ADDRESS, build=build)
