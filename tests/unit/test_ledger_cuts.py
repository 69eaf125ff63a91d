"""The power fails while a new epoch takes the place of a file: what must survive is never lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from gated.contents import BootContent
from gated.errors import StorageError
from gated.ledger import files, making
from gated.ledger.reader import LedgerReader
from gated.ledger.writer import Stored
from gated.vocabulary import Direction
from gated.wire import Draft, PassUse
from tests.ledger_drafts import ack, open_ledger, stamp, visit

CUT = 9
# A reader, as the uplink is, in the middle of reading: the -wal cannot be emptied meanwhile.
READER = """
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
db.execute("BEGIN")
db.execute("SELECT count(*) FROM event").fetchone()
print("reading", flush=True)
sys.stdin.read()
"""


def make(folder: Path) -> str:
    """Make a gate that is closed, waits for somebody to pass, and has seen a pass used."""
    source = folder.with_name("source")
    source.mkdir()
    ledger = open_ledger(source / "ledger.db").ledger
    ledger.append([visit("v", use=PassUse("p", Direction.IN))], settings={"mode": "closed"})
    shutil.copytree(source, folder)  # as a power cut leaves it: all in the -wal
    ledger.close()
    return ledger.epoch


def damage(path: Path) -> None:
    """Damage the end of the chain, so that the file is unfit at the next start."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE event SET hash = zeroblob(32)")
        db.commit()


def restart(path: Path) -> None:
    open_ledger(path).ledger.close()


def fork(path: Path) -> None:
    ledger = open_ledger(path).ledger
    ledger.fork("the collector's hash at 1 is not ours")
    ledger.close()


def in_making(code: CodeType) -> bool:
    is_only_a_name = code is making.beginning_after.__code__
    return code.co_filename == making.__file__ and not is_only_a_name


def in_move_aside(code: CodeType) -> bool:
    return code is files.move_aside.__code__


def is_cut(
    renew: Callable[[Path], None],
    path: Path,
    at_line: int,
    watched: Callable[[CodeType], bool],
    cut: Callable[[], None] = lambda: os._exit(CUT),
) -> bool:
    """Renew in a process that ends, as by a power cut, before its n-th line of what is watched.

    Return whether it did, or had come to its end. A line counts once, in ``move_aside`` each time.
    """
    process = os.fork()
    if process == 0:
        code = 1
        try:
            _cut_at(at_line, watched, cut)
            renew(path)
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert code in {0, CUT}
    return code == CUT


def _cut_at(at_line: int, watched: Callable[[CodeType], bool], cut: Callable[[], None]) -> None:
    seen: set[tuple[int, int]] = set()

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        if not watched(frame.f_code):
            return None
        if event == "line":
            seen.add((frame.f_lineno, len(seen) if watched is in_move_aside else 0))
            if len(seen) == at_line:
                cut()
        return trace

    sys.settrace(trace)


