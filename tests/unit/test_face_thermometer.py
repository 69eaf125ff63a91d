"""What makes a thermometer of an array: turning, the plate, the picture before, and its traits."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pytest

from gated.errors import SensorFault
from gated.optics import reach_m
from gated.sensors.area import Picture
from gated.sensors.face_thermometer import ArrayOptions, ArrayView, FaceThermometer
from gated.sensors.melexis_array import ThermalPicture
from gated.sensors.mlx90640 import Options
from gated.simulation.thermal_scene import Lens, plate
from gated.units import MonoSeconds
from gated.vocabulary import Site
from tests.array_rig import ArrayRig, seen, somebody

SKIN_SEEN_C = 34.26
VIEW = ArrayView(24, 32, 35.0, 55.0)


@dataclass
class Album:
    """An array that shows one prepared picture after the other, four a second."""

    pictures: list[Picture]
    device: str = "album"
    chip_id: str = ""
    at_s: float = 0.0
    gaps_s: list[float] = field(default_factory=list)

    def open(self) -> None:
        self.chip_id = "a1b"

    def close(self) -> None:
        self.chip_id = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Nothing to let go of."""

    def read_picture(self) -> ThermalPicture:
        self.at_s += self.gaps_s.pop(0) if self.gaps_s else 0.25
        return ThermalPicture(self.pictures.pop(0), 30.0, 3.3, MonoSeconds(self.at_s))


def over(*pictures: Picture, options: ArrayOptions | None = None) -> FaceThermometer:
    thermometer = FaceThermometer(
        Album(list(pictures)), options or Options(), VIEW, pixel_noise_c=0.28
    )
    thermometer.open()
    return thermometer


def test_its_spot_is_a_small_area_and_its_reach_follows() -> None:
    traits = over().traits
    assert traits.fov_deg == pytest.approx(3.44, abs=0.005)
    assert reach_m(traits.fov_deg) == pytest.approx(0.56, abs=0.005)
    assert traits.noise_c == pytest.approx(0.14)
    assert traits.site is Site.FOREHEAD_MAX
    assert not traits.is_presence_only


def test_whoever_was_not_there_in_the_picture_before_is_not_clear() -> None:
    face_c, empty_c = seen(somebody(0.4)), seen()
    thermometer = over(face_c, face_c, empty_c, face_c, face_c)
    clear = [thermometer.read().is_clear for _ in range(5)]
    assert clear == [False, True, False, False, True]


def test_whoever_jumps_aside_is_not_clear_for_a_picture() -> None:
    here_c, there_c = seen(somebody(0.45, aside_m=-0.1)), seen(somebody(0.45, aside_m=0.1))
    thermometer = over(here_c, here_c, there_c, there_c)
    assert [thermometer.read().is_clear for _ in range(4)] == [False, True, False, True]


def test_after_a_gap_the_picture_before_counts_no_more() -> None:
    face_c = seen(somebody(0.4))
    thermometer = over(face_c, face_c, face_c)
    array = thermometer._array
    assert isinstance(array, Album)
    array.gaps_s = [0.25, 1.5, 0.25]
    assert [thermometer.read().is_clear for _ in range(3)] == [False, False, True]


def test_opening_again_forgets_the_picture_before() -> None:
    face_c = seen(somebody(0.4))
    thermometer = over(face_c, face_c, face_c)
    thermometer.read()
    assert thermometer.read().is_clear
    thermometer.close()
    assert thermometer.chip_id == ""
    thermometer.open()
    assert not thermometer.read().is_clear


def test_nothing_of_an_earlier_picture_is_in_the_value() -> None:
    warm_c = seen(somebody(0.4, forehead_c=39.0))
    cool_c = seen(somebody(0.4, forehead_c=34.5))
    thermometer = over(warm_c, warm_c, warm_c, cool_c)
    for _ in range(3):
        assert thermometer.read().object_c == pytest.approx(38.68, abs=0.03)
    assert thermometer.read().object_c == pytest.approx(SKIN_SEEN_C, abs=0.03)


def test_a_pixel_that_was_dark_before_is_taken_from_this_picture() -> None:
    face_c = seen(somebody(0.4))
    dark_c = face_c.copy()
    dark_c[5:16, 8:20] = np.nan
    thermometer = over(dark_c, face_c, face_c)
    thermometer.read()
    thermometer.read()
    assert thermometer.read().object_c == pytest.approx(SKIN_SEEN_C, abs=0.03)


