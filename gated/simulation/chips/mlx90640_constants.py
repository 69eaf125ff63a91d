"""An MLX90640's constants from its EEPROM, pixel by pixel as datasheet 3901090640 § 11.1 has them.

Written apart from the driver's, in plain Python: each checks the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gated.simulation.chips.melexis_array import EEPROM, ChipConstants

ROWS, COLUMNS = 24, 32


@dataclass(frozen=True, slots=True)
class Constants:
    """What the EEPROM says; lists are by pixel, row after row."""

    chip: ChipConstants
    is_chess: bool
    offset: list[int]
    k_ta: list[float]
    k_v: list[float]
    alpha: list[float]
    il_chess: tuple[float, float, float]
    cp_offset: tuple[int, int]
    cp_alpha: tuple[float, float]
    cp_k_ta: float
    cp_k_v: float
    bad: list[int]


def constants_of(words: Sequence[int]) -> Constants:
    """Return what the 832 ``words`` say."""

    def bits(register: int, mask: int) -> int:
        value = words[register - EEPROM] & mask
        return value // (mask & -mask)

    def signed(register: int, mask: int) -> int:
        value, size = bits(register, mask), mask // (mask & -mask) + 1
        return value - size if value > size // 2 - 1 else value

    def nibble(first: int, n: int) -> int:
        return signed(first + n // 4, 0xF << 4 * (n % 4))

    step_c = bits(0x243F, 0x3000) * 10
    third_c = bits(0x243F, 0x00F0) * step_c
    to_scale = 2.0 ** (bits(0x243F, 0x000F) + 8)
    chip = ChipConstants(
        k_vdd=signed(0x2433, 0xFF00) * 2.0**5,
        vdd_25=(bits(0x2433, 0x00FF) - 256) * 2.0**5 - 2**13,
        kv_ptat=signed(0x2432, 0xFC00) / 2**12,
        kt_ptat=signed(0x2432, 0x03FF) / 2**3,
        v_ptat_25=signed(0x2431, 0xFFFF),
        alpha_ptat=bits(0x2410, 0xF000) / 2**2 + 8,
        gain=signed(0x2430, 0xFFFF),
        resolution=bits(0x2438, 0x3000),
        ks_ta=signed(0x243C, 0xFF00) / 2**13,
        tgc=signed(0x243C, 0x00FF) / 2**5,
        corners_c=(-40.0, 0.0, third_c, third_c + bits(0x243F, 0x0F00) * step_c),
        ks_to=(
            signed(0x243D, 0x00FF) / to_scale,
            signed(0x243D, 0xFF00) / to_scale,
            signed(0x243E, 0x00FF) / to_scale,
            signed(0x243E, 0xFF00) / to_scale,
        ),
    )
    cp_alpha = signed(0x2439, 0x03FF) / 2.0 ** (bits(0x2420, 0xF000) + 27)
    cp_offset = signed(0x243A, 0x03FF)
    k_ta_scale = 2.0 ** (bits(0x2438, 0x00F0) + 8)
    k_v_scale = 2.0 ** bits(0x2438, 0x0F00)
    offset, k_ta, k_v, alpha = [], [], [], []
    for pixel in range(ROWS * COLUMNS):
        i, j = divmod(pixel, COLUMNS)
        at = 0x2440 + pixel
        offset.append(
            signed(0x2411, 0xFFFF)
            + nibble(0x2412, i) * 2 ** bits(0x2410, 0x0F00)
            + nibble(0x2418, j) * 2 ** bits(0x2410, 0x00F0)
            + signed(at, 0xFC00) * 2 ** bits(0x2410, 0x000F)
        )
        counts = (
            bits(0x2421, 0xFFFF)
            + nibble(0x2422, i) * 2 ** bits(0x2420, 0x0F00)
            + nibble(0x2428, j) * 2 ** bits(0x2420, 0x00F0)
            + signed(at, 0x03F0) * 2 ** bits(0x2420, 0x000F)
        )
        alpha.append(counts / 2.0 ** (bits(0x2420, 0xF000) + 30))
        # Rows and columns are counted from 1 in the datasheet: pixel (0, 0) is odd, odd.
        mean = 0x2436 if j % 2 == 0 else 0x2437
        k_ta_mean = signed(mean, 0xFF00 if i % 2 == 0 else 0x00FF)
        k_ta_own = signed(at, 0x000E) * 2 ** bits(0x2438, 0x000F)
        k_ta.append((k_ta_mean + k_ta_own) / k_ta_scale)
        k_v_mask = {(0, 0): 0xF000, (1, 0): 0x0F00, (0, 1): 0x00F0, (1, 1): 0x000F}
        k_v.append(signed(0x2434, k_v_mask[i % 2, j % 2]) / k_v_scale)
    return Constants(
        chip=chip,
        is_chess=not bits(0x240A, 0x0800),
        offset=offset,
        k_ta=k_ta,
        k_v=k_v,
        alpha=alpha,
        il_chess=(
            signed(0x2435, 0x003F) / 2**4,
            signed(0x2435, 0x07C0) / 2,
            signed(0x2435, 0xF800) / 2**3,
        ),
        cp_offset=(cp_offset, cp_offset + signed(0x243A, 0xFC00)),
        cp_alpha=(cp_alpha, cp_alpha * (1 + signed(0x2439, 0xFC00) / 2**7)),
        cp_k_ta=signed(0x243B, 0x00FF) / k_ta_scale,
        cp_k_v=signed(0x243B, 0xFF00) / k_v_scale,
        bad=[p for p in range(ROWS * COLUMNS) if not words[64 + p] or words[64 + p] & 1],
    )


def pattern_of(pixel: int, *, is_chess: bool) -> int:
    """Return which subpage a pixel belongs to [10.5.1]."""
    i, j = divmod(pixel, COLUMNS)
    return (i + j) % 2 if is_chess else i % 2


def il_chess_counts(pixel: int, il_chess: tuple[float, float, float]) -> float:
    """Return what the other pattern shifts a pixel by [11.1.3, 11.2.2.5.4]."""
    i, j = divmod(pixel, COLUMNS)
    odd_row = i % 2
    conversion = (0, -1, 0, 1)[j % 4] * (1 - 2 * odd_row)
    return il_chess[2] * (2 * odd_row - 1) - il_chess[1] * conversion
