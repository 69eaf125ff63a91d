"""Plays a scenario before the gate's simulated devices."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gated.clock import Clock
from gated.simulation.actors import Staging
from gated.simulation.acts import CAMERA, LOW_READER, PLATFORM, Act
from gated.simulation.camera import StageCamera
from gated.simulation.eye import Eye
from gated.simulation.heads import head_values
from gated.simulation.platform import SimulatedPlatform
from gated.simulation.serial_devices import SerialScannerDevice
from gated.simulation.stage import (
    AMBIENT,
    PLATE,
    UNPLUGGED_C,
    HeatLog,
    LineChanged,
    PromptShown,
    StageInputs,
    StageOutputs,
    distance_column,
)
from gated.vocabulary import Mode, Prompt

STEP_S = 0.04
AMBIENT_MEAN_C = 22.0
AMBIENT_SWING_C = 0.5
AMBIENT_PERIOD_S = 600.0


@dataclass
class Played:
    """What has been played so far; read by the demo from another thread."""

    stagings: list[Staging] = field(default_factory=list)
    relay_pulses: int = 0
    is_finished: bool = False


class Player:
    """Moves the people. One thread runs it; ``played`` may be read from others.

    Args:
        acts: who comes, in order.
        attendant: the staff card's text.
        seed: of walks and sway.
        set_mode: asks the gate for a mode, as the command line does; returns whether it was heard.
        reader: the low serial reader, if there is one.
        platform: the provincial one, if there is one; started and stopped by the caller, too.
    """

    def __init__(  # noqa: PLR0913 - wiring: each is a different part of the stage
        self,
        acts: Iterator[Act],
        *,
        eyes: tuple[Eye, ...],
        heat: HeatLog,
        camera: StageCamera,
        outputs: StageOutputs,
        inputs: StageInputs,
        clock: Clock,
        attendant: str,
        seed: int,
        set_mode: Callable[[Mode], bool] = lambda _: True,
        reader: SerialScannerDevice | None = None,
        platform: SimulatedPlatform | None = None,
    ) -> None:
        self._acts = acts
        self._next: Act | None = None
        self._eyes = eyes
        self._heat = heat
        self._camera = camera
        self._outputs = outputs
        self._inputs = inputs
        self._clock = clock
        self._attendant = attendant
        self._set_mode = set_mode
        self._reader = reader
        self._platform = platform
        self._broken: str | None = None
        self._wanted: Mode | None = None
        self._random = random.Random(seed)  # noqa: S311 - a scenario, seeded so that it repeats
        self._on_stage: list[Staging] = []
        self._relay_level = False
        self.is_dark = False
        """Set from another thread while the gate is without power: nobody stays, nobody comes."""
        self.played = Played()

    def write_empty_stage(self) -> None:
        """Let the devices find somewhere with nobody in it when they start."""
        self._write_heat(self._clock.monotonic_s())

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Play until ``stop``, or until the last act is over (``played.is_finished``)."""
        while not stop.is_set():
            beat()
            self._step()
            self._listen(stop)

    def _listen(self, stop: threading.Event) -> None:
        """Take what the gate shows until the next step is due."""
        until_s = self._clock.monotonic_s() + STEP_S
        while (left_s := until_s - self._clock.monotonic_s()) > 0 and not stop.is_set():
            change = self._outputs.read(left_s)
            if isinstance(change, LineChanged):
                self._take_line(change)
            elif change is not None:
                self._take_prompt(change)

    def _take_line(self, change: LineChanged) -> None:
        if change.line == "relay":
            if change.is_energised and not self._relay_level:
                self.played.relay_pulses += 1
            self._relay_level = change.is_energised

    def _take_prompt(self, shown: PromptShown) -> None:
        if shown.visit_id is None:
            if shown.prompt is Prompt.COME_CLOSER and self.played.stagings:
                self.played.stagings[-1].come_closer(self._clock.monotonic_s())
            return
        # A visit that the gate has just begun belongs to whoever came up last.
        owners = [s for s in self.played.stagings if shown.visit_id in s.heard]
        for staging in owners or self.played.stagings[-1:]:
            staging.take_prompt(shown.visit_id, shown.prompt, self._clock.monotonic_s())

    def _step(self) -> None:
        now_s = self._clock.monotonic_s()
        for staging in self._on_stage:
            self._act_out(staging, now_s)
        for staging in [s for s in self._on_stage if s.is_over(now_s)]:
            staging.ended_at_s = now_s
            self._on_stage.remove(staging)
        if self._wanted is not None and self._set_mode(self._wanted):
            self._wanted = None
        self._break(next((s.broken for s in self._on_stage if s.broken is not None), None))
        if self.is_dark:
            for staging in self._on_stage:
                staging.turn_away(now_s)
        elif all(staging.frees_front(now_s) for staging in self._on_stage):
            self._bring_next(now_s)
        held = (staging.held_up(now_s) for staging in reversed(self._on_stage))
        self._camera.hold_up(next((what for what in held if what is not None), None))
        self._write_heat(now_s)

    def _act_out(self, staging: Staging, now_s: float) -> None:
        """Do what the people of one act do to the gate at this moment."""
        code = staging.typed(now_s)
        self._wanted = staging.due_mode(now_s) or self._wanted
        if code is not None and self._reader is not None:
            self._reader.scan(code)
        for touch in staging.due_touches(now_s):
            if touch.level is None:
                self._inputs.press(touch.name)
            else:
                self._inputs.set_level(touch.name, on=touch.level)

    def _break(self, device: str | None) -> None:
        """Let ``device`` fail from now on, and mend what was broken before."""
        if device == self._broken:
            return
        self._camera.is_stalled = device == CAMERA
        if self._reader is not None and device == LOW_READER:
            self._reader.pull_out()
        elif self._reader is not None:
            self._reader.plug_in()
        if self._platform is not None and device == PLATFORM:
            self._platform.stop()
        elif self._platform is not None:
            self._platform.start()
        self._broken = device

    def _bring_next(self, now_s: float) -> None:
        act = self._next = self._next or next(self._acts, None)
        if act is None:
            self.played.is_finished = not self._on_stage
            return
        if act.is_alone and self._on_stage:
            return
        self._next = None
        heights_m = tuple(eye.height_m for eye in self._eyes)
        seed = self._random.randrange(2**32)
        staging = Staging(act, now_s, self._attendant, seed, heights_m)
        self.played.stagings.append(staging)
        self._on_stage.append(staging)

    def _write_heat(self, now_s: float) -> None:
        phase = 2 * math.pi * now_s / AMBIENT_PERIOD_S
        ambient_c = AMBIENT_MEAN_C + AMBIENT_SWING_C * math.sin(phase)
        seen = {AMBIENT: ambient_c, PLATE: ambient_c}
        for eye in self._eyes:
            seen |= self._seen_by(eye, now_s, ambient_c)
        if self._broken in seen:
            seen[self._broken] = UNPLUGGED_C
        self._heat.write(now_s, seen)

    def _seen_by(self, eye: Eye, now_s: float, ambient_c: float) -> dict[str, float]:
        """Return what one thermometer and the distance sensor beside it see, by their columns."""
        on_stage, height_m = self._on_stage, eye.height_m
        seen: dict[str, float] = {}
        if eye.is_array:
            views = [v for s in on_stage for v in s.views(height_m, now_s, ambient_c)]
            seen |= head_values(eye.name, sorted(views, key=lambda view: view.distance_m))
            seen[eye.name] = max((s.background_c(ambient_c) for s in on_stage), default=ambient_c)
        else:
            each = (s.seen_c(height_m, eye.fov_deg, now_s, ambient_c) for s in on_stage)
            seen[eye.name] = max(each, default=ambient_c)
        if eye.has_distance:
            near = (s.distance_m(height_m, now_s) for s in on_stage)
            seen[distance_column(eye.name)] = min(near, default=math.inf)
        return seen
