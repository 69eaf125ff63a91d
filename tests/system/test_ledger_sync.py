"""One sync for an accept: what the kernel was asked for, counted by strace."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ACCEPTS = 50  # without a checkpoint: those come every 1,000 pages of the -wal
SCRIPT = """
import sys
from pathlib import Path
from gated.clock import SystemClock
from gated.ledger.writer import Ledger
from tests.ledger_drafts import link, visit

ledger = Ledger.open(
    Path(sys.argv[1]), site="s", gate="g", clock=SystemClock(), software="0"
).ledger
for n in range(int(sys.argv[2])):
    ledger.append([visit(f"{n:012x}", person=link())])
"""


def syncs(folder: Path, accepts: int) -> int:
    """Return how often a process that opens a ledger and accepts so often asked for a sync."""
    folder.mkdir()
    counted = folder / "calls"
    subprocess.run(
        ["strace", "-f", "-e", "trace=fsync,fdatasync,sync_file_range,msync", "-o", counted,
         sys.executable, "-c", SCRIPT, folder / "ledger.db", str(accepts)],
        cwd=ROOT,
        check=True,
        timeout=60,
    )  # fmt: skip
    return len(re.findall(r"^\d+ +\w+\(", counted.read_text(), re.MULTILINE))


def lacks_strace() -> str:
    """Return why nothing can be counted here; "" if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed: apt install strace"
    done = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "this machine lets nobody trace a process"


@pytest.mark.skipif(lacks_strace() != "", reason=lacks_strace())
def test_an_accept_is_one_sync(tmp_path: Path) -> None:
    opening = syncs(tmp_path / "none", 0)
    assert syncs(tmp_path / "some", ACCEPTS) - opening == ACCEPTS
