"""A class of thirty by the commands of docs/passes-office.md, its cards read off the paper."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from base64 import b64decode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gated.clock import SystemClock
from gated.office.register import Register
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import load_decoders
from gated.scanner.picture import parse_picture
from tests.browser import Browser

PAGE = (Path(__file__).parents[2] / "docs" / "passes-office.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.+?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
COMMANDS = [shlex.split(line) for block in BLOCKS for line in block.splitlines()]
SETTING_UP = COMMANDS.index(["gated", "pass", "reissue", "12", "--why", "lost"])
VISITOR = re.findall(r"`gated (pass visitor .+?)`", PAGE)[0].split()

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
TRUST = ("--trust", "office/for-gates/trust")
PAGE_PX = (794, 1123)  # A4 at 96 dpi
PX_PER_MM = 96 / 25.4
SCALE = 2


ENVIRONMENT = {
    **{key: value for key, value in os.environ.items() if key != "GATED_OFFICE"},
    "PYTHONPATH": str(Path(__file__).parents[2]),
}
GATED = (sys.executable, "-m", "gated")


def gated(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GATED, *words],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=ENVIRONMENT,
    )


def run(folder: Path, commands: Sequence[Sequence[str]]) -> str:
    """Return what ``commands`` print; each must succeed."""
    said = ""
    for program, *words in commands:
        assert program == "gated"
        done = gated(folder, *words)
        assert done.returncode == 0, (words, done.stderr)
        said += done.stdout
    return said


def statuses(folder: Path, texts: Sequence[str], *options: str) -> list[str]:
    done = gated(
        folder, "verify", "--lines", "--json", *TRUST, *options, stdin="\n".join(texts) + "\n"
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["status"] for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an office that did what the page says, up to the first lost card."""
    folder = tmp_path_factory.mktemp("school")
    lines = ["班级,姓名", *(f"三年２班,{surname}\u3000明" for surname in SURNAMES)]
    (folder / "class.csv").write_bytes("\r\n".join(lines).encode("gb18030"))
    run(folder, COMMANDS[:SETTING_UP])
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def codes_on(browser: Browser, page: Path, pages: int) -> dict[str, str]:
    """Return pass number → text, as the gate's own decoders read each printed code."""
    width, height = PAGE_PX[0], PAGE_PX[1] * pages
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=SCALE,
        mobile=False,
    )
    browser.open(page.as_uri())
    assert browser.shows("No. ")
    pixels = parse_picture(b64decode(browser.call("Page.captureScreenshot")["data"]))
    assert isinstance(pixels, np.ndarray)
    found = browser.evaluate(
        "[...document.querySelectorAll('[data-number]')].map(card => {"
        "const box = card.querySelector('svg').getBoundingClientRect(); return "
        "[card.dataset.number, ...[box.left, box.top, box.right, box.bottom].map(Math.round)]})"
    )
    assert isinstance(found, list)
    cascade = Cascade(load_decoders()[0])
    texts = {}
    for number, *box in found:
        left, top, right, bottom = (SCALE * side for side in box)
        (texts[number],) = cascade.decode_picture(pixels[top:bottom, left:right]).texts
    return texts


@pytest.fixture(scope="module")
def cards(folder: Path, browser: Browser) -> dict[str, str]:
    return codes_on(browser, folder / "office/print/cards-0001-0030.html", pages=3)


def test_thirty_cards_are_read_off_the_paper_and_valid_at_the_gate(
    folder: Path, cards: dict[str, str]
) -> None:
    assert list(cards) == [str(number) for number in range(1, 31)]
    assert statuses(folder, list(cards.values())) == ["valid"] * 30
    assert all(len(text) <= 200 for text in cards.values())


def test_no_code_and_no_file_for_the_gates_holds_a_name(
    folder: Path, cards: dict[str, str]
) -> None:
    shown = gated(folder, "pass", "show", *TRUST, "--json", cards["12"])
    assert json.loads(shown.stdout)["sub"] == "s-0012"
    assert json.loads(shown.stdout)["group"] == "三年2班"
    for path in (folder / "office/for-gates").rglob("*"):
        assert path.is_dir() or "明".encode() not in path.read_bytes()
    assert not re.search(r"[^ -~]", cards["12"])


