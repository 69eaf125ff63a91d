"""Making ``ledger.db``: the first one of a gate, and the one that follows a file which had to go.

What follows is made whole under another name, beside the file that it follows. Then that one is set
aside and the new one takes its place. Wherever the power fails, the next start goes on from there:
until the new file is whole the old one stands, and from then on the new one says itself what it
follows. So mode, uses of passes and open visits are never in a file that nobody looks at.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import sqlite3
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gated.clock import Clock
from gated.durable import sync_folder
from gated.errors import LedgerCorrupt
from gated.ledger.files import (
    DATABASE_ERRORS,
    SIDE_FILES,
    aside_name,
    connect_reader,
    connect_writer,
    free_name,
    move_aside,
    translated,
)
from gated.ledger.schema import CARRIED_TABLES, CARRIED_TABLES_OF_1, SCHEMA_VERSION, TABLES
from gated.wire import GENESIS

EPOCH_BYTES = 10
"""80 bits: 16 characters of base32."""
_AUTOCHECKPOINT_PAGES = 8_000
"""The service checkpoints between commits; this is the backstop where it never gets to."""
_HOWS = frozenset({"recovered", "forked"})
_ASIDE = re.compile(r"[\w-]+\.(corrupt|foreign|forked)\.db")


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose ledger this is, and what records in it: all that a file is made from."""

    site: str
    gate: str
    software: str
    boot_id: str
    clock: Clock


@dataclass(frozen=True, slots=True)
class Beginning:
    """How an epoch began that follows a file.

    It stands in the new file: until that has its place, and until a boot record has told of it.
    """

    how: str  # recovered | forked: the words of a boot record's ``ledger``
    previous_epoch: str | None
    detail: str
    aside: str  # the name that the file before it gets


def beginning_after(
    path: Path, previous_epoch: str | None, reason: str, why: str, label: str = ""
) -> Beginning:
    """Return how an epoch begins that follows the file at ``path``.

    Args:
        path: is set aside under the name of its epoch, if that is known, or of ``label``.
        previous_epoch: the file's.
        reason: for people.
        why: the file goes: corrupt, foreign or forked.
        label: for a file without an epoch.
    """
    how = "forked" if why == "forked" else "recovered"
    aside = free_name(aside_name(path, previous_epoch or label, why))
    return Beginning(how, previous_epoch, f"{reason}; kept as {aside.name}", aside.name)


def connect(path: Path) -> sqlite3.Connection:
    """Return the writer's connection. Raises: sqlite3.Error; StorageError."""
    db = connect_writer(path, synchronous="FULL")
    db.execute(f"PRAGMA wal_autocheckpoint = {_AUTOCHECKPOINT_PAGES}")
    return db


def fill(
    db: sqlite3.Connection,
    origin: Origin,
    beginning: Beginning | None = None,
    old: Path | None = None,
) -> None:
    """Make the tables of a new epoch, with what ``old`` still says of passes and settings.

    Raises: sqlite3.Error.
    """
    meta = {
        "schema": str(SCHEMA_VERSION),
        "epoch": b32encode(secrets.token_bytes(EPOCH_BYTES)).decode().lower(),
        "site": origin.site,
        "gate": origin.gate,
        "made_at": origin.clock.now().isoformat(timespec="milliseconds"),
        "software": origin.software,
        "anchor_seq": "0",
        "anchor_hash": GENESIS.hex(),
        "acked_upto": "0",
        "acked_by": "",
    }
    if beginning is not None:
        meta |= {
            "how": beginning.how,
            "previous_epoch": beginning.previous_epoch or "",
            "detail": beginning.detail,
            "aside": beginning.aside,
        }
    db.execute("BEGIN IMMEDIATE")
    for statement in TABLES.split(";\n"):
        if statement.strip():
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    if old is not None:
        _carry_over(db, old)
    db.execute("COMMIT")
    # Into the database at once: with a damaged -wal the file must still say whose epoch it was.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def read_beginning(db: sqlite3.Connection) -> Beginning | None:
    """Return how the epoch began; None: it follows no other. Raises: sqlite3.Error."""
    meta: dict[str, str] = dict(db.execute("SELECT k, v FROM meta"))
    how, aside = meta.get("how"), meta.get("aside", "")
    if how not in _HOWS or not _ASIDE.fullmatch(aside):
        return None
    return Beginning(how, meta.get("previous_epoch") or None, meta.get("detail", ""), aside)


