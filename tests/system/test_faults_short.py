"""The fault matrix in short: one run of each kind of fault. The whole: ``make faults``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.matrix import FAULTS
from tests.faults.runner import Progress, Result, run_once, table
from tests.faults.verdict import Tally

SEED = 7
IN_SHORT = (
    "kill_any",
    "broker_kill_forgetting",
    "hole_in_transit",
    "net_silent",
    "net_garbage",
    "collector_restored",
    "power_housekeeping",
    "migration_power_cut",
    "disk_full",
    "clock_stepping",
    "cloned_card",
    "poison",
)


@pytest.mark.parametrize("name", IN_SHORT)
def test_nothing_that_was_answered_for_is_lost_doubled_or_broken(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    if reason := fault.lacks():
        pytest.skip(reason)
    result = run_once(fault, SEED, tmp_path, is_short=True)
    stories = [path.read_text(encoding="utf-8") for path in tmp_path.glob("*/story.txt")]
    assert result.is_good, "\n".join([*stories, f"the run's files: {tmp_path}"])


SOUND = Tally(acknowledged=10, lost=0, doubled=0, breaks=0, aside=0, quarantined=0, injected=1)


@pytest.mark.parametrize(
    "flaw", ["lost", "doubled", "breaks", "aside", "quarantined", "nothing acknowledged"]
)
def test_every_flaw_spoils_a_run(flaw: str) -> None:
    counts = {"acknowledged": 0} if flaw == "nothing acknowledged" else {flaw: 1}
    assert SOUND.is_sound()
    assert not Tally(**{**_members(SOUND), **counts}).is_sound()


def test_only_a_fault_that_is_about_it_may_put_something_aside() -> None:
    aside = Tally(**{**_members(SOUND), "aside": 3, "quarantined": 2})
    assert FAULTS["cloned_card"].accepts(aside)
    assert not FAULTS["poison"].accepts(aside)
    assert not FAULTS["kill_any"].accepts(aside)


def test_the_runs_are_kept_and_counted(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    progress.add(Result("kill_any", 1, 2.5, SOUND, is_good=True))
    progress.add(Result("kill_any", 2, 3.5, None, is_good=False))
    assert Progress(tmp_path).read() == progress.read()
    row = table([FAULTS["kill_any"]], progress.read()).splitlines()[2]
    assert row == "| kill_any | 2 | 1 | 1 | 10 | 0 | 0 | 0 | 0 | 0 | 6 |"
    progress.forget_failed()
    assert [result.seed for result in progress.read()] == [1]


def _members(tally: Tally) -> dict[str, int]:
    return {name: getattr(tally, name) for name in Tally.__slots__}
