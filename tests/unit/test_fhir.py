from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.credentials import fhir
from gated.credentials.malformed import MalformedCode
from gated.credentials.proof import LabTest, Statement, Vaccination
from gated.credentials.strict_json import JsonValue
from gated.credentials.trusted_keys import TrustList
from gated.credentials.verify import verify
from gated.vocabulary import CredentialStatus, LabTestKind
from tests.health_cards import NOW, PATIENT, Changes, bundle_of, card_payload, changed, sealed
from tests.health_cards import trusted as lab

COVID_19 = "840539006"
DOSE: Mapping[str, object] = {
    "resourceType": "Immunization",
    "status": "completed",
    "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "208"}]},
    "patient": {"reference": "resource:0"},
    "occurrenceDateTime": "2021-03-29",
    "lotNumber": "0000007",
}
TEST: Mapping[str, object] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "94500-6"}]},
    "subject": {"reference": "resource:0"},
    "effectiveDateTime": "2026-11-25T16:30:00+08:00",
    "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "260415000"}]},
}


def parsed(bundle: object) -> fhir.Bundle:
    return fhir.parse_bundle(cast("JsonValue", bundle))


def stated(*resources: object) -> tuple[Statement, ...]:
    return parsed(bundle_of(PATIENT, *resources)).statements


def coded(system: str, *codes: str) -> dict[str, object]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


# --- the holder ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "born"),
    [
        ({"birthDate": "1961-01-20"}, (date(1961, 1, 20), date(1961, 1, 20))),
        ({"birthDate": "1960-02"}, (date(1960, 2, 1), date(1960, 2, 29))),
        ({"birthDate": "1961-12"}, (date(1961, 12, 1), date(1961, 12, 31))),
        ({"birthDate": "1961"}, (date(1961, 1, 1), date(1961, 12, 31))),
        ({"birthDate": None}, None),
    ],
)
def test_a_birth_date_may_be_a_day_a_month_a_year_or_unknown(
    changes: Changes, born: tuple[date, date] | None
) -> None:
    assert parsed(bundle_of(changed(PATIENT, changes))).holder.born == born


@pytest.mark.parametrize(
    ("names", "given_name", "family"),
    [
        ([{"family": "Ma", "given": ["Yo", "Yo"]}], "Yo Yo", "Ma"),
        ([{"family": "Ma"}], "", "Ma"),
        ([{"given": ["Cher"]}], "Cher", ""),
        ([{"text": "Cher Bono"}], "", "Cher Bono"),
        ([{"use": "nickname", "text": "C"}, {"use": "official", "text": "Cher"}], "", "Cher"),
        ([{"use": "old", "text": "Cher"}, {"use": "nickname", "text": "C"}], "", "Cher"),
    ],
)
def test_the_official_name_counts(names: object, given_name: str, family: str) -> None:
    holder = parsed(bundle_of({**PATIENT, "name": names})).holder
    assert (holder.given, holder.family) == (given_name, family)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"name": []},
        {"name": "Jane"},
        {"name": [1]},
        {"name": [{"family": 1}]},
        {"name": [{"given": "Jane"}]},
        {"name": [{"given": []}]},
        {"name": [{"given": [None]}]},
        {"birthDate": 1961},
        {"birthDate": "1961-02-29"},
        {"birthDate": "1961-13"},
        {"birthDate": "１961"},
        {"birthDate": "0000"},
        {"birthDate": "19610120"},
    ],
)
def test_a_patient_of_another_form_is_malformed(changes: Changes) -> None:
    with pytest.raises(MalformedCode):
        parsed(bundle_of(changed(PATIENT, changes)))


def test_a_card_whose_holder_has_no_name_or_a_huge_one_is_malformed() -> None:
    for name in ({"text": " "}, {"family": "a\u0300" * 200}):
        subject = {"fhirBundle": bundle_of({**PATIENT, "name": [name]}), "fhirVersion": "4.0.1"}
        text = sealed(card_payload(subject=subject))
        result = verify(text, now=NOW, trust=TrustList.of([lab()]))
        assert result.status is CredentialStatus.MALFORMED


