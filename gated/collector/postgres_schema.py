"""The tables of the collector's PostgreSQL schema ``gated``. See docs/collector.md.

Every row that is about a lane is written by whoever holds that lane's row in ``lane``, so any
number of ingesters may share one database. A change of these tables is one more entry in
``MIGRATIONS``, never another text of an earlier one.
"""

from __future__ import annotations

from gated.collector.batch_tables import RECORD_COLUMNS
from gated.vocabulary import TO_MEASURE

SCHEMA = "gated"

_VISITS = """\
  SELECT v.site, v.gate, v.epoch, v.seq, v.visit_id, to_timestamp(v.corrected_at_ms / 1000.0) AS at,
         v.corrected_at_ms AS at_ms, v.corrected_quality AS time_quality, v.drill, v.mode,
         v.direction, v.outcome, v.reason, v.would_have, v.body_c, v.threshold_c, v.attempt,
         v.holder_category, v.holder_group,
         (SELECT p.result FROM record AS p
          WHERE p.visit_id = v.visit_id AND p.kind = 'passage'
            AND p.site = v.site AND p.gate = v.gate AND p.epoch = v.epoch
          ORDER BY p.seq DESC LIMIT 1) AS passage,
         (SELECT r.result FROM record AS r
          WHERE r.visit_id = v.visit_id AND r.kind = 'release'
            AND r.site = v.site AND r.gate = v.gate AND r.epoch = v.epoch
          ORDER BY r.seq DESC LIMIT 1) AS release{more}
  FROM record AS v WHERE v.kind = 'visit'"""

