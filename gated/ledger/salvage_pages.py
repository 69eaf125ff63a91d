"""Finds events in the raw pages of a damaged ledger, where SQLite can no longer lead to them.

A row of ``event`` stands in one leaf page, and what does not fit there in a chain of overflow
pages. Its own columns tell it apart from anything else, so neither the tables of contents above it
nor the header are needed. Layout: sqlite.org/fileformat2.html §1.5, 1.6, 2.1 and 4. Pure.
"""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gated.wire import MAX_BODY_BYTES

DEFAULT_PAGE_BYTES = 1024
"""What ledgers are made with: taken for granted where the header is damaged."""
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_LEAF = 0x0D
_LEAF_HEADER_BYTES = 8
_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_MIN_PAGE_BYTES, _MAX_PAGE_BYTES = 512, 65_536
_MAX_PAYLOAD_BYTES = MAX_BODY_BYTES + 1_024
_COLUMNS = 9  # seq (as NULL), at_ms, is_timed, kind, outcome, visit_id, drill, hash, body
_HASH, _BODY = 7, 8
_HASH_BYTES = 32
_FIRST_BLOB = 12  # of the serial types: even ones are blobs, odd ones texts
_NUMBER_BYTES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
_BODY_BEGIN = b'{"v":1,"kind":"'

Raw = bytes | mmap.mmap
_Page = Callable[[int], bytes | None]


class _Damaged(Exception):
    """This is no row of ours, or not any more."""


@dataclass(frozen=True, slots=True)
class FoundRow:
    """One event as its row says; nothing of it is verified."""

    seq: int
    hash: bytes
    body: bytes


def find_rows(database: Raw, wal: Raw) -> Iterator[FoundRow]:
    """Yield every row that looks like an event, in no order; the same one may come twice."""
    page_bytes, usable_bytes = _sizes(database)
    newer = _pages_of_wal(wal, page_bytes)
    older = len(database) // page_bytes

    def in_file(number: int) -> bytes | None:
        start = (number - 1) * page_bytes
        return database[start : start + page_bytes] if 0 < number <= older else None

    def now(number: int) -> bytes | None:
        return newer.get(number) or in_file(number)

    # Twice: a log that is damaged itself may hide pages of the database that are whole.
    for read, numbers in (
        (now, sorted(newer.keys() | range(1, older + 1))),
        (in_file, sorted(newer.keys() & range(1, older + 1))),
    ):
        for number in numbers:
            yield from _rows_of_page(number, read, usable_bytes)


def _sizes(database: Raw) -> tuple[int, int]:
    """Return the bytes of a page, and those of them that SQLite uses."""
    if database[: len(_MAGIC)] != _MAGIC:
        return DEFAULT_PAGE_BYTES, DEFAULT_PAGE_BYTES
    said = int.from_bytes(database[16:18], "big")
    page_bytes = _MAX_PAGE_BYTES if said == 1 else said
    if page_bytes & (page_bytes - 1) or not _MIN_PAGE_BYTES <= page_bytes <= _MAX_PAGE_BYTES:
        page_bytes = DEFAULT_PAGE_BYTES
    reserved = database[20]
    return page_bytes, page_bytes - (reserved if reserved <= page_bytes - 480 else 0)


def _pages_of_wal(wal: Raw, page_bytes: int) -> Mapping[int, bytes]:
    """Return the newest page of each number in the log.

    Its checksums are not asked: each builds on the one before, so one flipped bit would hide every
    later frame. The chain of the events says which bodies are sound.
    """
    pages: dict[int, bytes] = {}
    salts = wal[16:24]
    frame_bytes = _FRAME_HEADER_BYTES + page_bytes
    for start in range(_WAL_HEADER_BYTES, len(wal) - frame_bytes + 1, frame_bytes):
        head = wal[start : start + _FRAME_HEADER_BYTES]
        if head[8:16] == salts:  # else it is of an earlier round of the log
            page = wal[start + _FRAME_HEADER_BYTES : start + frame_bytes]
            pages[int.from_bytes(head[:4], "big")] = page
    return pages


