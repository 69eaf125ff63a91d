"""MLX90632 at register level: EEPROM, control, status, the measuring table and its raw words.

The raw words are Melexis' formulas the other way round, with the constants that the library's own
unit tests use.
"""

from __future__ import annotations

import random

from pydantic import BaseModel

from gated.clock import Clock
from gated.sensors.mlx90632 import Options
from gated.simulation.bus import ChipModel, Fault, NotAcknowledged, Signal
from gated.units import KELVIN_OFFSET_K

ADDRESS = 0x3A
CONTROL, COMMAND, STATUS, RAM = 0x3001, 0x3005, 0x3FFF, 0x4000
RAM_WORDS = 96
EEPROM, EEPROM_END = 0x2400, 0x2500
EEPROM_CONTROL = 0x24D4
RESET, UNLOCK = 0x0006, 0x554C
NEW_DATA, BROWN_OUT = 0x0001, 0x0100
CONTINUOUS = 0x0006
TYPE_MASK, TYPE_EXTENDED = 0x01F0, 0x0110
CHIP_ID = 0x0123_4567_89AB
VERSION_MEDICAL, VERSION_CONSUMER, VERSION_EXTENDED = 0x0105, 0x0205, 0x8505
FACTORY_RATE = 2  # of 0.5, 1, 2, 4 … Hz: the third
NOISE_C = 0.1  # at 2 Hz; assumed
REFERENCE_WORD = 23030
TABLES = {0x0000: (1, 2), TYPE_EXTENDED: (17, 18, 19)}
PACE_CELLS = {0x0000: 0x24E1, TYPE_EXTENDED: 0x24F1}
PACE_REST = {0x24E1: 0x800D, 0x24E2: 0x801D, 0x24F1: 0x8000, 0x24F2: 0x8000, 0x24F3: 0x8000}
CAUGHT_UP = 8  # measurements that the memory can still show

CONSTANTS = {  # address: value, its bits
    0x240C: (0x00587F5B, 32),
    0x240E: (0x04A10289, 32),
    0x2410: (0xFFF966F8, 32),
    0x2412: (0x00001E0F, 32),
    0x2424: (4859535, 32),
    0x2426: (5686508, 32),
    0x2428: (53855361, 32),
    0x242A: (42874149, 32),
    0x242C: (-14556410, 32),
    0x242E: (9728, 16),
    0x242F: (10752, 16),
    0x2481: (16384, 16),
    0x2482: (0, 16),
}


