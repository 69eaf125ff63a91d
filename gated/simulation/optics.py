"""What a spot thermometer sees of a person: shares of its spot, mixed as radiance.

Sensitivity over the angle is Gaussian with its half points at FOV/2, which is Melexis' definition
of the field of view. The forehead is a disc inside the disc of the face; below the head is
clothing; around all that, the background.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gated.optics import FOREHEAD_RADIUS_M
from gated.units import KELVIN_OFFSET_K

FACE_RADIUS_M = 0.080
TORSO_RADIUS_M = 0.200
FACE_BELOW_FOREHEAD_C = 1.0
SKIN_EMISSIVITY = 0.98
FOREHEAD_BELOW_TOP_M = 0.10
"""From the crown to the middle of the forehead."""
BEND_M = 0.25
"""So far people bend, or stretch, to bring the forehead before the thermometer."""
CHIN_BELOW_FOREHEAD_M = 0.15
CLOTHING_LIMIT_C = 34.0
AIM_LENIENCE = 0.3
"""Of a disc's radius: within it an aim that is off costs nothing."""
MIN_DISTANCE_M = 0.001


@dataclass(frozen=True, slots=True)
class View:
    """A head as it stands before a thermometer at one moment."""

    distance_m: float
    forehead_c: float
    aside_m: float = 0.0  # of the optical axis, the whole person
    above_m: float = 0.0  # of the optical axis, the forehead only: or below
    is_torso_behind: bool = True  # what the face does not fill is clothing, then background


def clothing_c(ambient_c: float) -> float:
    """Return the surface of clothes: half way from the air to the skin beneath; 28 °C at 22 °C."""
    return ambient_c + 0.5 * (CLOTHING_LIMIT_C - ambient_c)


def share_in_disc(radius_m: float, distance_m: float, miss_m: float, fov_deg: float) -> float:
    """Return the share of the signal (0–1) that comes from a disc ``miss_m`` off the axis."""
    half_m = max(distance_m, MIN_DISTANCE_M) * math.tan(math.radians(fov_deg / 2))
    aimed = 1 - 2 ** -((radius_m / half_m) ** 2)
    beyond_m = max(miss_m - AIM_LENIENCE * radius_m, 0.0)
    return float(aimed * 2 ** -((beyond_m / math.hypot(half_m, radius_m)) ** 2))


def seen_c(view: View | None, fov_deg: float, ambient_c: float) -> float:
    """Return the temperature that a sensor set to emissivity 1 sees, before its lag and noise.

    The background is as warm as the air. None: nobody is there.
    """
    if view is None:
        return ambient_c
    place = (view.distance_m, math.hypot(view.aside_m, view.above_m), fov_deg)
    forehead = share_in_disc(FOREHEAD_RADIUS_M, *place)
    face = max(share_in_disc(FACE_RADIUS_M, *place), forehead)
    # A person who is missed with the head still fills the view with the body below it.
    torso = (
        max(share_in_disc(TORSO_RADIUS_M, view.distance_m, view.aside_m, fov_deg), face)
        if view.is_torso_behind
        else face
    )
    ambient_k4 = _k4(ambient_c)
    skin_k4 = forehead * _k4(view.forehead_c) + (face - forehead) * _k4(
        view.forehead_c - FACE_BELOW_FOREHEAD_C
    )
    clothing_k4 = (torso - face) * _k4(clothing_c(ambient_c))
    reflected_k4 = (1 - SKIN_EMISSIVITY) * torso * ambient_k4
    radiance_k4 = (
        SKIN_EMISSIVITY * (skin_k4 + clothing_k4) + reflected_k4 + (1 - torso) * ambient_k4
    )
    return float(radiance_k4**0.25 - KELVIN_OFFSET_K)


def vertical_miss_m(stature_m: float, mount_height_m: float, *, bends: bool = True) -> float:
    """Return how far above or below a thermometer the forehead stays, however one ``bends``."""
    miss_m = abs(forehead_height_m(stature_m) - mount_height_m)
    return max(0.0, miss_m - BEND_M) if bends else miss_m


def is_torso_behind(stature_m: float, mount_height_m: float) -> bool:
    """Return whether a thermometer at this height looks at the body below the head."""
    return mount_height_m < forehead_height_m(stature_m) - CHIN_BELOW_FOREHEAD_M


def forehead_height_m(stature_m: float) -> float:
    """Return the height of the middle of the forehead above the floor."""
    return stature_m - FOREHEAD_BELOW_TOP_M


def _k4(value_c: float) -> float:
    return (value_c + KELVIN_OFFSET_K) ** 4
