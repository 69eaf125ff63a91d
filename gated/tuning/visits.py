"""Visits and contact readings, as far as a replay needs them, from the bodies of records. Pure.

No reference to a person is taken over: a visit is its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gated.clock import TimeQuality
from gated.contents import Kind
from gated.errors import WireError
from gated.policy import NOT_JUDGED_REASONS
from gated.vocabulary import Mode, Reason, Verdict
from gated.wire import parse_json

VisitKey = tuple[str, str, str]
"""Site, gate, visit id: what a visit is called at a collector of many gates."""
MOST_READINGS = 9
"""More than any visit can have (``max_attempts`` is at most 4)."""
COLDEST_C, HOTTEST_C = -50.0, 100.0
"""Outside these nothing was measured on a person, or in the air before a gate."""
_NOT_JUDGED_BY_NAME = {reason.value: reason for reason in NOT_JUDGED_REASONS}


@dataclass(frozen=True, slots=True)
class PastVisit:
    """One visit as it was recorded."""

    key: VisitKey
    day: str | None  # YYYY-MM-DD at the gate; None: its clock was wrong
    hour: int | None  # 0-23 at the gate
    readings_c: tuple[float, ...]  # body temperatures in their order
    body_c: float | None  # what they said together, as it was judged
    refusal: Reason | None  # why the last reading gave none; None: it did
    verdict: str | None
    threshold_c: float  # that held then
    is_inclusive: bool
    ambient_c: float | None
    thermometer: str
    is_drill: bool
    is_observed: bool  # in mode observe: nobody was stopped for the temperature

    @property
    def visit_id(self) -> str:
        return self.key[2]


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact thermometer's reading that staff took of a visitor."""

    key: VisitKey
    contact_c: float
    is_drill: bool


def parse_visit(body: bytes) -> PastVisit:
    """Return the visit in ``body``. Raises: WireError: it is damaged, or no visit."""
    raw = _of_kind(body, Kind.VISIT)
    day, hour = _local_time(raw)
    readings = raw.get("readings_c", [])
    if not isinstance(readings, list) or len(readings) > MOST_READINGS:
        raise WireError("readings_c: no list of temperatures")
    readings_c = tuple(_temperature(value, "readings_c") for value in readings)
    verdict = raw.get("verdict")
    is_refused = not readings_c or verdict == Verdict.NOT_JUDGED
    return PastVisit(
        key=_key(raw),
        day=day,
        hour=hour,
        readings_c=readings_c,
        body_c=_optional(raw, "body_c"),
        refusal=_refusal(raw) if is_refused else None,
        verdict=verdict if isinstance(verdict, str) else None,
        threshold_c=_temperature(raw.get("threshold_c"), "threshold_c"),
        is_inclusive=_flag(raw, "threshold_inclusive"),
        ambient_c=_optional(raw, "ambient_c"),
        thermometer=str(raw.get("thermometer") or ""),
        is_drill=_flag(raw, "drill"),
        is_observed=raw.get("mode") == Mode.OBSERVE,
    )


def parse_contact(body: bytes) -> Contact | None:
    """Return the contact reading of a release; None if staff gave none. Raises: WireError."""
    raw = _of_kind(body, Kind.RELEASE)
    contact = raw.get("contact_c")
    if contact is None:
        return None
    return Contact(_key(raw), _temperature(contact, "contact_c"), _flag(raw, "drill"))


def _of_kind(body: bytes, kind: Kind) -> dict[str, Any]:
    raw = parse_json(body)
    if raw.get("kind") != kind:
        raise WireError(f"no {kind}")
    return raw


def _key(raw: Mapping[str, Any]) -> VisitKey:
    site, gate, visit_id = (raw.get(name) for name in ("site", "gate", "visit_id"))
    if not (isinstance(site, str) and isinstance(gate, str) and isinstance(visit_id, str)):
        raise WireError("a record without site, gate and visit_id")
    return site, gate, visit_id


def _temperature(value: object, name: str) -> float:
    # In allow-list form: a bool is an int to Python, and NaN passes no comparison.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and COLDEST_C <= float(value) <= HOTTEST_C):  # type: ignore[arg-type]
        raise WireError(f"{name}: no temperature")
    return float(value)  # type: ignore[arg-type] # a number: see above


def _optional(raw: Mapping[str, Any], name: str) -> float | None:
    value = raw.get(name)
    return None if value is None else _temperature(value, name)


def _flag(raw: Mapping[str, Any], name: str) -> bool:
    value = raw.get(name)
    if not isinstance(value, bool):
        raise WireError(f"{name}: neither true nor false")
    return value


def _refusal(raw: Mapping[str, Any]) -> Reason:
    """Return why there was nothing to judge: a soft check notes it, a hard one refuses for it."""
    for member in ("reasons", "noted"):
        names = raw.get(member)
        for name in names if isinstance(names, list) else ():
            if name in _NOT_JUDGED_BY_NAME:
                return _NOT_JUDGED_BY_NAME[name]
    return Reason.NO_READING


def _local_time(raw: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Return (day, hour) by the gate's own clock, which every record quotes with its offset."""
    at = raw.get("at")
    try:
        moment = datetime.fromisoformat(at if isinstance(at, str) else "")
    except ValueError as exc:
        raise WireError("at: no time") from exc
    if raw.get("time_quality") == TimeQuality.UNKNOWN:
        return None, None
    return moment.date().isoformat(), moment.hour
