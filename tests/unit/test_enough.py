"""What a certificate must state: every boundary of every rule, in the site's time zone."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.config import GateConfig, parse_gate
from gated.config.reload import take_live
from gated.controller.certificates import certificate_rules
from gated.credentials.enough import Accepted, CertificateRules, is_enough
from gated.credentials.proof import LabTest, Proof, Recovery, Statement, Vaccination
from gated.errors import ConfigError
from gated.vocabulary import EvidenceKind, HolderCategory, LabTestKind
from tests.config_texts import MINIMAL, with_keys

COVID, FLU = "840539006", "6142004"
SHANGHAI = ZoneInfo("Asia/Shanghai")
SAMPLED = datetime(2026, 11, 23, 8, 0, tzinfo=SHANGHAI)
DOSE = Vaccination(COVID, "EU/1/20/1528", 2, 2, date(2026, 6, 1))
NEGATIVE = LabTest(COVID, LabTestKind.NUCLEIC_ACID, True, SAMPLED)
RECOVERED = Recovery(COVID, date(2026, 6, 1), date(2026, 6, 12), date(2026, 11, 28))
SECOND = timedelta(seconds=1)


def certificate(*statements: Statement, born: tuple[date, date] | None = None) -> Proof:
    return Proof(b"HC1", "x", b"y", statements=statements, born=born)


def holds(
    proof: Proof,
    rule: Accepted,
    now: datetime = SAMPLED,
    *,
    code_format: str = "HC1",
    category: HolderCategory = HolderCategory.VISITOR,
) -> bool:
    rules = CertificateRules(category=category, accepted=(rule,))
    return is_enough(proof, code_format, now, SHANGHAI, rules)


@pytest.mark.parametrize("hours", [48.0, 168.0])
def test_a_test_counts_from_sampling_to_the_last_second_of_its_hours(hours: float) -> None:
    rule = Accepted(EvidenceKind.TEST, max_age_h=hours)
    end = SAMPLED + timedelta(hours=hours)
    for now, expected in (
        (SAMPLED - SECOND, False),
        (SAMPLED, True),
        (end, True),
        (end + SECOND, False),
    ):
        assert holds(certificate(NEGATIVE), rule, now) is expected
        assert holds(certificate(NEGATIVE), rule, now.astimezone(UTC)) is expected


def test_hours_are_hours_also_when_the_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    sampled = datetime(2026, 10, 24, 12, 0, tzinfo=berlin)  # summer time ends on the 25th
    rule = Accepted(EvidenceKind.TEST, max_age_h=48.0)
    proof = certificate(replace(NEGATIVE, sampled_at=sampled))
    rules = CertificateRules(accepted=(rule,))
    for now, expected in (
        (datetime(2026, 10, 26, 11, 0, tzinfo=berlin), True),
        (datetime(2026, 10, 26, 11, 1, tzinfo=berlin), False),
    ):
        assert is_enough(proof, "HC1", now.astimezone(UTC), berlin, rules) is expected


def test_a_positive_test_and_one_of_another_kind_are_not_enough() -> None:
    rule = Accepted(EvidenceKind.TEST, kinds=frozenset({LabTestKind.NUCLEIC_ACID}))
    assert holds(certificate(NEGATIVE), rule)
    assert not holds(certificate(replace(NEGATIVE, is_negative=False)), rule)
    assert not holds(certificate(replace(NEGATIVE, kind=LabTestKind.ANTIGEN)), rule)
    assert not holds(certificate(replace(NEGATIVE, disease=FLU)), rule)
    assert holds(
        certificate(replace(NEGATIVE, kind=LabTestKind.ANTIGEN)), replace(rule, kinds=frozenset())
    )


@pytest.mark.parametrize(
    ("day", "expected"), [(13, False), (14, True), (15, True), (270, True), (271, False)]
)
@pytest.mark.parametrize(
    ("proof", "evidence"),
    [
        (certificate(DOSE), EvidenceKind.VACCINATION),
        (
            certificate(replace(RECOVERED, valid_from=None, valid_until=None)),
            EvidenceKind.RECOVERY,
        ),
    ],
)
def test_days_are_the_sites_and_end_at_its_midnight(
    proof: Proof, evidence: EvidenceKind, day: int, *, expected: bool
) -> None:
    rule = Accepted(evidence, from_day=14, to_day=270)
    midnight = datetime(2026, 6, 1, tzinfo=SHANGHAI) + timedelta(days=day)
    assert holds(proof, rule, midnight) is expected
    assert holds(proof, rule, midnight + timedelta(days=1) - SECOND) is expected
    assert holds(proof, rule, midnight.astimezone(UTC)) is expected


def test_a_dose_or_a_positive_test_of_tomorrow_is_none() -> None:
    eve = datetime(2026, 5, 31, 23, 59, 59, tzinfo=SHANGHAI)
    assert not holds(certificate(DOSE), Accepted(EvidenceKind.VACCINATION), eve)
    bare = replace(RECOVERED, valid_from=None, valid_until=None)
    assert not holds(certificate(bare), Accepted(EvidenceKind.RECOVERY), eve)


@pytest.mark.parametrize(
    ("doses", "expected"),
    [
        ((replace(DOSE, dose=1),), (False, False)),
        ((DOSE,), (True, True)),
        ((replace(DOSE, dose=3),), (True, True)),
        ((replace(DOSE, dose=1, doses=1),), (True, False)),
        ((replace(DOSE, doses=None),), (False, True)),
        # a SMART Health Card: two doses without numbers; the same day twice is one
        (
            tuple(replace(DOSE, dose=None, doses=None, given_on=date(2026, m, 1)) for m in (5, 6)),
            (False, True),
        ),
        ((replace(DOSE, dose=None, doses=None),) * 2, (False, False)),
    ],
)
def test_a_series_is_complete_or_long_enough(
    doses: tuple[Vaccination, ...], expected: tuple[bool, bool]
) -> None:
    complete = Accepted(EvidenceKind.VACCINATION, is_series_complete=True)
    second = Accepted(EvidenceKind.VACCINATION, min_doses=2)
    assert (holds(certificate(*doses), complete), holds(certificate(*doses), second)) == expected


def test_only_the_products_that_are_named_count() -> None:
    rule = Accepted(EvidenceKind.VACCINATION, products=frozenset({"EU/1/20/1528"}))
    assert holds(certificate(DOSE), rule)
    assert not holds(certificate(replace(DOSE, product="Sputnik-V")), rule)
    assert not holds(certificate(replace(DOSE, product=None)), rule)


def test_a_recovery_holds_within_its_issuers_dates_and_the_rules() -> None:
    days = [date(2026, 6, 11), date(2026, 6, 12), date(2026, 11, 28), date(2026, 11, 29)]
    rule = Accepted(EvidenceKind.RECOVERY)
    noon = [datetime(d.year, d.month, d.day, 12, tzinfo=SHANGHAI) for d in days]
    assert [holds(certificate(RECOVERED), rule, now) for now in noon] == [False, True, True, False]
    undated = replace(RECOVERED, positive_on=None)
    assert holds(certificate(undated), rule, noon[1])
    assert not holds(certificate(undated), replace(rule, to_day=180), noon[1])


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        ((date(2008, 11, 23), date(2008, 11, 23)), True),  # eighteen today
        ((date(2008, 11, 24), date(2008, 11, 24)), False),  # tomorrow
        ((date(2008, 1, 1), date(2008, 12, 31)), False),  # perhaps: only the year is known
        ((date(2007, 1, 1), date(2007, 12, 31)), True),
        (None, False),
    ],
)
def test_an_age_must_be_certain(born: tuple[date, date] | None, *, expected: bool) -> None:
    proof = certificate(NEGATIVE, born=born)
    assert holds(proof, Accepted(EvidenceKind.TEST, from_age_y=18)) is expected
    if born is not None and born[0] == born[1]:
        assert holds(proof, Accepted(EvidenceKind.TEST, below_age_y=18)) is not expected
    elif born is None or born[1] > date(2008, 11, 23):
        assert not holds(proof, Accepted(EvidenceKind.TEST, below_age_y=18))


def test_a_rule_is_for_its_formats_and_its_holders_only() -> None:
    anything = Accepted(None, formats=frozenset({"NZCP"}))
    assert holds(certificate(), anything, code_format="NZCP")
    assert not holds(certificate(NEGATIVE), anything, code_format="HC1")
    for_staff = Accepted(None, holders=frozenset({HolderCategory.STAFF}))
    assert holds(certificate(), for_staff, category=HolderCategory.STAFF)
    assert not holds(certificate(), for_staff)


def test_without_rules_no_certificate_is_enough_and_every_pass_is() -> None:
    assert not is_enough(certificate(NEGATIVE, DOSE), "HC1", SAMPLED, SHANGHAI, CertificateRules())
    pupil = Proof(b"k", "s-1", b"c", category=HolderCategory.STUDENT)
    assert is_enough(pupil, "GP1", SAMPLED, SHANGHAI, CertificateRules())


def test_a_pass_of_a_category_that_is_asked_must_carry_a_fresh_test_too() -> None:
    rules = CertificateRules(
        asked_of=frozenset({HolderCategory.STUDENT}),
        accepted=(Accepted(EvidenceKind.TEST, max_age_h=168.0),),
    )
    pupil = Proof(b"k", "s-1", b"c", category=HolderCategory.STUDENT)
    tested = replace(pupil, statements=(NEGATIVE,))
    at = [SAMPLED + timedelta(days=7), SAMPLED + timedelta(days=7, seconds=1)]
    assert not is_enough(pupil, "GP1", SAMPLED, SHANGHAI, rules)
    assert [is_enough(tested, "GP1", now, SHANGHAI, rules) for now in at] == [True, False]
    staff = replace(pupil, category=HolderCategory.STAFF)
    assert is_enough(staff, "GP1", SAMPLED, SHANGHAI, rules)


STATEMENTS = st.one_of(
    st.builds(
        LabTest,
        st.sampled_from([COVID, FLU]),
        st.sampled_from(LabTestKind),
        st.booleans(),
        st.integers(-400, 400).map(lambda hours: SAMPLED - timedelta(hours=hours)),
    ),
    st.builds(
        Vaccination,
        st.sampled_from([COVID, FLU]),
        st.sampled_from([None, "A", "B"]),
        st.none() | st.integers(1, 4),
        st.none() | st.integers(1, 4),
        st.dates(date(2026, 1, 1), date(2026, 12, 1)),
    ),
    st.builds(
        Recovery,
        st.sampled_from([COVID, FLU]),
        *[st.none() | st.dates(date(2026, 1, 1), date(2026, 12, 1))] * 3,
    ),
)
RULES = st.builds(
    Accepted,
    st.sampled_from([*EvidenceKind, None]),
    from_age_y=st.none() | st.integers(0, 30),
    max_age_h=st.none() | st.floats(1, 300),
    is_series_complete=st.booleans(),
    min_doses=st.integers(0, 3),
    products=st.sampled_from([frozenset(), frozenset({"A"})]),
    from_day=st.none() | st.integers(0, 300),
    to_day=st.none() | st.integers(0, 300),
)


@given(st.lists(STATEMENTS, max_size=3), st.lists(RULES, max_size=3))
def test_one_more_rule_never_takes_away_and_a_statement_counts_only_by_a_rule(
    statements: list[Statement], accepted: list[Accepted]
) -> None:
    proof = certificate(*statements, born=(date(2000, 1, 1), date(2000, 1, 1)))
    results = [
        is_enough(proof, "HC1", SAMPLED, SHANGHAI, CertificateRules(accepted=tuple(accepted[:n])))
        for n in range(len(accepted) + 1)
    ]
    assert results[0] is False
    assert all(before <= after for before, after in itertools.pairwise(results))
    if not statements:
        assert results[-1] is any(
            r.evidence is None and (r.from_age_y or 0) <= 26 for r in accepted
        )


# --- the configuration ---------------------------------------------------------------------------

EXAMPLE = """
category = "staff"
enough = [
  { name = "pcr", evidence = "test", kinds = ["nucleic_acid"], max_age_h = 48.0 },
  { name = "jab", evidence = "vaccination", complete = true, from_day = 14, to_day = 270, \
    products = ["EU/1/20/1528"] },
  { name = "had-it", evidence = "recovery", from_day = 11, to_day = 180, from_age_y = 12 },
  { name = "nz", evidence = "any", formats = ["NZCP"] },
]
"""


def test_rules_are_the_same_after_a_reload() -> None:
    config = parse_gate(MINIMAL + "\n[certificates]" + EXAMPLE, "gated.toml")
    assert GateConfig.model_validate(config.model_dump()) == config
    live, changed = take_live(parse_gate(MINIMAL, "gated.toml"), config)
    assert live.certificates == config.certificates
    assert changed.live == ("certificates.category", "certificates.enough")


def test_the_configuration_becomes_the_rules() -> None:
    config = parse_gate(MINIMAL + "\n[certificates]" + EXAMPLE, "gated.toml")
    assert certificate_rules(config) == CertificateRules(
        category=HolderCategory.STAFF,
        accepted=(
            Accepted(
                EvidenceKind.TEST, kinds=frozenset({LabTestKind.NUCLEIC_ACID}), max_age_h=48.0
            ),
            Accepted(
                EvidenceKind.VACCINATION,
                is_series_complete=True,
                products=frozenset({"EU/1/20/1528"}),
                from_day=14,
                to_day=270,
            ),
            Accepted(EvidenceKind.RECOVERY, from_day=11, to_day=180, from_age_y=12),
            Accepted(None, formats=frozenset({"NZCP"})),
        ),
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('enough = [{ name = "x", evidence = "test", complete = true }]', "complete says nothing"),
        ('enough = [{ name = "x", evidence = "any", max_age_h = 3.0 }]', "max_age_h says nothing"),
        (
            'enough = [{ name = "x", evidence = "recovery", from_day = 9, to_day = 8 }]',
            "to_day is before",
        ),
        (
            'enough = [{ name = "x", evidence = "test", from_age_y = 9, below_age_y = 9 }]',
            "nobody is of that age",
        ),
        (
            'enough = [{ name = "x", evidence = "any" }, { name = "x", evidence = "any" }]',
            "one name",
        ),
        ('asked_of = ["student"]', "would refuse all"),
        ('enough = [{ name = "x", evidence = "test", max_age_h = 0.5 }]', "1.0"),
        ('enough = [{ name = "x", evidence = "prayer" }]', "vaccination | test | recovery | any"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(line: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_gate(with_keys("certificates", line), "gated.toml")
    assert expected in str(caught.value)
