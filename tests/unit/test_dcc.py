from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.credentials import dcc
from gated.credentials.cbor import CborValue
from gated.credentials.dcc import HealthCertificate, parse_health_certificate
from gated.credentials.malformed import MalformedCode
from gated.credentials.proof import LabTest, Recovery, Vaccination
from gated.vocabulary import EvidenceKind, LabTestKind

Members = dict[str, CborValue]
DOSE: Members = {
    "tg": "840539006",
    "vp": "1119349007",
    "mp": "EU/1/20/1507",
    "ma": "ORG-100031184",
    "dn": 1,
    "sd": 2,
    "dt": "2021-06-11",
    "co": "NL",
    "is": "Ministry of Health Welfare and Sport",
    "ci": "URN:UVCI:01:NL:DADFCC47C7334E45A906DB12FD859FB7",
}
SAMPLE: Members = {
    "tg": "840539006",
    "tt": "LP217198-3",
    "ma": "532",
    "sc": "2021-06-11T17:30:00+02:00",
    "tr": "260415000",
    "tc": "Example Test Corp, Big City",
    "co": "NL",
    "is": "Ministry of Health Welfare and Sport",
    "ci": "URN:UVCI:01:NL:DADFCC47C7334E45A906DB12FD859FB2",
}
RECOVERED: Members = {
    "tg": "840539006",
    "fr": "2021-06-01",
    "df": "2021-06-12",
    "du": "2021-11-28",
    "co": "UNHCR",
    "is": "United Nations HCR",
    "ci": "URN#UVCI#01#NL#DADFCC47C7334E45A906DB12FD859FB7",
}
ENTRIES = {"v": DOSE, "t": SAMPLE, "r": RECOVERED}
PERSON: Members = {
    "fn": "d'Červenková Panklová",
    "fnt": "DCERVENKOVA<PANKLOVA",
    "gn": "Jiřina-Maria Alena",
    "gnt": "JIRINA<MARIA<ALENA",
}
NONE = object()  # a member that isn't there


def certificate(
    group: str = "v",
    entry: Mapping[str, object] | None = None,
    person: Mapping[str, object] | None = None,
    **members: object,
) -> HealthCertificate:
    """Return what is read of a certificate with these changes to its members."""
    whole = {
        "ver": "1.3.0",
        "nam": _changed(PERSON, person or {}),
        "dob": "1979-04-14",
        group: [_changed(ENTRIES[group], entry or {})],
    }
    return parse(_changed(whole, members))


def parse(members: Mapping[str, object]) -> HealthCertificate:
    return parse_health_certificate(members)  # type: ignore[arg-type]  # wrong types, too


def _changed(members: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    both = {**copy.deepcopy(members), **changes}
    return {key: value for key, value in both.items() if value is not NONE}


# --- statements ----------------------------------------------------------------------------------


def test_a_vaccination_is_read() -> None:
    assert certificate("v") == HealthCertificate(
        holder="DCERVENKOVA<PANKLOVA<<JIRINA<MARIA<ALENA 1979-04-14",
        born=(date(1979, 4, 14), date(1979, 4, 14)),
        kind=EvidenceKind.VACCINATION,
        statement=Vaccination("840539006", "EU/1/20/1507", 1, 2, date(2021, 6, 11)),
        certificate_id="URN:UVCI:01:NL:DADFCC47C7334E45A906DB12FD859FB7",
        country="NL",
    )


def test_a_test_is_read() -> None:
    read = certificate("t")
    assert read.kind is EvidenceKind.TEST
    assert read.statement == LabTest(
        "840539006", LabTestKind.ANTIGEN, True, datetime(2021, 6, 11, 15, 30, tzinfo=UTC)
    )


def test_a_recovery_is_read() -> None:
    read = certificate("r")
    assert (read.kind, read.country) == (EvidenceKind.RECOVERY, "UNHCR")
    assert read.statement == Recovery(
        "840539006", date(2021, 6, 1), date(2021, 6, 12), date(2021, 11, 28)
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("LP6464-4", LabTestKind.NUCLEIC_ACID),
        ("LP217198-3", LabTestKind.ANTIGEN),
        ("LP217198-4", LabTestKind.OTHER),
        ("", LabTestKind.OTHER),
    ],
)
def test_the_kind_of_a_test_is_told_by_its_code(code: str, kind: LabTestKind) -> None:
    statement = certificate("t", {"tt": code}).statement
    assert isinstance(statement, LabTest)
    assert statement.kind is kind


