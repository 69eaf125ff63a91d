"""Trials of what the gate moves, lights and says: by the very code of ``gated probe --toggle``."""

from __future__ import annotations

import threading
from functools import partial

from gated.config import GateConfig
from gated.controller.ports import Devices
from gated.errors import DeviceError
from gated.messages import DeviceChanged, ShowPrompt
from gated.probe.toggle import MAX_TOGGLE_S, toggle
from gated.walk.course import Evidence
from gated.walk.steps import Step, What
from gated.walk.trial import Show, Trial
from gated.walk.words import BUZZ_S, RING_S, SPOKEN


def output_trial(step: Step, config: GateConfig, devices: Devices) -> Trial:
    """Return what tries the output of ``step``. It is let go at the end, whatever happens."""
    if step.what is What.VOICE:
        return partial(_speak, devices)
    for_s = {
        What.RELAY: config.outputs.relay.pulse_s,
        What.BUZZER: BUZZ_S,
        What.BELL: RING_S,
    }.get(step.what, MAX_TOGGLE_S)
    name = step.name.removeprefix("lamp ")

    def switch(_show: Show, stop: threading.Event) -> Evidence:
        toggle(name, config, devices, for_s, stop.wait)
        return Evidence()

    return switch


def _speak(devices: Devices, _show: Show, stop: threading.Event) -> Evidence:
    """Say one prompt, until ``stop``. Raises: DeviceError: nobody would hear it."""
    prompt = ShowPrompt(SPOKEN, is_spoken=True)
    lost: list[DeviceChanged] = []

    def hear(change: DeviceChanged) -> None:
        lost.append(change)
        stop.set()

    if devices.voice is not None:
        devices.voice.announce(prompt)
        devices.voice.run(stop, lambda: None, publish=hear)
    elif devices.outputs.announcer is not None:  # a stage's
        devices.outputs.announcer.announce(prompt)
        stop.wait(MAX_TOGGLE_S)
    if lost:
        raise DeviceError(lost[0].reason, device="voice")
    return Evidence()
