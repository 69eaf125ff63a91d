"""An MLX90640's conversion in plain Python, pixel by pixel: what the driver is checked against.

Melexis' CalculateTo (melexis/mlx90640-library at f6be7ca) without its rounding of constants, and
with the compensation pixel's sensitivity by subpage, as datasheet § 11.2.2.8 has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gated.simulation.chips.mlx90640_constants import (
    COLUMNS,
    ROWS,
    Constants,
    il_chess_counts,
    pattern_of,
)

ZERO_K = 273.15


def converted(
    own: Constants,
    ram: Sequence[int],
    number: int,
    control: int,
    emissivity: float = 1.0,
    reflected_c: float | None = None,
) -> dict[int, float]:
    """Return the temperatures in °C of the pixels of subpage ``number``; ``ram``: signed words."""
    chip = own.chip
    correction = 2.0**chip.resolution / 2.0 ** (control >> 10 & 3)
    vdd = (correction * ram[810] - chip.vdd_25) / chip.k_vdd + 3.3
    ptat_art = ram[800] / (ram[800] * chip.alpha_ptat + ram[768]) * 2.0**18
    ta = (ptat_art / (1 + chip.kv_ptat * (vdd - 3.3)) - chip.v_ptat_25) / chip.kt_ptat + 25
    tr = ta if reflected_c is None else reflected_c
    ta_r = (tr + ZERO_K) ** 4 - ((tr + ZERO_K) ** 4 - (ta + ZERO_K) ** 4) / emissivity
    gain = chip.gain / ram[778]
    is_chess = bool(control & 0x1000)
    is_other = is_chess != own.is_chess
    cp_offset = own.cp_offset[number] + (own.il_chess[0] if is_other and number else 0)
    cp = ram[(776, 808)[number]] * gain - cp_offset * (1 + own.cp_k_ta * (ta - 25)) * (
        1 + own.cp_k_v * (vdd - 3.3)
    )
    corners, ks_to = chip.corners_c, chip.ks_to
    factors = [1 / (1 + ks_to[0] * 40), 1.0, 1 + ks_to[1] * corners[2]]
    factors.append(factors[2] * (1 + ks_to[2] * (corners[3] - corners[2])))
    found = {}
    for pixel in range(ROWS * COLUMNS):
        if pattern_of(pixel, is_chess=is_chess) != number:
            continue
        v_ir = ram[pixel] * gain - own.offset[pixel] * (1 + own.k_ta[pixel] * (ta - 25)) * (
            1 + own.k_v[pixel] * (vdd - 3.3)
        )
        if is_other:
            v_ir += il_chess_counts(pixel, own.il_chess)
        v_ir = (v_ir - chip.tgc * cp) / emissivity
        alpha = own.alpha[pixel] - chip.tgc * own.cp_alpha[number]
        alpha *= 1 + chip.ks_ta * (ta - 25)
        try:
            s_x = math.sqrt(math.sqrt(alpha**3 * (v_ir + alpha * ta_r))) * ks_to[1]
            to = v_ir / (alpha * (1 - ks_to[1] * ZERO_K) + s_x) + ta_r
            to = math.sqrt(math.sqrt(to)) - ZERO_K
            at = sum(to >= corner for corner in corners[1:])
            to = v_ir / (alpha * factors[at] * (1 + ks_to[at] * (to - corners[at]))) + ta_r
            found[pixel] = math.sqrt(math.sqrt(to)) - ZERO_K
        except ValueError:
            found[pixel] = math.nan
    return found
