"""SQLite files as both ledgers use them: opened, translated, closed and set aside in one way.

Two facts of SQLite shape this file:

- The last connection to close deletes ``-wal`` and ``-shm``, and a reader that may not write in the
  folder cannot make them. So the writer closes first and a read-only connection of its own last: it
  cannot take the exclusive lock that the deletion needs, and both files stay.
- POSIX locks of a file die with *any* descriptor of it that the process closes. So nothing in this
  package opens a database with ``open()``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from gated.durable import sync_folder
from gated.errors import LedgerCorrupt, LedgerFull, StorageError

DATABASE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What sqlite3 raises: a damaged schema's text comes back inside its message, undecodable."""
BUSY_TIMEOUT_S = 0.1
"""Only a checkpoint ever waits for a reader; the one writer waits for nobody."""
READER_TIMEOUT_S = 1.0
JOURNAL_SIZE_LIMIT_BYTES = 4 * 2**20
_PAGE_BYTES = 1024
"""An event touches five pages. At 1 kB that writes half of what 4 kB pages write to the card, and
bodies stand on pages of their own, so a search through days of events does not read them."""
SIDE_FILES = ("-wal", "-shm")
_FULL = {"SQLITE_FULL"}
_FULL_IF_NO_ROOM = {  # the same codes also mean a failing card
    "SQLITE_IOERR_WRITE",
    "SQLITE_IOERR_FSYNC",
    "SQLITE_IOERR_TRUNCATE",
    "SQLITE_IOERR_SHMSIZE",
    "SQLITE_IOERR_SHMOPEN",
    "SQLITE_IOERR_SHMMAP",
}
_CORRUPT = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")
"""SQLITE_ERROR: a statement does not fit the tables. Ours are fixed, so the tables changed."""
_NO_ROOM_BYTES = 256 * 1024


@contextlib.contextmanager
def translated(doing: str, path: Path) -> Iterator[None]:
    """Turn sqlite3's and the system's errors into ours.

    Raises:
        LedgerFull: no room on the disk, or the file may not grow.
        LedgerCorrupt: the file is damaged.
        StorageError: anything else.
    """
    try:
        yield
    except sqlite3.Error as exc:
        raise _storage_error(exc, doing, path) from exc
    except UnicodeDecodeError as exc:
        raise LedgerCorrupt(f"cannot {doing} {path}: its texts are damaged") from exc
    except OSError as exc:
        raise StorageError(f"cannot {doing} {path}: {exc.strerror or exc}") from exc


def error_name(exc: sqlite3.Error) -> str:
    """Return SQLite's name of the error, or "" where Python's own module raised it."""
    name = getattr(exc, "sqlite_errorname", None)
    return name if isinstance(name, str) else ""


def _storage_error(exc: sqlite3.Error, doing: str, path: Path) -> StorageError:
    name = error_name(exc)
    message = f"cannot {doing} {path}: {exc}"
    if name in _FULL or (name in _FULL_IF_NO_ROOM and not _may_grow(path)):
        return LedgerFull(f"{message}; make room on the disk")
    if name.startswith(_CORRUPT) or str(exc).startswith("Could not decode"):
        return LedgerCorrupt(message)
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return StorageError(
            f"{message}; check that the folder and the file belong to the gate's user"
        )
    return StorageError(message)


def _may_grow(path: Path) -> bool:
    limit_bytes, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit_bytes != resource.RLIM_INFINITY:
        return False  # EFBIG; SQLite does not tell it from a write error
    return free_bytes(path) >= _NO_ROOM_BYTES


def free_bytes(path: Path) -> int:
    """Return the room on the file system of ``path``'s folder, in bytes, for this user."""
    stat = os.statvfs(path.parent)
    return stat.f_bavail * stat.f_frsize


def check_folder(path: Path) -> None:
    """Raise StorageError, saying what to do, unless files can be made in ``path``'s folder."""
    folder = path.parent
    try:
        if not folder.is_dir():
            raise StorageError(
                f"the folder {folder} does not exist; make it and give it to the gate's user "
                "(没有此文件夹)"
            )
        if is_read_only(folder):
            raise StorageError(read_only(folder))
        is_open = os.access(folder, os.W_OK | os.X_OK)
    except PermissionError:  # not even to look
        is_open = False
    if not is_open:
        raise StorageError(
            f"no permission to write in {folder}; give it to the gate's user, or use sudo "
            "(无写权限)"
        )


