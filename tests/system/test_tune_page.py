"""The page of ``gated tune`` as Chromium shows and prints it."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.cli import main
from gated.errors import ExitCode
from tests.browser import Browser
from tests.tuning_school import School, write_ledger

PHONE, DESK = (390, 844), (1280, 900)
WIDER_THAN_ITS_PLACE = (
    "[...document.querySelectorAll('main > *, figure, p, dd, h2')]"
    ".filter(e => e.scrollWidth > e.clientWidth + 1 && !e.closest('.scroll')).length"
)
CONTRAST = """
(() => {
  const light = c => {
    const [r, g, b] = c.match(/[0-9.]+/g).slice(0, 3).map(v => {
      v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$/.test(c) && c !== 'transparent') return c; }
    return 'rgb(255, 255, 255)'; };
  let worst = 99;
  for (const e of document.querySelectorAll('p, span, td, th, dd, dt, li, code, figcaption')) {
    if (!e.innerText || !e.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
    worst = Math.min(worst, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)); }
  return worst;
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tune")
    write_ledger(folder / "ledger.db", School(ill=0.1).drafts(900, 6))
    path = folder / "page.html"
    command = ["tune", "--ledger", str(folder / "ledger.db"), "--threshold", "37.6"]
    assert main([*command, "--html", str(path)]) == ExitCode.FAILED  # it lets cases in
    return path


def open_at(browser: Browser, page: Path, size: tuple[int, int], *, is_dark: bool = False) -> None:
    browser.resize(*size, is_dark=is_dark)
    browser.open(page.as_uri())
    assert browser.shows("DANGER: this change would let in")


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_nothing_is_cut_off_and_every_plot_is_seen(
    browser: Browser, page: Path, size: tuple[int, int]
) -> None:
    open_at(browser, page, size)
    assert browser.evaluate("document.documentElement.scrollWidth") == size[0]
    assert browser.evaluate(WIDER_THAN_ITS_PLACE) == 0
    widths = "[...document.images].map(i => i.complete && i.naturalWidth > 100 && i.width > 200)"
    assert browser.evaluate(widths) == [True] * 5
    assert browser.console == []


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_every_word_stands_out_from_what_is_behind_it(
    browser: Browser, page: Path, is_dark: bool
) -> None:
    open_at(browser, page, DESK, is_dark=is_dark)
    worst = browser.evaluate(CONTRAST)
    assert isinstance(worst, int | float)
    assert worst >= 4.5  # WCAG 2.2, 1.4.3


def test_the_warning_is_read_before_anything_else(browser: Browser, page: Path) -> None:
    open_at(browser, page, DESK)
    lines = browser.text().splitlines()
    danger = next(n for n, line in enumerate(lines) if "DANGER" in line)
    assert danger < 6
    assert "危险" in lines[danger - 1]


def test_it_prints_on_a_few_sheets_of_a4(browser: Browser, page: Path) -> None:
    open_at(browser, page, DESK)
    printed = browser.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
    pdf = b64decode(printed["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 6
    (width, height) = re.findall(rb"/MediaBox\s*\[\s*0 0 ([0-9.]+) ([0-9.]+)", pdf)[0]
    assert (round(float(width)), round(float(height))) == (595, 842)
