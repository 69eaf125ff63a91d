"""Which trial belongs to which step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gated.config.serial_scanner import SerialScannerSettings
from gated.probe.check import Bench, settings_of
from gated.walk.eyes import camera_trial, serial_trial
from gated.walk.inputs import input_trial
from gated.walk.outputs import output_trial
from gated.walk.sensors import sensor_trial
from gated.walk.steps import Step, What
from gated.walk.trial import Trial

if TYPE_CHECKING:
    from gated.scanner.frames import FrameSource

_OUTPUTS = frozenset({What.RELAY, What.LAMP, What.BUZZER, What.BELL, What.VOICE})
_INPUTS = frozenset({What.PASSAGE, What.CONTACT, What.BUTTON, What.KEY})


@dataclass(frozen=True, slots=True)
class Kit:
    """The gate's devices, real ones or a stage's."""

    bench: Bench
    make_camera: Callable[[], FrameSource | None]  # None: there is none
    serial: Sequence[SerialScannerSettings]


def trial_of(kit: Kit, step: Step) -> Trial | None:
    """Return what tries ``step``, which is configured; None: it is only asked about."""
    bench = kit.bench
    if step.what in _OUTPUTS:
        return output_trial(step, bench.config, bench.devices)
    if step.what in _INPUTS and bench.devices.inputs is not None:
        return input_trial(step, bench.devices.inputs)
    if step.what is What.CAMERA:
        return camera_trial(kit.make_camera, bench.clock)
    if step.what is What.SERIAL_SCANNER:
        settings = next(scanner for scanner in kit.serial if scanner.name == step.name)
        return serial_trial(settings, bench.clock)
    sensor = settings_of(step.key, bench.config)
    return None if sensor is None else sensor_trial(step, sensor, bench)
