"""``gated calibrate``: another chip, back to an earlier version, what is shown, and its page."""

from __future__ import annotations

import io
import itertools
import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gated.calibrate import reference, versions
from gated.calibrate.output import why_unsteady
from gated.calibrate.pairs import Pairs, Visits, take_file
from gated.calibrate.reference import Wanted
from gated.cli import build_parser, main
from gated.clock import SystemClock
from gated.commands import calibrate
from gated.errors import BusError, ExitCode, GatedError
from gated.facts.alone import Busy
from gated.ledger.reader import LedgerReader
from gated.sensors.calibration import Calibration, ReferencePoint
from gated.sensors.two_point import NotCalibrated, Steadiness, Unsteady, Window, fit
from gated.simulation.chips.mlx90614 import Unit
from tests.calibrate_rig import (
    CHIP,
    OTHER_CHIP,
    WATER,
    Workshop,
    record,
    visit_of,
)

YES = "yes"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def two_points(workshop: Workshop, *more: str, wanted: Wanted | None = None) -> Calibration | None:
    """Bring the bath to 33 and to 38 °C, then answer ``more``."""
    options = wanted or Wanted(emissivity=WATER, at_c=(33.0, 38.0))
    return workshop.reference(workshop.heat(33.0), workshop.heat(38.0), *more, wanted=options)


# --- another chip --------------------------------------------------------------------------------


def test_another_chip_is_refused_until_it_is_confirmed(workshop: Workshop) -> None:
    workshop.calibrated()
    workshop.solder(Unit(supply_v=3.3, chip_id=OTHER_CHIP))
    with pytest.raises(NotCalibrated, match="gated calibrate confirm child"):
        workshop.reference("33")
    versions.confirm(workshop.case, workshop.bench, workshop.dialog(YES), is_sure=False)
    made = workshop.reference("33", "", YES)
    assert made is not None
    assert made.chip_id == f"{OTHER_CHIP:016x}"


def test_confirming_keeps_the_site_and_forgets_the_old_chips_error(workshop: Workshop) -> None:
    first = two_points(workshop, YES)
    assert first is not None
    workshop.calibrated(**first.model_dump(include={"gain", "offset_c", "points"}), site_a_c=5.4)
    workshop.solder(Unit(supply_v=3.3, chip_id=OTHER_CHIP))
    dialog = workshop.dialog(YES)
    versions.confirm(workshop.case, workshop.bench, dialog, is_sure=False)
    new = workshop.folder.load("child")
    assert new is not None
    assert (new.name, new.gain, new.offset_c, new.points) == ("child.3", 1.0, 0.0, ())
    assert (new.site_a_c, new.chip_id) == (5.4, f"{OTHER_CHIP:016x}")
    assert "own error" not in workshop.aside.getvalue()
    assert "next: gated calibrate reference child" in workshop.aside.getvalue()


def test_a_site_offset_that_holds_the_old_chips_error_is_told(workshop: Workshop) -> None:
    workshop.calibrated(site_a_c=5.4)  # fitted while the chip was as made
    workshop.run_gate(child=f"{OTHER_CHIP:016x}")
    dialog = workshop.dialog()
    versions.confirm(workshop.case, workshop.bench, dialog, is_sure=True)
    assert "holds the old chip's own error" in workshop.aside.getvalue()
    assert "sudo systemctl reload gated.target" in workshop.aside.getvalue()


def test_a_running_gate_says_which_chip_is_there(workshop: Workshop) -> None:
    workshop.calibrated()
    workshop.run_gate(child=CHIP)
    dialog = workshop.dialog()
    versions.confirm(workshop.case, workshop.bench, dialog, is_sure=False)
    assert "still has the chip" in workshop.out.getvalue()
    workshop.run_gate()
    with pytest.raises(Busy, match="has not found the chip"):
        versions.confirm(workshop.case, workshop.bench, dialog, is_sure=False)


def test_without_a_calibration_there_is_nothing_to_confirm(workshop: Workshop) -> None:
    dialog = workshop.dialog()
    assert versions.confirm(workshop.case, workshop.bench, dialog, is_sure=False) is ExitCode.OK
    assert not workshop.folder.path.exists()


def test_a_site_offset_fitted_on_an_uncalibrated_chip_ends_with_its_calibration(
    workshop: Workshop,
) -> None:
    workshop.calibrated(site_a_c=5.4, site_b=0.146)
    made = two_points(workshop, YES)
    assert made is not None
    assert (made.site_a_c, made.site_b, made.agreement) == (None, None, None)
    assert "gated calibrate site child" in workshop.out.getvalue()
    kept = workshop.calibrated(points=made.points, site_a_c=5.6, site_b=0.146)
    again = two_points(workshop, YES)
    assert again is not None
    assert again.site_a_c == kept.site_a_c


# --- back ----------------------------------------------------------------------------------------


