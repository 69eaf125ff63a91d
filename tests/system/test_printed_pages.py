"""The printed pages as Chromium lays them out, held up to the gate's own eye."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gated.cli import main
from gated.credentials.value_sheet import parse_value_sheet
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import load_decoders
from gated.scanner.picture import Pixels, blur, enlarge, parse_picture, shrink
from gated.simulation.screens import HEIGHT_PX, WIDTH_PX, add_noise
from tests.browser import Browser

PX_PER_MM = 96 / 25.4
PAGE_PX = (794, 1123)  # A4 at 96 dpi
PAGES = 11
SEEN_MM_PER_MM = 1.3  # how wide a Camera Module 3 (66°) sees, for each mm of distance


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return Cascade(load_decoders()[0])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@dataclass(frozen=True)
class Sheet:
    pixels: Pixels  # page below page
    leaves: tuple[tuple[str, int, int, int, int], ...]  # text; left, top, right, bottom in px
    printed_pages: int

    def pictures(self) -> Iterator[tuple[str, Pixels]]:
        for text, left, top, right, bottom in self.leaves:
            yield text, self.pixels[top:bottom, left:right]


@pytest.fixture(scope="module")
def sheet(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Sheet:
    folder = tmp_path_factory.mktemp("sheet")
    path = folder / "sheet.html"
    assert main(["pass", "value-sheet", "--out", str(path)]) == 0
    browser.resize(PAGE_PX[0], PAGE_PX[1] * PAGES)
    browser.open(path.as_uri())
    assert browser.shows("40.0 °C")
    browser.screenshot(folder / "sheet.png")
    pixels = parse_picture((folder / "sheet.png").read_bytes())
    assert isinstance(pixels, np.ndarray)
    found = browser.evaluate(
        "[...document.querySelectorAll('[data-text]')].map(leaf => {"
        "const box = leaf.getBoundingClientRect(); return [leaf.dataset.text, "
        "...[box.left, box.top, box.right, box.bottom].map(Math.round)]})"
    )
    assert isinstance(found, list)
    return Sheet(pixels, tuple(tuple(leaf) for leaf in found), printed_pages(browser))


def printed_pages(browser: Browser) -> int:
    pdf = b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def held_up(leaf: Pixels, distance_mm: float, seed: int) -> Pixels:
    """Return what the camera sees of ``leaf`` from ``distance_mm``: unsharp, noisy, cropped."""
    px_per_mm = WIDTH_PX / (SEEN_MM_PER_MM * distance_mm)
    scale = px_per_mm / PX_PER_MM
    seen = enlarge(leaf, scale) if scale > 1 else shrink(leaf, round(max(leaf.shape[:2]) * scale))
    seen = seen[:HEIGHT_PX, :WIDTH_PX]
    frame = np.full((HEIGHT_PX, WIDTH_PX, 3), 90, np.uint8)
    top, left = (HEIGHT_PX - seen.shape[0]) // 2, (WIDTH_PX - seen.shape[1]) // 2
    frame[top : top + seen.shape[0], left : left + seen.shape[1]] = seen
    return add_noise(blur(frame, 0.8), seed)


@pytest.mark.parametrize("distance_mm", [220.0, 400.0])
def test_the_camera_reads_every_leaf_of_the_value_sheet_and_nothing_but_its_value(
    sheet: Sheet, cascade: Cascade, distance_mm: float
) -> None:
    assert len(sheet.leaves) == 41
    for seed, (text, leaf) in enumerate(sheet.pictures()):
        assert cascade.decode_picture(held_up(leaf, distance_mm, seed)).texts == (text,)
        assert parse_value_sheet(text) == float(text.removeprefix("GV1:"))


def test_a_page_that_was_not_cut_is_ambiguous_and_never_one_value(
    sheet: Sheet, cascade: Cascade
) -> None:
    page = sheet.pixels[PAGE_PX[1] * 2 : PAGE_PX[1] * 3]
    seen = cascade.decode_picture(held_up(page, 480.0, seed=1)).texts
    assert len(seen) > 1
    assert set(seen) <= {text for text, *_ in sheet.leaves}


def test_the_value_sheet_fits_its_eleven_pages(sheet: Sheet) -> None:
    assert sheet.printed_pages == PAGES


def test_the_lamp_cards_fit_a_page_each(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "card.html"
    assert main(["pass", "lamp-card", "--out", str(path)]) == 0
    browser.open(path.as_uri())
    assert browser.shows("Please look at the sensor")
    assert printed_pages(browser) == 2
    assert browser.console == []