# --- the bundle ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bundle",
    [
        None,
        [],
        {},
        {"resourceType": "Patient"},
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "entry": []},
        {"resourceType": "Bundle", "entry": {}},
        {"resourceType": "Bundle", "entry": [1]},
        {"resourceType": "Bundle", "entry": [{"fullUrl": "resource:0"}]},
        {"resourceType": "Bundle", "entry": [{"fullUrl": 0, "resource": dict(PATIENT)}]},
        bundle_of(DOSE),
        bundle_of(PATIENT, PATIENT),
        bundle_of(*[PATIENT, *[DOSE] * 256]),
        {
            "resourceType": "Bundle",
            "entry": [
                {"fullUrl": "resource:0", "resource": dict(PATIENT)},
                {"fullUrl": "resource:0", "resource": dict(DOSE)},
            ],
        },
    ],
)
def test_a_bundle_without_exactly_one_patient_or_of_another_form_is_malformed(
    bundle: object,
) -> None:
    with pytest.raises(MalformedCode):
        parsed(bundle)


# --- vaccinations --------------------------------------------------------------------------------


def test_a_dose_is_stated_with_its_product_and_day() -> None:
    dose = Vaccination(COVID_19, product="208", dose=None, doses=None, given_on=date(2021, 3, 29))
    assert stated(DOSE) == (dose,)
    assert stated({**DOSE, "occurrenceDateTime": "2021-03-29T23:30:00-08:00"}) == (dose,)
    assert stated({**DOSE, "isSubpotent": False}) == (dose,)
    both = coded("http://hl7.org/fhir/sid/cvx", "208")
    both["coding"] = [*cast("list[object]", both["coding"]), {"system": "x", "code": "1"}, {}]
    assert stated({**DOSE, "vaccineCode": both}) == (dose,)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "not-done"},
        {"status": "entered-in-error"},
        {"status": None},
        {"isSubpotent": True},
        {"vaccineCode": None},
        {"vaccineCode": {"text": "COVID-19"}},
        {"vaccineCode": coded("http://hl7.org/fhir/sid/cvx", "140")},  # influenza
        {"vaccineCode": coded("http://hl7.org/fhir/sid/ndc", "208")},
        {"patient": None},
        {"patient": {"reference": "resource:1"}},
        {"patient": {"display": "Jane"}},
        {"occurrenceDateTime": None, "occurrenceString": "last spring"},
        {"occurrenceDateTime": "2021-03"},
        {"occurrenceDateTime": "2021"},
        {"modifierExtension": [{"url": "https://x.example", "valueBoolean": True}]},
        {"implicitRules": "https://x.example"},
        {"resourceType": "ImmunizationRecommendation"},
    ],
)
def test_what_is_no_completed_full_dose_of_the_holders_states_nothing(changes: Changes) -> None:
    assert stated(changed(DOSE, changes)) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"isSubpotent": "no"},
        {"vaccineCode": "208"},
        {"vaccineCode": {"coding": {}}},
        {"vaccineCode": {"coding": []}},
        {"vaccineCode": {"coding": [{"system": 1}]}},
        {"patient": "resource:0"},
        {"occurrenceDateTime": 20210329},
        {"occurrenceDateTime": "2021-03-32"},
        {"occurrenceDateTime": "２021-03-29"},
        {"occurrenceDateTime": "2021-03-29T12:00"},
        {"occurrenceDateTime": "2021-03-29T12:00:00"},
        {"occurrenceDateTime": "2021-03-29T25:00:00Z"},
    ],
)
def test_a_dose_of_another_form_is_malformed(changes: Changes) -> None:
    with pytest.raises(MalformedCode):
        stated(changed(DOSE, changes))


# --- tests ---------------------------------------------------------------------------------------


def test_a_test_is_stated_with_its_kind_result_and_time() -> None:
    sampled_at = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
    assert stated(TEST) == (LabTest(COVID_19, LabTestKind.NUCLEIC_ACID, True, sampled_at),)
    antigen = {**TEST, "code": coded("http://loinc.org", "94558-4")}
    assert stated(antigen) == (LabTest(COVID_19, LabTestKind.ANTIGEN, True, sampled_at),)