@pytest.mark.parametrize(
    "result", ["260373001", "", " 260415000", "260415000 ", "２６０４１５０００"]
)
def test_only_the_code_for_not_detected_is_negative(result: str) -> None:
    statement = certificate("t", {"tr": result}).statement
    assert isinstance(statement, LabTest)
    assert not statement.is_negative


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-06-11T17:30:00Z", datetime(2021, 6, 11, 17, 30, tzinfo=UTC)),
        ("2021-06-11t17:30:00z", datetime(2021, 6, 11, 17, 30, tzinfo=UTC)),
        ("2021-06-11T17:30:59.123456789Z", datetime(2021, 6, 11, 17, 30, 59, tzinfo=UTC)),
        ("2021-06-11T17:30:00+02:00", datetime(2021, 6, 11, 15, 30, tzinfo=UTC)),
        ("2021-06-11T17:30:00+0200", datetime(2021, 6, 11, 15, 30, tzinfo=UTC)),
        ("2021-06-11T17:30:00+02", datetime(2021, 6, 11, 15, 30, tzinfo=UTC)),
        ("2021-06-11T17:30:00-03:30", datetime(2021, 6, 11, 21, tzinfo=UTC)),
        ("2021-06-11T17:30:00-00:00", datetime(2021, 6, 11, 17, 30, tzinfo=UTC)),
        ("2021-06-11T17:30:00", datetime(2021, 6, 11, 17, 30, tzinfo=UTC)),
        ("2021-06-11T17:30:00.000", datetime(2021, 6, 11, 17, 30, tzinfo=UTC)),
        ("2021-06-11T17:30Z", datetime(2021, 6, 11, 17, 30, tzinfo=UTC)),
        ("2021-06-11 17:30:00", datetime(2021, 6, 11, 17, 30, tzinfo=UTC)),
        ("2021-06-30T23:59:60Z", datetime(2021, 6, 30, 23, 59, 59, tzinfo=UTC)),
        ("2021-06-11", datetime(2021, 6, 11, tzinfo=UTC)),
    ],
)
def test_the_forms_of_a_sampling_time_that_issuers_write_are_read(
    text: str, moment: datetime
) -> None:
    statement = certificate("t", {"sc": text}).statement
    assert isinstance(statement, LabTest)
    assert statement.sampled_at == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "20210611T173000Z",
        "2021-06-31T17:30:00Z",
        "0000-06-11T17:30:00Z",
        "2021-06-11T24:30:00Z",
        "2021-06-11T17:61:00Z",
        "2021-06-11T17:30:61Z",
        "2021-06-11T17:30:00+24:00",
        "2021-06-11T17:30:00+2:00",
        "2021-06-11T17:30:00ZZ",
        "2021-06-11T17:30:00Z\n",
        "2021-06-11T",
        " 2021-06-11T17:30:00Z",
        "２０２１-06-11T17:30:00Z",
        "2021-06-11T１７:30:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2021-06-11T17:30:00." + "0" * 40_000 + "x",
        "1e999",
        "NaN",
        "-2021-06-11",
    ],
)
def test_a_sampling_time_that_is_none_is_malformed(text: str) -> None:
    with pytest.raises(MalformedCode):
        certificate("t", {"sc": text})


@pytest.mark.parametrize(("group", "key"), [("v", "dt"), ("r", "fr"), ("r", "df"), ("r", "du")])
def test_a_date_is_one_of_the_calendar_perhaps_with_a_time_behind_it(group: str, key: str) -> None:
    plain = certificate(group, {key: "2021-07-12"})
    assert "2021, 7, 12" in repr(plain.statement)
    for behind in ("T00:00:00", "T00:00:00Z", "T22:00:00.000+02:00"):
        assert certificate(group, {key: f"2021-07-12{behind}"}) == plain
    for wrong in (
        "2021-02-29",
        "2021-7-12",
        "2021-07",
        "2021",
        "",
        "12-07-2021",
        "２０２１-07-12",
        "2021-07-12T",
        "2021-07-12 ",
        "2021-07-12Tx",
    ):
        with pytest.raises(MalformedCode):
            certificate(group, {key: wrong})


# --- the person ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("1979-04-14", date(1979, 4, 14), date(1979, 4, 14)),
        ("1979-04-14T00:00:00", date(1979, 4, 14), date(1979, 4, 14)),
        ("2000-02", date(2000, 2, 1), date(2000, 2, 29)),
        ("1950", date(1950, 1, 1), date(1950, 12, 31)),
        ("1950-00-00", date(1950, 1, 1), date(1950, 12, 31)),
        ("1950-00", date(1950, 1, 1), date(1950, 12, 31)),
        ("1950-13-01", date(1950, 1, 1), date(1950, 12, 31)),
        ("1950-06-00", date(1950, 6, 1), date(1950, 6, 30)),
        ("1950-06-31", date(1950, 6, 1), date(1950, 6, 30)),
    ],
)
def test_a_date_of_birth_may_leave_open_the_day_or_the_month(
    text: str, first: date, last: date
) -> None:
    assert certificate(dob=text).born == (first, last)


