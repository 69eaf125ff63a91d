"""Persons a minute in a simulated queue before a gate with two DCI thermometers, or two arrays.

    python benchmarks/throughput.py [--array] [--persons N] [--barrier-s S] [--seed S] [--json]

Of sixteen persons, twelve are healthy with a phone, two are a child and whoever brings it, and two
hold up paper passes from too far away and are told so. They are the scenario's own (they walk up,
stand, look for their phone, react, walk through) before the real processes. The light barrier
stands further back than the scenario has it, so that a person is still passing when the next one is
measured. Beside the rate: where a person's seconds go, and in how many cases the next one was
noticed before the last was through.

Marks: at least 12 persons a minute, with arrays 20. (Not called queue.py: it would hide the
library's queue.)
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import Spread, print_figures, surroundings
from gated.contents import Kind
from gated.devices import heat_columns, thermometer_eyes
from gated.simulation.acts import Kind as PersonKind
from gated.simulation.camera import StageCamera
from gated.simulation.play import Player
from gated.simulation.scenario import ARRAY_STOP_M, STOP_M, Scenario
from gated.simulation.stage import FRAME_FILE, HEAT_FILE, HeatLog, StageInputs, StageOutputs
from gated.vocabulary import Outcome
from tests.gate_processes import CLOCK, wait_for
from tests.gate_rig import GateUnderTest

MARK_PER_MINUTE, MARK_ARRAY_PER_MINUTE = 12.0, 20.0
CHILD = '{ name = "child", driver = "mlx90614", variant = "DCI", bus = "/dev/i2c-1",'
ADULT = CHILD.replace("child", "adult").replace("i2c-1", "i2c-3")
SPOT = f"{CHILD.replace('DCI', 'DAA')} mount_height_m = 1 }},"
TWO_DCI = {
    SPOT: f"{CHILD} mount_height_m = 1.1 }}, {ADULT} mount_height_m = 1.6 }},",
    "hint_after_s = 2.0\nstaff_after_s = 6.0": "hint_after_s = 3.0\nstaff_after_s = 15.0",
    'passage = { line = "GPIO5" }': 'passage = { line = "GPIO5" }\ncontact = { line = "GPIO6" }',
}
"""At the heights of pupils' and of grown-ups' foreheads, as in ``gated demo``."""
ARRAY = (
    '{ name = "%s", driver = "mlx90640", optics = "BAB", bus = "/dev/i2c-%d", mount_height_m = %g, '
)
BESIDE = 'distance = { driver = "vl53l1x", bus = "/dev/i2c-%d" } },'
TWO_ARRAYS = TWO_DCI | {
    SPOT: ARRAY % ("child", 1, 1.1) + BESIDE % 4 + ARRAY % ("adult", 3, 1.6) + BESIDE % 5
}
QUEUE = (
    *[PersonKind.HEALTHY] * 4,
    PersonKind.PAIR,
    *[PersonKind.HEALTHY] * 3,
    PersonKind.FAR_PAPER,
    *[PersonKind.HEALTHY] * 5,
    PersonKind.FAR_PAPER,
)
OPENS_AFTER_S = 2.5
EACH_WITHIN_S = 30.0


class FarBarrier(StageInputs):
    """Wires to a light barrier that people reach ``later_s`` after the scenario's."""

    def __init__(self, stage: Path, later_s: float) -> None:
        super().__init__(stage)
        self._later_s = later_s

    def press(self, name: str) -> bool:
        threading.Timer(self._later_s, super().press, (name,)).start()
        return True


