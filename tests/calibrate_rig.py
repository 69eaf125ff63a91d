"""A stopped gate with a reference bath before its thermometer, and a technician at the terminal."""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from gated.calibrate import reference, site
from gated.calibrate.bench import Bench
from gated.calibrate.case import Case, case_of
from gated.calibrate.dialog import Dialog
from gated.clock import FakeClock
from gated.config import GateConfig, parse_gate
from gated.config.explain import dump_toml, with_paths
from gated.contents import ReleaseContent, VisitContent
from gated.sensors.calibration import Calibration, CalibrationFolder
from gated.sensors.site import SITES
from gated.simulation.bus import SimulatedBus
from gated.simulation.chips.mlx90614 import ADDRESS, Mlx90614Model, Unit
from gated.simulation.chips.sht3x import ADDRESS as AIR_ADDRESS
from gated.simulation.chips.sht3x import Sht3xModel
from gated.units import KELVIN_OFFSET_K
from gated.vocabulary import Direction, Outcome, Prompt, ReleaseResult, Site
from gated.wire import Draft
from tests.config_texts import MINIMAL
from tests.ledger_drafts import open_ledger, stamp

AIR_C = 22.0
WATER = 0.95
CHIP = "123456789abcdef0"
OTHER_CHIP = 0x1111_2222_3333_4444

CONFIG = MINIMAL.replace(
    "[temperature]\n",
    '[temperature]\nambient = { driver = "sht3x", bus = "/dev/i2c-0" }\n',
).replace(
    'mount_height_m = 1.1, variant = "DCI" }',
    'mount_height_m = 1.1, variant = "DCI", supply_v = 3.3 },\n'
    '  { name = "adult", driver = "mlx90614", bus = "/dev/i2c-3", mount_height_m = 1.6, '
    'variant = "DCI" }',
)


def seen_of(surface_c: float, emissivity: float = WATER) -> float:
    """Return what an ideal sensor sees of a surface that fills its view, in °C."""
    own_k4, air_k4 = ((t_c + KELVIN_OFFSET_K) ** 4 for t_c in (surface_c, AIR_C))
    seen_k4: float = emissivity * own_k4 + (1 - emissivity) * air_k4
    return float(seen_k4**0.25) - KELVIN_OFFSET_K


class Technician:
    """Answers one question after another; a callable is done first, then Enter is pressed."""

    def __init__(self, answers: Iterable[str | Callable[[], object]], *, sits_there: bool) -> None:
        self._answers = list(answers)
        self._sits_there = sits_there

    def isatty(self) -> bool:
        return self._sits_there

    def readline(self) -> str:
        if not self._answers:
            return ""
        answer = self._answers.pop(0)
        if isinstance(answer, str):
            return f"{answer}\n"
        answer()
        return "\n"


