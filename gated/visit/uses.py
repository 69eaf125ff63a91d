"""How a pass was used, at this gate and at the site's other gates together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gated.visit.state import LaneState, Use, UsesShared


def use_of(pass_ref: str | None, state: LaneState) -> Use | None:
    """Return how the pass was used so far, as far as the lane knows; None: not, or no pass."""
    if pass_ref is None:
        return None
    return together(state.uses.get(pass_ref), state.uses_elsewhere.get(pass_ref))


def together(here: Use | None, elsewhere: Use | None) -> Use | None:
    """Return both as one: which way and when is that of the later use."""
    if here is None or elsewhere is None:
        return here or elsewhere
    last = elsewhere if _is_elsewhere_later(elsewhere, here) else here
    codes_s = [use.newest_code_s for use in (here, elsewhere) if use.newest_code_s is not None]
    return Use(
        here.count + elsewhere.count,
        last.direction,
        is_before_reset=last.is_before_reset,
        newest_code_s=max(codes_s, default=None),
        at=last.at,
    )


def _is_elsewhere_later(elsewhere: Use, here: Use) -> bool:
    """Return whether the newest use was elsewhere. Of that the count says less than the time.

    What was the other way elsewhere is not counted there, and still is the newest.
    """
    if elsewhere.at is None or here.count == 0:
        return elsewhere.at is not None
    return here.at is None or elsewhere.at > here.at


def learn_uses(state: LaneState, told: UsesShared) -> LaneState:
    """Return the state that knows what other gates told."""
    return replace(state, uses_elsewhere={**state.uses_elsewhere, **told.uses})


def after_reset(state: LaneState) -> LaneState:
    """Return the state after the daily anti-passback reset."""
    return replace(state, uses=_reset(state.uses), uses_elsewhere=_reset(state.uses_elsewhere))


def _reset(uses: Mapping[str, Use]) -> dict[str, Use]:
    return {ref: replace(use, is_before_reset=True) for ref, use in uses.items()}
