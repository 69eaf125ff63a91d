"""Changes of mode that keep part of what holds, or bring it back: drills, the key, an end. Pure.

They are judged here and not where they are asked for: only the lane knows what was asked last.
"""

from __future__ import annotations

from dataclasses import replace

from gated.units import MonoSeconds
from gated.visit.state import (
    KEY_SWITCH,
    DrillRequested,
    HeldMode,
    LaneState,
    ModeEndJudged,
    ModeKeyTurned,
    ModeRequested,
)
from gated.vocabulary import Mode


def lasts_s(mode: Mode, asked_s: float | None, observe_for_s: float) -> float | None:
    """Return for how long ``mode`` holds that is asked for ``asked_s``: observing always ends."""
    if mode is not Mode.OBSERVE:
        return asked_s
    return observe_for_s if asked_s is None else min(asked_s, observe_for_s)


def drill_request(state: LaneState, event: DrillRequested) -> ModeRequested:
    """Return what changes the drill alone."""
    held = _newest_mode(state)
    return ModeRequested(
        held.mode,
        event.is_on,
        event.by,
        event.at,
        _left_s(held, event.at),
        held.expires_at,
        event.order,
        kept_by=held.by,
        before_key=_newest_before_key(state),
    )


def key_request(state: LaneState, event: ModeKeyTurned) -> ModeRequested | None:
    """Return what the key asks for: its mode, or when turned back what was before. None: nothing.

    It takes back only what it has set itself, and sets nothing that holds already.
    """
    newest = _newest_mode(state)
    is_by_key = newest.by == KEY_SWITCH and newest.mode is not Mode.NORMAL
    if event.mode is None:
        return _back(state, KEY_SWITCH, event.at, drill=_newest_drill(state)) if is_by_key else None
    if is_by_key and newest.mode is event.mode:
        return None
    return ModeRequested(
        event.mode,
        _newest_drill(state),
        KEY_SWITCH,
        event.at,
        event.for_s,
        event.expires_at,
        before_key=_newest_before_key(state) if is_by_key else newest,
    )


def end_request(state: LaneState, at: MonoSeconds) -> ModeRequested:
    """Return what follows on a mode that has come to its end; a drill ends with it."""
    return _back(state, "expiry", at, drill=False)


def with_end(state: LaneState, event: ModeEndJudged) -> LaneState:
    """Return ``state`` with an end as it was judged again: it comes sooner, or stays."""
    mode_until = _sooner(state.mode_until, state.mode_expires_at, event)
    before = state.before_key
    if before is not None:
        before = replace(before, until=_sooner(before.until, before.expires_at, event))
    return replace(state, mode_until=mode_until, before_key=before)


def _sooner(
    until: MonoSeconds | None, expires_at: str | None, event: ModeEndJudged
) -> MonoSeconds | None:
    return until if until is None or expires_at != event.expires_at else min(until, event.until)


def _back(state: LaneState, by: str, at: MonoSeconds, *, drill: bool) -> ModeRequested:
    """Return what takes the mode of the key back; without one, normal."""
    before = _newest_before_key(state)
    if before is None:
        return ModeRequested(Mode.NORMAL, drill, by, at)
    if before.until is not None and before.until <= at:
        return ModeRequested(Mode.NORMAL, False, by, at)  # its end has come meanwhile
    left_s = _left_s(before, at)
    return ModeRequested(before.mode, drill, by, at, left_s, before.expires_at, kept_by=before.by)


# --- what was asked for last, durable or not ------------------------------------------------------


def _newest_mode(state: LaneState) -> HeldMode:
    if state.pending_mode is not None:
        return state.pending_mode.held
    return HeldMode(state.mode, state.mode_by, state.mode_until, state.mode_expires_at)


def _newest_drill(state: LaneState) -> bool:
    return state.drill if state.pending_mode is None else state.pending_mode.drill


def _newest_before_key(state: LaneState) -> HeldMode | None:
    return state.before_key if state.pending_mode is None else state.pending_mode.before_key


def _left_s(held: HeldMode, at: MonoSeconds) -> float | None:
    return None if held.until is None else max(0.0, held.until - at)
