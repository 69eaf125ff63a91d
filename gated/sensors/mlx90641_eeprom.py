"""What the EEPROM of an MLX90641 says, behind its Hamming code (datasheet 3901090641, § 11.1).

From Melexis' own library, melexis/mlx90641-library at 227ecb8. It masks the compensation pixel's
K_Ta and K_V to five bits before it looks for a sign in the sixth; here six are taken, as the
datasheet's map has them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gated.sensors.melexis_array import Common, Picture, Ranges, signed

ROWS, COLUMNS = 12, 16
PIXELS = ROWS * COLUMNS
SUBPAGES = (0, 1)
MAX_BAD_PIXELS = 1

PROTECTED = 16  # the first words hold no calibration and no parity
DATA_BITS = 11
DATA = (1 << DATA_BITS) - 1
PARITY_MASKS = np.array([0x0D5B, 0x166D, 0x278E, 0x47F0, 0xFFFF], dtype=np.uint16)
"""Bits whose parity must be even, each mask with its own parity bit; the last is over the word."""
SINGLE_ERROR = 16
"""Set in the syndrome of every single error; without it, two bits are wrong."""
_FLIPPED_BIT = {16: 15, 24: 14, 20: 13, 18: 12, 17: 11, 31: 10, 30: 9, 29: 8, 28: 7, 27: 6, 26: 5}
_FLIPPED_BIT |= {25: 4, 23: 3, 22: 2, 21: 1, 19: 0}
_CORRECTION = np.zeros(32, dtype=np.uint16)
for _syndrome, _bit in _FLIPPED_BIT.items():
    _CORRECTION[_syndrome] = 1 << _bit

OFFSETS = (slice(64, 256), slice(640, 832))  # by subpage
ALPHAS = slice(256, 448)
DRIFTS = slice(448, 640)
BAND_PIXELS = 32  # share one scale of sensitivity
CORNERS_C = (-40.0, -20.0, 0.0, 80.0, 120.0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Everything an EEPROM holds, ready for use."""

    common: Common
    emissivity: float  # as stored; not used: it is corrected for all sensors alike
    offset: tuple[Picture, Picture]  # by subpage
    k_ta: Picture
    k_v: Picture
    alpha: Picture  # less what the compensation pixel has
    cp_offset: float
    cp_alpha: float
    cp_k_ta: float
    cp_k_v: float
    broken: tuple[int, ...]


def decoded(words: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Return the data bits of protected ``words``, single errors corrected.

    Raises: ValueError: a word has two wrong bits.
    """
    odd = words[:, None] & PARITY_MASKS
    for half in (8, 4, 2, 1):  # not bitwise_count: Debian 12 has NumPy 1.24
        odd ^= odd >> half
    odd &= 1
    syndromes = odd @ (1 << np.arange(PARITY_MASKS.size))
    beyond = np.flatnonzero((syndromes != 0) & (syndromes < SINGLE_ERROR))
    if beyond.size:
        raise ValueError(f"its EEPROM is damaged in {beyond.size} words, beyond its Hamming code")
    return np.asarray((words ^ _CORRECTION[syndromes]) & DATA, dtype=np.uint16)


def parse(words: npt.NDArray[np.uint16]) -> Calibration:
    """Return what the 832 ``words`` say. Raises: ValueError: no chip can have these."""
    ee = words.astype(np.int64)
    ee[PROTECTED:] = decoded(words[PROTECTED:])
    common = _common(ee)
    scale, mean = 1 << (int(ee[16]) >> 5), signed(_pair(ee, 17), 16)
    offset = [mean + _signed(ee[part], 11) * scale for part in OFFSETS]
    cp_alpha = signed(int(ee[45]), 11) / 2.0 ** int(ee[46])
    calibration = Calibration(
        common=common,
        emissivity=signed(int(ee[35]), 11) / 2**9,
        offset=(offset[0].astype(np.float64), offset[1].astype(np.float64)),
        k_ta=_drift(_signed(ee[DRIFTS] >> 5, 6), int(ee[21]), int(ee[22])),
        k_v=_drift(_signed(ee[DRIFTS], 5), int(ee[23]), int(ee[24])),
        alpha=_alpha(ee) - common.tgc * cp_alpha,
        cp_offset=float(signed(_pair(ee, 47), 16)),
        cp_alpha=cp_alpha,
        cp_k_ta=signed(int(ee[49]), 6) / 2.0 ** (int(ee[49]) >> 6),
        cp_k_v=signed(int(ee[50]), 6) / 2.0 ** (int(ee[50]) >> 6),
        broken=_broken(ee),
    )
    _check(calibration)
    return calibration


def _check(calibration: Calibration) -> None:
    common = calibration.common
    if not (common.k_vdd and common.kt_ptat and common.gain > 0):
        raise ValueError("its EEPROM holds no calibration")
    if len(calibration.broken) > MAX_BAD_PIXELS:
        raise ValueError(
            f"its EEPROM names {len(calibration.broken)} broken pixels, and a good part has one"
        )
    good = np.ones(PIXELS, dtype=bool)
    good[[*calibration.broken]] = False
    if (calibration.alpha[good] <= 0).any():
        raise ValueError("its EEPROM gives a pixel no sensitivity")


def _common(ee: npt.NDArray[np.int64]) -> Common:
    to_scale = 2.0 ** int(ee[52])
    ks_to = [signed(int(ee[at]), 11) / to_scale for at in (53, 54, 55, 56, 57, 59, 61, 63)]
    corners_c = [*CORNERS_C, *(float(ee[at]) for at in (58, 60, 62))]
    return Common(
        k_vdd=32.0 * signed(int(ee[39]), 11),
        vdd_25=32.0 * signed(int(ee[38]), 11),
        kv_ptat=signed(int(ee[43]), 11) / 4096,
        kt_ptat=signed(int(ee[42]), 11) / 8,
        v_ptat_25=float(signed(_pair(ee, 40), 16)),
        alpha_ptat=int(ee[44]) / 128,
        gain=float(signed(_pair(ee, 36), 16)),
        resolution=int(ee[51]) >> 9 & 3,
        ks_ta=signed(int(ee[34]), 11) / 32_768,
        tgc=signed(int(ee[51]), 9) / 64,
        ranges=Ranges.of(corners_c, ks_to),
    )


def _pair(ee: npt.NDArray[np.int64], at: int) -> int:
    """Return a value of 16 bits that stands in two words."""
    return 32 * int(ee[at]) + int(ee[at + 1])


def _drift(own: npt.NDArray[np.int64], mean: int, scales: int) -> Picture:
    counts = (own << (scales & 31)) + signed(mean, 11)
    return np.asarray(counts / 2.0 ** (scales >> 5))


def _alpha(ee: npt.NDArray[np.int64]) -> Picture:
    scales = np.array([(int(word) >> 5, int(word) & 31) for word in ee[25:28]]).ravel() + 20
    highest = ee[28:34] / 2.0**scales / DATA
    return np.asarray(ee[ALPHAS] * np.repeat(highest, BAND_PIXELS))


def _broken(ee: npt.NDArray[np.int64]) -> tuple[int, ...]:
    parts = (OFFSETS[0], ALPHAS, DRIFTS, OFFSETS[1])
    is_broken = np.logical_and.reduce([ee[part] == 0 for part in parts])
    return tuple(np.flatnonzero(is_broken).tolist())


def _signed(values: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.int64]:
    kept = values & ((1 << bits) - 1)
    return np.where(kept >> (bits - 1), kept - (1 << bits), kept)
