"""What the EEPROM of an MLX90640 says: each constant as in datasheet 3901090640 rev. 12, § 11.1.

Checked against Melexis' own library, melexis/mlx90640-library at f6be7ca. Where library and
datasheet differ (the library takes the mean of both compensation pixels' sensitivities, and rounds
each pixel's constants to 7 or 16 bits) this follows the datasheet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gated.sensors.melexis_array import Common, Picture, Ranges, signed

ROWS, COLUMNS = 24, 32
PIXELS = ROWS * COLUMNS
SUBPAGES = (0, 1)
MAX_BAD_PIXELS = 4  # broken and outliers together [9]

CALIBRATED_INTERLEAVED = 0x0800  # in word 10, 0x240A
OUTLIER = 0x0001
PIXEL_WORDS = slice(64, 64 + PIXELS)

_ROW = np.repeat(np.arange(ROWS), COLUMNS)
_COLUMN = np.tile(np.arange(COLUMNS), ROWS)
_INTERLEAVED = _ROW % 2
_CHESS = _INTERLEAVED ^ (_COLUMN % 2)
_PLACE = np.arange(PIXELS)
_CONVERSION = ((_PLACE + 2) // 4 - (_PLACE + 3) // 4 + (_PLACE + 1) // 4 - _PLACE // 4) * (
    1 - 2 * _INTERLEAVED
)
_QUARTER = 2 * (_ROW % 2) + _COLUMN % 2
"""Which of four constants holds: rows and columns odd or even."""


@dataclass(frozen=True, slots=True)
class Half:
    """The constants of the pixels that one subpage holds in one of the two patterns."""

    at: npt.NDArray[np.intp]  # their places in the RAM
    offset: Picture
    k_ta: Picture
    k_v: Picture
    alpha: Picture  # less what the compensation pixel has
    shift: Picture | float  # chess ↔ interleaved [11.1.3]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Everything an EEPROM holds, ready for use."""

    common: Common
    is_chess: bool  # the pattern that it was calibrated in
    halves: dict[tuple[bool, int], Half]  # by pattern and subpage
    cp_offset: tuple[int, int]
    cp_shift: float  # of the second one, in the other pattern
    cp_alpha: tuple[float, float]
    cp_k_ta: float
    cp_k_v: float
    offset: Picture
    k_ta: Picture
    k_v: Picture
    alpha: Picture
    broken: tuple[int, ...]
    outliers: tuple[int, ...]


def parse(words: npt.NDArray[np.uint16]) -> Calibration:
    """Return what the 832 ``words`` say. Raises: ValueError: no chip can have these."""
    ee = words.astype(np.int64)
    pixels = ee[PIXEL_WORDS]
    common = _common(ee)
    cp_alpha, cp_offset = _compensation_pixels(ee)
    scale = int(ee[56])
    kta_scale, kta_step, kv_scale = (scale >> 4 & 15) + 8, scale & 15, scale >> 8 & 15
    k_ta = (_kta_of_quarters(ee)[_QUARTER] + (_signed(pixels >> 1, 3) << kta_step)) / 2**kta_scale
    k_v = _kv_of_quarters(int(ee[52]))[_QUARTER] / 2**kv_scale
    offset, alpha = _offset(ee, pixels), _alpha(ee, pixels)
    shift = _signed(np.array([ee[53], ee[53] >> 6, ee[53] >> 11]), np.array([6, 5, 5]))
    il_chess = shift / np.array([16.0, 2.0, 8.0])
    is_chess = not ee[10] & CALIBRATED_INTERLEAVED
    conversion = il_chess[2] * (2 * _INTERLEAVED - 1) - il_chess[1] * _CONVERSION
    halves = {}
    for is_chess_now in (False, True):
        pattern = _CHESS if is_chess_now else _INTERLEAVED
        for number in SUBPAGES:
            at = np.flatnonzero(pattern == number)
            halves[is_chess_now, number] = Half(
                at=at,
                offset=offset[at],
                k_ta=k_ta[at],
                k_v=k_v[at],
                alpha=alpha[at] - common.tgc * cp_alpha[number],
                shift=0.0 if is_chess_now == is_chess else conversion[at],
            )
    calibration = Calibration(
        common=common,
        is_chess=is_chess,
        halves=halves,
        cp_offset=cp_offset,
        cp_shift=float(il_chess[0]),
        cp_alpha=cp_alpha,
        cp_k_ta=signed(int(ee[59]), 8) / 2**kta_scale,
        cp_k_v=signed(int(ee[59]) >> 8, 8) / 2**kv_scale,
        offset=offset,
        k_ta=k_ta,
        k_v=k_v,
        alpha=alpha,
        broken=tuple(np.flatnonzero(pixels == 0).tolist()),
        outliers=tuple(np.flatnonzero(pixels & OUTLIER).tolist()),
    )
    _check(calibration)
    return calibration


