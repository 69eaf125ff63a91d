"""MLX90641 at register level: a Hamming-coded EEPROM, two whole pictures in turns, pace and noise.

Facts in ``gated/sensors/mlx90641.py``. The EEPROM is that of the datasheet's worked example, with
the same constants for every pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from gated.clock import Clock
from gated.sensors.mlx90641 import Options
from gated.simulation.bus import ChipModel, Signal
from gated.simulation.chips.melexis_array import (
    ADDRESS,
    EEPROM,
    GAIN_SHARE,
    NOMINAL_C,
    NOT_READY,
    VBE,
    ArrayModel,
    ChipConstants,
    Picture,
    Specimen,
    Unit,
    radiated,
)
from gated.simulation.thermal_scene import Scene
from gated.units import KELVIN_OFFSET_K

ROWS, COLUMNS = 12, 16
PIXELS = ROWS * COLUMNS
BAND = 32
AUX_WORDS = 64
AUX = slice(2 * PIXELS, 2 * PIXELS + AUX_WORDS)
VBE_CELL, GAIN_CELL, PTAT_CELL, VDD_CELL = (AUX.start + n for n in (0, 10, 32, 42))
CP_CELLS = (AUX.start + 8, AUX.start + 40)
NOISE_AT_1_HZ_C = 0.05
FIELD_DEG = {"BCB": (35.0, 55.0), "BCA": (75.0, 110.0)}

UNPROTECTED = 16
IDENTITY = (0x1B2C, 0x0A41, 0x6105)
SELECT_MLX90641 = 0x0040
CONTROL_DEFAULT = 0x0901
WORKED_EXAMPLE = """
0000 B7E8 D016 0000 0000 C2FD 1A43 CA9A 5164 018C 018C 018C 9CB1 956C A5CC 7DD1
6D7F 3CD4 27B8 19E6 F137 7814 2658 EF9E 917F F018 E156 4817 1C80 233E C826 CFFC
A009 BB53 F194 FC00 7814 ED22 ED22 ED22 ED22 ED22 80C8 ED22 4190 ED22 DA58 ED22
"""
"""0x2410–0x243F, from the datasheet's § 11.2."""
PIXEL_EXAMPLE = (0xF849, 0xFFFF, 0xB8C0, 0xD847)
"""Offset of subpage 0, sensitivity, K_Ta with K_V, offset of subpage 1: with right parity, as
paxswill/mlx9064x-rs (Apache-2.0) has corrected the last of them."""


def example_eeprom() -> list[int]:
    """Return the words of the datasheet's example, with an identity of our own."""
    head = [0] * UNPROTECTED
    head[7:10] = IDENTITY
    head[10] = SELECT_MLX90641
    head[12] = CONTROL_DEFAULT
    common = [int(word, 16) for word in WORKED_EXAMPLE.split()]
    return head + common + [word for word in PIXEL_EXAMPLE for _ in range(PIXELS)]


def encoded(data: int) -> int:
    """Return 11 bits with their five parity bits above them."""
    word = data
    for n, mask in enumerate((0x055B, 0x066D, 0x078E, 0x07F0)):
        word |= ((data & mask).bit_count() % 2) << (11 + n)
    return word | (word & 0x7FFF).bit_count() % 2 << 15


