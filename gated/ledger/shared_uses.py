"""Uses of passes that a site's gates share: what this one tells, and what it was told. SQL only.

``own_use`` is what the others must learn, ``site_use`` what they told. Both lead from a pass to an
event, so both end with the person links; of ``site_use`` a count for each pass is left
(``site_total``), as ``pass_use`` is of our own. Functions run inside the caller's transaction.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from pydantic import ValidationError

from gated.uses import SharedUse, UseAt, believable
from gated.vocabulary import Direction
from gated.wire import PassUse

TABLES = """
CREATE TABLE own_use (           -- what the site's other gates must learn of ours
    n INTEGER PRIMARY KEY AUTOINCREMENT,  -- counts changes: a use given back gets a new number
    epoch TEXT NOT NULL,         -- with seq: the event that used the pass
    seq INTEGER NOT NULL,
    visit_id TEXT NOT NULL,
    pass_ref TEXT NOT NULL,
    direction TEXT NOT NULL,
    zone TEXT,
    at_ms INTEGER,               -- NULL: the clock was unknown
    code_made_s INTEGER,
    given_back INTEGER NOT NULL
) STRICT;

CREATE TABLE site_use (          -- what they told of theirs
    gate TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    pass_ref TEXT NOT NULL,
    direction TEXT NOT NULL,
    zone TEXT,
    at_ms INTEGER NOT NULL,
    code_made_s INTEGER,
    given_back INTEGER NOT NULL,
    PRIMARY KEY (gate, epoch, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX site_use_of_pass ON site_use (pass_ref);

CREATE INDEX site_use_by_age ON site_use (at_ms);

CREATE TABLE site_total (        -- what is left of that when its person links are gone
    pass_ref TEXT PRIMARY KEY,
    uses INTEGER NOT NULL,       -- that count at our gate: into its zone, its way
    direction TEXT NOT NULL,     -- of the newest use of its zone
    at_ms INTEGER,               -- of the newest use of its zone, cut to the day; NULL: none
    newest_code_s INTEGER        -- of a changing pass, moved up to the end of its day
) STRICT, WITHOUT ROWID;

CREATE TABLE uses_taken (        -- up to where uplink.db was read; a new epoch reads it anew
    one INTEGER PRIMARY KEY CHECK (one = 1),
    inbox TEXT NOT NULL,         -- which file uplink.db was
    id INTEGER NOT NULL
) STRICT;
"""
STATEMENTS = tuple(part for part in TABLES.split(";\n") if part.strip())
CARRIED = {
    "own_use": "n, epoch, seq, visit_id, pass_ref, direction, zone, at_ms, code_made_s, given_back",
    "site_use": "gate, epoch, seq, pass_ref, direction, zone, at_ms, code_made_s, given_back",
    "site_total": "pass_ref, uses, direction, at_ms, newest_code_s",
}
"""What a new epoch takes over from the file before it."""

_NONE = Direction.UNKNOWN
_DAY_MS = 86_400_000
_DAY_S = 86_400
_OWN = "epoch, seq, visit_id, pass_ref, direction, zone, at_ms, code_made_s, given_back"
MAX_OF_A_GATE = 150_000
"""Uses that one gate may have told: of 21 days, the longest that they are kept, 7,000 each. Whoever
tells more is no gate, and would fill our disk until nothing can be recorded here either."""
_CHANGES_BACK = 200
"""A use is given back, or made twice, within seconds: so many changes are searched for it."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which uses elsewhere count at our gate: those of its zone, and the same way.

    Somebody goes into the yard and then into a house of it, in and then out; one use each.
    """

    zone: str | None = None
    direction: Direction = Direction.IN
    is_on: bool = True


class UsesElsewhere(NamedTuple):
    """How one pass was used at the site's other gates."""

    uses: int  # into our zone and our way, not given back
    direction: Direction  # of the newest use of our zone, either way
    at_ms: int | None  # of that; None: there is none
    newest_code_s: int | None = None  # at any gate of the site, given back or not


class Span(NamedTuple):
    """The time of which uses are kept."""

    oldest_ms: int
    now_ms: int | None  # None: our clock is unknown


class Taken(NamedTuple):
    """Up to where an ``uplink.db`` was read: its name, and the id of its last row."""

    inbox: str
    id: int


@dataclass(frozen=True, slots=True)
class Told:
    """A chunk of what other gates told, as it stands in ``uplink.db``."""

    taken: Taken  # once these are stored
    uses: tuple[UseAt, ...]
    is_all: bool  # nothing waits behind them


# --- what we tell ---------------------------------------------------------------------------------


def note_own(
    db: sqlite3.Connection,
    event: tuple[str, int],
    visit_use: tuple[str, PassUse],
    sharing: Sharing,
    *,
    at_ms: int | None,
) -> None:
    """Note a visit's use by ``event`` (epoch, seq); a second one by the visit is the same use."""
    if not sharing.is_on:
        return
    visit_id, use = visit_use
    db.execute(
        f"INSERT INTO own_use ({_OWN})"  # noqa: S608  constant
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0 WHERE NOT EXISTS"
        " (SELECT 1 FROM own_use WHERE n > ?9 AND visit_id = ?3 AND pass_ref = ?4)",
        (
            *(*event, visit_id, use.pass_ref, use.direction.value, sharing.zone, at_ms),
            use.code_made_s,
            newest_own(db) - _CHANGES_BACK,
        ),
    )


def note_given_back(db: sqlite3.Connection, visit_id: str) -> None:
    """Note that the uses of ``visit_id`` are given back: nobody passed."""
    since = newest_own(db) - _CHANGES_BACK
    rows = db.execute(
        "DELETE FROM own_use WHERE n > ? AND visit_id = ? AND NOT given_back"
        " RETURNING epoch, seq, visit_id, pass_ref, direction, zone, at_ms, code_made_s, 1",
        (since, visit_id),
    ).fetchall()
    db.executemany(
        f"INSERT INTO own_use ({_OWN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  constant
        rows,
    )


def newest_own(db: sqlite3.Connection) -> int:
    """Return the number of our newest change, 0 before the first."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'own_use'").fetchone()
    return int(row[0]) if row else 0


def own_after(db: sqlite3.Connection, after: int, limit: int) -> list[tuple[int, SharedUse]]:
    """Return at most ``limit`` of our changes with a greater number, in order."""
    rows = db.execute(
        "SELECT n, epoch, seq, pass_ref, direction, zone, at_ms, code_made_s, given_back"
        " FROM own_use WHERE n > ? ORDER BY n LIMIT ?",
        (after, limit),
    ).fetchall()
    changes: list[tuple[int, SharedUse]] = []
    for n, epoch, seq, pass_ref, direction, zone, at_ms, code_made_s, given_back in rows:
        with contextlib.suppress(ValidationError):  # a damaged file; the rest is good
            use = SharedUse(
                epoch=epoch,
                seq=seq,
                pass_ref=pass_ref,
                direction=_parse_direction(direction),
                zone=zone,
                at_ms=at_ms,
                code_made_s=code_made_s,
                given_back=bool(given_back),
            )
            changes.append((int(n), use))
    return changes


def _parse_direction(text: str) -> Direction:
    """Return the direction in ``text``; UNKNOWN for one that a damaged file made up."""
    return Direction(text) if text in set(Direction) else Direction.UNKNOWN


# --- what we were told ----------------------------------------------------------------------------


def merge(
    db: sqlite3.Connection,
    uses: Iterable[UseAt],
    *,
    us: tuple[str, str],
    span: Span,
    most: int = MAX_OF_A_GATE,
) -> frozenset[str]:
    """Take ``uses`` over; return the passes of which something is new.

    ``us`` is our gate's name and our ledger's epoch. Our own uses come back too; those of an
    earlier ledger are news where its file was lost. What is older than ``span`` would be forgotten
    at once, and may have been counted and forgotten before. Of a gate that has told ``most`` uses
    only returns are taken.
    """
    gate, epoch = us
    changed: set[str] = set()
    has_room: dict[str, bool] = {}
    for told in uses:
        use = told if span.now_ms is None else believable(told, told.gate, span.now_ms)
        if use.at_ms is None or use.at_ms < span.oldest_ms:
            continue
        if use.gate == gate and (use.epoch == epoch or _is_our_own(db, use)):
            continue
        if use.gate not in has_room:
            has_room[use.gate] = _count_of(db, use.gate) < most
        if not has_room[use.gate] and not (use.given_back and _is_known(db, use)):
            continue
        row = db.execute(
            "INSERT INTO site_use VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET given_back = 1 WHERE excluded.given_back AND NOT given_back RETURNING pass_ref",
            (
                *(use.gate, use.epoch, use.seq, use.pass_ref, use.direction.value, use.zone),
                *(use.at_ms, use.code_made_s, use.given_back),
            ),
        ).fetchone()
        if row is not None:
            changed.add(str(row[0]))
    return frozenset(changed)


def _count_of(db: sqlite3.Connection, gate: str) -> int:
    row = db.execute("SELECT COUNT(*) FROM site_use WHERE gate = ?", (gate,)).fetchone()
    return int(row[0])


def _is_known(db: sqlite3.Connection, use: UseAt) -> bool:
    where = (use.gate, use.epoch, use.seq)
    row = db.execute("SELECT 1 FROM site_use WHERE (gate, epoch, seq) = (?, ?, ?)", where)
    return row.fetchone() is not None


def _is_our_own(db: sqlite3.Connection, use: UseAt) -> bool:
    where = (use.epoch, use.seq)
    row = db.execute("SELECT 1 FROM own_use WHERE epoch = ? AND seq = ?", where).fetchone()
    return row is not None


def take_over(
    db: sqlite3.Connection, told: Told, sharing: Sharing, *, us: tuple[str, str], span: Span
) -> dict[str, UsesElsewhere]:
    """Merge what was told, note that it is taken; return how those passes were used elsewhere."""
    changed = merge(db, told.uses, us=us, span=span)
    db.execute("INSERT OR REPLACE INTO uses_taken VALUES (1, ?, ?)", told.taken)
    return uses_of(db, changed, sharing)


def taken(db: sqlite3.Connection) -> Taken | None:
    """Return up to where uplink.db was read; None: nothing yet."""
    row = db.execute("SELECT inbox, id FROM uses_taken").fetchone()
    return None if row is None else Taken(str(row[0]), int(row[1]))


_USES = "pass_ref, direction, zone, at_ms, code_made_s, given_back"
_Row = tuple[str, str, str | None, int, int | None, int]
_TOTAL = "SELECT pass_ref, uses, direction, at_ms, newest_code_s FROM site_total"


def uses_of(
    db: sqlite3.Connection, pass_refs: Iterable[str], sharing: Sharing
) -> dict[str, UsesElsewhere]:
    """Return how each of ``pass_refs`` was used elsewhere."""
    found: dict[str, UsesElsewhere] = {}
    for ref in pass_refs:
        rows = db.execute(f"SELECT {_USES} FROM site_use WHERE pass_ref = ?", (ref,)).fetchall()  # noqa: S608  constant
        totals = _read_totals(db.execute(f"{_TOTAL} WHERE pass_ref = ?", (ref,)))
        found |= _by_pass(rows, totals, sharing)
    return found


def all_uses(db: sqlite3.Connection, sharing: Sharing) -> dict[str, UsesElsewhere]:
    """Return how every pass was used elsewhere; none where uses are not shared."""
    if not sharing.is_on:
        return {}
    rows = db.execute(f"SELECT {_USES} FROM site_use ORDER BY pass_ref").fetchall()  # noqa: S608  constant
    return _by_pass(rows, _read_totals(db.execute(_TOTAL)), sharing)


def _read_totals(rows: Iterable[tuple[str, int, str, int, int | None]]) -> dict[str, UsesElsewhere]:
    return {
        ref: UsesElsewhere(uses, _parse_direction(direction), at_ms, code_s)
        for ref, uses, direction, at_ms, code_s in rows
    }


def _by_pass(
    rows: Sequence[_Row], totals: Mapping[str, UsesElsewhere], sharing: Sharing
) -> dict[str, UsesElsewhere]:
    """Return the sum of each pass's total and rows; ``rows`` are in the order of passes."""
    found = dict(totals)
    for ref, of_pass in groupby(rows, itemgetter(0)):
        told = _sum_up(list(of_pass), sharing)
        found[ref] = told if ref not in totals else _together(totals[ref], told)
    return found


def _sum_up(rows: Sequence[_Row], sharing: Sharing) -> UsesElsewhere:
    """Return what the rows of one pass say together."""
    of_zone = [
        (at_ms, _parse_direction(direction))
        for _, direction, zone, at_ms, _, is_back in rows
        if zone == sharing.zone and not is_back
    ]
    # Of two at the same moment the one that shuts out: our own way.
    at_ms, last = max(
        of_zone, key=lambda use: (use[0], use[1] is sharing.direction), default=(None, _NONE)
    )
    return UsesElsewhere(
        sum(direction is sharing.direction for _, direction in of_zone),
        last,
        at_ms,
        max((row[4] for row in rows if row[4] is not None), default=None),
    )


def _together(one: UsesElsewhere, other: UsesElsewhere) -> UsesElsewhere:
    last = max(one, other, key=lambda uses: -1 if uses.at_ms is None else uses.at_ms)
    codes_s = [code_s for code_s in (one.newest_code_s, other.newest_code_s) if code_s is not None]
    uses = one.uses + other.uses
    return UsesElsewhere(uses, last.direction, last.at_ms, max(codes_s, default=None))


# --- what is forgotten ----------------------------------------------------------------------------


def forget(db: sqlite3.Connection, sharing: Sharing, span: Span, limit: int) -> int:
    """Forget at most ``limit`` uses that are older than ``span``; return how many.

    Of each pass a count is left, without event, gate or time of day: a pass for one use stays used.
    Our own uses that were made under an unknown clock count from the moment when it is known.
    """
    if span.now_ms is not None:
        db.execute("UPDATE own_use SET at_ms = ? WHERE at_ms IS NULL", (span.now_ms,))
    count = db.execute(
        "DELETE FROM own_use WHERE n IN (SELECT n FROM own_use WHERE at_ms < ? ORDER BY n LIMIT ?)",
        (span.oldest_ms, limit),
    ).rowcount
    rows: list[_Row] = db.execute(
        "DELETE FROM site_use WHERE (gate, epoch, seq) IN"  # noqa: S608  constant
        " (SELECT gate, epoch, seq FROM site_use WHERE at_ms < ? ORDER BY at_ms LIMIT ?)"
        f" RETURNING {_USES}",
        (span.oldest_ms, limit),
    ).fetchall()
    for ref, gone in _by_pass(sorted(rows, key=itemgetter(0)), {}, sharing).items():
        _add_to_total(db, ref, gone)
    return max(count, len(rows))


def _add_to_total(db: sqlite3.Connection, ref: str, gone: UsesElsewhere) -> None:
    at_ms, code_s = gone.at_ms, gone.newest_code_s
    if at_ms is not None:
        at_ms -= at_ms % _DAY_MS
    if code_s is not None:  # moved down, a used code could open again
        code_s += -code_s % _DAY_S
    total = gone._replace(at_ms=at_ms, newest_code_s=code_s)
    for before in _read_totals(db.execute(f"{_TOTAL} WHERE pass_ref = ?", (ref,))).values():
        total = _together(before, total)
    if total.at_ms is not None or total.newest_code_s is not None:
        db.execute("INSERT OR REPLACE INTO site_total VALUES (?, ?, ?, ?, ?)", _row(ref, total))


def _row(ref: str, total: UsesElsewhere) -> tuple[str, int, str, int | None, int | None]:
    return ref, total.uses, total.direction.value, total.at_ms, total.newest_code_s
