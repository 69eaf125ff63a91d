"""Plugs pulled in a whole demo, by option and by key: the backlog rises, then drains entirely."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gated.ledger.reader import LedgerReader
from gated.simulation.broker import free_port
from tests.gate_processes import ask_gated, processes_of
from tests.terminals import Terminal

ENDS_WITHIN_S = 100.0
NOTHING_LOST = re.compile(
    r"visits=\d+ stored=\d+ lost=0 duplicated=0 unexpected=(\d+) disturbed=\d+"
)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short path: the names of sockets are limited."""
    return tmp_path_factory.mktemp("m")


def recorded_and_stored(state: Path) -> tuple[set[int], list[int]]:
    """Return the numbers of all events in the gate's ledger, and of all at the collector."""
    with closing(LedgerReader(state / "ledger.db")) as reader:
        recorded = {event.seq for event in reader.after(0, 10_000)}
    with closing(sqlite3.connect(state / "collector.db")) as db:
        stored = [int(row[0]) for row in db.execute("SELECT seq FROM record")]
    return recorded, stored


def test_pulled_plugs_hold_records_back_and_lose_none(folder: Path) -> None:
    state = folder / "s"
    pulls = "collector@1:3,network@2:7,uplink@4:2,broker@11:2,power@14:1"
    answer = subprocess.run(
        [sys.executable, "-m", "gated", "demo", "--visits", "3", "--seed", "3", "--pull", pulls,
         "--state", str(state), "--page-port", str(free_port())],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=ENDS_WITHIN_S,
    )  # fmt: skip
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said
    lines = answer.stdout.splitlines()
    for plug in ("collector", "network", "broker", "uplink", "power"):
        out = [number for number, line in enumerate(lines) if line.startswith(f"▼ {plug}: ")]
        back = [number for number, line in enumerate(lines) if line.startswith(f"▲ {plug}: ")]
        assert len(out) == len(back) == 1, said
        assert out < back, said
    waiting = [int(n) for n in re.findall(r"^backlog 待送达 (\d+)", answer.stdout, re.MULTILINE)]
    assert max(waiting) >= 2, said
    assert waiting[-1] == 0, said
    found = NOTHING_LOST.fullmatch(lines[-1])
    assert found is not None, said
    assert found[1] == "0", said
    recorded, stored = recorded_and_stored(state)
    assert sorted(stored) == sorted(recorded)
    assert ask_gated("ledger", "verify", "--config", str(state / "gated.toml")).returncode == 0
    assert processes_of(state) == []


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    page = str(free_port())
    arguments = ("demo", "--state", str(folder / "s"), "--page-port", page)
    with closing(Terminal(*arguments)) as terminal:
        yield terminal


def test_a_key_pulls_a_plug_the_backlog_is_seen_and_the_terminal_is_itself_again_after_ctrl_c(
    terminal: Terminal, folder: Path
) -> None:
    at = terminal.wait_shown(r"n network 网线 · .* · h help 帮助")
    terminal.press("h")
    at = terminal.wait_shown(r"p  power .*电源", at)
    terminal.press("n")
    at = terminal.wait_shown(r"▼ network: .*网线已拔", at)
    at = terminal.wait_shown(r"backlog 待送达 [1-9]\d* · out 拔掉 network", at)
    terminal.press("s")
    at = terminal.wait_shown(r"backlog 待送达 \d+ · out 拔掉 network, scanner", at)
    terminal.press("ns")
    at = terminal.wait_shown(r"▲ network: .*已插回", at)
    at = terminal.wait_shown(r"backlog 待送达 0 \(at most 最多 [1-9]", at)
    terminal.press("c")
    at = terminal.wait_shown(r"▼ collector: ", at)
    terminal.press("\x03")
    at = terminal.wait_shown(r"everything is plugged in again", at)
    at = terminal.wait_shown(r"▲ collector: ", at)
    terminal.wait_shown(r"disturbed=\d+\r\n", at)
    assert terminal.process.wait(20) == 0
    terminal.look()
    assert NOTHING_LOST.fullmatch(terminal.text.splitlines()[-1]), terminal.text
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert "Traceback" not in terminal.text
    recorded, stored = recorded_and_stored(folder / "s")
    assert sorted(stored) == sorted(recorded)


def test_a_pull_that_cannot_be_is_refused_before_anything_starts(folder: Path) -> None:
    answer = ask_gated("demo", "--state", str(folder / "s"), "--pull", "printer@5")
    assert answer.returncode == 2
    assert "there is no plug 'printer'" in answer.stderr
    assert not (folder / "s").exists()