def go_back(workshop: Workshop, version: int | None = None) -> Calibration | None:
    versions.revert(
        workshop.case, workshop.bench, workshop.dialog(YES), version=version, is_sure=False
    )
    return workshop.folder.load("child")


def test_going_back_writes_a_new_version_and_no_history_again(workshop: Workshop) -> None:
    first = workshop.calibrated(offset_c=0.1, site_a_c=5.4)
    second = workshop.calibrated(offset_c=0.9)
    now = go_back(workshop)
    assert now is not None
    assert (now.name, now.offset_c, now.site_a_c) == ("child.3", 0.1, 5.4)
    assert now.note == "as child.1"
    assert workshop.folder.load("child", 1) == first
    assert workshop.folder.load("child", 2) == second


def test_going_back_from_the_first_is_to_how_it_was_made(workshop: Workshop) -> None:
    workshop.calibrated(offset_c=0.1, site_a_c=5.4)
    now = go_back(workshop)
    assert now is not None
    assert (now.name, now.gain, now.offset_c, now.site_a_c) == ("child.2", 1.0, 0.0, None)


def test_going_back_mends_a_damaged_newest_version(workshop: Workshop) -> None:
    workshop.calibrated(offset_c=0.1)
    workshop.calibrated(offset_c=0.2)
    (workshop.folder.path / "child.2.json").write_text("{")
    with pytest.raises(GatedError, match="gated calibrate revert child"):
        workshop.reference("33")
    now = go_back(workshop)
    assert now is not None
    assert (now.name, now.offset_c) == ("child.3", 0.1)


def test_going_back_to_another_chips_version_is_told(workshop: Workshop) -> None:
    workshop.calibrated(chip_id=f"{OTHER_CHIP:016x}")
    workshop.calibrated()
    workshop.run_gate(child=CHIP)
    go_back(workshop)
    assert "until gated calibrate confirm child" in workshop.aside.getvalue()


@pytest.mark.parametrize(("version", "words"), [(2, "in force already"), (7, "there are: 1, 2")])
def test_a_version_to_go_back_to_must_be_another_and_be_there(
    workshop: Workshop, version: int, words: str
) -> None:
    workshop.calibrated()
    workshop.calibrated()
    with pytest.raises(GatedError, match=words):
        go_back(workshop, version)


