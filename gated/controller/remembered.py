"""What the lane knows again after a restart: its mode, how each pass was used. From the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from gated.ledger.writer import PassUses
from gated.units import MonoSeconds
from gated.visit.state import Use
from gated.vocabulary import Mode


def remembered_mode(kept: str | None, initial: Mode) -> Mode:
    """Return the mode that the ledger kept. One that cannot be read is the strictest."""
    if kept is None:
        return initial
    return Mode(kept) if kept in set(Mode) else Mode.CLOSED


def remembered_uses(
    kept: Mapping[str, PassUses],
    is_before_reset: Callable[[datetime], bool],
    at: Callable[[datetime], MonoSeconds] | None = None,
) -> dict[str, Use]:
    """Return the uses in ``kept`` as the state machine counts them, by ``pass_ref``.

    ``is_before_reset`` tells whether the daily anti-passback reset came after a use, ``at`` when it
    was on the monotonic clock (for comparing it with uses at other gates).
    """
    return {
        ref: Use(
            used.uses,
            used.last_direction,
            is_before_reset=is_before_reset(used.last_at),
            newest_code_s=used.newest_code_s,
            at=None if at is None else at(used.last_at),
        )
        for ref, used in kept.items()
    }
