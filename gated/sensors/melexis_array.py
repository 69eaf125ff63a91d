"""What the MLX90640 and the MLX90641 share: registers, pace, supply, die and radiometry.

Facts from the datasheets 3901090640 rev. 12 and 3901090641 rev. 3 (their § in brackets, the same in
both), from Melexis' own C libraries (melexis/mlx90640-library, mlx90641-library) and its issues.

- Registers are 16 bits wide and have 16-bit addresses, high byte first both ways; reading goes on
  to the next address by itself, so that a whole RAM is one message of up to 1,664 bytes. Linux
  takes 8,192 bytes in one message; the Raspberry Pi's own adapters up to 65,535. Adapters with an
  8-bit length register (some FPGA cores and USB bridges: 255) cannot serve these chips.
- Status 0x8000: bit 3 is set by the chip when a subpage is complete, bits 2–0 say which. Writing
  0x0030 clears it. Control 0x800D: bits 9–7 pace, 11–10 ADC resolution, 12 chess pattern.
- RAM is overwritten without asking: what is read must be read within one subpage.
- No checksum protects anything on the wire.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gated.clock import Clock
from gated.errors import BusError, DeviceNotFound, SensorFault
from gated.sensors.bus import I2CBus
from gated.sensors.port import Pause
from gated.units import KELVIN_OFFSET_K, MonoSeconds

STATUS = 0x8000
CONTROL = 0x800D
EEPROM = 0x2400
RAM = 0x0400
EEPROM_WORDS = 832
BYTES_PER_WORD = 2

NEW_DATA = 0x0008
SUBPAGE = 0x0007
CLEAR_NEW_DATA = 0x0030
USES_SUBPAGES = 0x0001
SINGLE_STEPS = 0x000E  # step mode, data hold, one subpage for ever: none of them is wanted
CHESS = 0x1000
PACE_SHIFT, PACE_MASK = 7, 0x0380
RESOLUTION_SHIFT, RESOLUTION_MASK = 10, 0x0C00
PACE_CODES = {8: 4, 16: 5, 32: 6}  # subpages per second: 0 stands for 0.5, each step doubles

WORD_ID = 7  # 0x2407–0x2409
WORD_SELECT = 10  # 0x240A
IS_MLX90641 = 0x0040
NOT_READY = 0x7FFF
"""Stands in RAM where nothing has been measured yet, or is being written just now."""

NOMINAL_SUPPLY_V = 3.3
SUPPLY_LIMITS_V = (2.8, 3.8)  # specified for 3.0–3.6 V
NOMINAL_DIE_C = 25.0
DIE_LIMITS_C = (-40.0, 125.0)
PIXEL_LIMITS_C = (-70.0, 500.0)
"""Beyond these a number is none: the chips are specified for −40 … 300 °C."""
GAIN_LIMITS = (0.5, 2.0)
PTAT_SCALE = 2.0**18

POLL_S = 0.004
EARLY_S = 0.002
LATENESS_SHARE = 0.25
"""Of a period: so late there is still time to read a subpage before the next one comes."""
LATE_PERIODS, LATE_S = 1.6, 0.02
"""Far more than the chips' clocks are off: a subpage later than this does not come."""
SETTLING_SUBPAGES = 4
"""After a change of settings the first two pictures are wrong (melexis/mlx90640-library#114)."""

Picture = npt.NDArray[np.float64]
Words = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class ThermalPicture:
    """One picture as the chip says it, at emissivity 1."""

    picture_c: Picture  # rows × columns; NaN where a pixel is broken or shows nothing possible
    die_c: float
    supply_v: float
    taken_at: MonoSeconds  # when the last of it was read


@dataclass(frozen=True, slots=True)
class Subpage:
    """One reading of the RAM, right after the chip had completed subpage ``number``."""

    number: int
    words: Words
    control: int
    taken_at: MonoSeconds


@dataclass(frozen=True, slots=True)
class Ranges:
    """How the sensitivity goes with the object's temperature, range by range [11.2.2.9]."""

    corners_c: Picture  # where each range begins
    ks_to: Picture
    correction: Picture
    basic: int  # the range that begins at 0 °C

    @classmethod
    def of(cls, corners_c: list[float], ks_to: list[float]) -> Ranges:
        """Return the ranges that begin at ``corners_c``, one of which is 0 °C."""
        basic = corners_c.index(0.0)
        correction = [1.0] * len(corners_c)
        for r in range(basic + 1, len(corners_c)):
            growth = 1 + ks_to[r - 1] * (corners_c[r] - corners_c[r - 1])
            correction[r] = correction[r - 1] * growth
        for r in range(basic - 1, -1, -1):
            correction[r] = correction[r + 1] / (1 + ks_to[r] * (corners_c[r + 1] - corners_c[r]))
        return cls(np.array(corners_c), np.array(ks_to), np.array(correction), basic)


