"""Trials of what the gate measures: thermometers, the air, the plate, distances."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TypeVar

from gated.config import ThermometerSettings
from gated.config.sensors import DriverSettings
from gated.errors import DeviceError, DeviceLost
from gated.optics import reach_m
from gated.probe.check import Bench, opened
from gated.sensors.port import DistanceSensor, Traits
from gated.sensors.registry import (
    load_ambient_driver,
    load_distance_driver,
    load_thermometer_driver,
)
from gated.sensors.site import SITES
from gated.vocabulary import Site
from gated.walk.course import Evidence, Text
from gated.walk.steps import Step, What
from gated.walk.trial import Show, Trial

CHIP = "chip"
"""The fact under which a chip's identity stands."""
LOOK_EVERY_S = 0.25
"""Or as often as a chip may be asked, where that is less often."""
VOID_IN_A_ROW = 5
"""So many readings that come to nothing, one after the other, are a lost sensor."""

HEALTHY_C = (35.5, 37.5)
MARGIN_C = 1.5
"""Faces differ, and nothing is compensated here."""
ANY_AIR_C = (10.0, 32.0)
"""Where nothing says how warm the air is."""
BASELINE_S = 3.0
WARMTH_RISE_C = 2.0
"""A palm has 33 °C, a cup of tea 60: less is nobody, or something before the lens."""
HAND_RISE_C = 0.5
"""Of the air's thermometer, or the plate's, within some seconds in a hand."""
WALKED_M = 0.3

ValueT = TypeVar("ValueT")


def sensor_trial(step: Step, settings: DriverSettings, bench: Bench) -> Trial:
    """Return what shows the readings of ``step``'s sensor until it is asked to end."""
    match step.what:
        case What.FACE if isinstance(settings, ThermometerSettings):
            return partial(_face, settings, bench)
        case What.WARMTH:
            return partial(_warmth, settings, bench)
        case What.DISTANCE:
            return partial(_distance, settings, bench)
        case _:
            return partial(_air, settings, bench)


class Reader:
    """Reads one sensor again and again; a single reading may come to nothing.

    Args:
        every_s: between two readings, at least.
    """

    def __init__(self, show: Show, stop: threading.Event, every_s: float = 0.0) -> None:
        self.show = show
        self.stop = stop
        self._every_s = max(LOOK_EVERY_S, every_s)
        self._void = 0

    def read(self, ask: Callable[[], ValueT]) -> ValueT | None:
        """Return what ``ask`` returns; None: it came to nothing.

        Raises: DeviceLost: so did those before it.
        """
        self.stop.wait(self._every_s)
        try:
            value = ask()
        except DeviceError as exc:
            self._void += 1
            if self._void >= VOID_IN_A_ROW:
                raise DeviceLost(str(exc), device=exc.device) from exc
            self.show.live((f"  无读数：{exc}", f"  no reading: {exc}"))
            return None
        self._void = 0
        return value


# --- a face ---------------------------------------------------------------------------------------


def expected_c(site: Site, air_c: float | None) -> tuple[float, float]:
    """Return between which temperatures a healthy face reads in air of ``air_c``, in °C. Pure."""
    offset = SITES[site]
    low_air_c, high_air_c = ANY_AIR_C if air_c is None else (air_c, air_c)
    low_c = HEALTHY_C[0] - offset.a_c + offset.b * low_air_c - MARGIN_C
    high_c = HEALTHY_C[1] - offset.a_c + offset.b * high_air_c + MARGIN_C
    return low_c, high_c


def _face(
    settings: ThermometerSettings, bench: Bench, show: Show, stop: threading.Event
) -> Evidence:
    air_c = _air_now_c(bench)
    with ExitStack() as held:
        driver = load_thermometer_driver(settings.driver)
        spot = held.enter_context(opened(driver, settings, bench))
        ranger = None
        if settings.distance is not None:
            load = load_distance_driver(settings.distance.driver)
            ranger = held.enter_context(opened(load, settings.distance, bench))
        low_c, high_c = expected_c(settings.site or spot.traits.site, air_c)
        show.line(_wanted(low_c, high_c, settings.max_distance_m, spot.traits))
        reader = Reader(show, stop, spot.traits.settle_s)
        was_seen = spot.traits.is_presence_only
        while not stop.is_set():
            object_c = reader.read(lambda: spot.read().object_c)
            if object_c is not None:
                is_there = low_c <= object_c <= high_c
                was_seen |= is_there
                show.live(_seen(object_c, _distance_now_m(ranger), is_there=is_there))
        doubt = ("没有一次读数在应有范围内", "no reading was where a healthy face is")
        return Evidence(None if was_seen else doubt, {CHIP: spot.chip_id})


