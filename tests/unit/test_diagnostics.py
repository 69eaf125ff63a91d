"""Diagnostics: what is in the bundle, what never is, and how it is left for the uplink."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import random
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gated import cli, logs
from gated.carried import BUNDLE_FILE, MAX_BUNDLE_BYTES
from gated.clock import FakeClock, SystemClock
from gated.config import GateConfig, parse_gate
from gated.config.explain import dump_toml
from gated.config.overlay import Overlay, write_overlay
from gated.contents import AlarmContent, AlarmName, CommandReason
from gated.controller.diagnostics import MIN_BETWEEN_S, Bundle, Diagnostician, make_bundle
from gated.controller.status import STATUS_FILE
from tests.config_texts import MINIMAL
from tests.uplink_rig import GateRig, draft

FILES = {
    *("about.txt", "status.json", "versions.json", "config.toml"),
    *("ledger.json", "machine.json", "alarms.json", "log.txt"),
}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[GateRig]:
    (tmp_path / "state").mkdir()
    rig = GateRig(tmp_path / "state")
    rig.record(7)
    yield rig
    rig.close()


@pytest.fixture
def config(tmp_path: Path, rig: GateRig) -> GateConfig:
    raw = parse_gate(MINIMAL, "gated.toml").model_dump()
    (tmp_path / "run").mkdir()
    raw["paths"] = {"state": rig.ledger_path.parent, "run": tmp_path / "run"}
    return GateConfig.model_validate(raw)


def unpacked(data: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        assert bundle.testzip() is None
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


def test_the_bundle_says_how_the_gate_is(config: GateConfig, rig: GateRig) -> None:
    (config.paths.run / STATUS_FILE).write_text('{"devices": {"relay": "lost"}}')
    write_overlay(config.paths.state, Overlay({"checks.credential": "soft"}))
    files = unpacked(make_bundle(config, SystemClock(), ["one line", "another"]))
    assert set(files) == FILES
    assert json.loads(files["status.json"])["devices"] == {"relay": "lost"}
    versions = json.loads(files["versions.json"])
    assert versions["libraries"]["cryptography"]
    assert versions["kernel"].startswith("Linux ")
    assert files["config.toml"].startswith("# set from the centre: checks.credential\n[gate]")
    ledger = json.loads(files["ledger.json"])
    assert (ledger["oldest_seq"], ledger["newest_seq"], ledger["backlog"]) == (1, 7, 7)
    assert ledger["epoch"] == rig.ledger.epoch
    machine = json.loads(files["machine.json"])
    assert machine["disk"]["free_bytes"] > 0
    assert machine["memory"][0].startswith("MemTotal")
    assert files["log.txt"] == "one line\nanother\n"


def test_alarms_are_counted_and_nothing_that_was_written_into_them_is_told(
    config: GateConfig, rig: GateRig
) -> None:
    for device in ("relay", "relay", "child"):
        content = AlarmContent(alarm=AlarmName.DEVICE_LOST, device=device, detail="Zhang San")
        rig.ledger.append([draft(content)])
    files = unpacked(make_bundle(config, SystemClock(), None))
    counts = [[name, device, n] for _, name, device, n in json.loads(files["alarms.json"])]
    assert counts == [["device_lost", "relay", 2], ["device_lost", "child", 1]]
    assert "Zhang" not in "".join(files.values())
    later = FakeClock(wall=SystemClock().now() + timedelta(days=8))
    assert json.loads(unpacked(make_bundle(config, later, None))["alarms.json"]) == []


def test_a_gate_of_which_nothing_can_be_read_gives_a_bundle_that_says_so(tmp_path: Path) -> None:
    raw = parse_gate(MINIMAL, "gated.toml").model_dump()
    raw["paths"] = {"state": tmp_path / "no", "run": tmp_path / "none"}
    files = unpacked(make_bundle(GateConfig.model_validate(raw), SystemClock(), None))
    assert set(files) == FILES
    assert "cannot be read" in files["status.json"]
    assert "trouble" in json.loads(files["ledger.json"])
    assert "journalctl" in files["log.txt"]


def test_the_bundle_is_bounded_whatever_is_in_it(config: GateConfig) -> None:
    noise = random.Random(1).randbytes(400_000)
    (config.paths.run / STATUS_FILE).write_bytes(noise)
    lines = [noise[at : at + 2_000].hex() for at in range(0, 400_000, 2_000)]
    assert len(make_bundle(config, SystemClock(), lines)) <= MAX_BUNDLE_BYTES


def test_one_bundle_a_minute_is_left_for_the_uplink(config: GateConfig) -> None:
    clock = FakeClock()
    doctor = Diagnostician(lambda: config, clock, list)
    made = doctor.gather()
    data = (config.paths.run / BUNDLE_FILE).read_bytes()
    assert made == Bundle(len(data), hashlib.sha256(data).hexdigest())
    clock.advance(MIN_BETWEEN_S - 1)
    assert doctor.gather() is CommandReason.TOO_SOON
    clock.advance(1)
    assert isinstance(doctor.gather(), Bundle)


def test_a_run_folder_that_cannot_be_written_is_said(config: GateConfig) -> None:
    (config.paths.run / BUNDLE_FILE).mkdir()
    assert Diagnostician(lambda: config, FakeClock(), list).gather() is CommandReason.NOT_WRITABLE


def test_log_lines_are_kept_without_the_texts_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    recent = logs._Recent(3)
    log = logging.getLogger("gated.test_diagnostics")
    log.setLevel(logging.INFO)
    log.addHandler(recent)
    try:
        log.info("too old by now")
        log.warning("%s came %d times, %s: %s", "Zhang San", 4, AlarmName.HELD_OPEN, 0.5)
        log.error("cannot read it: %s", OSError("/srv/zhang"))
        try:
            raise ValueError("s-0412")
        except ValueError:
            log.exception("it broke %(who)s", {"who": "s-0413"})
    finally:
        log.removeHandler(recent)
    told = [line.partition(" gated.test_diagnostics: ")[2] for line in recent.lines()]
    assert told == [
        "… came 4 times, held_open: 0.5",
        "cannot read it: OSError",
        "it broke %(who)s (ValueError)",
    ]


def test_the_same_bundle_is_made_at_the_gate(
    config: GateConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "gated.toml", tmp_path / "found.zip"
    file.write_text(dump_toml(config))
    file.chmod(0o644)
    assert cli.main(["diagnose", "--config", str(file), "--out", str(out)]) == 0
    assert set(unpacked(out.read_bytes())) == FILES
    assert out.stat().st_mode & 0o777 == 0o600
    assert cli.main(["diagnose", "--config", str(file), "--out", str(out)]) != 0
    assert "exists already" in capsys.readouterr().err
