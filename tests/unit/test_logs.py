"""Log lines: on a terminal and in systemd's journal, and never a flood of them."""

from __future__ import annotations

import logging
import os
import random
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from gated.logs import LEVELS, MAX_MESSAGE
from gated.simulation.bus import Fault
from tests.unit.test_sensor_worker import SPOT, Rig

LOGGING = """
import logging, sys
from gated.logs import VISIT, start_logging
start_logging("uplink", journal=sys.argv[1])
log = logging.getLogger("gated.somewhere")
log.debug("fine")
log.info("记录 %d\\nPRIORITY=0", 7, extra={VISIT: "0a1b"})
log.warning("hm")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broken")
"""
LINES = 4


class Journal:
    """What listens in journald's place, and reads what systemd documents."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)

    def entries(self) -> list[dict[str, str]]:
        found = []
        while True:
            try:
                found.append(_parse(self._socket.recv(2**20)))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()
        self.path.unlink()


def _parse(data: bytes) -> dict[str, str]:
    fields = {}
    while data:
        name, _, rest = data.partition(b"\n")
        if b"=" in name:
            key, _, value = name.partition(b"=")
            data = rest
        else:
            (length,) = struct.unpack_from("<Q", rest)
            key, value = name, rest[8 : 8 + length]
            assert rest[8 + length : 9 + length] == b"\n"
            data = rest[9 + length :]
        fields[key.decode()] = value.decode()
    return fields


def start(
    script: str, journal: Path | str = "none", stream: int | None = None, **environment: str
) -> str:
    """Run ``script``; return what it wrote to standard error, if that is not ``stream``."""
    kept = {k: v for k, v in os.environ.items() if k not in {"GATED_LOG", "JOURNAL_STREAM"}}
    result = subprocess.run(
        [sys.executable, "-c", script, str(journal)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if stream is None else stream,
        text=True,
        check=True,
        timeout=60,
        env={**kept, "PYTHONUTF8": "1", **environment},
    )
    assert result.stdout == ""
    return result.stderr or ""


def start_in_unit(script: str, journal: Journal, folder: Path, **environment: str) -> str:
    """Run ``script`` as a unit's process; return what it wrote to standard error all the same."""
    with (folder / "stderr").open("w+b") as stream:
        stat = os.fstat(stream.fileno())
        named = f"{stat.st_dev}:{stat.st_ino}"
        start(script, journal.path, stream.fileno(), JOURNAL_STREAM=named, **environment)
        stream.seek(0)
        return stream.read().decode()


def test_a_terminal_gets_lines_to_read() -> None:
    lines = start(LOGGING).splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} uplink INFO 记录 7", lines[0])
    assert lines[2].endswith("uplink WARNING hm")
    assert lines[-1].startswith("ZeroDivisionError")


def test_the_journal_gets_each_line_with_its_fields(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert start_in_unit(LOGGING, journal, tmp_path, GATED_LOG="debug") == ""
    entries = journal.entries()
    journal.close()
    assert [entry["PRIORITY"] for entry in entries] == ["7", "6", "4", "3"]
    assert entries[1] == {
        "MESSAGE": "记录 7\nPRIORITY=0",  # and no field of the same name comes of it
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "gated-uplink",
        "GATED_PROCESS": "uplink",
        "GATED_MODULE": "gated.somewhere",
        "GATED_THREAD": "MainThread",
        "GATED_VISIT": "0a1b",
    }
    assert "GATED_VISIT" not in entries[0]
    assert entries[3]["MESSAGE"].startswith("broken\nTraceback")
    assert entries[3]["MESSAGE"].endswith("ZeroDivisionError: division by zero")


def test_a_stream_that_was_redirected_is_not_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert "uplink WARNING hm" in start(LOGGING, journal.path, JOURNAL_STREAM="8:1")
    assert journal.entries() == []
    journal.close()


def test_a_journal_that_takes_nothing_holds_nobody_up_and_hears_what_it_missed(
    tmp_path: Path,
) -> None:
    script = LOGGING.replace('log.debug("fine")', "for n in range(2_000): log.info('again')") + (
        "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "import pathlib; pathlib.Path(sys.argv[1]).unlink(); s.bind(sys.argv[1])\n"
        "log.info('back')\n"
        "sys.stderr.buffer.write(s.recv(10_000))\n"
    )
    journal = Journal(tmp_path)  # nobody reads: its queue holds some ten or some hundred
    written = start_in_unit(script, journal, tmp_path)
    heard = journal.entries()
    journal._socket.close()
    assert 0 < len(heard) < 2_000
    assert int(_parse(written.encode())["GATED_DROPPED"]) == 2_000 + LINES - 1 - len(heard)


def test_a_line_without_end_is_cut_to_what_a_datagram_takes(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    script = LOGGING.replace('"hm"', f"'汉' * {10 * MAX_MESSAGE}")
    assert start_in_unit(script, journal, tmp_path) == ""
    assert [len(e["MESSAGE"]) for e in journal.entries() if e["PRIORITY"] == "4"] == [MAX_MESSAGE]
    journal.close()


@pytest.mark.parametrize(
    ("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("WARNING", 2), ("loud", 3)]
)
def test_the_level_is_chosen_by_the_environment(level: str, lines: int) -> None:
    said = start(LOGGING, GATED_LOG=level).splitlines()
    assert len([line for line in said if re.match(r"\d\d:", line)]) == lines


def test_the_levels_that_can_be_chosen_are_pythons() -> None:
    assert {name: logging.getLevelName(level) for name, level in LEVELS.items()} == {
        "debug": "DEBUG",
        "info": "INFO",
        "warning": "WARNING",
    }


# --- storms --------------------------------------------------------------------------------------

STORM_S = 600.0
LINES_A_MINUTE = 12.0


def test_a_storm_of_nacks_is_told_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.run_for(5.0)
    caplog.clear()
    caplog.set_level(logging.INFO)
    rig.bus.inject(SPOT, Fault.NACK)
    rig.run_for(STORM_S)
    assert [record.getMessage()[:10] for record in caplog.records] == ["adult lost"]
    rig.bus.clear(SPOT)
    rig.run_for(15.0)
    assert [record.getMessage()[:11] for record in caplog.records][1:] == ["adult works"]


@pytest.mark.parametrize("share", [0.9, 0.7, 0.5, 0.3])
def test_a_loose_contact_fills_no_log(share: float, caplog: pytest.LogCaptureFixture) -> None:
    rig, rng = Rig(), random.Random(3)
    rig.run_for(5.0)
    caplog.clear()
    caplog.set_level(logging.INFO)
    until_s = rig.clock.elapsed_s + STORM_S
    while rig.clock.elapsed_s < until_s:
        if rng.random() < share:
            rig.bus.inject(SPOT, Fault.NACK)
        else:
            rig.bus.clear(SPOT)
        rig.run_for(0.01)
    assert 1 <= len(caplog.records) <= STORM_S / 60.0 * LINES_A_MINUTE
