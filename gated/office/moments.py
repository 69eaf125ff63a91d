"""Dates as an office writes them: its own local time, and the last day counts."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from gated.errors import GatedError

_TICK = timedelta(seconds=1)


def local_moment(text: str, *, is_end: bool = False) -> datetime:
    """Return ``text`` as UTC: local time without an offset; a bare date ends with its day.

    Raises: GatedError: it is no date and no time.
    """
    day = bare_date(text)
    try:
        if day is not None:
            return end_of(day) if is_end else start_of(day)
        return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as exc:
        raise GatedError(
            f"{text!r} is not a date or time such as 2026-11-23 or 2026-11-23T07:30 "
            "(日期须写成 2026-11-23 或 2026-11-23T07:30)"
        ) from exc


def bare_date(text: str) -> date | None:
    """Return the day that ``text`` (2026-11-23) names, None if it is something else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def start_of(day: date) -> datetime:
    """Return the first moment of ``day`` here, in UTC. Raises: OverflowError."""
    # Midnight of that very day: a change of the clocks in between is no matter.
    return datetime.combine(day, time()).astimezone(UTC)


def end_of(day: date) -> datetime:
    """Return the first moment after ``day`` here, in UTC. Raises: OverflowError."""
    return start_of(day + timedelta(days=1))


def first_day(moment: datetime) -> date:
    """Return the day here on which a pass that begins at ``moment`` begins."""
    return moment.astimezone().date()


def last_day(moment: datetime) -> date:
    """Return the last day here on which a pass that ends at ``moment`` holds."""
    return (moment - _TICK).astimezone().date()


def shown(moment: datetime) -> str:
    """Return ``moment`` as an office reads it: local, to the minute."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def shown_span(begins: datetime, ends: datetime) -> str:
    """Return when a pass holds: days where it is whole days, else to the minute."""
    first, last = first_day(begins), last_day(ends)
    if begins == start_of(first) and ends == end_of(last):
        return f"{first}" if first == last else f"{first} – {last}"
    return f"{shown(begins)} – {shown(ends)}"
