"""Times in codes: seconds since 1970 (RFC 8392 §2, RFC 7519 §2), as far as a calendar goes."""

from __future__ import annotations

from datetime import UTC, datetime

LAST_TIMESTAMP = 253_402_300_799
"""9999-12-31T23:59:59Z, the last that a datetime holds."""


def moment_of(seconds: object, *, may_have_fraction: bool = False) -> datetime | None:
    """Return the moment in UTC, or None if ``seconds`` is no such number or beyond the calendar."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if isinstance(seconds, float) and not may_have_fraction:
        return None
    return datetime.fromtimestamp(seconds, UTC) if 0 <= seconds <= LAST_TIMESTAMP else None
