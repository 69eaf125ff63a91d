"""What a spot thermometer sees of a person: shares of its spot, mixed as radiance.

Sensitivity over the angle is Gaussian with its half points at FOV/2, which is Melexis' definition
of the field of view. The forehead is a disc inside the disc of the face; below the head is
clothing; around all that is whatever stands behind, down to the background.
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


@dataclass(frozen=True, slots=True)
class Thing:
    """A disc before the thermometer that is not a head: a hand, a cup, a lamp."""

    distance_m: float
    radius_m: float
    surface_c: float
    emissivity: float = SKIN_EMISSIVITY
    aside_m: float = 0.0


def seen_c(
    view: View | None,
    fov_deg: float,
    ambient_c: float,
    *,
    behind_c: float | None = None,
    reflected_c: float | None = None,
) -> float:
    """Return the temperature that a sensor set to emissivity 1 sees, before its lag and noise.

    Args:
        view: the head before it; None: nobody is there.
        fov_deg: of the sensor.
        ambient_c: the air's temperature.
        behind_c: what would be seen without them; None: a background as warm as the air.
        reflected_c: what skin reflects; None: surroundings as warm as the air.
    """
    if behind_c is None:
        behind_c = ambient_c
    if view is None:
        return behind_c
    place = (view.distance_m, math.hypot(view.aside_m, view.above_m), fov_deg)
    forehead = share_in_disc(FOREHEAD_RADIUS_M, *place)
    face = max(share_in_disc(FACE_RADIUS_M, *place), forehead)
    # A person who is missed with the head still fills the view with the body below it.
    torso = (
        max(share_in_disc(TORSO_RADIUS_M, view.distance_m, view.aside_m, fov_deg), face)
        if view.is_torso_behind
        else face
    )
    skin_k4 = forehead * _k4(view.forehead_c) + (face - forehead) * _k4(
        view.forehead_c - FACE_BELOW_FOREHEAD_C
    )
    clothing_k4 = (torso - face) * _k4(clothing_c(ambient_c))
    around_k4 = _k4(ambient_c if reflected_c is None else reflected_c)
    reflected_k4 = (1 - SKIN_EMISSIVITY) * torso * around_k4
    radiance_k4 = (
        SKIN_EMISSIVITY * (skin_k4 + clothing_k4) + reflected_k4 + (1 - torso) * _k4(behind_c)
    )
    return float(radiance_k4**0.25 - KELVIN_OFFSET_K)


def seen_past_c(thing: Thing, fov_deg: float, ambient_c: float, behind_c: float) -> float:
    """Return what is seen with ``thing`` held before a view that shows ``behind_c``."""
    share = share_in_disc(thing.radius_m, thing.distance_m, thing.aside_m, fov_deg)
    own_k4 = thing.emissivity * _k4(thing.surface_c) + (1 - thing.emissivity) * _k4(ambient_c)
    return float((share * own_k4 + (1 - share) * _k4(behind_c)) ** 0.25 - KELVIN_OFFSET_K)


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
