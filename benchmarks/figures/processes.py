"""What the kernel says of a running process."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def pss_mb(pid: int) -> float:
    """Return its memory; what it shares is divided among all who map it."""
    return _kb(f"/proc/{pid}/smaps_rollup", "Pss:") / 1_024


def peak_mb(pid: int) -> float:
    """Return the most that was resident of it since its start."""
    return _kb(f"/proc/{pid}/status", "VmHWM:") / 1_024


def _kb(file: str, name: str) -> int:
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise SystemExit(f"no {name} in {file}: this kernel does not tell")
