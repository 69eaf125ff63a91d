"""Changes of mode that keep part of what holds. Pure.

They are judged here and not where they are asked for: only the lane knows what was asked last.
"""

from __future__ import annotations

from gated.units import MonoSeconds
from gated.visit.state import DrillRequested, HeldMode, LaneState, ModeRequested


def newest_mode(state: LaneState) -> HeldMode:
    """Return the mode that was asked for last, durable or not."""
    if state.pending_mode is not None:
        return state.pending_mode.held
    return HeldMode(state.mode, state.mode_by, state.mode_until, state.mode_expires_at)


def drill_request(state: LaneState, event: DrillRequested) -> ModeRequested:
    """Return what changes the drill alone."""
    held = newest_mode(state)
    return ModeRequested(
        held.mode,
        event.is_on,
        event.by,
        event.at,
        _left_s(held, event.at),
        held.expires_at,
        event.order,
        kept_by=held.by,
    )


def _left_s(held: HeldMode, at: MonoSeconds) -> float | None:
    return None if held.until is None else max(0.0, held.until - at)
