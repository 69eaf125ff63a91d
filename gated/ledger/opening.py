"""Opening ``ledger.db``: a file is found fit, or set aside (never deleted) for a new epoch."""

from __future__ import annotations

import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from gated.clock import Clock
from gated.contents import Kind
from gated.durable import sync_folder
from gated.errors import LedgerCorrupt, StorageError
from gated.ledger.files import (
    DATABASE_ERRORS,
    error_name,
    translated,
)
from gated.ledger.making import (
    Beginning,
    Origin,
    beginning_after,
    connect,
    fill,
    follow,
    put_in_place,
    read_beginning,
)
from gated.ledger.schema import CARRIED_TABLES, CARRIED_TABLES_OF_1, MIGRATIONS, SCHEMA_VERSION
from gated.wire import chain_hash

_EPOCH = re.compile(r"[a-z2-7]{16}")
_FOREIGN = "foreign"
"""Another gate's file, on a card that was moved or cloned: nothing of it is taken over."""
_HASH_BYTES = 32
_TOLD_WITHIN = 128
"""Events, of two transactions: the boot record of a new epoch is among them."""
_QUICK_CHECK_BUDGET_S = 2.0
_PROGRESS_STEPS = 10_000
_NOT_THE_FILES_FAULT = (  # SQLite's names: the machine refuses, the file may be sound
    "SQLITE_CANTOPEN",
    "SQLITE_PERM",
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_FULL",
    "SQLITE_NOMEM",
    "SQLITE_IOERR_WRITE",
    "SQLITE_IOERR_FSYNC",
    "SQLITE_IOERR_SHM",
    "SQLITE_IOERR_LOCK",
)


@dataclass(slots=True)
class Tail:
    """Where the chain ends: what the next event builds on. Only the writer changes it."""

    epoch: str
    boot: int
    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """An open database and how it was come by (the words of a boot record's ``ledger``)."""

    db: sqlite3.Connection
    tail: Tail
    how: str  # opened | new | recovered | forked
    previous_epoch: str | None = None
    detail: str = ""


class _Unfit(Exception):
    """The file cannot be used; ``why`` goes into its new name."""

    def __init__(self, detail: str, why: str = "corrupt") -> None:
        super().__init__(detail)
        self.why = why


def open_file(path: Path, origin: Origin) -> Found:
    """Open the ledger at ``path``, or set it aside and begin a new epoch.

    Raises: StorageError: nothing can be opened or made there, or a newer gated wrote it.
    """
    previous: str | None = None
    with translated("open", path):
        put_in_place(path)
    try:
        with translated("open", path):
            db = connect(path)
            try:
                previous = _epoch_of(db)
                if previous is None and _is_blank(db):
                    fill(db, origin)
                    sync_folder(path.parent)
                    return Found(db, _read_tail(db, origin.boot_id), "new")
                note = _check(db, path, origin)
                migrate(db)
                return _found(db, origin, note)
            except (*DATABASE_ERRORS, OSError, StorageError, _Unfit):
                db.close()
                raise
    except _Unfit as unfit:
        detail, why = str(unfit), unfit.why
    except LedgerCorrupt as exc:
        detail, why = str(exc), "corrupt"
    except StorageError as exc:
        if not _blames_the_file(exc, path):
            raise
        detail, why = str(exc), "corrupt"
    label = f"{origin.clock.now():%Y%m%d}"
    beginning = beginning_after(path, previous, detail, why, label)
    return renew(path, origin, beginning, is_ours=why != _FOREIGN)


def renew(path: Path, origin: Origin, beginning: Beginning, *, is_ours: bool = True) -> Found:
    """Set the file at ``path`` aside for a new epoch; see ``follow``.

    Raises: StorageError: call it again, with the same ``beginning``.
    """
    with translated("make", path):
        follow(path, origin, beginning, is_ours=is_ours)
        db = connect(path)
        try:
            return _found(db, origin)
        except _Unfit as exc:
            db.close()
            raise LedgerCorrupt(f"{path} was made anew and cannot be read: {exc}") from exc
        except DATABASE_ERRORS:
            db.close()
            raise


def _found(db: sqlite3.Connection, origin: Origin, note: str = "") -> Found:
    """Return an open file, and how it was begun if the centre is still to be told."""
    tail = _read_tail(db, origin.boot_id)
    beginning = read_beginning(db) if _is_untold(db, tail) else None
    if beginning is None:
        return Found(db, tail, "opened", detail=note)
    return Found(db, tail, beginning.how, beginning.previous_epoch, beginning.detail)


def _is_untold(db: sqlite3.Connection, tail: Tail) -> bool:
    """Return whether no boot record says how the file was come by: the power failed before it.

    In use the visit that found the old file corrupt is recorded first.
    """
    first = db.execute("SELECT seq, kind FROM event ORDER BY seq LIMIT ?", (_TOLD_WITHIN,))
    events = first.fetchall()
    begins_at = events[0][0] if events else tail.seq + 1
    kinds = [kind for _, kind in events]
    return begins_at == 1 and len(events) < _TOLD_WITHIN and Kind.BOOT.value not in kinds


