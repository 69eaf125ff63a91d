"""The command line: every command explains itself; our errors are one line and an exit code."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gated
from gated.cli import COMMANDS, build_parser, load_command, main
from gated.errors import ExitCode

HEAVY = {"cv2", "numpy", "zxingcpp", "pyzbar", "smbus2", "serial", "gpiod", "starlette", "uvicorn"}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gated", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_in_one_line_what_it_does(name: str) -> None:
    text = load_command(name).HELP
    assert text == text.strip() != ""
    assert "\n" not in text


def test_every_module_of_commands_that_offers_a_command_is_listed() -> None:
    folder = Path(gated.__file__).parent / "commands"
    offering = {
        path.stem
        for path in folder.glob("*.py")
        if re.search(r"^HELP\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert offering == set(COMMANDS.values())


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def every_parser(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    below = [every_parser(sub) for sub in subcommands(parser).values()]
    return [parser, *(one for some in below for one in some)]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_works_for_every_command_and_everything_below_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for parser in every_parser(subcommands(build_parser(name))[name]):
        with pytest.raises(SystemExit) as ended:
            parser.parse_args(["--help"])
        assert ended.value.code == 0
        assert parser.prog in capsys.readouterr().out


def without_help(parser: argparse.ArgumentParser) -> list[str]:
    """Return the arguments and subcommands of ``parser`` that say nothing of themselves."""
    shown: list[argparse.Action] = []
    found: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):  # each of its subcommands has a help
            listed = {one.dest for one in action._choices_actions}
            found += [name for name in action.choices if name not in listed]
            shown += action._choices_actions
        else:
            shown.append(action)
    found += ["/".join(one.option_strings) or one.dest for one in shown if not one.help]
    return [f"{parser.prog} {name}" for name in found]


def test_every_argument_of_every_command_is_explained() -> None:
    parsers = every_parser(build_parser(None))
    assert len(parsers) > len(COMMANDS)
    assert [one for parser in parsers for one in without_help(parser)] == []


def test_the_help_of_all_shows_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for name in COMMANDS:
        assert re.search(rf"^    {name}\b", shown, re.MULTILINE)


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"gated {gated.__version__}\n")


@pytest.mark.parametrize(
    "arguments", [[], ["no-such-command"], ["verify", "--no-such-option"], ["config"]]
)
def test_wrong_usage_exits_with_2_and_says_what_is_wanted(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == ExitCode.USAGE
    assert "usage: gated" in capsys.readouterr().err


def test_an_error_of_ours_is_one_line_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["config", "check", str(tmp_path / "none.toml")])
    captured = capsys.readouterr()
    assert code == ExitCode.CONFIG
    assert captured.err.startswith("gated: ")
    assert "Traceback" not in captured.err


def test_a_reader_that_goes_away_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        process = subprocess.run(
            [sys.executable, "-m", "gated", "config", "schema"],
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert (process.returncode, process.stderr) == (ExitCode.OK, b"")


def test_the_package_runs_as_a_module() -> None:
    result = run("--version")
    assert (result.returncode, result.stdout) == (0, f"gated {gated.__version__}\n")


def test_asking_for_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom gated.cli import build_parser\nbuild_parser(None)\n"
        f"print(sorted(set(sys.modules) & {HEAVY!r}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == "[]"


def test_a_command_of_a_gate_on_a_collectors_machine_says_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['numpy'] = None; from gated.cli import main;"
        f"sys.exit(main(['demo', '--visits', '1', '--state', {str(tmp_path / 'state')!r}]))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert said.returncode == ExitCode.UNAVAILABLE
    assert said.stderr.startswith("gated: this needs numpy")
    assert "apt install gated" in said.stderr
    assert "Traceback" not in said.stderr
