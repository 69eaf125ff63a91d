"""The one writer of ``ledger.db``, used by the controller's ledger thread alone.

Events are appended in one transaction for all that wait, with one sync: what ``append`` returned as
Stored survives a power cut. What it refused or raised for is not in the ledger, with one exception
that no database can avoid: a sync that fails *and* a crash right after it may leave an event that
was reported as failed. The gate did not open for it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gated.clock import Clock, TimeQuality
from gated.errors import LedgerCorrupt, LedgerFull, StorageError
from gated.ledger import retention, shared_uses
from gated.ledger.drafts import Prepared, Refused, prepare
from gated.ledger.files import WriterLock, check_folder, close_leaving_wal, translated
from gated.ledger.making import Beginning, Origin, beginning_after
from gated.ledger.opening import Found, open_file, renew
from gated.ledger.room import Room, RoomLimits, Usage
from gated.ledger.shared_uses import Sharing, Span, Taken, Told, UsesElsewhere
from gated.vocabulary import Direction
from gated.wire import Ack, Draft

DAY_MS = 86_400_000
_MEASURE_ROOM_EVERY = 8
"""Events between two looks at the disk: a look costs as much as a fifth of an append."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Stored:
    """A draft that is durable. ``commit_ms`` is what the COMMIT of all its transaction took."""

    seq: int
    body: bytes
    hash: bytes
    commit_ms: float


class AckOutcome(enum.StrEnum):
    """What an ack did."""

    ADVANCED = "advanced"
    UNCHANGED = "unchanged"
    REWOUND = "rewound"  # the collector's store is another one, and holds less
    OTHER_EPOCH = "other_epoch"
    MISMATCH = "mismatch"  # the collector holds something else under our numbers: fork


class PassUses(NamedTuple):
    """The uses of one pass that were not given back, and the newest code of a changing one."""

    uses: int
    last_direction: Direction
    last_at: datetime
    newest_code_s: int | None = None  # Unix time; stays when the use is given back


@dataclass(frozen=True, slots=True)
class Opened:
    """A ledger, and how it was come by; the words of a boot record's ``ledger``."""

    ledger: Ledger
    how: str  # opened | new | recovered | forked
    previous_epoch: str | None
    detail: str


