"""From an MLX90632's raw words to temperatures: Melexis' formulas with floats throughout. Pure.

Source: melexis/mlx90632-library (Apache-2.0), commit fea9b16, ``mlx90632.c`` and
``mlx90632_extended_meas.c``. The library passes its two signals through whole numbers on the way,
which costs up to 0.009 °C; here nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gated.errors import SensorFault
from gated.units import KELVIN_OFFSET_K

# Where the constants of one chip stand in its EEPROM: 32-bit ones with the lower word first.
P_R, P_G, P_T, P_O = 0x240C, 0x240E, 0x2410, 0x2412
EA, EB, FA, FB, GA = 0x2424, 0x2426, 0x2428, 0x242A, 0x242C
GB, KA, HA, HB = 0x242E, 0x242F, 0x2481, 0x2482
LONG_CONSTANTS = (P_R, P_G, P_T, P_O, EA, EB, FA, FB, GA)
SHORT_CONSTANTS = (GB, KA, HA, HB)
CONSTANT_WORDS = (
    *(address + half for address in LONG_CONSTANTS for half in (0, 1)),
    *SHORT_CONSTANTS,
)

WORD_BITS = 16
REFERENCE = 12.0
SIGNAL_SCALE = 2.0**19
START_C = 25.0  # of the iteration, and where the constants are centred
ITERATIONS = 5
EXTENDED_GAIN = 0.5  # of the constant Fa in the extended range


@dataclass(frozen=True, slots=True)
class Calibration:
    """One chip's constants, named as in the datasheet, scaled."""

    p_r: float
    p_g: float
    p_t: float
    p_o: float
    ea: float
    eb: float
    fa: float
    fb: float
    ga: float
    gb: float
    ka: float
    ha: float
    hb: float

    def for_extended_range(self) -> Calibration:
        """Return the same chip as its extended range wants it."""
        return replace(self, fa=self.fa * EXTENDED_GAIN)


def signed(word: int, bits: int = WORD_BITS) -> int:
    """Return a two's complement number of ``bits`` bits."""
    return word - (1 << bits) if word >> (bits - 1) else word


def decode_calibration(words: Mapping[int, int]) -> Calibration:
    """Return the constants that the EEPROM's ``words`` (by address) hold.

    Raises: SensorFault: no chip was ever calibrated so.
    """

    def long(address: int, power: int) -> float:
        value = words[address] | words[address + 1] << WORD_BITS
        return float(signed(value, 2 * WORD_BITS) * 2.0**-power)

    def short(address: int, power: int) -> float:
        return float(signed(words[address]) * 2.0**-power)

    calibration = Calibration(
        p_r=long(P_R, 8),
        p_g=long(P_G, 20),
        p_t=long(P_T, 44),
        p_o=long(P_O, 8),
        ea=long(EA, 16),
        eb=long(EB, 8),
        fa=long(FA, 46),
        fb=long(FB, 36),
        ga=long(GA, 36),
        gb=short(GB, 10),
        ka=short(KA, 10),
        ha=short(HA, 14),
        hb=short(HB, 10),
    )
    if not (calibration.p_g and calibration.ea and calibration.fa > 0 and calibration.ha > 0):
        raise SensorFault("its EEPROM holds no calibration")
    return calibration


def die_signal(new: float, old: float, calibration: Calibration) -> float:
    """Return AMB of the two raw words of the die. Raises: SensorFault: they are none."""
    return SIGNAL_SCALE * new / REFERENCE / _reference(new, old, calibration.gb)


def object_signal(raw: float, new: float, old: float, calibration: Calibration) -> float:
    """Return OBJ of a raw object value. Raises: SensorFault: the die's words are none."""
    return SIGNAL_SCALE * raw / REFERENCE / _reference(new, old, calibration.ka)


def _reference(new: float, old: float, weight: float) -> float:
    reference = old + weight * new / REFERENCE
    if reference == 0:
        raise SensorFault("no reference voltage (raw words of 0)")
    return reference


def die_c(amb: float, calibration: Calibration) -> float:
    """Return the die's temperature in °C."""
    above = amb - calibration.p_r
    return calibration.p_o + above / calibration.p_g + calibration.p_t * above**2


def object_c(
    obj: float,
    amb: float,
    calibration: Calibration,
    *,
    emissivity: float = 1.0,
    reflected_c: float | None = None,
) -> float:
    """Return the object's temperature in °C.

    Args:
        obj: OBJ.
        amb: AMB.
        calibration: the chip's, or its ``for_extended_range``.
        emissivity: of the object.
        reflected_c: of what it reflects; None: the same as the die.

    Raises: SensorFault: no object looks like that.
    """
    dut_c = (amb - calibration.eb) / calibration.ea + START_C
    surroundings_k4 = (dut_c + KELVIN_OFFSET_K) ** 4
    if reflected_c is not None:
        reflected_k4 = (reflected_c + KELVIN_OFFSET_K) ** 4
        surroundings_k4 = reflected_k4 - (reflected_k4 - surroundings_k4) / emissivity
    by_dut = calibration.fb * (dut_c - START_C)
    value_c = START_C
    for _ in range(ITERATIONS):
        drift = 1 + calibration.ga * (value_c - START_C) + by_dut
        own_k4 = obj / (emissivity * calibration.fa * calibration.ha * drift) + surroundings_k4
        if not own_k4 > 0:
            raise SensorFault("no object is that cold")
        value_c = own_k4**0.25 - KELVIN_OFFSET_K - calibration.hb
    return value_c
