"""The commands of a page of the documentation, so that a test does what a reader is told to."""

from __future__ import annotations

import re
from pathlib import Path

from tests.machine.guest import ROOT


def commands(page: str, heading: str) -> list[str]:
    """Return the shell commands below ``## heading`` of ``docs/page``, without their comments."""
    text = Path(ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"{page} has no heading {heading!r}"
    blocks = re.findall(r"^```sh\n(.*?)^```", found[1], re.MULTILINE | re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