_TABLES = """
CREATE TABLE meta (
  key   text PRIMARY KEY,
  value text NOT NULL
);
CREATE TABLE counter (              -- locked until the commit: no reader passes over a number
  name  text PRIMARY KEY,
  value bigint NOT NULL
);
INSERT INTO counter VALUES ('session', 0), ('record', 0), ('use', 0);
CREATE TABLE lane (
  site text NOT NULL,
  gate text NOT NULL,
  PRIMARY KEY (site, gate)
);

CREATE TABLE record (
  id                bigint PRIMARY KEY,  -- order of arrival, never used twice
  site              text NOT NULL,
  gate              text NOT NULL,
  epoch             text NOT NULL,
  seq               bigint NOT NULL,
  kind              text NOT NULL,
  received_at_ms    bigint NOT NULL,
  body              bytea,               -- NULL: unreadable, see quarantine
  body_sha          bytea NOT NULL,
  prev              bytea,
  chain             bytea,               -- h(seq); NULL beyond a hole
  at_ms             bigint,
  at                text,
  time_quality      text,
  boot              bigint,
  boot_ms           bigint,
  mode              text,
  drill             boolean,
  visit_id          text,
  direction         text,
  outcome           text,
  reason            text,
  would_have        text,
  body_c            double precision,
  threshold_c       double precision,
  attempt           bigint,
  holder_category   text,
  holder_group      text,
  result            text,
  alarm             text,
  device            text,
  corrected_at_ms   bigint,
  corrected_quality text,
  UNIQUE (site, gate, epoch, seq)
);
CREATE INDEX record_at ON record (at_ms);
CREATE INDEX record_corrected ON record (corrected_at_ms);
CREATE INDEX record_undated ON record (site, gate, epoch, seq) WHERE time_quality = 'unknown';
-- hash: a btree refuses what is longer than a third of a page
CREATE INDEX record_of_visit ON record USING hash (visit_id) WHERE kind IN ('passage', 'release');

CREATE TABLE link (
  site          text NOT NULL,
  gate          text NOT NULL,
  epoch         text NOT NULL,
  seq           bigint NOT NULL,
  holder_ref    text NOT NULL,
  salt          text NOT NULL,
  expires_at_ms bigint NOT NULL,
  PRIMARY KEY (site, gate, epoch, seq)
);
CREATE INDEX link_expiry ON link (expires_at_ms);

CREATE TABLE quarantine (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  problem        text NOT NULL,
  site           text NOT NULL,
  gate           text NOT NULL,
  epoch          text NOT NULL,
  seq            bigint NOT NULL,
  topic          text NOT NULL,
  body           bytea,
  body_sha       bytea NOT NULL,
  error          text NOT NULL,
  received_at_ms bigint NOT NULL,
  resolved       boolean NOT NULL DEFAULT false,
  UNIQUE (problem, site, gate, epoch, seq, body_sha)
);

CREATE TABLE progress (
  site              text NOT NULL,
  gate              text NOT NULL,
  epoch             text NOT NULL,
  upto              bigint NOT NULL,
  hash              bytea NOT NULL,
  highest           bigint NOT NULL,
  first_received_ms bigint NOT NULL,
  PRIMARY KEY (site, gate, epoch)
);

CREATE TABLE lost (
  site        text NOT NULL,
  gate        text NOT NULL,
  epoch       text NOT NULL,
  first_seq   bigint NOT NULL,
  last_seq    bigint NOT NULL,
  noted_at_ms bigint NOT NULL,
  PRIMARY KEY (site, gate, epoch, first_seq)
);

CREATE TABLE clock_anchor (
  site    text NOT NULL,
  gate    text NOT NULL,
  epoch   text NOT NULL,
  boot    bigint NOT NULL,
  quality text NOT NULL,
  seq     bigint NOT NULL,
  boot_ms bigint NOT NULL,
  at_ms   bigint NOT NULL,
  PRIMARY KEY (site, gate, epoch, boot, quality)
);

CREATE TABLE gate (
  site             text NOT NULL,
  gate             text NOT NULL,
  state            text,                -- JSON, but no type of JSON here takes every string
  state_epoch      text,
  online           boolean NOT NULL DEFAULT false,
  session          bigint,
  session_since_ms bigint,
  state_at_ms      bigint,
  last_seen_ms     bigint NOT NULL,
  PRIMARY KEY (site, gate)
);

CREATE TABLE pass_use (
  change      bigint PRIMARY KEY,
  site        text NOT NULL,
  gate        text NOT NULL,
  epoch       text NOT NULL,
  seq         bigint NOT NULL,
  pass_ref    text NOT NULL,
  direction   text NOT NULL,
  zone        text,
  at_ms       bigint NOT NULL,
  code_made_s bigint,
  given_back  boolean NOT NULL,
  UNIQUE (site, gate, epoch, seq)
);
CREATE INDEX pass_use_of_site ON pass_use (site, change);

CREATE TABLE uses_stored (
  site  text NOT NULL,
  gate  text NOT NULL,
  epoch text NOT NULL,
  upto  bigint NOT NULL,
  PRIMARY KEY (site, gate)
);

CREATE VIEW visits AS
{visits};
CREATE VIEW entries_per_hour AS
  SELECT site, gate, to_timestamp(corrected_at_ms / 3600000 * 3600) AS hour, direction, outcome,
         count(*) AS visits
  FROM record
  WHERE kind = 'visit' AND NOT drill AND corrected_at_ms IS NOT NULL
  GROUP BY 1, 2, 3, 4, 5;
CREATE VIEW alarms AS
  SELECT id, site, gate, epoch, seq, to_timestamp(corrected_at_ms / 1000.0) AS at,
         corrected_at_ms AS at_ms, corrected_quality AS time_quality, alarm, device, visit_id, drill
  FROM record WHERE kind = 'alarm'
"""

_FOLLOW_UPS = f"""
SET LOCAL statement_timeout = 0;    -- reads every record once
ALTER TABLE record ADD COLUMN follow_up text;
UPDATE record SET follow_up = '{TO_MEASURE}'
  WHERE kind = 'visit' AND position('"follow_up":"{TO_MEASURE}"'::bytea IN body) > 0;
CREATE OR REPLACE VIEW visits AS    -- keeps the rights that others were given
{_VISITS.format(more=", v.follow_up")}
"""  # noqa: S608 - our own words

MIGRATIONS: tuple[str, ...] = (_TABLES.format(visits=_VISITS.format(more="")), _FOLLOW_UPS)
"""What makes version n of version n - 1, in one transaction each."""

COPY_RECORDS = f"COPY record (id, {', '.join(RECORD_COLUMNS)}) FROM STDIN (FORMAT BINARY)"
_TYPE_OF_COLUMN = {
    **dict.fromkeys(("body", "body_sha", "prev", "chain"), "bytea"),
    **dict.fromkeys(("body_c", "threshold_c"), "float8"),
    **dict.fromkeys(("seq", "received_at_ms", "at_ms", "boot", "boot_ms", "attempt"), "int8"),
    "corrected_at_ms": "int8",
    "drill": "bool",
}
COPIED_TYPES = ["int8", *(_TYPE_OF_COLUMN.get(name, "text") for name in RECORD_COLUMNS)]
"""Of the columns of COPY_RECORDS: its binary form converts nothing."""
