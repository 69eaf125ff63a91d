"""Which pair of own certificate and key the next connection uses; a new one proves itself first.

The old pair is never dropped before the new one was let in. A broker that refuses a client
certificate often just closes the connection, so the reason is not asked for: a new pair is refused
if it is not let in and the pair in force is, right after it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from gated.clock import Clock
from gated.errors import BrokerUnavailable, CannotWrite, ConfigError
from gated.mqtt.address import BrokerAddress
from gated.mqtt.happenings import Confirmed, Happening, Subscribed
from gated.mqtt.own_pairs import OwnPairs, certificate_of
from gated.units import MonoSeconds

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
TRY_AGAIN_AFTER_S = 3_600.0
"""A refused pair gets another turn after this, which costs the connection of the old one."""


@dataclass(slots=True)
class _Failed:
    """A new pair that was not let in."""

    pair: bytes
    reason: str
    at: MonoSeconds
    is_judged: bool = False  # the pair in force was let in, so it is not the broker that is away


class PairChoice:
    """Chooses for one uplink. Without TLS there is nothing to choose.

    Args:
        broker: with the configured files.
        folder: of the pairs that came later.
        clock: for the looks at the folder.
        needs: the topic of the acks, which a pair must let us read. What else the broker's rules
            keep from this gate, they keep from whichever pair, and that is no reason to refuse one.
    """

    def __init__(self, broker: BrokerAddress, folder: Path, clock: Clock, *, needs: str) -> None:
        self._broker = broker
        self._pairs = None if broker.tls is None else OwnPairs(folder, broker.tls)
        self._clock = clock
        self._needs = needs
        self._trying: bytes | None = None
        self._failed: _Failed | None = None
        self._is_subscribed = False
        self._is_confirmed = False
        self._looked_at = MonoSeconds(float("-inf"))

    def next_address(self) -> BrokerAddress:
        """Return where to connect to, with the files of the pair whose turn it is."""
        self._is_subscribed = self._is_confirmed = False
        self._trying = self._due()
        if self._pairs is None:
            return self._broker
        is_trial = self._trying is not None
        return replace(
            self._broker, tls=self._pairs.with_new() if is_trial else self._pairs.in_force()
        )

    def has_turn(self) -> bool:
        """Return whether a new pair waits for its trial. Asked while a connection works."""
        now = self._clock.monotonic_s()
        if now - self._looked_at < LOOK_EVERY_S:
            return False
        self._looked_at = now
        return self._due() not in (None, self._trying)

    def hear(self, happening: Happening) -> None:
        """Take what the broker says. Let in is who may read acks and publish.

        Raises: BrokerUnavailable: the new pair may not.
        """
        if self._is_let_in():
            return
        match happening:
            case Subscribed(refused) if any(self._is_needed(each) for each in refused):
                self._refuse_trial(f"it does not let us read {', '.join(refused)}")
            case Subscribed():
                self._is_subscribed = True
            case Confirmed() if happening.is_failure:
                self._refuse_trial(f"it does not let us publish: {happening.reason}")
            case Confirmed():
                self._is_confirmed = True
            case _:
                return
        if self._is_let_in():
            self._conclude()

    def end_trial(self, reason: str) -> bool:
        """Take the end of a connection; return whether the pair in force is to be tried at once."""
        if self._trying is not None and not self._is_let_in():
            self._failed = _Failed(self._trying, reason, self._clock.monotonic_s())
            return True
        if self._failed is not None and not self._failed.is_judged:
            self._failed = None  # nobody was let in: that says nothing about the new pair
        return False

    def _is_needed(self, refused: str) -> bool:
        topic, _, _reason = refused.partition(" ")
        return topic == self._needs

    def _is_let_in(self) -> bool:
        return self._is_subscribed and self._is_confirmed

    def _due(self) -> bytes | None:
        new = None if self._pairs is None else self._pairs.new()
        failed = self._failed
        if failed is None or new != failed.pair:
            return new
        has_waited = self._clock.monotonic_s() - failed.at >= TRY_AGAIN_AFTER_S
        return new if has_waited else None

    def _refuse_trial(self, reason: str) -> None:
        if self._trying is not None:
            raise BrokerUnavailable(reason)

    def _conclude(self) -> None:
        """The broker has let us in: that decides about the new pair, one way or the other."""
        if self._pairs is None:
            return
        try:
            if self._trying is not None:
                self._failed = None
                if self._pairs.take_over(self._trying):
                    _say_taken_over(self._trying)
            elif self._failed is not None and not self._failed.is_judged:
                self._failed.is_judged = True
                log.error(
                    "the broker does not accept the new certificate: %s; the old one stays in use, "
                    "the new one is tried again in %.0f min: gated certificate show",
                    self._failed.reason,
                    TRY_AGAIN_AFTER_S / 60,
                )
                self._pairs.refuse(self._failed.pair, self._failed.reason, self._clock.now())
        except (CannotWrite, ConfigError) as exc:  # we are connected; it is tried again later
            log.warning("%s", exc)


def _say_taken_over(pair: bytes) -> None:
    new = certificate_of(pair)
    log.info(
        "the broker accepts the new certificate of %s, which is in force now, until %s",
        new.name,
        f"{new.not_after:%Y-%m-%d}",
    )
