"""The study's reader and the fit of what ships, on made-up files and on the published ones."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.study import Camera, NotTheStudy, load_study
from benchmarks.study.fitting import (
    Cohort,
    Mask,
    Score,
    Values,
    cut_at,
    folds,
    rounded,
    score,
)
from benchmarks.study.rows import FOLDED, SITE_NAMES, cross_validated, rows_of
from gated.judgement import together_c
from gated.sensors.site import SITES, body_c
from gated.vocabulary import Site

ROOT = Path(__file__).parents[2]
STUDY = ROOT.parent / "shared" / "data" / "face-oral-temperature"
needs_study = pytest.mark.skipif(
    not STUDY.is_dir(), reason="the published study is not beside this repository"
)

AREAS = ("T_FHCC", "T_FHRC", "T_FHLC", "T_FHBC", "T_FHTC", "T_FH_Max", "canthiMax", "T_Max")
COLUMNS = ["SubjectID", "", *(f"{area}{k}" for k in (1, 2, 3, 4) for area in AREAS)]
COLUMNS += ["", "aveOralF", "aveOralM", "T_atm", "Humidity", "Distance"]
MOUTH_C = 38.9


def row_of(subject: str, oral: str = "37.00", air: str = "23", **cells: str) -> dict[str, str]:
    row = dict.fromkeys(COLUMNS, "")
    for k in (1, 2, 3, 4):
        points = {"T_FHCC": 34.0, "T_FHRC": 34.1, "T_FHLC": 33.9, "T_FHBC": 34.2, "T_FHTC": 33.8}
        skin = points | {"T_FH_Max": 35.2, "canthiMax": 35.6, "T_Max": MOUTH_C}
        row |= {f"{area}{k}": f"{value + k / 10:.2f}" for area, value in skin.items()}
    return row | {"SubjectID": subject, "aveOralM": oral, "T_atm": air} | cells


def write(path: Path, rows: list[dict[str, str]], end: str = "\n", mark: str = "\ufeff") -> None:
    names = list(COLUMNS)
    lines = [",,Round 1:,", ",,T̅_CR,", ",".join(names)]
    lines += [",".join(row[name] for name in names) for row in rows]
    path.write_text(mark + end.join([*lines, ""]), encoding="utf-8", newline="")


def only(folder: Path) -> Camera:
    (camera,) = load_study(folder)
    return camera


def people(count: int) -> list[dict[str, str]]:
    """Make people whose skin follows their body and the air, with some chance."""
    rng = random.Random(7)
    rows = []
    for number in range(count):
        oral_c, air_c = rng.gauss(36.9, 0.5), rng.uniform(20.0, 29.0)
        cells: dict[str, str] = {}
        for k in (1, 2, 3, 4):
            skin_c = oral_c - 5.0 + 0.12 * air_c + rng.gauss(0.0, 0.3)
            above_c = {"T_FH_Max": 1.0, "canthiMax": 1.4, "T_Max": 2.0}
            cells |= {f"{area}{k}": f"{skin_c + above_c.get(area, 0.0):.2f}" for area in AREAS}
        rows.append(row_of(f"p{number}", f"{oral_c:.2f}", f"{air_c:.1f}", **cells))
    return rows


def test_files_are_put_together_by_the_camera_in_their_names(tmp_path: Path) -> None:
    write(tmp_path / "FLIR_group1.csv", [row_of("a")])
    write(tmp_path / "FLIR_group2.csv", [row_of("b"), row_of("c")])
    write(tmp_path / "ICI_group1.csv", [row_of("a")])
    (tmp_path / "notes.csv").write_text("something else", encoding="utf-8")
    found = {camera.name: [p.subject for p in camera.people] for camera in load_study(tmp_path)}
    assert found == {"FLIR": ["a", "b", "c"], "ICI": ["a"]}


def test_both_groups_in_one_more_file_count_once(tmp_path: Path) -> None:
    write(tmp_path / "ICI_group1.csv", [row_of("a")])
    write(tmp_path / "ICI_group2.csv", [row_of("b")])
    write(tmp_path / "ICI_groups1and2.csv", [row_of("a"), row_of("b")])
    assert [person.subject for person in only(tmp_path).people] == ["a", "b"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_byte_order_marks_do_not_matter(tmp_path: Path, end: str, mark: str) -> None:
    write(tmp_path / "ICI_group1.csv", [row_of("a"), row_of("b")], end, mark)
    assert [person.ambient_c for person in only(tmp_path).people] == [23.0, 23.0]


def test_headers_may_be_spelt_a_little_differently(tmp_path: Path) -> None:
    path = tmp_path / "ICI_group1.csv"
    write(path, [row_of("a")])
    text = path.read_text(encoding="utf-8").replace("T_FH_Max1", " t_fhmax_1 ")
    path.write_text(text.replace("SubjectID", "Subject ID"), encoding="utf-8")
    assert only(tmp_path).people[0].readings_c(Site.FOREHEAD_MAX, 1) == (35.3,)


def test_letters_in_another_encoding_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "ICI_group1.csv"
    write(path, [row_of("a")], mark="")
    path.write_bytes(path.read_bytes().replace("T̅".encode(), b"T\xaf"))
    assert len(only(tmp_path).people) == 1


def test_the_mouth_is_in_no_reading(tmp_path: Path) -> None:
    write(tmp_path / "FLIR_group1.csv", [row_of("a")])
    (person,) = only(tmp_path).people
    read = [skin_c for site in Site for skin_c in person.readings_c(site, 4)]
    assert max(read) == pytest.approx(36.0)


def test_each_site_reads_its_own_area(tmp_path: Path) -> None:
    write(tmp_path / "FLIR_group1.csv", [row_of("a"), row_of("b", T_FH_Max1="36.10")])
    usual, hot_forehead = only(tmp_path).people
    assert usual.readings_c(Site.FOREHEAD_SPOT, 3) == pytest.approx((34.1, 34.2, 34.3))
    assert usual.readings_c(Site.FOREHEAD_MAX, 1) == (35.3,)
    assert usual.readings_c(Site.HOTTEST, 1) == (35.7,)
    assert hot_forehead.readings_c(Site.HOTTEST, 1) == (36.1,)


def test_a_failed_round_is_left_out_and_the_next_takes_the_firsts_place(tmp_path: Path) -> None:
    rows = [row_of("a", T_FHTC1=""), row_of("b", canthiMax2="NaN", T_FHCC3="3021.1")]
    write(tmp_path / "FLIR_group1.csv", rows)
    first_failed, two_failed = only(tmp_path).people
    assert first_failed.readings_c(Site.HOTTEST, 1) == (35.8,)
    assert first_failed.readings_c(Site.HOTTEST, 3) == (35.8, 35.9)
    assert two_failed.readings_c(Site.HOTTEST, 4) == (35.7, 36.0)


def test_people_without_reference_air_or_skin_are_left_out_and_counted(tmp_path: Path) -> None:
    without_skin = {f"canthiMax{k}": "" for k in (1, 2, 3, 4)}
    rows = [row_of("a", oral=""), row_of("b", air="-"), row_of("c", **without_skin), row_of("d")]
    write(tmp_path / "FLIR_group1.csv", [*rows, row_of("")])
    camera = only(tmp_path)
    assert ([person.subject for person in camera.people], camera.left_out) == (["d"], 3)


def test_other_files_are_refused_by_what_they_lack(tmp_path: Path) -> None:
    with pytest.raises(NotTheStudy, match="no files like"):
        load_study(tmp_path)
    path = tmp_path / "ICI_group1.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(NotTheStudy, match="no column SubjectID"):
        load_study(tmp_path)
    write(path, [row_of("a")])
    path.write_text(path.read_text(encoding="utf-8").replace("T_atm", "x"), encoding="utf-8")
    with pytest.raises(NotTheStudy, match="no column T_atm"):
        load_study(tmp_path)
    write(path, [row_of("a", oral="")])
    with pytest.raises(NotTheStudy, match="nobody with"):
        load_study(tmp_path)


def test_the_fit_finds_the_line_that_was_put_in(tmp_path: Path) -> None:
    write(tmp_path / "FLIR_group1.csv", people(400))
    cohort = Cohort(only(tmp_path).people, Site.FOREHEAD_SPOT)
    fit = cohort.fit()
    assert fit.b == pytest.approx(0.12, abs=0.015)
    assert fit.a_c - 24.5 * fit.b == pytest.approx(5.0 - 24.5 * 0.12, abs=0.05)
    for readings in (1, 2, 3, 4):
        own = cohort.fit(readings=readings)
        bias_c = float((cohort.body_c(readings, own) - cohort.oral_c).mean())
        assert bias_c == pytest.approx(0.0, abs=1e-6)


def test_the_benchmark_judges_what_the_product_computes(tmp_path: Path) -> None:
    write(tmp_path / "FLIR_group1.csv", people(20))
    camera = only(tmp_path)
    for site in Site:
        of_all = Cohort(camera.people, site).body_c(4, SITES[site])
        of_each = [
            together_c([body_c(c, who.ambient_c, SITES[site]) for c in who.readings_c(site, 4)])
            for who in camera.people
        ]
        assert of_all.tolist() == of_each


def test_folds_judge_everybody_once_a_time_by_others_only() -> None:
    is_fever = np.arange(100) < 20
    judged = np.zeros(100, int)
    for others, now in folds(is_fever):
        assert not set(others) & set(now)
        assert (len(now), int(is_fever[now].sum())) == (10, 2)
        judged[now] += 1
    assert set(judged.tolist()) == {5}


def test_a_cut_is_never_learnt_from_who_is_judged() -> None:
    rng = np.random.default_rng(0)
    is_fever = np.arange(200) < 40
    noise = rng.normal(size=200)
    seen: list[int] = []

    def cut(values: Values, fevers: Mask) -> float:
        seen.append(len(values))
        return cut_at(values, fevers, 0.95)

    found = cross_validated(lambda _others: noise, is_fever, {FOLDED: cut})[FOLDED]
    assert set(seen) == {180}
    assert found.specificity == pytest.approx(0.95, abs=0.03)


def test_so_large_a_share_without_fever_stays_below_the_cut_and_equals_stay_with_it() -> None:
    values = np.array([1.0] * 95 + [2.0] * 5 + [9.0])
    is_fever = np.arange(101) == 100
    assert score(values >= cut_at(values, is_fever, 0.95), is_fever).specificity >= 0.95
    assert score(values >= cut_at(values, is_fever, 0.99), is_fever).sensitivity == 1.0


def test_a_gain_is_paired() -> None:
    half = Score(0.95, np.array([1.0, 0.0] * 50))
    assert half.gain_over(half) == (0.0, 0.0, 0.0)
    gain, low, high = Score(0.95, np.ones(100)).gain_over(half)
    assert low < gain == 0.5 < high


def test_the_command_prints_rows_that_name_everything(tmp_path: Path) -> None:
    write(tmp_path / "ICI_group1.csv", people(120))
    command = [sys.executable, "benchmarks/temperature.py", "--data", str(tmp_path)]
    told = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, check=True)
    rows = json.loads(told.stdout)
    expected = "camera site readings method split reference_c specificity sensitivity fevers"
    assert {" ".join(row) for row in rows} == {expected}
    assert {row["site"] for row in rows} == set(SITE_NAMES.values())
    assert {row["readings"] for row in rows} == {1, 3, 4}
    assert len({tuple(list(row.values())[:6]) for row in rows}) == len(rows)
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    assert shown.startswith("ICI: 120 people")
    refused = subprocess.run([*command[:-1], str(ROOT)], cwd=ROOT, capture_output=True, check=False)
    assert (refused.returncode, b"no files like" in refused.stderr) == (1, True)


@needs_study
@pytest.mark.parametrize("site", Site)
def test_what_ships_is_what_the_published_study_gives(site: Site) -> None:
    flir = next(camera for camera in load_study(STUDY) if camera.name == "FLIR")
    assert len(flir.people) == 1020
    assert rounded(Cohort(flir.people, site).fit()) == SITES[site]


@needs_study
@pytest.mark.parametrize("site", Site)
@pytest.mark.parametrize(("readings", "most_c"), [(1, 0.01), (2, 0.12), (3, 0.25), (4, 0.3)])
def test_the_body_scale_is_the_oral_one_on_average_and_several_readings_err_to_the_hot_side(
    site: Site, readings: int, most_c: float
) -> None:
    flir = next(camera for camera in load_study(STUDY) if camera.name == "FLIR")
    cohort = Cohort(flir.people, site)
    bias_c = float((cohort.body_c(readings, SITES[site]) - cohort.oral_c).mean())
    assert -0.01 < bias_c < most_c


@needs_study
def test_what_ships_finds_more_fever_than_a_fixed_threshold_in_other_air() -> None:
    flir = next(camera for camera in load_study(STUDY) if camera.name == "FLIR")
    found = {(row.site, row.readings, row.method, row.split): row.score for row in rows_of(flir)}
    for site, least in (("spot", 0.50), ("hottest", 0.80)):
        for way in ("ambient 20-24 to 24-29", "ambient 24-29 to 20-24"):
            fixed, shipped = (found[site, 1, method, way] for method in ("fixed", "shipped"))
            assert shipped.specificity >= 0.92
            assert shipped.sensitivity >= least
            assert fixed.specificity < 0.92 or fixed.sensitivity < least


def test_the_baseline_takes_the_mean_of_several_readings(tmp_path: Path) -> None:
    write(tmp_path / "FLIR_group1.csv", [row_of("a")])
    cohort = Cohort(only(tmp_path).people, Site.HOTTEST)
    assert cohort.mean_skin_c(4).tolist() == pytest.approx([35.85])