class Workshop:
    """One gate's sensors, a folder for its state, and a bath of any temperature."""

    def __init__(self, folder: Path, unit: Unit | None = None) -> None:
        self.clock = FakeClock()
        run, state = folder / "run", folder / "state"
        state.mkdir(parents=True)
        run.mkdir()
        self.config: GateConfig = with_paths(parse_gate(CONFIG, "test"), state=state, run=run)
        self.file = folder / "gated.toml"
        self.file.write_text(dump_toml(self.config), encoding="utf-8")
        self.folder = CalibrationFolder(state / "calibrations")
        self.bath_c = 33.0
        self.bath: Callable[[float], float] = lambda _: self.bath_c
        self.die: Callable[[float], float] = lambda _: 25.0
        self.buses = {name: SimulatedBus(name) for name in ("/dev/i2c-0", "/dev/i2c-1")}
        self.buses["/dev/i2c-0"].attach(
            AIR_ADDRESS, Sht3xModel(self.clock, lambda _: AIR_C, seed=2)
        )
        self.solder(unit or Unit(supply_v=3.3))
        self.out, self.aside = io.StringIO(), io.StringIO()

    def solder(self, unit: Unit) -> None:
        """Put this chip in."""
        self.chip = Mlx90614Model(
            self.clock,
            lambda at: seen_of(self.bath(at)),
            die=self._die_at,
            unit=unit,
            seed=3,
        )
        self.buses["/dev/i2c-1"].attach(ADDRESS, self.chip)

    def _die_at(self, at_s: float) -> float:
        return self.die(at_s)

    def heat(self, bath_c: float) -> Callable[[], None]:
        """Return what a technician does to bring the bath to ``bath_c``."""
        return lambda: setattr(self, "bath_c", bath_c)

    @property
    def case(self) -> Case:
        return case_of(self.config, "child")

    @property
    def bench(self) -> Bench:
        return Bench(lambda name: self.buses[name].open(), self.clock, self.clock.advance)

    def dialog(self, *answers: str | Callable[[], object], sits_there: bool = True) -> Dialog:
        """Return a new terminal; what it shows is in ``out`` and ``aside``."""
        self.out, self.aside = io.StringIO(), io.StringIO()
        technician = Technician(answers, sits_there=sits_there)
        return Dialog(technician, self.out, self.aside, "en")

    def reference(
        self,
        *answers: str | Callable[[], object],
        wanted: reference.Wanted | None = None,
        sits_there: bool = True,
    ) -> Calibration | None:
        """Run ``gated calibrate reference child``; return what is in force afterwards."""
        dialog = self.dialog(*answers, sits_there=sits_there)
        options = wanted or reference.Wanted(emissivity=WATER)
        reference.calibrate(self.case, self.bench, options, dialog)
        return self.folder.load("child")

    def site(
        self, wanted: site.Wanted, *answers: str, sits_there: bool = True
    ) -> Calibration | None:
        """Run ``gated calibrate site child``; return what is in force afterwards."""
        dialog = self.dialog(*answers, sits_there=sits_there)
        site.calibrate(self.case, self.bench, wanted, dialog)
        return self.folder.load("child")

    def calibrated(self, **changes: object) -> Calibration:
        """Write a version by hand and return it."""
        version = (self.folder.versions("child") or [0])[-1] + 1
        written = Calibration.model_validate(
            {
                "thermometer": "child",
                "version": version,
                "chip_id": CHIP,
                "made_at": "2026-11-20T08:00:00+08:00",
                "made_by": "cli:li",
                **changes,
            }
        )
        self.folder.save(written)
        return written

    def run_gate(self, **chips: str) -> None:
        """Say that a controller runs, as its status file does."""
        status = {
            "v": 1, "pid": os.getpid(), "boottime_ms": self.clock.boottime_ms(), "mode": "normal",
            "drill": False, "prompt": "ready", "time_quality": "trusted", "devices": {},
            "threshold_c": 37.3, "rules": "r-1", "chips": chips,
        }  # fmt: skip
        (self.config.paths.run / "status.json").write_text(json.dumps(status), encoding="utf-8")


# --- people --------------------------------------------------------------------------------------


def visit_of(
    visit_id: str,
    surface_c: float | None,
    *,
    body_c: float | None = 36.6,
    thermometer: str = "child",
    calibration: str = "default",
    drift_c: float | None = None,
    skin_c: float | None = None,
) -> Draft:
    """Return a visit's record; ``surface_c`` is what its thermometer made of the face."""
    content = VisitContent(
        visit_id=visit_id,
        direction=Direction.IN,
        outcome=Outcome.GRANTED,
        reason=None,
        prompt=Prompt.GO,
        body_c=body_c,
        skin_c=surface_c if skin_c is None else skin_c,
        surface_c=surface_c,
        drift_c=drift_c,
        ambient_c=AIR_C,
        thermometer=thermometer,
        calibration=calibration,
        threshold_c=37.3,
        threshold_inclusive=True,
    )
    return Draft(content, stamp())


def release_of(visit_id: str, contact_c: float | None) -> Draft:
    content = ReleaseContent(visit_id=visit_id, result=ReleaseResult.CLEARED, contact_c=contact_c)
    return Draft(content, stamp())


def record(workshop: Workshop, drafts: Iterable[Draft]) -> None:
    """Let the ledger hold ``drafts``."""
    ledger = open_ledger(workshop.config.paths.state / "ledger.db", workshop.clock).ledger
    ledger.append(list(drafts))
    ledger.close()


# --- pairs ---------------------------------------------------------------------------------------

SPOT = SITES[Site.FOREHEAD_SPOT]
SKIN_C = 33.3
BODY_C = SKIN_C + SPOT.a_c - SPOT.b * AIR_C
"""What the gate says of that skin with the published offset."""


def csv(workshop: Workshop, text: str, name: str = "pairs.csv") -> Path:
    file = workshop.file.with_name(name)
    file.write_text(text, encoding="utf-8")
    return file


def scattered(count: int, bias_c: float, sd_c: float = 0.3, seed: int = 1) -> list[float]:
    """Return differences, contact minus gate, with exactly this mean."""
    chance = random.Random(seed)
    values = [chance.gauss(0.0, sd_c) for _ in range(count)]
    mean_c = sum(values) / count
    return [value - mean_c + bias_c for value in values]
