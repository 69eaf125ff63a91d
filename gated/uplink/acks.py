"""The collector's acks: checked against our own chain, and handed to the controller."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pydantic import ValidationError

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
    """

    def __init__(self, mailbox: Mailbox, nudge: Callable[[], object]) -> None:
        self._mailbox = mailbox
        self._nudge = nudge
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
        self._hand_over(ack)
        return True

    def retry(self) -> None:
        """Try again to store what could not be stored."""
        if self._unstored is not None:
            self._write(self._unstored)

    def _hand_over(self, ack: Ack) -> None:
        said = (ack.collector, ack.collector_epoch, ack.epoch, ack.upto, ack.hash)
        if said != self._stored:
            self._write(ack)
            self._stored = said

    def _write(self, ack: Ack) -> None:
        try:
            self._mailbox.store_ack(ack)
        except StorageError as exc:
            self._unstored = ack
            if not self._is_failing:
                log.warning("%s; acked records stay in the ledger until this works", exc)
            self._is_failing = True
            return
        self._unstored = None
        self._is_failing = False
        self._nudge()
