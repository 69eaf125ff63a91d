"""What the site's other gates told of uses of passes, as the state machine takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gated.clock import Clock
from gated.config import GateConfig
from gated.ledger.shared_uses import Sharing, UsesElsewhere
from gated.units import MonoSeconds
from gated.visit.state import Use, UsesShared


def sharing_of(config: GateConfig) -> Sharing:
    """Return which uses elsewhere count at this gate, and whether uses are shared at all."""
    return Sharing(config.gate.zone, config.gate.direction, is_on=config.uplink.share_uses)


class UsesTranslator:
    """Translates what the ledger took over, for the decider.

    Args:
        is_before_reset: whether the daily anti-passback reset came after a use.
        publish: hands an event to the decider.
    """

    def __init__(
        self,
        clock: Clock,
        is_before_reset: Callable[[datetime], bool],
        publish: Callable[[UsesShared], None],
    ) -> None:
        self._clock = clock
        self._is_before_reset = is_before_reset
        self._publish = publish

    def at(self, when: datetime) -> MonoSeconds:
        """Return the moment ``when`` on the monotonic clock, as far as the wall clock is right.

        Nothing else tells which of two gates was first, or what came before a restart.
        """
        ago_s = (self._clock.now() - when).total_seconds()
        return MonoSeconds(self._clock.monotonic_s() - ago_s)

    def elsewhere(self, told: Mapping[str, UsesElsewhere]) -> dict[str, Use]:
        """Return the uses in ``told``, by ``pass_ref``."""
        uses: dict[str, Use] = {}
        for ref, used in told.items():
            at_ms = used.at_ms
            when = None if at_ms is None else datetime.fromtimestamp(at_ms / 1_000, UTC)
            uses[ref] = Use(
                used.uses,
                used.direction,
                is_before_reset=when is not None and self._is_before_reset(when),
                newest_code_s=used.newest_code_s,
                at=None if when is None else self.at(when),
            )
        return uses

    def tell(self, told: Mapping[str, UsesElsewhere]) -> None:
        """Tell the decider of them."""
        self._publish(UsesShared(self.elsewhere(told), self._clock.monotonic_s()))
