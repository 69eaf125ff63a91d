"""A page with names and codes is nobody else's to read, not even while the browser prints it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gated.errors import GatedError
from gated.office.browser import print_to_pdf


def browser(folder: Path, script: str) -> str:
    """Return the path of a browser that does ``script``; $pdf is the file that it shall write."""
    path = folder / "browser"
    find = 'for word in "$@"; do case $word in --print-to-pdf=*) pdf=${word#*=};; esac; done'
    path.write_text(f"#!/bin/sh\numask 000\n{find}\n{script}\n", encoding="utf-8")
    path.chmod(0o700)
    return str(path)


def test_a_pdf_is_private_before_anything_stands_in_it(tmp_path: Path) -> None:
    page, pdf, seen = tmp_path / "cards.html", tmp_path / "cards.pdf", tmp_path / "seen"
    name = browser(tmp_path, f'echo names > "$pdf"\nstat -c %a "$pdf" > {seen}')
    print_to_pdf(name, page, pdf)
    assert seen.read_text(encoding="utf-8") == "600\n"
    assert pdf.read_text(encoding="utf-8") == "names\n"
    assert stat.S_IMODE(pdf.stat().st_mode) == 0o600


def test_a_link_in_the_place_of_the_pdf_leads_nowhere(tmp_path: Path) -> None:
    page, pdf, elsewhere = tmp_path / "cards.html", tmp_path / "cards.pdf", tmp_path / "elsewhere"
    pdf.symlink_to(elsewhere)
    print_to_pdf(browser(tmp_path, 'echo names > "$pdf"'), page, pdf)
    assert not elsewhere.exists()
    assert pdf.is_file()


@pytest.mark.parametrize("script", ["true", "exit 1"])
def test_a_browser_that_prints_nothing_leaves_nothing(tmp_path: Path, script: str) -> None:
    pdf = tmp_path / "cards.pdf"
    with pytest.raises(GatedError):
        print_to_pdf(browser(tmp_path, script), tmp_path / "cards.html", pdf)
    assert not pdf.exists()
