"""AMG8833 at register level: ten frames a second of 64 pixels, a thermistor, overflow flags."""

from __future__ import annotations

import math
import random

from pydantic import BaseModel

from gated.clock import Clock
from gated.simulation.bus import ChipModel, Fault, NotAcknowledged, Signal

ADDRESS = 0x69
REGISTERS = 0x100
POWER, RESET, FRAME_RATE, STATUS, STATUS_CLEAR = 0x00, 0x01, 0x02, 0x04, 0x05
THERMISTOR, PIXELS = 0x0E, 0x80
PIXEL_COUNT = 64
OVERFLOW_OF_A_PIXEL = 0x04
FRAME_S = 0.1
TALKS_AFTER_S = 0.05
NOISE_C = 0.16
PIXEL_STEPS_PER_C = 4
THERMISTOR_STEPS_PER_C = 16


class Amg8833Model:
    """One AMG8833 before a scene of one temperature, ``heat``.

    Args:
        clock: when its frames are.
        heat: the temperature that all its pixels see.
        die: its own temperature.
        seed: of its noise.
        powered_at_s: since when it has had power; −inf: for long.
    """

    def __init__(
        self,
        clock: Clock,
        heat: Signal,
        *,
        die: Signal = lambda _: 25.0,
        seed: int,
        powered_at_s: float = -math.inf,
    ) -> None:
        self.fault: Fault | None = None
        self._clock = clock
        self._heat = heat
        self._die = die
        self._random = random.Random(seed)  # noqa: S311 - noise, seeded so that runs repeat
        self._powered_at_s = powered_at_s
        self._frame = -1
        self.memory = bytearray(REGISTERS)

    def transfer(self, _address: int, written: bytes, count: int) -> bytes:
        if self._clock.monotonic_s() < self._powered_at_s + TALKS_AFTER_S or not written:
            raise NotAcknowledged
        self._expose()
        register, values = written[0], written[1:]
        for offset, value in enumerate(values):
            self._write(register + offset, value)
        return bytes(self.memory[(register + n) % REGISTERS] for n in range(count))

    def _write(self, register: int, value: int) -> None:
        if register == STATUS_CLEAR:
            self.memory[STATUS] &= ~value & 0xFF
        elif register in {POWER, FRAME_RATE}:
            self.memory[register] = value
        else:
            raise NotAcknowledged  # the driver of this project writes nothing else

    def _expose(self) -> None:
        """Take the newest frame, if it is a new one."""
        if self.fault is Fault.ERROR_FLAG:
            self.memory[STATUS] |= OVERFLOW_OF_A_PIXEL
        frame = math.floor(self._clock.monotonic_s() / FRAME_S + 1e-6)
        is_halted = self.fault in {Fault.STUCK, Fault.HALTED} or self.memory[POWER] != 0
        if frame == self._frame or (is_halted and self._frame >= 0):
            return
        self._frame = frame
        at_s = frame * FRAME_S
        for pixel in range(PIXEL_COUNT):
            seen_c = self._heat(at_s) + self._random.gauss(0.0, NOISE_C)
            raw = min(max(round(seen_c * PIXEL_STEPS_PER_C), -0x800), 0x7FF) & 0xFFF
            at = PIXELS + 2 * pixel
            self.memory[at : at + 2] = raw.to_bytes(2, "little")
        steps = round(self._die(at_s) * THERMISTOR_STEPS_PER_C)
        raw = min(abs(steps), 0x7FF) | (0x800 if steps < 0 else 0)
        self.memory[THERMISTOR : THERMISTOR + 2] = raw.to_bytes(2, "little")


def build(
    clock: Clock,
    temperature: Signal,
    seed: int,
    options: BaseModel | None = None,  # noqa: ARG001 - every AMG8833 sees alike
) -> Amg8833Model:
    """Return a perfect AMG8833 before a scene of ``temperature``."""
    return Amg8833Model(clock, temperature, seed=seed)


MODEL = ChipModel(address=ADDRESS, build=build)
