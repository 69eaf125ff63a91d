"""What a health card's FHIR bundle states, as far as the profiles for cards define it.

Follows "SMART Health Cards: Vaccination & Testing Implementation Guide" (HL7, FHIR R4): one
Patient, ``Immunization`` with a CVX code, ``Observation`` with a LOINC code and a qualitative
result. In allow-list form: another resource, product, test or result, a dose not completed or known
to be too weak, or somebody else's, states nothing here, and the card is as good as without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from types import MappingProxyType

from gated.credentials.malformed import MalformedCode
from gated.credentials.proof import COVID_19, LabTest, Statement, Vaccination
from gated.credentials.strict_json import JsonValue
from gated.vocabulary import LabTestKind

MAX_ENTRIES = 256

CVX = "http://hl7.org/fhir/sid/cvx"
LOINC = "http://loinc.org"
SNOMED_CT = "http://snomed.info/sct"

COVID_19_VACCINES = frozenset(
    str(code)
    for codes in (
        (207, 208, 210, 211, 212, 213, 217, 218, 219, 221, 225, 226, 227, 228, 229, 230),
        (300, 301, 302, 308, 309, 310, 311, 312, 313),
        range(500, 521),  # given outside the United States
    )
    for code in codes
)
"""CVX codes (CDC, "COVID-19 vaccine related codes"; those up to 2023 also in the WHO's value set
VaccineCovid19CvxValueSet). Retired ones stand on cards for ever."""

_NUCLEIC_ACID_TESTS = (
    "94306-8 94307-6 94308-4 94309-2 94314-2 94316-7 94500-6 94502-2 94531-1 94533-7 94534-5 "
    "94559-2 94565-9 94639-2 94640-0 94660-8 94756-4 94757-2 94759-8 94760-6 94845-5 95406-5 "
    "95409-9 95425-5 95608-6 96091-4 96120-1 96123-5"
)
_ANTIGEN_TESTS = "94558-4 95209-3 96119-3 97097-0"

COVID_19_TESTS: Mapping[str, LabTestKind] = MappingProxyType(
    {
        **dict.fromkeys(_NUCLEIC_ACID_TESTS.split(), LabTestKind.NUCLEIC_ACID),
        **dict.fromkeys(_ANTIGEN_TESTS.split(), LabTestKind.ANTIGEN),
    }
)
"""LOINC codes of tests for the virus (CDC, LIVD). None for antibodies, of which having none is no
proof of health, and none for a cycle count, whose value is a number."""

_IS_NEGATIVE: Mapping[tuple[str, str], bool] = MappingProxyType(
    {
        (SNOMED_CT, "260385009"): True,  # negative
        (SNOMED_CT, "260415000"): True,  # not detected
        (SNOMED_CT, "10828004"): False,  # positive
        (SNOMED_CT, "260373001"): False,  # detected
        (SNOMED_CT, "260408008"): False,  # weakly positive
        (SNOMED_CT, "720735008"): False,  # presumptive positive
        (LOINC, "LA6577-6"): True,
        (LOINC, "LA11883-8"): True,
        (LOINC, "LA6576-8"): False,
        (LOINC, "LA11882-0"): False,
    }
)
_IS_NEGATIVE_TEXT: Mapping[str, bool] = MappingProxyType(
    {"negative": True, "not detected": True, "positive": False, "detected": False}
)
_FINAL = ("final", "amended", "corrected")  # FHIR observation-status: others may still change

_DATE = re.compile(r"(?P<year>[0-9]{4})(-(?P<month>[0-9]{2})(-(?P<day>[0-9]{2}))?)?", re.ASCII)
_DATE_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})T(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_YEARS = range(1850, 9_999)  # what date arithmetic in any time zone can hold
_EARLIEST_ZONE = timezone(timedelta(hours=14))

Resource = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Holder:
    """The patient, by the official name."""

    given: str = field(repr=False)
    family: str = field(repr=False)
    born_text: str = field(repr=False)  # as it stands; empty: not known
    born: tuple[date, date] | None = field(repr=False)  # first and last possible day


@dataclass(frozen=True, slots=True)
class Bundle:
    holder: Holder
    statements: tuple[Statement, ...] = field(repr=False)


def parse_bundle(value: JsonValue) -> Bundle:
    """Return what the bundle says.

    Raises: MalformedCode: not a bundle with exactly one patient, or a member of another type or
        form than FHIR's.
    """
    bundle = _object(value, "the bundle")
    if bundle.get("resourceType") != "Bundle":
        raise MalformedCode("FHIR: not a bundle")
    entries = [_object(entry, "an entry") for entry in _list(bundle.get("entry"), "entry")]
    if len(entries) > MAX_ENTRIES:
        raise MalformedCode("FHIR: too many entries")
    urls = [url for entry in entries if (url := _text(entry.get("fullUrl"))) is not None]
    if len(set(urls)) != len(urls):
        raise MalformedCode("FHIR: two entries of one name")
    resources = [(_text(e.get("fullUrl")), _object(e.get("resource"), "resource")) for e in entries]
    patients = [found for found in resources if found[1].get("resourceType") == "Patient"]
    if len(patients) != 1:
        raise MalformedCode("FHIR: not exactly one patient")
    [(patient_url, patient)] = patients
    statements = tuple(
        statement for _, resource in resources for statement in _stated(resource, patient_url)
    )
    return Bundle(_holder(patient), statements)


# --- the holder ----------------------------------------------------------------------------------


def _holder(patient: Resource) -> Holder:
    names = [_object(name, "a name") for name in _list(patient.get("name"), "name")]
    official = [name for name in names if name.get("use", "official") == "official"]
    name = (official or names)[0]
    given_names = _list(name["given"], "given") if "given" in name else []
    given = " ".join(_required_text(item) for item in given_names)
    family = _text(name.get("family")) or ""
    if not (given or family):
        family = _text(name.get("text")) or ""
    born_text = _text(patient.get("birthDate")) or ""
    born = _days(born_text) if born_text else None
    return Holder(given=given, family=family, born_text=born_text, born=born)


# --- statements ----------------------------------------------------------------------------------


def _stated(resource: Resource, patient_url: str | None) -> Iterator[Statement]:
    """Yield what ``resource`` states of the patient: one statement or none."""
    if "modifierExtension" in resource or "implicitRules" in resource:
        return  # they may turn its meaning round; FHIR forbids to ignore them
    statement: Statement | None = None
    if resource.get("resourceType") == "Immunization":
        if _is_of(resource.get("patient"), patient_url):
            statement = _vaccination(resource)
    elif resource.get("resourceType") == "Observation" and _is_of(
        resource.get("subject"), patient_url
    ):
        statement = _lab_test(resource)
    if statement is not None:
        yield statement


def _is_of(reference: JsonValue, patient_url: str | None) -> bool:
    if reference is None or patient_url is None:
        return False
    return _object(reference, "a reference").get("reference") == patient_url


def _vaccination(resource: Resource) -> Vaccination | None:
    codes = [code for system, code in _codings(resource.get("vaccineCode")) if system == CVX]
    product = next((code for code in codes if code in COVID_19_VACCINES), None)
    given_on = _day_of(_text(resource.get("occurrenceDateTime")))
    is_subpotent = resource.get("isSubpotent", False)
    if not isinstance(is_subpotent, bool):
        raise MalformedCode("FHIR: isSubpotent is neither true nor false")
    if resource.get("status") != "completed" or is_subpotent or product is None or given_on is None:
        return None
    return Vaccination(COVID_19, product=product, dose=None, doses=None, given_on=given_on)


def _lab_test(resource: Resource) -> LabTest | None:
    codes = [code for system, code in _codings(resource.get("code")) if system == LOINC]
    kinds = {COVID_19_TESTS[code] for code in codes if code in COVID_19_TESTS}
    results = set(_results(resource))
    sampled_at = _sampled_at(resource)
    if resource.get("status") not in _FINAL or sampled_at is None:
        return None
    if len(kinds) != 1 or len(results) != 1:  # codes that contradict each other say nothing
        return None
    return LabTest(COVID_19, kinds.pop(), is_negative=results.pop(), sampled_at=sampled_at)


def _results(resource: Resource) -> Iterator[bool]:
    """Yield for each known result whether it is a negative one; an unclear one is none."""
    for coding in _codings(resource.get("valueCodeableConcept")):
        if coding in _IS_NEGATIVE:
            yield _IS_NEGATIVE[coding]
    text = _text(resource.get("valueString"))
    if text is not None and text.strip().casefold() in _IS_NEGATIVE_TEXT:
        yield _IS_NEGATIVE_TEXT[text.strip().casefold()]


def _sampled_at(resource: Resource) -> datetime | None:
    """Return when the sample was taken: of a day or a period its first moment anywhere on earth.

    A test must not look fresher than it can be.
    """
    text = _text(resource.get("effectiveDateTime"))
    if text is None and "effectivePeriod" in resource:
        text = _text(_object(resource["effectivePeriod"], "a period").get("start"))
    if text is None:
        return None
    if "T" in text:
        return _moment(text)
    day = _day_of(text)
    if day is None:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=_EARLIEST_ZONE)


def _codings(concept: JsonValue) -> Sequence[tuple[str, str]]:
    """Return the codings of a CodeableConcept that have both a system and a code."""
    if concept is None:
        return []
    members = _object(concept, "a concept")
    listed = _list(members["coding"], "coding") if "coding" in members else []
    codings = [_object(coding, "a coding") for coding in listed]
    pairs = [(_text(coding.get("system")), _text(coding.get("code"))) for coding in codings]
    return [(system, code) for system, code in pairs if system is not None and code is not None]


# --- FHIR's primitive types ----------------------------------------------------------------------


def _object(value: JsonValue, name: str) -> Resource:
    if not isinstance(value, dict):
        raise MalformedCode(f"FHIR: {name} is not an object")
    return value


def _list(value: JsonValue, name: str) -> Sequence[JsonValue]:
    """Return the list, which in FHIR is never empty: what has no items is left out."""
    if not isinstance(value, list) or not value:
        raise MalformedCode(f"FHIR: {name} is not a list, or an empty one")
    return value


def _text(value: JsonValue) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise MalformedCode("FHIR: not a text")


def _required_text(value: JsonValue) -> str:
    text = _text(value)
    if text is None:
        raise MalformedCode("FHIR: not a text")
    return text


def _days(text: str) -> tuple[date, date]:
    """Return the first and the last day that a date, a month or a year stands for."""
    match = _DATE.fullmatch(text)
    if match is None or int(match["year"]) not in _YEARS:
        raise MalformedCode("FHIR: not a date")
    year = int(match["year"])
    try:
        if match["month"] is None:
            return date(year, 1, 1), date(year, 12, 31)
        month = int(match["month"])
        if match["day"] is None:
            days_on = timedelta(days=31)  # from any day of a month into the next
            next_month = (date(year, month, 1) + days_on).replace(day=1)
            return date(year, month, 1), next_month - timedelta(days=1)
        day = date(year, month, int(match["day"]))
    except ValueError as exc:
        raise MalformedCode("FHIR: no day of the calendar") from exc
    return day, day


def _day_of(text: str | None) -> date | None:
    """Return the day of a date or date and time, as it is written; None of a month or a year."""
    if text is None:
        return None
    if "T" in text:
        _moment(text)
    first, last = _days(text.partition("T")[0])
    return first if first == last else None


def _moment(text: str) -> datetime:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise MalformedCode("FHIR: not a date and time")
    _days(match["date"])
    try:
        return datetime.fromisoformat(match["date"] + "T" + match["time"] + match["offset"])
    except ValueError as exc:
        raise MalformedCode("FHIR: no such moment") from exc
