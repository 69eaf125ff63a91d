"""``gated calibrate reference``: one thermometer against a surface of known temperature."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gated.calibrate.bench import Bench
from gated.calibrate.case import Case
from gated.calibrate.dialog import Dialog
from gated.calibrate.output import reference_lines
from gated.calibrate.surface import (
    CONFIGURED_PLATE,
    Practice,
    Surface,
    open_surface,
    stage_bench,
)
from gated.calibrate.write import write
from gated.clock import Clock
from gated.errors import ExitCode, GatedError
from gated.facts.alone import alone
from gated.sensors.calibration import Calibration, ReferencePoint
from gated.sensors.two_point import (
    MAX_SAMPLES,
    MIN_SAMPLES,
    POINT_MAX_C,
    POINT_MIN_C,
    Line,
    NotCalibrated,
    fit,
)
from gated.vocabulary import Site

EMISSIVITY = 0.95
"""Of matt black paint, of water, of most black bodies that are sold."""
EMISSIVITY_MIN, EMISSIVITY_MAX = 0.8, 1.0
MAX_POINTS = 5
ABOUT_C = ("33", "38")
"""Where a healthy skin and a fever lie."""
_END = frozenset({"end", "q", "完"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say."""

    at_c: tuple[float, ...] = ()
    emissivity: float | None = None  # None: ask
    ambient_c: float | None = None  # None: the configured sensor's
    plate: str | None = None  # as in open_surface
    samples: int | None = None  # None: what the variant needs
    is_sure: bool = False
    is_practice: bool = False


def wanted_of(args: argparse.Namespace) -> Wanted:
    """Return what the options say. Raises: GatedError: it cannot be."""
    for at_c in args.at:
        if not POINT_MIN_C <= at_c <= POINT_MAX_C:
            raise GatedError(
                f"--at {at_c:g}: only {POINT_MIN_C:g}–{POINT_MAX_C:g} °C say something"
            )
    if len(args.at) > MAX_POINTS:
        raise GatedError(f"at most {MAX_POINTS} points; two are what it takes")
    emissivity = args.emissivity
    if emissivity is not None and not EMISSIVITY_MIN <= emissivity <= EMISSIVITY_MAX:
        raise GatedError(f"--emissivity {emissivity:g}: {EMISSIVITY_MIN:g}–{EMISSIVITY_MAX:g}")
    if args.samples is not None and not MIN_SAMPLES <= args.samples <= MAX_SAMPLES:
        raise GatedError(f"--samples {args.samples}: {MIN_SAMPLES}–{MAX_SAMPLES}")
    if args.practise and args.plate is not None:
        raise GatedError("--practise has no plate: type the temperatures (练习时没有参考板)")
    return Wanted(
        at_c=tuple(args.at),
        emissivity=emissivity,
        ambient_c=args.ambient,
        plate=args.plate,
        samples=args.samples,
        is_sure=args.yes,
        is_practice=args.practise,
    )


def calibrate(case: Case, bench: Bench, wanted: Wanted, dialog: Dialog) -> ExitCode:
    """Measure, show, ask, write. Raises: GatedError: why nothing was written."""
    old = case.in_force()
    if case.traits.is_presence_only:
        raise NotCalibrated(f"{case.name} only tells that somebody is there; it judges nobody")
    if not (wanted.at_c or dialog.has_answers):
        raise GatedError(
            "nobody can be asked here: give the reference's temperatures, --at 33 --at 38 "
            "(此处无人可问，请用 --at 给出参考温度)"
        )
    with ExitStack() as stack:
        if not wanted.is_practice:
            case.folder.check_writable()
            _check_warm(case, bench.clock)
            stack.enter_context(alone(case.config.paths, bench.clock))
        surface = _open(case, bench, wanted, dialog, stack)
        chip_id = surface.thermometer.chip_id
        if old is not None and chip_id != old.chip_id and not wanted.is_practice:
            raise NotCalibrated(
                f"{old.name} was taken with another chip, {old.chip_id}; this is {chip_id}. First: "
                f"gated calibrate confirm {case.name} (先确认更换的芯片)"
            )
        _introduce(case, surface, dialog)
        targets = _targets(wanted, dialog, has_plate=surface.plate_c is not None)
        points = [surface.measure(target_c, dialog) for target_c in targets]
    line = fit(points)
    draft = _draft(case, chip_id, points, line, bench.clock)
    for text in reference_lines(case, draft, line):
        dialog.tell(text)
    if wanted.is_practice:
        dialog.note(("这是练习，不写入任何内容", "this was practice: nothing is written"))
        return ExitCode.OK
    return write(case, draft, dialog, bench.clock, is_sure=wanted.is_sure)


