"""A thermometer before a reference surface: opened, and looked at until the reading is steady."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gated.calibrate.bench import Bench
from gated.calibrate.case import Case
from gated.calibrate.dialog import Dialog
from gated.calibrate.output import progress, taken, why_unsteady
from gated.clock import Clock
from gated.config import GateConfig
from gated.config.sensors import AmbientSettings, DriverSettings
from gated.devices import heat_columns, simulated_devices
from gated.errors import BusError, ChecksumError, DeviceLost, GatedError, SensorFault
from gated.sensors.calibration import ReferencePoint
from gated.sensors.compensation import true_surface_c
from gated.sensors.port import Pause, Thermometer
from gated.sensors.registry import load_ambient_driver, load_thermometer_driver
from gated.sensors.two_point import Look, NotCalibrated, Steadiness, Window
from gated.simulation.stage import HEAT_FILE, HeatLog, StageAnnouncer
from gated.units import KELVIN_OFFSET_K

STEADY_WITHIN_S = 600.0
SHOWN_EVERY_S = 10.0
LOST_AFTER_FAILURES = 5
PLATE_DRIVER = "tmp117"
CONFIGURED_PLATE = ""
_PLATE = re.compile(r"(?P<bus>/dev/[A-Za-z0-9._/-]+?)(?::(?P<address>0[xX][0-9A-Fa-f]{1,2}))?")

PRACTICE_AIR_C = 22.0
PRACTICE_GAIN, PRACTICE_OFFSET_C = 1.006, 0.15
"""What the thermometer of a practice shows too much, for the calibration to find."""


@dataclass(slots=True)
class Surface:
    """What is measured with: all open, until the caller closes it."""

    thermometer: Thermometer
    air_c: Callable[[], float]
    plate_c: Callable[[], float] | None  # None: its temperature is typed
    emissivity: float
    limits: Steadiness
    bench: Bench
    set_to: Callable[[float], None]  # a practice's surface; a real one is set by hand

    def measure(self, target_c: float | None, dialog: Dialog) -> ReferencePoint:
        """Return the point at ``target_c`` once the reading is steady.

        Raises: NotCalibrated: it was not in time; DeviceLost: a device does not answer.
        """
        if target_c is not None:
            self.set_to(target_c)
        clock = self.bench.clock
        window = Window(self.limits, None if self.plate_c is None else target_c)
        began_s = shown_at_s = clock.monotonic_s()
        failures = 0
        while True:
            # So long is the bus quiet before the thermometer is read; the others talk after it.
            self.bench.pause(self.limits.period_s)
            try:
                window.feed(self._look(target_c))
                failures = 0
            except (BusError, ChecksumError, SensorFault) as exc:
                failures += 1
                if failures >= LOST_AFTER_FAILURES:
                    raise DeviceLost(str(exc), device=exc.device) from exc
            trouble = window.unsteady()
            if trouble is None:
                point = window.point()
                dialog.note(taken(point))
                return point
            now_s = clock.monotonic_s()
            if now_s - began_s > STEADY_WITHIN_S:
                raise NotCalibrated(dialog.say(why_unsteady(trouble, window)))
            if now_s - shown_at_s >= SHOWN_EVERY_S:
                shown_at_s = now_s
                dialog.note(progress(window, self.limits, trouble))

    def _look(self, typed_c: float | None) -> Look:
        sample = self.thermometer.read()
        reference_c = typed_c if self.plate_c is None else self.plate_c()
        if reference_c is None:
            raise GatedError("the reference's temperature is not known: --at C")
        supply_error_c = self.thermometer.traits.supply_error_c
        shown_c = true_surface_c(sample.object_c - supply_error_c, self.air_c(), self.emissivity)
        return Look(shown_c, reference_c, sample.die_c, sample.taken_at)


def open_surface(
    case: Case,
    bench: Bench,
    stack: ExitStack,
    *,
    emissivity: float,
    samples: int | None,
    ambient_c: float | None,
    plate: str | None,
) -> Surface:
    """Open the thermometer and what stands beside it; ``stack`` closes them.

    Without ``ambient_c`` the configured sensor measures the air. ``plate`` is BUS or BUS:ADDRESS of
    the reference's own sensor, or CONFIGURED_PLATE; None: there is none.

    Raises: GatedError: the air's or the plate's sensor is not known; DeviceError: one is missing.
    """
    temperature = case.config.temperature
    if ambient_c is None and temperature.ambient is None:
        raise GatedError("no air thermometer is configured: --ambient C (请用 --ambient 给出气温)")
    air_c = (
        _air(bench, temperature.ambient, "ambient", stack)
        if ambient_c is None and temperature.ambient is not None
        else partial(float, ambient_c or 0.0)
    )
    plate_c = None
    if plate is not None:
        plate_c = _air(bench, _plate_settings(plate, case.config), "plate", stack)
    driver = load_thermometer_driver(case.settings.driver)
    return Surface(
        thermometer=stack.enter_context(bench.opened(driver, case.settings, case.name)),
        air_c=air_c,
        plate_c=plate_c,
        emissivity=emissivity,
        limits=Steadiness.of(case.traits, temperature.gradient_noted_c_per_min, samples),
        bench=bench,
        set_to=lambda _: None,
    )


def _air(
    bench: Bench, settings: DriverSettings, name: str, stack: ExitStack
) -> Callable[[], float]:
    driver = load_ambient_driver(settings.driver)
    sensor = stack.enter_context(bench.opened(driver, settings, name))
    return lambda: sensor.read().ambient_c


def _plate_settings(plate: str, config: GateConfig) -> DriverSettings:
    if plate == CONFIGURED_PLATE:
        if config.temperature.reference is None:
            raise GatedError("--plate without BUS: the configuration has no temperature.reference")
        return config.temperature.reference
    match = _PLATE.fullmatch(plate)
    if match is None:
        raise GatedError(f"--plate {plate}: BUS or BUS:ADDRESS, such as /dev/i2c-4:0x48")
    options = {} if match["address"] is None else {"address": int(match["address"], 16)}
    return AmbientSettings.model_validate({"driver": PLATE_DRIVER, "bus": match["bus"]} | options)


# --- simulated surfaces --------------------------------------------------------------------------


def stage_bench(
    stage: Path, config: GateConfig, clock: Clock, pause: Pause, stack: ExitStack
) -> Bench:
    """Return the chips of a scenario's stage; ``stack`` lets go of it."""
    devices = simulated_devices(stage, config, clock)
    if isinstance(devices.outputs.announcer, StageAnnouncer):
        stack.callback(devices.outputs.announcer.close)
    return Bench(devices.open_bus, clock, pause)


