"""Registers and settings of ST's VL53L1X, which no datasheet describes: ST's own software does.

Addresses, values and the order of writing are those of ST's "ultra lite driver" (STSW-IMG009,
API 3.5), as kept by rneurink/VL53L1X_ULD at 2aa23fb; the 91 bytes were compared one by one with
adafruit/Adafruit_CircuitPython_VL53L1X at 075ef3e, which agrees (older copies differ in 0x5F, which
the timing budget overwrites). ST offers that software under two licences, of which this one is
taken:

Copyright (c) 2017, STMicroelectronics - All Rights Reserved

Redistribution and use in source and binary forms, with or without modification, are permitted
provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of conditions
   and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions
   and the following disclaimer in the documentation and/or other materials provided with the
   distribution.
3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse
   or promote products derived from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR
IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR
CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER
IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF
THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

VHV_LOOP_BOUND = 0x0008
VHV_START = 0x000B
DEFAULTS_FROM = 0x002D
GPIO_POLARITY = 0x0030  # bit 4 clear: ready is 1
GPIO_STATUS = 0x0031  # bit 0: the interrupt line
PHASECAL_TIMEOUT = 0x004B
TIMEOUT_A = 0x005E  # 16 bits
VCSEL_PERIOD_A = 0x0060
TIMEOUT_B = 0x0061  # 16 bits
VCSEL_PERIOD_B = 0x0063
VALID_PHASE_HIGH = 0x0069
PERIOD = 0x006C  # 32 bits, in cycles of the chip's slow oscillator
WOI_SD0 = 0x0078  # 16 bits
INITIAL_PHASE_SD0 = 0x007A  # 16 bits
ROI_CENTRE = 0x007F
ROI_SIZE = 0x0080  # height − 1 and width − 1, four bits each
INTERRUPT_CLEAR = 0x0086
MODE_START = 0x0087  # 0x40: ranging, 0x00: stopped
RESULT = 0x0089  # 17 bytes: status … distance … signal
OSCILLATOR = 0x00DE  # 16 bits, ten of them
FIRMWARE_STATUS = 0x00E5  # 0 while it boots
MODEL_ID = 0x010F  # 16 bits, then the mask revision
ROI_CENTRE_OF_PART = 0x013E

RANGING, STOPPED = 0x40, 0x00
OSCILLATOR_MASK = 0x03FF
PERIOD_FACTOR = 1.075
"""Cycles for each ms and unit of OSCILLATOR; ST's own fudge."""

DEFAULTS = bytes.fromhex(
    # 0x2D: I2C and GPIO pads, interrupt: active high, for each new sample
    "00 00 00 01 02 00 02 08 00 08 10 01 01 00 00 00 00 FF 00 0F 00 00 00 00 00 20 0B 00 00 02 0A"
    # 0x4C
    "21 00 00 05 00 00 00 00 C8 00 00 38 FF 01 00 08 00 00 01 CC 0F 01 F1 0D 01 68 00 80 08 B8 00"
    # 0x6B: period, thresholds, window, ROI, sequence; stopped
    "00 00 00 0F 89 00 00 00 00 00 00 00 01 0F 0D 0E 0E 00 00 02 C7 FF 9B 00 00 00 01 00 00"
)

DISTANCE_MODES: Mapping[str, tuple[tuple[int, bytes], ...]] = MappingProxyType(
    {
        "short": (
            (PHASECAL_TIMEOUT, b"\x14"),
            (VCSEL_PERIOD_A, b"\x07"),
            (VCSEL_PERIOD_B, b"\x05"),
            (VALID_PHASE_HIGH, b"\x38"),
            (WOI_SD0, b"\x07\x05"),
            (INITIAL_PHASE_SD0, b"\x06\x06"),
        ),
        "long": (
            (PHASECAL_TIMEOUT, b"\x0a"),
            (VCSEL_PERIOD_A, b"\x0f"),
            (VCSEL_PERIOD_B, b"\x0d"),
            (VALID_PHASE_HIGH, b"\xb8"),
            (WOI_SD0, b"\x0f\x0d"),
            (INITIAL_PHASE_SD0, b"\x0e\x0e"),
        ),
    }
)

TIMEOUTS: Mapping[str, Mapping[int, tuple[int, int]]] = MappingProxyType(
    {  # by timing budget in ms: TIMEOUT_A, TIMEOUT_B
        "short": {
            15: (0x001D, 0x0027),
            20: (0x0051, 0x006E),
            33: (0x00D6, 0x006E),
            50: (0x01AE, 0x01E8),
            100: (0x02E1, 0x0388),
            200: (0x03E1, 0x0496),
        },
        "long": {
            20: (0x001E, 0x0022),
            33: (0x0060, 0x006E),
            50: (0x00AD, 0x00C6),
            100: (0x01CC, 0x01EA),
            200: (0x02D9, 0x02F8),
        },
    }
)

VALID = 9
NOTHING_THERE: Mapping[int, str] = MappingProxyType(
    {
        4: "signal too weak",
        5: "out of the range's bounds",
        6: "too uncertain (sigma)",
        7: "beyond the range (wrapped)",
        8: "closer than it can see",
        12: "below a threshold",
        13: "below the least range",
    }
)
"""What the range status's low five bits say when there is nothing, or nothing whose distance it can
tell."""
FAULTS: Mapping[int, str] = MappingProxyType(
    {
        1: "laser continuity test failed",
        2: "laser watchdog test failed",
        3: "no reference voltage",
        10: "arithmetic underflow",
        11: "arithmetic overflow",
        14: "too few reference cells",
        17: "reference cells failed",
        18: "the first sample of a series",
        19: "not checked for wrapping",
        22: "two targets merged",
    }
)
