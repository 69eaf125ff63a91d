"""MLX90614 at register level: EEPROM, RAM, PEC, the STOP rule; lag, noise and 0.02 K steps.

Physics as measured and stated in the datasheet; facts in ``gated/sensors/mlx90614.py``. Assumed,
because nobody publishes them: how large the error of a warming package, of the first minutes and of
a bus that is never quiet are. ``Unit()`` has none of these; ``with_physics`` adds them.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

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
CELL_PWM = 0x02
CELL_EMISSIVITY = 0x04
CELL_CONFIG = 0x05
CELL_ADDRESS = 0x0E
CELL_ID = 0x1C
READ_FLAGS = 0xF0
FLAG_INITIALISED = 0x0010  # 0 while the chip starts
FLAG_EEPROM_DEAD = 0x0020
FULL_EMISSIVITY = 0xFFFF
PWM_FACTORY = 0x0201  # of a part ordered for SMBus: pulses off
CONFIG_FACTORY = 0x9FB4  # one zone, FIR 1024
CONFIG_DUAL_ZONE = 0x0040
LSB_K = 0.02
RAW_ERROR = 0x8000
RAW_MAX = 0x7FFF
SUPPLY_C_PER_V = 0.6
LAG_STEPS_PER_TAU = 6
FORGOTTEN_AFTER_TAU = 12
FIRST_DATA_S = 0.25  # after power-on

TAU_S = {"A": 0.03, "C": 0.04, "H": 0.15, "I": 0.15, "F": 0.30, "K": 0.60}
NOISE_C = {"A": 0.05, "C": 0.18, "H": 0.10, "I": 0.10, "F": 0.10, "K": 0.30}
NOMINAL_SUPPLY_V = {"A": 5.0, "B": 3.0, "D": 3.0}
SETTLE_S = {"A": 0.10, "C": 0.14, "H": 0.65, "I": 0.65, "F": 1.33, "K": 3.23}

GRADIENT_C_PER_C_PER_MIN = 0.3
"""Assumed: too hot by so much for each °C per minute that the package warms."""
GRADIENT_OVER_S = 20.0
"""Assumed: the time over which a package's own temperatures even out."""
WARM_UP_C = 0.7
WARM_UP_TAU_S = 300.0
"""Assumed: after power-on too cold by WARM_UP_C · e^(−t / WARM_UP_TAU_S)."""
FAST_POLL_C = {"A": 0.05, "C": 0.10, "H": 0.30, "I": 0.50, "F": 0.30, "K": 0.30}
"""Assumed: too hot by so much on a bus that is never quiet; narrow optics give the smaller signal,
so the clock that couples into it counts for more."""
QUIET_TOLERANCE_S = 1e-6


@dataclass(frozen=True, slots=True)
class Unit:
    """How one specimen, as it is built in, differs from the perfect chip."""

    variant: str = "DCI"
    offset_c: float = 0.0
    gain: float = 1.0  # about 0 °C
    supply_v: float | Signal | None = None  # None: nominal; a signal: as it wanders
    noise_c: float | None = None  # None: the variant's
    chip_id: int = 0x1234_5678_9ABC_DEF0
    gradient_c_per_c_per_min: float = 0.0
    warm_up_c: float = 0.0
    powered_at_s: float = -math.inf  # monotonic; −inf: long ago
    fast_poll_c: float = 0.0

    def nominal_v(self) -> float:
        """Return the supply that the variant is calibrated at."""
        return NOMINAL_SUPPLY_V[self.variant[0]]


