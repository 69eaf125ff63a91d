"""Whether what is written into a folder is still there after a power cut. Pure.

The text is /proc/self/mountinfo [proc_pid_mountinfo(5)].
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_ESCAPED = re.compile(r"\\([0-7]{3})")
_IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs", "zram"})
_NEVER_WRITTEN = frozenset({"squashfs", "erofs", "iso9660", "cramfs"})
_SEPARATOR = " - "
_POINT, _OPTIONS = 4, 5  # fields before the separator


class Keeping(enum.Enum):
    """What becomes of files in a folder."""

    KEPT = enum.auto()
    READ_ONLY = enum.auto()
    IN_MEMORY = enum.auto()  # gone when the machine is switched off
    OVERLAY = enum.auto()  # as IN_MEMORY: an overlay whose upper layer is on no disk that we see


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system."""

    point: PurePosixPath
    kind: str
    source: str
    options: frozenset[str]  # of the mount and of its file system

    @property
    def upper_layer(self) -> PurePosixPath | None:
        """Where an overlay keeps what is written."""
        found = (o.partition("=")[2] for o in self.options if o.startswith("upperdir="))
        upper = next(found, None)
        return None if upper is None else PurePosixPath(upper)


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """Return the mounts in the order in which they were made; other lines are passed over."""
    mounts = []
    for line in text.splitlines():
        ours, separator, theirs = line.partition(_SEPARATOR)
        before, after = ours.split(), theirs.split()
        if separator and len(before) > _OPTIONS and len(after) > 2:  # noqa: PLR2004 - kind, source, options
            kind, source, of_file_system = after[:3]
            options = frozenset((*before[_OPTIONS].split(","), *of_file_system.split(",")))
            point = PurePosixPath(_unescaped(before[_POINT]))
            mounts.append(Mount(point, kind, _unescaped(source), options))
    return tuple(mounts)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)


def mount_of(folder: PurePosixPath, mounts: Sequence[Mount]) -> Mount | None:
    """Return where ``folder`` (absolute, without links) lies: of the deepest, the last one made."""
    found = None
    for mount in mounts:
        is_above = mount.point == folder or mount.point in folder.parents
        if is_above and (found is None or len(mount.point.parts) >= len(found.point.parts)):
            found = mount
    return found


def keeping(folder: PurePosixPath, mounts: Sequence[Mount]) -> Keeping:
    """Return what becomes of files in ``folder``."""
    mount = mount_of(folder, mounts)
    if mount is None:
        return Keeping.KEPT
    if "ro" in mount.options or mount.kind in _NEVER_WRITTEN:
        return Keeping.READ_ONLY
    if mount.kind in _IN_MEMORY:
        return Keeping.IN_MEMORY
    if mount.kind != "overlay":
        return Keeping.KEPT
    return Keeping.KEPT if _is_on_disk(mount, mounts) else Keeping.OVERLAY


def _is_on_disk(overlay: Mount, mounts: Sequence[Mount]) -> bool:
    """Return whether an overlay's upper layer is seen, and on a disk.

    raspi-config's overlay keeps it in a tmpfs that only the initramfs has seen (/upper/data), and a
    container's is outside: what is seen at such a path is the overlay itself.
    """
    upper = overlay.upper_layer
    below = None if upper is None else mount_of(upper, mounts)
    return below is not None and below.kind not in {"overlay", *_IN_MEMORY}
