"""What an EU or WHO health certificate says: the map under ``hcert`` key 1, by its schema.

The schema has been published as versions 1.0.0 to 1.3.3 (ehn-dcc-schema), each of which is still in
people's hands. What one of them allows is allowed here, whatever ``ver`` says: issuers kept writing
an old ``ver`` into newer certificates, and the other way round. Members that we do not know are
ignored, as the schema has it; names are checked and then forgotten but for their standardised form.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from types import MappingProxyType

from gated.credentials.cbor import CborKey, CborValue
from gated.credentials.malformed import MalformedCode
from gated.credentials.proof import LabTest, Recovery, Statement, Vaccination
from gated.vocabulary import EvidenceKind, LabTestKind

_Entry = Mapping[CborKey, CborValue]

MAX_TEXT_CHARACTERS = 80
"""Names, issuer, test centre and certificate id. It was 50 before version 1.3."""

MAX_VERSION_CHARACTERS = 32
"""Not in the schema, whose pattern is slow on a long text."""

NEGATIVE_RESULT = "260415000"
"""SNOMED CT, not detected; 260373001 is detected, and whatever else stands there isn't negative."""

LAB_TEST_KINDS: Mapping[str, LabTestKind] = MappingProxyType(
    {"LP6464-4": LabTestKind.NUCLEIC_ACID, "LP217198-3": LabTestKind.ANTIGEN}
)
"""LOINC parts, value set covid-19-lab-test-type."""

# The schema's own patterns. A dot in the version stands for any character there, too; the country's
# is not anchored, so it asks for one capital letter.
_VERSION = re.compile(r"[0-9]+.[0-9]+.[0-9]+")
_STANDARDISED_NAME = re.compile(r"[A-Z<]*")
_COUNTRY = re.compile(r"[A-Z]")

