"""What sensors read of the stage while the scenario writes it, in another process."""

from __future__ import annotations

import math
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gated.simulation.bus import NotAcknowledged
from gated.simulation.stage import UNPLUGGED_C, HeatLog

NAMES = ("child", "ambient")
WRITES = 150_000
WRITER = """
import sys
from pathlib import Path
from gated.simulation.stage import HeatLog
heat = HeatLog(Path(sys.argv[1]), ("child", "ambient"))
for n in range(int(sys.argv[2])):
    heat.write(float(n), {"child": 34.0, "ambient": 22.0})
"""


def test_a_reader_never_sees_an_entry_half_written(tmp_path: Path) -> None:
    path = tmp_path / "heat"
    with closing(HeatLog(path, NAMES, create=True)) as heat:
        heat.write(0.0, {"child": 34.0, "ambient": 22.0})
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(WRITES)])
        reads = 0
        while writer.poll() is None:
            assert heat.read("child", math.inf) == 34.0
            reads += 1
    assert writer.returncode == 0
    assert reads > 1_000


def test_an_entry_is_of_one_moment_and_an_unplugged_sensor_does_not_answer(tmp_path: Path) -> None:
    with closing(HeatLog(tmp_path / "heat", NAMES, create=True)) as heat:
        heat.write(1.0, {"child": 34.0, "ambient": 22.0})
        heat.write(2.0, {"child": UNPLUGGED_C, "ambient": 23.0})
        assert heat.entry(1.5, unplugged_by="child") == {"child": 34.0, "ambient": 22.0}
        assert heat.read("ambient", 2.5) == 23.0
        with pytest.raises(NotAcknowledged):
            heat.read("child", 2.5)
