"""``gated tune``: what other temperature settings would have done. Reads only; changes nothing."""

from __future__ import annotations

import argparse
import json
import math
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ConfigError, ExitCode, GatedError, StorageError

if TYPE_CHECKING:
    from gated.tuning.sources import Period, Source
    from gated.tuning.study import Study
    from gated.tuning.trial import Trial, Wish
    from gated.tuning.view import Origin, View

HELP = "what another threshold, guard band or offset would have done 试算体温设置"
PROGRESS_EVERY = 5_000
"""Visits between two signs of life on a terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Without a setting it shows today's and the thresholds around them. Exit code: 0 shown, "
        "1 there is nothing to show, or the change would let a confirmed case in. "
        "不带设置：显示现在的设置和邻近各档阈值。"
    )
    tried = parser.add_argument_group("what to try 试什么")
    tried.add_argument(
        "--threshold", type=_number, metavar="C", help="fever threshold, °C 发热阈值"
    )
    boundary = tried.add_mutually_exclusive_group()
    boundary.add_argument(
        "--inclusive", action="store_true", help="exactly the threshold is high 等于阈值也算"
    )
    boundary.add_argument(
        "--exclusive", action="store_true", help="exactly the threshold is normal 等于阈值不算"
    )
    tried.add_argument(
        "--guard-below",
        type=_width,
        metavar="C",
        help="guard band below the threshold, °C 复测区间下",
    )
    tried.add_argument(
        "--guard-above",
        type=_width,
        metavar="C",
        help="guard band above the threshold, °C 复测区间上",
    )
    tried.add_argument(
        "--attempts", type=int, choices=(1, 2, 3, 4), help="readings at most 最多测几次"
    )
    tried.add_argument(
        "--offset",
        type=_number,
        metavar="C",
        help="added to every body temperature, °C: what another site offset would have done 偏移",
    )
    which = parser.add_argument_group("which visits 哪些通行")
    which.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="today's settings, and whose ledger; default: $GATED_CONFIG, or /etc/gated/gated.toml",
    )
    place = which.add_mutually_exclusive_group()
    place.add_argument("--ledger", type=Path, metavar="FILE", help="a ledger.db, also an old one")
    place.add_argument("--database", type=Path, metavar="FILE", help="a collector's database")
    which.add_argument("--site", help="of a collector's database: this site alone")
    which.add_argument("--gate", help="of a collector's database: this gate alone")
    which.add_argument("--since", type=_day, metavar="YYYY-MM-DD", help="from this day on 起")
    which.add_argument("--until", type=_day, metavar="YYYY-MM-DD", help="up to this day 止")
    which.add_argument("--day", type=_day, metavar="YYYY-MM-DD", help="that day alone 当天")
    which.add_argument(
        "--days", type=int, metavar="N", help="the newest N days, up to the newest visit 最近 N 天"
    )
    which.add_argument("--thermometer", metavar="NAME", help="measured by this one alone 测温头")
    which.add_argument(
        "--contact-threshold",
        type=_number,
        metavar="C",
        help="a contact reading from here on is a case; default: today's fever threshold",
    )
    out = parser.add_argument_group("how to show it 输出")
    out.add_argument("--html", type=Path, metavar="FILE", help="a page with plots 网页")
    out.add_argument("--png", type=Path, metavar="FILE", help="the plots as one picture 图片")
    out.add_argument("--json", action="store_true", help="for programs")


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is no number (须为数字)") from exc
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no number (须为数字)")
    return value


def _width(text: str) -> float:
    value = _number(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more (须为 0 或以上)")
    return value


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError("write a day like 2026-11-23") from exc


def run(args: argparse.Namespace) -> int:
    from gated.commands.tune_output import as_json, is_coloured, screen
    from gated.texts import cli_language
    from gated.tuning.view import view

    if args.html is not None or args.png is not None:
        _check_pictures(args)  # before a long read, not after it
    with closing(_source(args)) as source:
        basis = _basis(args, source)
        study = _study(args, source, basis)
    shown = view(study, basis.origin)
    if args.json:
        print(json.dumps(as_json(study, shown, basis.origin), ensure_ascii=False, indent=2))
    else:
        for line in screen(shown, cli_language(), is_coloured=is_coloured(sys.stdout)):
            print(line)
    _write_pictures(args, study, shown)
    return ExitCode.FAILED if shown.is_refused else ExitCode.OK


# --- where from -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Basis:
    """What holds today, and where that is known from."""

    today: Trial
    origin: Origin


def _source(args: argparse.Namespace) -> Source:
    from gated.tuning.sources import DatabaseSource, LedgerSource, is_collectors

    if args.database is None:
        if args.site is not None or args.gate is not None:
            raise ConfigError("--site and --gate choose from a --database; a ledger is one gate's")
        path = args.ledger or _ledger_of_config(args.config)
        try:
            return LedgerSource(path)
        except StorageError as exc:
            if is_collectors(path):
                raise ConfigError(f"{path} is a collector's database: use --database") from exc
            raise
    source = DatabaseSource(args.database, args.site, args.gate)
    if (args.site is not None or args.gate is not None) and not source.lanes():
        known = ", ".join(f"{site}/{gate}" for site, gate in source.all_lanes()) or "none"
        source.close()
        wanted = f"{args.site or '*'}/{args.gate or '*'}"
        raise ConfigError(f"{args.database} has no gate {wanted}; it has: {known}")
    return source


def _ledger_of_config(path: Path | None) -> Path:
    from gated.config.load import default_file, load_gate

    return load_gate(path or default_file()).paths.state / "ledger.db"


def _basis(args: argparse.Namespace, source: Source) -> Basis:
    """Return today's settings: the configuration's, or as far as records tell."""
    from gated.judgement import TemperatureRules
    from gated.tuning.sources import newest_visit
    from gated.tuning.trial import Trial
    from gated.tuning.view import Origin

    if args.config is not None or (args.ledger is None and args.database is None):
        return _basis_of_config(args, source)
    newest = newest_visit(source)
    if newest is None:
        rules = TemperatureRules()
    else:
        rules = TemperatureRules(
            fever_threshold_c=newest.threshold_c, fever_threshold_inclusive=newest.is_inclusive
        )
    return Basis(Trial(rules), Origin(source.where, None, has_config=False))


def _basis_of_config(args: argparse.Namespace, source: Source) -> Basis:
    from gated.config.load import default_file, load_gate
    from gated.controller.rules import policy_rules
    from gated.tuning.trial import OFFSET_KEY, Trial
    from gated.tuning.view import Origin

    path = args.config or default_file()
    config = load_gate(path)
    today = Trial(
        policy_rules(config).temperature, cold_face_below_c=config.temperature.cold_face_below_c
    )
    origin = Origin(
        source.where,
        offset_a_c=getattr(config.temperature, OFFSET_KEY, None),
        has_config=True,
        check_temperature=config.checks.temperature,
        config_file=str(path),
    )
    return Basis(today, origin)


# --- reading --------------------------------------------------------------------------------------


def _study(args: argparse.Namespace, source: Source, basis: Basis) -> Study:
    from gated.tuning.reading import read_study
    from gated.tuning.study import Question

    contact_c = args.contact_threshold
    if contact_c is None:
        contact_c = basis.today.rules.fever_threshold_c
    question = Question(basis.today, _wish(args).applied_to(basis.today), contact_c)
    progress = say_progress if sys.stderr.isatty() else say_nothing
    period = _period(args, source)
    study = read_study(source, question, period, thermometer=args.thermometer, progress=progress)
    _refuse_nothing(args, study, source)
    return study


def _wish(args: argparse.Namespace) -> Wish:
    from gated.tuning.trial import Wish

    return Wish(
        threshold_c=args.threshold,
        is_inclusive=True if args.inclusive else False if args.exclusive else None,
        guard_below_c=args.guard_below,
        guard_above_c=args.guard_above,
        attempts=args.attempts,
        offset_c=args.offset,
    )


def _period(args: argparse.Namespace, source: Source) -> Period:
    from gated.tuning.sources import Period, newest_visit

    first, last = args.since, args.until
    if sum((args.day is not None, args.days is not None, bool(first or last))) > 1:
        raise ConfigError("give --day, --days, or --since and --until: not several of them")
    if args.day is not None:
        return Period(args.day, args.day)
    if args.days is None:
        if first is not None and last is not None and first > last:
            raise ConfigError(f"--since {first} is after --until {last}")
        return Period(first, last)
    if args.days < 1:
        raise ConfigError("--days must be 1 or more")
    newest = newest_visit(source)
    if newest is None or newest.day is None:
        return Period()
    last = date.fromisoformat(newest.day)
    return Period(last - timedelta(days=min(args.days, last.toordinal()) - 1), last)


def _refuse_nothing(args: argparse.Namespace, study: Study, source: Source) -> None:
    """Say in one line why there is nothing to show. Raises: GatedError."""
    if study.replayed:
        return
    if study.visits:
        reasons = ", ".join(f"{reason} {count}" for reason, count in study.not_judged.most_common())
        raise GatedError(
            f"{source.where}: none of {study.visits} visits has a temperature to try settings on: "
            f"{reasons or 'no readings'} (没有可用的体温读数)"
        )
    chosen = [args.since, args.until, args.day, args.days, args.thermometer]
    is_chosen = any(value is not None for value in chosen)
    what = "no visits as asked for" if is_chosen else "no visits yet"
    extra = "".join(
        f"; {name}: {count}"
        for name, count in (("drills", study.drills), ("damaged records", study.damaged))
        if count
    )
    raise GatedError(f"{source.where}: there are {what}{extra} (没有通行记录)")


def say_progress(visits: int, *, is_end: bool) -> None:
    """Show on a terminal how many visits were read; at the end wipe that line away."""
    if is_end:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    elif visits % PROGRESS_EVERY == 0:
        print(f"\r{visits:,} visits read", end="", file=sys.stderr, flush=True)


def say_nothing(visits: int, *, is_end: bool) -> None:
    """Into a file or a pipe there is no progress to see."""


# --- pictures -------------------------------------------------------------------------------------


def _check_pictures(args: argparse.Namespace) -> None:
    """Raise GatedError if a page or picture could not be written for a reason known before."""
    from gated.tuning.plots import need_matplotlib

    for option, path, endings in (
        ("--html", args.html, (".html", ".htm")),
        ("--png", args.png, (".png",)),
    ):
        if path is not None and path.suffix.lower() not in endings:
            raise ConfigError(f"{option} {path}: the name must end in {endings[0]}")
    need_matplotlib()


def _write_pictures(args: argparse.Namespace, study: Study, shown: View) -> None:
    if args.html is not None:
        from gated.clock import SystemClock
        from gated.tuning.page import page

        made_at = SystemClock().now().astimezone()
        _write(args.html, page(study, shown, made_at).encode())
    if args.png is not None:
        from gated.tuning.plots import draw_png

        _write(args.png, draw_png(study))


def _write(path: Path, data: bytes) -> None:
    from gated.errors import CannotWrite

    try:
        path.write_bytes(data)
    except OSError as exc:
        raise CannotWrite(f"{path}: cannot be written ({exc.strerror})") from exc
    print(f"written: {path}", file=sys.stderr)
