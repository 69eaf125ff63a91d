"""The pages for a real machine: no figure without its date, no command that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gated import cli
from gated.optics import reach_m
from gated.sensors.mlx90614 import FOV_DEG
from tests.pages import spans, table

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOT_MEASURED = "not measured 未测"
PAGES = ("bench", "install-pi", "maintenance", "mounting", "way-out", "alarms")
WATCHDOG_MOST_S = 15
"""Of bcm2835_wdt."""


def text_of(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def test_a_figure_of_the_bench_is_not_measured_or_says_where_and_when() -> None:
    header = (
        "figure 项目",
        "limit 指标",
        "measured 实测",
        "board, system, date, who 板型、日期、姓名",
    )
    bench = text_of("bench")
    procedures = {int(n) for n in re.findall(r"^## (\d+)\. ", bench, flags=re.MULTILINE)}
    rows = table(bench, *header)
    for figure, limit, measured, where in (row.values() for row in rows):
        assert limit, figure
        if measured == NOT_MEASURED:
            assert not where, figure
        else:
            assert re.search(r"\d", measured), figure
            assert re.search(r"20\d\d-\d\d-\d\d", where), figure
    assert {int(row["figure 项目"].split()[0]) for row in rows} == procedures


def test_every_task_of_the_calendar_has_somebody_a_time_and_a_mark() -> None:
    calendar = text_of("maintenance")
    tables = re.findall(r"^\| what.+\n\| ---.+\n((?:\|.+\n)+)", calendar, flags=re.MULTILINE)
    assert len(tables) == len(("day", "week", "month", "half year", "year"))
    for row in "".join(tables).splitlines():
        what, who, minutes, command, _ = (cell.strip() for cell in row.strip("|").split("|"))
        assert re.search("[\u4e00-\u9fff]", what), row
        assert set(spans(who)) <= {"staff", "technician", "office"}, row
        assert spans(who), row
        assert minutes, row
        assert command, row


@pytest.mark.parametrize("page", PAGES)
def test_a_command_on_the_page_is_one_of_ours(page: str) -> None:
    text = text_of(page)
    named = set(re.findall(r"(?:^|`|sudo )gated ([a-z]+)", text, flags=re.MULTILINE))
    assert named - set(cli.COMMANDS) == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_section_speaks_both_languages(page: str) -> None:
    for section in re.split(r"^## ", text_of(page), flags=re.MULTILINE):
        assert re.search("[\u4e00-\u9fff]", section), section[:60]


def test_the_distances_of_the_lane_are_those_of_the_optics() -> None:
    rows = table(text_of("mounting"), "lens 镜头", "floor mark 地贴", "judged up to 有效距离")
    reach_cm = {}
    for row in rows:
        mark_cm, judged_cm = (int(row[name].split()[0]) for name in list(row)[1:])
        assert mark_cm == pytest.approx(0.75 * judged_cm, abs=3), row
        reach_cm[row["lens 镜头"].partition(",")[0]] = judged_cm
    for variant, letter in (("DCI", "I"), ("DCH", "H")):
        assert reach_cm[f"MLX90614 {variant}"] == round(reach_m(FOV_DEG[letter]) * 100)
    assert f"**{reach_cm['MLX90640 BAB']} cm**" in text_of("sensors")


def test_a_pi_is_installed_by_the_packages_own_steps_which_stand_elsewhere() -> None:
    page = text_of("install-pi")
    assert "install.md#a-gate-闸机" in page
    assert "apt install ./gated" not in page
    assert "enable --now" not in page


def test_the_watchdog_of_the_page_is_one_that_a_pi_bears() -> None:
    said = [
        int(n) for page in PAGES for n in re.findall(r"RuntimeWatchdogSec=(\d+)", text_of(page))
    ]
    assert said
    assert max(said) <= WATCHDOG_MOST_S