def _check(calibration: Calibration) -> None:
    common = calibration.common
    if not (common.k_vdd and common.kt_ptat and common.gain > 0):
        raise ValueError("its EEPROM holds no calibration")
    bad = len(calibration.broken) + len(calibration.outliers)
    if bad > MAX_BAD_PIXELS:
        raise ValueError(f"its EEPROM names {bad} bad pixels, and a good part has at most 4")
    good = np.ones(PIXELS, dtype=bool)
    good[[*calibration.broken, *calibration.outliers]] = False
    if (calibration.alpha[good] <= 0).any():
        raise ValueError("its EEPROM gives a pixel no sensitivity")


def _common(ee: npt.NDArray[np.int64]) -> Common:
    step_c = (int(ee[63]) >> 12 & 3) * 10
    third_c = (int(ee[63]) >> 4 & 15) * step_c
    fourth_c = third_c + (int(ee[63]) >> 8 & 15) * step_c
    scale = 2.0 ** ((int(ee[63]) & 15) + 8)
    ks_to = [signed(int(ee[word]) >> shift, 8) / scale for word, shift in _KS_TO]
    return Common(
        k_vdd=32.0 * signed(int(ee[51]) >> 8, 8),
        vdd_25=float((((int(ee[51]) & 0xFF) - 256) << 5) - 8192),
        kv_ptat=signed(int(ee[50]) >> 10, 6) / 4096,
        kt_ptat=signed(int(ee[50]), 10) / 8,
        v_ptat_25=float(signed(int(ee[49]), 16)),
        alpha_ptat=(int(ee[16]) >> 12) / 4 + 8.0,
        gain=float(signed(int(ee[48]), 16)),
        resolution=int(ee[56]) >> 12 & 3,
        ks_ta=signed(int(ee[60]) >> 8, 8) / 8192,
        tgc=signed(int(ee[60]), 8) / 32,
        ranges=Ranges.of([-40.0, 0.0, float(third_c), float(fourth_c)], ks_to),
    )


_KS_TO = ((61, 0), (61, 8), (62, 0), (62, 8))


def _compensation_pixels(
    ee: npt.NDArray[np.int64],
) -> tuple[tuple[float, float], tuple[int, int]]:
    first = signed(int(ee[57]), 10) / 2.0 ** ((int(ee[32]) >> 12) + 27)
    second = first * (1 + signed(int(ee[57]) >> 10, 6) / 128)
    offset = signed(int(ee[58]), 10)
    return (first, second), (offset, offset + signed(int(ee[58]) >> 10, 6))


def _offset(ee: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64]) -> Picture:
    scales = int(ee[16])
    return np.asarray(
        signed(int(ee[17]), 16)
        + (_nibbles(ee[18:24])[_ROW] << (scales >> 8 & 15))
        + (_nibbles(ee[24:32])[_COLUMN] << (scales >> 4 & 15))
        + (_signed(pixels >> 10, 6) << (scales & 15)),
        dtype=np.float64,
    )


def _alpha(ee: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64]) -> Picture:
    scales = int(ee[32])
    counts = (
        ee[33]
        + (_nibbles(ee[34:40])[_ROW] << (scales >> 8 & 15))
        + (_nibbles(ee[40:48])[_COLUMN] << (scales >> 4 & 15))
        + (_signed(pixels >> 4, 6) << (scales & 15))
    )
    return np.asarray(counts / 2.0 ** ((scales >> 12) + 30))


def _kta_of_quarters(ee: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the means of the four kinds of pixels: row and column odd, column even, …"""
    return _signed(np.array([ee[54] >> 8, ee[55] >> 8, ee[54], ee[55]]), 8)


def _kv_of_quarters(word: int) -> npt.NDArray[np.int64]:
    return _signed(np.array([word >> 12, word >> 4, word >> 8, word]), 4)


def _nibbles(words: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return four signed values from each word, the lowest first."""
    return _signed((words[:, None] >> np.array([0, 4, 8, 12])).ravel(), 4)


def _signed(
    values: npt.NDArray[np.int64], bits: int | npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    span = np.left_shift(1, bits)
    kept = values & (span - 1)
    return np.asarray(np.where(kept >= span >> 1, kept - span, kept))
