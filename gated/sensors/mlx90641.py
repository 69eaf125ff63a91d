"""Melexis MLX90641, a thermal array of 16 × 12 pixels (datasheet 3901090641 rev. 3).

- I2C address 0x33. **400 kHz is needed** and 1,000 kHz allowed: a RAM takes 20 ms at 400 kHz. Alone
  on its bus, like the MLX90640.
- Every 1/``refresh_hz`` a subpage is complete, and each holds all pixels: a picture of its own.
- Optics: BCB 55° × 35° (a pixel sees 3.4°: 30 mm at 0.5 m), BCA 110° × 75° (6.9°). The small area
  of 2 × 2 pixels is a forehead alone up to 0.28 m (BCB) and 0.14 m (BCA): half as far as with an
  MLX90640, with half of its noise.
- Accuracy ±1 °C absolute (typical, from memory of the datasheet's figures): calibrate each
  specimen, better with a reference plate in view (``reference_box``).
- Noise 0.1 K per pixel at 4 Hz [1], taken to grow with the root of the pace: 0.14 K at 8 Hz.
- Up to 3 minutes until a cold chip is right [12.2.2].
- Each word of the EEPROM carries 11 bits behind a Hamming code: one wrong bit is corrected, two are
  refused. Pictures carry no checksum; the checks are those of the MLX90640.

Nothing is ever written to the EEPROM, and the emissivity in it is not used: it is corrected in
software for all sensors alike.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from gated.clock import Clock
from gated.errors import DeviceNotFound, SensorFault
from gated.sensors.bus import I2CBus
from gated.sensors.face_thermometer import ArrayOptions, ArrayView, FaceThermometer
from gated.sensors.melexis_array import (
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
from gated.sensors.mlx90641_eeprom import (
    BAND_PIXELS,
    COLUMNS,
    PIXELS,
    ROWS,
    SUBPAGES,
    Calibration,
    parse,
)
from gated.sensors.port import Pause, Thermometer, ThermometerDriver, narrow

AUX = 2 * PIXELS  # both subpages' pixels stand before it, in turns of 32
RAM_WORDS = AUX + 64
AUX_VBE, AUX_CP, AUX_GAIN, AUX_PTAT, AUX_VDD = (
    AUX,
    (AUX + 8, AUX + 40),
    AUX + 10,
    AUX + 32,
    AUX + 42,
)
AUX_USED = np.array([AUX_VBE, *AUX_CP, AUX_GAIN, AUX_PTAT, AUX_VDD])

FIELD_DEG = {"BCB": (35.0, 55.0), "BCA": (75.0, 110.0)}
NOISE_AT_1_HZ_C = 0.05


def _places(number: int) -> npt.NDArray[np.intp]:
    pixels = np.arange(PIXELS)
    return 2 * BAND_PIXELS * (pixels // BAND_PIXELS) + BAND_PIXELS * number + pixels % BAND_PIXELS


_AT = tuple(_places(number) for number in SUBPAGES)


class Options(ArrayOptions):
    """The keys of an MLX90641 in the configuration."""

    optics: Annotated[
        Literal["BCB", "BCA"],
        Field(
            description="the last three letters of the order code: BCB sees 55° × 35°, BCA "
            "110° × 75°, too wide for a face beyond 0.14 m"
        ),
    ] = "BCB"

    def view(self) -> ArrayView:
        """Return how the chip looks at its scene."""
        return ArrayView(ROWS, COLUMNS, *FIELD_DEG[self.optics])


def compensated(
    calibration: Calibration, subpage: Subpage, state: Conditions, emissivity: float = 1.0
) -> Picture:
    """Return the pixels' V_IR [11.2.2.5–11.2.2.7]."""
    above_c, above_v = state.above_nominal_c, state.above_nominal_v
    drift = (1 + calibration.k_ta * above_c) * (1 + calibration.k_v * above_v)
    raw = subpage.words[_AT[subpage.number]]
    v_ir = raw * state.gain - calibration.offset[subpage.number] * drift
    tgc = calibration.common.tgc
    if tgc:
        cp = float(subpage.words[AUX_CP[subpage.number]]) * state.gain
        cp_drift = (1 + calibration.cp_k_ta * above_c) * (1 + calibration.cp_k_v * above_v)
        v_ir -= tgc * (cp - calibration.cp_offset * cp_drift)
    return np.asarray(v_ir / emissivity)


def convert(
    calibration: Calibration,
    subpage: Subpage,
    *,
    emissivity: float = 1.0,
    reflected_c: float | None = None,
) -> tuple[Picture, Conditions]:
    """Return a subpage's temperatures in °C and the chip's state.

    Args:
        calibration: of the chip.
        subpage: as read.
        emissivity: of the scene; the driver leaves it at 1.
        reflected_c: what the scene reflects; None: as warm as the die.

    Raises: SensorFault: the subpage is void.
    """
    words = subpage.words
    if (words[AUX_USED] == NOT_READY).any() or words[_AT[subpage.number][0]] == NOT_READY:
        raise SensorFault("a subpage holds 0x7FFF: it has not been measured")
    state = conditions(
        calibration.common,
        vdd=int(words[AUX_VDD]),
        ptat=int(words[AUX_PTAT]),
        vbe=int(words[AUX_VBE]),
        gain=int(words[AUX_GAIN]),
        control=subpage.control,
    )
    v_ir = compensated(calibration, subpage, state, emissivity)
    alpha = calibration.alpha * (1 + calibration.common.ks_ta * state.above_nominal_c)
    around_c = state.die_c if reflected_c is None else reflected_c
    exchange = exchange_k4(state.die_c, emissivity, around_c)
    return object_c(v_ir, alpha, exchange, calibration.common.ranges), state


class Mlx90641:
    """One MLX90641 on ``bus``, which the caller owns: pictures, nothing said of what they show."""

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
        words = self._port.read_eeprom("MLX90641")
        if not words[WORD_SELECT] & IS_MLX90641:
            raise self._port.not_found("an MLX90640 answers, not an MLX90641")
        try:
            calibration = parse(words)
        except ValueError as exc:
            raise self._port.not_found(str(exc)) from exc
        self._port.start(is_chess=False, resolution=calibration.common.resolution)
        self._calibration = calibration
        self._chip_id = "".join(f"{word:04x}" for word in words[WORD_ID : WORD_ID + 3])

    def read_picture(self) -> ThermalPicture:
        """Return the next picture: it was completed after the last one.

        Raises: BusError, SensorFault: it is void. DeviceNotFound: the device is not open.
        """
        calibration = self._calibration
        if calibration is None:
            raise DeviceNotFound(f"{self.device} is not open", device=self.device)
        subpage = self._port.next_subpage()
        try:
            picture_c, state = convert(calibration, subpage)
        except SensorFault as exc:
            raise self._port.fault(str(exc)) from exc
        picture_c[[*calibration.broken]] = np.nan
        return ThermalPicture(
            picture_c=picture_c.reshape(ROWS, COLUMNS),
            die_c=state.die_c,
            supply_v=state.supply_v,
            taken_at=subpage.taken_at,
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
        Mlx90641(bus, wanted, clock, pause),
        wanted,
        wanted.view(),
        pixel_noise_c=NOISE_AT_1_HZ_C * wanted.refresh_hz**0.5,
    )


DRIVER = ThermometerDriver(options=Options, make=make, has_checksum=False)
