"""SHT3x at register level: two-byte commands, measuring time, a CRC after each word."""

from __future__ import annotations

import random

from pydantic import BaseModel

from gated.clock import Clock
from gated.sensors.crc import sensirion_crc
from gated.simulation.bus import ChipModel, Fault, NotAcknowledged, Signal

ADDRESS = 0x44
MEASURE = bytes((0x24, 0x00))
READ_SERIAL_NUMBER = bytes((0x36, 0x82))
READ_STATUS = bytes((0xF3, 0x2D))
STATUS_AFTER_RESET = 0x8010
MEASURING_S = 0.0125  # typical; drivers must allow 15 ms
FULL_SCALE = 0xFFFF
NOISE_C = 0.04
NOISE_PERCENT = 0.1


class Sht3xModel:
    """One SHT3x in air of ``temperature`` and ``humidity``."""

    def __init__(
        self,
        clock: Clock,
        temperature: Signal,
        *,
        humidity: Signal = lambda _: 45.0,
        seed: int,
        serial: int = 0x0B5C_29E1,
    ) -> None:
        self.fault: Fault | None = None
        self._clock = clock
        self._temperature = temperature
        self._humidity = humidity
        self._serial = serial
        self._random = random.Random(seed)  # noqa: S311 - noise, seeded so that runs repeat
        self._answer = b""
        self._ready_at_s = 0.0

    def transfer(self, _address: int, written: bytes, count: int) -> bytes:
        if written:
            self._command(written)
        if not count:
            return b""
        answer, self._answer = self._answer, b""
        is_busy = self._clock.monotonic_s() < self._ready_at_s or self.fault is Fault.HALTED
        if not answer or is_busy:
            self._answer = answer
            raise NotAcknowledged
        return (answer + b"\xff" * count)[:count]

    def _command(self, written: bytes) -> None:
        now_s = self._clock.monotonic_s()
        if self._answer and now_s < self._ready_at_s:
            raise NotAcknowledged  # busy measuring
        self._ready_at_s = now_s
        if written == READ_SERIAL_NUMBER:
            self._answer = _with_crcs(self._serial >> 16, self._serial & FULL_SCALE)
        elif written == READ_STATUS:
            self._answer = _with_crcs(STATUS_AFTER_RESET)
        elif written == MEASURE:
            self._ready_at_s = now_s + MEASURING_S
            temperature_c = self._temperature(now_s) + self._random.gauss(0.0, NOISE_C)
            humidity_percent = self._humidity(now_s) + self._random.gauss(0.0, NOISE_PERCENT)
            self._answer = _with_crcs(
                _scaled(temperature_c, -45.0, 175.0), _scaled(humidity_percent, 0.0, 100.0)
            )
        else:
            raise NotAcknowledged


def _scaled(value: float, offset: float, span: float) -> int:
    return min(max(round((value - offset) / span * FULL_SCALE), 0), FULL_SCALE)


def _with_crcs(*words: int) -> bytes:
    parts = (word.to_bytes(2) for word in words)
    return b"".join(part + bytes((sensirion_crc(part),)) for part in parts)


def build(
    clock: Clock,
    temperature: Signal,
    seed: int,
    options: BaseModel | None = None,  # noqa: ARG001 - every SHT3x measures alike
) -> Sht3xModel:
    """Return a perfect SHT31 in air of ``temperature``."""
    return Sht3xModel(clock, temperature, seed=seed)


MODEL = ChipModel(address=ADDRESS, build=build)