@contextmanager
def somebody_reads(path: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"reading\n"
        yield
        reader.kill()


def check(folder: Path, first: str, hows: set[tuple[str, str | None]]) -> str:
    """Start the gate again and check that nothing is missing; return how the ledger was found."""
    path = folder / "ledger.db"
    opened = open_ledger(path)
    ledger = opened.ledger
    assert (opened.how, opened.previous_epoch) in hows
    assert (ledger.epoch == first) is (opened.how == "opened")
    assert (ledger.setting("mode"), ledger.open_visits()) == ("closed", ["v"])
    assert ledger.uses()["p"].uses == 1
    ledger.close()
    (kept,) = [path] if opened.how == "opened" else folder.glob("ledger-*.db")
    with closing(LedgerReader(kept)) as reader:
        assert reader.bounds().newest_seq == 1
    assert not list(folder.glob("*.next*"))
    return opened.how


def test_wherever_the_power_fails_the_old_ledger_or_the_new_one_is_found_with_all(
    tmp_path: Path,
) -> None:
    first = make(tmp_path / "gate")
    met, at_line, was_cut = [], 0, True
    while was_cut:
        at_line += 1
        folder = tmp_path / f"{at_line}"
        shutil.copytree(tmp_path / "gate", folder)
        was_cut = is_cut(fork, folder / "ledger.db", at_line, in_making)
        met.append(check(folder, first, {("opened", None), ("forked", first)}))
    whole_from = met.index("forked")
    assert met == ["opened"] * whole_from + ["forked"] * (len(met) - whole_from)
    assert min(whole_from, len(met) - whole_from) > 10


def test_wherever_the_power_fails_at_a_start_it_is_told_that_the_ledger_was_unfit(
    tmp_path: Path,
) -> None:
    first = make(tmp_path / "gate")
    damage(tmp_path / "gate" / "ledger.db")
    at_line, was_cut = 0, True
    while was_cut:
        at_line += 1
        folder = tmp_path / f"{at_line}"
        shutil.copytree(tmp_path / "gate", folder)
        was_cut = is_cut(restart, folder / "ledger.db", at_line, in_making)
        check(folder, first, {("recovered", first)})
    assert at_line > 40


def test_what_stands_in_the_wal_alone_is_kept_when_the_power_fails_between_two_renames(
    tmp_path: Path,
) -> None:
    first = make(tmp_path / "gate")
    half_moved, at_line, was_cut = 0, 0, True
    while was_cut:
        at_line += 1
        folder = tmp_path / f"{at_line}"
        shutil.copytree(tmp_path / "gate", folder)
        path = folder / "ledger.db"
        with somebody_reads(path):
            was_cut = is_cut(fork, path, at_line, in_move_aside)
        half_moved += path.exists() and not Path(f"{path}-wal").exists()
        check(folder, first, {("forked", first)})
    assert half_moved


def test_a_new_epoch_is_told_of_at_every_start_until_a_boot_record_says_so(tmp_path: Path) -> None:
    first, path = make(tmp_path / "gate"), tmp_path / "gate" / "ledger.db"
    with closing(open_ledger(path).ledger) as ledger:
        ledger.fork("found corrupt in use", is_corrupt=True)
        ledger.append([visit("w")])  # what was to be recorded when it was found
    boot = BootContent(boot_id="b", ledger="recovered", previous_epoch=first, detail="")
    for _ in range(2):
        opened = open_ledger(path)
        assert (opened.how, opened.previous_epoch) == ("recovered", first)
        opened.ledger.close()
    with closing(open_ledger(path).ledger) as ledger:
        ledger.append([Draft(boot, stamp())])
    opened = open_ledger(path)
    assert (opened.how, opened.previous_epoch) == ("opened", None)
    last = opened.ledger.append([visit("x")])[-1]
    assert isinstance(last, Stored)
    opened.ledger.apply_ack(ack(opened.ledger, 3, last.hash))
    assert opened.ledger.collect(0) == 3
    opened.ledger.close()
    opened = open_ledger(path)
    assert opened.how == "opened", "the boot record is not there any more"
    opened.ledger.close()


def fail() -> None:
    sys.settrace(None)
    raise OSError("the card does not answer")


def recover_in_the_end(path: Path) -> None:
    """Open, let a new epoch begin, record; with a second attempt at what failed. End as if cut."""
    has_failed = False
    try:
        ledger = open_ledger(path).ledger
    except StorageError:
        has_failed = True
        ledger = open_ledger(path).ledger
    try:
        opened = ledger.fork("found corrupt in use", is_corrupt=True)
    except StorageError:
        has_failed = True
        assert ledger.needs_fork
        opened = ledger.fork("once more")
    assert not ledger.needs_fork
    assert opened.how == "recovered"
    assert opened.detail.startswith("found corrupt in use; kept as ")
    ledger.append([visit("w")])
    ledger.close()
    os._exit(CUT if has_failed else 0)


@pytest.mark.parametrize("watched", [in_making, in_move_aside])
def test_whatever_fails_on_the_way_the_next_attempt_goes_on_from_there(
    tmp_path: Path, watched: Callable[[CodeType], bool]
) -> None:
    first = make(tmp_path / "gate")
    at_line, has_failed = 0, True
    while has_failed:
        at_line += 1
        folder = tmp_path / f"{at_line}"
        shutil.copytree(tmp_path / "gate", folder)
        has_failed = is_cut(recover_in_the_end, folder / "ledger.db", at_line, watched, fail)
        with closing(open_ledger(folder / "ledger.db").ledger) as ledger:
            assert ledger.epoch != first
            assert (ledger.setting("mode"), ledger.open_visits()) == ("closed", ["v", "w"])
            assert ledger.uses()["p"].uses == 1
        (kept,) = folder.glob("ledger-*.db")
        with closing(LedgerReader(kept)) as reader:
            assert reader.bounds().newest_seq == 1
    assert at_line > 10


def test_a_file_that_was_put_there_meanwhile_is_kept_under_a_name_of_its_own(
    tmp_path: Path,
) -> None:
    first, path = make(tmp_path / "gate"), tmp_path / "gate" / "ledger.db"
    fork(path)
    kept = path.with_name(f"ledger-{first}.forked.db")
    path.rename(f"{path}.next")  # as if the power had failed before this,
    shutil.copy(kept, path)  # and somebody had put the old one back
    opened = open_ledger(path)
    assert (opened.how, opened.ledger.setting("mode")) == ("forked", "closed")
    opened.ledger.close()
    assert path.with_name(f"ledger-{first}-2.forked.db").read_bytes() == kept.read_bytes()


def test_what_is_no_whole_file_takes_no_place(tmp_path: Path) -> None:
    first, path = make(tmp_path / "gate"), tmp_path / "gate" / "ledger.db"
    Path(f"{path}.next").write_bytes(b"not a database, " * 500)
    assert check(path.parent, first, {("opened", None)}) == "opened"
