"""The state folder: is it kept, may it be written, is there room, is the ballast in place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from gated.config import GateConfig
from gated.doctor.findings import Finding, error, ok, same, warning
from gated.doctor.host import CannotLook, Host
from gated.doctor.mounts import Keeping, keeping, mount_of, parse_mountinfo
from gated.ledger.files import free_bytes, read_only
from gated.ledger.room import RoomLimits, ballast_of

STATE, DISK, BALLAST = "state_folder", "disk", "ballast"
LEDGER = "ledger.db"
MOUNTINFO = "proc/self/mountinfo"
_MB = 2**20
LOW_FACTOR = 2
"""Below this many times what a gate needs to record, somebody should make room."""


def look_at_state(config: GateConfig, host: Host) -> Iterator[Finding]:
    """Yield whether what is written into the state folder survives a power cut."""
    folder = config.paths.state
    text = host.read(MOUNTINFO)
    if text is None:
        raise CannotLook(f"/{MOUNTINFO} is missing: nobody knows what {folder} is mounted on")
    there = PurePosixPath(os.path.realpath(_existing(folder)))
    mounts = parse_mountinfo(text)
    mount = mount_of(there, mounts)
    what = "?" if mount is None else f"{mount.kind} {mount.source}"
    match keeping(there, mounts):
        case Keeping.KEPT:
            yield ok(STATE, says=(f"{folder} 断电后仍在 ({what})", f"{folder} is kept ({what})"))
        case Keeping.READ_ONLY:
            yield error(STATE, says=same(read_only(folder)))
        case Keeping.IN_MEMORY:
            yield error(
                STATE,
                says=(
                    f"{folder} 在内存里 ({what})，断电即失",
                    f"{folder} is in memory ({what}): everything in it is gone after a power cut",
                ),
                mend=_MEND_PARTITION,
            )
        case Keeping.OVERLAY:
            yield error(
                STATE,
                says=(
                    f"{folder} 在覆盖文件系统上 ({what})，重启即失",
                    f"{folder} is on an overlay ({what}): everything in it is gone after a restart",
                ),
                mend=(
                    f"sudo raspi-config nonint disable_overlayfs，或{_MEND_PARTITION[0]}",
                    f"sudo raspi-config nonint disable_overlayfs, or {_MEND_PARTITION[1]}",
                ),
            )


_MEND_PARTITION = (
    "把它放到单独的 ext4 分区 (paths.state)",
    "put it on a partition of its own (paths.state)",
)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def look_at_disk(config: GateConfig) -> Iterator[Finding]:
    """Yield whether the disk has room for records."""
    folder = _existing(config.paths.state)
    free = free_bytes(folder / LEDGER)
    needed = config.ledger.min_free_mb * _MB
    says = (
        f"{folder} 剩余 {free // _MB} MB，至少需要 {needed // _MB} MB",
        f"{free // _MB} MB free in {folder}, at least {needed // _MB} MB are needed",
    )
    mend = ("清理磁盘：少了就无人能进", "make room on the disk: with less nobody enters")
    if free < needed:
        yield error(DISK, says=says, mend=mend)
    elif free < LOW_FACTOR * needed:
        yield warning(DISK, says=says, mend=mend)
    else:
        yield ok(DISK, says=says)


def look_at_ballast(config: GateConfig) -> Iterator[Finding]:
    """Yield whether the reserve is there that deletions use on a full disk."""
    ledger = config.paths.state / LEDGER
    ballast = ballast_of(ledger)
    try:
        size = ballast.stat().st_size
    except FileNotFoundError:
        if not ledger.exists():
            yield ok(
                BALLAST,
                says=(
                    "首次启动时建立台账和备用空间",
                    "ledger and ballast are made at the first start",
                ),
            )
            return
        yield warning(
            BALLAST,
            says=(
                f"备用空间 {ballast} 不在：磁盘曾满，已让出",
                f"the ballast {ballast} is not there: it was given up when the disk was full",
            ),
            mend=("清理磁盘，闸机会自动重建", "make room on the disk, the gate makes it again"),
        )
        return
    if size < RoomLimits().ballast_bytes:
        yield warning(
            BALLAST,
            says=same(f"{ballast}: {size} B"),
            mend=("删除它，闸机会自动重建", "delete it, the gate makes it again"),
        )
    else:
        yield ok(BALLAST, says=("备用空间就绪", f"the ballast is in place ({size // _MB} MB)"))
