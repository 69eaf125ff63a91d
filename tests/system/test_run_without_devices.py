"""``gated run`` with the shipped example on a machine that has no devices."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gated.config import GateConfig, parse_gate
from gated.config.explain import dump_toml, with_paths
from gated.config.reference import example
from gated.credentials.pseudonym import make_site_key
from gated.errors import ExitCode
from tests.gate_processes import PATIENCE_S, ask_gated, run_gated, wait_for

OWN = [node for kind in ("i2c-*", "gpiochip*", "snd") for node in Path("/dev").glob(kind)]
pytestmark = pytest.mark.skipif(
    bool(OWN), reason="this machine has devices of its own, which would be opened"
)

MISSING = {
    "child (thermometer, mlx90614 DCI /dev/i2c-1)": "switch I2C on",
    "adult (thermometer, mlx90614 DCI /dev/i2c-3)": "switch I2C on",
    "distance child (distance sensor, vl53l1x /dev/i2c-4)": "switch I2C on",
    "distance adult (distance sensor, vl53l1x /dev/i2c-5)": "switch I2C on",
    "ambient (the air's thermometer, sht3x /dev/i2c-0 0x44)": "switch I2C on",
    "scanner (camera, picamera2)": "apt install python3-picamera2",
    "relay (gpio GPIO17)": "no GPIO chip",
    "call_staff (bell, gpio GPIO27)": "no GPIO chip",
    "lamp go (gpio GPIO22)": "no GPIO chip",
    "lamp wait (gpio GPIO23)": "no GPIO chip",
    "lamp code (gpio GPIO24)": "no GPIO chip",
    "lamp observe (gpio GPIO26)": "no GPIO chip",
    "voice (alsa default)": "no sound card",
    "inputs (passage GPIO16, attendant_button GPIO13)": "no GPIO chip",
}
"""Device → part of what mends it."""


@dataclass
class Installed:
    """The shipped example, its files in a folder of the test's own."""

    folder: Path

    def __post_init__(self) -> None:
        config = with_paths(
            parse_gate(example(GateConfig), "example"),
            state=self.folder / "state",
            run=self.folder / "run",
            trust=self.folder / "trust",
            site_key_file=self.site_key,
        )
        raw = config.model_dump()
        raw["uplink"]["password_file"] = self.password
        raw["ledger"]["min_free_mb"] = 20
        self.file = self.folder / "gated.toml"
        self.file.write_text(dump_toml(GateConfig.model_validate(raw)), encoding="utf-8")
        self.file.chmod(0o644)

    @property
    def site_key(self) -> Path:
        return self.folder / "site.key"

    @property
    def password(self) -> Path:
        return self.folder / "mqtt.password"

    def equip(self) -> None:
        """Put there what the office would bring, but for its public keys."""
        (self.folder / "state").mkdir()
        (self.folder / "trust").mkdir()
        make_site_key(self.site_key)
        self.password.write_text("secret\n")
        self.password.chmod(0o600)


@pytest.fixture
def installed() -> Iterator[Installed]:
    # A socket's path is at most 107 bytes; pytest's own folders may be longer.
    with TemporaryDirectory(prefix="gated-") as folder:
        yield Installed(Path(folder))


def told(log: str, device: str) -> str:
    """Return what was said of a device, "" if nothing."""
    return next((line for line in log.splitlines() if f"{device} is missing: " in line), "")


def ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(PATIENCE_S)
    finally:
        process.kill()
        process.wait()


def test_each_missing_device_is_named_with_what_mends_it_and_the_gate_starts_all_the_same(
    installed: Installed,
) -> None:
    installed.equip()
    output = installed.folder / "output"

    def log() -> str:
        return output.read_text(encoding="utf-8", errors="replace")

    with output.open("wb") as file:
        process = run_gated(
            "run", "--config", str(installed.file), output=file, environment={"GATED_LANG": "en"}
        )
    try:
        status = installed.folder / "run" / "status.json"
        wait_for(status.exists, "a controller that runs", log=log)
        process.send_signal(signal.SIGTERM)
        assert ended(process) == ExitCode.OK, log()
    finally:
        process.kill()
        process.wait()
    said = log()
    assert {device: told(said, device) for device in MISSING if not told(said, device)} == {}
    for device, mend in MISSING.items():
        assert mend in told(said, device)
    assert "the gate starts all the same" in said
    assert "is empty, so no pass is accepted" in said
    assert "Traceback" not in said


def test_what_ends_a_start_is_said_together_with_what_is_missing(installed: Installed) -> None:
    answer = ask_gated("run", "--config", str(installed.file))
    assert answer.returncode == ExitCode.CONFIG
    for device in MISSING:
        assert told(answer.stderr, device) or "缺失" in answer.stderr
    refusal = answer.stderr.partition(f"gated: {installed.file} has 3 errors")[2]
    assert f"site key {installed.site_key}: cannot be read" in refusal
    assert f"{installed.password} is missing" in refusal
    assert "Traceback" not in answer.stderr
    assert f"the folder {installed.folder}/state does not exist" in refusal
    assert sorted(path.name for path in installed.folder.iterdir()) == ["gated.toml"]


def test_the_same_in_chinese(installed: Installed) -> None:
    output = installed.folder / "output"
    with output.open("wb") as file:
        process = run_gated(
            "run", "--config", str(installed.file), output=file, environment={"GATED_LANG": "zh"}
        )
    assert ended(process) == ExitCode.CONFIG
    said = output.read_text(encoding="utf-8")
    for words in ("child（测温头，", "relay（开门继电器，", "voice（语音，", "inputs（输入，"):
        assert words in said
    assert said.count("缺失：") == len(MISSING)
