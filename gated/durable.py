"""Files that are there whole or not at all, also after a power cut."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gated.errors import CannotWrite, GatedError, StorageError


def write_private_file(path: Path, data: bytes, *, for_service: bool = False) -> None:
    """Write ``data`` to ``path``, durably, in the place of what was there; mode 0600.

    ``for_service``: if root writes it, it belongs to whoever the folder belongs to.

    Raises: CannotWrite.
    """

    def prepare(descriptor: int) -> None:
        if for_service:
            give_to_owner_of(path.parent, descriptor)

    try:
        _write_beside(path, data, prepare).replace(path)
        sync_folder(path.parent)
    except OSError as exc:
        raise _cannot_write(path, exc) from exc


@dataclass(frozen=True, slots=True)
class NewFile:
    """What is to be in a file, and who may read it."""

    path: Path
    data: bytes = field(repr=False)
    mode: int = 0o644


def replace_files(files: Sequence[NewFile]) -> None:
    """Put ``files`` in the place of what was there, durably, in this order.

    All are written before the first one takes its place: a full disk changes nothing.

    Raises: CannotWrite.
    """
    written: list[tuple[Path, Path]] = []
    path = Path()
    try:
        for file in files:
            path = file.path

            def prepare(descriptor: int, file: NewFile = file) -> None:
                os.fchmod(descriptor, file.mode)

            written.append((_write_beside(path, file.data, prepare), path))
        for new, path in written:
            new.replace(path)
            sync_folder(path.parent)
    except OSError as exc:
        for new, _ in written:
            new.unlink(missing_ok=True)
        raise _cannot_write(path, exc) from exc


def _write_beside(path: Path, data: bytes, prepare: Callable[[int], None]) -> Path:
    """Return a new file with ``data``, durable but for its name. Raises: OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            prepare(descriptor)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _cannot_write(path: Path, exc: OSError) -> CannotWrite:
    return CannotWrite(f"{path}: cannot be written ({exc.strerror}) (无法写入)")


def write_new_private_file(path: Path, data: bytes) -> None:
    """Write ``data`` durably to a new file that only its owner reads.

    Raises: GatedError: the file exists (a secret is never overwritten) or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as exc:
        raise GatedError(f"{path} exists already and stays as it is; choose another name") from exc
    except OSError as exc:
        raise GatedError(f"{path}: cannot be written ({exc.strerror})") from exc


def make_folder(folder: Path) -> None:
    """Make ``folder`` and those above it, if they are not there. Raises: StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_open = os.access(folder, os.W_OK | os.X_OK)
    except OSError as exc:
        raise StorageError(closed(folder)) from exc
    if not is_open:
        raise StorageError(closed(folder))


def closed(folder: Path) -> str:
    """Return what is wrong then: the service, its start and the doctor say the same."""
    return (
        f"{folder} cannot be made, or cannot be written to: give it to the gate's user, or name "
        "another folder (无法建立或写入，请改归属或换文件夹)"
    )


def give_to_owner_of(folder: Path, descriptor: int) -> None:
    """Leave root's file to the service's user, who could not open it otherwise."""
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):
            owner = folder.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable. Raises: OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