def is_read_only(folder: Path) -> bool:
    """Return whether ``folder``, which must exist, lies where nobody can write, not even root."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def read_only(folder: Path) -> str:
    """Return what is wrong then: the service, its start and the doctor say the same."""
    return (
        f"{folder} is on a read-only file system, so nothing is recorded and nobody enters: "
        "sudo mount -o remount,rw it; if that comes again, replace the card (只读：重新挂载或换卡)"
    )


def connect_writer(path: Path, *, synchronous: str) -> sqlite3.Connection:
    """Return a connection in WAL mode with ``synchronous`` set and read back.

    It may be handed from one thread to another, but only one may use it at a time.

    Raises: sqlite3.Error; StorageError: SQLite does not do what was asked.
    """
    db = sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False
    )
    try:
        db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(f"PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT_BYTES}")
        wanted = {
            "journal_mode": "wal",
            "synchronous": {"OFF": 0, "NORMAL": 1, "FULL": 2}[synchronous],
            "secure_delete": 1,
            "foreign_keys": 1,
        }
        for pragma, value in wanted.items():
            (found,) = db.execute(f"PRAGMA {pragma}").fetchone()
            if found != value:
                raise StorageError(f"SQLite gives {pragma} = {found} for {path}, not {value}")
    except (*DATABASE_ERRORS, StorageError):
        db.close()
        raise
    return db


def connect_reader(path: Path) -> sqlite3.Connection:
    """Return a read-only connection. Raises: sqlite3.Error."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=READER_TIMEOUT_S,
        check_same_thread=False,
    )
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except DATABASE_ERRORS:
        db.close()
        raise
    return db


def close_leaving_wal(db: sqlite3.Connection, path: Path) -> None:
    """Checkpoint and close ``db`` so that ``-wal`` and ``-shm`` stay for the readers."""
    keeper: sqlite3.Connection | None = None
    with contextlib.suppress(*DATABASE_ERRORS):  # a broken file is closed too
        keeper = connect_reader(path)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    if keeper is not None:
        keeper.close()


def set_aside(path: Path, label: str, why: str) -> Path:
    """Rename the database and its side files to ``<stem>-<label>.<why>.db``; return the new path.

    Nothing is ever deleted or overwritten: a taken name gets a number.

    Raises: StorageError.
    """
    target = free_name(aside_name(path, label, why))
    move_aside(path, target)
    return target


def aside_name(path: Path, label: str, why: str) -> Path:
    """Return where the database goes when it is set aside, if that name is free."""
    return path.with_name(f"{path.stem}-{label}.{why}.db")


def free_name(wanted: Path) -> Path:
    """Return ``wanted``; with a number where a database, or what is left of one, is called so."""
    label, _, rest = wanted.name.partition(".")
    target, number = wanted, 1
    while any(Path(f"{target}{side}").exists() for side in ("", *SIDE_FILES)):
        number += 1
        target = wanted.with_name(f"{label}-{number}.{rest}")
    return target


def move_aside(path: Path, target: Path) -> None:
    """Rename the database and its side files to ``target``; those that are there already stay.

    Raises: StorageError.
    """
    with translated("set aside", path):
        for side in (
            *SIDE_FILES,
            "",
        ):  # the database last: until then the old name still leads to it
            source = Path(f"{path}{side}")
            if source.exists():
                source.rename(f"{target}{side}")
        sync_folder(path.parent)


class WriterLock:
    """The right to write one database: a lock on a file beside it, gone with the process.

    Raises: StorageError: another process holds it.
    """

    def __init__(self, path: Path, holder: str) -> None:
        lock_path = path.with_name(f"{path.name}.lock")
        with translated("lock", lock_path):
            self._descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._descriptor)
            self._descriptor = -1
            raise StorageError(f"another {holder} runs on {path}; stop it first") from exc

    def release(self) -> None:
        """Give the right back. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
