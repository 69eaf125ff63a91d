"""Melexis MLX90640, a thermal array of 32 × 24 pixels (datasheet 3901090640 rev. 12, its § in []).

- I2C address 0x33, changeable in EEPROM [10.4]. **400 kHz is needed** and 1,000 kHz allowed: a RAM
  takes 37 ms at 400 kHz and 150 ms at 100 kHz, longer than a subpage lasts. Melexis reads the
  EEPROM at no more than 400 kHz (melexis/mlx90640-library#14). Alone on its bus: an MLX90614 beside
  it does not bear more than 100 kHz.
- Every 1/``refresh_hz`` one subpage is measured, each holding half of the pixels like the squares
  of a chess board [10.5.1]; a picture takes both, and each is converted with the supply, the die
  and the gain of its own moment.
- Optics: BAB 55° × 35° (a pixel sees 1.7°: 15 mm at 0.5 m), BAA 110° × 75° (3.4°).
- Accuracy ±1 to ±1.5 °C absolute and ±0.5 °C between pixels (typical, from memory of the figures
  in § 12): calibrate each specimen, better with a reference plate in view (``reference_box``).
- Noise 0.1 K per pixel at 1 Hz [1], taken to grow with the root of the pace: 0.4 K at 16 Hz.
- Up to 4 minutes until a cold chip is right [12.2.2]. Its die is some 8 °C warmer than the air.
- Decouple with 100 nF and 10 µF at its pins: without them pictures are striped.
- No checksum. What is checked each time: status, 0x7FFF where nothing has been measured, supply,
  gain and die within what a working chip has, and that no subpage was missed or overwritten.

Nothing is ever written to the EEPROM; emissivity is corrected in software for all sensors alike.
Broken and outlying pixels are NaN.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, Field

from gated.clock import Clock
from gated.errors import DeviceNotFound, SensorFault
from gated.sensors.bus import I2CBus
from gated.sensors.face_thermometer import ArrayOptions, ArrayView, FaceThermometer
from gated.sensors.melexis_array import (
    CHESS,
    IS_MLX90641,
    NOT_READY,
    WORD_ID,
    WORD_SELECT,
    ArrayPort,
    Conditions,
    Picture,
    Subpage,
    ThermalPicture,
    conditions,
    exchange_k4,
    object_c,
)
from gated.sensors.mlx90640_eeprom import COLUMNS, PIXELS, ROWS, Calibration, Half, parse
from gated.sensors.port import Pause, Thermometer, ThermometerDriver, narrow

RAM_WORDS = PIXELS + 64
AUX_VBE, AUX_CP, AUX_GAIN, AUX_PTAT, AUX_VDD = PIXELS, (PIXELS + 8, PIXELS + 40), 778, 800, 810
AUX_ALWAYS_SET = np.r_[0, 8:19, 20:23, 24:33, 40:51, 52:55, 56:64] + PIXELS
"""Auxiliary words that never hold 0x7FFF once they have been measured (ValidateAuxData)."""

FIELD_DEG = {"BAB": (35.0, 55.0), "BAA": (75.0, 110.0)}
NOISE_AT_1_HZ_C = 0.1


class Options(ArrayOptions):
    """The keys of an MLX90640 in the configuration."""

    optics: Annotated[
        Literal["BAB", "BAA"],
        Field(
            description="the last three letters of the order code: BAB sees 55° × 35°, BAA "
            "110° × 75°, too wide for a face beyond 0.28 m"
        ),
    ] = "BAB"
    refresh_hz: Annotated[
        Literal[8, 16, 32],
        Field(
            description="half pictures per second; 8 and 16 want a bus of 400 kHz, 32 one of "
            "1 MHz. 8 halves the work of the processor and answers half a second later"
        ),
    ] = 16

    def view(self) -> ArrayView:
        """Return how the chip looks at its scene."""
        return ArrayView(ROWS, COLUMNS, *FIELD_DEG[self.optics])


def measured_under(calibration: Calibration, subpage: Subpage) -> Conditions:
    """Return the chip's state in ``subpage``. Raises: SensorFault: it cannot be."""
    words = subpage.words
    lines = words[:PIXELS:COLUMNS][subpage.number :: 2]
    if (lines == NOT_READY).any() or (words[AUX_ALWAYS_SET] == NOT_READY).any():
        raise SensorFault("a subpage holds 0x7FFF: it has not been measured")
    return conditions(
        calibration.common,
        vdd=int(words[AUX_VDD]),
        ptat=int(words[AUX_PTAT]),
        vbe=int(words[AUX_VBE]),
        gain=int(words[AUX_GAIN]),
        control=subpage.control,
    )


