"""``[verifier]``: off unless switched on, and then complete and bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from gated.config import parse_gate
from gated.config.explain import dump_toml
from gated.config.verifier import (
    PlatformAddress,
    PlatformResult,
    VerifierSettings,
    WhenUnreachable,
    parse_platform,
)
from gated.controller.online import online_rules
from gated.controller.rules import policy_rules
from gated.credentials.platform import Signer, Stamp, request_body
from gated.credentials.questions import FAILURE_IN_WORDS, AskFailure
from gated.vocabulary import HolderCategory
from tests.config_texts import MINIMAL, refusal, with_keys

ON = (
    "enabled = true",
    'url = "https://code.example/api/verify?v=2"',
    'key_file = "/etc/gated/verifier.key"',
    'tokens = [{ prefix = "PROV", min_characters = 20, max_characters = 40 }]',
)


UNITS = ("controller", "scanner", "uplink")


def on(*more: str) -> str:
    return with_keys("verifier", *ON, *more)


def test_nothing_is_verified_online_unless_it_is_switched_on() -> None:
    config = parse_gate(MINIMAL, "gated.toml")
    assert not config.verifier.enabled
    assert online_rules(config) is None
    assert VerifierSettings().enabled is False


def test_a_complete_section_gives_the_rules_and_survives_being_written() -> None:
    text = on(
        'results = [{ says = "0", means = "red" }, { says = "1", means = "green" }]',
        'result_member = "data.level"',
        'category = "student"',
        'when_unreachable = "last_answer"',
    )
    config = parse_gate(text, "gated.toml")
    rules = online_rules(config)
    assert rules is not None
    assert (rules.time_out_s, rules.category) == (2.0, HolderCategory.STUDENT)
    assert rules.when_unreachable is WhenUnreachable.LAST_ANSWER
    assert config.verifier.address == PlatformAddress("code.example", 443, "/api/verify?v=2")
    assert [(r.says, r.means) for r in config.verifier.results] == [
        ("0", PlatformResult.RED),
        ("1", PlatformResult.GREEN),
    ]
    assert parse_gate(dump_toml(config), "written").verifier == config.verifier


@pytest.mark.parametrize(
    ("when", "goes_to_staff"), [("see_staff", True), ("last_answer", True), ("deny", False)]
)
def test_who_is_not_verified_goes_to_staff_unless_denied(when: str, goes_to_staff: bool) -> None:
    config = parse_gate(on(f'when_unreachable = "{when}"'), "gated.toml")
    assert policy_rules(config).sends_unverified_to_staff is goes_to_staff


@pytest.mark.parametrize("missing", ["url", "key_file", "tokens"])
def test_switched_on_it_must_be_complete(missing: str) -> None:
    text = with_keys("verifier", *(line for line in ON if not line.startswith(missing)))
    (line, *_) = refusal(text)
    assert missing in line


@pytest.mark.parametrize(
    "line",
    [
        "time_out_s = 0.1",
        "time_out_s = 15.1",
        "time_out_s = nan",
        "time_out_s = true",
        "cache_s = -1.0",
        "cache_max_age_s = 86401.0",
        "cache_s = 120.0\ncache_max_age_s = 60.0",
        'category = "duty"',
        'category = "escort"',
        'category = "retest_release"',
        'when_unreachable = "admit"',
        'app_id = "a b"',
        'app_id = "名"',
        'app_id = ""',
        'result_member = ""',
        'result_member = "a..b"',
        'result_member = "a.b.c.d.e.f"',
        'results = [{ says = "1", means = "good" }]',
        'results = [{ says = "1", means = "green" }, { says = "1", means = "red" }]',
        'results = [{ says = 1, means = "green" }]',
        'key = "the secret itself"',
    ],
)
def test_what_is_out_of_its_bounds_is_refused(line: str) -> None:
    assert refusal(on(line))


@pytest.mark.parametrize(
    "tokens",
    [
        "[{ prefix = 7 }]",
        '[{ prefix = "码" }]',
        '[{ prefix = "a b" }]',
        '[{ prefix = "PROV", min_characters = 7 }]',
        '[{ prefix = "PROV", max_characters = 2049 }]',
        '[{ prefix = "PROV", min_characters = 40, max_characters = 39 }]',
        '[{ prefix = "https://code.example/a/long/one", min_characters = 8, max_characters = 20 }]',
        '[{ pattern = "PROV.*" }]',
        "[" + ", ".join(['{ prefix = "PROV" }'] * 9) + "]",
    ],
)
def test_a_kind_of_token_is_a_prefix_a_length_and_an_alphabet(tokens: str) -> None:
    lines = (line for line in ON if not line.startswith("tokens"))
    assert refusal(with_keys("verifier", *lines, f"tokens = {tokens}"))


@pytest.mark.parametrize(
    "url",
    [
        "http://code.example/verify",
        "code.example/verify",
        "https://",
        "https:///verify",
        "https://code.example:0/verify",
        "https://code.example:99999/verify",
        "https://user:hunter2@code.example/verify",
        "https://code.example/verify#hunter2",
        "https://code.example/a b",
        "https://码.example/verify",
        "https://[::1/verify",
    ],
)
def test_the_platform_is_asked_over_https_alone_and_the_refusal_quotes_no_secret(url: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]") as caught:
        parse_platform(url)
    assert "hunter2" not in str(caught.value)
    lines = (line for line in ON if not line.startswith("url"))
    assert refusal(with_keys("verifier", *lines, f'url = "{url}"'))


def test_an_address_may_have_a_port_and_need_no_path() -> None:
    assert parse_platform("https://[::1]:8443") == PlatformAddress("::1", 8_443, "/")


def test_the_platforms_secret_is_the_uplinks_alone() -> None:
    folder = Path(__file__).parents[2] / "systemd"
    units = {n: (folder / f"gated-{n}.service").read_text(encoding="utf-8") for n in UNITS}
    hiding = {
        name
        for name, text in units.items()
        for line in text.splitlines()
        if line.startswith("InaccessiblePaths=")
        and "-/etc/gated/verifier.key" in line.partition("=")[2].split()
    }
    assert hiding == {"controller", "scanner"}
    modes = (folder / "gated.tmpfiles").read_text(encoding="utf-8").splitlines()
    assert "z /etc/gated/verifier.key 0600 root root -" in modes


def test_an_answer_is_not_awaited_beyond_the_time_that_staff_are_called_after() -> None:
    (line, *_) = refusal(on("time_out_s = 15.0"))
    assert "staff_after_s" in line
    text = on("time_out_s = 10.0") + "\n[visit]\nstaff_after_s = 10.5\n"
    assert parse_gate(text, "gated.toml").verifier.time_out_s == 10.0


def test_the_page_names_every_result_every_failure_and_the_signature_of_its_example() -> None:
    page = (Path(__file__).parents[2] / "docs" / "verifier.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| `")}
    named = {word.strip(" `") for row in rows for word in row.split(",")}
    assert set(PlatformResult) <= named
    whole = {row.strip("`") for row in rows}
    assert set(FAILURE_IN_WORDS.values()) - {FAILURE_IN_WORDS[AskFailure.BUSY]} <= whole
    assert {when.value for when in WhenUnreachable} <= {word.split("`")[0] for word in named}
    signer = Signer("school-0412", "/api/v1/verify?v=1", b"a secret of 26 characters!")
    stamp = Stamp(1_795_680_000_123, "00112233445566778899aabbccddeeff")
    body = request_body("PROV0123456789abcdef")
    for header, value in signer.headers(body, stamp).items():
        assert header == "Accept" or f"{header}: {value}" in page