def test_cards_and_sheet_fit_their_pages_and_codes_are_large_enough(
    folder: Path, browser: Browser
) -> None:
    for name, pages, least_mm in (("cards", 3, 25.0), ("sheet", 2, 20.0)):
        browser.open((folder / f"office/print/{name}-0001-0030.html").as_uri())
        assert browser.shows("No. 0030")
        pdf = b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True)["data"])
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == pages
        sizes = browser.evaluate(
            "[...document.querySelectorAll('.code svg')].map(svg => "
            "svg.getBoundingClientRect().width * 49 / 57)"  # version 8 within its quiet zone
        )
        assert isinstance(sizes, list)
        assert len(sizes) == 30
        assert min(sizes) >= least_mm * PX_PER_MM
        cut_off = browser.evaluate(
            "[...document.querySelectorAll('.card, .row, .page')].filter(box => "
            "box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1)"
            ".length"
        )
        assert cut_off == 0
        assert browser.console == []


def test_a_lost_card_is_refused_from_the_next_list_on_and_the_new_one_is_valid(
    folder: Path, cards: dict[str, str], browser: Browser
) -> None:
    said = run(folder, COMMANDS[SETTING_UP:])
    (card,) = re.findall(r"cards-\d+\.html", said)
    (new,) = codes_on(browser, folder / "office/print" / card, pages=1).values()
    lists = ("--revocations", "office/for-gates/revocations")
    assert statuses(folder, [cards["12"], new, cards["13"]], *lists) == [
        "revoked",
        "valid",
        "valid",
    ]
    assert statuses(folder, [cards["12"]]) == ["valid"]  # a gate that was not given the list


def test_a_visitors_slip_is_expired_once_its_day_is_over(folder: Path, browser: Browser) -> None:
    done = gated(folder, *VISITOR)
    assert done.returncode == 0, done.stderr
    (number,) = re.findall(r"No\. (\d+)", done.stdout)
    page = folder / f"office/print/slips-{number}.html"
    (text,) = codes_on(browser, page, pages=1).values()
    tomorrow = (SystemClock().now() + timedelta(days=1)).isoformat()
    assert statuses(folder, [text]) == ["valid"]
    assert statuses(folder, [text], "--now", tomorrow) == ["expired"]
    long_ago = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    assert statuses(folder, [text], "--now", long_ago) == ["not_yet_valid"]


@pytest.mark.usefixtures("browser")  # skips where there is none
def test_the_browser_that_is_there_prints_to_pdf(folder: Path) -> None:
    done = gated(folder, "pass", "print", "1", "2", "--out", "two.html", "--pdf")
    assert done.returncode == 0, done.stderr
    pdf = folder / "two.pdf"
    assert len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) == 1
    assert pdf.stat().st_mode & 0o077 == 0


def test_a_roster_killed_while_it_writes_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    run(tmp_path, [("gated", "pass", "office", "init", "--site", "x")])
    names = [first + second for first in SURNAMES for second in SURNAMES[:10]]
    (tmp_path / "many.csv").write_text("姓名\n" + "\n".join(names), encoding="utf-8")
    journal = tmp_path / "office/register.db-journal"
    pause, killed_in_it = threading.Event(), 0
    for _ in range(4):
        with subprocess.Popen(
            [*GATED, "pass", "roster", "many.csv"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            env=ENVIRONMENT,
        ) as process:
            while not journal.exists() and process.poll() is None:
                pause.wait(0.001)  # the journal is there for a few hundredths of a second
            process.kill()
        killed_in_it += journal.exists()
        listed = gated(tmp_path, "pass", "register", "list").stdout.splitlines()
        assert len(listed) - 1 in {0, len(names)}
    assert killed_in_it > 0
    run(tmp_path, [("gated", "pass", "roster", "many.csv")])
    with Register(tmp_path / "office/register.db") as register:
        passes = register.passes()
    assert sorted(item.holder.name for item in passes) == sorted(names)
    assert len({item.claims.sub for item in passes}) == len(names)
