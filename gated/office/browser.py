"""Prints a page to PDF through a Chromium that is on this computer anyway."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from gated.durable import write_private_file
from gated.errors import GatedError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_S = 90.0


def find_browser() -> str | None:
    """Return the path of the first Chromium there is, None without one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def print_to_pdf(browser: str, page: Path, pdf: Path) -> None:
    """Print ``page`` (HTML) to ``pdf``. Raises: GatedError: nothing was written in time."""
    # There before the browser writes into it: names and codes are never readable for others.
    write_private_file(pdf, b"")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            *(browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--no-pdf-header-footer"),
            f"--user-data-dir={profile}",
            f"--print-to-pdf={pdf.absolute()}",
            page.absolute().as_uri(),
        ]
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # it refuses to start as root; the page is our own
        try:
            subprocess.run(  # noqa: S603 - a browser by its name, with a page of ours
                command, check=True, capture_output=True, timeout=TIMEOUT_S
            )
        except (OSError, subprocess.SubprocessError) as exc:
            pdf.unlink(missing_ok=True)
            raise GatedError(
                f"{pdf}: the browser could not print it: open {page} and print from there "
                "(无法生成 PDF，请用浏览器打印网页)"
            ) from exc
    if not pdf.exists() or not pdf.stat().st_size:
        pdf.unlink(missing_ok=True)
        raise GatedError(f"{pdf}: the browser wrote nothing (未生成 PDF)")
    pdf.chmod(0o600)
