"""Which collectors are there, as their retained states say."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import ValidationError

from gated.errors import WireError
from gated.wire import COLLECTOR, TOPIC_ROOT, CollectorState, is_name

ALL_COLLECTOR_STATES = f"{TOPIC_ROOT}/{COLLECTOR}/+/state"
_STATE_LEVELS = 5


def collector_of(topic: str) -> str | None:
    """Return the collector whose state ``topic`` carries, or None for another topic."""
    parts = topic.split("/")
    if len(parts) != _STATE_LEVELS or f"{TOPIC_ROOT}/{COLLECTOR}/{parts[3]}/state" != topic:
        return None
    return parts[3] if is_name(parts[3]) else None


@dataclass
class Collectors:
    """The collectors that were heard of."""

    acked_by: str | None = None  # the collector whose ack was taken last
    _states: dict[str, CollectorState] = field(default_factory=dict)

    def hear(self, collector: str, payload: bytes) -> None:
        """Take a state. Raises: WireError: it is none."""
        if not payload:
            self._states.pop(collector, None)  # a retained state that was cleared
            return
        try:
            state = CollectorState.model_validate_json(payload)
        except ValidationError as exc:
            raise WireError(f"no collector's state ({exc.error_count()} faults)") from exc
        known = self._states.get(collector)
        if known is not None and not state.online and state.session < known.session:
            return  # the late will of an earlier connection
        self._states[collector] = state

    @property
    def is_up(self) -> bool:
        """Return False only if the collector is known to be away: no news is good news."""
        if self.acked_by in self._states:
            return self._states[self.acked_by].online
        return not self._states or any(state.online for state in self._states.values())
