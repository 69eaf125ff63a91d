"""Disks of a run: an ext4 whose power can be cut, and a tmpfs that is soon full."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

from tests.gate_processes import wait_for

_FS_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSH = struct.pack("I", 2)  # EXT4_GOING_FLAGS_NOLOGFLUSH: what was not synced is gone
_MIB = 2**20
_SBIN = "/usr/sbin:/sbin"


class DiskError(RuntimeError):
    """A disk could not be made, mounted or cut."""


def _run(*words: str) -> bool:
    path = f"{os.environ.get('PATH', '')}:{_SBIN}"
    done = subprocess.run(words, capture_output=True, check=False, env={**os.environ, "PATH": path})
    return done.returncode == 0


def _must(*words: str) -> None:
    if not _run(*words):
        raise DiskError(" ".join(words))


class Ext4Disk:
    """An ext4 in a file. ``cut`` does what a power cut does to what was not synced.

    The write cache of a real card is not there: this shows whether the sync was asked for at the
    right moments, not whether a card keeps its word.
    """

    def __init__(self, folder: Path, size_bytes: int = 64 * _MIB) -> None:
        self._image = folder / "disk.img"
        self.folder = folder / "disk"
        self.folder.mkdir()
        with self._image.open("wb") as image:
            image.truncate(size_bytes)
        _must("mkfs.ext4", "-q", "-F", str(self._image))
        self.mount()

    def mount(self) -> None:
        _must("mount", "-o", "loop", str(self._image), str(self.folder))

    def cut(self) -> None:
        """Stop the file system at once; every process with files on it gets errors from now on."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _FS_IOC_SHUTDOWN, _WITHOUT_FLUSH)
        finally:
            os.close(descriptor)

    def power_up(self) -> None:
        """Mount it again after ``cut``: the journal is replayed. Its users must have ended."""
        wait_for(lambda: _run("umount", str(self.folder)), "a disk that nobody uses")
        self.mount()

    def close(self) -> None:
        _run("umount", "-l", str(self.folder))
        self._image.unlink(missing_ok=True)


class SmallDisk:
    """A tmpfs of a few MiB. ``fill`` takes what is left, ``free`` gives it back."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder / "disk"
        self.folder.mkdir()
        self._filler = self.folder / "something-else"
        _must("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(self.folder))

    def fill(self, left_bytes: int = 0) -> None:
        stat = os.statvfs(self.folder)
        wanted = stat.f_bavail * stat.f_frsize - left_bytes
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as filler:
            while wanted > 0:
                wanted -= filler.write(bytes(min(wanted, 4_096)))

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        _run("umount", "-l", str(self.folder))


def lacks_mounts() -> str:
    """Return why disks cannot be mounted here, "" if they can."""
    if os.geteuid() != 0:
        return "needs root, for a disk of its own"
    return ""


def lacks_ext4() -> str:
    """Return why an ext4 cannot be made and cut here, "" if it can."""
    if reason := lacks_mounts():
        return reason
    if shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:{_SBIN}") is None:
        return "mkfs.ext4 is not installed: apt install e2fsprogs"
    return "" if Path("/dev/loop-control").exists() else "no loop devices here"