def compensated(
    calibration: Calibration, subpage: Subpage, state: Conditions, emissivity: float = 1.0
) -> tuple[Half, Picture]:
    """Return a subpage's pixels and their V_IR [11.2.2.5–11.2.2.7]."""
    is_chess = bool(subpage.control & CHESS)
    half = calibration.halves[is_chess, subpage.number]
    above_c, above_v = state.above_nominal_c, state.above_nominal_v
    drift = (1 + half.k_ta * above_c) * (1 + half.k_v * above_v)
    v_ir = subpage.words[half.at] * state.gain - half.offset * drift + half.shift
    tgc = calibration.common.tgc
    if tgc:
        v_ir -= tgc * compensation_pixel(calibration, subpage, state)
    return half, v_ir / emissivity


def compensation_pixel(calibration: Calibration, subpage: Subpage, state: Conditions) -> float:
    """Return the V_IR of the pixel that sees nothing but the package [11.2.2.6]."""
    number = subpage.number
    offset: float = calibration.cp_offset[number]
    if number and bool(subpage.control & CHESS) != calibration.is_chess:
        offset += calibration.cp_shift
    drift = 1 + calibration.cp_k_ta * state.above_nominal_c
    drift *= 1 + calibration.cp_k_v * state.above_nominal_v
    return float(subpage.words[AUX_CP[number]]) * state.gain - offset * drift


def convert(
    calibration: Calibration,
    subpage: Subpage,
    *,
    emissivity: float = 1.0,
    reflected_c: float | None = None,
) -> tuple[Half, Picture, Conditions]:
    """Return a subpage's pixels, their temperatures in °C, and the chip's state.

    Args:
        calibration: of the chip.
        subpage: as read.
        emissivity: of the scene; the driver leaves it at 1.
        reflected_c: what the scene reflects; None: as warm as the die.

    Raises: SensorFault: the subpage is void.
    """
    state = measured_under(calibration, subpage)
    half, v_ir = compensated(calibration, subpage, state, emissivity)
    alpha = half.alpha * (1 + calibration.common.ks_ta * state.above_nominal_c)
    around_c = state.die_c if reflected_c is None else reflected_c
    exchange = exchange_k4(state.die_c, emissivity, around_c)
    return half, object_c(v_ir, alpha, exchange, calibration.common.ranges), state


class Mlx90640:
    """One MLX90640 on ``bus``, which the caller owns: pictures, nothing said of what they show."""

    def __init__(self, bus: I2CBus, options: Options, clock: Clock, pause: Pause) -> None:
        self._port = ArrayPort(bus, options.address, options.refresh_hz, RAM_WORDS, clock, pause)
        self._calibration: Calibration | None = None
        self._chip_id = ""

    @property
    def device(self) -> str:
        return self._port.device

    @property
    def chip_id(self) -> str:
        return self._chip_id

    def open(self) -> None:
        words = self._port.read_eeprom("MLX90640")
        if words[WORD_SELECT] & IS_MLX90641:
            raise self._port.not_found("an MLX90641 answers, not an MLX90640")
        try:
            calibration = parse(words)
        except ValueError as exc:
            raise self._port.not_found(str(exc)) from exc
        self._port.start(is_chess=calibration.is_chess, resolution=calibration.common.resolution)
        self._calibration = calibration
        self._chip_id = "".join(f"{word:04x}" for word in words[WORD_ID : WORD_ID + 3])

    def read_picture(self) -> ThermalPicture:
        """Return the next picture: both of its subpages were completed after the last one's.

        Raises: BusError, SensorFault: it is void. DeviceNotFound: the device is not open.
        """
        calibration = self._calibration
        if calibration is None:
            raise DeviceNotFound(f"{self.device} is not open", device=self.device)
        first = self._port.next_subpage()
        second = self._port.next_subpage()
        if first.number == second.number:
            raise self._port.fault(f"subpage {first.number} came twice: the other was missed")
        picture = np.full(PIXELS, np.nan)
        try:
            half, found_c, _ = convert(calibration, first)
            picture[half.at] = found_c
            half, found_c, state = convert(calibration, second)
            picture[half.at] = found_c
        except SensorFault as exc:
            raise self._port.fault(str(exc)) from exc
        picture[[*calibration.broken, *calibration.outliers]] = np.nan
        return ThermalPicture(
            picture_c=picture.reshape(ROWS, COLUMNS),
            die_c=state.die_c,
            supply_v=state.supply_v,
            taken_at=second.taken_at,
        )

    def close(self) -> None:
        self._calibration = None
        self._chip_id = ""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def make(bus: I2CBus, options: BaseModel, clock: Clock, pause: Pause) -> Thermometer:
    """Return the thermometer that ``options`` describes, not yet open."""
    wanted = narrow(options, Options)
    return FaceThermometer(
        Mlx90640(bus, wanted, clock, pause),
        wanted,
        wanted.view(),
        pixel_noise_c=NOISE_AT_1_HZ_C * wanted.refresh_hz**0.5,
    )


DRIVER = ThermometerDriver(options=Options, make=make, has_checksum=False)
