"""How person links are brought down to a span that has become shorter, in either database.

A link says when it ends, by the span that was configured when it was stored. Each ``?`` is the
present span in ms.
"""

from __future__ import annotations

_END = """
  (SELECT CASE WHEN time_quality <> 'unknown' AND at_ms < received_at_ms THEN at_ms
          ELSE received_at_ms END + ?
   FROM record AS r
   WHERE r.site = l.site AND r.gate = l.gate AND r.epoch = l.epoch AND r.seq = l.seq)
"""
"""When the link l ends by the present span: ``intake.link_expires_at_ms`` in SQL."""

FIND_LONGER = f"""
SELECT 1 FROM (
  SELECT * FROM (SELECT * FROM link ORDER BY expires_at_ms LIMIT 1) AS first
  UNION ALL
  SELECT * FROM (SELECT * FROM link ORDER BY expires_at_ms DESC LIMIT 1) AS last) AS l
WHERE expires_at_ms > {_END}
"""  # noqa: S608 - our own text
"""Finds something if links were stored for longer than the present span.

The first and the last one to end tell: links of one span end in the order in which they began.
Millions of them need not be looked at whenever a collector starts.
"""

SHORTEN = f"UPDATE link AS l SET expires_at_ms = {_END} WHERE expires_at_ms > {_END}"  # noqa: S608 - our own text
