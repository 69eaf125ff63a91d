"""What the models of MLX90640 and MLX90641 share: EEPROM, RAM, status, control, and their pace.

Written from the datasheets (3901090640 rev. 12, 3901090641 rev. 3), forwards: from the scene to the
counts in the RAM. A subpage is computed when it is first read, as of the moment it was measured.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gated.clock import Clock
from gated.simulation.bus import Fault, NotAcknowledged, Signal
from gated.simulation.thermal_scene import Scene
from gated.units import KELVIN_OFFSET_K

ADDRESS = 0x33
EEPROM = 0x2400
EEPROM_WORDS = 832
RAM = 0x0400
STATUS = 0x8000
CONTROL = 0x800D
CONTROL_CELL = 12
NEW_DATA = 0x0008
PACE_SHIFT = 7
RESOLUTION_SHIFT = 10
CHESS = 0x1000
NOT_READY = 0x7FFF
WRITE_BYTES = 4
REGISTER_BYTES = 2

NOMINAL_V = 3.3
NOMINAL_C = 25.0
PTAT_SCALE = 2.0**18
VBE = 19_500
PTAT_NOISE_LSB = 0.3
VDD_NOISE_LSB = 12.0
GAIN_SHARE = 1.013  # what the gain cell says, in parts of the EEPROM's
SETTLING_SUBPAGES = 4
SETTLING_COUNTS = 60.0
ON_TIME_S = 1e-9
"""A subpage that is due now is there, whatever the float's last bit says."""

Picture = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Unit:
    """How one specimen differs from the perfect chip, and how it is looked through."""

    height_deg: float
    width_deg: float
    turned_deg: int = 0  # clockwise, until its picture stands upright
    offset_c: float = 0.0
    pattern_c: float = 0.0  # standard deviation of the differences between its pixels
    noise_share: float = 1.0  # of the datasheet's
    supply_v: float = NOMINAL_V


@dataclass(frozen=True, slots=True)
class ChipConstants:
    """What the EEPROM says of the chip as a whole; names as in the datasheets."""

    k_vdd: float
    vdd_25: float
    kv_ptat: float
    kt_ptat: float
    v_ptat_25: float
    alpha_ptat: float
    gain: float
    resolution: int
    ks_ta: float
    tgc: float
    corners_c: tuple[float, ...]
    ks_to: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Specimen:
    """What one part carries: its EEPROM's words, and what they say."""

    words: Sequence[int]
    constants: ChipConstants
    rows: int
    columns: int
    ram_words: int


def radiated(picture_c: Picture, die_c: float, constants: ChipConstants) -> Picture:
    """Return V_IR over the sensitivity at 0 °C, for objects of ``picture_c`` [11.2.2.9]."""
    exchange_k4 = (picture_c + KELVIN_OFFSET_K) ** 4 - (die_c + KELVIN_OFFSET_K) ** 4
    corners, slopes = constants.corners_c, constants.ks_to
    growth = np.ones_like(picture_c)
    zero = corners.index(0.0)
    for n, corner_c in enumerate(corners):
        end_c = corners[n + 1] if n + 1 < len(corners) else math.inf
        if n < zero:
            within = (picture_c < end_c) & ((picture_c >= corner_c) | (n == 0))
        else:
            within = (picture_c >= corner_c) & (picture_c < end_c)
        factor = 1.0
        for m in range(zero, n):
            factor *= 1 + slopes[m] * (corners[m + 1] - corners[m])
        for m in range(n, zero):
            factor /= 1 + slopes[m] * (corners[m + 1] - corners[m])
        growth[within] = factor * (1 + slopes[n] * (picture_c[within] - corner_c))
    return np.asarray(exchange_k4 * growth)


