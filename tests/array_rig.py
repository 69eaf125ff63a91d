"""Thermal arrays on a bus whose messages take their time, and scenes before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gated.clock import FakeClock
from gated.sensors.area import Picture
from gated.sensors.face_thermometer import FaceThermometer
from gated.sensors.mlx90640 import DRIVER, Options
from gated.sensors.port import TemperatureSample
from gated.simulation.bus import Signal, SimulatedBus
from gated.simulation.chips.melexis_array import ADDRESS, Unit
from gated.simulation.chips.mlx90640 import FIELD_DEG, Mlx90640Model, example_eeprom
from gated.simulation.optics import View
from gated.simulation.thermal_scene import Lens, Look, MovingScene, Scene, Shape, head, render

GOLDEN = Path(__file__).parent / "golden" / "mlx90640"
BITS_PER_BYTE = 9
BAB = Lens(24, 32, 35.0, 55.0)
AMBIENT_C = 22.0


def golden_words(name: str) -> npt.NDArray[np.int16]:
    """Return the words of a golden file, signed."""
    text = (GOLDEN / f"{name}.txt").read_text(encoding="ascii")
    return np.array([int(word, 16) for word in text.split()], dtype=np.uint16).view(np.int16)


def golden_temperatures_c() -> Picture:
    text = (GOLDEN / "temperatures.txt").read_text(encoding="ascii")
    return np.array([float(value) for value in text.split()])


@dataclass
class TimedBus:
    """A bus on which the clock goes on while bytes go over the wire."""

    wires: SimulatedBus
    clock: FakeClock
    speed_hz: float = 400_000.0

    @property
    def name(self) -> str:
        return self.wires.name

    def read_word_with_pec(self, address: int, command: int) -> bytes:
        return self.wires.read_word_with_pec(address, command)

    def write_then_read(self, address: int, data: bytes, count: int) -> bytes:
        answer = self.wires.write_then_read(address, data, count)
        self._spend(2 + len(data) + count)
        return answer

    def write(self, address: int, data: bytes) -> None:
        self.wires.write(address, data)
        self._spend(1 + len(data))

    def read(self, address: int, count: int) -> bytes:
        self._spend(1 + count)
        return self.wires.read(address, count)

    def close(self) -> None:
        self.wires.close()

    def _spend(self, count: int) -> None:
        self.clock.advance(count * BITS_PER_BYTE / self.speed_hz)


@dataclass
class ArrayRig:
    """One MLX90640 looking at ``shapes``."""

    shapes: Sequence[Shape] = ()
    ambient_c: float = AMBIENT_C
    options: Options = field(default_factory=Options)
    seed: int = 1
    noise_share: float = 1.0
    pattern_c: float = 0.0
    speed_hz: float = 400_000.0
    words: list[int] = field(default_factory=example_eeprom)

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.wires = SimulatedBus()
        self.bus = TimedBus(self.wires, self.clock, self.speed_hz)
        scene = MovingScene(lambda _: self.shapes, lambda _: self.ambient_c)
        unit = Unit(
            *FIELD_DEG[self.options.optics],
            turned_deg=self.options.turned_deg,
            noise_share=self.noise_share,
            pattern_c=self.pattern_c,
        )
        self.chip = Mlx90640Model(self.clock, scene, unit=unit, words=self.words, seed=self.seed)
        self.wires.attach(ADDRESS, self.chip)
        made = DRIVER.make(self.bus, self.options, self.clock, self.clock.advance)
        assert isinstance(made, FaceThermometer)
        self.thermometer = made

    def show(self, scene: Signal | Scene) -> None:
        """Put another scene before the array."""
        self.chip._heat = scene

    def samples(self, count: int) -> list[TemperatureSample]:
        """Return samples at the pace of a worker."""
        found = []
        for _ in range(count):
            self.clock.advance(self.thermometer.traits.settle_s)
            found.append(self.thermometer.read())
        return found


def somebody(distance_m: float, *, forehead_c: float = 34.5, ambient_c: float = AMBIENT_C,
             aside_m: float = 0.0, above_m: float = 0.0, look: Look | None = None,
             ) -> tuple[Shape, ...]:  # fmt: skip
    """Return a person whose forehead is ``distance_m`` before the array."""
    return head(View(distance_m, forehead_c, aside_m, above_m), ambient_c, look)


def seen(*shapes: Sequence[Shape], ambient_c: float = AMBIENT_C, lens: Lens = BAB) -> Picture:
    """Return what the array sees of them all, without noise."""
    return render([shape for several in shapes for shape in several], ambient_c, lens)
