"""Pairs for ``gated calibrate site``: from files, the ledger and the keyboard."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from gated.calibrate.dialog import GivenUp
from gated.calibrate.pairs import Pairs, Visits, take_file
from gated.calibrate.site import Wanted
from gated.errors import ConfigError, StorageError
from gated.ledger.reader import LedgerReader
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
    release_of,
    scattered,
    visit_of,
)

YES = "yes"


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    workshop = Workshop(tmp_path)
    workshop.run_gate(child=CHIP)
    return workshop


# --- files ---------------------------------------------------------------------------------------


def taken(workshop: Workshop, text: str) -> Pairs:
    found = Pairs()
    take_file(found, csv(workshop, text), workshop.case, None)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "contact_c,body_c\n36.8,36.5\n",
        "\ufeffcontact_c;body_c\r\n36,8;36,5\r\n",
        "Contact_C\tName\tBODY_C\n36.8\t王小明\t36.5\n\n",
        " contact_c , body_c \n\n 36.8 , 36.5 \n",
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(workshop: Workshop, text: str) -> None:
    (pair,) = taken(workshop, text).pairs
    assert (pair.contact_c, pair.gate_c) == (36.8, 36.5)
    assert pair.difference_c == pytest.approx(0.3)


def test_a_table_in_another_encoding_is_read_too(workshop: Workshop) -> None:
    file = workshop.file.with_name("gbk.csv")
    file.write_bytes("姓名,contact_c,body_c\n王小明,36.8,36.5\n".encode("gbk"))
    found = Pairs()
    take_file(found, file, workshop.case, None)
    assert [pair.gate_c for pair in found.pairs] == [36.5]


def test_a_skin_goes_through_the_offset_in_force(workshop: Workshop) -> None:
    workshop.calibrated(site_a_c=5.0, site_b=0.1)
    (pair,) = taken(workshop, "contact_c,skin_c,ambient_c\n36.8,34.0,20.0\n").pairs
    assert pair.gate_c == pytest.approx(34.0 + 5.0 - 2.0)


def test_a_line_without_a_contact_value_is_left_out_and_told(workshop: Workshop) -> None:
    found = taken(workshop, "contact_c,body_c\n,36.5\n36.8,36.5\n")
    assert len(found.pairs) == 1
    assert found.left_out[0][1] == "pairs.csv line 2: no contact value"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("36.8,36.5\n", "line 1: the columns are contact_c and"),
        ("contact_c,skin_c\n36.8,34.0\n", "there is: contact_c, skin_c"),
        ("contact_c,body_c\n36.8,36.5\n368,36.5\n", "line 3: contact_c = '368' is no temperature"),
        ("contact_c,body_c\n36.8,nan\n", "line 2: body_c = 'nan'"),
        ("contact_c,body_c\n36.8,oops\n", "line 2: body_c = 'oops'"),
        ("contact_c,body_c\n36.8\n", "line 2: needs visit_id, or"),
        ("contact_c,visit_id\n36.8,v1\n", "line 2: visit_id needs the gate's ledger"),
    ],
)
def test_a_wrong_line_is_named(workshop: Workshop, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        taken(workshop, text)


def test_a_file_that_is_not_there_is_one_line(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        take_file(Pairs(), tmp_path / "none.csv", workshop.case, None)


# --- visits --------------------------------------------------------------------------------------


def fill(workshop: Workshop, differences_c: list[float]) -> None:
    """Record one visit and its release for each difference."""
    drafts = []
    for number, difference_c in enumerate(differences_c):
        drafts += [
            visit_of(f"v{number}", SKIN_C),
            release_of(f"v{number}", round(BODY_C + difference_c, 3)),
        ]
    record(workshop, drafts)


def test_releases_with_a_contact_value_are_pairs(workshop: Workshop) -> None:
    fill(workshop, scattered(20, 0.3))
    made = workshop.site(Wanted(is_ledger=True), YES)
    assert made is not None
    assert made.site_a_c == pytest.approx(SPOT.a_c + 0.3, abs=0.002)
    assert "measure a whole class" in workshop.aside.getvalue()


def test_releases_alone_do_not_make_the_gate_milder(workshop: Workshop) -> None:
    fill(workshop, scattered(20, -0.3))
    with pytest.raises(NotCalibrated, match="--accept-selected"):
        workshop.site(Wanted(is_ledger=True), YES)


def test_releases_before_a_day_can_be_left_out(workshop: Workshop) -> None:
    fill(workshop, scattered(20, 0.3))
    with pytest.raises(NotCalibrated, match="usable pairs: 0"):
        workshop.site(Wanted(is_ledger=True, since=date(2026, 11, 24)), YES)
    assert workshop.site(Wanted(is_ledger=True, since=date(2026, 11, 23)), YES) is not None


def test_what_says_nothing_of_this_thermometer_is_left_out_and_told(workshop: Workshop) -> None:
    workshop.calibrated(chip_id=f"{OTHER_CHIP:016x}")
    workshop.calibrated(offset_c=0.5)
    fill(workshop, scattered(20, 0.8))  # with child.2 the gate says 0.5 °C more
    record(
        workshop,
        [
            visit_of("other", SKIN_C, thermometer="adult"),
            visit_of("cold", SKIN_C, body_c=None),
            visit_of("old", SKIN_C, calibration="child.1"),
            visit_of("lost", SKIN_C, calibration="child.9"),
            visit_of("blind", None),
            *(release_of(visit, 36.9) for visit in ("other", "cold", "old", "lost", "blind")),
            release_of("gone", 36.9),
            release_of("v0", None),
        ],
    )
    made = workshop.site(Wanted(is_ledger=True, without=frozenset({"v1"})), YES)
    assert made is not None
    assert made.agreement is not None
    assert made.agreement.pairs == 19
    assert made.note == "without 1 visits"
    told = workshop.aside.getvalue()
    for line in (
        "visit other: measured by adult",
        "visit cold: the temperature was not judged",
        "visit old: measured by the chip that was there before",
        "visit lost: its calibration child.9 is not there any more",
        "visit blind: the record has no skin temperature",
        "visit gone: its record is not kept any more",
        "visit v1: left out by --without",
    ):
        assert f"left out: {line}\n" in told


def test_a_visit_is_worth_what_the_calibration_in_force_makes_of_it(workshop: Workshop) -> None:
    workshop.calibrated(gain=1.01, offset_c=-0.1, site_a_c=5.5, site_b=0.15)
    record(workshop, [visit_of("v1", 34.0, skin_c=33.0)])
    file = csv(workshop, "visit_id,contact_c\nv1,37.0\n")
    with pytest.raises(NotCalibrated, match="usable pairs: 1"):
        workshop.site(Wanted(files=(file,)), YES)
    with closing(LedgerReader(workshop.config.paths.state / "ledger.db")) as reader:
        gate_c = Visits(workshop.case, reader).gate_c("v1")
    assert gate_c == pytest.approx(1.01 * 34.0 - 0.1 + 5.5 - 0.15 * AIR_C)


@pytest.mark.parametrize("offset_c", [0.0, -0.4])
def test_a_drift_that_a_later_calibration_took_in_is_not_taken_off_twice(
    workshop: Workshop, offset_c: float
) -> None:
    workshop.calibrated(site_a_c=5.5, site_b=0.15)
    record(workshop, [visit_of("v1", 34.4, skin_c=34.0, drift_c=0.4, calibration="child.1")])
    workshop.calibrated(offset_c=offset_c, site_a_c=5.5, site_b=0.15)
    with closing(LedgerReader(workshop.config.paths.state / "ledger.db")) as reader:
        gate_c = Visits(workshop.case, reader).gate_c("v1")
    assert gate_c == pytest.approx(34.0 + 5.5 - 0.15 * AIR_C)


def test_a_file_may_name_visits_each_once(workshop: Workshop) -> None:
    fill(workshop, scattered(3, 0.0))
    file = csv(workshop, "visit_id,contact_c\nv0,36.8\nv0,36.9\n")
    with pytest.raises(ConfigError, match=r"line 3: visit v0 stands in pairs\.csv line 2 already"):
        workshop.site(Wanted(files=(file,)), YES)
    unknown = csv(workshop, "visit_id,contact_c\nnobody,36.8\n")
    with pytest.raises(ConfigError, match="line 2: no visit nobody"):
        workshop.site(Wanted(files=(unknown,)), YES)
    spoilt = csv(workshop, "visit_id,contact_c\n1.23457E+11,36.8\n")
    with pytest.raises(ConfigError, match="format that column as text"):
        workshop.site(Wanted(files=(spoilt,)), YES)


def test_files_and_the_ledger_go_together_and_nobody_counts_twice(workshop: Workshop) -> None:
    fill(workshop, scattered(20, 0.3))
    file = csv(workshop, "visit_id,contact_c\nv0,36.8\nv1,36.8\n")
    made = workshop.site(Wanted(files=(file,), is_ledger=True), YES)
    assert made is not None
    assert made.agreement is not None
    assert made.agreement.pairs == 20


@pytest.mark.parametrize("wanted", [Wanted(is_ledger=True), Wanted(is_typed=True)])
def test_without_a_ledger_there_are_no_visits(workshop: Workshop, wanted: Wanted) -> None:
    with pytest.raises(StorageError, match="no ledger"):
        workshop.site(wanted, YES)


# --- typed ---------------------------------------------------------------------------------------


def test_pairs_are_typed_beside_the_gate(workshop: Workshop) -> None:
    record(workshop, [visit_of(f"v{n}", SKIN_C) for n in range(12)])
    contact = f"{BODY_C + 0.2:.2f}"
    typed = [word for number in range(1, 11) for word in (str(number), contact)]
    made = workshop.site(Wanted(is_typed=True), *typed, "", YES)
    assert made is not None
    assert made.agreement is not None
    assert made.agreement.pairs == 10
    assert made.agreement.sd_c == pytest.approx(0.0)
    shown = workshop.aside.getvalue()
    assert f"  1  08:00:00  v11  {BODY_C:.2f} °C" in shown
    assert " v1 " not in shown  # the last ten only


def test_a_visit_is_chosen_by_its_id_and_only_once(workshop: Workshop) -> None:
    record(workshop, [visit_of("v1", SKIN_C), visit_of("o1", SKIN_C, thermometer="adult")])
    answers = ("v1", "36.9", "v1", "o1", "nobody", "1", "r", "", YES)
    with pytest.raises(NotCalibrated, match="usable pairs: 1"):
        workshop.site(Wanted(is_typed=True), *answers)
    shown = workshop.aside.getvalue()
    assert shown.count("v1 is in already") == 2
    assert "measured by adult" in shown
    assert "no visit nobody" in shown
    assert "  1* 08:00:00  v1" in shown  # the list, again


def test_a_contact_value_may_be_skipped_and_a_slip_is_asked_for_again(workshop: Workshop) -> None:
    record(workshop, [visit_of("v1", SKIN_C), visit_of("v2", SKIN_C)])
    with pytest.raises(NotCalibrated, match="usable pairs: 1"):
        workshop.site(Wanted(is_typed=True), "v1", "", "v2", "369", "36.9", "")
    assert "a number from 34 to 42.5" in workshop.aside.getvalue()


def test_typed_pairs_are_kept_for_another_day(workshop: Workshop) -> None:
    record(workshop, [visit_of(f"v{n}", SKIN_C) for n in range(12)])
    kept = workshop.file.with_name("kept.csv")
    for number in range(2):
        with pytest.raises(NotCalibrated):
            workshop.site(Wanted(is_typed=True, keep=kept), f"v{number}", "36.9", "")
    assert kept.read_text() == "visit_id,contact_c\nv0,36.90\nv1,36.90\n"
    assert kept.stat().st_mode & 0o077 == 0
    rest = [word for number in range(2, 12) for word in (f"v{number}", "36.9")]
    made = workshop.site(Wanted(files=(kept,), is_typed=True), *rest, "", YES)
    assert made is not None
    assert made.agreement is not None
    assert made.agreement.pairs == 12


def test_typing_needs_somebody_who_types(workshop: Workshop) -> None:
    record(workshop, [visit_of("v1", SKIN_C)])
    with pytest.raises(GivenUp, match=r"--pairs FILE\.csv"):
        workshop.site(Wanted(is_typed=True), sits_there=False)
