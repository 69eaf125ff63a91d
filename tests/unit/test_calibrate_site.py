"""``gated calibrate site``: what pairs say, whom they are of, and what may be written."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from gated.calibrate.dialog import GivenUp
from gated.calibrate.site import Wanted
from gated.cli import main
from gated.errors import ExitCode, GatedError
from gated.facts.alone import Busy
from gated.sensors.two_point import NotCalibrated
from tests.calibrate_rig import (
    AIR_C,
    BODY_C,
    CHIP,
    OTHER_CHIP,
    SKIN_C,
    SPOT,
    Workshop,
    csv,
    record,
    scattered,
    visit_of,
)

YES = "yes"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    workshop = Workshop(tmp_path)
    workshop.run_gate(child=CHIP)
    return workshop


def by_skin(differences_c: list[float]) -> str:
    rows = [f"{BODY_C + d:.4f},{SKIN_C},{AIR_C}" for d in differences_c]
    return "\n".join(["contact_c,skin_c,ambient_c", *rows])


# --- what comes of it ----------------------------------------------------------------------------


def test_the_offset_moves_by_the_mean_difference_and_nothing_else_does(
    workshop: Workshop,
) -> None:
    old = workshop.calibrated(gain=1.004, offset_c=-0.2)
    differences_c = scattered(34, 0.25)
    made = workshop.site(Wanted(files=(csv(workshop, by_skin(differences_c)),)), YES)
    assert made is not None
    assert made.site_a_c == pytest.approx(SPOT.a_c + 0.25, abs=0.001)
    assert made.site_b == SPOT.b
    assert (made.name, made.gain, made.offset_c, made.chip_id) == (
        "child.2", old.gain, old.offset_c, CHIP
    )  # fmt: skip
    assert made.agreement is not None
    assert made.agreement.pairs == 34
    assert made.agreement.bias_c == pytest.approx(0.25, abs=0.001)
    width_c = made.agreement.loa_high_c - made.agreement.loa_low_c
    assert width_c == pytest.approx(2 * 1.96 * made.agreement.sd_c, abs=0.001)


def test_after_it_the_same_people_agree_on_the_mean(workshop: Workshop) -> None:
    file = csv(workshop, by_skin(scattered(40, 0.4)))
    workshop.site(Wanted(files=(file,)), YES)
    again = workshop.site(Wanted(files=(file,)), YES)
    assert again is not None
    assert again.agreement is not None
    assert again.agreement.bias_c == pytest.approx(0.0, abs=0.001)
    assert "may be chance" in workshop.out.getvalue()


def test_bias_limits_and_missing_pairs_are_shown(workshop: Workshop) -> None:
    file = csv(workshop, by_skin(scattered(34, 0.25, sd_c=0.6)))
    workshop.site(Wanted(files=(file,)), YES)
    shown = workshop.out.getvalue()
    assert "34 pairs (contact − gate): bias +0.25 ± 0." in shown
    assert "limits of agreement −" in shown
    assert "more pairs (" in shown
    assert "reads 0.25 °C higher than before" in shown
    assert "sudo systemctl reload gated.target" in workshop.aside.getvalue()


def test_a_slip_is_shown_with_its_line_and_counts(workshop: Workshop) -> None:
    differences_c = [*scattered(30, 0.0), 3.4]
    made = workshop.site(Wanted(files=(csv(workshop, by_skin(differences_c)),)), YES)
    assert "look at it (it counts): pairs.csv line 32: " in workshop.out.getvalue()
    assert made is not None
    assert made.agreement is not None
    assert made.agreement.pairs == 31


def test_few_pairs_are_taken_with_a_warning(workshop: Workshop) -> None:
    workshop.site(Wanted(files=(csv(workshop, by_skin(scattered(12, 0.2))),)), YES)
    assert "only 12 pairs" in workshop.aside.getvalue()


@pytest.mark.parametrize(
    ("differences_c", "words"),
    [
        ([], "usable pairs: 0"),
        ([0.1], "usable pairs: 1"),
        (scattered(9, 0.2), "too few to change anything"),
        (scattered(40, 1.6), r"a change of \+1.60 °C is more than 1.5"),
    ],
)
def test_pairs_that_may_change_nothing_are_told(
    workshop: Workshop, differences_c: list[float], words: str
) -> None:
    with pytest.raises(NotCalibrated, match=words):
        workshop.site(Wanted(files=(csv(workshop, by_skin(differences_c)),)), YES)
    assert not workshop.folder.path.exists()


def test_nothing_is_written_without_a_yes(workshop: Workshop) -> None:
    file = csv(workshop, by_skin(scattered(34, 0.25)))
    with pytest.raises(GivenUp):
        workshop.site(Wanted(files=(file,)), "no")
    with pytest.raises(GivenUp, match="--yes"):
        workshop.site(Wanted(files=(file,)), sits_there=False)
    assert not workshop.folder.path.exists()


def test_people_who_scatter_too_much_are_not_settled(workshop: Workshop) -> None:
    workshop.site(Wanted(files=(csv(workshop, by_skin(scattered(60, 0.2, sd_c=1.3))),)), YES)
    assert "look at distance" in workshop.aside.getvalue()


def test_an_offset_far_from_the_published_one_is_told(workshop: Workshop) -> None:
    workshop.calibrated(site_a_c=SPOT.a_c + 1.2, site_b=SPOT.b)
    file = csv(workshop, by_skin(scattered(40, 2.0)))
    workshop.site(Wanted(files=(file,)), YES)
    assert "look at variant and site" in workshop.aside.getvalue()


def test_a_chip_that_was_never_calibrated_is_told(workshop: Workshop) -> None:
    file = csv(workshop, by_skin(scattered(40, 0.2)))
    workshop.site(Wanted(files=(file,)), YES)
    assert "never calibrated against a reference" in workshop.aside.getvalue()
    workshop.calibrated(
        gain=1.01, points=[{"reference_c": 33, "shown_c": 33.1, "sd_c": 0.1, "samples": 60}]
    )
    workshop.site(Wanted(files=(file,)), YES)
    assert "never calibrated" not in workshop.aside.getvalue()


# --- whom one measures ---------------------------------------------------------------------------


HOT_C = 37.6 - BODY_C + SKIN_C
"""A skin of which the gate says 37.6 °C."""


def by_visit(differences_c: list[float], skin_c: float, workshop: Workshop) -> Path:
    """Record one hot visit for each difference; return the file of their contact values."""
    visits = {f"hot{n}": d for n, d in enumerate(differences_c)}
    record(workshop, [visit_of(visit, skin_c) for visit in visits])
    gate_c = skin_c - SKIN_C + BODY_C
    rows = [f"{visit},{gate_c + d:.3f}" for visit, d in visits.items()]
    return csv(workshop, "\n".join(["visit_id,contact_c", *rows]))


def test_people_chosen_by_a_high_reading_do_not_make_the_gate_milder(
    workshop: Workshop,
) -> None:
    record(workshop, [visit_of(f"v{n}", SKIN_C) for n in range(100)])
    wanted = Wanted(files=(by_visit(scattered(30, -0.4), HOT_C, workshop),))
    with pytest.raises(NotCalibrated, match="would let fevers in"):
        workshop.site(wanted, YES)
    assert "100% of these people read high" in workshop.aside.getvalue()
    accepted = replace(wanted, accepts_selected=True)
    assert workshop.site(accepted, YES) is not None


def test_the_same_people_may_make_it_stricter(workshop: Workshop) -> None:
    record(workshop, [visit_of(f"v{n}", SKIN_C) for n in range(100)])
    wanted = Wanted(files=(by_visit(scattered(30, 0.4), HOT_C, workshop),))
    assert workshop.site(wanted, YES) is not None


def test_a_gate_that_reads_everybody_too_high_may_be_told_so(workshop: Workshop) -> None:
    file = by_visit(scattered(100, -0.8), HOT_C, workshop)
    made = workshop.site(Wanted(files=(file,)), YES)
    assert made is not None
    assert made.site_a_c == pytest.approx(SPOT.a_c - 0.8, abs=0.002)
    assert "read high" not in workshop.aside.getvalue()


# --- whose chip ----------------------------------------------------------------------------------


def test_the_first_calibration_is_bound_to_the_chip_that_is_there(workshop: Workshop) -> None:
    file = csv(workshop, by_skin(scattered(30, 0.1)))
    made = workshop.site(Wanted(files=(file,)), YES)
    assert made is not None
    assert made.chip_id == CHIP
    assert list(workshop.buses["/dev/i2c-1"].transcript) == []  # the gate has said it


def test_a_stopped_gates_chip_is_asked_itself(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    made = workshop.site(Wanted(files=(csv(workshop, by_skin(scattered(30, 0.1))),)), YES)
    assert made is not None
    assert made.chip_id == CHIP


def test_another_chip_must_be_confirmed_first(workshop: Workshop) -> None:
    workshop.calibrated(chip_id=f"{OTHER_CHIP:016x}")
    with pytest.raises(NotCalibrated, match="gated calibrate confirm child"):
        workshop.site(Wanted(files=(csv(workshop, by_skin(scattered(30, 0.1))),)), YES)


def test_a_gate_that_does_not_see_the_chip_cannot_say_which_it_is(workshop: Workshop) -> None:
    workshop.run_gate()
    with pytest.raises(Busy, match="has not found the chip"):
        workshop.site(Wanted(files=(csv(workshop, by_skin(scattered(30, 0.1))),)), YES)


# --- the command ---------------------------------------------------------------------------------


def run(workshop: Workshop, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setenv("GATED_LANG", "en")
    monkeypatch.setenv("GATED_CONFIG", str(workshop.file))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return main(["calibrate", "site", "child", *words])


def test_programs_get_numbers_and_write_with_a_word(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.calibrated()
    file = str(csv(workshop, by_skin(scattered(34, 0.25))))
    assert run(workshop, monkeypatch, "--pairs", file, "--json") == ExitCode.OK
    said = json.loads(capsys.readouterr().out)
    assert (said["pairs"], said["written"], said["refused"]) == (34, None, None)
    assert said["new_a_c"] - said["old_a_c"] == pytest.approx(0.25, abs=0.002)
    assert run(workshop, monkeypatch, "--pairs", file, "--json", "--yes") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["written"] == "child.2"
    few = str(csv(workshop, by_skin(scattered(5, 0.25)), "few.csv"))
    assert run(workshop, monkeypatch, "--pairs", few, "--json", "--yes") == ExitCode.FAILED
    assert "too few" in json.loads(capsys.readouterr().out)["refused"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "where are the pairs"),
        (("--pairs", "x.csv", "--keep", "y.csv"), "give both"),
        (("--typed", "--last", "0"), "1 to 100"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    told: str,
) -> None:
    assert run(workshop, monkeypatch, *words) == ExitCode.FAILED
    assert told in capsys.readouterr().err


def test_a_day_is_written_like_one(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        run(workshop, monkeypatch, "--ledger", "--since", "yesterday")


def test_a_refusal_is_an_error_of_ours() -> None:
    assert issubclass(NotCalibrated, GatedError)
