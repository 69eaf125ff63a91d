"""``gated command``: its key, its numbers, its words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gated import cli
from gated.commands.command import _config_value, describe
from gated.commands.command_key import load_command_key, make_command_key, next_counter
from gated.commands.command_link import answer_of
from gated.commands.command_texts import OUTCOMES, WHY
from gated.contents import CommandContent, CommandName, CommandOutcome, CommandReason
from gated.credentials.keys import make_key_pair
from gated.credentials.trust import load_trust
from gated.credentials.trusted_keys import USE_COMMANDS
from gated.deeds import MAX_COUNTER
from gated.errors import ConfigError, GatedError, WireError

ANSWER = CommandContent(
    command=CommandName.MODE,
    command_id="00" * 16,
    outcome=CommandOutcome.DONE,
    by="centre:desk",
    key="0123456789abcdef",
    counter=7,
    detail="closed for 600 s",
)


def run(*words: str) -> int:
    return cli.main(["command", *words])


def test_a_new_key_signs_commands_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("keygen", "--out", str(tmp_path / "centre")) == 0
    private, public = tmp_path / "centre/centre.key.pem", tmp_path / "centre/centre.jwks.json"
    assert private.stat().st_mode & 0o777 == 0o600
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "centre.jwks.json").write_bytes(public.read_bytes())
    keys = [key for keys in load_trust(trust).keys.values() for key in keys]
    assert {key.uses for key in keys} == {frozenset({USE_COMMANDS})}
    assert {key.fingerprint.hex() for key in keys} <= set(capsys.readouterr().out.split())
    assert "d" not in json.loads(public.read_bytes())["keys"][0]
    assert run("keygen", "--out", str(tmp_path / "centre")) == 1, "a key is never overwritten"
    assert run("keygen", "--out", str(tmp_path), "--name", "../x") == 1
    assert run("keygen", "--out", str(tmp_path), "--name", "chief", "--config") == 0
    made = json.loads((tmp_path / "chief.jwks.json").read_bytes())["keys"][0]
    assert made["gated_uses"] == ["commands", "commands/config"]
    assert run("keygen", "--out", str(tmp_path), "--name", "keeper", "--trust") == 0
    made = json.loads((tmp_path / "keeper.jwks.json").read_bytes())["keys"][0]
    assert made["gated_uses"] == ["commands", "commands/trust"]


def test_only_an_ed25519_key_is_taken(tmp_path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path / "p256.pem"
    path.write_bytes(pem)
    with pytest.raises(ConfigError, match="not Ed25519"):
        load_command_key(path)


def test_a_number_rises_with_each_command_whatever_the_clock_does(tmp_path: Path) -> None:
    key = make_command_key(tmp_path, "centre").private_path
    assert next_counter(key, 1_000) == 1_000
    assert next_counter(key, 1_000) == 1_001
    assert next_counter(key, 5_000) == 5_000
    assert next_counter(key, 0) == 5_001
    assert (tmp_path / "centre.key.pem.counter").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["x", "1 000", "-5", "12345678901234567"])
def test_a_damaged_number_stops_the_key_instead_of_beginning_anew(
    text: str, tmp_path: Path
) -> None:
    key = make_command_key(tmp_path, "centre").private_path
    key.with_name(key.name + ".counter").write_text(text)
    with pytest.raises(GatedError, match="holds no number"):
        next_counter(key, 1_000)


def test_a_key_that_is_used_up_says_so(tmp_path: Path) -> None:
    key = make_command_key(tmp_path, "centre").private_path
    assert next_counter(key, MAX_COUNTER) == MAX_COUNTER
    with pytest.raises(GatedError, match="used up"):
        next_counter(key, 1_000)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--gate", "east-1"), "write it like school/east-1"),
        (("--gate", "school/east-1", "--by", "the duty desk"), "--by"),
        (("--gate", "school/east-1", "--broker", "http://x"), "broker"),
        (("--gate", "school/east-1", "--broker", "mqtt://127.0.0.1:1"), "cannot reach"),
    ],
)
def test_what_cannot_be_sent_is_said_in_one_line(
    words: tuple[str, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = str(make_command_key(tmp_path, "centre").private_path)
    assert run("ping", "--key", key, "--broker", "mqtt://127.0.0.1:1", *words) != 0
    assert says in capsys.readouterr().err


def test_a_list_that_is_too_long_for_a_command_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = str(make_command_key(tmp_path, "centre").private_path)
    (tmp_path / "long.txt").write_bytes(b"s-1\n" * 1_000)
    words = ("list", "duty", str(tmp_path / "long.txt"), "--gate", "school/east-1")
    assert run(*words, "--key", key, "--broker", "mqtt://127.0.0.1:1") == 1
    assert "copy it to the gate instead" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "words", "says"),
    [
        ("desk.key.pem", (), "private key"),
        ("chief.jwks.json", (), "only somebody at the gate"),
        ("desk.jwks.json", ("--name", "the desk"), "lower-case"),
        ("desk.jwks.json", (), "cannot reach"),
    ],
)
def test_keys_that_no_gate_would_take_are_not_even_sent(
    file: str,
    words: tuple[str, ...],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = str(make_command_key(tmp_path, "chief", may_trust=True).private_path)
    make_key_pair(tmp_path, "desk")
    to = ("--gate", "school/east-1", "--key", key, "--broker", "mqtt://127.0.0.1:1")
    assert run("trust", "add", str(tmp_path / file), *words, *to) != 0
    assert says in capsys.readouterr().err


def test_diagnostics_overwrite_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, out = make_command_key(tmp_path, "centre").private_path, tmp_path / "found.zip"
    out.write_text("from before")
    to = ("--gate", "school/east-1", "--key", str(key), "--broker", "mqtt://127.0.0.1:1")
    assert run("diagnose", "--out", str(out), *to) == 1
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "from before"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("temperature.fever_threshold_c=37.5", 37.5),
        ("temperature.max_attempts=3", 3),
        ("checks.exit_reader=true", True),
        ("checks.credential=soft", "soft"),
        ('checks.credential="soft"', "soft"),
        ('gate.languages=["en"]', ["en"]),
        ("checks.anti_passback_reset=04:00", "04:00"),
        # What no key has goes as it was typed: the gate refuses it in words.
        ("checks.anti_passback_reset=04:00:00", "04:00:00"),
        ("uplink.keep_person_days=2026-11-23", "2026-11-23"),
        ("gate.languages=[04:00:00]", "[04:00:00]"),
        ("gate.name={a = 1}", "{a = 1}"),
    ],
)
def test_a_value_is_written_as_in_the_file(text: str, value: object) -> None:
    path, parsed = _config_value(text)
    assert (path, parsed, type(parsed)) == (text.partition("=")[0], value, type(value))


# --- words --------------------------------------------------------------------------------------


def test_every_outcome_and_every_reason_has_its_words_in_both_languages() -> None:
    assert OUTCOMES.keys() == set(CommandOutcome)
    assert WHY.keys() == set(CommandReason)
    for zh, en in [*OUTCOMES.values(), *WHY.values()]:
        assert zh != en
        assert en.isascii()
        assert not zh.isascii()


def test_an_answer_is_shown_in_one_line() -> None:
    assert describe(ANSWER, 48) == "mode closed for 600 s: done  已执行  (record 记录 48)"
    refused = ANSWER.model_copy(
        update={"outcome": CommandOutcome.REFUSED, "reason": CommandReason.KEY_SWITCH}
    )
    shown = describe(refused, 49)
    assert "refused: the key switch at the gate holds it closed" in shown
    assert "闸机拒绝：现场钥匙已锁定" in shown


def test_an_answer_of_a_later_version_is_said_to_be_one() -> None:
    body = ANSWER.members() | {"outcome": "postponed"}
    with pytest.raises(WireError, match="update gated here"):
        answer_of(body)
    assert answer_of(ANSWER.members() | {"more": 1}) == ANSWER
