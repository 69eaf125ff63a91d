"""MLX90614 at register level: EEPROM, RAM, PEC, the STOP rule; lag, noise and 0.02 K steps.

Physics as measured and stated in the datasheet; facts in ``gated/sensors/mlx90614.py``.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from pydantic import BaseModel

from gated.clock import Clock
from gated.sensors.crc import pec
from gated.sensors.mlx90614 import Options
from gated.simulation.bus import ChipModel, Fault, NotAcknowledged, Signal
from gated.units import KELVIN_OFFSET_K

ADDRESS = 0x5A
RAM_RAW_1 = 0x04
RAM_DIE = 0x06
RAM_OBJECT_1 = 0x07
RAM_OBJECT_2 = 0x08
EEPROM = 0x20
EEPROM_CELLS = 0x20
CELL_EMISSIVITY = 0x04
CELL_ADDRESS = 0x0E
CELL_ID = 0x1C
LSB_K = 0.02
RAW_ERROR = 0x8000
RAW_MAX = 0x7FFF
SUPPLY_C_PER_V = 0.6
LAG_STEPS_PER_TAU = 6
FORGOTTEN_AFTER_TAU = 12

TAU_S = {"A": 0.03, "C": 0.04, "H": 0.15, "I": 0.15, "F": 0.30, "K": 0.60}
NOISE_C = {"A": 0.05, "C": 0.18, "H": 0.10, "I": 0.10, "F": 0.10, "K": 0.30}
NOMINAL_SUPPLY_V = {"A": 5.0, "B": 3.0, "D": 3.0}


@dataclass(frozen=True, slots=True)
class Unit:
    """How one specimen differs from the perfect chip."""

    variant: str = "DCI"
    offset_c: float = 0.0
    gain: float = 1.0  # about 0 °C
    supply_v: float | None = None  # None: nominal
    noise_c: float | None = None  # None: the variant's
    chip_id: int = 0x1234_5678_9ABC_DEF0


class Mlx90614Model:
    """One MLX90614.

    Args:
        clock: when reads happen.
        heat: the temperature that the optics see (see ``gated.simulation.optics``).
        die: the chip's own temperature.
        unit: this specimen.
        seed: of its noise.
    """

    def __init__(
        self, clock: Clock, heat: Signal, *, die: Signal = lambda _: 25.0, unit: Unit, seed: int
    ) -> None:
        self.fault: Fault | None = None
        self._clock = clock
        self._heat = heat
        self._die = die
        self._unit = unit
        self._random = random.Random(seed)  # noqa: S311 - noise, seeded so that runs repeat
        optics = unit.variant[2]
        self._tau_s = TAU_S[optics]
        self._noise_c = NOISE_C[optics] if unit.noise_c is None else unit.noise_c
        self._shown_c: float | None = None  # behind the lag
        self._shown_at_s = 0.0
        self._last_raw: dict[int, int] = {}
        self.eeprom = [0x0000] * EEPROM_CELLS
        self.eeprom[CELL_EMISSIVITY] = 0xFFFF
        self.eeprom[CELL_ADDRESS] = ADDRESS
        self.eeprom[CELL_ID:] = [unit.chip_id >> shift & 0xFFFF for shift in (48, 32, 16, 0)]

    def transfer(self, address: int, written: bytes, count: int) -> bytes:
        if len(written) > 1:
            raise NotAcknowledged  # the drivers of this project never write to a chip
        if not written:
            return b"\xff" * count  # a STOP came between command and read: the chip is silent
        command = written[0]
        word = self._register(command).to_bytes(2, "little")
        answer = word + bytes((pec(bytes((address << 1, command, address << 1 | 1)) + word),))
        return (answer + b"\xff" * count)[:count]

    def _register(self, command: int) -> int:
        if EEPROM <= command < EEPROM + EEPROM_CELLS:
            return self.eeprom[command - EEPROM]
        if command not in {RAM_DIE, RAM_OBJECT_1, RAM_OBJECT_2}:
            raise NotAcknowledged
        if self.fault is Fault.STUCK and command in self._last_raw:
            return self._last_raw[command]
        raw = self._measure(command)
        self._last_raw[command] = raw
        return raw | RAW_ERROR if self.fault is Fault.ERROR_FLAG else raw

    def _measure(self, command: int) -> int:
        now_s = self._clock.monotonic_s()
        unit = self._unit
        if command == RAM_DIE:
            value_c = self._die(now_s)
        else:
            value_c = self._lagged_c(now_s) * unit.gain + unit.offset_c
            value_c += self._random.gauss(0.0, self._noise_c)
        nominal_v = NOMINAL_SUPPLY_V[unit.variant[0]]
        value_c += SUPPLY_C_PER_V * ((unit.supply_v or nominal_v) - nominal_v)
        raw = round((value_c + KELVIN_OFFSET_K) / LSB_K)
        return min(max(raw, 0), RAW_MAX)

    def _lagged_c(self, now_s: float) -> float:
        """Return the temperature behind the first-order lag, carried on from the last read."""
        start_s = max(self._shown_at_s, now_s - FORGOTTEN_AFTER_TAU * self._tau_s)
        shown_c = self._heat(start_s) if self._shown_c is None else self._shown_c
        steps = math.ceil((now_s - start_s) / self._tau_s * LAG_STEPS_PER_TAU)
        if steps:
            step_s = (now_s - start_s) / steps
            share = 1 - math.exp(-step_s / self._tau_s)
            for step in range(1, steps + 1):
                shown_c += share * (self._heat(start_s + step * step_s) - shown_c)
        self._shown_c, self._shown_at_s = shown_c, now_s
        return shown_c


def build(
    clock: Clock, temperature: Signal, seed: int, options: BaseModel | None = None
) -> Mlx90614Model:
    """Return a perfect chip that looks at ``temperature``: a DCI, or what ``options`` name."""
    unit = Unit()
    if isinstance(options, Options):
        unit = Unit(variant=options.variant, supply_v=options.supply_v)
    return Mlx90614Model(clock, temperature, unit=unit, seed=seed)


MODEL = ChipModel(address=ADDRESS, build=build)
