"""Makes a thermometer of a thermal array: each picture's face becomes one sample.

``object_c`` is the hottest small area of forehead and eyes, ``forehead_c`` that of the forehead
alone; of nobody it is the background. Nothing is smoothed: earlier pictures decide only **where**
in this one is looked (``gated.sensors.area`` says why), and somebody who was not there yet in the
picture before is not clear.

Its site is ``FOREHEAD_MAX``, although the eyes are searched too: the small area covers 30 mm at
0.5 m, six times the warm corner of an eye, so that the corner adds less than 0.1 °C. Reading it as
``HOTTEST`` would say 0.4 °C too little of everybody, the unsafe direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gated.errors import SensorFault
from gated.sensors.area import Box, FaceArea, Mask, Picture, PixelSize, Problem, find_face, grown
from gated.sensors.melexis_array import ThermalPicture
from gated.sensors.port import Device, TemperatureSample, Traits
from gated.vocabulary import Site

SETTLE_S = {8: 0.0625, 16: 0.015, 32: 0.008}
"""By subpages per second: what is left of one after it was read and searched, at 400 kHz, at 32 Hz
at 1 MHz. A read then waits for the next one, so that samples come at the pace of the pictures."""
NEWER_SHARE = 0.5
"""Of the newest picture in the one that the places are chosen in."""
FORGOTTEN_AFTER_S = 1.0
SAME_FACE_OVERLAP = 0.5
PLATE_MARGIN_PX = 2
MAX_DARK_SHARE = 0.5
OBJECT_LIMITS_C = (-40.0, 300.0)
AREA_SIDE_PX = 2

BoxKeys = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class ArrayView:
    """How an array looks at its scene."""

    rows: int
    columns: int
    height_deg: float
    width_deg: float

    @property
    def pixel(self) -> PixelSize:
        return PixelSize(self.height_deg / self.rows, self.width_deg / self.columns)

    def turned(self, turned_deg: int) -> ArrayView:
        """Return the same view with the chip turned."""
        if turned_deg % 180 == 0:
            return self
        return ArrayView(self.columns, self.rows, self.width_deg, self.height_deg)


class ArrayOptions(BaseModel):
    """The keys that every array has in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: Annotated[int, Field(ge=0x08, le=0x77, description="7-bit I2C address")] = 0x33
    refresh_hz: Annotated[
        Literal[8, 16, 32],
        Field(
            description="half pictures per second; 8 and 16 want a bus of 400 kHz, 32 one of "
            "1 MHz. More of them are noisier, and say no more in the same time"
        ),
    ] = 8
    turned_deg: Annotated[
        Literal[0, 90, 180, 270],
        Field(
            description="by how much the picture must be turned clockwise to stand upright: the "
            "forehead is looked for at the top of a head"
        ),
    ] = 0
    reference_box: Annotated[
        BoxKeys | None,
        Field(
            description="where a reference plate stands in the upright picture: its first row and "
            "column, its last row and column, counted from 0. Never taken for a face"
        ),
    ] = None

    def view(self) -> ArrayView:
        """Return how the chip looks at its scene, as it is soldered."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _check_box(self) -> Self:
        if self.reference_box is not None:
            view = self.view().turned(self.turned_deg)
            top, left, bottom, right = self.reference_box
            if not (0 <= top <= bottom < view.rows and 0 <= left <= right < view.columns):
                raise ValueError(
                    f"reference_box: rows 0–{view.rows - 1}, columns 0–{view.columns - 1}, "
                    "the first before the last"
                )
        return self


class ThermalArray(Device, Protocol):
    """A chip that takes pictures."""

    @property
    def device(self) -> str:
        """Which chip it is, for messages."""

    def read_picture(self) -> ThermalPicture:
        """Return a picture newer than the last one. Raises: as ``Thermometer.read``."""


class FaceThermometer:
    """A thermometer that looks for faces in the pictures of ``array``.

    Args:
        array: the chip.
        options: its keys in the configuration.
        view: how it looks at its scene, as it is soldered.
        pixel_noise_c: standard deviation of one pixel in one picture.
    """

    def __init__(
        self,
        array: ThermalArray,
        options: ArrayOptions,
        view: ArrayView,
        *,
        pixel_noise_c: float,
    ) -> None:
        self._array = array
        self._turns = -options.turned_deg // 90  # NumPy turns anticlockwise
        self._view = view.turned(options.turned_deg)
        pixel = self._view.pixel
        self._traits = Traits(
            fov_deg=AREA_SIDE_PX * max(pixel.row_deg, pixel.column_deg),
            settle_s=SETTLE_S[options.refresh_hz],
            noise_c=pixel_noise_c / AREA_SIDE_PX,
            supply_error_c=0.0,  # each picture is converted with its own supply
            site=Site.FOREHEAD_MAX,
        )
        self._plate = _box_of(options.reference_box)
        self._left_out = self._mask_of(self._plate)
        self._earlier_c: Picture | None = None
        self._earlier_at = 0.0
        self._earlier_box: Box | None = None

    @property
    def traits(self) -> Traits:
        return self._traits

    @property
    def chip_id(self) -> str:
        return self._array.chip_id

    def open(self) -> None:
        self._earlier_c = self._earlier_box = None
        self._array.open()

    def read(self) -> TemperatureSample:
        picture = self.read_picture()
        seen_c = picture.picture_c
        area = self._find(picture)
        reference_c = None
        if self._plate is not None:
            plate = self._plate
            reference = seen_c[plate.top : plate.bottom, plate.left : plate.right]
            reference = reference[np.isfinite(reference)]
            reference_c = float(reference.mean()) if reference.size else None
        return TemperatureSample(
            object_c=area.object_c,
            die_c=picture.die_c,
            taken_at=picture.taken_at,
            forehead_c=area.forehead_c,
            reference_c=reference_c,
            is_clear=area.is_clear,
        )

    def read_picture(self) -> ThermalPicture:
        """Return the next picture, upright. Raises: as ``read``."""
        picture = self._array.read_picture()
        upright_c = np.rot90(picture.picture_c, self._turns)
        if np.isnan(upright_c).mean() > MAX_DARK_SHARE:
            raise self._fault("most of the picture shows no possible temperature")
        return ThermalPicture(upright_c, picture.die_c, picture.supply_v, picture.taken_at)

    def close(self) -> None:
        self._array.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _find(self, picture: ThermalPicture) -> FaceArea:
        seen_c = picture.picture_c
        earlier_c = self._earlier_c
        if earlier_c is not None and picture.taken_at - self._earlier_at > FORGOTTEN_AFTER_S:
            earlier_c = None
        area = find_face(seen_c, self._view.pixel, chosen_in_c=earlier_c, left_out=self._left_out)
        low_c, high_c = OBJECT_LIMITS_C
        if not low_c <= area.object_c <= high_c:
            raise self._fault(f"impossible object of {area.object_c:.1f} °C")
        before, self._earlier_box = self._earlier_box, area.box
        if earlier_c is None:
            self._earlier_c = seen_c
        else:
            mixed_c = NEWER_SHARE * seen_c + (1 - NEWER_SHARE) * earlier_c
            self._earlier_c = np.where(np.isnan(mixed_c), seen_c, mixed_c)
        self._earlier_at = picture.taken_at
        if area.box is None:
            return area
        is_same = before is not None and area.box.overlap(before) >= SAME_FACE_OVERLAP
        return area if earlier_c is not None and is_same else area.with_problem(Problem.JUST_COME)

    def _fault(self, what: str) -> SensorFault:
        return SensorFault(f"{self._array.device}: {what}", device=self._array.device)

    def _mask_of(self, plate: Box | None) -> Mask | None:
        if plate is None:
            return None
        mask = np.zeros((self._view.rows, self._view.columns), dtype=bool)
        mask[plate.top : plate.bottom, plate.left : plate.right] = True
        return grown(mask, PLATE_MARGIN_PX)


def _box_of(keys: BoxKeys | None) -> Box | None:
    if keys is None:
        return None
    top, left, bottom, right = keys
    return Box(top, left, bottom + 1, right + 1)
