"""From skin to body at a site of the face: pure, slope 1 in the skin, straight in the air.

``body = skin + a − b · ambient``. A skin that is 1 °C hotter gives a body that is exactly 1 °C
hotter; nothing shrinks to the mean and nothing is learnt from a person. What several readings say
together is the policy's (``gated.judgement.together_c``).

The constants are fitted by ``benchmarks/temperature.py`` (a test fits them anew) on PhysioNet
face-oral-temp-data 1.0.0 (doi 10.13026/3bhc-9065, CC0): 1,020 people seated 0.54–0.92 m before a
FLIR A325sc corrected by a blackbody, in air of 20.2–29.1 °C, against the oral temperature of a
monitor (35.5–40.3 °C). Outside that air the line is extrapolated; it still goes the way that
physics does, because skin and body meet in air about as warm as the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gated.vocabulary import Site


@dataclass(frozen=True, slots=True)
class SiteOffset:
    """``body = skin + a_c − b · ambient``: ``a_c`` in °C, ``b`` in °C per °C of air."""

    a_c: float
    b: float


SITES: Mapping[Site, SiteOffset] = MappingProxyType(
    {
        Site.FOREHEAD_SPOT: SiteOffset(a_c=6.20, b=0.149),
        Site.FOREHEAD_MAX: SiteOffset(a_c=3.84, b=0.090),
        Site.HOTTEST: SiteOffset(a_c=3.22, b=0.081),
    }
)
"""Least squares over everybody's first reading with the slope in the skin held at 1, so that the
body scale is the oral one on average. The spot is the mean of five points of the forehead."""


def body_c(skin_c: float, ambient_c: float, site: SiteOffset) -> float:
    """Return the body temperature in °C that a skin temperature stands for: slope 1 in it."""
    return skin_c + site.a_c - site.b * ambient_c
