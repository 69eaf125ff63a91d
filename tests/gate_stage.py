"""The stage before one gate, directed by a test: no scenario, no waiting for people to walk.

Somebody stands before a thermometer because the test wrote so into the heat log, and a code is in
view because the camera shows it. So an act takes as long as the gate needs, and not longer.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gated.config import GateConfig
from gated.devices import heat_columns
from gated.sensors.site import SITES
from gated.simulation.camera import Held, StageCamera
from gated.simulation.optics import SKIN_EMISSIVITY
from gated.simulation.stage import (
    AMBIENT,
    FRAME_FILE,
    HEAT_FILE,
    UNPLUGGED_C,
    HeatLog,
    LineChanged,
    PromptShown,
    StageInputs,
    StageOutputs,
)
from gated.units import KELVIN_OFFSET_K
from gated.vocabulary import Prompt, Site
from tests.gate_processes import CLOCK, NeverHappened

FOREHEAD = SITES[Site.FOREHEAD_SPOT]
AMBIENT_C = 22.0
HEALTHY_C = 36.5
THERMOMETER = "child"
STAGE_SEED = 5


def seen_of(body_c: float, ambient_c: float = AMBIENT_C) -> float:
    """Return what an ideal sensor sees of a forehead that fills its view, in °C."""
    skin_k = body_c - FOREHEAD.a_c + FOREHEAD.b * ambient_c + KELVIN_OFFSET_K
    ambient_k = ambient_c + KELVIN_OFFSET_K
    radiance = SKIN_EMISSIVITY * skin_k**4 + (1 - SKIN_EMISSIVITY) * ambient_k**4
    return float(radiance**0.25 - KELVIN_OFFSET_K)


@dataclass(frozen=True, slots=True)
class Edge:
    """The relay's wire changed at ``at_s`` (monotonic)."""

    at_s: float
    is_energised: bool
    pid: int = -1  # who drove it; -1: it fell with its owner


@dataclass(frozen=True, slots=True)
class Shown:
    at_s: float
    prompt: Prompt
    visit_id: str | None


class Stage:
    """What is before the gate, and what the gate does to it.

    ``users`` runs the gate's processes, if it is neither root nor the test's own user.
    """

    def __init__(
        self, folder: Path, config: GateConfig, users: frozenset[int] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.relay: list[Edge] = []
        self.bell: list[Edge] = []
        self.prompts: list[Shown] = []
        self._names = heat_columns(config)
        self._heat = HeatLog(folder / HEAT_FILE, self._names, create=True)
        self._seen = dict.fromkeys(self._names, AMBIENT_C)
        self._outputs = StageOutputs(folder, users)
        self._inputs = StageInputs(folder)
        self._camera = StageCamera(folder / FRAME_FILE, CLOCK, STAGE_SEED)
        self._stop = threading.Event()
        self._write_heat()
        self._threads = [
            threading.Thread(target=self._camera.run, args=(self._stop, lambda: None)),
            threading.Thread(target=self._listen),
        ]
        for thread in self._threads:
            thread.start()

    # --- people -----------------------------------------------------------------------------------

    def stand(self, body_c: float = HEALTHY_C, thermometer: str = THERMOMETER) -> None:
        """Put a forehead before ``thermometer``."""
        self._seen[thermometer] = seen_of(body_c)
        self._write_heat()

    def step_away(self, thermometer: str = THERMOMETER) -> None:
        self._seen[thermometer] = AMBIENT_C
        self._write_heat()

    def see(self, values: Mapping[str, float]) -> None:
        """Put ``values`` before the sensors, by their columns of the heat log."""
        self._seen |= values
        self._write_heat()

    def unplug(self, sensor: str) -> None:
        """Pull the plug of a thermometer, or of the ambient sensor; ``plug_in`` ends it."""
        self._seen[sensor] = UNPLUGGED_C
        self._write_heat()

    def plug_in(self, sensor: str) -> None:
        self._seen[sensor] = AMBIENT_C
        self._write_heat()

    def stall_camera(self, *, is_stalled: bool = True) -> None:
        """Let no frame come any more, or let them come again."""
        self._camera.is_stalled = is_stalled

    def hold_up(self, what: Held | None) -> None:
        """Show a code's text, a picture, or nothing."""
        self._camera.hold_up(what)

    def press(self, name: str) -> None:
        """Press a button or walk through: ``passage``, ``attendant``."""
        if not self._inputs.press(name):
            raise NeverHappened(f"the gate did not feel {name}")

    def set_level(self, name: str, *, on: bool) -> None:
        """Make or break a contact, turn a key; it stays so, whether or not a gate runs."""
        self._inputs.set_level(name, on=on)

    # --- what the gate did ------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return bool(self.relay) and self.relay[-1].is_energised

    @property
    def openings(self) -> int:
        """Return how often the relay was told to open, also while it was open."""
        return sum(edge.is_energised for edge in self.relay)

    def opened_at_s(self) -> float:
        """Return when the relay was last told to open."""
        return next(edge.at_s for edge in reversed(self.relay) if edge.is_energised)

    def first_frame(self) -> tuple[Held | None, float]:
        """Return what the camera shows, and when the first frame of it was taken."""
        return self._camera.first_frame

    def times_shown(self, prompt: Prompt, since_s: float) -> int:
        return sum(s.prompt is prompt and s.at_s >= since_s for s in self.prompts)

    def has_shown(self, prompt: Prompt, since_s: float) -> bool:
        return self.times_shown(prompt, since_s) > 0

    def _write_heat(self) -> None:
        self._heat.write(CLOCK.monotonic_s(), {AMBIENT: AMBIENT_C, **self._seen})

    def _listen(self) -> None:
        while not self._stop.is_set():
            change = self._outputs.read(0.2)
            at_s = CLOCK.monotonic_s()
            if isinstance(change, PromptShown):
                self.prompts.append(Shown(at_s, change.prompt, change.visit_id))
            elif isinstance(change, LineChanged) and change.line == "relay":
                self.relay.append(Edge(at_s, change.is_energised, change.pid))
            elif isinstance(change, LineChanged) and change.line == "call_staff":
                self.bell.append(Edge(at_s, change.is_energised))

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._outputs.close()
        self._inputs.close()
        self._heat.close()
