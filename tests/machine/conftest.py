"""The guest, installed once for all its tests, and the table of what was measured."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.machine.centre import OtherSide
from tests.machine.figures import Verdict, measure, note
from tests.machine.gate import Gate
from tests.machine.guest import FOLDER, Guest, build, why_not
from tests.machine.packages import newest


@pytest.fixture(scope="session")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gate that was installed into a new machine by the page, and is running."""
    packages = newest("gated", "gated-common")
    if reason := why_not():
        note("guest with kernel devices", reason, "", None, Verdict.LEFT_OUT)
        pytest.skip(reason)  # no root, or another processor: the table says so too
    build()
    folder = FOLDER / "run"  # short: paths of sockets have 107 bytes
    folder.mkdir(exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    guest = Guest(folder)
    other_side = OtherSide(tmp_path_factory.mktemp("centre"))
    try:
        measure("guest booted", guest.start(), "s")
        with contextlib.closing(Gate(guest, other_side, packages)) as gate:
            gate.plug_serial()
            gate.install()
            yield gate
    finally:
        guest.close()
        other_side.close()