class Mlx90632Model:
    """One MLX90632 that looks at ``heat``.

    Args:
        clock: when it measures.
        heat: the temperature that its optics see.
        die: its own temperature.
        seed: of its noise.
        version: what its EEPROM says that it is.
        rate: the refresh rate in its EEPROM: 0.5 Hz · 2^rate.
        noise_c: of one reading at 2 Hz.
    """

    def __init__(
        self,
        clock: Clock,
        heat: Signal,
        *,
        die: Signal = lambda _: 25.0,
        seed: int,
        version: int = VERSION_MEDICAL,
        rate: int = FACTORY_RATE,
        noise_c: float = NOISE_C,
    ) -> None:
        self.fault: Fault | None = None
        self._clock = clock
        self._heat = heat
        self._die = die
        self._random = random.Random(seed)  # noqa: S311 - noise, seeded so that runs repeat
        self._noise_c = noise_c * 2 ** ((rate - FACTORY_RATE) / 2)
        self.eeprom = dict.fromkeys(range(EEPROM, EEPROM_END), 0x0000)
        for address, (value, bits) in CONSTANTS.items():
            for offset in range(bits // 16):
                self.eeprom[address + offset] = value >> 16 * offset & 0xFFFF
        for offset in range(3):
            self.eeprom[0x2405 + offset] = CHIP_ID >> 16 * offset & 0xFFFF
        self.eeprom[0x240B] = version
        self.eeprom[EEPROM_CONTROL] = CONTINUOUS
        for cell, rest in PACE_REST.items():
            self.eeprom[cell] = rest | rate << 8
        self.control = self.status = 0
        self._ram = [0] * RAM_WORDS
        self._started_at_s = 0.0
        self._done = 0
        self.restart()

    def restart(self) -> None:
        """Do what a reset, or a dip of the supply, does."""
        self.control = self.eeprom[EEPROM_CONTROL]
        self.status = 0
        self._ram = [0] * RAM_WORDS
        self._begin()

    def transfer(self, _address: int, written: bytes, count: int) -> bytes:
        if not written:  # goes on where it was; where it begins is published nowhere
            return (CHIP_ID.to_bytes(6) + b"\xff" * count)[:count]
        if len(written) < 2:  # noqa: PLR2004 - a register's address
            raise NotAcknowledged
        self._measure()
        if self.fault is Fault.ERROR_FLAG and self.status & BROWN_OUT:
            self.restart()
        address = int.from_bytes(written[:2])
        if count == 0:
            self._write(address, int.from_bytes(written[2:]))
            return b""
        return (self._word(address).to_bytes(2) + b"\xff" * count)[:count]

    def _word(self, address: int) -> int:
        if address in self.eeprom:
            return self.eeprom[address]
        if RAM <= address < RAM + RAM_WORDS:
            return self._ram[address - RAM] & 0xFFFF
        if address == CONTROL:
            return self.control
        if address == STATUS:
            return self.status
        raise NotAcknowledged

    def _write(self, address: int, word: int) -> None:
        if address == COMMAND and word == RESET:
            self.restart()
        elif address == CONTROL:
            self.control = word
            self._begin()
        elif address == STATUS:
            kept = ~(NEW_DATA | BROWN_OUT) & 0xFFFF
            self.status = self.status & kept | word & BROWN_OUT | self.status & word & NEW_DATA
        else:
            raise NotAcknowledged  # the EEPROM is locked, and stays so

    # --- measuring -----------------------------------------------------------------------------

    @property
    def _type(self) -> int:
        return self.control & TYPE_MASK

    @property
    def _period_s(self) -> float:
        return 2.0 / (1 << (self.eeprom[PACE_CELLS[self._type]] >> 8 & 0x7))

    def _begin(self) -> None:
        self._started_at_s = self._clock.monotonic_s()
        self._done = 0

    def _measure(self) -> None:
        """Do what has been measured since the last message."""
        if self.control & CONTINUOUS != CONTINUOUS or self._type not in TABLES:
            return
        table = TABLES[self._type]
        ran_s = self._clock.monotonic_s() - self._started_at_s
        due = int(ran_s / self._period_s + 1e-9)
        first = max(self._done, due - CAUGHT_UP)
        for number in range(first, due):
            if self.fault is Fault.HALTED:
                continue
            position = table[number % len(table)]
            if self.fault is not Fault.STUCK:
                self._fill(position, self._started_at_s + (number + 1) * self._period_s)
            self.status = self.status & ~0x007C | position << 2 | NEW_DATA
        self._done = max(self._done, due)

    def _fill(self, position: int, at_s: float) -> None:
        share = 0.5 if self._type == TYPE_EXTENDED else 1.0
        noise_c = self._random.gauss(0.0, self._noise_c * len(TABLES[self._type]) ** 0.5)
        new, raw = raw_words(self._heat(at_s) + noise_c, self._die(at_s), share)
        base = 3 * position
        upper = {17: raw / 4, 18: -raw / 4, 19: raw / 4}.get(position, raw)
        lower = {17: -raw / 4, 18: raw / 4, 19: raw / 4}.get(position, raw)
        self._ram[base : base + 2] = [_clipped(upper), _clipped(lower)]
        # Channel 3 is the die's in the odd place of a table, a fixed reference in the even one.
        self._ram[base + 2] = {1: new, 17: new, 2: REFERENCE_WORD, 18: REFERENCE_WORD}.get(
            position, 0
        )


def raw_words(heat_c: float, die_c: float, share: float = 1.0) -> tuple[int, float]:
    """Return (the die's word, the object's value) of a chip with ``CONSTANTS``.

    ``share``: of the constant Fa, in this range.
    """
    c = {address: value for address, (value, _) in CONSTANTS.items()}
    p_r, p_g, p_t = c[0x240C] / 2**8, c[0x240E] / 2**20, (c[0x2410] - 2**32) / 2**44
    slope = 1 / p_g
    above = (slope - (slope**2 - 4 * p_t * (c[0x2412] / 2**8 - die_c)) ** 0.5) / (-2 * p_t)
    amb = p_r + above
    gb, ka = c[0x242E] / 2**10, c[0x242F] / 2**10
    new = round(12 * amb * REFERENCE_WORD / (2**19 - amb * gb))
    amb = 2**19 * (new / 12) / (REFERENCE_WORD + gb * new / 12)
    dut_c = (amb - c[0x2426] / 2**8) / (c[0x2424] / 2**16) + 25
    gain = 1 + c[0x242C] / 2**36 * (heat_c - 25) + c[0x242A] / 2**36 * (dut_c - 25)
    alpha = share * c[0x2428] / 2**46 * gain
    obj = alpha * ((heat_c + KELVIN_OFFSET_K) ** 4 - (dut_c + KELVIN_OFFSET_K) ** 4)
    return new, obj * 12 * (REFERENCE_WORD + ka * new / 12) / 2**19


def _clipped(value: float) -> int:
    return min(max(round(value), -0x8000), 0x7FFF)


def build(
    clock: Clock, temperature: Signal, seed: int, options: BaseModel | None = None
) -> Mlx90632Model:
    """Return a perfect chip that looks at ``temperature``: a medical one, or as ``options`` say."""
    version, rate = VERSION_MEDICAL, FACTORY_RATE
    if isinstance(options, Options):
        version = VERSION_CONSUMER if options.variant == "consumer" else VERSION_MEDICAL
        version = VERSION_EXTENDED if options.mode == "extended" else version
        rate = (options.refresh_hz or 2).bit_length()
    return Mlx90632Model(clock, temperature, seed=seed, version=version, rate=rate)


MODEL = ChipModel(address=ADDRESS, build=build)
