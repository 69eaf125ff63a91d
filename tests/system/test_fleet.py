"""The benchmark of many gates, small: every record that they made is stored, once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.brokers import mosquitto_binary
from tests.postgres import lacks_postgres

ROOT = Path(__file__).parents[2]
WAIT_S = 100.0


def run_fleet(*arguments: str) -> dict[str, float]:
    mosquitto_binary()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fleet", "--json", "--rate", "40", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout)
    return found


def assert_whole(found: dict[str, float]) -> None:
    assert found["gates.connected"] == 5
    assert found["store.recorded"] > 0
    assert found["store.stored"] == found["store.recorded"]
    wrong = ("lost", "duplicated", "chains_that_differ", "visits_missing", "quarantined")
    assert {name: found[f"store.{name}"] for name in wrong} == dict.fromkeys(wrong, 0)
    assert not found["store.gaps_finds_something"]


def test_a_collector_that_is_killed_meanwhile_loses_nothing_of_five_gates() -> None:
    found = run_fleet("--gates", "5", "--seconds", "5", "--outage", "1.5")
    assert found["outage.held"] > 0
    assert_whole(found)


def test_two_ingesters_share_five_gates() -> None:
    if reason := lacks_postgres():
        pytest.skip(reason)
    assert_whole(
        run_fleet("--gates", "5", "--seconds", "3", "--store", "postgres", "--ingesters", "2")
    )
