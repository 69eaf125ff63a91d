"""A full disk, both ways that SQLite can meet one: no space left, and a file that may not grow."""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.errors import LedgerFull
from gated.ledger.mailbox import Mailbox, MailboxReader
from gated.ledger.reader import LedgerReader
from gated.ledger.room import RoomLimits
from gated.ledger.service import LedgerService
from gated.ledger.verify import verify_chain
from gated.ledger.writer import AckOutcome, Ledger
from tests.ledger_drafts import ack, fill, open_ledger, visit

ROOT = Path(__file__).parents[2]
SIZE_BYTES = 4 * 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={SIZE_BYTES}".encode()
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, options) != 0:
        pytest.skip(f"cannot mount a small tmpfs: {os.strerror(ctypes.get_errno())}")
    yield folder
    assert libc.umount2(str(folder).encode(), 2) == 0


def fill_up(ledger: Ledger) -> int:
    """Record until the disk is full; return the newest seq."""
    for _ in range(100_000):
        try:
            ledger.append([visit(f"v{ledger.newest_seq + 1}")])
        except LedgerFull:
            break
    return ledger.newest_seq


@pytest.mark.parametrize("min_free_kb", [0, 256])
def test_on_a_full_disk_nothing_is_lost_and_recording_goes_on_without_a_restart(
    small_disk: Path, min_free_kb: int
) -> None:
    limits = RoomLimits(
        min_free_bytes=min_free_kb * 1024, ballast_bytes=512 * 1024, reuse_bytes=256 * 1024
    )
    path = small_disk / "ledger.db"
    other = small_disk / "something-else"
    other.write_bytes(bytes(2**20))
    ledger = open_ledger(path, limits=limits).ledger
    newest = fill_up(ledger)
    assert newest > 100
    for _ in range(3):
        with pytest.raises(LedgerFull, match="make room"):
            ledger.append([visit("refused")])

    reader = LedgerReader(path)
    assert reader.bounds().newest_seq == newest
    assert verify_chain(reader).ok
    assert len(reader.after(0, newest + 1)) == newest
    reader.close()

    other.unlink()
    assert ledger.restore_ballast()
    assert fill(ledger, 5)[-1].seq == newest + 5
    ledger.close()


def test_on_a_full_disk_acked_events_can_still_be_deleted_and_make_room(small_disk: Path) -> None:
    limits = RoomLimits(min_free_bytes=0, ballast_bytes=2**20, reuse_bytes=128 * 1024)
    path = small_disk / "ledger.db"
    ledger = open_ledger(path, FakeClock(), limits=limits).ledger
    newest = fill_up(ledger)
    digest = ledger._tail.hash
    assert not (small_disk / "ledger.ballast").exists(), "given up, for the deletions alone"
    assert ledger.is_tight()
    assert ledger.apply_ack(ack(ledger, newest, digest)) is AckOutcome.ADVANCED
    with pytest.raises(LedgerFull):
        ledger.append([visit("still refused")])
    while ledger.collect(0, 100):
        ledger.checkpoint()
    assert fill(ledger, 50)[-1].seq == newest + 50
    reader = LedgerReader(path)
    assert verify_chain(reader).ok
    reader.close()
    ledger.close()


def test_an_ack_finds_room_on_a_disk_that_something_else_has_filled(small_disk: Path) -> None:
    limits = RoomLimits(min_free_bytes=0, ballast_bytes=2**20, reuse_bytes=128 * 1024)
    path, clock = small_disk / "ledger.db", FakeClock()
    ledger = open_ledger(path, clock, limits=limits).ledger
    last = fill(ledger, 50)[-1]
    with contextlib.closing(Mailbox(small_disk / "uplink.db", clock)) as mailbox:
        mailbox.store_ack(ack(ledger, 50, last.hash))
    assert ledger.scrub(), "the next transaction needs room"
    with (
        (small_disk / "something-else").open("wb", buffering=0) as other,
        contextlib.suppress(OSError),
    ):
        while other.write(bytes(4096)):
            pass
    service = LedgerService(
        ledger,
        queue.Queue(),
        MailboxReader(small_disk / "uplink.db"),
        clock=clock,
        answer=print,
        after_commit=lambda: None,
        on_renewed=print,
        keep_acked_s=0.0,
    )
    service.step(0.0)
    assert not (small_disk / "ledger.ballast").exists()
    reader = LedgerReader(path)
    assert reader.backlog() == 0
    reader.close()
    ledger.close()


MAY_NOT_GROW = """
import resource, sys
from pathlib import Path
from gated.errors import LedgerFull
from gated.ledger.reader import LedgerReader
from tests.ledger_drafts import fill, open_ledger, visit

path = Path(sys.argv[1])
ledger = open_ledger(path).ledger
fill(ledger, 50)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
refused = 0
for _ in range(2_000):
    try:
        ledger.append([visit("more")])
    except LedgerFull:
        refused += 1
        if refused == 3:
            break
newest = ledger.newest_seq
assert newest > 50, newest
assert LedgerReader(path).bounds().newest_seq == newest
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert fill(ledger, 5)[-1].seq == newest + 5
ledger.close()
print("refused", refused)
"""


def test_a_file_that_may_not_grow_is_a_full_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    done = subprocess.run(
        [sys.executable, "-c", MAY_NOT_GROW, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == "refused 3", done.stderr
    reader = LedgerReader(path)
    assert verify_chain(reader).ok
    reader.close()


def test_the_configured_limit_stops_recording_until_acked_events_are_gone(tmp_path: Path) -> None:
    limits = RoomLimits(max_bytes=400_000, min_free_bytes=0, ballast_bytes=0)
    ledger = open_ledger(tmp_path / "ledger.db", limits=limits).ledger
    newest = fill_up(ledger)
    assert ledger.is_tight()
    with pytest.raises(LedgerFull, match="does not acknowledge"):
        ledger.append([visit("refused")])
    ledger.apply_ack(ack(ledger, newest, ledger._tail.hash))
    assert ledger.collect(0, 100) == 100
    assert fill(ledger, 50)[-1].seq == newest + 50
    ledger.close()
