"""What the lane knows again after a restart: its modes, how each pass was used. From the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from pydantic import BaseModel

from gated.ledger.writer import PassUses
from gated.units import MonoSeconds
from gated.visit.state import KEY_SWITCH, HeldMode, LaneState, Use
from gated.vocabulary import Mode

Setting = Callable[[str], str | None]
"""Returns a setting of the ledger by its name."""


def remembered_mode(kept: str | None, initial: Mode) -> Mode:
    """Return the mode that the ledger kept. One that cannot be read is the strictest."""
    if kept is None:
        return initial
    return Mode(kept) if kept in set(Mode) else Mode.CLOSED


def run_as_before(
    state: LaneState, setting: Setting, initial: Mode, until: Callable[[str], MonoSeconds]
) -> LaneState:
    """Return ``state`` run as the ledger's settings say; ``initial`` is the very first mode.

    ``until`` tells when a moment of a record is on the monotonic clock.
    """
    return replace(
        state,
        mode=remembered_mode(setting("mode"), initial),
        mode_by=setting("mode_by") or "",
        drill=setting("drill") == "1",
        before_key=_before_key(setting, until),
    )


class _BeforeKey(BaseModel):
    mode: Mode
    by: str
    expires_at: str | None


def _before_key(setting: Setting, until: Callable[[str], MonoSeconds]) -> HeldMode | None:
    """Return the mode that a turned key has set aside. One that cannot be read is the strictest."""
    kept = setting("mode_before_key")
    if kept is None or setting("mode_by") != KEY_SWITCH:
        return None
    try:
        before = _BeforeKey.model_validate_json(kept)
        ends_at = None if before.expires_at is None else until(before.expires_at)
    except ValueError:
        return HeldMode(Mode.CLOSED, by="")
    return HeldMode(before.mode, before.by, ends_at, before.expires_at)


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
