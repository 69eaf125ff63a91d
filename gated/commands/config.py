"""``gated config``: check the file a technician edited, show what is in force, explain the keys."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gated.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from gated.config.explain import Config

HELP = "check, show and explain the configuration 检查、查看、说明配置"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    check = actions.add_parser("check", help="list everything that is wrong or doubtful 检查")
    _add_file(check)
    check.add_argument("--json", action="store_true", help="for programs")

    show = actions.add_parser("show", help="the values in force 当前值")
    _add_file(show)
    show.add_argument("--all", action="store_true", help="also what the file leaves out")
    show.add_argument("--toml", action="store_true", help="everything, as a TOML file")

    for name, text in (
        ("schema", "the JSON Schema, for editors"),
        ("example", "the commented example file 示例"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument(
            "--collector", action="store_true", help="the collector's, not a gate's"
        )
    actions.add_parser("reference", help="docs/config-reference.md")


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="default: $GATED_CONFIG, or /etc/gated/gated.toml",
    )


def run(args: argparse.Namespace) -> int:
    from gated.config import reference
    from gated.config.collector import CollectorConfig
    from gated.config.gate import GateConfig
    from gated.config.load import default_file

    match args.action:
        case "check":
            return _check(args.file or default_file(), as_json=args.json)
        case "show":
            return _show(args.file or default_file(), is_all=args.all, as_toml=args.toml)
        case "schema":
            model = CollectorConfig if args.collector else GateConfig
            print(json.dumps(reference.schema(model), ensure_ascii=False, indent=2))
        case "example":
            print(reference.example(CollectorConfig if args.collector else GateConfig), end="")
        case _:
            print(reference.reference(), end="")
    return ExitCode.OK


def _load(path: Path) -> Config | tuple[str, ...]:
    from gated.config.load import parse_toml, read_text, root_of, validate

    raw = parse_toml(read_text(path), str(path))
    return validate(root_of(raw), raw)


def _check(path: Path, *, as_json: bool) -> int:
    from gated.config.doubts import warnings
    from gated.config.gate import GateConfig
    from gated.config.load import refuse
    from gated.controller.driver_keys import ask_drivers

    faults: tuple[str, ...]
    doubts: list[str] = []
    try:
        found = _load(path)
    except ConfigError as exc:  # no TOML at all
        if not as_json:
            raise
        found = (str(exc),)
    if isinstance(found, tuple):
        faults = found
    elif isinstance(found, GateConfig):
        faults, optics = ask_drivers(found)
        doubts = warnings(found, optics)
    else:
        faults = ()
    if as_json:
        answer = {"file": str(path), "ok": not faults, "errors": faults, "warnings": doubts}
        print(json.dumps(answer, ensure_ascii=False, indent=2))
        return ExitCode.CONFIG if faults else ExitCode.OK
    if faults:
        refuse(faults, str(path))
    print(f"{path}: ok")
    for doubt in doubts:
        print(f"  warning: {doubt}")
    return ExitCode.OK


def _show(path: Path, *, is_all: bool, as_toml: bool) -> int:
    from gated.config.explain import masked, rows
    from gated.config.load import refuse

    found = _load(path)
    if isinstance(found, tuple):
        refuse(found, str(path))
    if as_toml:
        print(masked(found), end="")
        return ExitCode.OK
    table = [
        (
            row.path,
            f"{row.value} {row.unit}".rstrip(),
            "set" if row.is_set else "default",
            "live" if row.is_live else "restart",
        )
        for row in rows(found)
        if is_all or row.is_set
    ]
    wide = max(len(path) for path, *_ in table)
    table += [(key, value, "centre", "live") for key, value in _set_by_the_centre(found)]
    for key, value, origin, taken_over in table:
        print(f"{key:<{wide}}  {origin:<7}  {taken_over:<7}  {value}")
    return ExitCode.OK


def _set_by_the_centre(config: Config) -> list[tuple[str, str]]:
    """Return what holds over the file, by key; nothing where this user may not read it."""
    from gated.config.gate import GateConfig
    from gated.config.overlay import read_overlay

    if not isinstance(config, GateConfig):
        return []
    try:
        overlay = read_overlay(config.paths.state)
    except ConfigError:
        return []
    return [(key, json.dumps(value, ensure_ascii=False)) for key, value in overlay.values.items()]
