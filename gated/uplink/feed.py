"""The ledger as the uplink sees it: not there yet, replaced by a new epoch, damaged for a while."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from gated.errors import StorageError
from gated.ledger.reader import Bounds, LedgerReader, StoredEvent
from gated.ledger.shared_uses import Taken
from gated.uses import SharedUse
from gated.wire import GateTopics

log = logging.getLogger(__name__)

_BATCH = 200
"""Records read at once: enough to keep a window of 100 filled from one short transaction."""


class Feed:
    """Reads the ledger at ``path``, following it to a new epoch.

    Every method answers "nothing" while the ledger cannot be read; the reason is logged once.
    """

    def __init__(self, path: Path, gate: GateTopics) -> None:
        self._path = path
        self._gate = gate
        self._reader: LedgerReader | None = None
        self._ahead: deque[StoredEvent] = deque()
        self._ahead_after = 0
        self._trouble = ""
        self.epoch: str | None = None
        self.bounds: Bounds | None = None
        self.acked_upto = 0
        self.backlog = 0
        self.newest_use = 0  # the number of the newest change among our uses of passes

    @property
    def newest_seq(self) -> int:
        return self.bounds.newest_seq if self.bounds is not None else 0

    def refresh(self) -> bool:
        """Return whether anything was committed since the last call."""
        with contextlib.suppress(StorageError), self._reading() as reader:
            if not reader.has_changed():
                return False
            identity = reader.identity()
            if (identity.site, identity.gate) != (self._gate.site, self._gate.gate):
                raise StorageError(
                    f"the ledger {self._path} belongs to {identity.site}/{identity.gate}, the "
                    f"configuration says {self._gate.site}/{self._gate.gate}: correct one of them"
                )
            if identity.epoch != self.epoch:
                self.epoch = identity.epoch
                self._ahead.clear()
            self.bounds = reader.bounds()
            self.acked_upto = reader.acked_upto()
            self.backlog = reader.backlog()
            self.newest_use = reader.newest_use()
            if self._trouble:
                log.info("the ledger can be read")
                self._trouble = ""
            return True
        return False

    def next_record(self, after: int) -> StoredEvent | None:
        """Return the first event with a greater seq than ``after``, or None."""
        if after < self._ahead_after:
            self._ahead.clear()
        while self._ahead and self._ahead[0].seq <= after:
            self._ahead.popleft()
        if not self._ahead and after < self.newest_seq:
            self._ahead.extend(self.events_after(after, _BATCH))
        self._ahead_after = after
        return self._ahead[0] if self._ahead else None

    def events_after(self, after: int, limit: int) -> list[StoredEvent]:
        """Return at most ``limit`` events with a greater seq, in order."""
        with contextlib.suppress(StorageError), self._reading() as reader:
            return reader.after(after, limit)
        return []

    def hash_of(self, seq: int) -> bytes | None:
        """Return h(seq), or None if it is not kept any more."""
        with contextlib.suppress(StorageError), self._reading() as reader:
            return reader.hash_of(seq)
        return None

    def newest_time(self) -> datetime | None:
        """Return the time of the newest event whose clock could be believed, or None."""
        with contextlib.suppress(StorageError), self._reading() as reader:
            return reader.newest_time()
        return None

    def uses_after(self, after: int, limit: int) -> list[tuple[int, SharedUse]]:
        """Return at most ``limit`` changes among our uses with a greater number, in order."""
        with contextlib.suppress(StorageError), self._reading() as reader:
            return reader.uses_after(after, limit)
        return []

    def uses_taken(self) -> Taken | None:
        """Return up to where the controller has taken over what other gates told."""
        with contextlib.suppress(StorageError), self._reading() as reader:
            return reader.uses_taken()
        return None

    def close(self) -> None:
        """Close the ledger. Idempotent; the next use opens it again."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[LedgerReader]:
        try:
            if self._reader is None:
                self._reader = LedgerReader(self._path)
            yield self._reader
        except StorageError as exc:
            self.close()
            if self._trouble != str(exc):
                self._trouble = str(exc)
                log.warning("%s; waiting", exc)
            raise
