"""kill -9 of every process of a running line, in the middle of what it does.

One line serves all of these tests: whatever was killed before, the next test finds a gate at work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gated.contents import Kind
from gated.simulation.broker import HOST
from gated.vocabulary import Prompt
from tests.brokers import IotCore
from tests.gate_processes import CLOCK, Centre, processes_of, running_centre, wait_for
from tests.gate_rig import Event, StagedGate, staged_gate

AT_ONCE_S = 1.0
PULSE_S = 4.0
"""Long, so that a pulse that just ends by itself does not pass for one that was cut short."""


@dataclass
class Line:
    gate: StagedGate
    centre: Centre

    def check_nothing_is_lost(self) -> None:
        """Every record is sound, and at the collector exactly once, byte for byte."""
        wait_for(
            lambda: self.centre.bodies() == self.gate.bodies(),
            "the same records at both ends",
            log=lambda: f"{sorted(self.centre.bodies())}\n{sorted(self.gate.bodies())}",
        )
        self.gate.verify()
        assert self.centre.quarantined() == []
        visits = [event.visit_id for event in self.gate.of_kind(Kind.VISIT)]
        assert len(set(visits)) == len(visits)

    def visit_at_the_open_gate(self) -> Event:
        """Let a visit be granted; return while the relay is energised and nobody has passed."""
        openings = self.gate.stage.openings
        visit = self.gate.visit()
        assert visit.body["outcome"] == "granted"
        wait_for(lambda: self.gate.stage.openings == openings + 1, "the relay")
        return visit

    def wait_shut(self) -> float:
        """Return when the relay was de-energised, or its wire let go."""
        stage, gate = self.gate.stage, self.gate
        wait_for(lambda: not stage.is_open or not gate.is_relay_held(), "a relay at rest")
        return CLOCK.monotonic_s()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("k")  # a short name: paths of sockets are limited
    broker = IotCore(folder)
    broker.start()
    url = f"mqtt://{HOST}:{broker.port}"
    changes = {"pulse_s = 0.5": f"pulse_s = {PULSE_S}"}
    try:
        with (
            running_centre(folder, url) as centre,
            staged_gate(folder / "gate", broker=url, changes=changes) as gate,
        ):
            gate.start()
            yield Line(gate, centre)
            assert gate.stop() == 0
            assert processes_of(folder / "gate") == []
            assert "Traceback" not in gate.log() + centre.log()
    finally:
        broker.stop()


@pytest.fixture
def line(running: Line) -> Iterator[Line]:
    """The line with nobody in it, before and after."""
    yield running
    running.gate.stage.hold_up(None)
    running.gate.leave()


def test_a_controller_killed_while_somebody_is_measured_forgets_them_and_nothing_else(
    line: Line,
) -> None:
    gate = line.gate
    logged, openings, now_s = len(gate.log()), gate.stage.openings, CLOCK.monotonic_s()
    gate.stage.stand()
    wait_for(lambda: gate.stage.has_shown(Prompt.FACE, now_s), "somebody noticed")
    gate.kill("controller")
    gate.wait_working(logged)
    assert gate.stage.openings == openings
    # Who stands there when the sensors start is taken for the background, until they step back.
    visit = gate.visit_at_last()
    assert visit.body["outcome"] == "granted"
    gate.go_through(visit)
    line.check_nothing_is_lost()


def test_a_controller_killed_between_decision_and_passage_shuts_the_gate_and_owns_up(
    line: Line,
) -> None:
    gate = line.gate
    logged = len(gate.log())
    visit = line.visit_at_the_open_gate()
    killed_s = gate.kill("controller")
    assert line.wait_shut() - killed_s < AT_ONCE_S
    gate.stage.step_away()
    gate.wait_event(
        Kind.PASSAGE, visit.seq, visit_id=visit.visit_id, result="unknown", reason="restart"
    )
    gate.wait_working(logged)
    gate.let_one_pass()
    assert len([e for e in gate.of_kind(Kind.PASSAGE) if e.visit_id == visit.visit_id]) == 1
    line.check_nothing_is_lost()


def test_a_killed_relay_guard_lets_go_of_the_wire_and_the_next_one_opens_again(line: Line) -> None:
    gate = line.gate
    visit = line.visit_at_the_open_gate()
    killed_s = gate.kill("relay_guard")
    assert line.wait_shut() - killed_s < AT_ONCE_S
    wait_for(gate.is_relay_held, "another guard")
    gate.go_through(visit)
    gate.let_one_pass()
    line.check_nothing_is_lost()


def test_without_its_scanner_the_gate_still_measures_and_calls_staff(line: Line) -> None:
    gate = line.gate
    gate.kill("scanner")
    visit = gate.visit(body_c=38.5)
    assert (visit.body["outcome"], visit.body["reason"]) == ("see_staff", "temperature_high")
    gate.stage.hold_up(None)
    gate.leave()
    gate.wait_scanning()
    gate.let_one_pass()
    line.check_nothing_is_lost()


def test_a_killed_uplink_costs_resends_and_nothing_else(line: Line) -> None:
    line.visit_at_the_open_gate()
    line.gate.kill("uplink")
    line.gate.go_through(line.gate.of_kind(Kind.VISIT)[-1])
    line.gate.let_one_pass()
    line.check_nothing_is_lost()


def test_a_killed_collector_is_waited_for(line: Line) -> None:
    line.centre.kill()
    line.gate.let_one_pass()
    line.gate.let_one_pass()
    assert line.gate.backlog() >= 4
    line.centre.start()
    line.check_nothing_is_lost()


def test_when_gated_run_itself_is_killed_the_gate_shuts_and_the_next_start_finds_no_leftovers(
    line: Line,
) -> None:
    gate = line.gate
    visit = line.visit_at_the_open_gate()
    assert gate.process is not None
    gate.process.kill()
    gate.process.wait()
    wait_for(lambda: processes_of(gate.folder) == [], "an end of the children")
    assert not gate.is_relay_held()
    gate.stage.step_away()
    gate.start()
    gate.wait_event(Kind.PASSAGE, visit.seq, visit_id=visit.visit_id, result="unknown")
    gate.let_one_pass()
    line.check_nothing_is_lost()
