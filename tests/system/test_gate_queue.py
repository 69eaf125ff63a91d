"""Two people in a row: the next one is measured while the last one passes, and waits for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gated.contents import Kind
from gated.vocabulary import Prompt
from tests.gate_processes import CLOCK, wait_for
from tests.gate_rig import StagedGate, staged_gate


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StagedGate]:
    with staged_gate(tmp_path_factory.mktemp("q") / "g") as gate:
        gate.start()
        yield gate
        assert gate.stop() == 0
        assert "Traceback" not in gate.log()


def test_the_next_one_is_measured_while_the_last_one_passes_and_let_in_right_after(
    gate: StagedGate,
) -> None:
    stage = gate.stage
    first = gate.visit()
    wait_for(lambda: stage.openings == 1, "the first opening")
    gate.step_aside()
    next_s = CLOCK.monotonic_s()
    stage.hold_up(gate.office.student())
    stage.stand()
    wait_for(lambda: stage.has_shown(Prompt.ONE_MOMENT, next_s), "a request to wait", log=gate.log)
    assert stage.openings == 1
    assert gate.of_kind(Kind.VISIT) == [first], "decided only once the way is free"

    through_s = CLOCK.monotonic_s()
    stage.press("passage")
    wait_for(lambda: stage.openings == 2, "the second opening", log=gate.log)
    assert stage.opened_at_s() - through_s < 0.5, "nobody is measured twice"
    second = gate.of_kind(Kind.VISIT)[1]
    passed = gate.wait_event(Kind.PASSAGE, visit_id=first.visit_id)
    assert passed.body["result"] == "passed"
    assert second.body["attempt"] == 1
    gate.go_through(second)
