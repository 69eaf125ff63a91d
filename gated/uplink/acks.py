"""The collector's acks: checked against our own chain, and handed to the controller."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from pydantic import ValidationError

from gated.clock import Clock
from gated.errors import StorageError, WireError
from gated.ledger.mailbox import Mailbox
from gated.uplink.feed import Feed
from gated.wire import Ack, is_name

log = logging.getLogger(__name__)


def parse_ack(payload: bytes) -> Ack:
    """Return the ack in ``payload``. Raises: WireError: it is none."""
    try:
        ack = Ack.model_validate_json(payload)
    except ValidationError as exc:
        raise WireError(f"no ack ({exc.error_count()} faults)") from exc
    if not is_name(ack.collector):
        raise WireError("no ack (collector: not a name)")
    return ack


class AckDesk:
    """Takes the acks that fit our ledger; the controller checks them once more before it deletes.

    Args:
        mailbox: where the controller reads them.
        nudge: tells the controller that one is there.
        clock: the one by which records are stamped.
    """

    def __init__(self, mailbox: Mailbox, nudge: Callable[[], object], clock: Clock) -> None:
        self._mailbox = mailbox
        self._nudge = nudge
        self._clock = clock
        self._upto: tuple[str, int] | None = None  # epoch and seq of the last one taken
        self._store: tuple[str, str] | None = None
        self._stored: tuple[str, str, str, int, str] | None = None
        self._unstored: Ack | None = None
        self._is_failing = False
        self._doubted: tuple[str, int] | None = None

    def is_new_store(self, ack: Ack) -> bool:
        """Return whether ``ack`` speaks for another store than the one before, or the first."""
        return self._store != (ack.collector, ack.collector_epoch)

    def take(self, ack: Ack, feed: Feed) -> bool:
        """Return whether ``ack`` is about our ledger and agrees with it.

        One that disagrees goes to the controller all the same: its alarm is the controller's.
        """
        if ack.epoch != feed.epoch or feed.bounds is None:
            return False  # a retained ack for an earlier ledger
        own = feed.hash_of(ack.upto)
        is_beyond = ack.upto > feed.newest_seq
        if is_beyond or (own is not None and own.hex() != ack.hash):
            if self._doubted != (ack.hash, ack.upto):
                self._doubted = (ack.hash, ack.upto)
                log.error(
                    "the collector holds other records than ours up to %d: does another card with "
                    "this gate's ledger exist?",
                    ack.upto,
                )
                self._hand_over(ack)
            return False
        if own is None and ack.upto > feed.bounds.anchor.seq:
            return False  # our own hash could not be read just now
        self._store = (ack.collector, ack.collector_epoch)
        self._hand_over(ack, self._took_ms(ack, feed))
        self._upto = (ack.epoch, ack.upto)
        return True

    def _took_ms(self, ack: Ack, feed: Feed) -> int | None:
        """Return how long ago the newest record of ``ack`` was committed.

        None: it is not news (the retained one of a new connection), or the clock was set since.
        """
        if self._upto is None or self._upto[0] != ack.epoch or ack.upto <= self._upto[1]:
            return None
        event = next(iter(feed.events_after(ack.upto - 1, 1)), None)
        try:
            committed_at = datetime.fromisoformat(event.at if event is not None else "")
            took = self._clock.now() - committed_at
        except (ValueError, TypeError):  # freed already, or damaged
            return None
        took_ms = round(took.total_seconds() * 1_000)
        return took_ms if took_ms >= 0 else None

    def retry(self) -> None:
        """Try again to store what could not be stored."""
        if self._unstored is not None:
            self._write(self._unstored)

    def _hand_over(self, ack: Ack, took_ms: int | None = None) -> None:
        said = (ack.collector, ack.collector_epoch, ack.epoch, ack.upto, ack.hash)
        if said != self._stored:
            self._write(ack, took_ms)
            self._stored = said

    def _write(self, ack: Ack, took_ms: int | None = None) -> None:
        try:
            self._mailbox.store_ack(ack, took_ms)
        except StorageError as exc:
            self._unstored = ack
            if not self._is_failing:
                log.warning("%s; acked records stay in the ledger until this works", exc)
            self._is_failing = True
            return
        self._unstored = None
        self._is_failing = False
        self._nudge()
