"""Corrected times and views in the collector's SQLite file: versions 3 and 4 of its tables."""

from __future__ import annotations

from gated.collector.corrections import MAX_BOOT_MS
from gated.vocabulary import TO_MEASURE

COLUMNS = """
ALTER TABLE record ADD COLUMN boot_ms INTEGER;
-- at_ms where that is known, and how far it can be believed
ALTER TABLE record ADD COLUMN corrected_at_ms INTEGER;
ALTER TABLE record ADD COLUMN corrected_quality TEXT;
CREATE INDEX record_corrected ON record (corrected_at_ms);
CREATE INDEX record_of_visit ON record (visit_id) WHERE kind IN ('passage', 'release');
CREATE TABLE clock_anchor (         -- the record by which a boot's unknown times are corrected
  site     TEXT NOT NULL,
  gate     TEXT NOT NULL,
  epoch    TEXT NOT NULL,
  boot     INTEGER NOT NULL,
  quality  TEXT NOT NULL,
  seq      INTEGER NOT NULL,
  boot_ms  INTEGER NOT NULL,
  at_ms    INTEGER NOT NULL,
  PRIMARY KEY (site, gate, epoch, boot, quality)
) STRICT, WITHOUT ROWID;
"""

FILL = f"""
UPDATE record SET
  boot_ms = CASE WHEN json_type(CAST(body AS TEXT), '$.boot_ms') = 'integer'
                  AND typeof(json_extract(CAST(body AS TEXT), '$.boot_ms')) = 'integer'
            THEN json_extract(CAST(body AS TEXT), '$.boot_ms') END,
  corrected_at_ms = CASE WHEN time_quality <> 'unknown' THEN at_ms END,
  corrected_quality = time_quality
WHERE body IS NOT NULL;
INSERT INTO clock_anchor
  SELECT site, gate, epoch, boot, time_quality, MIN(seq), boot_ms, at_ms  -- those of the least seq
  FROM record
  WHERE time_quality <> 'unknown' AND boot_ms BETWEEN 0 AND {MAX_BOOT_MS}
  GROUP BY site, gate, epoch, boot, time_quality;
UPDATE record SET (corrected_at_ms, corrected_quality) = (
    SELECT a.at_ms - a.boot_ms + record.boot_ms, a.quality FROM clock_anchor AS a
    WHERE a.site = record.site AND a.gate = record.gate AND a.epoch = record.epoch
      AND a.boot = record.boot
    ORDER BY a.quality DESC LIMIT 1)                                       -- trusted > holdover
WHERE time_quality = 'unknown' AND boot_ms BETWEEN 0 AND {MAX_BOOT_MS}
  AND EXISTS (
    SELECT 1 FROM clock_anchor AS a
    WHERE a.site = record.site AND a.gate = record.gate AND a.epoch = record.epoch
      AND a.boot = record.boot);
"""  # noqa: S608 - our own number

_TIME_OF = "strftime('%Y-%m-%dT%H:%M:%SZ', {} / 1000, 'unixepoch')"

_VISITS = f"""
CREATE VIEW visits AS
  SELECT v.site, v.gate, v.epoch, v.seq, v.visit_id, {_TIME_OF.format("v.corrected_at_ms")} AS at,
         v.corrected_at_ms AS at_ms, v.corrected_quality AS time_quality, v.drill, v.mode,
         v.direction, v.outcome, v.reason, v.would_have, v.body_c, v.threshold_c, v.attempt,
         v.holder_category, v.holder_group,
         (SELECT p.result FROM record AS p
          WHERE p.visit_id = v.visit_id AND p.kind IN ('passage', 'release') AND p.kind = 'passage'
            AND p.site = v.site AND p.gate = v.gate AND p.epoch = v.epoch
          ORDER BY p.seq DESC LIMIT 1) AS passage,
         (SELECT r.result FROM record AS r
          WHERE r.visit_id = v.visit_id AND r.kind IN ('passage', 'release') AND r.kind = 'release'
            AND r.site = v.site AND r.gate = v.gate AND r.epoch = v.epoch
          ORDER BY r.seq DESC LIMIT 1) AS release{{more}}
  FROM record AS v WHERE v.kind = 'visit';
"""  # noqa: S608 - our own names
VIEWS = f"""{_VISITS.format(more="")}CREATE VIEW entries_per_hour AS
  SELECT site, gate, {_TIME_OF.format("(corrected_at_ms / 3600000 * 3600000)")} AS hour, direction,
         outcome, COUNT(*) AS visits
  FROM record
  WHERE kind = 'visit' AND NOT drill AND corrected_at_ms IS NOT NULL
  GROUP BY 1, 2, 3, 4, 5;
CREATE VIEW alarms AS
  SELECT id, site, gate, epoch, seq, {_TIME_OF.format("corrected_at_ms")} AS at,
         corrected_at_ms AS at_ms, corrected_quality AS time_quality, alarm, device, visit_id, drill
  FROM record WHERE kind = 'alarm';
"""  # noqa: S608 - our own names

# The bytes, not JSON: they say the same of every body that a gate writes, in both databases.
FOLLOW_UPS = f"""
ALTER TABLE record ADD COLUMN follow_up TEXT;
UPDATE record SET follow_up = '{TO_MEASURE}'
  WHERE kind = 'visit' AND instr(body, CAST('"follow_up":"{TO_MEASURE}"' AS BLOB)) > 0;
DROP VIEW visits;
{_VISITS.format(more=", v.follow_up")}"""  # noqa: S608 - our own words