def with_physics(unit: Unit) -> Unit:
    """Return ``unit`` with the errors that are assumed of a real one's package and bus."""
    return replace(
        unit,
        gradient_c_per_c_per_min=GRADIENT_C_PER_C_PER_MIN,
        warm_up_c=WARM_UP_C,
        fast_poll_c=FAST_POLL_C[unit.variant[2]],
    )


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
        self._settle_s = SETTLE_S[optics]
        self._shown_c: float | None = None  # behind the lag
        self._shown_at_s = 0.0
        self._last_raw: dict[int, int] = {}
        self._quiet_since_s = -math.inf
        self.flags = FLAG_INITIALISED
        self.eeprom = [0x0000] * EEPROM_CELLS
        self.eeprom[CELL_PWM] = PWM_FACTORY
        self.eeprom[CELL_EMISSIVITY] = FULL_EMISSIVITY
        self.eeprom[CELL_CONFIG] = CONFIG_FACTORY
        if unit.variant[1] == "B":
            self.eeprom[CELL_CONFIG] |= CONFIG_DUAL_ZONE
        self.eeprom[CELL_ADDRESS] = ADDRESS
        self.eeprom[CELL_ID:] = [unit.chip_id >> shift & 0xFFFF for shift in (48, 32, 16, 0)]

    def transfer(self, address: int, written: bytes, count: int) -> bytes:
        try:
            return self._transfer(address, written, count)
        finally:
            self.overhear()

    def overhear(self) -> None:
        """Note that the bus's clock has just run, whoever was meant."""
        self._quiet_since_s = self._clock.monotonic_s()

    def _transfer(self, address: int, written: bytes, count: int) -> bytes:
        if len(written) > 1:
            raise NotAcknowledged  # the drivers of this project never write to a chip
        if not written:
            return b"\xff" * count  # a STOP came between command and read: the chip is silent
        command = written[0]
        word = self._register(command).to_bytes(2, "little")
        answer = word + bytes((pec(bytes((address << 1, command, address << 1 | 1)) + word),))
        return (answer + b"\xff" * count)[:count]

    def _register(self, command: int) -> int:
        is_starting = self._clock.monotonic_s() < self._unit.powered_at_s + FIRST_DATA_S
        if command == READ_FLAGS:
            return self.flags & ~FLAG_INITIALISED if is_starting else self.flags
        if EEPROM <= command < EEPROM + EEPROM_CELLS:
            return self.eeprom[command - EEPROM]
        if command not in {RAM_DIE, RAM_OBJECT_1, RAM_OBJECT_2}:
            raise NotAcknowledged
        if is_starting:
            return 0x0000
        if self.fault in {Fault.STUCK, Fault.HALTED} and command in self._last_raw:
            return self._last_raw[command]
        raw = self._measure(command)
        self._last_raw[command] = raw
        return raw | RAW_ERROR if self.fault is Fault.ERROR_FLAG else raw

    def _measure(self, command: int) -> int:
        now_s = self._clock.monotonic_s()
        unit = self._unit
        supply_v = unit.supply_v(now_s) if callable(unit.supply_v) else unit.supply_v
        if command == RAM_DIE:
            value_c = self._die(now_s)
        else:
            value_c = self._divided_by_emissivity_c(self._lagged_c(now_s), now_s)
            value_c = value_c * unit.gain + unit.offset_c + self._physics_c(now_s)
            value_c += self._random.gauss(0.0, self._noise_c)
        value_c += SUPPLY_C_PER_V * ((supply_v or unit.nominal_v()) - unit.nominal_v())
        raw = round((value_c + KELVIN_OFFSET_K) / LSB_K)
        return min(max(raw, 0), RAW_MAX)

    def _divided_by_emissivity_c(self, seen_c: float, now_s: float) -> float:
        """Return what the chip makes of its thermopile's signal, which goes with To⁴ − Ta⁴."""
        if self.eeprom[CELL_EMISSIVITY] == FULL_EMISSIVITY:
            return seen_c
        emissivity = self.eeprom[CELL_EMISSIVITY] / FULL_EMISSIVITY
        die_k4 = (self._die(now_s) + KELVIN_OFFSET_K) ** 4
        shown_k4 = die_k4 + ((seen_c + KELVIN_OFFSET_K) ** 4 - die_k4) / emissivity
        return float(max(shown_k4, 0.0) ** 0.25) - KELVIN_OFFSET_K

    def _physics_c(self, now_s: float) -> float:
        """Return what the package's warming and the bus add to an object temperature."""
        unit, added_c = self._unit, 0.0
        if unit.gradient_c_per_c_per_min:
            rise_c = self._die(now_s) - self._die(now_s - GRADIENT_OVER_S)
            added_c += unit.gradient_c_per_c_per_min * rise_c / (GRADIENT_OVER_S / 60.0)
        if unit.warm_up_c:
            added_c -= unit.warm_up_c * math.exp((unit.powered_at_s - now_s) / WARM_UP_TAU_S)
        quiet_s = now_s - self._quiet_since_s
        if quiet_s < self._settle_s - QUIET_TOLERANCE_S:
            added_c += unit.fast_poll_c * (1 - quiet_s / self._settle_s)
        return added_c

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