class Rhythm:
    """When what happened to each visit, from the ledger's own times."""

    def __init__(self, gate: GateUnderTest) -> None:
        visits = gate.of_kind(Kind.VISIT)
        served = {Outcome.GRANTED.value, Outcome.SCREENED_ONLY.value}
        self.refused = [v for v in visits if v.body["outcome"] not in served]
        self.hinted = [v for v in visits if v.body.get("hints")]
        self.decided_ms = [_number(v.body["boot_ms"]) for v in visits]
        self.took_ms = [_number(v.body["took_ms"]) for v in visits]
        self.passed_ms = {
            p.visit_id: _number(p.body["boot_ms"]) for p in gate.of_kind(Kind.PASSAGE)
        }
        self.visits = visits

    def gaps_s(self) -> list[float]:
        """Return the time from each decision to the next."""
        return [(b - a) / 1_000 for a, b in itertools.pairwise(self.decided_ms)]

    def overlaps(self) -> int:
        """Return how many visits began before the one ahead was through."""
        count = 0
        for ahead, decided, took in zip(
            self.visits, self.decided_ms[1:], self.took_ms[1:], strict=False
        ):
            count += decided - took < self.passed_ms.get(ahead.visit_id, 0.0)
        return count


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def play(
    gate: GateUnderTest, persons: int, seed: int, barrier_s: float, stop_m: float = STOP_M
) -> float:
    """Let ``persons`` people pass; return how many seconds it took."""
    stop = threading.Event()
    stage = gate.run_folder
    stage.mkdir(parents=True)
    with (
        closing(HeatLog(stage / HEAT_FILE, heat_columns(gate.config), create=True)) as heat,
        closing(StageOutputs(stage)) as outputs,
        closing(FarBarrier(stage, barrier_s)) as inputs,
    ):
        camera = StageCamera(stage / FRAME_FILE, CLOCK, seed)
        player = Player(
            Scenario(gate.office, seed, kinds=QUEUE, stop_m=stop_m).acts(persons),
            eyes=thermometer_eyes(gate.config),
            heat=heat,
            camera=camera,
            outputs=outputs,
            inputs=inputs,
            clock=CLOCK,
            attendant=gate.office.attendant(),
            seed=seed,
        )
        player.write_empty_stage()
        threads = [
            threading.Thread(target=camera.run, args=(stop, lambda: None)),
            threading.Thread(target=player.run, args=(stop, lambda: None)),
        ]
        try:
            threads[0].start()
            gate.start()
            stop.wait(OPENS_AFTER_S)
            started_s = CLOCK.monotonic_s()
            threads[1].start()
            finished = lambda: player.played.is_finished  # noqa: E731 - named for the reader
            wait_for(finished, "the last person", persons * EACH_WITHIN_S, log=gate.log)
            took_s = CLOCK.monotonic_s() - started_s
            stop.wait(barrier_s + 1.0)  # the last one is still on the way through
            return took_s
        finally:
            stop.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            gate.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--array", action="store_true", help="thermal arrays in place of spots")
    parser.add_argument("--persons", type=int, default=32)
    parser.add_argument("--barrier-s", type=float, default=1.5, help="further from the sensor")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:
        gate = GateUnderTest(Path(folder) / "g", changes=TWO_ARRAYS if args.array else TWO_DCI)
        stop_m = ARRAY_STOP_M if args.array else STOP_M
        took_s = play(gate, args.persons, args.seed, args.barrier_s, stop_m)
        rhythm = Rhythm(gate)
    per_minute = round(args.persons / took_s * 60, 1)
    rows: dict[str, object] = {
        "decision to decision, s": Spread.of(rhythm.gaps_s()),
        "noticed to decision, s": Spread.of([ms / 1_000 for ms in rhythm.took_ms]),
        "noticed before the last was through": f"{rhythm.overlaps()} of {args.persons - 1}",
        "told how to hold their code": len(rhythm.hinted),
        "not served": ", ".join(str(v.body["reasons"]) for v in rhythm.refused) or "none",
        "throughput.persons_per_minute": per_minute,
    }
    mark = MARK_ARRAY_PER_MINUTE if args.array else MARK_PER_MINUTE
    if not args.json:
        rows["throughput.persons_per_minute"] = f"{per_minute} (mark: at least {mark:g})"
    beside = "one gate under gated run, the scenario and its camera, no broker, no collector"
    print_figures(rows, surroundings(beside), as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
