"""A machine for the doctor's checks: files below a folder, programs that say what a test wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gated.doctor.findings import Finding, Level
from gated.doctor.host import MODEL, Answer, CannotLook, Host

PI4 = "Raspberry Pi 4 Model B Rev 1.4"
PI5 = "Raspberry Pi 5 Model B Rev 1.0"
STRICT_4 = "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs"
STRICT_5 = "sys/module/pinctrl_rp1/parameters/persist_gpio_outputs"
CONFIG_TXT = "boot/firmware/config.txt"


def host(
    root: Path,
    files: Mapping[str, str] | None = None,
    *,
    model: str = "",
    says: Mapping[str, str] | None = None,
) -> Host:
    """Return a machine with ``files``; ``says``: what each program prints, by its name."""
    every = dict(files or {})
    if model:
        every[MODEL] = f"{model}\0"
    for name, text in every.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")

    def run(command: Sequence[str]) -> Answer:
        if command[0] not in (says or {}):
            raise CannotLook(f"this machine has no {command[0]}")
        return Answer(0, (says or {})[command[0]])

    return Host(root, run)


def told(findings: Iterable[Finding]) -> list[tuple[Level, str]]:
    """Return level and English sentence of each finding, what mends it behind a bar."""
    return [(f.level, f.says[1] + (f" | {f.mend[1]}" if f.mend else "")) for f in findings]
