"""What a process has used, as the kernel counts it."""

from __future__ import annotations

import os
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far, user and system."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def family_cpu_s(pid: int) -> float:
    """Return the CPU time of a process and of its children, those that have ended included."""
    fields = _stat(pid)
    own = sum(int(fields[n]) for n in range(11, 15)) / TICKS_A_SECOND
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return own + sum(cpu_s(int(child)) for child in children)


def pss_mb(pid: int) -> float:
    """Return its memory; what it shares is divided among all who map it."""
    return _kb(f"/proc/{pid}/smaps_rollup", "Pss:") / 1_024


def peak_mb(pid: int) -> float:
    """Return the most that was resident of it since its start."""
    return _kb(f"/proc/{pid}/status", "VmHWM:") / 1_024


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()


def _kb(file: str, name: str) -> int:
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise SystemExit(f"no {name} in {file}: this kernel does not tell")
