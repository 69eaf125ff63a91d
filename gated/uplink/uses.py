"""Uses of passes, shared with the site's other gates by way of the collector.

Nothing here holds up a record or a decision. What we tell the collector it has to confirm (an
answer's ``stored``), as it does with records; what it tells us goes into ``uplink.db``, where the
controller takes it over. Every message may be lost: whoever misses something asks again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from gated.clock import Clock
from gated.errors import StorageError
from gated.ledger.mailbox import Mailbox
from gated.ledger.uses_inbox import Known
from gated.units import MonoSeconds
from gated.uplink.feed import Feed
from gated.uses import (
    MAX_COLLECTORS,
    MAX_USES,
    GateUses,
    SiteUses,
    parse_site_uses,
    site_uses_topic,
    uses_answer_topic,
)
from gated.wire import GateTopics

log = logging.getLogger(__name__)

ASK_EVERY_S = 60.0
"""A message that was lost last, and that no later one shows to be missing, is found this late."""
ASK_AGAIN_S = 1.0
"""A hole, or a page that is not the last, is asked about at most this often."""
ANSWER_WAIT_S = 10.0
_NEVER = MonoSeconds(float("-inf"))


@dataclass(slots=True)
class _Collector:
    """One collector, as far as it answered on this connection."""

    known: Known  # how far we have its list
    stored: int | None = None  # how far it has ours


class UsesDesk:
    """Decides what to tell and what to ask, and takes what comes. Outlives connections.

    Args:
        nudge: tells the controller that something waits in ``mailbox``.
    """

    def __init__(
        self,
        topics: GateTopics,
        mailbox: Mailbox,
        feed: Feed,
        clock: Clock,
        nudge: Callable[[], object],
    ) -> None:
        self._mailbox = mailbox
        self._feed = feed
        self._clock = clock
        self._nudge = nudge
        self._for_all = site_uses_topic(topics.site)
        self._for_us = uses_answer_topic(topics)
        self._epoch: str | None = None  # the ledger that all of this is about
        self._collectors: dict[str, _Collector] = {}
        self._is_connected = False
        self._asked_at: MonoSeconds | None = None  # no answer yet
        self._last_asked_at = _NEVER
        self._ask_by = _NEVER
        self._is_failing = self._is_refused = False

    @property
    def topics(self) -> tuple[str, str]:
        """What to subscribe to."""
        return self._for_all, self._for_us

    def connect(self) -> None:
        """Begin with a connection whose subscriptions the broker has answered."""
        self._is_connected = True
        self._epoch = None
        self._ask_by = _NEVER

    def disconnect(self) -> None:
        """Say nothing more until the next connection."""
        self._is_connected = False

    def ask_soon(self) -> None:
        """Ask as soon as that is allowed: something was missed, or a collector came back."""
        self._asked_at = None
        self._ask_by = MonoSeconds(self._last_asked_at + ASK_AGAIN_S)

    def refused(self, reason: str) -> None:
        """Say once that the broker does not take what we tell."""
        if not self._is_refused:
            log.error("the broker refuses what we tell of uses (%s): see its access rules", reason)
        self._is_refused = True

    # --- out ------------------------------------------------------------------------------------

    def due(self) -> bytes | None:
        """Return the message to publish now, or None. The caller must then publish it."""
        now = self._clock.monotonic_s()
        if not self._is_connected or not self._is_of_ledger():
            return None
        if self._asked_at is not None and now - self._asked_at < ANSWER_WAIT_S:
            return None  # one question at a time
        stored = self._stored()
        has_news = stored is not None and stored < self._feed.newest_use
        if not has_news and now < self._ask_by:
            return None
        message = self._message(stored)
        if message is None:
            return None
        self._asked_at = self._last_asked_at = now
        self._ask_by = MonoSeconds(now + ASK_EVERY_S)
        self._drop_taken()
        return message.model_dump_json().encode()

    def _is_of_ledger(self) -> bool:
        """Return whether there is a ledger; begin anew with another one."""
        epoch = self._feed.epoch
        if epoch is None:
            return False
        if epoch != self._epoch:
            try:
                known = self._mailbox.known_uses(epoch)
            except StorageError as exc:
                self._say_failing(exc)
                return False
            self._collectors = {name: _Collector(so_far) for name, so_far in known.items()}
            self._epoch, self._asked_at = epoch, None
        return True

    def _stored(self) -> int | None:
        """Return what every collector that answers has of ours; None: none has answered yet."""
        answers = [c.stored for c in self._collectors.values() if c.stored is not None]
        return min(answers, default=None)

    def _message(self, stored: int | None) -> GateUses | None:
        """Return what is to be said; before the first answer only the question."""
        epoch, after = self._epoch, stored if stored is not None else self._feed.newest_use
        if epoch is None:
            return None
        has_news = after < self._feed.newest_use
        changes = self._feed.uses_after(after, MAX_USES) if has_news else []
        if len(changes) == MAX_USES:
            upto = changes[-1][0]
        else:
            upto = max(after, self._feed.newest_use, changes[-1][0] if changes else 0)
        known = {
            name: (c.known.collector_epoch, c.known.change) for name, c in self._collectors.items()
        }
        return GateUses(
            epoch=epoch,
            after=after,
            upto=upto,
            uses=tuple(use for _, use in changes),
            known=known,
        )

    # --- in -------------------------------------------------------------------------------------

    def hear(self, topic: str, payload: bytes) -> None:
        """Take what a collector tells. Raises: WireError: it is no such message."""
        told = parse_site_uses(payload)
        if not self._is_of_ledger():
            return
        collector = self._collector(told)
        if collector is None:
            return
        is_answer = topic == self._for_us
        if is_answer:
            self._asked_at = None
            if told.epoch == self._epoch:
                collector.stored = told.stored
        if told.after > collector.known.change:
            self.ask_soon()  # what lies between was lost on the way, or came while we were away
            upto = collector.known.change
        else:
            upto = max(told.upto, collector.known.change)
        if self._keep(told, collector, upto) and is_answer and told.more:
            self._ask_by = _NEVER

    def _collector(self, told: SiteUses) -> _Collector | None:
        """Return whom ``told`` is from; another store of the same name is begun anew."""
        known = self._collectors.get(told.collector)
        if known is None and len(self._collectors) >= MAX_COLLECTORS:
            return None
        if known is None or known.known.collector_epoch != told.collector_epoch:
            known = _Collector(Known(told.collector_epoch, 0))
            self._collectors[told.collector] = known
        return known

    def _keep(self, told: SiteUses, collector: _Collector, upto: int) -> bool:
        """Store what was told and how far that goes; return whether that was done."""
        known = Known(told.collector_epoch, upto)
        if not told.uses and known == collector.known:
            return True
        try:
            new = self._mailbox.put_uses(
                told.uses,
                collector=told.collector,
                known=known,
                ledger_epoch=self._epoch or "",
            )
        except StorageError as exc:
            self._say_failing(exc)
            return False
        self._is_failing = False
        if new is None:
            return False  # the controller takes nothing; the collector keeps it
        collector.known = known
        if new:
            self._nudge()
        return True

    def _drop_taken(self) -> None:
        taken = self._feed.uses_taken()
        if taken is None:
            return
        try:
            self._mailbox.drop_uses(taken)
        except StorageError as exc:
            self._say_failing(exc)

    def _say_failing(self, exc: StorageError) -> None:
        if not self._is_failing:
            log.warning("%s; uses at other gates are not known until this works", exc)
        self._is_failing = True
