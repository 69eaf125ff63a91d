"""The gate's scanner lock: whoever reads its camera holds it, the service or a recording."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from gated.durable import give_to_owner_of, make_folder
from gated.errors import DeviceError, StorageError

LOCK_NAME = "scanner.lock"
"""In the run folder."""


@contextlib.contextmanager
def only_scanner_of(run: Path) -> Iterator[None]:
    """Hold the gate's lock: two processes would fight for its camera and tell every code twice.

    The kernel frees it with the process, however that ends.

    Raises:
        DeviceError: if another process holds it.
        StorageError: if the run folder can't be written to.
    """
    path = run / LOCK_NAME
    make_folder(run)
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as exc:
        raise StorageError(f"cannot make {path}: {exc.strerror}") from exc
    try:
        _take(lock, path)
        give_to_owner_of(run, lock)
        yield
    finally:
        os.close(lock)


def holder_of(run: Path) -> str | None:
    """Return the number of the process that holds the gate's lock; None: nobody does.

    Raises: StorageError: this account may not see it.
    """
    path = run / LOCK_NAME
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StorageError(f"{path} cannot be read: {exc.strerror}; use sudo (请用 sudo)") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(lock)
    finally:
        os.close(lock)
    return None


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise DeviceError(
            f"another scanner process serves this gate (process {_holder(lock)}, by {path}): "
            "stop it first, a gate has one",
            device="scanner",
        ) from exc
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())


def _holder(lock: int) -> str:
    return os.read(lock, 32).decode("ascii", errors="replace").strip() or "unknown"
