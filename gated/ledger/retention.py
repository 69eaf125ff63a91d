"""What the ledger keeps and lets go: acks, collection, person links, uses of passes. SQL only.

Every function runs one short transaction (or runs inside the caller's) on the writer's connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from gated.clock import TimeQuality
from gated.ledger.opening import Tail
from gated.vocabulary import Direction
from gated.wire import GENESIS, Ack, PassUse

_DAY_MS = 86_400_000
_DAY_S = 86_400
_CODES_SETTLED_S = 600
"""No code that was made before this is still good, however slow the phone's clock is."""
_WITNESS_SPAN = 5_000
"""How many events ahead of the oldest are searched for one of a known, old time."""
_LINK_SPAN = 2_000
"""How many of the oldest links are looked at: they expire in the order in which they were made."""
_T = TypeVar("_T")


def in_transaction(db: sqlite3.Connection, work: Callable[[], _T]) -> _T:
    """Return what ``work`` returns, once all that it did is committed; or nothing of it is done."""
    try:
        db.execute("BEGIN IMMEDIATE")
        result = work()
        db.execute("COMMIT")
        return result
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def read_meta(db: sqlite3.Connection, key: str) -> str:
    """Return a value of ``meta``, "" if it is not there."""
    row = db.execute("SELECT v FROM meta WHERE k = ?", (key,)).fetchone()
    return str(row[0]) if row else ""


def read_anchor(db: sqlite3.Connection) -> tuple[int, bytes]:
    """Return (seq, hash) of the newest event that was collected; (0, GENESIS) before the first."""
    seq, digest = read_meta(db, "anchor_seq"), read_meta(db, "anchor_hash")
    return int(seq or 0), bytes.fromhex(digest) or GENESIS


def hash_of(db: sqlite3.Connection, seq: int) -> bytes | None:
    """Return h(seq), or None for an event that is not there."""
    row = db.execute("SELECT hash FROM event WHERE seq = ?", (seq,)).fetchone()
    if row is not None:
        return bytes(row[0])
    anchor_seq, anchor_hash = read_anchor(db)
    if seq == anchor_seq:
        return anchor_hash
    return GENESIS if seq == 0 else None


def apply_ack(db: sqlite3.Connection, ack: Ack, tail: Tail) -> str:
    """Return what the ack did, an AckOutcome. Only a hash that is ours advances."""
    if ack.epoch != tail.epoch:
        return "other_epoch"
    if ack.upto > tail.seq:
        return "mismatch"  # it holds what we never recorded: a copy of this card wrote it
    own = hash_of(db, ack.upto)
    if own is not None and own.hex() != ack.hash:
        return "mismatch"
    acked = int(read_meta(db, "acked_upto") or 0)
    by = f"{ack.collector}/{ack.collector_epoch}"
    is_same_store = read_meta(db, "acked_by") in ("", by)
    if ack.upto <= acked and is_same_store:
        return "unchanged"  # a retained ack seen again, or an older one that came late
    upto = max(ack.upto, read_anchor(db)[0])  # what was collected cannot wait again
    rows = [("acked_upto", str(upto)), ("acked_by", by)]
    in_transaction(db, lambda: db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows))
    if upto == acked:
        return "unchanged"
    return "advanced" if upto > acked else "rewound"


def collect(db: sqlite3.Connection, now_ms: int, keep_ms: int, limit: int) -> int:
    """Delete the oldest acked events that are older than ``keep_ms``; return how many."""
    oldest = db.execute("SELECT seq, at_ms, is_timed FROM event ORDER BY seq LIMIT 1").fetchone()
    acked = int(read_meta(db, "acked_upto") or 0)
    if oldest is None or oldest[0] > acked:
        return 0
    newest_old = acked if keep_ms <= 0 else _newest_old(db, oldest, acked, now_ms, now_ms - keep_ms)
    if newest_old is None:
        return 0
    upto = min(newest_old, oldest[0] + limit - 1)
    digest = hash_of(db, upto)
    if digest is None:
        return 0
    anchor = [("anchor_seq", str(upto)), ("anchor_hash", digest.hex())]

    def delete() -> int:
        db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", anchor)
        return db.execute("DELETE FROM event WHERE seq <= ?", (upto,)).rowcount

    return in_transaction(db, delete)


def _newest_old(
    db: sqlite3.Connection, oldest: tuple[int, int, int], acked: int, now_ms: int, cutoff_ms: int
) -> int | None:
    """Return the newest of the oldest acked events that is certainly from before ``cutoff_ms``."""
    first, at_ms, is_timed = oldest
    if is_timed and cutoff_ms <= at_ms <= now_ms:
        return None
    row = db.execute(
        "SELECT seq FROM event WHERE seq <= ? AND seq < ? AND is_timed AND at_ms < ?"
        " ORDER BY seq DESC LIMIT 1",
        (acked, first + _WITNESS_SPAN, cutoff_ms),
    ).fetchone()
    return None if row is None else int(row[0])


