"""Times in which something was out on purpose, and which acts that may have disturbed. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gated.simulation.actors import Staging
from gated.simulation.acts import Kind
from gated.simulation.people import FOLLOWED_BY

AFTERMATH_S = 5.0
"""So long after an outage, or after an act within it, an alarm may still belong to it."""


@dataclass
class Outage:
    """One of them, by the monotonic clock."""

    what: str
    kinds: frozenset[Kind] | None  # the acts that it can disturb; None: any
    from_s: float
    until_s: float = math.inf

    def is_at(self, at_s: float) -> bool:
        """Return whether an alarm at this moment may come from it."""
        return self.kinds is None and self.from_s <= at_s <= self.until_s + AFTERMATH_S


def disturber_of(
    number: int, stagings: Sequence[Staging], outages: Sequence[Outage]
) -> Outage | None:
    """Return what may have disturbed the act with this number, None if nothing was out.

    An act that goes on from the one before it is disturbed by what was out since that began.
    """
    staging = stagings[number]
    begins = staging
    if number > 0 and FOLLOWED_BY.get(stagings[number - 1].act.kind) is staging.act.kind:
        begins = stagings[number - 1]
    for outage in outages:
        can_disturb = outage.kinds is None or staging.act.kind in outage.kinds
        meets = outage.from_s <= staging.ended_at_s and begins.starts_at_s <= outage.until_s
        if can_disturb and meets:
            return outage
    return None
