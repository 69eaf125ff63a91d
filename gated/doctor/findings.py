"""What the doctor finds: values, shown by ``gated.commands.doctor_output``."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import partial

Text = tuple[str, str]
"""Simplified Chinese, English."""


class Level(enum.StrEnum):
    OK = "ok"
    WARNING = "warning"  # the gate works; somebody should mend it all the same
    ERROR = "error"  # the gate stays shut, loses something or may open by itself
    UNKNOWN = "unknown"  # could not be looked at; the sentence says why


class Area(enum.StrEnum):
    """Where a finding belongs, in the order in which they are shown."""

    CONFIGURATION = "configuration"
    DEVICES = "devices"
    BOARD = "board"
    TIME = "time"
    STORAGE = "storage"
    CENTRE = "centre"
    SERVICES = "services"
    LIBRARIES = "libraries"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what to do."""

    subject: str  # a name for programs
    level: Level
    says: Text
    mend: Text | None = None  # None: nothing to do, or the sentence has it already


ok = partial(Finding, level=Level.OK)
warning = partial(Finding, level=Level.WARNING)
error = partial(Finding, level=Level.ERROR)
unknown = partial(Finding, level=Level.UNKNOWN)


def same(sentence: str) -> Text:
    """Return a sentence that names both languages' words itself, or has numbers only."""
    return sentence, sentence