def test_a_date_of_birth_may_be_empty_and_must_be_there() -> None:
    assert certificate(dob="").born is None
    with pytest.raises(MalformedCode):
        certificate(dob=NONE)


@pytest.mark.parametrize(
    "text",
    ["1809-02-28", "2100-01-01", "14-04-1979", "1979-4-14", "1979-04-14Z", "１９７９", "197", " "],
)
def test_a_date_of_birth_of_another_form_is_malformed(text: str) -> None:
    with pytest.raises(MalformedCode):
        certificate(dob=text)


def test_a_person_is_the_same_on_every_certificate() -> None:
    holder = certificate("v").holder
    assert certificate("t", ver="1.0.0", dob="1979-04-14T00:00:00").holder == holder
    respelt = {"fn": "Panklova", "gnt": "<JIRINA<<MARIA<ALENA<<<"}
    assert certificate("r", person=respelt).holder == holder


def test_other_names_and_dates_of_birth_are_other_persons() -> None:
    people = [
        certificate().holder,
        certificate(dob="1979-04-15").holder,
        certificate(dob="1979").holder,
        certificate(dob="").holder,
        certificate(person={"gnt": "JIRINA"}).holder,
        certificate(person={"gnt": NONE}).holder,
        certificate(person={"fnt": NONE}).holder,
        certificate(person={"fnt": "DCERVENKOVA", "gnt": "PANKLOVA<JIRINA<MARIA<ALENA"}).holder,
    ]
    assert len(set(people)) == len(people)


def test_two_certificates_without_a_name_are_two_persons() -> None:
    nameless = {"fnt": "", "gnt": NONE}
    one = certificate(person=nameless, dob="")
    other = certificate(person=nameless, dob="", entry={"ci": "01:NL:1312D00"})
    assert one.holder != other.holder


def test_neither_a_name_nor_an_id_stands_in_what_is_printed() -> None:
    assert "JIRINA" not in repr(certificate())
    assert "DADFCC" not in repr(certificate())
    with pytest.raises(MalformedCode) as caught:
        certificate(person={"fnt": "panklova"})
    assert "panklova" not in str(caught.value)


# --- the schema ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0.0", "1.2.1", "1.3.3", "10.20.30", "1-3-0"])
def test_every_version_is_read(version: str) -> None:
    assert certificate(ver=version) == certificate()


@pytest.mark.parametrize(
    "version", [NONE, None, "", "1.3", "1.3.0-rc", "v1.3.0", "１.3.0", 1, "1" * 60_000]
)
def test_a_version_of_another_form_is_malformed(version: object) -> None:
    with pytest.raises(MalformedCode):
        certificate(ver=version)


@pytest.mark.parametrize("group", ENTRIES)
def test_every_required_member_of_an_entry_must_be_there_as_its_type(group: str) -> None:
    optional = {"tc", "ma"} if group == "t" else set()
    for key in ENTRIES[group].keys() - optional:
        for wrong in (NONE, None, True, [], {}, b"x", -1, 1.5):
            with pytest.raises(MalformedCode):
                certificate(group, {key: wrong})


def test_a_test_may_be_without_what_only_some_tests_have() -> None:
    assert certificate("t", {"tc": NONE, "ma": NONE}) == certificate("t")
    assert certificate("t", {"nm": "n" * 200, "dr": "2021-06-11T18:00:00Z"}) == certificate("t")
    for key in ("tc", "ma", "nm"):
        with pytest.raises(MalformedCode):
            certificate("t", {key: 5})


@pytest.mark.parametrize("key", ["dn", "sd"])
def test_a_dose_number_is_an_integer_of_at_least_1(key: str) -> None:
    assert certificate(entry={"dn": 3, "sd": 3}).statement == Vaccination(
        "840539006", "EU/1/20/1507", 3, 3, date(2021, 6, 11)
    )
    assert certificate(entry={key: 10}) == certificate(entry={key: 10.0})
    for wrong in (0, -1, True, 1.5, 1e999, float("nan"), "1", NONE):
        with pytest.raises(MalformedCode):
            certificate(entry={key: wrong})


