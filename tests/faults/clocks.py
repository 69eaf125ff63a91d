"""Clocks that are wrong: at 1970, a day ahead, fifty years back, or stepping.

The gate's processes are given the wrong clock through their port, the collector by libfaketime.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from gated.clock import SystemClock
from tests.faults.fault import Fault
from tests.faults.line import Line, Scene, any_broker
from tests.faults.verdict import Tally

_DAY_S = 86_400.0
_YEAR_S = 365.25 * _DAY_S
_LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")
_SPEED = 30.0
"""Retention and the expiry of links come often, so that a wrong clock has something to spoil."""


def to_1970_s() -> float:
    """Return by how many seconds a clock is off that has just started to count."""
    return (datetime(1970, 1, 1, tzinfo=UTC) - SystemClock().now()).total_seconds()


def faketime() -> Path | None:
    """Return libfaketime, or None where it is not installed."""
    for pattern in _LIBRARIES:
        for found in Path("/").glob(pattern.lstrip("/")):
            return found
    return None


def lacks_faketime() -> str:
    return "" if faketime() else "libfaketime is not installed: apt install faketime"


def set_collector(line: Line, offset_s: float) -> None:
    """Give the collector a wall clock that is off by ``offset_s`` from its next start on."""
    line.centre.environment = {
        "LD_PRELOAD": str(faketime()),
        "FAKETIME": f"{offset_s:+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def wrong(offset_s: Callable[[], float], quality: str) -> Callable[[Scene], Tally]:
    """Return a run in which the clocks of chance's choice are wrong from the start, then right."""

    def run(scene: Scene) -> Tally:
        with contextlib.closing(Line(scene, any_broker(scene))) as line:
            is_gate, is_centre = scene.rng.choice(((True, False), (False, True), (True, True)))
            wrong_s = offset_s()
            if is_centre:
                set_collector(line, wrong_s)
            line.centre.start()
            gate_s = wrong_s if is_gate else 0.0
            line.gate.start(
                rate=200, clock=gate_s, time_quality=quality if is_gate else "trusted",
                speed=_SPEED, keep_acked_s=3_600,
            )  # fmt: skip
            line.start_uplink(clock=gate_s)
            line.injected += 1
            line.pause(0.5, 1.5)
            line.gate.order("clock 0")  # the time service has reached the gate
            line.pause(0.3, 0.8)
            line.gate.kill_uplink()
            line.centre.kill()
            line.centre.environment = {}
            return line.finish()

    return run


def run_stepping(scene: Scene) -> Tally:
    with contextlib.closing(Line(scene, any_broker(scene))) as line:
        line.start(rate=200, speed=_SPEED, keep_acked_s=3_600)
        for _ in range(scene.times(5, 2)):
            line.pause(0.1, 0.5)
            step_s = scene.rng.choice((-_YEAR_S, -_DAY_S, -3_600, 3_600, _DAY_S, 30 * _DAY_S))
            line.gate.order(f"clock {step_s:.0f}")
            line.gate.kill_uplink()
            line.start_uplink(clock=step_s)
            line.centre.kill()
            set_collector(line, -step_s)
            line.centre.start()
            line.injected += 1
        line.pause(0.1, 0.5)
        line.centre.kill()
        line.centre.environment = {}
        return line.finish()


FAULTS = (
    Fault("clock_1970", "a clock that starts at 1970", wrong(to_1970_s, "unknown"), lacks_faketime),
    Fault(
        "clock_day_ahead",
        "a clock that is a day ahead, and believed",
        wrong(lambda: _DAY_S, "trusted"),
        lacks_faketime,
    ),
    Fault(
        "clock_50_years_back",
        "a clock fifty years back",
        wrong(lambda: -50 * _YEAR_S, "unknown"),
        lacks_faketime,
    ),
    Fault("clock_stepping", "clocks that jump, each its own way", run_stepping, lacks_faketime),
)
