"""The guest, installed once for all its tests, and the table of what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.centre import OtherSide
from tests.machine.figures import Verdict, measure, note
from tests.machine.gate import Gate
from tests.machine.guest import FOLDER, ROOT, Guest, build, why_not


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gate that was installed into a new machine by the page, and is running."""
    if reason := why_not():
        note("guest with kernel devices", reason, "", None, Verdict.LEFT_OUT)
        pytest.skip(reason)
    packages = newest_packages()
    build()
    folder = FOLDER / "run"  # short: paths of sockets have 107 bytes
    folder.mkdir(exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    guest = Guest(folder)
    other_side = OtherSide(tmp_path_factory.mktemp("centre"))
    try:
        measure("guest booted", guest.start(), "s")
        gate = Gate(guest, other_side, packages)
        gate.plug_serial()
        gate.install()
        yield gate
    finally:
        guest.close()
        other_side.close()


def newest_packages() -> list[Path]:
    """Return a gate's packages of the last ``make deb``."""
    dist = ROOT / "dist"
    patterns = ("gated_*_all.deb", "gated-common_*_amd64.deb")
    newest = [
        max(dist.glob(pattern), key=lambda file: file.stat().st_mtime, default=None)
        for pattern in patterns
    ]
    missing = [pattern for pattern, file in zip(patterns, newest, strict=True) if file is None]
    if missing:
        pytest.fail(f"dist/ has no {', '.join(missing)}: make deb")
    return [file for file in newest if file is not None]