def test_texts_have_at_most_80_characters_however_their_accents_are_written() -> None:
    for key in ("ci", "is"):
        certificate(entry={key: "x" * 80})
        with pytest.raises(MalformedCode):
            certificate(entry={key: "x" * 81})
    for key in ("fn", "gn"):
        certificate(person={key: "e\u0301" * 80})
        with pytest.raises(MalformedCode):
            certificate(person={key: "e\u0301" * 81})
        certificate(person={key: "\u03b1\u0313\u0300\u0345" * 80})
        with pytest.raises(MalformedCode):
            certificate(person={key: "\u03b1" + "\u0313\u0300\u0345" * 107})
    for key in ("fnt", "gnt"):
        certificate(person={key: "X" * 80})
        with pytest.raises(MalformedCode):
            certificate(person={key: "X" * 81})
    with pytest.raises(MalformedCode):
        certificate("t", {"tc": "x" * 81})


def test_one_standardised_name_is_enough_and_written_names_are_not_needed() -> None:
    written = {"fn": NONE, "gn": NONE}
    assert certificate(person=written) == certificate()
    assert certificate(person={"fnt": NONE}).holder.startswith("<<JIRINA")
    assert certificate(person={"gnt": NONE}).holder.startswith("DCERVENKOVA<PANKLOVA<< ")
    with pytest.raises(MalformedCode):
        certificate(person={"fnt": NONE, "gnt": NONE})
    for wrong in ("Panklova", "PANKLOVÁ", "PANKLOVA ", "ＰＡＮ", "PAN\n", "PAN2", None, 7):
        with pytest.raises(MalformedCode):
            certificate(person={"fnt": wrong})


@pytest.mark.parametrize("country", ["NL", "UNHCR", "XXX", "nL"])
def test_a_country_has_a_capital_letter(country: str) -> None:
    assert certificate(entry={"co": country}).country == country
    for wrong in ("", "nl", "31", "ＮＬ"):
        with pytest.raises(MalformedCode):
            certificate(entry={"co": wrong})


def test_members_that_the_schema_does_not_know_are_ignored() -> None:
    assert certificate(entry={"xx": 1}, person={"xx": 1}, xx=[1]) == certificate()


def test_there_is_exactly_one_entry_in_exactly_one_group() -> None:
    for wrong in ([], [DOSE, DOSE], [DOSE, {}], {"0": DOSE}, DOSE, "v", [[DOSE]], [None], 1):
        with pytest.raises(MalformedCode):
            certificate(v=wrong)
    others: tuple[object, ...] = ([SAMPLE], [], {})
    for other in others:
        with pytest.raises(MalformedCode):
            certificate(t=other)
    with pytest.raises(MalformedCode):
        certificate(v=NONE)
    with pytest.raises(MalformedCode):
        certificate(v=None)


def test_a_group_that_is_null_is_no_group() -> None:
    assert certificate(t=None, r=None) == certificate()


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "", b"", [], [DOSE], {}, {1: {}}])
def test_what_is_no_certificate_is_malformed(value: CborValue) -> None:
    with pytest.raises(MalformedCode):
        parse_health_certificate(value)


@pytest.mark.parametrize("names", [NONE, None, "DAVE", [], {}])
def test_a_certificate_without_names_is_malformed(names: object) -> None:
    with pytest.raises(MalformedCode):
        certificate(nam=names)


# --- anything ------------------------------------------------------------------------------------

ODD_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.text("0123456789-:.TZ+１", max_size=30)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


@given(
    group=st.sampled_from(sorted(ENTRIES)),
    key=st.sampled_from(sorted({*DOSE, *SAMPLE, *RECOVERED, "nm", "ver", "nam", "dob", *"vtr"})),
    value=ODD_VALUES,
)
def test_no_value_of_a_member_does_anything_but_fit_or_be_malformed(
    group: str, key: str, value: object
) -> None:
    whole = {"ver": "1.3.0", "nam": PERSON, "dob": "1979", group: [ENTRIES[group]], key: value}
    try:
        read = certificate(group, {key: value}) if key in ENTRIES[group] else parse(whole)
    except MalformedCode:
        return
    assert isinstance(read.statement, Vaccination | LabTest | Recovery)
    if isinstance(read.statement, LabTest):
        assert read.statement.sampled_at.tzinfo is UTC


def test_the_patterns_stay_fast_on_the_longest_texts() -> None:
    # The schema's own pattern for the version would take hours for 60,000 digits and one letter.
    assert len("1" * 60_000) > dcc.MAX_VERSION_CHARACTERS
    with pytest.raises(MalformedCode):
        certificate(ver="1" * 60_000 + "x")
