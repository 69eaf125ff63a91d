"""The ledger thread's loop: group commits first, then acks and cleaning in small chunks."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from gated.clock import Clock
from gated.errors import LedgerCorrupt, LedgerFull, StorageError
from gated.ledger.drafts import Refused
from gated.ledger.mailbox import MailboxReader
from gated.ledger.shared_uses import UsesElsewhere
from gated.ledger.writer import AckOutcome, Ledger, Opened, Stored
from gated.messages import CommitFailed, Committed
from gated.wire import Draft

log = logging.getLogger(__name__)

BATCH = 64
"""The most that one transaction takes: a bound for its size, never reached by people."""
_WAIT_S = 0.25
_ACK_EVERY_S = 1.0
_USES_RETRY_S = 1.0
_COLLECT_EVERY_S = 10.0
_EXPIRE_EVERY_S = 60.0
_BALLAST_EVERY_S = 60.0
_SCRUB_EVERY_S = 900.0
_FORK_EVERY_S = 60.0
"""A card that corrupts every file must not be filled with files that were set aside."""
_QUIET_S = 2.0
"""A checkpoint may take long on a slow card, so it waits until nobody has come for a while."""
_CHUNK = 100
_CHECKPOINT_EVENTS = 200
_CHECKPOINT_EVENTS_BUSY = 1_000
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """A draft to be made durable; ``settings`` are saved with it or not at all."""

    tag: str
    draft: Draft
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MailboxNudge:
    """The uplink wrote: look for an ack now."""


LedgerRequest = CommitRequest | MailboxNudge


class LedgerService:
    """Owns the ledger while ``run`` runs. The wiring closes the ledger afterwards.

    Args:
        requests: bounded; the decider refuses entry when it is full, and nothing is dropped here.
        answer: takes one Committed or CommitFailed for each request; must not block.
        after_commit: called once after each transaction (nudges the uplink).
        on_renewed: called when a new epoch had to begin; the controller records and alarms.
        on_uses: takes how passes were used at the site's other gates; None: they are not shared.
        keep_acked_s: how long an acked event is kept as a black box, while there is room.
    """

    def __init__(  # noqa: PLR0913  wiring: each is a different neighbour
        self,
        ledger: Ledger,
        requests: queue.Queue[LedgerRequest],
        mailbox: MailboxReader,
        *,
        clock: Clock,
        answer: Callable[[Committed | CommitFailed], None],
        after_commit: Callable[[], None],
        on_renewed: Callable[[Opened], None],
        keep_acked_s: float,
        on_uses: Callable[[Mapping[str, UsesElsewhere]], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._requests = requests
        self._mailbox = mailbox
        self._clock = clock
        self._answer = answer
        self._after_commit = after_commit
        self._on_renewed = on_renewed
        self._keep_acked_s = keep_acked_s
        self._on_uses = on_uses
        self._has_ack = self._has_uses = True  # that wait in uplink.db, perhaps
        self._due: dict[str, float] = {}
        self._is_nudged = True
        self._is_failing = False
        self._held: CommitRequest | None = None
        self._unmoved = 0
        self._has_dirty_wal = False
        self._last_commit_s = clock.monotonic_s()

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Serve until ``stop`` is set and what was handed in before is answered."""
        while not stop.is_set():
            beat()
            is_behind = self._has_uses and not self._is_failing
            self.step(0.0 if is_behind else _WAIT_S)
        while self._held is not None or not self._requests.empty():
            beat()
            self.step(0.0)

    def step(self, wait_s: float) -> bool:
        """Commit what waits, or do one chunk of the rest; return whether anything was committed."""
        batch = self._take(wait_s)
        if batch:
            self._commit(batch)
        try:
            self._tend_or_renew()
        except StorageError as exc:
            self._report(exc)
        return bool(batch)

    def _take(self, wait_s: float) -> list[CommitRequest]:
        """Return what waits, at most BATCH. A request with settings is committed alone."""
        batch: list[CommitRequest] = []
        while len(batch) < BATCH:
            request = self._next(0.0 if batch else wait_s)
            if request is None:
                break
            if request.settings and batch:
                self._held = request
                break
            batch.append(request)
            if request.settings:
                break
        return batch

    def _next(self, wait_s: float) -> CommitRequest | None:
        if self._held is not None:
            held, self._held = self._held, None
            return held
        try:
            got = self._requests.get(timeout=wait_s) if wait_s else self._requests.get_nowait()
        except queue.Empty:
            return None
        if isinstance(got, MailboxNudge):
            self._is_nudged = True
            return None
        return got

    def _commit(self, batch: list[CommitRequest]) -> None:
        drafts = [request.draft for request in batch]
        settings = batch[0].settings
        try:
            answers = self._append(drafts, settings)
        except StorageError as exc:
            self._report(exc)
            for request in batch:
                self._answer(CommitFailed(request.tag, str(exc), self._clock.monotonic_s()))
            return
        if self._is_failing:
            log.info("storage works again")
            self._is_failing = False
        now = self._last_commit_s = self._clock.monotonic_s()
        for request, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Refused):
                self._answer(CommitFailed(request.tag, answer.reason, now))
            else:
                self._answer(Committed(request.tag, answer.seq, now, answer.commit_ms))
        self._unmoved += len(batch)
        self._after_commit()

    def _append(self, drafts: list[Draft], settings: Mapping[str, str]) -> list[Stored | Refused]:
        """Append; on a file found corrupt begin a new epoch and append there."""
        if self._ledger.needs_fork:
            self._fork("the new file could not be made before")
        try:
            return self._ledger.append(drafts, settings=settings)
        except LedgerCorrupt as exc:
            self._renew(exc)
            return self._ledger.append(drafts, settings=settings)

    def _renew(self, found: LedgerCorrupt) -> None:
        """Begin a new epoch, unless the last one is as young. Raises: StorageError."""
        if not self._is_due("fork", _FORK_EVERY_S):
            raise found
        self._fork(str(found), is_corrupt=True)

    def _fork(self, reason: str, *, is_corrupt: bool = False) -> None:
        log.error("the ledger begins a new epoch: %s", reason)
        opened = self._ledger.fork(reason, is_corrupt=is_corrupt)
        self._on_renewed(opened)

    def _tend_or_renew(self) -> None:
        """Tend, and begin anew with what is found corrupt while nobody comes.

        Raises: StorageError.
        """
        try:
            self._tend()
        except LedgerCorrupt as exc:
            self._renew(exc)

    def _tend(self) -> None:
        """Do at most one chunk of what is due, so that a commit never waits behind two."""
        if self._is_nudged or self._is_due("ack", _ACK_EVERY_S):
            self._is_nudged = False
            if self._mailbox.has_changed():
                self._has_ack = self._has_uses = True
            if self._has_ack:
                self._apply_ack()
                self._has_ack = False
        elif self._has_uses and self._is_due("uses", _USES_RETRY_S):
            self._has_uses = self._take_uses()
            self._due.pop("uses")
        elif self._unmoved >= self._checkpoint_at():
            self._unmoved = 0
            self._ledger.checkpoint()
        elif self._is_due("collect", _COLLECT_EVERY_S):
            if self._collect() == _CHUNK:
                self._due.pop("collect")  # there is more
        elif self._is_due("expire", _EXPIRE_EVERY_S):
            deleted = self._ledger.expire_links(_CHUNK)
            self._has_dirty_wal = self._has_dirty_wal or deleted > 0
            if deleted == _CHUNK:
                self._due.pop("expire")
        elif self._is_due("ballast", _BALLAST_EVERY_S):
            self._ledger.restore_ballast()
        elif self._has_dirty_wal and self._is_quiet() and self._is_due("scrub", _SCRUB_EVERY_S):
            self._has_dirty_wal = not self._ledger.scrub()

    def _take_uses(self) -> bool:
        """Take over a chunk of what other gates told; return whether more waits."""
        if self._on_uses is None:
            return False
        told = self._mailbox.uses_after(self._ledger.uses_taken(), _CHUNK)
        if told is None:
            return False
        uses = self._ledger.take_uses(told)
        if uses:
            self._on_uses(uses)
        return not told.is_all

    def _apply_ack(self) -> None:
        ack = self._mailbox.latest_ack()
        if ack is None:
            return
        outcome = self._with_ballast(lambda: self._ledger.apply_ack(ack))
        if outcome is AckOutcome.MISMATCH:
            self._fork(f"the collector's hash at {ack.upto} is not ours")
        elif outcome is AckOutcome.REWOUND:
            log.warning("the collector's store is another one; it holds events up to %d", ack.upto)

    def _collect(self) -> int:
        keep_s = 0.0 if self._ledger.is_tight() else self._keep_acked_s
        return self._with_ballast(lambda: self._ledger.collect(keep_s, _CHUNK))

    def _with_ballast(self, work: Callable[[], _T]) -> _T:
        """Return what ``work`` returns, giving the ballast up for it: it makes room in the end."""
        try:
            return work()
        except LedgerFull:
            if self._ledger.give_up_ballast():
                return work()
            raise

    def _checkpoint_at(self) -> int:
        return _CHECKPOINT_EVENTS if self._is_quiet() else _CHECKPOINT_EVENTS_BUSY

    def _is_quiet(self) -> bool:
        return self._clock.monotonic_s() - self._last_commit_s >= _QUIET_S

    def _is_due(self, what: str, every_s: float) -> bool:
        now = self._clock.monotonic_s()
        if now - self._due.get(what, float("-inf")) < every_s:
            return False
        self._due[what] = now
        return True

    def _report(self, exc: StorageError) -> None:
        """Say once that storage fails, not for each person who is turned away."""
        if not self._is_failing:
            log.error("storage failed: %s", exc)
            self._is_failing = True
