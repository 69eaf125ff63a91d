"""From a sighting to what the decider sees: nothing of the text is left."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gated.clock import TimeQuality
from gated.config import parse_gate
from gated.controller.codes import CodeRules, check_code, load_code_rules
from gated.credentials.enough import Accepted, CertificateRules
from gated.credentials.persons import Days, PersonsList
from gated.credentials.pseudonym import SiteKey, make_site_key
from gated.credentials.verify import verify
from gated.errors import ConfigError
from gated.messages import CodeSeen, ContactValueSeen, CredentialChecked
from gated.units import MonoSeconds
from gated.vocabulary import (
    Check,
    CodeColour,
    CredentialStatus,
    EvidenceKind,
    HolderCategory,
    Reason,
)
from tests import changing_passes
from tests.config_texts import with_keys

GOLDEN = Path(__file__).parents[1] / "golden" / "gp1"
CASES = {
    case["name"]: case
    for case in json.loads((GOLDEN / "cases.json").read_text(encoding="utf-8"))["cases"]
}
CARD = CASES["a pupil's card"]
NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
AT = MonoSeconds(12.0)


@pytest.fixture
def rules(tmp_path: Path) -> CodeRules:
    make_site_key(tmp_path / "site.key")
    text = with_keys(
        "credentials", f'trust = "{GOLDEN / "trust"}"', f'site_key_file = "{tmp_path}/site.key"'
    )
    return load_code_rules(parse_gate(text, "gated.toml"), UTC)


def seen(text: str, *, is_ambiguous: bool = False) -> CodeSeen:
    return CodeSeen(text, "zxing", CodeColour.GREEN, "p7", is_ambiguous)


def test_a_pass_becomes_a_credential_without_its_text(rules: CodeRules) -> None:
    checked = check_code(seen(CARD["text"]), NOW, AT, rules)
    assert isinstance(checked, CredentialChecked)
    credential = checked.credential
    assert (credential.status, credential.format) == (CredentialStatus.VALID, "GP1")
    assert (credential.presentation, credential.colour) == ("p7", CodeColour.GREEN)
    assert checked.at == AT
    values = [value for value in asdict(credential).values() if isinstance(value, str)]
    assert not any(value in CARD["text"] for value in values if len(value) > 3)
    assert CARD["text"] not in repr(checked)


def test_contents_that_the_scanner_could_not_pass_on_are_malformed(rules: CodeRules) -> None:
    checked = check_code(seen(""), NOW, AT, rules)
    assert isinstance(checked, CredentialChecked)
    assert checked.credential.status is CredentialStatus.MALFORMED


@pytest.mark.parametrize("case", [case for case in CASES.values() if case["text"]])
def test_every_known_code_has_the_status_that_it_should(
    case: dict[str, str], rules: CodeRules
) -> None:
    now = datetime.fromisoformat(case["now"])
    checked = check_code(seen(case["text"]), now, AT, rules)
    assert isinstance(checked, CredentialChecked)
    assert checked.credential.status == case["status"]


def test_a_line_of_the_value_sheet_is_a_contact_value(rules: CodeRules) -> None:
    assert check_code(seen("GV1:36.8"), NOW, AT, rules) == ContactValueSeen(36.8, AT)


@pytest.mark.parametrize("text", ["GV1:35.9", "GV1:40.1", "GV1:nan", "GV1:3e1", "GV1:37,3"])
def test_a_line_that_is_not_on_the_value_sheet_is_no_value(text: str, rules: CodeRules) -> None:
    checked = check_code(seen(text), NOW, AT, rules)
    assert isinstance(checked, CredentialChecked)
    assert checked.credential.status is not CredentialStatus.VALID


def test_two_codes_at_once_are_neither_of_them(rules: CodeRules) -> None:
    checked = check_code(seen("", is_ambiguous=True), NOW, AT, rules)
    assert isinstance(checked, CredentialChecked)
    assert checked.credential.is_ambiguous
    assert checked.credential.status is CredentialStatus.UNSUPPORTED
    assert checked.credential.holder_ref is None


def test_a_listed_person_is_one_until_the_end_of_the_last_day_at_the_site(
    rules: CodeRules,
) -> None:
    proof = verify(CARD["text"], now=NOW, trust=rules.trust).proof
    assert proof is not None
    listed = replace(rules, persons=PersonsList({proof.subject: (Days(None, date(2026, 11, 23)),)}))
    for now, expected in (
        (datetime(2026, 11, 23, 23, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 24, 0, 0, tzinfo=UTC), False),
    ):
        checked = check_code(seen(CARD["text"]), now, AT, listed)
        assert isinstance(checked, CredentialChecked)
        assert checked.credential.is_listed is expected


def test_who_is_on_the_duty_list_is_on_duty_on_these_days_at_the_site(rules: CodeRules) -> None:
    proof = verify(CARD["text"], now=NOW, trust=rules.trust).proof
    assert proof is not None
    duty = PersonsList({proof.subject: (Days(date(2026, 11, 24), date(2026, 11, 24)),)})
    on_duty = replace(rules, duty=duty, timezone=ZoneInfo("Asia/Shanghai"))
    for now, expected in (
        (datetime(2026, 11, 23, 15, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 23, 16, 0, tzinfo=UTC), True),  # midnight in Shanghai
        (datetime(2026, 11, 24, 16, 0, tzinfo=UTC), False),
    ):
        checked = check_code(seen(CARD["text"]), now, AT, on_duty)
        assert isinstance(checked, CredentialChecked)
        assert checked.credential.is_on_duty is expected


def test_a_pass_without_the_test_that_the_site_asks_for_is_not_enough(rules: CodeRules) -> None:
    asked = CertificateRules(
        asked_of=frozenset({HolderCategory.STUDENT}),
        accepted=(Accepted(EvidenceKind.TEST, max_age_h=48.0),),
    )
    checked = check_code(seen(CARD["text"]), NOW, AT, replace(rules, certificates=asked))
    assert isinstance(checked, CredentialChecked)
    assert checked.credential.status is CredentialStatus.VALID
    assert checked.credential.findings == ((Reason.NOT_ENOUGH, Check.HARD),)


def test_a_code_that_does_not_hold_is_refused_for_that_whatever_it_states(rules: CodeRules) -> None:
    asked = CertificateRules(asked_of=frozenset(HolderCategory))
    expired = datetime(2027, 3, 1, tzinfo=UTC)
    for text, now in ((CARD["text"][:-1], NOW), (CARD["text"], expired)):
        checked = check_code(seen(text), now, AT, replace(rules, certificates=asked))
        assert isinstance(checked, CredentialChecked)
        assert checked.credential.status is not CredentialStatus.VALID


@pytest.mark.parametrize("quality", TimeQuality)
def test_the_age_of_a_changing_code_is_judged_by_a_clock_that_says_something(
    quality: TimeQuality, rules: CodeRules
) -> None:
    ours = replace(rules, site_key=SiteKey(changing_passes.SITE_KEY, "k1"))
    late = changing_passes.NOW + timedelta(days=3)
    checked = check_code(seen(changing_passes.CODE), late, AT, ours, time_quality=quality)
    assert isinstance(checked, CredentialChecked)
    status = CredentialStatus.STALE_CODE
    if quality is TimeQuality.UNKNOWN:
        status = CredentialStatus.VALID  # the policy says what it is worth: clock_unknown
        assert checked.credential.code_made_s == changing_passes.NOW_S
    assert checked.credential.status is status
    assert checked.credential.time_quality is quality


def test_a_revoked_pass_is_revoked(rules: CodeRules) -> None:
    proof = verify(CARD["text"], now=NOW, trust=rules.trust).proof
    assert proof is not None
    checked = check_code(
        seen(CARD["text"]), NOW, AT, replace(rules, revoked=frozenset({proof.code_id}))
    )
    assert isinstance(checked, CredentialChecked)
    assert checked.credential.status is CredentialStatus.REVOKED


def test_without_a_site_key_the_gate_does_not_start(tmp_path: Path) -> None:
    text = with_keys("credentials", f'site_key_file = "{tmp_path}/none.key"')
    with pytest.raises(ConfigError, match=r"none\.key"):
        load_code_rules(parse_gate(text, "gated.toml"), UTC)


@pytest.mark.parametrize("key", ["persons_list_file", "revocation_file"])
def test_a_list_that_cannot_be_read_stops_the_gate(key: str, tmp_path: Path) -> None:
    make_site_key(tmp_path / "site.key")
    text = with_keys(
        "credentials", f'site_key_file = "{tmp_path}/site.key"', f'{key} = "{tmp_path}/none.txt"'
    )
    with pytest.raises(ConfigError, match=r"none\.txt"):
        load_code_rules(parse_gate(text, "gated.toml"), UTC)