def expire_links(
    db: sqlite3.Connection, now_ms: int, keep_ms: int, *, quality: TimeQuality, limit: int
) -> int:
    """Delete person links older than ``keep_ms``; return how many.

    Links are looked at in the order in which they were made, so one that was stamped by a wrong
    clock is never kept longer than the ones after it. One made under an unknown clock counts from
    when the clock is known; until then it keeps no other from expiring. With a trusted clock, one
    stamped in the future goes at once.
    """
    is_clock_trusted = quality is TimeQuality.TRUSTED

    def delete() -> int:
        if quality is not TimeQuality.UNKNOWN:
            db.execute("UPDATE link SET made_ms = ? WHERE made_ms IS NULL", (now_ms,))
        impossible_ms = now_ms + _DAY_MS if is_clock_trusted else 2**62
        deleted = db.execute(
            "DELETE FROM link WHERE seq IN"
            " (SELECT seq FROM"
            " (SELECT seq, made_ms FROM link WHERE made_ms IS NOT NULL ORDER BY seq LIMIT ?)"
            " WHERE made_ms <= ? OR made_ms > ? LIMIT ?)",
            (_LINK_SPAN, now_ms - keep_ms, impossible_ms, limit),
        ).rowcount
        # Without this the time of a use would lead from the pass to its event, and to its holder.
        db.execute(
            "UPDATE pass_use SET at_ms = at_ms - at_ms % ?1 WHERE at_ms < ?2 AND at_ms % ?1 <> 0",
            (_DAY_MS, now_ms - keep_ms),
        )
        if is_clock_trusted:
            # The time of a code leads there as well. It is moved up to the end of its day, once
            # that has passed: moved down, or deleted, it would let used codes open again.
            db.execute(
                "UPDATE pass_use SET newest_code_s = newest_code_s - newest_code_s % ?1 + ?1"
                " WHERE newest_code_s % ?1 <> 0 AND newest_code_s < ?2"
                " AND newest_code_s - newest_code_s % ?1 + ?1 <= ?3",
                (_DAY_S, (now_ms - keep_ms) // 1_000, now_ms // 1_000 - _CODES_SETTLED_S),
            )
        return deleted

    return in_transaction(db, delete)


def record_use(db: sqlite3.Connection, visit_id: str, use: PassUse, at_ms: int) -> None:
    """Count one use of a pass by a visit; a second one by the same visit is the same use."""
    ref = use.pass_ref
    before = db.execute(
        "SELECT direction, at_ms FROM pass_use WHERE pass_ref = ?", (ref,)
    ).fetchone()
    is_new = db.execute(
        "INSERT OR IGNORE INTO open_use VALUES (?, ?, ?, ?, ?)",
        (visit_id, ref, at_ms, *(before or (None, None))),
    ).rowcount
    if not is_new:
        return
    db.execute(
        "INSERT INTO pass_use VALUES (?1, 1, ?2, ?3, ?4) ON CONFLICT (pass_ref)"
        " DO UPDATE SET uses = uses + 1, direction = ?2, at_ms = ?3,"
        " newest_code_s = max(coalesce(newest_code_s, ?4), coalesce(?4, newest_code_s))",
        (ref, use.direction.value, at_ms, use.code_made_s),
    )


def give_back_uses(db: sqlite3.Connection, visit_id: str) -> None:
    """Return the uses that ``visit_id`` made: nobody passed. A later use keeps its own time.

    The code of a changing pass stays used: the gate did open for it, and whoever photographed it
    meanwhile must not open it again. The holder's next code comes within half a minute.
    """
    rows = db.execute(
        "SELECT pass_ref, at_ms, direction_before, at_ms_before FROM open_use WHERE visit_id = ?",
        (visit_id,),
    ).fetchall()
    for ref, at_ms, direction_before, at_ms_before in rows:
        db.execute("UPDATE pass_use SET uses = uses - 1 WHERE pass_ref = ?", (ref,))
        db.execute(
            "DELETE FROM pass_use WHERE pass_ref = ? AND uses <= 0 AND newest_code_s IS NULL",
            (ref,),
        )
        if at_ms_before is not None:
            db.execute(
                "UPDATE pass_use SET direction = ?, at_ms = ? WHERE pass_ref = ? AND at_ms = ?",
                (direction_before, at_ms_before, ref, at_ms),
            )
    db.execute("DELETE FROM open_use WHERE visit_id = ?", (visit_id,))


def parse_direction(text: str) -> Direction:
    """Return the direction in ``text``; UNKNOWN for one that a damaged file made up."""
    return Direction(text) if text in set(Direction) else Direction.UNKNOWN