class Ledger:
    """The writer. Make it with ``Ledger.open``. May change threads, but serves one at a time."""

    def __init__(
        self,
        path: Path,
        found: Found,
        lock: WriterLock,
        origin: Origin,
        *,
        keep_person_days: int,
        limits: RoomLimits,
    ) -> None:
        self.path = path
        self._lock = lock
        self._origin = origin
        self._clock = origin.clock
        self.keep_person_days = keep_person_days
        self.sharing = Sharing()  # of uses with the site's other gates
        self._room = Room(path, limits)
        self._time_quality = TimeQuality.UNKNOWN
        self._unmeasured = _MEASURE_ROOM_EVERY
        self._adopt(found)

    @classmethod
    def open(  # noqa: PLR0913  one call, at the controller's start
        cls,
        path: Path,
        *,
        site: str,
        gate: str,
        clock: Clock,
        software: str,
        keep_person_days: int = 14,
        boot_id: str | None = None,
        limits: RoomLimits = RoomLimits(),  # noqa: B008  frozen
    ) -> Opened:
        """Open the ledger at ``path``, setting an unusable file aside.

        Person links are kept for ``keep_person_days``. ``boot_id`` is the kernel's by default.

        Raises: StorageError, saying what to do: no folder, no permission, another writer, or a
            newer schema.
        """
        check_folder(path)
        if boot_id is None:
            with translated("read", _BOOT_ID):
                boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
        origin = Origin(site, gate, software, boot_id, clock)
        lock = WriterLock(path, "gated controller")
        try:
            found = open_file(path, origin)
        except StorageError:
            lock.release()
            raise
        ledger = cls(path, found, lock, origin, keep_person_days=keep_person_days, limits=limits)
        ledger.restore_ballast()
        return Opened(ledger, found.how, found.previous_epoch, found.detail)

    def _adopt(self, found: Found) -> None:
        self._db = found.db
        self._tail = found.tail
        self._renewal: Beginning | None = None

    @property
    def epoch(self) -> str:
        return self._tail.epoch

    @property
    def boot(self) -> int:
        """Return the number of this boot of the machine."""
        return self._tail.boot

    @property
    def newest_seq(self) -> int:
        return self._tail.seq

    # --- recording --------------------------------------------------------------------------------

    def append(
        self, drafts: Sequence[Draft], *, settings: Mapping[str, str] | None = None
    ) -> list[Stored | Refused]:
        """Record ``drafts`` in one transaction; return one answer for each, in order.

        A draft that can never be recorded (too large, not encodable) is Refused alone; the others
        are stored. ``settings`` ride in the same transaction, unless a draft was refused.

        Raises: LedgerFull, LedgerCorrupt, StorageError: nothing was recorded, settings neither.
        """
        answers, prepared = prepare(drafts, self._origin, self._tail)
        saves = {} if len(prepared) < len(drafts) else dict(settings or {})
        if not prepared and not saves:
            return [answer for answer in answers if isinstance(answer, Refused)]
        try:
            if self._unmeasured >= _MEASURE_ROOM_EVERY:
                self._room.require(self._usage())
                self._unmeasured = 0
            with translated("record in", self.path):
                commit_ms = self._write(prepared, saves)
        except LedgerFull:
            self._unmeasured = _MEASURE_ROOM_EVERY
            self._room.give_up_ballast()
            raise
        self._unmeasured += len(prepared) or 1
        if prepared:
            self._tail.seq, self._tail.hash = prepared[-1].seq, prepared[-1].hash
            self._time_quality = prepared[-1].draft.stamp.time_quality
        return [
            answer
            if isinstance(answer, Refused)
            else Stored(answer.seq, answer.body, answer.hash, commit_ms)
            for answer in answers
        ]

    def _write(self, prepared: Sequence[Prepared], settings: Mapping[str, str]) -> float:
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            for entry in prepared:
                self._insert(entry)
            for key, value in settings.items():
                db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (key, value))
            started_s = self._clock.monotonic_s()
            db.execute("COMMIT")
            return (self._clock.monotonic_s() - started_s) * 1_000
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _insert(self, entry: Prepared) -> None:
        db, draft = self._db, entry.draft
        is_timed = draft.stamp.time_quality is not TimeQuality.UNKNOWN
        timed_ms = entry.at_ms if is_timed else None
        given = db.execute(
            "INSERT INTO event (at_ms, is_timed, kind, outcome, visit_id, drill, hash, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.at_ms,
                is_timed,
                draft.content.kind.value,
                entry.outcome,
                entry.visit_id,
                draft.stamp.drill,
                entry.hash,
                entry.body,
            ),
        ).lastrowid
        if given != entry.seq:
            raise LedgerCorrupt(f"{self.path} gave the number {given} where {entry.seq} is next")
        if draft.link is not None:
            link = (entry.seq, draft.link.holder_ref, draft.link.salt, timed_ms)
            db.execute("INSERT INTO link VALUES (?, ?, ?, ?)", link)
        if draft.use is not None and entry.visit_id is not None:
            retention.record_use(db, entry.visit_id, draft.use, entry.at_ms)
            use = (entry.visit_id, draft.use)
            shared_uses.note_own(db, (self.epoch, entry.seq), use, self.sharing, at_ms=timed_ms)
        if draft.gives_back_use_of is not None:
            retention.give_back_uses(db, draft.gives_back_use_of)
            shared_uses.note_given_back(db, draft.gives_back_use_of)
        if draft.opens_visit is not None:
            db.execute(
                "INSERT OR IGNORE INTO open_visit VALUES (?, ?)", (draft.opens_visit, entry.seq)
            )
        if draft.closes_visit is not None:
            db.execute("DELETE FROM open_visit WHERE visit_id = ?", (draft.closes_visit,))
            db.execute("DELETE FROM open_use WHERE visit_id = ?", (draft.closes_visit,))

    # --- what the controller needs at its start ---------------------------------------------------

    def open_visits(self) -> list[str]:
        """Return the visits that still wait for their passage outcome, oldest first."""
        with translated("read", self.path):
            rows = self._db.execute("SELECT visit_id FROM open_visit ORDER BY seq").fetchall()
        return [str(visit_id) for (visit_id,) in rows]

    def uses(self) -> Mapping[str, PassUses]:
        """Return a snapshot of the uses of every pass that were not given back."""
        with translated("read", self.path):
            rows = self._db.execute(
                "SELECT pass_ref, uses, direction, at_ms, newest_code_s FROM pass_use"
            ).fetchall()
        return {
            ref: PassUses(count, retention.parse_direction(direction), _datetime(at_ms), code_s)
            for ref, count, direction, at_ms, code_s in rows
        }

    def uses_elsewhere(self) -> Mapping[str, UsesElsewhere]:
        """Return how every pass was used at the site's other gates, as far as we were told."""
        with translated("read", self.path):
            return shared_uses.all_uses(self._db, self.sharing)

    def setting(self, key: str) -> str | None:
        """Return the value saved under ``key``, or None. Raises: StorageError."""
        with translated("read", self.path):
            row = self._db.execute("SELECT v FROM setting WHERE k = ?", (key,)).fetchone()
        return str(row[0]) if row else None

    def save_setting(self, key: str, value: str) -> None:
        """Save ``value`` durably. Raises: LedgerFull, StorageError."""
        self.append((), settings={key: value})

    # --- acks and housekeeping --------------------------------------------------------------------

    def apply_ack(self, ack: Ack) -> AckOutcome:
        """Check ``ack`` against our own chain and advance if it fits. Raises: StorageError."""
        with translated("apply an ack to", self.path):
            return AckOutcome(retention.apply_ack(self._db, ack, self._tail))

    def uses_taken(self) -> Taken | None:
        """Return up to where the uses in uplink.db were taken over."""
        with translated("read", self.path):
            return shared_uses.taken(self._db)

    def take_uses(self, told: Told) -> Mapping[str, UsesElsewhere]:
        """Take over what other gates told; return how the passes concerned were used elsewhere.

        Raises: LedgerFull, StorageError: nothing of it was taken over.
        """
        us, span = (self._origin.gate, self.epoch), self._linked_span()
        with translated("take over uses in", self.path):
            work = partial(shared_uses.take_over, self._db, told, self.sharing, us=us, span=span)
            return retention.in_transaction(self._db, work)

    def collect(self, keep_acked_s: float, limit: int = 500) -> int:
        """Delete at most ``limit`` of the oldest acked events; return how many.

        Those older than ``keep_acked_s`` by the stored wall clock, in the order of seq: an event is
        old enough if it, or one that came after it, is. Events of an unknown clock, or stamped
        later than now, say nothing; the events around them decide. With 0, age does not matter.

        Raises: LedgerFull, StorageError.
        """
        now_ms = self._now_ms()
        with translated("collect in", self.path):
            return retention.collect(self._db, now_ms, round(keep_acked_s * 1_000), limit)

    def expire_links(self, limit: int = 200) -> int:
        """Delete at most ``limit`` person links older than ``keep_person_days``; return how many.

        And of shared uses; the larger number counts. Their bytes stay in the ``-wal`` until
        ``scrub``. Raises: LedgerFull, StorageError.
        """
        with translated("expire links in", self.path):
            links = retention.expire_links(
                self._db,
                self._now_ms(),
                self.keep_person_days * DAY_MS,
                quality=self._time_quality,
                limit=limit,
            )
            span = self._linked_span()
            forget = partial(shared_uses.forget, self._db, self.sharing, span, limit)
            return max(links, retention.in_transaction(self._db, forget))

    def _linked_span(self) -> Span:
        now_ms, is_known = self._now_ms(), self._time_quality is not TimeQuality.UNKNOWN
        return Span(now_ms - self.keep_person_days * DAY_MS, now_ms) if is_known else Span(0, None)

    def checkpoint(self) -> None:
        """Move what is in the ``-wal`` into the database, as far as readers allow."""
        with translated("checkpoint", self.path):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def scrub(self) -> bool:
        """Empty the ``-wal``, so that deleted links are gone from it; return whether it is."""
        with translated("checkpoint", self.path):
            (is_busy, _, _) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not is_busy

    def is_tight(self) -> bool:
        """Return whether acked events should go early, so that recording can go on."""
        return self._room.is_tight(self._usage())

    def give_up_ballast(self) -> bool:
        """Return whether there was ballast to give up, so that deletions have room."""
        return self._room.give_up_ballast()

    def restore_ballast(self) -> bool:
        """Return whether the ballast is there, making it again once the disk has room."""
        return self._room.restore_ballast()

    def fork(self, reason: str, *, is_corrupt: bool = False) -> Opened:
        """Set the file aside and begin a new epoch, taking over settings, uses and open visits.

        For a chain that the collector disagrees with, and for a file found corrupt in use. One that
        failed goes on where it stopped, with its own reason; nothing is recorded until then.

        Raises: StorageError: call it again.
        """
        if self._renewal is None:
            why = "corrupt" if is_corrupt else "forked"
            self._renewal = beginning_after(self.path, self.epoch, reason, why)
            close_leaving_wal(self._db, self.path)
        found = renew(self.path, self._origin, self._renewal)
        self._adopt(found)
        return Opened(self, found.how, found.previous_epoch, found.detail)

    @property
    def needs_fork(self) -> bool:
        """Return whether a fork has begun and could not make the next file yet."""
        return self._renewal is not None

    def close(self) -> None:
        """Close the file, leaving ``-wal`` and ``-shm`` for the readers. Idempotent."""
        close_leaving_wal(self._db, self.path)
        self._lock.release()

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1_000)

    def _usage(self) -> Usage:
        with translated("read", self.path):
            pages, free_pages, page_bytes = (
                int(self._db.execute(f"PRAGMA {pragma}").fetchone()[0])
                for pragma in ("page_count", "freelist_count", "page_size")
            )
        return Usage((pages - free_pages) * page_bytes, free_pages * page_bytes)


def _datetime(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1_000, UTC)
