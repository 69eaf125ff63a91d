"""What the lane knows again after a restart: its modes, how each pass was used. From the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from pydantic import BaseModel, ValidationError

from gated.controller.mode_ends import ModeEnds
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


def run_as_before(state: LaneState, setting: Setting, initial: Mode, ends: ModeEnds) -> LaneState:
    """Return ``state`` run as the ledger's settings say; ``initial`` is the very first mode."""
    mode, by = remembered_mode(setting("mode"), initial), setting("mode_by") or ""
    held = ends.held(mode, by, setting("mode_expires_at") or None)
    return replace(
        state,
        mode=held.mode,
        mode_by=held.by,
        mode_until=held.until,
        mode_expires_at=held.expires_at,
        drill=setting("drill") == "1",
        before_key=_before_key(setting, ends),
    )


class _BeforeKey(BaseModel):
    mode: Mode
    by: str
    expires_at: str | None


def _before_key(setting: Setting, ends: ModeEnds) -> HeldMode | None:
    """Return the mode that a turned key has set aside. One that cannot be read is the strictest."""
    kept = setting("mode_before_key")
    if kept is None or setting("mode_by") != KEY_SWITCH:
        return None
    try:
        before = _BeforeKey.model_validate_json(kept)
    except ValidationError:
        return HeldMode(Mode.CLOSED, by="")
    return ends.held(before.mode, before.by, before.expires_at)


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