def _rows_of_page(number: int, read: _Page, usable_bytes: int) -> Iterator[FoundRow]:
    page = read(number)
    start = _HEADER_BYTES if number == 1 else 0
    if page is None or len(page) <= start + _LEAF_HEADER_BYTES or page[start] != _LEAF:
        return
    cells = int.from_bytes(page[start + 3 : start + 5], "big")
    first = start + _LEAF_HEADER_BYTES
    for at in range(first, min(first + 2 * cells, len(page) - 1), 2):
        try:
            yield _row(page, int.from_bytes(page[at : at + 2], "big"), read, usable_bytes)
        except _Damaged:
            continue


def _row(page: bytes, at: int, read: _Page, usable_bytes: int) -> FoundRow:
    payload_bytes, at = _varint(page, at)
    seq, at = _varint(page, at)
    if not 0 < payload_bytes <= _MAX_PAYLOAD_BYTES or not 0 < seq < 2**63:
        raise _Damaged
    local = _local_bytes(payload_bytes, usable_bytes)
    payload = page[at : at + local]
    if local < payload_bytes:
        after = int.from_bytes(page[at + local : at + local + 4], "big")
        payload += _overflow(after, payload_bytes - local, read, usable_bytes)
    columns = _columns(payload)
    digest, body = columns[_HASH], columns[_BODY]
    if len(digest) != _HASH_BYTES or not body.startswith(_BODY_BEGIN):
        raise _Damaged
    return FoundRow(seq, digest, body)


def _local_bytes(payload_bytes: int, usable_bytes: int) -> int:
    """Return how much of a payload stands in the leaf itself (§1.6)."""
    most = usable_bytes - 35
    if payload_bytes <= most:
        return payload_bytes
    least = (usable_bytes - 12) * 32 // 255 - 23
    fitting = least + (payload_bytes - least) % (usable_bytes - 4)
    return fitting if fitting <= most else least


def _overflow(number: int, wanted_bytes: int, read: _Page, usable_bytes: int) -> bytes:
    content = b""
    while len(content) < wanted_bytes:  # every page brings some, so a ring of pages ends as well
        page = read(number)
        if page is None or len(page) < usable_bytes:
            raise _Damaged
        number, content = int.from_bytes(page[:4], "big"), content + page[4:usable_bytes]
    return content[:wanted_bytes]


def _columns(payload: bytes) -> list[bytes]:
    """Return the bytes of each column of a row of ``event``."""
    header_bytes, at = _varint(payload, 0)
    types: list[int] = []
    while at < header_bytes and len(types) <= _COLUMNS:
        kind, at = _varint(payload, at)
        types.append(kind)
    is_event = len(types) == _COLUMNS and at == header_bytes and types[0] == 0
    if not is_event or any(types[n] < _FIRST_BLOB or types[n] % 2 for n in (_HASH, _BODY)):
        raise _Damaged
    sizes = [_column_bytes(kind) for kind in types]
    ends = list(itertools.accumulate(sizes, initial=at))
    if ends[-1] != len(payload):
        raise _Damaged
    return [payload[start:end] for start, end in itertools.pairwise(ends)]


def _column_bytes(kind: int) -> int:
    if kind >= _FIRST_BLOB:
        return (kind - _FIRST_BLOB) // 2
    if kind >= len(_NUMBER_BYTES):
        raise _Damaged
    return _NUMBER_BYTES[kind]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return (value, where it ends) of a number of 1 to 9 bytes."""
    value = 0
    for n, byte in enumerate(data[at : at + 9]):
        if n == 8:  # noqa: PLR2004  the ninth byte counts whole
            return (value << 8) | byte, at + 9
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:  # noqa: PLR2004
            return value, at + n + 1
    raise _Damaged
