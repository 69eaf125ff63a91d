"""The tables of ``ledger.db``. Meaning of each column: docs/ledger.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gated.ledger import shared_uses

SCHEMA_VERSION = 2
READABLE_SCHEMAS = (1, 2)
"""The events of both are the same: a reader takes either, also of a file that was set aside."""

TABLES = f"""
CREATE TABLE meta (              -- schema, epoch, site, gate, made_at, software,
    k TEXT PRIMARY KEY,          -- anchor_seq, anchor_hash, acked_upto, acked_by,
    v TEXT NOT NULL              -- how, previous_epoch, detail, aside: of a file that follows one
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- a plain rowid starts again at 1 after a deletion
    at_ms INTEGER NOT NULL,                 -- wall clock as seen, ms since 1970 UTC
    is_timed INTEGER NOT NULL,              -- 0: time_quality was unknown
    kind TEXT NOT NULL,
    outcome TEXT,                           -- or a passage's result, an alarm's name
    visit_id TEXT,
    drill INTEGER NOT NULL,
    hash BLOB NOT NULL,                     -- h(seq)
    body BLOB NOT NULL
) STRICT;

CREATE TABLE link (              -- the deletable opening of a body's holder_commitment
    seq INTEGER PRIMARY KEY REFERENCES event (seq) ON DELETE CASCADE,
    holder_ref TEXT NOT NULL,
    salt TEXT NOT NULL,
    made_ms INTEGER              -- NULL: the clock was unknown; set once it is known
) STRICT;

CREATE TABLE open_visit (        -- a passage outcome is awaited
    visit_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pass_use (          -- one row for each pass; outlives the events
    pass_ref TEXT PRIMARY KEY,
    uses INTEGER NOT NULL,
    direction TEXT NOT NULL,     -- of the newest use
    at_ms INTEGER NOT NULL,      -- of the newest use; cut to the day with the person link
    newest_code_s INTEGER        -- of a changing pass: when its newest accepted code was made
) STRICT, WITHOUT ROWID;

CREATE TABLE open_use (          -- a use that may still be given back; gone when its visit closes
    visit_id TEXT NOT NULL,
    pass_ref TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    direction_before TEXT,
    at_ms_before INTEGER,
    PRIMARY KEY (visit_id, pass_ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE setting (           -- mode, drill, counters: small values that must survive
    k TEXT PRIMARY KEY,
    v TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE boot (
    n INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL UNIQUE
) STRICT;
{shared_uses.TABLES}"""

MIGRATIONS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        1: (
            "ALTER TABLE pass_use ADD COLUMN newest_code_s INTEGER",
            *shared_uses.STATEMENTS,
        )
    }
)
"""What makes the tables of one schema those of the next."""

CARRIED_TABLES_OF_1 = {
    "setting": "k, v",
    "pass_use": "pass_ref, uses, direction, at_ms, NULL",
    "open_use": "visit_id, pass_ref, at_ms, direction_before, at_ms_before",
    "open_visit": "visit_id, seq - 4503599627370496",  # before every visit of the new epoch
    "boot": "n, boot_id",
}
"""The same as below, of a file of schema 1."""

CARRIED_TABLES = CARRIED_TABLES_OF_1 | {
    "pass_use": "pass_ref, uses, direction, at_ms, newest_code_s",
    **shared_uses.CARRIED,
}
"""What a new epoch takes over from the file before it, as far as that can be read: every column."""