@pytest.mark.parametrize("turned_deg", [0, 90, 180, 270])
def test_however_it_is_mounted_the_head_is_upright(turned_deg: int) -> None:
    options = Options.model_validate({"turned_deg": turned_deg})
    rig = ArrayRig(somebody(0.5, above_m=0.02), options=options, noise_share=0.0)
    with rig.thermometer:
        picture_c = rig.thermometer.read_picture().picture_c
        sample = rig.samples(2)[-1]
    lens = Lens(24, 32, 35.0, 55.0) if turned_deg % 180 == 0 else Lens(32, 24, 55.0, 35.0)
    assert picture_c == pytest.approx(seen(somebody(0.5, above_m=0.02), lens=lens), abs=0.2)
    assert sample.is_clear
    assert sample.object_c == pytest.approx(SKIN_SEEN_C, abs=0.15)


def test_upside_down_a_chin_is_no_forehead() -> None:
    """This is what the option is for."""
    open_mouth = seen(somebody(0.35))
    upside_down_c = np.ascontiguousarray(open_mouth[::-1, ::-1])
    thermometer = over(upside_down_c, upside_down_c)
    thermometer.read()
    sample = thermometer.read()
    assert sample.forehead_c is None or sample.forehead_c < SKIN_SEEN_C - 0.5


PLATE = plate(37.0, 0.5, -0.18, 0.06)


def test_a_reference_plate_is_measured_and_never_a_face() -> None:
    still_c = seen([PLATE])
    rows, columns = np.nonzero(still_c > 36.0)
    box = (int(rows.min()), int(columns.min()), int(rows.max()), int(columns.max()))
    options = Options(reference_box=box)
    with_face_c = seen([PLATE], somebody(0.45, aside_m=0.03))
    thermometer = over(still_c, still_c, with_face_c, with_face_c, options=options)
    alone = [thermometer.read() for _ in range(2)]
    assert alone[1].reference_c == pytest.approx(float(still_c[still_c > 36.0].mean()), abs=0.3)
    assert not alone[1].is_clear
    assert alone[1].object_c == pytest.approx(22.0, abs=0.1)
    thermometer.read()
    both = thermometer.read()
    assert both.is_clear
    assert both.object_c == pytest.approx(SKIN_SEEN_C, abs=0.05)
    assert both.reference_c == pytest.approx(alone[1].reference_c, abs=0.05)


def test_without_a_plate_there_is_no_reference() -> None:
    assert over(seen()).read().reference_c is None


def test_a_plate_of_broken_pixels_has_no_temperature() -> None:
    dark_c = seen()
    dark_c[2:4, 2:4] = np.nan
    assert over(dark_c, options=Options(reference_box=(2, 2, 3, 3))).read().reference_c is None


def test_a_picture_that_is_mostly_dark_is_a_fault() -> None:
    dark_c = np.full((24, 32), np.nan)
    dark_c[:11] = 25.0
    with pytest.raises(SensorFault, match="no possible temperature") as raised:
        over(dark_c).read()
    assert raised.value.device == "album"


@pytest.mark.parametrize("even_c", [-60.0, 350.0])
def test_what_no_array_is_specified_for_is_a_fault(even_c: float) -> None:
    with pytest.raises(SensorFault, match="impossible object"):
        over(np.full((24, 32), even_c)).read()


def test_a_sample_carries_the_picture_s_time_and_die() -> None:
    thermometer = over(seen(), seen())
    first, second = thermometer.read(), thermometer.read()
    assert (first.taken_at, second.taken_at) == (0.25, 0.5)
    assert first.die_c == 30.0


def test_samples_come_at_the_pace_of_the_pictures() -> None:
    rig = ArrayRig(somebody(0.4))
    with rig.thermometer:
        times = [sample.taken_at for sample in rig.samples(20)]
    assert [b - a for a, b in itertools.pairwise(times)] == pytest.approx([0.125] * 19, abs=0.006)


def test_an_array_must_say_how_it_looks() -> None:
    with pytest.raises(NotImplementedError):
        ArrayOptions().view()
