"""What can be read of a damaged or foreign ledger, judged by its chain.

SQLite is asked first, for a copy: the original is not touched. For rows to which a damaged file no
longer leads, its raw pages are searched. What is found is sorted by how far the chain proves it,
and what is missing is named.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import mmap
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gated.errors import StorageError, WireError
from gated.ledger.files import DATABASE_ERRORS, connect_reader, translated
from gated.ledger.salvage_pages import FoundRow, find_rows
from gated.received import parse_record
from gated.wire import (
    GENESIS,
    PersonLink,
    chain_hash,
    commit_to_holder,
    is_name,
)

LEDGER_PATTERN = "ledger*.db"
STATE_FOLDER = Path("var/lib/gated")
"""Where it is on a card: a whole card may be named by the folder that it is mounted on."""
MAX_FILE_BYTES = 4 * 2**30
_SIDE_FILES = ("-wal",)
_CHUNK = 500
_HASH_BYTES = 32
_MOST_AT_THE_END = 1_000_000
"""A file that says that it gave still more numbers is damaged just there."""


class Standing(enum.StrEnum):
    """How far the chain speaks for an event."""

    SOUND = "sound"  # it is what was recorded
    UNPROVEN = "unproven"  # the event before it is missing or damaged: nothing speaks against it
    BROKEN = "broken"  # the body or its hash is not what was recorded


USABLE = frozenset({Standing.SOUND, Standing.UNPROVEN})
"""What a collector may take in."""


@dataclass(frozen=True, slots=True)
class SalvagedEvent:
    """One event that was found. ``link`` opens the body's commitment, if it was found as well."""

    seq: int
    body: bytes
    standing: Standing
    hash: bytes  # h(seq), as the file has it
    link: PersonLink | None = None


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was found of one ledger file."""

    source: Path
    site: str
    gate: str
    epoch: str
    events: tuple[SalvagedEvent, ...]  # in the order of seq
    missing: tuple[tuple[int, int], ...]  # closed ranges that the file once had
    acked_upto: int | None  # up to here the collector has everything; None: not known
    damage: str = ""  # what SQLite said, if it could not read all of it
    is_end_known: bool = True  # whether the file still says how many events it had

    def count(self, standing: Standing) -> int:
        """Return how many events stand so."""
        return sum(event.standing is standing for event in self.events)

    @property
    def lost(self) -> int:
        """Return how many missing events the collector is not known to have."""
        acked = self.acked_upto or 0
        return sum(last - max(first, acked + 1) + 1 for first, last in self.missing if last > acked)


class _Said(NamedTuple):
    """What is needed of a record: whole ones of a long ledger would fill a small machine."""

    place: tuple[str, str, str]  # site, gate, epoch
    prev: str
    commitment: object


@dataclass(slots=True)
class _Found:
    """What a file gave, before it is judged."""

    rows: dict[int, FoundRow] = field(default_factory=dict)
    links: dict[int, PersonLink] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    newest_given: int = 0
    damage: str = ""


def ledger_files(place: Path) -> list[Path]:
    """Return the ledgers that ``place`` names: a file, a state folder, or a card's root.

    Raises: StorageError: there is none.
    """
    if place.is_file():
        return [place]
    for folder in (place, place / STATE_FOLDER):
        found = sorted(path for path in folder.glob(LEDGER_PATTERN) if path.is_file())
        if found:
            return found
    raise StorageError(f"no ledger in {place}: name a ledger*.db, a state folder or a card's root")


def salvage(path: Path, work: Path) -> Salvaged:
    """Return what can be read of the ledger at ``path``. ``work`` is a folder with room for a copy.

    Raises: StorageError: a gate runs on it, it cannot be copied, or it holds no event.
    """
    _refuse_running(path)
    with tempfile.TemporaryDirectory(dir=work, prefix=".salvage-") as folder:
        copy = Path(folder) / "ledger.db"
        with translated("copy", path):
            if path.stat().st_size > MAX_FILE_BYTES:
                raise StorageError(f"{path} is too large for a ledger")
            for side in ("", *_SIDE_FILES):
                source = Path(f"{path}{side}")
                if source.exists():
                    shutil.copyfile(source, f"{copy}{side}")
        found = _ask_sqlite(copy)  # which only reads
        if found.damage:
            _search_pages(copy, found)
    return _judge(path, found)


def _search_pages(copy: Path, found: _Found) -> None:
    """Add the rows to which SQLite did not lead."""
    with contextlib.ExitStack() as stack:
        pages = [_mapped(Path(f"{copy}{side}"), stack) for side in ("", *_SIDE_FILES)]
        for row in find_rows(*pages):
            found.rows.setdefault(row.seq, row)


def _mapped(path: Path, stack: contextlib.ExitStack) -> bytes | mmap.mmap:
    """Return what stands in the file, without reading it as a whole; b"" where there is none."""
    if not path.exists() or path.stat().st_size == 0:
        return b""
    file = stack.enter_context(path.open("rb"))
    return stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _refuse_running(path: Path) -> None:
    """Raise StorageError if a controller writes this file: a copy of it would be torn."""
    lock = path.with_name(f"{path.name}.lock")
    if not lock.exists():
        return
    with translated("look at", lock), lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise StorageError(
                f"a gate runs on {path}: use `gated ledger export`, or stop it first"
            ) from exc


# --- what SQLite gives ----------------------------------------------------------------------------


def _ask_sqlite(copy: Path) -> _Found:
    """Return everything to which the copy leads, and what was wrong on the way."""
    found = _Found()
    try:
        db = connect_reader(copy)
    except DATABASE_ERRORS as exc:
        found.damage = _in_words(exc)
        return found
    with contextlib.closing(db):
        db.text_factory = lambda data: data.decode(errors="replace")
        try:
            found.meta = {str(k): str(v) for k, v in db.execute("SELECT k, v FROM meta")}
            given = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
            found.newest_given = int(given[0]) if given else 0
            (answer,) = db.execute("PRAGMA quick_check(1)").fetchone()
            found.damage = "" if answer == "ok" else str(answer)
        except (*DATABASE_ERRORS, ValueError, TypeError) as exc:
            found.damage = _in_words(exc)
        try:
            for row in _events(db):
                found.rows[row.seq] = row
        except DATABASE_ERRORS as exc:
            found.damage = found.damage or _in_words(exc)
        with contextlib.suppress(*DATABASE_ERRORS):
            for seq, holder_ref, salt in db.execute("SELECT seq, holder_ref, salt FROM link"):
                found.links[seq] = PersonLink(holder_ref, salt)
    return found


def _in_words(exc: Exception) -> str:
    return str(exc) if isinstance(exc, sqlite3.Error) else "its texts are damaged"


def _events(db: sqlite3.Connection) -> Iterator[FoundRow]:
    after = 0
    while True:
        rows = db.execute(
            "SELECT seq, hash, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (after, _CHUNK)
        ).fetchall()
        for seq, digest, body in rows:
            if isinstance(digest, bytes) and isinstance(body, bytes):
                yield FoundRow(seq, digest, body)
        if len(rows) < _CHUNK:
            return
        after = rows[-1][0]


# --- what the chain says of it --------------------------------------------------------------------


def _judge(path: Path, found: _Found) -> Salvaged:
    records = {seq: record for seq, row in found.rows.items() if (record := _record(row))}
    whose = Counter(record.place for record in records.values())
    if not whose:
        raise StorageError(f"{path} holds no event that can be read: {found.damage or 'empty'}")
    place, _ = whose.most_common(1)[0]
    site, gate, epoch = place
    records = {seq: record for seq, record in records.items() if record.place == place}
    anchor_seq, anchor_hash = _anchor(found.meta)
    standings = _standings(found.rows, records, {anchor_seq: anchor_hash, 0: GENESIS})
    events = tuple(
        SalvagedEvent(
            seq, row.body, standings[seq], row.hash, _link_of(found.links.get(seq), records[seq])
        )
        if seq in records
        else SalvagedEvent(seq, row.body, Standing.BROKEN, row.hash)
        for seq, row in sorted(found.rows.items())
    )
    usable = [seq for seq, standing in sorted(standings.items()) if standing in USABLE]
    newest = max(records)
    is_end_known = newest <= found.newest_given <= newest + _MOST_AT_THE_END
    return Salvaged(
        source=path,
        site=site,
        gate=gate,
        epoch=epoch,
        events=events,
        missing=tuple(
            _holes(usable, anchor_seq + 1, found.newest_given if is_end_known else newest)
        ),
        acked_upto=_whole(found.meta.get("acked_upto")),
        damage=found.damage,
        is_end_known=is_end_known,
    )


def _record(row: FoundRow) -> _Said | None:
    """Return the record in a row, or None for one that is damaged or stands in another's place.

    The file may be anybody's: its names become names of files, and its bodies lines.
    """
    try:
        record = parse_record(row.body)
    except WireError:
        return None
    is_ours = is_name(record.site) and is_name(record.gate) and b"\n" not in row.body
    if not is_ours or record.seq != row.seq:
        return None
    place = (sys.intern(record.site), sys.intern(record.gate), sys.intern(record.epoch))
    return _Said(place, record.prev, record.member("holder_commitment"))


def _standings(
    rows: Mapping[int, FoundRow], records: Mapping[int, _Said], known: Mapping[int, bytes]
) -> dict[int, Standing]:
    """Return how each of ``records`` stands. ``known`` are hashes that are given, by seq.

    A body is proven by the event before it and by its own hash, or by what the event after it
    quotes of that hash: either of the two may be what was damaged.
    """
    hashes = dict(known)
    standings: dict[int, Standing] = {}
    for seq, record in sorted(records.items()):
        row, before = rows[seq], hashes.get(seq - 1)
        if before is None or before[:8].hex() != record.prev:
            standings[seq] = Standing.UNPROVEN
            hashes[seq] = row.hash
            continue
        digest = chain_hash(before, seq, row.body)
        after = records.get(seq + 1)
        is_quoted = after is not None and after.prev == digest[:8].hex()
        is_sound = digest == row.hash or is_quoted
        standings[seq] = Standing.SOUND if is_sound else Standing.BROKEN
        hashes[seq] = digest if is_sound else row.hash
    return standings


def _link_of(link: PersonLink | None, record: _Said) -> PersonLink | None:
    is_its = link is not None and commit_to_holder(link) == record.commitment
    return link if is_its else None


def _holes(present: list[int], first: int, newest: int) -> Iterator[tuple[int, int]]:
    expected = min([first, *present[:1]])
    for seq in (*present, newest + 1):
        if seq > expected:
            yield expected, seq - 1
        expected = seq + 1


def _anchor(meta: Mapping[str, str]) -> tuple[int, bytes]:
    seq = _whole(meta.get("anchor_seq"))
    try:
        digest = bytes.fromhex(meta.get("anchor_hash", ""))
    except ValueError:
        digest = b""
    return (seq, digest) if seq is not None and len(digest) == _HASH_BYTES else (0, GENESIS)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
