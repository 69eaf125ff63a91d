"""The page and the plots: self-contained, both languages, readable without seeing the pictures."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64decode
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gated.errors import ExitCode
from gated.judgement import TemperatureRules
from gated.tuning.page import page
from gated.tuning.plots import TITLES, draw_png, draw_svg, plots_of
from gated.tuning.study import Question, Study
from gated.tuning.trial import Trial
from gated.tuning.view import Origin, view
from gated.tuning.visits import parse_contact, parse_visit
from gated.wire import GENESIS, Draft, Place, encode_body
from tests.tuning_school import HOLDER, School, draft, release, visit, write_ledger

TODAY = Trial(TemperatureRules())
PROPOSED = TODAY.at_threshold(37.5)
MADE_AT = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
ORIGIN = Origin("/var/lib/gated/ledger.db", 5.64, has_config=True)
VOID = {"meta", "img", "br", "link", "hr", "input"}


def study_of(drafts: list[Draft], proposed: Trial | None = PROPOSED) -> Study:
    bodies = [
        encode_body(one, Place("lixin", "east-1", "k3v4q2m7x2c5d4zt", n, 1, GENESIS))
        for n, one in enumerate(drafts, start=1)
    ]
    found = [
        parse_contact(body)
        for body, one in zip(bodies, drafts, strict=True)
        if one.content.kind == "release"
    ]
    contacts = {contact.key: contact.contact_c for contact in found if contact is not None}
    study = Study(Question(TODAY, proposed, 37.3), contacts)
    for body, one in zip(bodies, drafts, strict=True):
        if one.content.kind == "visit":
            study.add(parse_visit(body))
    study.finish()
    return study


@pytest.fixture(scope="module")
def school() -> Study:
    return study_of(list(School(ill=0.05).drafts(600, 4)))


@pytest.fixture(scope="module")
def html(school: Study) -> str:
    return page(school, view(school, ORIGIN), MADE_AT)


class Outline(HTMLParser):
    """Checks that every element is closed in its order, and keeps what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def outline(text: str) -> Outline:
    found = Outline()
    found.feed(text)
    assert found.open == []
    return found


def without_pictures(text: str) -> str:
    return re.sub(r'src="data:[^"]*"', "", text)


def test_the_page_is_well_formed_and_asks_for_nothing_from_elsewhere(html: str) -> None:
    found = outline(html)
    assert found.all("script") == []
    assert found.all("link") == []
    assert all(str(image["src"]).startswith("data:image/") for image in found.all("img"))
    assert "url(" not in without_pictures(html)
    assert "://" not in without_pictures(html)
    (policy,) = [m for m in found.all("meta") if m.get("http-equiv")]
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_every_plot_has_words_and_its_figures_in_a_table(html: str, school: Study) -> None:
    found = outline(html)
    pictures = found.all("img")
    assert len(pictures) == len(plots_of(school)) == len(TITLES)
    for picture in pictures:
        assert re.search("[\u4e00-\u9fff]", str(picture["alt"]))
        assert re.search("[a-z]{4}", str(picture["alt"]))
    assert len(found.all("table")) >= len(pictures)
    for region in (d for d in found.all("div") if d.get("role") == "region"):
        assert region["tabindex"] == "0"  # it scrolls: the keyboard must reach it
        assert region["aria-label"]


def test_the_page_speaks_both_languages(html: str) -> None:
    zh = re.findall(r'<(?:p|span) lang="zh-Hans">', html)
    en = re.findall(r'<(?:p|span)[^>]* lang="en">', html)
    assert len(zh) == len(en) > 40


def test_a_case_that_is_let_in_stands_first_as_an_alert(html: str, school: Study) -> None:
    alert = html.index('role="alert"')
    assert alert < html.index("<table")
    assert "would let in" in html[alert : alert + 2_000]
    case = next(v for v in school.verified if v.is_case)
    assert 'data-tone="danger"' in html
    assert case.key[2]


def test_a_change_that_is_safe_says_so_without_an_alert() -> None:
    drafts = [draft(visit("a", 36.6)), draft(visit("ill", 38.5)), draft(release("ill", 38.6))]
    study = study_of(drafts)
    text = page(study, view(study, ORIGIN), MADE_AT)
    assert 'role="alert"' not in text
    assert 'role="status"' in text
    assert "would still be stopped: 1 of 1" in text


def test_the_lines_to_paste_are_on_the_page(html: str) -> None:
    assert "[temperature]\nfever_threshold_c = 37.5" in html
    assert "gated config check &amp;&amp; sudo systemctl reload gated.target" in html


def test_no_name_and_no_link_to_a_person_is_on_the_page(html: str) -> None:
    for secret in (HOLDER, "holder", "student", "g3-2"):
        assert secret not in without_pictures(html)


def test_what_stands_in_a_record_is_text_never_html() -> None:
    evil = '<img src="http://evil.example/">'
    one = draft(visit("a", 38.5).model_copy(update={"visit_id": evil, "thermometer": evil}))
    study = study_of([one, draft(release(evil, 38.6))], TODAY.at_threshold(39.5))
    text = page(study, view(study, ORIGIN), MADE_AT)
    assert evil not in text
    assert "&lt;img" in text
    outline(text)


def test_one_single_visit_makes_a_page_and_a_picture() -> None:
    study = study_of([draft(visit("a", 36.6))], proposed=None)
    text = page(study, view(study, Origin("x", None, has_config=False)), MADE_AT)
    assert "contact" not in draw_svg(study)
    assert "1 visit on 1 day" in text
    outline(text)


def test_a_visit_without_a_trustworthy_time_or_ambient_leaves_its_plots_out() -> None:
    content = visit("a", 36.6).model_copy(update={"ambient_c": None})
    study = study_of([draft(content)])
    assert set(draw_svg(study)) == {"distribution", "sweep", "hour"}


def test_the_plots_are_pictures_and_the_same_every_time(school: Study, html: str) -> None:
    drawn = draw_svg(school)
    for svg in drawn.values():
        assert ET.fromstring(svg).tag.endswith("svg")  # noqa: S314 - our own picture
        assert len(svg) < 500_000
    shown = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    assert {b64decode(each) for each in shown} == set(drawn.values())


def test_the_picture_of_all_plots_is_a_png(school: Study) -> None:
    assert draw_png(school).startswith(b"\x89PNG\r\n\x1a\n")


def test_without_matplotlib_one_line_says_what_to_do_and_the_table_still_works(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    write_ledger(path, [draft(visit("a", 36.6))])
    script = (
        "import sys; sys.modules['matplotlib'] = None; from gated.cli import main;"
        "sys.exit(main(sys.argv[1:]))"
    )
    for extra, code in ((["--html", str(tmp_path / "p.html")], ExitCode.FAILED), ([], ExitCode.OK)):
        result = subprocess.run(
            [sys.executable, "-c", script, "tune", "--ledger", str(path), *extra],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert result.returncode == code, result.stderr
        assert ("gated[tools]" in result.stderr) is bool(extra)
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "p.html").exists()
