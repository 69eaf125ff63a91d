"""MLX90640 at register level: EEPROM of a real specimen, two subpages in one RAM, pace and noise.

Facts in ``gated/sensors/mlx90640.py``. Noise is 0.1 K at 1 Hz in the middle of the picture; nearer
to its corners the pixels are less sensitive, and so noisier.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from gated.clock import Clock
from gated.sensors.mlx90640 import Options
from gated.simulation.bus import ChipModel, Signal
from gated.simulation.chips.melexis_array import (
    ADDRESS,
    GAIN_SHARE,
    NOMINAL_C,
    NOT_READY,
    VBE,
    ArrayModel,
    Picture,
    Specimen,
    Unit,
    radiated,
)
from gated.simulation.chips.mlx90640_constants import (
    COLUMNS,
    ROWS,
    constants_of,
    il_chess_counts,
    pattern_of,
)
from gated.simulation.thermal_scene import Scene
from gated.units import KELVIN_OFFSET_K

PIXELS = ROWS * COLUMNS
AUX_WORDS = 64
AUX = slice(PIXELS, PIXELS + AUX_WORDS)
VBE_CELL, GAIN_CELL, PTAT_CELL, VDD_CELL = PIXELS, PIXELS + 10, PIXELS + 32, PIXELS + 42
CP_CELLS = (PIXELS + 8, PIXELS + 40)
NOISE_AT_1_HZ_C = 0.1
FIELD_DEG = {"BAB": (35.0, 55.0), "BAA": (75.0, 110.0)}


def example_eeprom() -> list[int]:
    """Return the words of the specimen that Melexis publishes."""
    text = Path(__file__).with_name("mlx90640_eeprom.txt").read_text(encoding="ascii")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return [int(word, 16) for line in lines for word in line.split()]


class Mlx90640Model(ArrayModel):
    """One MLX90640."""

    def __init__(
        self,
        clock: Clock,
        heat: Signal | Scene,
        *,
        unit: Unit | None = None,
        words: Sequence[int] | None = None,
        die: Signal = lambda _: 30.0,
        seed: int,
    ) -> None:
        words = example_eeprom() if words is None else words
        own = constants_of(words)
        specimen = Specimen(words, own.chip, ROWS, COLUMNS, PIXELS + AUX_WORDS)
        super().__init__(clock, heat, specimen, unit or Unit(*FIELD_DEG["BAB"]), seed=seed, die=die)
        self._own = own
        self._patterns = {
            is_chess: np.array([pattern_of(p, is_chess=is_chess) for p in range(PIXELS)])
            for is_chess in (False, True)
        }
        self._il_chess = np.array([il_chess_counts(p, own.il_chess) for p in range(PIXELS)])
        self._offset, self._alpha = np.array(own.offset, dtype=np.float64), np.array(own.alpha)
        self._k_ta, self._k_v = np.array(own.k_ta), np.array(own.k_v)
        counts_per_c = 4 * float(np.median(self._alpha)) * (NOMINAL_C + KELVIN_OFFSET_K) ** 3
        self._noise_at_1_hz = NOISE_AT_1_HZ_C * counts_per_c

    @property
    def _aux(self) -> slice:
        return AUX

    def _measure(self, number: int, picture_c: Picture, die_c: float, above_v: float) -> None:
        own, chip = self._own, self._constants
        above_c = die_c - NOMINAL_C
        is_other = self.is_chess != own.is_chess
        share = 1 + chip.ks_ta * above_c
        alpha = (self._alpha - chip.tgc * own.cp_alpha[number]) * share
        # The compensation pixel sees the package, which is as warm as the die: V_IR is 0.
        counts = alpha * radiated(picture_c.ravel(), die_c, chip)
        counts += self._offset * (1 + self._k_ta * above_c) * (1 + self._k_v * above_v)
        if is_other:
            counts -= self._il_chess
        noise = self._noise_at_1_hz * self.refresh_hz**0.5 * self._unit.noise_share
        counts += self._random.normal(0.0, noise, PIXELS) + self._settling_counts()
        at = self._patterns[self.is_chess] == number
        limits = np.iinfo(np.int16)
        shown = np.clip(np.rint(counts[at] * GAIN_SHARE), limits.min, limits.max)
        self.ram[:PIXELS][at] = shown.astype(np.int16)
        cp_drift = (1 + own.cp_k_ta * above_c) * (1 + own.cp_k_v * above_v)
        shift = own.il_chess[0] if is_other and number else 0.0
        self.ram[AUX][self.ram[AUX] == NOT_READY] = 0
        self.ram[CP_CELLS[number]] = round((own.cp_offset[number] + shift) * cp_drift * GAIN_SHARE)
        self.ram[GAIN_CELL] = round(chip.gain * GAIN_SHARE)
        self.ram[VBE_CELL] = VBE
        self.ram[VDD_CELL] = self._vdd_counts(above_v)
        self.ram[PTAT_CELL] = self._ptat_counts(die_c, above_v)


def build(
    clock: Clock, temperature: Signal | Scene, seed: int, options: BaseModel | None = None
) -> Mlx90640Model:
    """Return a chip with BAB optics, or what ``options`` name.

    ``temperature`` is the same all over the view, or a scene.
    """
    unit = Unit(*FIELD_DEG["BAB"])
    if isinstance(options, Options):
        unit = Unit(*FIELD_DEG[options.optics], turned_deg=options.turned_deg)
    return Mlx90640Model(clock, temperature, unit=unit, seed=seed)


MODEL = ChipModel(address=ADDRESS, build=build, sees_picture=True)