@dataclass(frozen=True, slots=True)
class Practice:
    """A surface of any temperature before simulated thermometers that show too much."""

    config: GateConfig
    clock: Clock
    heat: HeatLog

    @classmethod
    def begin(cls, config: GateConfig, clock: Clock, stage: Path) -> Practice:
        """Return a practice on a new stage in the folder ``stage``."""
        names = heat_columns(config)
        practice = cls(config, clock, HeatLog(stage / HEAT_FILE, names, create=True))
        practice.heat.write(clock.monotonic_s(), dict.fromkeys(names, PRACTICE_AIR_C))
        return practice

    def set_to(self, surface_c: float, emissivity: float) -> None:
        """Bring the surface before every thermometer to ``surface_c``."""
        own_k4, air_k4 = ((t_c + KELVIN_OFFSET_K) ** 4 for t_c in (surface_c, PRACTICE_AIR_C))
        seen_k4 = emissivity * own_k4 + (1 - emissivity) * air_k4
        shown_c = PRACTICE_GAIN * (seen_k4**0.25 - KELVIN_OFFSET_K) + PRACTICE_OFFSET_C
        heat = dict.fromkeys(heat_columns(self.config), PRACTICE_AIR_C)
        heat |= dict.fromkeys((t.name for t in self.config.temperature.thermometers), shown_c)
        self.heat.write(self.clock.monotonic_s(), heat)