def _check_warm(case: Case, clock: Clock) -> None:
    left_s = case.config.temperature.warm_up_s - clock.boottime_ms() / 1_000
    if left_s > 0:
        raise NotCalibrated(
            f"{case.name} still warms up: {left_s / 60:.0f} min more, with the power on "
            "(temperature.warm_up_s) (预热未完成)"
        )


def _open(case: Case, bench: Bench, wanted: Wanted, dialog: Dialog, stack: ExitStack) -> Surface:
    emissivity = _emissivity(case, wanted, dialog)
    practice = None
    if wanted.is_practice:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gated-")))
        practice = Practice.begin(case.config, bench.clock, folder)
        stack.callback(practice.heat.close)
        bench = stage_bench(folder, case.config, bench.clock, bench.pause, stack)
    surface = open_surface(
        case,
        bench,
        stack,
        emissivity=emissivity,
        samples=wanted.samples,
        ambient_c=wanted.ambient_c,
        plate=wanted.plate,
    )
    if practice is not None:
        surface.set_to = partial(practice.set_to, emissivity=emissivity)
    return surface


def _emissivity(case: Case, wanted: Wanted, dialog: Dialog) -> float:
    usual = EMISSIVITY
    if wanted.plate == CONFIGURED_PLATE and case.config.temperature.reference is not None:
        usual = case.config.temperature.reference.emissivity
    if wanted.emissivity is not None or not dialog.has_answers:
        return usual if wanted.emissivity is None else wanted.emissivity
    typed = dialog.number(
        (
            f"参考面的发射率（回车为 {usual:g}）：",
            f"Emissivity of the reference (Enter: {usual:g}):",
        ),
        EMISSIVITY_MIN,
        EMISSIVITY_MAX,
        "--emissivity",
    )
    return usual if typed is None else typed


def _introduce(case: Case, surface: Surface, dialog: Dialog) -> None:
    settings, air_c = case.settings, surface.air_c()
    what = f"{case.name}: {settings.driver} {settings.bus}, {surface.thermometer.chip_id}"
    zh, en = f" {case.traits.fov_deg:g}° 视场", f"its view of {case.traits.fov_deg:g}°"
    if case.traits.site is not Site.FOREHEAD_SPOT:  # an array: one value's view is a few pixels
        zh, en = "整个画面", "the picture"
    dialog.note(
        (
            f"{what}；气温 {air_c:.1f} °C。参考面须充满{zh}",
            f"{what}; air {air_c:.1f} °C. The reference must fill {en}",
        )
    )


def _targets(wanted: Wanted, dialog: Dialog, *, has_plate: bool) -> Iterator[float | None]:
    """Yield what the reference is set to, point after point; None: its plate alone says it."""
    for number, at_c in enumerate(wanted.at_c, start=1):
        if dialog.has_answers:
            dialog.ask(
                (
                    f"第 {number} 点：参考面到 {at_c:g} °C 后按回车",
                    f"Point {number}: Enter when the reference is at {at_c:g} °C",
                ),
                "--at",
            )
        yield at_c
    if wanted.at_c:
        return
    for number in range(1, MAX_POINTS + 1):
        about = f"{ABOUT_C[number - 1]} °C" if number <= len(ABOUT_C) else "30–40 °C"
        if has_plate:
            last_zh, last_en = ("", "") if number == 1 else ("；end 结束", "; end: that was all")
            answer = dialog.ask(
                (
                    f"第 {number} 点：参考板到约 {about} 后按回车{last_zh}",
                    f"Point {number}: Enter when the plate is at about {about}{last_en}",
                ),
                "--at",
            )
            if number > 1 and answer.lower() in _END:
                return
            yield None
            continue
        typed_c = _typed(number, about, dialog)
        if typed_c is None:
            return
        yield typed_c


def _typed(number: int, about: str, dialog: Dialog) -> float | None:
    last_zh, last_en = ("", "") if number == 1 else ("；回车结束", "; Enter: that was all")
    while True:
        typed_c = dialog.number(
            (
                f"第 {number} 点：参考面现在多少 °C（约 {about}{last_zh}）：",
                f"Point {number}: the reference's temperature in °C (about {about}{last_en}):",
            ),
            POINT_MIN_C,
            POINT_MAX_C,
            "--at",
        )
        if typed_c is not None or number > 1:
            return typed_c


def _draft(
    case: Case, chip_id: str, points: list[ReferencePoint], line: Line, clock: Clock
) -> Calibration:
    measured: dict[str, object] = {
        "gain": round(line.gain, 6),
        "offset_c": round(line.offset_c, 4),
        "points": tuple(points),
    }
    if not case.site_stands_alone():
        measured |= {"site_a_c": None, "site_b": None, "agreement": None}
    return case.draft(case.newest, chip_id, clock).model_copy(update=measured)