def _wanted(low_c: float, high_c: float, max_distance_m: float | None, traits: Traits) -> Text:
    if traits.is_presence_only:
        return "  只用于感知有人，不判断体温", "  it only tells that somebody is there"
    most_cm = (max_distance_m or reach_m(traits.fov_deg)) * 100
    return (
        f"  应为 {low_c:.1f} 至 {high_c:.1f} °C，距离不超过 {most_cm:.0f} cm",
        f"  expected: {low_c:.1f} to {high_c:.1f} °C, from no further than {most_cm:.0f} cm",
    )


def _seen(object_c: float, distance_m: float | None, *, is_there: bool) -> Text:
    where = "" if distance_m is None else f"  {distance_m * 100:.0f} cm"
    zh, en = ("", "") if is_there else ("  不在范围内", "  not what is expected")
    return f"  {object_c:.1f} °C{where}{zh}", f"  {object_c:.1f} °C{where}{en}"


def _distance_now_m(ranger: DistanceSensor | None) -> float | None:
    """Return how far away somebody is; None: nobody knows. The sensor's own step says why."""
    try:
        return None if ranger is None else ranger.read().distance_m
    except DeviceError:
        return None


def _air_now_c(bench: Bench) -> float | None:
    """Return the air's temperature; None: nobody knows. The sensor's own step says why."""
    settings = bench.config.temperature.ambient
    if settings is None:
        return None
    try:
        with opened(load_ambient_driver(settings.driver), settings, bench) as ambient:
            return ambient.read().ambient_c
    except DeviceError:
        return None


# --- something warm -------------------------------------------------------------------------------


def _warmth(settings: DriverSettings, bench: Bench, show: Show, stop: threading.Event) -> Evidence:
    with opened(load_thermometer_driver(settings.driver), settings, bench) as spot:
        reader = Reader(show, stop, spot.traits.settle_s)
        doubt = _look_for_rise(lambda: spot.read().object_c, reader, bench, WARMTH_RISE_C)
        return Evidence(doubt, {CHIP: spot.chip_id})


def _air(settings: DriverSettings, bench: Bench, show: Show, stop: threading.Event) -> Evidence:
    """Try a thermometer in free air, or that of a plate."""
    with opened(load_ambient_driver(settings.driver), settings, bench) as ambient:
        doubt = _look_for_rise(
            lambda: ambient.read().ambient_c, Reader(show, stop), bench, HAND_RISE_C
        )
        return Evidence(doubt, {CHIP: ambient.chip_id})


def _look_for_rise(
    ask: Callable[[], float], reader: Reader, bench: Bench, least_c: float
) -> Text | None:
    """Show what ``ask`` returns and how far it has risen. Return a doubt if that is too little.

    What stands before it in the first seconds is the measure.
    """
    until_s = bench.clock.monotonic_s() + BASELINE_S
    first_c: float | None = None
    most_c = 0.0
    while not reader.stop.is_set():
        value_c = reader.read(ask)
        if value_c is None:
            continue
        if first_c is None or bench.clock.monotonic_s() < until_s:
            first_c = value_c if first_c is None else min(first_c, value_c)
        rise_c = value_c - first_c
        most_c = max(most_c, rise_c)
        shown = f"  {value_c:.1f} °C ({rise_c:+.1f})"
        reader.show.live((shown, shown))
    if most_c >= least_c:
        return None
    return (
        f"最多只升高 {most_c:.1f} °C，应不少于 {least_c:g}",
        f"it rose by {most_c:.1f} °C at most, {least_c:g} were expected",
    )


# --- a distance -----------------------------------------------------------------------------------


def _distance(
    settings: DriverSettings, bench: Bench, show: Show, stop: threading.Event
) -> Evidence:
    with opened(load_distance_driver(settings.driver), settings, bench) as ranger:
        reader = Reader(show, stop)
        seen: list[float] = []
        while not stop.is_set():
            sample = reader.read(ranger.read)
            if sample is None:
                continue
            if sample.distance_m is None:
                show.live(("  量程内没有东西", "  nothing in its range"))
                continue
            seen = [min([*seen, sample.distance_m]), max([*seen, sample.distance_m])]
            shown = f"  {sample.distance_m * 100:.0f} cm"
            show.live((shown, shown))
        return Evidence(_doubt_of_walk(seen), {CHIP: ranger.chip_id})


def _doubt_of_walk(seen: list[float]) -> Text | None:
    """Return why a walk up to the sensor cannot be seen in its (least, most) distances in m."""
    if not seen:
        return "没有量到任何距离", "no distance was measured"
    walked_m = seen[-1] - seen[0]
    if walked_m >= WALKED_M:
        return None
    return (
        f"距离只变化了 {walked_m * 100:.0f} cm",
        f"the distance changed by {walked_m * 100:.0f} cm only",
    )
