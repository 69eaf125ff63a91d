"""What a configuration file and a secret's file must be before they are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gated.config import Secret, load_gate, parse_gate, read_secret
from gated.config.files import HANDED_OVER, NOT_THERE, as_handed_over
from gated.credentials.pseudonym import load_site_key, make_site_key
from gated.errors import ConfigError, ExitCode
from tests.config_texts import MINIMAL, with_keys

# --- the file itself --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("[gate]\nsite = lixin\n", 2, "  site = lixin\n         ^"),
        ("[gate]\nsite = “lixin”\n", 2, "is a full-width sign"),
        ("[gate]\nsite = 'a'\nsite = 'b'\n", 3, "Cannot overwrite a value"),
        ("[gate", 1, "Expected ']'"),
        ("a = [", 1, "  a = [\n       ^"),
        ("", 1, None),
    ],
)
def test_a_syntax_error_shows_the_line(text: str, line: int, expected: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_gate(text, "gated.toml")

    message = str(caught.value)
    if expected is None:  # an empty file is TOML, but no configuration
        assert "gate : is missing" in message
    else:
        assert message.startswith(f"gated.toml, line {line}, ")
        assert expected in message


@pytest.mark.parametrize("text", ["a = " + "[" * 20_000, "a = " + "9" * 5_000])
def test_input_that_upsets_the_parser_is_refused_not_raised(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_gate(text, "gated.toml")


def test_a_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "gated.toml"
    path.write_text(MINIMAL, encoding="utf-8-sig")  # as a Windows editor saves it

    assert load_gate(path).gate.name == "east-1"


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gated config example >") as caught:
        load_gate(tmp_path / "gated.toml")
    assert caught.value.exit_code is ExitCode.CONFIG


def test_a_file_that_everybody_can_change_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gated.toml"
    path.write_text(MINIMAL)
    path.chmod(0o646)

    with pytest.raises(ConfigError, match="chmod o-w"):
        load_gate(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        load_gate(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigError, match="is not a file"):
        load_gate(tmp_path / "pipe")


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_gate(Path("a\0b"))


def test_a_file_over_a_mebibyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gated.toml"
    path.write_text(MINIMAL + "#" * 1_048_576)

    with pytest.raises(ConfigError, match="1,048,576 bytes"):
        load_gate(path)


def test_a_file_that_is_not_utf_8_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "gated.toml"
    path.write_bytes("[gate]\n# 闸机\n".encode("gb18030"))

    with pytest.raises(ConfigError, match=r"not UTF-8 \(line 2\)"):
        load_gate(path)


# --- secrets ----------------------------------------------------------------------------------


def test_a_secret_never_shows_itself() -> None:
    secret = Secret("hunter2")

    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hunter2"


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    path.chmod(0o640)

    assert read_secret(path).reveal() == "hunter2"


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        (b"hunter2", 0o644, "open to everybody"),
        (b" \n", 0o600, "is empty"),
        (b"\xff\xfe", 0o600, "is not text"),
        (b"x" * 65_537, 0o600, "longer than"),
    ],
)
def test_a_secret_file_that_cannot_be_right_is_refused(
    tmp_path: Path, content: bytes, mode: int, expected: str
) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    path.chmod(mode)

    with pytest.raises(ConfigError, match=expected) as caught:
        read_secret(path)
    assert "hunter2" not in str(caught.value)


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"password is missing"):
        read_secret(tmp_path / "password")


@pytest.mark.parametrize(
    "text",
    [
        with_keys("uplink", 'password = "hunter2"'),
        with_keys("uplink", 'password = "hunter2'),
        with_keys("uplink", "password = hunter2"),
        MINIMAL.replace("mqtts://", "mqtts://bob:hunter2@"),
        MINIMAL.replace("mqtts://", "mqtt://bob:hunter2@"),
        MINIMAL.replace('variant = "DCI"', 'token = ["hunter2"]'),
    ],
)
def test_a_password_in_the_wrong_place_is_not_repeated_in_the_error(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_gate(text, "gated.toml")
    assert "hunter2" not in str(caught.value)


# --- what the service manager hands over ------------------------------------------------------


@pytest.fixture
def handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a unit's credentials."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return tmp_path


def test_a_secret_that_only_root_may_read_comes_from_the_service_manager(handed_over: Path) -> None:
    (handed_over / "mqtt.password").write_text("open sesame\n", encoding="utf-8")
    (handed_over / "mqtt.password").chmod(0o400)
    assert read_secret(HANDED_OVER / "mqtt.password").reveal() == "open sesame"


def test_a_site_key_too(handed_over: Path) -> None:
    made = make_site_key(handed_over / "site.key")
    assert load_site_key(HANDED_OVER / "site.key").key_id == made.key_id


@pytest.mark.parametrize("handed", [None, NOT_THERE])
def test_what_was_not_handed_over_is_read_from_the_file_that_is_named(
    handed: bytes | None, handed_over: Path
) -> None:
    if handed is not None:
        (handed_over / "site.key").write_bytes(handed)
    assert as_handed_over(HANDED_OVER / "site.key") == HANDED_OVER / "site.key"


def test_a_file_of_another_folder_is_never_mistaken_for_one_that_was_handed_over(
    handed_over: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (handed_over / "mqtt.password").write_text("another broker's", encoding="utf-8")
    own = tmp_path_factory.mktemp("own") / "mqtt.password"
    own.write_text("ours", encoding="utf-8")
    own.chmod(0o600)
    assert read_secret(own).reveal() == "ours"


def test_by_hand_the_file_itself_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert as_handed_over(HANDED_OVER / "site.key") == HANDED_OVER / "site.key"