class ArrayModel(ABC):
    """One chip.

    Args:
        clock: when messages come.
        heat: an even temperature over time, or a scene.
        specimen: its EEPROM.
        unit: how it differs from the perfect chip.
        seed: of its noise and its pixels' differences.
        die: the chip's own temperature.
    """

    def __init__(
        self,
        clock: Clock,
        heat: Signal | Scene,
        specimen: Specimen,
        unit: Unit,
        *,
        seed: int,
        die: Signal,
    ) -> None:
        self.fault: Fault | None = None
        self.eeprom = list(specimen.words)
        self.ram = np.full(specimen.ram_words, NOT_READY, dtype=np.int16)
        self._clock = clock
        self._heat = heat
        self._constants = specimen.constants
        self._unit = unit
        self._shape = (specimen.rows, specimen.columns)
        self._random = np.random.default_rng(seed)
        self._die = die
        self._pattern_c = self._random.normal(unit.offset_c, unit.pattern_c, self._shape)
        self._pointer = EEPROM
        self._set_control(self.eeprom[CONTROL_CELL])

    def transfer(self, _address: int, written: bytes, count: int) -> bytes:
        if len(written) not in {0, REGISTER_BYTES, WRITE_BYTES}:
            raise NotAcknowledged
        if written:
            self._pointer = int.from_bytes(written[:REGISTER_BYTES])
        if len(written) == WRITE_BYTES:
            self._write(self._pointer, int.from_bytes(written[REGISTER_BYTES:]))
        if not count:
            return b""
        words = (count + 1) // 2
        return self._read(self._pointer, words).astype(">u2").tobytes()[:count]

    @abstractmethod
    def _measure(self, number: int, picture_c: Picture, die_c: float, above_v: float) -> None:
        """Put subpage ``number`` into the RAM, its auxiliary words too."""

    @property
    @abstractmethod
    def _aux(self) -> slice:
        """Where in the RAM the auxiliary words are."""

    @property
    def refresh_hz(self) -> float:
        """How many subpages there are in a second."""
        return float(2.0 ** ((self._control >> PACE_SHIFT & 7) - 1))

    @property
    def is_chess(self) -> bool:
        return bool(self._control & CHESS)

    def _read(self, register: int, words: int) -> npt.NDArray[np.uint16]:
        if register in {STATUS, CONTROL}:
            value = self._status() if register == STATUS else self._control
            return np.array([value] + [0] * (words - 1), dtype=np.uint16)
        if register >= EEPROM:
            cells = self.eeprom[register - EEPROM :][:words]
        else:
            self._update_ram()
            ram = self.ram.copy()
            if self.fault is Fault.ERROR_FLAG:
                ram[self._aux] = NOT_READY
            cells = ram.view(np.uint16)[register - RAM :][:words].tolist()
        return np.array(cells + [0] * (words - len(cells)), dtype=np.uint16)

    def _write(self, register: int, value: int) -> None:
        if register == CONTROL:
            self._set_control(value)
        elif register == STATUS:
            if not value & NEW_DATA:
                self._told = self._completed()
        else:
            raise NotAcknowledged  # the drivers of this project write to no EEPROM

    def _set_control(self, value: int) -> None:
        self._control = value
        self._started_at = self._clock.monotonic_s()
        self._told = 0  # so many subpages have been asked for and cleared
        self._measured = 0  # so many stand in the RAM, or stood there

    def _completed(self) -> int:
        if self.fault is Fault.HALTED:
            return self._told
        running_s = self._clock.monotonic_s() - self._started_at
        return int((running_s + ON_TIME_S) * self.refresh_hz)

    def _status(self) -> int:
        completed = self._completed()
        number = (completed - 1) % 2 if completed else 0
        return number | (NEW_DATA if completed > self._told else 0)

    def _update_ram(self) -> None:
        if self.fault in {Fault.STUCK, Fault.HALTED}:
            return
        completed = self._completed()
        for nth in range(max(self._measured, completed - 2) + 1, completed + 1):
            at_s = self._started_at + nth / self.refresh_hz
            picture_c = self._seen_c(at_s) + self._pattern_c
            self._measured = nth
            above_v = self._unit.supply_v - NOMINAL_V
            self._measure((nth - 1) % 2, picture_c, self._die(at_s), above_v)

    def _seen_c(self, at_s: float) -> Picture:
        rows, columns = self._shape
        if not hasattr(self._heat, "picture"):
            return np.full(self._shape, self._heat(at_s))
        unit = self._unit
        size = (rows, columns, unit.height_deg, unit.width_deg)
        if unit.turned_deg % 180:
            size = (columns, rows, unit.width_deg, unit.height_deg)
        upright_c = self._heat.picture(at_s, *size)
        return np.ascontiguousarray(np.rot90(upright_c, unit.turned_deg // 90))

    def _settling_counts(self) -> float:
        """Return what the first pictures after a change of settings are wrong by."""
        return SETTLING_COUNTS if self._measured <= SETTLING_SUBPAGES else 0.0

    def _vdd_counts(self, above_v: float) -> int:
        constants = self._constants
        counts = constants.vdd_25 + constants.k_vdd * above_v
        counts += self._random.normal(0.0, VDD_NOISE_LSB * self._unit.noise_share)
        shift = constants.resolution - (self._control >> RESOLUTION_SHIFT & 3)
        return round(counts / 2.0**shift)

    def _ptat_counts(self, die_c: float, above_v: float) -> int:
        constants = self._constants
        v_ptat = constants.kt_ptat * (die_c - NOMINAL_C) + constants.v_ptat_25
        v_ptat *= 1 + constants.kv_ptat * above_v
        exact = VBE * v_ptat / (PTAT_SCALE - constants.alpha_ptat * v_ptat)
        return round(exact + self._random.normal(0.0, PTAT_NOISE_LSB * self._unit.noise_share))
