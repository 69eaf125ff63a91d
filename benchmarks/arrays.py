"""What one picture of a thermal array costs: conversion, search, and the simulated chip's part.

    python benchmarks/arrays.py [--json] [--approaches N]

The conversion is also done by a plain-Python loop over the pixels, as Melexis' C library does it;
both must agree. With ``--approaches``, N people walk up to the simulated array at each of four
distances, and what sampling makes of its pictures is held against their foreheads.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from benchmarks.figures import Spread, print_figures, surroundings
from gated.sensors.area import PixelSize, find_face
from gated.sensors.compensation import true_surface_c
from gated.sensors.melexis_array import Subpage
from gated.sensors.mlx90640 import convert
from gated.sensors.mlx90640_eeprom import parse
from gated.sensors.mlx90641 import convert as convert_90641
from gated.sensors.mlx90641_eeprom import parse as parse_90641
from gated.sensors.sampling import Plateau, Sampling, SamplingRules
from gated.simulation.approach import Person, Walker
from gated.simulation.chips.mlx90640_constants import constants_of
from gated.simulation.chips.mlx90641 import example_eeprom as example_90641
from gated.simulation.optics import SKIN_EMISSIVITY
from gated.simulation.thermal_scene import MovingScene, Shape, head
from gated.units import MonoSeconds
from tests.array_rig import ArrayRig, golden_words, seen, somebody
from tests.plain_mlx90640 import converted

CONTROL = 0x1901
CONTROL_90641 = 0x0901
MARK_MS = 2.0
NOISE_C = 0.28

AMBIENT_C, BODY_C, FOREHEAD_C = 22.0, 36.8, 34.5
STATURE_M, MOUNT_M = 1.65, 1.55
PATTERN_C = 0.15  # between pixels
PATIENCE_S = 6.0


def timed(work: Callable[[], object], times: int) -> Spread:
    """Return the CPU time of ``work`` in ms."""
    work()
    took_ms = []
    for _ in range(times):
        began_s = time.thread_time()
        work()
        took_ms.append((time.thread_time() - began_s) * 1_000)
    return Spread(
        round(float(np.median(took_ms)), 3), round(float(np.quantile(took_ms, 0.99)), 3), times
    )


def answer(seed: int, stop_m: float) -> tuple[float, float] | None:
    """Return how far a plateau is off the forehead in °C, and how long after standing still."""
    rig = ArrayRig(seed=seed, pattern_c=PATTERN_C)
    person = Person(BODY_C, stature_m=STATURE_M, stop_m=stop_m)
    arrives_at_s = rig.clock.monotonic_s() + 3.0
    walker = Walker(person, seed=seed, arrives_at_s=arrives_at_s)

    def shapes(at_s: float) -> tuple[Shape, ...]:
        view = walker.view(at_s, MOUNT_M, FOREHEAD_C)
        return head(view, AMBIENT_C) if view is not None else ()

    rig.show(MovingScene(shapes, lambda _: AMBIENT_C))
    rig.thermometer.open()
    sampling = Sampling("array", SamplingRules.for_traits(rig.thermometer.traits))
    while rig.clock.monotonic_s() < walker.stands_from_s + PATIENCE_S:
        for finding in sampling.feed(rig.samples(1)[0]):
            if isinstance(finding, Plateau):
                shown_c = true_surface_c(finding.object_c, AMBIENT_C, SKIN_EMISSIVITY)
                return shown_c - FOREHEAD_C, finding.taken_at - walker.stands_from_s
    return None


def approaches(count: int) -> dict[str, str]:
    rows = {}
    for stop_m in (0.3, 0.4, 0.5, 0.56):
        answers = [found for n in range(count) if (found := answer(n, stop_m)) is not None]
        off_c, waited_s = np.array(answers).T
        rows[f"approach_to_{stop_m:g}_m"] = (
            f"bias {off_c.mean():+.2f} sd {off_c.std():.2f} °C   "
            f"after {waited_s.mean():.2f} s, 95 % {np.quantile(waited_s, 0.95):.2f} s   "
            f"n {len(answers)} of {count}"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--approaches", type=int, default=0, metavar="N")
    args = parser.parse_args()
    eeprom = golden_words("eeprom").view(np.uint16)
    calibration, own = parse(eeprom), constants_of(eeprom.tolist())
    rams = [golden_words(f"subpage-{number}") for number in (0, 1)]
    subpages = [Subpage(n, rams[n], CONTROL, MonoSeconds(0.0)) for n in (0, 1)]
    plain_rams = [ram.tolist() for ram in rams]

    def with_numpy() -> list[object]:
        return [convert(calibration, subpage) for subpage in subpages]

    def with_loops() -> dict[int, float]:
        return {
            at: value
            for number in (0, 1)
            for at, value in converted(own, plain_rams[number], number, CONTROL).items()
        }

    plain = with_loops()
    for subpage in subpages:
        half, found_c, _ = convert(calibration, subpage)
        assert np.allclose(found_c, [plain[at] for at in half.at.tolist()], atol=1e-6)

    small = parse_90641(np.array(example_90641(), dtype=np.uint16))
    words = np.full(448, 972, dtype=np.int16)
    words[[384, 392, 394, 416, 424, 426]] = [19_540, -105, 9_734, 1_752, -105, -13_430]
    one = Subpage(0, words, CONTROL_90641, MonoSeconds(0.0))

    scene_c = seen(somebody(0.4))
    noisy_c = scene_c + np.random.default_rng(1).normal(0.0, NOISE_C, scene_c.shape)
    pixel = PixelSize(35 / 24, 55 / 32)
    rig = ArrayRig(somebody(0.4))
    rig.thermometer.open()

    numpy_ms, loops_ms = timed(with_numpy, 400), timed(with_loops, 20)
    rows: dict[str, object] = {
        "mlx90640_picture_ms": numpy_ms,
        "mlx90640_plain_python_ms": loops_ms,
        "plain_python_over_numpy": round(loops_ms.median / numpy_ms.median, 1),
        "mlx90641_picture_ms": timed(lambda: convert_90641(small, one), 400),
        "search_for_the_face_ms": timed(
            lambda: find_face(noisy_c, pixel, chosen_in_c=scene_c), 400
        ),
        "parse_eeprom_once_ms": timed(lambda: parse(eeprom), 50),
        "render_a_scene_ms": timed(lambda: seen(somebody(0.4)), 100),
        "read_with_simulated_chip_ms": timed(lambda: rig.samples(1), 100),
        "mark": f"mlx90640_picture_ms ≤ {MARK_MS:g}: "
        + ("reached" if numpy_ms.median <= MARK_MS else "missed"),
    }
    if args.approaches:
        rows.update(approaches(args.approaches))
    print_figures(rows, surroundings("nothing of ours"), as_json=args.json)


if __name__ == "__main__":
    main()