def test_without_a_calibration_there_is_nothing_to_go_back_from(workshop: Workshop) -> None:
    with pytest.raises(GatedError, match="no calibration to go back from"):
        go_back(workshop)


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def command(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("GATED_LANG", "en")
    monkeypatch.setenv("GATED_CONFIG", str(workshop.file))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return lambda *words: main(["calibrate", *words])


def test_what_is_in_force_is_listed(
    workshop: Workshop, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    two_points(workshop, YES)
    two_points(workshop, YES)
    assert command("list", "--all") == ExitCode.OK
    shown = capsys.readouterr().out
    assert "child  child.2  2026-11-23 " in shown
    assert "  device  true = " in shown
    assert "taken at 33.0, 38.0 °C" in shown
    assert "  · child.1  2026-11-23 " in shown
    assert "adult  as made (no calibration)" in shown
    assert command("list", "--json") == ExitCode.OK
    child, adult = json.loads(capsys.readouterr().out)
    assert (child["thermometer"], child["versions"]) == ("child", [1, 2])
    assert adult["calibration"] is None


def test_a_damaged_version_is_listed_as_what_it_is(
    workshop: Workshop, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.calibrated()
    (workshop.folder.path / "child.1.json").write_text("{")
    assert command("list") == ExitCode.FAILED
    assert "! child: calibration " in capsys.readouterr().out
    assert command("show", "child") == ExitCode.FAILED


def test_another_chip_is_marked_in_the_list(
    workshop: Workshop, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.calibrated()
    workshop.clock.elapsed_s = SystemClock().boottime_ms() / 1_000
    workshop.run_gate(child=f"{OTHER_CHIP:016x}", adult=CHIP)
    assert command("list") == ExitCode.FAILED
    assert "! another chip is there now, 1111222233334444" in capsys.readouterr().out


def test_one_version_is_shown_in_full(
    workshop: Workshop, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    two_points(workshop, YES)
    assert command("show", "child") == ExitCode.OK
    assert "at 33.00 °C: " in capsys.readouterr().out
    assert command("show", "child", "1", "--json") == ExitCode.OK
    shown = Calibration.model_validate_json(capsys.readouterr().out)
    assert shown == workshop.folder.load("child", 1)
    assert command("show", "child", "9") == ExitCode.FAILED
    assert "there are: 1" in capsys.readouterr().err
    assert command("show", "adult") == ExitCode.FAILED
    assert command("show", "nobody") == ExitCode.FAILED
    assert "there are: child, adult" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--at", "22"], "28–45 °C"),
        (["--at", "33", "--emissivity", "0.3"], "0.8–1"),
        (["--at", "33", "--samples", "3"], "10–600"),
        (["--practise", "--plate", "/dev/i2c-4"], "no plate"),
        (list(itertools.chain(*([("--at", str(c)) for c in range(30, 37)]))), "at most 5"),
        ([], "--at 33 --at 38"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    command: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    assert command("reference", "child", *words) == ExitCode.FAILED
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""


def test_going_back_at_the_command_line(
    workshop: Workshop, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.calibrated(offset_c=0.1)
    workshop.calibrated(offset_c=0.9)
    assert command("revert", "child") == ExitCode.FAILED
    assert "--yes" in capsys.readouterr().err
    assert command("revert", "child", "--to", "1", "--yes") == ExitCode.OK
    assert "written: " in capsys.readouterr().out
    assert workshop.folder.versions("child") == [1, 2, 3]


def test_practice_finds_the_practised_error_and_writes_nothing(workshop: Workshop) -> None:
    workshop.run_gate(child=CHIP)  # a practice disturbs no gate
    wanted = Wanted(at_c=(33.0, 38.0), emissivity=WATER, is_practice=True, is_sure=True)
    dialog = workshop.dialog(sits_there=False)
    code = reference.calibrate(workshop.case, workshop.bench, wanted, dialog)
    assert code is ExitCode.OK
    shown = workshop.out.getvalue()
    assert "new child.1" in shown
    assert "at 33.00 °C: was +0.3" in shown
    assert "nothing is written" in workshop.aside.getvalue()
    assert not workshop.folder.path.exists()


def test_a_bus_that_is_not_there_is_one_line(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    code = command("reference", "child", "--at", "33", "--yes")
    assert code == ExitCode.UNAVAILABLE
    assert "Traceback" not in capsys.readouterr().err
    assert issubclass(BusError, GatedError)


# --- the page ------------------------------------------------------------------------------------

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "calibrate.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?:\$ )?(?:sudo )?gated (calibrate .+)$", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_every_command_of_the_page_is_one(line: str) -> None:
    args = build_parser("calibrate").parse_args(shlex.split(line))
    assert args.command == "calibrate"


def test_the_page_shows_every_subcommand_and_every_option() -> None:
    used = " ".join(COMMANDS)
    for action in ("list", "reference", "site", "confirm", "revert"):
        assert f"calibrate {action}" in used
    text = Path(calibrate.__file__).read_text(encoding="utf-8")
    options = set(re.findall(r'"(--[a-z-]+)"', text)) - {"--config"}
    assert [option for option in sorted(options) if option not in PAGE] == []


@pytest.mark.parametrize("table", re.findall(r"```csv\n(.+?)```", PAGE, flags=re.DOTALL))
def test_every_table_of_the_page_is_read(workshop: Workshop, table: str) -> None:
    file = workshop.file.with_name("page.csv")
    file.write_text(table)
    visits = re.findall(r"^([0-9a-f]{12}),", table, flags=re.MULTILINE)
    record(workshop, [visit_of(visit, 33.0) for visit in visits])
    found = Pairs()
    with closing(LedgerReader(workshop.config.paths.state / "ledger.db")) as reader:
        take_file(found, file, workshop.case, Visits(workshop.case, reader))
    assert len(found.pairs) == len(table.splitlines()) - 1 > 0
    assert found.pairs[0].contact_c == 36.6


def refusals(workshop: Workshop) -> Iterator[str]:
    """Yield what the command says when it refuses, as far as no device is needed for it."""
    empty = Window(Steadiness.of(workshop.case.traits, 0.2))
    yield from (why_unsteady(trouble, empty)[1] for trouble in Unsteady)
    for shown_c in ((33.0, 38.3), (30.0, 35.0)):
        points = [
            ReferencePoint(reference_c=reference_c, shown_c=seen_c, sd_c=0.1, samples=60)
            for reference_c, seen_c in zip((33.0, 38.0), shown_c, strict=True)
        ]
        with pytest.raises(NotCalibrated) as caught:
            fit(points)
        yield str(caught.value)
    workshop.clock.elapsed_s = 300.0
    with pytest.raises(NotCalibrated) as caught:
        workshop.reference("33")
    yield str(caught.value)
    workshop.clock.elapsed_s = 1_000.0
    workshop.calibrated(chip_id=f"{OTHER_CHIP:016x}")
    with pytest.raises(NotCalibrated) as caught:
        workshop.reference("33")
    yield str(caught.value)


def test_every_refusal_of_the_page_is_one(workshop: Workshop) -> None:
    said = list(refusals(workshop))
    table = PAGE[PAGE.index("| it says | do |") :].split("\n\n")[0]
    rows = re.findall(r"^\| `([^`]+)`", table, flags=re.MULTILINE)
    assert len(rows) == 8
    for row in rows:
        parts = row.split(" … ")
        assert any(all(part in text for part in parts) for text in said), row
