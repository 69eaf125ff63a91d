"""What is plugged in and told by the kernel's own files: serial devices and sound cards."""

from __future__ import annotations

import re
from pathlib import Path

from gated.probe.findings import CardFound, SerialFound

_CARD = re.compile(r"^ *(\d+) \[(\S+) *\]: (.+)$", re.MULTILINE)


def list_serial(by_id: Path = Path("/dev/serial/by-id")) -> list[SerialFound]:
    """Return the serial devices by their stable paths. None is opened."""
    try:
        paths = sorted(by_id.iterdir())
    except OSError:  # the folder comes with the first device
        return []
    return [SerialFound(str(path), str(path.resolve())) for path in paths]


def list_cards(asound: Path = Path("/proc/asound")) -> list[CardFound]:
    """Return the sound cards that can play something."""
    try:
        text = (asound / "cards").read_text(encoding="utf-8", errors="replace")
    except OSError:  # a kernel without sound
        return []
    return [
        CardFound(int(number), f"plughw:CARD={card}", name.strip())
        for number, card, name in _CARD.findall(text)
        if any((asound / f"card{number}").glob("pcm*p"))
    ]
