"""A configuration of another version: which key is gone or has another name, in so many words."""

from __future__ import annotations

from pathlib import Path

import pytest

import gated
from gated.config.former import FORMER
from gated.config.gate import GateConfig
from gated.config.keys import catalogue
from tests.config_texts import MINIMAL, refusal, with_keys

EVER = Path(__file__).resolve().parents[1] / "golden" / "config-keys.txt"
"""Every key that a gated.toml ever had. A new one is added, and none is taken out."""


def test_a_key_that_was_ever_there_still_is_or_says_what_became_of_it() -> None:
    ever = set(EVER.read_text(encoding="utf-8").split())
    now = {key.path for key in catalogue(GateConfig)}
    assert now - ever == set(), "add them to tests/golden/config-keys.txt"
    assert ever - now - set(FORMER) == set(), "say in gated/config/former.py what they are now"
    assert now & set(FORMER) == set()


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (with_keys("credentials", 'site_key_id = "k1"'), "credentials.site_key_id", "is gone"),
        (f"version = 2\n{MINIMAL}", "version", f"this gated ({gated.__version__}) numbers no"),
    ],
)
def test_what_a_file_of_another_version_has_is_told_what_became_of_it(
    text: str, key: str, words: str
) -> None:
    (line,) = refusal(text)
    assert line.startswith(f"{key} : ")
    assert words in line
    assert "did you mean" not in line


def test_one_device_for_two_things_is_refused() -> None:
    path = "/dev/serial/by-id/usb-1"
    serial = f'serial = [{{ name = "low", device = "{path}" }}]'
    board = f'relay = {{ driver = "lcus", device = "{path}" }}'
    text = MINIMAL.replace("[scanner]\n", f"[scanner]\n{serial}\n")
    (line,) = refusal(text.replace('relay = { line = "GPIO17" }', board))
    assert line.startswith(f"{path} is named by scanner.serial[low].device and outputs.relay")
    (line,) = refusal(text.replace('"v4l2"', f'"v4l2"\ndevice = "{path}"'))
    assert "scanner.serial[low].device and scanner.device" in line