# --- the file that follows another one --------------------------------------------------------


def follow(path: Path, origin: Origin, beginning: Beginning, *, is_ours: bool) -> None:
    """Let a new file take the place of the one at ``path``, which is set aside.

    May be called again after it failed: it goes on where it stopped.

    Args:
        path: nobody has it open to write.
        origin: of the new file.
        beginning: the same at each call.
        is_ours: what the old file says of passes and settings is taken over.

    Raises: OSError, sqlite3.Error, StorageError.
    """
    if not path.with_name(beginning.aside).exists():  # else the new one is whole already
        _make_next(path, origin, beginning, path if is_ours else None)
    put_in_place(path)


def put_in_place(path: Path) -> None:
    """Go on with what a power cut may have stopped: the next file takes its place if it is whole.

    Raises: OSError, StorageError.
    """
    following = _next(path)
    if not following.exists():
        return
    if path.exists():
        beginning = _read_whole(following)
        if beginning is None:  # its maker died; what it would follow is as it was
            _remove(following)
            return
        aside = path.with_name(beginning.aside)
        move_aside(path, free_name(aside) if aside.exists() else aside)
    following.rename(path)
    sync_folder(path.parent)


def _next(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _make_next(path: Path, origin: Origin, beginning: Beginning, old: Path | None) -> None:
    following = _next(path)
    if _read_whole(following) == beginning:
        return  # perhaps the -wal of the old one is aside: nothing can be read of it any more
    _remove(following)
    db = connect(following)
    try:
        fill(db, origin, beginning, old)
    finally:
        db.close()
    sync_folder(path.parent)


def _read_whole(following: Path) -> Beginning | None:
    """Return how its epoch began, with all of it in the one file; None: it is not whole.

    Raises: StorageError: it cannot be told now.
    """
    if not following.exists():
        return None
    try:
        with translated("open", following), contextlib.closing(connect(following)) as db:
            beginning = read_beginning(db)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the -wal does not go with it
    except LedgerCorrupt:
        return None
    return beginning


def _remove(following: Path) -> None:
    for side in (*SIDE_FILES, ""):
        Path(f"{following}{side}").unlink(missing_ok=True)


# --- what is taken over ---------------------------------------------------------------------------


def _carry_over(db: sqlite3.Connection, old: Path) -> None:
    """Copy the side tables of ``old`` as far as it can be read: a single-use pass stays used."""
    with (
        contextlib.suppress(*DATABASE_ERRORS),
        contextlib.closing(connect_reader(old)) as source,
    ):
        for table, columns in _carried_tables(source).items():
            marks = ", ".join("?" for _ in columns.split(","))
            with contextlib.suppress(*DATABASE_ERRORS):  # one table may be lost
                for row in source.execute(f"SELECT {columns} FROM {table}"):  # noqa: S608  constants
                    with contextlib.suppress(*DATABASE_ERRORS):
                        db.execute(
                            f"INSERT OR IGNORE INTO {table} VALUES ({marks})",  # noqa: S608  constants
                            row,
                        )


def _carried_tables(source: sqlite3.Connection) -> Mapping[str, str]:
    """Return what ``source`` has to give. Its tables say how old it is: its numbers may be damaged.

    A file that an older gated left and that is unfit is set aside before it could be migrated.
    """
    try:
        source.execute("SELECT newest_code_s FROM pass_use LIMIT 1").fetchone()
    except DATABASE_ERRORS as exc:
        if "no such column" in str(exc):
            return CARRIED_TABLES_OF_1
    return CARRIED_TABLES
