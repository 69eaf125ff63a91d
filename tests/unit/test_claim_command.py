"""``gated collector claim`` where the CA is there, and where it has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from gated.cli import main
from gated.errors import ExitCode
from tests.authorities import Authority
from tests.config_texts import MINIMAL

GATE = "lixin-primary/east-1"


def claim(folder: Path, *words: str, ca_ends: float = 365.0) -> int:
    """Return the exit code of the command at a centre whose CA ends in ``ca_ends`` days."""
    ca = Authority("gates CA", begins=-400, ends=ca_ends)
    (folder / "ca.pem").write_bytes(ca.pem)
    (folder / "ca.key").write_bytes(ca.key_pem)
    (folder / "ca.key").chmod(0o600)
    (folder / "gate.toml").write_text(MINIMAL, encoding="utf-8")
    config = folder / "collector.toml"
    config.write_text(
        f'[collector]\nname = "centre"\nbroker = "mqtts://10.8.0.1:8883"\n'
        f'ca_file = "{folder}/ca.pem"\ndatabase = "{folder}/records.db"\n'
        f'[claims]\nenabled = true\nfolder = "{folder}/claims"\n'
        f'ca_cert_file = "{folder}/ca.pem"\nca_key_file = "{folder}/ca.key"\n'
        f'gate_config_file = "{folder}/gate.toml"\n',
        encoding="utf-8",
    )
    return main(["collector", "claim", *words, "--config", str(config)])


def test_a_code_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert claim(tmp_path, "new", GATE, "--replace") == ExitCode.OK
    assert "good once" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("new", GATE, "--replace"), ("revoked",)])
def test_a_ca_that_has_ended_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert claim(tmp_path, *words, ca_ends=-1.0) == ExitCode.CONFIG
    said = capsys.readouterr()
    assert said.out == ""
    assert "ended" in said.err