_BORN = re.compile(
    r"(?P<year>(?:19|20)[0-9]{2})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?", re.ASCII
)
_DATE = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})")
_TIME = re.compile(
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?"
    r"(?P<offset>Z|z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_TIME_MARKS = "Tt "
"""RFC 3339 §5.6: between date and time."""

_LONGEST_DECOMPOSITION = 4  # of one character; Unicode Standard Annex 15
_MONTHS_IN_YEAR = 12
_LEAP_SECOND = 60


@dataclass(frozen=True, slots=True)
class HealthCertificate:
    """One certified event of one person. True only under a good signature."""

    holder: str = field(repr=False)  # standardised names, date of birth: the same on all of theirs
    born: tuple[date, date] | None = field(repr=False)  # first and last possible day
    kind: EvidenceKind
    statement: Statement = field(repr=False)
    certificate_id: str = field(repr=False)  # UVCI
    country: str  # of the vaccination or test


def parse_health_certificate(value: CborValue) -> HealthCertificate:
    """Return what the certificate in ``value`` says.

    Raises: MalformedCode: no version of the schema allows it, or it does not state one event.
    """
    if not isinstance(value, dict):
        raise MalformedCode("DCC: not a map")
    version = _text(value, "ver", MAX_VERSION_CHARACTERS)
    if _VERSION.fullmatch(version) is None:
        raise _unfit("ver")
    names = _names(value.get("nam"))
    born_text, born = _born(_text(value, "dob"))
    kind, entry = _only_entry(value)
    certificate_id = _text(entry, "ci", MAX_TEXT_CHARACTERS)
    country = _text(entry, "co")
    if _COUNTRY.search(country) is None:
        raise _unfit("co")
    _text(entry, "is", MAX_TEXT_CHARACTERS)
    return HealthCertificate(
        # Without a name nobody could tell two holders apart, so each such certificate is its own.
        holder=f"{names} {born_text}" if names else f"{certificate_id} {born_text}",
        born=born,
        kind=kind,
        statement=_STATEMENTS[kind](entry),
        certificate_id=certificate_id,
        country=country,
    )


_GROUPS = (
    ("v", EvidenceKind.VACCINATION),
    ("t", EvidenceKind.TEST),
    ("r", EvidenceKind.RECOVERY),
)


def _only_entry(certificate: _Entry) -> tuple[EvidenceKind, _Entry]:
    """Return the one event. Versions before 1.3 allowed several; their regulation never did.

    A group without a value is no group: several issuers write the two that they don't use as null.
    """
    groups = [(key, kind) for key, kind in _GROUPS if certificate.get(key) is not None]
    if len(groups) != 1:
        raise MalformedCode("DCC: not exactly one of v, t and r")
    [(key, kind)] = groups
    match certificate[key]:
        case [dict() as entry]:
            return kind, entry
        case _:
            raise MalformedCode(f"DCC: {key} does not hold exactly one entry")


# --- the person ----------------------------------------------------------------------------------


def _names(names: CborValue) -> str:
    """Return both standardised names as one, as a passport has them; empty if both are."""
    if not isinstance(names, dict):
        raise _unfit("nam")
    for key in ("fn", "gn"):
        _optional_text(names, key, MAX_TEXT_CHARACTERS)
    surname = _standardised_name(names, "fnt")
    forename = _standardised_name(names, "gnt")
    if surname is None and forename is None:  # until 1.3.1 it had to be the surname
        raise MalformedCode("DCC: neither fnt nor gnt")
    return f"{surname or ''}<<{forename or ''}" if surname or forename else ""


def _standardised_name(names: _Entry, key: str) -> str | None:
    name = _optional_text(names, key, MAX_TEXT_CHARACTERS)
    if name is None:
        return None
    if _STANDARDISED_NAME.fullmatch(name) is None:
        raise _unfit(key)
    return "<".join(part for part in name.split("<") if part)


def _born(text: str) -> tuple[str, tuple[date, date] | None]:
    """Return the date of birth without a time, and the days on which it may have been.

    A day, a month, a year or nothing at all (since 1.3). The pattern allows a month 00 or 13, which
    some countries write for an unknown one; then all that is known is the year.
    """
    text = _without_time(text)
    if not text:
        return text, None
    parts = _BORN.fullmatch(text)
    if parts is None:
        raise _unfit("dob")
    year, month, day = (int(parts[name] or 0) for name in ("year", "month", "day"))
    if not 1 <= month <= _MONTHS_IN_YEAR:
        return text, (date(year, 1, 1), date(year, _MONTHS_IN_YEAR, 31))
    _, last = monthrange(year, month)
    if not 1 <= day <= last:
        return text, (date(year, month, 1), date(year, month, last))
    return text, (date(year, month, day), date(year, month, day))


# --- the event -----------------------------------------------------------------------------------


def _vaccination(entry: _Entry) -> Vaccination:
    for key in ("vp", "ma"):
        _text(entry, key)
    return Vaccination(
        disease=_text(entry, "tg"),
        product=_text(entry, "mp"),
        dose=_count(entry, "dn"),
        doses=_count(entry, "sd"),
        given_on=_date(entry, "dt"),
    )


def _lab_test(entry: _Entry) -> LabTest:
    # Before 1.3 the name of a test had no bound, so it has none here.
    for key in ("nm", "ma"):
        _optional_text(entry, key)
    _optional_text(entry, "tc", MAX_TEXT_CHARACTERS)  # required until 1.3.0
    return LabTest(
        disease=_text(entry, "tg"),
        kind=LAB_TEST_KINDS.get(_text(entry, "tt"), LabTestKind.OTHER),
        is_negative=_text(entry, "tr") == NEGATIVE_RESULT,
        sampled_at=_moment(entry, "sc"),
    )


def _recovery(entry: _Entry) -> Recovery:
    return Recovery(
        disease=_text(entry, "tg"),
        positive_on=_date(entry, "fr"),
        valid_from=_date(entry, "df"),
        valid_until=_date(entry, "du"),
    )


_STATEMENTS: Mapping[EvidenceKind, Callable[[_Entry], Statement]] = MappingProxyType(
    {
        EvidenceKind.VACCINATION: _vaccination,
        EvidenceKind.TEST: _lab_test,
        EvidenceKind.RECOVERY: _recovery,
    }
)


# --- members -------------------------------------------------------------------------------------


def _text(entry: _Entry, key: str, max_characters: int | None = None) -> str:
    if key not in entry:
        raise MalformedCode(f"DCC: {key} is missing")
    text = entry[key]
    if not isinstance(text, str):
        raise _unfit(key)
    if max_characters is not None and not _has_at_most(max_characters, text):
        raise _unfit(key)
    return text


def _has_at_most(max_characters: int, text: str) -> bool:
    """Return whether ``text`` has no more characters, counted as if composed (HCERT §3.3.7)."""
    if len(text) <= max_characters:
        return True
    # Composing thousands of accents on one letter takes long (measured: 50 ms for 8,000).
    if len(text) > max_characters * _LONGEST_DECOMPOSITION:
        return False
    return len(unicodedata.normalize("NFC", text)) <= max_characters


def _optional_text(entry: _Entry, key: str, max_characters: int | None = None) -> str | None:
    return _text(entry, key, max_characters) if key in entry else None


def _count(entry: _Entry, key: str) -> int:
    """Return a dose number, at least 1. JSON has one kind of number, so 2.0 is a 2."""
    number = entry.get(key)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise _unfit(key)
    return number


def _date(entry: _Entry, key: str) -> date:
    return _calendar_day(_without_time(_text(entry, key)), key)


def _without_time(text: str) -> str:
    """Return the date alone: some issuers write midnight behind it."""
    day, _, time = text.partition("T")
    return day if _TIME.fullmatch(time) is not None else text


def _moment(entry: _Entry, key: str) -> datetime:
    """Return a date and time in UTC.

    RFC 3339, and what issuers made of it: "+0200", "+02", no seconds, a date alone. Without an
    offset it is UTC; at a gate this is at most 14 hours wrong, and such a test is still the test.
    """
    text = _text(entry, key)
    day = _calendar_day(text[:10], key)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    rest = text[10:]
    if not rest:
        return midnight
    time = _TIME.fullmatch(rest[1:]) if rest[0] in _TIME_MARKS else None
    if time is None:
        raise _unfit(key)
    hour, minute, second = (int(time[name] or 0) for name in ("hour", "minute", "second"))
    try:
        moment = midnight.replace(
            hour=hour,
            minute=minute,
            second=second - (second == _LEAP_SECOND),
            tzinfo=_offset(time["offset"]),
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise _unfit(key) from exc


def _offset(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].removeprefix(":") or 0)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _calendar_day(text: str, key: str) -> date:
    parts = _DATE.fullmatch(text)
    if parts is None:
        raise _unfit(key)
    try:
        return date(int(parts["year"]), int(parts["month"]), int(parts["day"]))
    except ValueError as exc:
        raise _unfit(key) from exc


def _unfit(key: str) -> MalformedCode:
    return MalformedCode(f"DCC: {key} is not of its type or form")