@dataclass(frozen=True, slots=True)
class Common:
    """What an EEPROM says of the chip as a whole; names as in the datasheets [11.1]."""

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
    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Conditions:
    """The chip's state while one subpage was measured."""

    supply_v: float
    die_c: float
    gain: float

    @property
    def above_nominal_v(self) -> float:
        return self.supply_v - NOMINAL_SUPPLY_V

    @property
    def above_nominal_c(self) -> float:
        return self.die_c - NOMINAL_DIE_C


def signed(value: int, bits: int) -> int:
    """Return the two's complement value of the low ``bits`` of ``value``."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def conditions(
    common: Common, *, vdd: int, ptat: int, vbe: int, gain: int, control: int
) -> Conditions:
    """Return the chip's state from its auxiliary words [11.2.2.1–11.2.2.4].

    Raises: SensorFault: no working chip is in such a state.
    """
    resolution = (control & RESOLUTION_MASK) >> RESOLUTION_SHIFT
    corrected = 2.0 ** (common.resolution - resolution) * vdd
    above_v = (corrected - common.vdd_25) / common.k_vdd
    divisor = ptat * common.alpha_ptat + vbe
    if not gain or not divisor:
        raise SensorFault("the chip's auxiliary words are empty")
    v_ptat = ptat / divisor * PTAT_SCALE
    above_c = (v_ptat / (1 + common.kv_ptat * above_v) - common.v_ptat_25) / common.kt_ptat
    state = Conditions(NOMINAL_SUPPLY_V + above_v, NOMINAL_DIE_C + above_c, common.gain / gain)
    for name, value, (low, high) in (
        ("supply of {:.2f} V", state.supply_v, SUPPLY_LIMITS_V),
        ("die of {:.1f} °C", state.die_c, DIE_LIMITS_C),
        ("gain of {:.2f}", state.gain, GAIN_LIMITS),
    ):
        if not low <= value <= high:
            raise SensorFault(f"impossible {name.format(value)}")
    return state


def exchange_k4(die_c: float, emissivity: float, reflected_c: float) -> float:
    """Return Ta−r in K⁴: what the pixel itself radiates, less what the object reflects."""
    die_k4 = (die_c + KELVIN_OFFSET_K) ** 4
    reflected_k4 = (reflected_c + KELVIN_OFFSET_K) ** 4
    return reflected_k4 - (reflected_k4 - die_k4) / emissivity


def basic_object_c(v_ir: Picture, alpha: Picture, exchange: float, ks_to: float) -> Picture:
    """Return To in °C as in the range that begins at 0 °C: exact there, near elsewhere."""
    bend = np.sqrt(np.sqrt(alpha**3 * (v_ir + alpha * exchange))) * ks_to
    slope = alpha * (1 - ks_to * KELVIN_OFFSET_K) + bend
    return np.asarray(np.sqrt(np.sqrt(v_ir / slope + exchange)) - KELVIN_OFFSET_K)


def object_c(v_ir: Picture, alpha: Picture, exchange: float, ranges: Ranges) -> Picture:
    """Return To in °C in whichever range it lies; NaN where there is none.

    Like Melexis' library the second step is taken in every range: at 80 °C it moves the datasheet's
    example by 0.06 °C, at a face by less than 0.001 °C.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        near_c = basic_object_c(v_ir, alpha, exchange, float(ranges.ks_to[ranges.basic]))
        at = np.searchsorted(ranges.corners_c[1:], near_c, side="right")
        at = np.minimum(at, ranges.corners_c.size - 1)  # NaN sorts last
        within = 1 + ranges.ks_to[at] * (near_c - ranges.corners_c[at])
        fourth = v_ir / (alpha * ranges.correction[at] * within) + exchange
        found_c = np.sqrt(np.sqrt(fourth)) - KELVIN_OFFSET_K
        low_c, high_c = PIXEL_LIMITS_C
        return np.where((found_c > low_c) & (found_c < high_c), found_c, np.nan)


