"""A fault as the runner sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.line import Scene
from tests.faults.verdict import Tally


def nothing_lacks() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    ``run`` makes one run of it and returns its counts. ``lacks`` says why it cannot be run on this
    machine, "" if it can.
    """

    name: str
    what: str
    run: Callable[[Scene], Tally]
    lacks: Callable[[], str] = nothing_lacks
    may_quarantine: bool = False
    may_set_aside: bool = False

    def accepts(self, tally: Tally) -> bool:
        return tally.is_sound(may_quarantine=self.may_quarantine, may_set_aside=self.may_set_aside)