@pytest.mark.parametrize(
    ("changes", "is_negative"),
    [
        ({}, True),
        ({"valueCodeableConcept": coded("http://snomed.info/sct", "260385009")}, True),
        ({"valueCodeableConcept": coded("http://snomed.info/sct", "260373001")}, False),
        ({"valueCodeableConcept": coded("http://snomed.info/sct", "10828004")}, False),
        ({"valueCodeableConcept": coded("http://snomed.info/sct", "260408008")}, False),
        ({"valueCodeableConcept": coded("http://loinc.org", "LA11883-8")}, True),
        ({"valueCodeableConcept": coded("http://loinc.org", "LA11882-0")}, False),
        ({"valueCodeableConcept": None, "valueString": "Not Detected"}, True),
        ({"valueCodeableConcept": None, "valueString": "POSITIVE"}, False),
        ({"status": "amended"}, True),
        ({"status": "corrected"}, True),
    ],
)
def test_known_results_are_read(changes: Changes, is_negative: bool) -> None:
    [statement] = stated(changed(TEST, changes))
    assert isinstance(statement, LabTest)
    assert statement.is_negative is is_negative


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "preliminary"},
        {"status": "entered-in-error"},
        {"status": None},
        {"code": None},
        {"code": coded("http://loinc.org", "94563-4")},  # antibodies
        {"code": coded("http://loinc.org", "94558-4", "94500-6")},  # antigen and nucleic acid
        {"code": coded("http://snomed.info/sct", "94500-6")},
        {"subject": {"reference": "resource:9"}},
        {"effectiveDateTime": None},
        {"effectiveDateTime": "2026-11"},
        {"valueCodeableConcept": None},
        {"valueCodeableConcept": coded("http://snomed.info/sct", "419984006")},  # inconclusive
        {"valueCodeableConcept": coded("http://snomed.info/sct", "260415000", "260373001")},
        {"valueString": "positive"},
        {"valueCodeableConcept": None, "valueQuantity": {"value": 1e-9}},
        {"modifierExtension": []},
    ],
)
def test_what_is_no_clear_final_result_of_the_holders_states_nothing(changes: Changes) -> None:
    assert stated(changed(TEST, changes)) == ()


def test_a_test_never_looks_fresher_than_it_can_be() -> None:
    earliest = datetime(2026, 11, 25, tzinfo=timezone(timedelta(hours=14)))
    period = {"start": "2026-11-25T08:00:00Z", "end": "2026-11-26T08:00:00Z"}
    for changes, sampled_at in (
        ({"effectiveDateTime": "2026-11-25"}, earliest),
        ({"effectiveDateTime": None, "effectivePeriod": {"start": "2026-11-25"}}, earliest),
        (
            {"effectiveDateTime": None, "effectivePeriod": period},
            datetime(2026, 11, 25, 8, tzinfo=UTC),
        ),
        (
            {"effectiveDateTime": "2026-11-25T08:00:00.123456789Z"},
            datetime(2026, 11, 25, 8, tzinfo=UTC),
        ),
    ):
        [statement] = stated(changed(TEST, changes))
        assert isinstance(statement, LabTest)
        assert statement.sampled_at == sampled_at
    assert stated(changed(TEST, {"effectiveDateTime": None, "effectivePeriod": {"end": "x"}})) == ()


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-25T08:00:60Z", "noon"],
)
def test_a_moment_beyond_the_calendar_is_malformed(moment: str) -> None:
    with pytest.raises(MalformedCode):
        stated({**TEST, "effectiveDateTime": moment})


JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda items: st.lists(items) | st.dictionaries(st.text(), items),
    max_leaves=8,
)
MEMBERS = sorted({*PATIENT, *DOSE, *TEST, "valueString", "effectivePeriod", "isSubpotent"})


@given(
    st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=3),
    st.sampled_from([PATIENT, DOSE, TEST]),
)
def test_any_resource_is_read_or_malformed(changes: Changes, resource: Changes) -> None:
    others = [] if resource is PATIENT else [PATIENT]
    try:
        bundle = parsed(bundle_of(*others, changed(resource, changes)))
    except MalformedCode:
        return
    assert len(bundle.statements) <= 1