class Mlx90641Model(ArrayModel):
    """One MLX90641."""

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
        specimen = Specimen(words, chip_of(words), ROWS, COLUMNS, 2 * PIXELS + AUX_WORDS)
        super().__init__(clock, heat, specimen, unit or Unit(*FIELD_DEG["BCB"]), seed=seed, die=die)
        self._read_pixels(words)
        counts_per_c = 4 * float(np.median(self._alpha)) * (NOMINAL_C + KELVIN_OFFSET_K) ** 3
        self._noise_at_1_hz = NOISE_AT_1_HZ_C * counts_per_c

    def _read_pixels(self, words: Sequence[int]) -> None:
        """Take each pixel's constants from the EEPROM [11.1.6–11.1.11]."""

        def data(register: int) -> int:
            return words[register - EEPROM] & 0x7FF

        mean = _signed(32 * data(0x2411) + data(0x2412), 16)
        scale = 2 ** (data(0x2410) >> 5)
        self._offsets = [
            np.array([mean + _signed(data(at + p), 11) * scale for p in range(PIXELS)], dtype=float)
            for at in (0x2440, 0x2680)
        ]
        alpha = []
        for p in range(PIXELS):
            band = p // BAND
            both = data(0x2419 + band // 2)
            exponent = 20 + (both >> 5 if band % 2 == 0 else both & 31)
            alpha.append(data(0x2500 + p) / 2047 * data(0x241C + band) / 2.0**exponent)
        self._alpha = np.array(alpha)
        ta, v = data(0x2416), data(0x2418)
        drifts = [data(0x25C0 + p) for p in range(PIXELS)]
        ta_mean, v_mean = _signed(data(0x2415), 11), _signed(data(0x2417), 11)
        k_ta = [(_signed(d >> 5, 6) * 2 ** (ta & 31) + ta_mean) / 2 ** (ta >> 5) for d in drifts]
        k_v = [(_signed(d, 5) * 2 ** (v & 31) + v_mean) / 2 ** (v >> 5) for d in drifts]
        self._k_ta, self._k_v = np.array(k_ta), np.array(k_v)
        self._cp_offset = _signed(32 * data(0x242F) + data(0x2430), 16)
        self._cp_alpha = _signed(data(0x242D), 11) / 2.0 ** data(0x242E)
        self._cp_k_ta = _signed(data(0x2431), 6) / 2.0 ** (data(0x2431) >> 6)
        self._cp_k_v = _signed(data(0x2432), 6) / 2.0 ** (data(0x2432) >> 6)

    @property
    def _aux(self) -> slice:
        return AUX

    def _measure(self, number: int, picture_c: Picture, die_c: float, above_v: float) -> None:
        chip = self._constants
        above_c = die_c - NOMINAL_C
        alpha = (self._alpha - chip.tgc * self._cp_alpha) * (1 + chip.ks_ta * above_c)
        # The compensation pixel sees the package, which is as warm as the die: V_IR is 0.
        counts = alpha * radiated(picture_c.ravel(), die_c, chip)
        drift = (1 + self._k_ta * above_c) * (1 + self._k_v * above_v)
        counts += self._offsets[number] * drift
        noise = self._noise_at_1_hz * self.refresh_hz**0.5 * self._unit.noise_share
        counts += self._random.normal(0.0, noise, PIXELS) + self._settling_counts()
        limits = np.iinfo(np.int16)
        shown = np.clip(np.rint(counts * GAIN_SHARE), limits.min, limits.max).astype(np.int16)
        self.ram[: 2 * PIXELS].reshape(-1, 2, BAND)[:, number] = shown.reshape(-1, BAND)
        self.ram[AUX][self.ram[AUX] == NOT_READY] = 0
        cp_drift = (1 + self._cp_k_ta * above_c) * (1 + self._cp_k_v * above_v)
        for cell in CP_CELLS:
            self.ram[cell] = round(self._cp_offset * cp_drift * GAIN_SHARE)
        self.ram[GAIN_CELL] = round(chip.gain * GAIN_SHARE)
        self.ram[VBE_CELL] = VBE
        self.ram[VDD_CELL] = self._vdd_counts(above_v)
        self.ram[PTAT_CELL] = self._ptat_counts(die_c, above_v)


def chip_of(words: Sequence[int]) -> ChipConstants:
    """Return what the words say of the chip as a whole [11.1]."""

    def data(register: int) -> int:
        return words[register - EEPROM] & 0x7FF

    scale = 2.0 ** data(0x2434)
    slopes = (0x2435, 0x2436, 0x2437, 0x2438, 0x2439, 0x243B, 0x243D, 0x243F)
    return ChipConstants(
        k_vdd=_signed(data(0x2427), 11) * 2.0**5,
        vdd_25=_signed(data(0x2426), 11) * 2.0**5,
        kv_ptat=_signed(data(0x242B), 11) / 2**12,
        kt_ptat=_signed(data(0x242A), 11) / 2**3,
        v_ptat_25=32 * data(0x2428) + data(0x2429),
        alpha_ptat=data(0x242C) / 2**7,
        gain=32 * data(0x2424) + data(0x2425),
        resolution=data(0x2433) >> 9,
        ks_ta=_signed(data(0x2422), 11) / 2**15,
        tgc=_signed(data(0x2433), 9) / 2**6,
        corners_c=(-40.0, -20.0, 0.0, 80.0, 120.0, data(0x243A), data(0x243C), data(0x243E)),
        ks_to=tuple(_signed(data(register), 11) / scale for register in slopes),
    )


def _signed(value: int, bits: int) -> int:
    value %= 2**bits
    return value - 2**bits if value >= 2 ** (bits - 1) else value


def build(
    clock: Clock, temperature: Signal | Scene, seed: int, options: BaseModel | None = None
) -> Mlx90641Model:
    """Return a chip with BCB optics, or what ``options`` name.

    ``temperature`` is the same all over the view, or a scene.
    """
    unit = Unit(*FIELD_DEG["BCB"])
    if isinstance(options, Options):
        unit = Unit(*FIELD_DEG[options.optics], turned_deg=options.turned_deg)
    return Mlx90641Model(clock, temperature, unit=unit, seed=seed)


MODEL = ChipModel(address=ADDRESS, build=build, sees_picture=True)
