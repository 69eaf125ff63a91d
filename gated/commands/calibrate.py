"""``gated calibrate``: thermometers against a reference surface and against contact readings."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ExitCode, GatedError

if TYPE_CHECKING:
    from gated.calibrate.bench import Bench
    from gated.calibrate.case import Case
    from gated.calibrate.dialog import Dialog
    from gated.clock import Clock
    from gated.config import GateConfig

HELP = "calibrate a thermometer, step by step 标定测温头"
EPILOG = """\
list       what is in force 当前标定
reference  one thermometer against a surface of known temperature; stop the gate first 对参考面标定
site       all of it against a contact thermometer, on people 与接触式体温计配对
confirm    another chip was soldered in 更换芯片后确认
revert     back to an earlier version 恢复旧版本

Each calibration is a new file that is never changed. Nothing is written before you say yes.
Without hardware: gated calibrate reference child --practise 无硬件练习. See docs/calibrate.md.
"""
_DEMO = Path(__file__).parents[1] / "demo" / "demo.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="every thermometer and what is in force 列表")
    _add_config(listing)
    listing.add_argument("--all", action="store_true", help="also earlier versions 含历史")
    listing.add_argument("--json", action="store_true", help="for programs")

    show = actions.add_parser("show", help="one version in full 查看某一版本")
    _add_thermometer(show)
    show.add_argument("version", nargs="?", type=int, metavar="VERSION", help="default: the newest")
    show.add_argument("--json", action="store_true", help="the file as it is, for programs")

    reference = actions.add_parser(
        "reference", help="against a surface of known temperature 对参考面标定"
    )
    _add_reference(reference)

    site = actions.add_parser("site", help="against contact readings of people 与接触式读数配对")
    _add_site(site)

    confirm = actions.add_parser("confirm", help="another chip was soldered in 确认更换的芯片")
    _add_thermometer(confirm)
    _add_stage(confirm)
    _add_yes(confirm)

    revert = actions.add_parser("revert", help="back to an earlier version 恢复旧版本")
    _add_thermometer(revert)
    revert.add_argument(
        "--to", type=int, metavar="VERSION", help="default: the one before; 0: as made, 出厂值"
    )
    _add_stage(revert)
    _add_yes(revert)


def _add_reference(parser: argparse.ArgumentParser) -> None:
    _add_thermometer(parser)
    parser.add_argument(
        "--at",
        action="append",
        type=float,
        default=[],
        metavar="C",
        help="temperature that the reference is set to; repeat it for a second point. Default: ask",
    )
    parser.add_argument(
        "--plate",
        nargs="?",
        const="",
        metavar="BUS[:ADDRESS]",
        help="read the reference's temperature from its TMP117; alone: temperature.reference",
    )
    parser.add_argument(
        "--emissivity", type=float, metavar="E", help="of the reference surface 发射率 (0.95)"
    )
    parser.add_argument(
        "--ambient", type=float, metavar="C", help="the air; default: the configured sensor 气温"
    )
    parser.add_argument(
        "--samples",
        type=int,
        metavar="N",
        help="readings for each point; default: one minute's, and at least 60",
    )
    parser.add_argument(
        "--practise",
        action="store_true",
        help="simulated: nothing is touched or written 练习，不碰硬件",
    )
    _add_stage(parser)
    _add_yes(parser)


def _add_site(parser: argparse.ArgumentParser) -> None:
    _add_thermometer(parser)
    parser.add_argument(
        "--pairs",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="CSV with contact_c and visit_id, or skin_c and ambient_c, or body_c; may be repeated",
    )
    parser.add_argument(
        "--typed", action="store_true", help="type them in, visit by visit 手工录入"
    )
    parser.add_argument(
        "--last", type=int, default=10, metavar="N", help="with --typed: show N visits (10)"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="with --typed: add each pair to this CSV 另存"
    )
    parser.add_argument(
        "--ledger", action="store_true", help="every release with a contact value 用台账"
    )
    parser.add_argument(
        "--since", type=_day, metavar="YYYY-MM-DD", help="with --ledger: from that day on"
    )
    parser.add_argument(
        "--without",
        type=lambda text: frozenset(filter(None, text.split(","))),
        default=frozenset(),
        metavar="VISIT,…",
        help="leave these visits out 排除",
    )
    parser.add_argument(
        "--accept-selected",
        action="store_true",
        help="lower the offset although the people were chosen by a high reading",
    )
    parser.add_argument("--json", action="store_true", help="for programs; writes with --yes only")
    _add_stage(parser)
    _add_yes(parser)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError("write it like 2026-11-23") from exc


def _add_thermometer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("thermometer", metavar="THERMOMETER", help="its name 测温头名称")
    _add_config(parser)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="default: $GATED_CONFIG, or /etc/gated/gated.toml",
    )


def _add_stage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stage", type=Path, metavar="DIR", help="the simulated devices of a scenario, for tests"
    )


def _add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="write without asking 不再询问")


def run(args: argparse.Namespace) -> int:
    from gated.calibrate.case import case_of
    from gated.calibrate.dialog import Dialog
    from gated.clock import SystemClock
    from gated.texts import cli_language

    clock = SystemClock()
    dialog = Dialog(sys.stdin, sys.stdout, sys.stderr, cli_language())
    config = _configuration(args)
    if args.action == "list":
        return int(_list(config, dialog, clock, everything=args.all, as_json=args.json))
    case = case_of(config, args.thermometer)
    if args.action == "show":
        return int(_show(case, dialog, args.version, as_json=args.json))
    with ExitStack() as stack:
        bench = _bench(args.stage, config, clock, stack)
        return int(_change(args, case, bench, dialog))


def _configuration(args: argparse.Namespace) -> GateConfig:
    """Return the gate's; to practise, where there is no gate, the demo's."""
    from gated.config.load import default_file, load_gate

    file = args.config or default_file()
    is_practice = args.action == "reference" and args.practise
    if is_practice and args.config is None and not file.exists():
        file = _DEMO
    return load_gate(file)


def _bench(stage: Path | None, config: GateConfig, clock: Clock, stack: ExitStack) -> Bench:
    from gated.calibrate.bench import Bench
    from gated.calibrate.surface import stage_bench
    from gated.sensors.smbus2_bus import Smbus2Bus

    pause = threading.Event().wait
    if stage is not None:
        return stage_bench(stage, config, clock, pause, stack)
    return Bench(Smbus2Bus, clock, pause)


def _change(args: argparse.Namespace, case: Case, bench: Bench, dialog: Dialog) -> ExitCode:
    from gated.calibrate import reference, site, versions

    match args.action:
        case "reference":
            wanted = reference.wanted_of(args)
            return reference.calibrate(case, bench, wanted, dialog)
        case "site":
            return site.calibrate(case, bench, site.wanted_of(args), dialog)
        case "confirm":
            return versions.confirm(case, bench, dialog, is_sure=args.yes)
        case _:
            return versions.revert(case, bench, dialog, version=args.to, is_sure=args.yes)


# --- looking -------------------------------------------------------------------------------------


def _list(
    config: GateConfig, dialog: Dialog, clock: Clock, *, everything: bool, as_json: bool
) -> ExitCode:
    from gated.calibrate.case import cases
    from gated.calibrate.output import history_lines, list_lines, listed
    from gated.facts.alone import Busy, running_gate

    chips: dict[str, str] = {}
    try:
        gate = running_gate(config.paths, clock)
        chips = {} if gate is None else gate.chips
    except Busy as exc:
        dialog.note((f"! {exc}", f"! {exc}"))
    found = cases(config)
    if as_json:
        print(
            json.dumps([listed(case, chips.get(case.name)) for case in found], ensure_ascii=False)
        )
    else:
        for case in found:
            for line in list_lines(case, chips.get(case.name)):
                dialog.tell(line)
            for line in history_lines(case) if everything else ():
                dialog.tell(line)
    is_well = all(_is_well(case, chips.get(case.name)) for case in found)
    return ExitCode.OK if is_well else ExitCode.FAILED


def _is_well(case: Case, chip_id: str | None) -> bool:
    if case.newest is None or chip_id is None:
        return not case.trouble
    return chip_id == case.newest.chip_id


def _show(case: Case, dialog: Dialog, version: int | None, *, as_json: bool) -> ExitCode:
    from gated.calibrate.output import FACTORY, show_lines

    calibration = case.in_force() if version is None else case.load(version)
    if calibration is None:
        raise GatedError(f"{case.name}: {dialog.say(FACTORY)}")
    if as_json:
        print(calibration.model_dump_json())
        return ExitCode.OK
    for line in show_lines(calibration, case.site(calibration)):
        dialog.tell(line)
    return ExitCode.OK
