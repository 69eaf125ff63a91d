"""``gated setup`` at a real terminal: Enter takes defaults, a password is not shown."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from gated.config import load_gate
from tests.setup_rig import PASSWORD

SILENCE_S = 30.0
ANSWERS = (
    ("site", "lixin-primary"),
    ("this gate's name", "EAST"),
    ("must be 1-63 of a-z 0-9", None),
    ("this gate's name", "east-1"),
    *((question, "") for question in ("way people pass", "camera", "thermometer (", "letters")),
    *((question, "") for question in ("wired to", "mounted at", "the air's", "wired as")),
    ("MQTT broker", "mqtts://broker.example:8883"),
    ("MQTT password", PASSWORD),
    *((question, "") for question in ("broker's CA", "site key", "public keys")),
    ("write it?", "yes"),
)


class Terminal:
    def __init__(self, *words: str) -> None:
        self._own, theirs = pty.openpty()
        self.said = ""
        self._read_to = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gated", *words],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "GATED_LANG": "en"},
        )  # fmt: skip
        os.close(theirs)

    def wait_for(self, text: str) -> None:
        """Return once ``text`` was said after what was waited for last."""
        while text not in self.said[self._read_to :]:
            self._hear(text)
        self._read_to = self.said.index(text, self._read_to) + len(text)

    def wait_for_prompt(self) -> None:
        """Return once the question is complete: then the terminal no longer shows a password."""
        while not self.said.endswith((": ", "no? ")):
            self._hear("a prompt")

    def _hear(self, awaited: str) -> None:
        ready, _, _ = select.select([self._own], [], [], SILENCE_S)
        assert ready, f"never said: {awaited}\n{self.said}"
        self.said += os.read(self._own, 4_096).decode(errors="replace")

    def type(self, line: str) -> None:
        os.write(self._own, f"{line}\n".encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)


def test_somebody_sets_a_gate_up_at_a_terminal(tmp_path: Path) -> None:
    config = tmp_path / "etc" / "gated.toml"
    terminal = Terminal("setup", "--config", str(config))
    try:
        for question, answer in ANSWERS:
            terminal.wait_for(question)
            if answer is not None:
                terminal.wait_for_prompt()
                terminal.type(answer)
        terminal.wait_for("systemctl enable --now gated.target")
        assert terminal.process.wait(SILENCE_S) == 0
    finally:
        terminal.close()
    assert PASSWORD not in terminal.said
    assert load_gate(config).gate.name == "east-1"
    assert (config.parent / "mqtt.password").read_text(encoding="utf-8").strip() == PASSWORD


@pytest.mark.parametrize("words", [["setup"], ["restore", "nothing.zip"]])
def test_where_nobody_can_be_asked_nothing_is_waited_for(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gated", *words, "--config", str(tmp_path / "gated.toml")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60.0,
    )  # fmt: skip
    assert done.returncode != 0
    assert list(tmp_path.iterdir()) == []
