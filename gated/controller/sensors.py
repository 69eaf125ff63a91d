"""The gate's sensors as the controller wires them: one worker each, and their calibrations."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from gated.clock import Clock
from gated.config import GateConfig, ThermometerSettings
from gated.config.sensors import DriverSettings
from gated.contents import CalibrationContent
from gated.controller.ports import Devices
from gated.controller.rules import compensation_rules
from gated.messages import MeasureAgain
from gated.sensors.calibration import FOLDER, Calibration, CalibrationFolder
from gated.sensors.newest import AMBIENT_EVERY_S, DISTANCE_EVERY_S, NewestWorker
from gated.sensors.owner import Fitted, Publish
from gated.sensors.port import AmbientSample, DistanceSample
from gated.sensors.registry import (
    load_ambient_driver,
    load_distance_driver,
    load_thermometer_driver,
)
from gated.sensors.worker import Beside, ThermometerWorker
from gated.supervisor import Supervisor, Work

AMBIENT = "ambient"
PLATE = "reference"
DEFAULT_CALIBRATION = "default"

Calibrations = Mapping[str, Calibration | None]


def distance_name(thermometer: str) -> str:
    """Return what the distance sensor beside ``thermometer`` is called in alarms and status."""
    return f"distance {thermometer}"


def sensor_names(config: GateConfig) -> Iterator[str]:
    """Yield the name of every sensor of the configuration."""
    temperature = config.temperature
    yield from (t.name for t in temperature.thermometers)
    yield from (distance_name(t.name) for t in temperature.thermometers if t.distance is not None)
    if temperature.ambient is not None:
        yield AMBIENT
    if temperature.reference is not None:
        yield PLATE


def load_calibrations(config: GateConfig) -> dict[str, Calibration | None]:
    """Return the calibration in force of each thermometer. Raises: ConfigError: one is damaged."""
    folder = CalibrationFolder(config.paths.state / FOLDER)
    return {t.name: folder.load(t.name) for t in config.temperature.thermometers}


def calibration_setting(thermometer: str) -> str:
    """Return under which name the ledger keeps what was last recorded of ``thermometer``'s."""
    return f"calibration/{thermometer}"


def new_calibrations(
    calibrations: Calibrations, recorded: Mapping[str, str | None]
) -> Iterator[CalibrationContent]:
    """Yield the event of each calibration that none tells of yet.

    ``recorded``: what the newest event of each thermometer names. One that never had a calibration
    of its own is not worth an event.
    """
    for thermometer, calibration in calibrations.items():
        name = DEFAULT_CALIBRATION if calibration is None else calibration.name
        if name != (recorded.get(thermometer) or DEFAULT_CALIBRATION):
            yield _content(thermometer, calibration)


def _content(thermometer: str, calibration: Calibration | None) -> CalibrationContent:
    if calibration is None:
        return CalibrationContent(thermometer=thermometer, calibration=DEFAULT_CALIBRATION)
    agreement = calibration.agreement
    return CalibrationContent(
        thermometer=thermometer,
        calibration=calibration.name,
        chip_id=calibration.chip_id,
        made_at=calibration.made_at,
        made_by=calibration.made_by,
        gain=calibration.gain,
        offset_c=calibration.offset_c,
        site_a_c=calibration.site_a_c,
        site_b=calibration.site_b,
        pairs=0 if agreement is None else agreement.pairs,
        bias_c=None if agreement is None else agreement.bias_c,
        loa_low_c=None if agreement is None else agreement.loa_low_c,
        loa_high_c=None if agreement is None else agreement.loa_high_c,
    )


class SensorBank:
    """Makes every sensor's worker; passes new rules on to the thermometers.

    Args:
        requests: a queue for each thermometer, by name.
    """

    def __init__(
        self,
        config: GateConfig,
        devices: Devices,
        calibrations: Calibrations,
        *,
        clock: Clock,
        publish: Publish,
        requests: Mapping[str, queue.Queue[MeasureAgain]],
    ) -> None:
        self._devices = devices
        self._clock = clock
        self._publish = publish
        self._beside: dict[str, Work] = {}
        temperature = config.temperature
        ambient = None
        if temperature.ambient is not None:
            ambient = self._air(AMBIENT, temperature.ambient)
        plate = None
        if temperature.reference is not None:
            plate = self._air(PLATE, temperature.reference)
        self._thermometers: dict[str, ThermometerWorker] = {}
        for thermometer in temperature.thermometers:
            is_watched = temperature.reference is not None and (
                temperature.reference.seen_by == thermometer.name
            )
            beside = Beside(
                ambient=_no_ambient if ambient is None else ambient.newest,
                distances=self._distances(thermometer),
                plate=plate.newest if plate is not None and is_watched else None,
            )
            driver = load_thermometer_driver(thermometer.driver)
            worker = ThermometerWorker(
                Fitted(
                    thermometer.name,
                    driver,
                    driver.read_options(thermometer.options, thermometer.name),
                    partial(devices.open_bus, thermometer.bus),
                ),
                beside=beside,
                clock=clock,
                publish=publish,
                requests=requests[thermometer.name],
                rules=compensation_rules(config, thermometer, calibrations[thermometer.name]),
            )
            self._thermometers[thermometer.name] = worker

    def add_to(self, supervisor: Supervisor) -> None:
        """Register every worker with ``supervisor``."""
        for name, run in self._beside.items():
            supervisor.add(name, run)
        for name, worker in self._thermometers.items():
            supervisor.add(f"thermometer-{name}", worker.run)

    def chips(self) -> dict[str, str]:
        """Return the identity of each thermometer's chip, those not seen yet left out."""
        chips = {name: worker.chip_id for name, worker in self._thermometers.items()}
        return {name: chip_id for name, chip_id in chips.items() if chip_id}

    def set_rules(self, config: GateConfig, calibrations: Calibrations) -> None:
        """Let every thermometer judge by ``config`` and its calibration from the next one on."""
        for thermometer in config.temperature.thermometers:
            rules = compensation_rules(config, thermometer, calibrations[thermometer.name])
            self._thermometers[thermometer.name].set_rules(rules)

    def _air(self, name: str, settings: DriverSettings) -> NewestWorker[AmbientSample]:
        driver = load_ambient_driver(settings.driver)
        options = driver.read_options(settings.options, name)
        fitted = Fitted(name, driver, options, partial(self._devices.open_bus, settings.bus))
        worker = NewestWorker[AmbientSample](
            fitted, every_s=AMBIENT_EVERY_S, clock=self._clock, publish=self._publish
        )
        self._beside[name] = worker.run
        return worker

    def _distances(
        self, thermometer: ThermometerSettings
    ) -> Callable[[], Sequence[DistanceSample]] | None:
        settings = thermometer.distance
        if settings is None:
            return None
        name = distance_name(thermometer.name)
        driver = load_distance_driver(settings.driver)
        options = driver.read_options(settings.options, name)
        fitted = Fitted(name, driver, options, partial(self._devices.open_bus, settings.bus))
        worker = NewestWorker[DistanceSample](
            fitted, every_s=DISTANCE_EVERY_S, clock=self._clock, publish=self._publish
        )
        self._beside[name.replace(" ", "-")] = worker.run
        return worker.recent


def _no_ambient() -> AmbientSample | None:
    """Without an ambient sensor nothing is judged."""
    return None