def migrate(db: sqlite3.Connection) -> None:
    """Bring a sound file of an older schema up to ours: in one transaction, so all of it or none.

    A gate whose power fails on the way finds the old file at its next start, whole.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return
    try:
        db.execute("BEGIN IMMEDIATE")
        for step in range(version, SCHEMA_VERSION):
            for statement in MIGRATIONS[step]:
                db.execute(statement)
        db.execute("UPDATE meta SET v = ? WHERE k = 'schema'", (str(SCHEMA_VERSION),))
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _epoch_of(db: sqlite3.Connection) -> str | None:
    """Return the file's epoch, or None where it has none that could be one."""
    try:
        row = db.execute("SELECT v FROM meta WHERE k = 'epoch'").fetchone()
    except DATABASE_ERRORS:
        return None
    epoch = row[0] if row else None
    return epoch if isinstance(epoch, str) and _EPOCH.fullmatch(epoch) else None


def _is_blank(db: sqlite3.Connection) -> bool:
    """Return whether nothing was ever written: the process that made the file died before."""
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return bool(tables == 0)


def _check(db: sqlite3.Connection, path: Path, origin: Origin) -> str:
    """Return a note for the boot record, "" if all is well."""
    meta: dict[str, str] = dict(db.execute("SELECT k, v FROM meta"))
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if meta.get("schema") != str(version):  # one flipped bit must not look like a newer gated
        raise _Unfit("the schema version is damaged")
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{path} has schema {version}, this gated knows {SCHEMA_VERSION};"
            " install the newer gated again, or move the file away"
        )
    if version < 1:
        raise _Unfit("the schema version is damaged")
    whose = (meta.get("site"), meta.get("gate"))
    if whose != (origin.site, origin.gate):
        raise _Unfit(f"it belongs to gate {whose[1]} of {whose[0]}", _FOREIGN)
    carried = CARRIED_TABLES if version == SCHEMA_VERSION else CARRIED_TABLES_OF_1
    for table, columns in carried.items():  # small, and read without mercy at every start
        for _row in db.execute(f"SELECT {columns} FROM {table}"):  # noqa: S608  constants
            pass
    note = _quick_check(db, origin.clock)
    if version == SCHEMA_VERSION:
        return note
    return "; ".join(filter(None, (f"schema {version} became {SCHEMA_VERSION}", note)))


def _quick_check(db: sqlite3.Connection, clock: Clock) -> str:
    """Run SQLite's check within its budget. Too long a file is used, and the note says so."""
    until_s = clock.monotonic_s() + _QUICK_CHECK_BUDGET_S
    db.set_progress_handler(lambda: clock.monotonic_s() > until_s, _PROGRESS_STEPS)
    try:
        (answer,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as exc:
        if error_name(exc) != "SQLITE_INTERRUPT":
            raise
        return f"quick_check stopped after {_QUICK_CHECK_BUDGET_S:.0f} s"
    finally:
        db.set_progress_handler(None, 0)
    if answer != "ok":
        raise _Unfit(f"quick_check: {answer}")
    return ""


def _read_tail(db: sqlite3.Connection, boot_id: str) -> Tail:
    """Return where the chain ends. Raises: _Unfit: AUTOINCREMENT and the events disagree."""
    meta: dict[str, str] = dict(db.execute("SELECT k, v FROM meta"))
    try:
        anchor_seq, anchor_hash = int(meta["anchor_seq"]), bytes.fromhex(meta["anchor_hash"])
        int(meta["acked_upto"])
    except (KeyError, ValueError) as exc:
        raise _Unfit("the anchor is damaged") from exc
    given = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    events = db.execute("SELECT seq, hash, body FROM event ORDER BY seq DESC LIMIT 2").fetchall()
    seq, digest = events[0][:2] if events else (anchor_seq, anchor_hash)
    if seq != (given[0] if given else 0):
        raise _Unfit(f"the newest event is {seq}, the newest number given is {given}")
    prev = events[1][1] if len(events) > 1 else anchor_hash
    if events and chain_hash(prev, seq, events[0][2]) != digest:  # never build on a broken end
        raise _Unfit(f"event {seq} is damaged")
    if len(digest) != _HASH_BYTES:
        raise _Unfit("the anchor is damaged")
    epoch = meta.get("epoch")
    if epoch is None or epoch != _epoch_of(db):
        raise _Unfit("the epoch is damaged")
    return Tail(epoch, _number_boot(db, boot_id), seq, digest)


def _number_boot(db: sqlite3.Connection, boot_id: str) -> int:
    """Return the number of this boot; another start in the same boot keeps it."""
    db.execute("INSERT OR IGNORE INTO boot (boot_id) VALUES (?)", (boot_id,))
    (number,) = db.execute("SELECT n FROM boot WHERE boot_id = ?", (boot_id,)).fetchone()
    return int(number)


def _blames_the_file(exc: StorageError, path: Path) -> bool:
    cause = exc.__cause__
    if not isinstance(cause, sqlite3.Error):
        return False
    name = error_name(cause)
    if name.startswith("SQLITE_READONLY"):  # a damaged header says so of a file that we may write
        return os.access(path, os.R_OK | os.W_OK)
    return not name.startswith(_NOT_THE_FILES_FAULT)
