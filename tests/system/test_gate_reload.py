"""What changes while a gate runs: its file by SIGHUP, its mode by request; and how it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.contents import Kind
from gated.vocabulary import Mode, Prompt
from tests.gate_processes import CLOCK, descendants, processes_of, wait_for
from tests.gate_rig import StagedGate, staged_gate

WARM_C = 37.0
NAMES = ("controller", "scanner", "uplink")


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StagedGate]:
    """A gate at work; it must end in order, with no traceback in its log."""
    with staged_gate(tmp_path_factory.mktemp("r") / "g") as gate:
        gate.start()
        yield gate
        assert gate.stop() == 0, gate.log()
        assert processes_of(gate.folder) == []
        assert "Traceback" not in gate.log()


def test_a_reload_takes_over_live_keys_or_nothing_and_names_what_needs_a_restart(
    gate: StagedGate,
) -> None:
    pids = {name: gate.pid(name) for name in NAMES}
    assert gate.visit(body_c=WARM_C).body["outcome"] == "granted"
    gate.go_through(gate.of_kind(Kind.VISIT)[-1])

    gate.change("fever_threshold_c = 37.3", "fever_threshold_c = 36.8")
    gate.reload()
    event = gate.wait_event(Kind.CONFIG)
    assert event.body["accepted"] is True
    assert event.body["changed"] == ["temperature.fever_threshold_c"]
    assert event.body["detail"] == ""
    visit = gate.visit(body_c=WARM_C + 0.5)
    assert (visit.body["outcome"], visit.body["threshold_c"]) == ("see_staff", 36.8)
    gate.leave()

    gate.change("fever_threshold_c = 36.8", "fever_threshold_c = 99.0")
    gate.reload()
    event = gate.wait_event(Kind.CONFIG, event.seq)
    assert (event.body["accepted"], event.body["changed"]) == (False, [])
    assert "fever_threshold_c" in str(event.body["detail"])
    assert gate.log().count("not reloaded, the old one stays") == 1
    wait_for(lambda: gate.status().get("threshold_c") == 36.8, "the old threshold")

    gate.change("fever_threshold_c = 99.0", "fever_threshold_c = 37.3")
    gate.change('direction = "in"', 'direction = "out"')
    gate.reload()
    event = gate.wait_event(Kind.CONFIG, event.seq)
    assert event.body["accepted"] is True
    assert event.body["changed"] == ["temperature.fever_threshold_c"]
    assert event.body["detail"] == "needs a restart: gate.direction"
    assert gate.let_one_pass().body["direction"] == "in"
    assert {name: gate.pid(name) for name in NAMES} == pids, "a reload restarts nobody"


def test_a_mode_holds_at_once_and_over_a_restart(gate: StagedGate) -> None:
    gate.request_mode(Mode.CLOSED)
    assert gate.wait_event(Kind.MODE).body["to_mode"] == "closed"
    visit = gate.visit()
    assert (visit.body["outcome"], visit.body["reason"]) == ("denied", "closed")
    gate.stage.step_away()
    assert gate.stop() == 0

    restarted_s = CLOCK.monotonic_s()
    gate.start()
    wait_for(lambda: gate.stage.has_shown(Prompt.CLOSED, restarted_s), "the lamps of a closed gate")
    wait_for(lambda: gate.status().get("mode") == "closed", "the mode from before")
    visit = gate.visit()
    assert (visit.body["outcome"], visit.body["reason"]) == ("denied", "closed")
    assert gate.stage.openings == 0
    gate.stage.step_away()

    gate.request_mode(Mode.OBSERVE)
    gate.leave()
    visit = gate.visit(body_c=38.5)
    assert (visit.body["outcome"], visit.body["would_have"]) == ("granted", "see_staff")
    gate.go_through(visit)

    gate.request_mode(Mode.NORMAL, for_s=3600.0)
    gate.let_one_pass()
    gate.verify()


def test_sigterm_ends_the_whole_gate_in_the_middle_of_a_visit(gate: StagedGate) -> None:
    visit = gate.visit()
    assert visit.body["outcome"] == "granted"
    assert gate.process is not None
    children = descendants(gate.process.pid)
    assert len(children) == 4  # controller, its relay guard, scanner, uplink
    gate.process.send_signal(signal.SIGTERM)
    assert gate.process.wait(15) == 0, gate.log()
    assert processes_of(gate.folder) == []
    assert not gate.is_relay_held()
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert "ERROR" not in gate.log()

    gate.stage.step_away()
    gate.start()
    gate.wait_event(Kind.PASSAGE, visit.seq, visit_id=visit.visit_id, reason="restart")
    gate.let_one_pass()