class ArrayPort:
    """One chip's side of the wire: its EEPROM, its settings, and one subpage after the other.

    Args:
        bus: whose caller owns it.
        address: of the chip.
        refresh_hz: subpages per second that ``start`` sets.
        ram_words: how many words of RAM belong to a subpage.
        clock: for deadlines, and for when a subpage was read.
        pause: waits; may come back early when asked to stop.
    """

    def __init__(
        self,
        bus: I2CBus,
        address: int,
        refresh_hz: int,
        ram_words: int,
        clock: Clock,
        pause: Pause,
    ) -> None:
        self._bus = bus
        self._address = address
        self._refresh_hz = refresh_hz
        self._period_s = 1 / refresh_hz
        self._ram_words = ram_words
        self._clock = clock
        self._pause = pause
        self._control = 0
        self._due_at: float | None = None  # the next subpage; None: not known
        self.device = f"{bus.name}/0x{address:02X}"

    def read_eeprom(self, part: str) -> npt.NDArray[np.uint16]:
        """Return the EEPROM's words. Raises: DeviceNotFound: nobody or something else answers.

        It is read twice: a bit that flips here would falsify every picture until the next start.
        """
        try:
            words, again = (self._words(EEPROM, EEPROM_WORDS).view(np.uint16) for _ in range(2))
        except (BusError, SensorFault) as exc:
            raise DeviceNotFound(
                f"{self.device}: no {part} answers: check its wires and supply", device=self.device
            ) from exc
        identity = words[WORD_ID : WORD_ID + 3]
        if (identity == identity[0]).all() and identity[0] in {0x0000, 0xFFFF}:
            raise self.not_found(f"something answers, but not an {part}")
        if (words != again).any():
            raise self.not_found(
                "two readings of the EEPROM differ: at most 400 kHz, short wires, pull-ups"
            )
        return words

    def start(self, *, is_chess: bool, resolution: int) -> None:
        """Set mode and pace, and let the pictures pass that are wrong after a change of them.

        Raises: DeviceNotFound: the chip does not take the settings, or no subpage comes.
        """
        try:
            kept = self._word(CONTROL) & ~(
                PACE_MASK | RESOLUTION_MASK | CHESS | SINGLE_STEPS | USES_SUBPAGES
            )
            pace = PACE_CODES[self._refresh_hz] << PACE_SHIFT
            mode = CHESS if is_chess else 0
            wanted = kept | USES_SUBPAGES | pace | resolution << RESOLUTION_SHIFT | mode
            self._write(CONTROL, wanted)
            if self._word(CONTROL) != wanted:
                raise self.not_found("the chip does not take its settings")
            self._control = wanted
            self._due_at = None
            for _ in range(SETTLING_SUBPAGES):
                self._await_subpage()
                self._write(STATUS, CLEAR_NEW_DATA)
        except (BusError, SensorFault) as exc:
            raise self.not_found(f"the chip does not start: {exc}") from exc

    def next_subpage(self) -> Subpage:
        """Wait for the next subpage and return it. Raises: BusError, SensorFault: it is void."""
        due_at, self._due_at = self._due_at, None  # known again if all goes well
        number, came_at = self._await_subpage(due_at)
        self._write(STATUS, CLEAR_NEW_DATA)
        words = self._words(RAM, self._ram_words)
        taken_at = self._clock.monotonic_s()
        if self._status() & NEW_DATA:
            raise self.fault(
                f"a subpage was overwritten while it was read: this bus is too slow for "
                f"{self._refresh_hz} Hz (400 kHz or more is needed)"
            )
        self._due_at = came_at + self._period_s
        return Subpage(number, words, self._control, taken_at)

    def fault(self, what: str) -> SensorFault:
        """Return a SensorFault of this chip."""
        return SensorFault(f"{self.device}: {what}", device=self.device)

    def not_found(self, what: str) -> DeviceNotFound:
        """Return a DeviceNotFound of this chip."""
        return DeviceNotFound(f"{self.device}: {what}", device=self.device)

    def _await_subpage(self, due_at: float | None = None) -> tuple[int, float]:
        """Return which subpage is complete, and since about when."""
        now_s = self._clock.monotonic_s()
        early_at: float | None = None
        if due_at is None or now_s > due_at + self._period_s * LATENESS_SHARE:
            # Whatever waits there may be overwritten any moment: take the one after it.
            if self._status() & NEW_DATA:
                self._write(STATUS, CLEAR_NEW_DATA)
        else:
            early_at = due_at - EARLY_S
            if now_s < early_at:
                self._pause(early_at - now_s)
        limit_s = LATE_PERIODS * self._period_s + LATE_S
        for look in range(math.ceil(limit_s / POLL_S) + 1):
            status = self._status()
            if status & NEW_DATA:
                found_at = self._clock.monotonic_s()
                # There at the first look, it came somewhat before: look earlier the next time.
                is_early = look == 0 and early_at is not None
                return status & SUBPAGE, min(found_at, early_at or 0.0) if is_early else found_at
            self._pause(POLL_S)
        raise self.fault(f"no subpage within {limit_s:.2f} s")

    def _status(self) -> int:
        status = self._word(STATUS)
        if status & SUBPAGE > 1:
            raise self.fault(f"impossible status 0x{status:04X}")
        return status

    def _word(self, register: int) -> int:
        return int(self._words(register, 1)[0]) & 0xFFFF

    def _words(self, register: int, count: int) -> Words:
        asked = register.to_bytes(BYTES_PER_WORD)
        answer = self._bus.write_then_read(self._address, asked, BYTES_PER_WORD * count)
        if len(answer) != BYTES_PER_WORD * count:
            raise self.fault(f"{len(answer)} bytes instead of {BYTES_PER_WORD * count}")
        return np.frombuffer(answer, dtype=">i2").astype(np.int16)

    def _write(self, register: int, value: int) -> None:
        asked = register.to_bytes(BYTES_PER_WORD) + value.to_bytes(BYTES_PER_WORD)
        self._bus.write(self._address, asked)
