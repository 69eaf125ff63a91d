"""A scanner that crashes, hangs or leaks: the gate notices, says why, and soon reads again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from gated.contents import AlarmName, Kind
from gated.errors import ExitCode
from gated.scanner.endings import MARK_NAME
from gated.scanner.process import DIED
from tests.gate_processes import CLOCK, processes_of, wait_for
from tests.gate_rig import StagedGate, staged_gate
from tests.native_faults import ABORTS, CRASHES, HANGS, HANGS_LOCKED, LEAKS, faulty_decoder

NOTICED_WITHIN_S = 4.0
"""3 s, and one for a machine that is busy with other tests."""
REPLACED_WITHIN_S = 25.0
"""5 s until no heartbeat is stale, 10 s of the watchdog, the pause, and a slow start."""
SILENCE = "no sign of life from the scanner"


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StagedGate]:
    """A gate whose decoder some codes break."""
    folder = tmp_path_factory.mktemp("f")  # short: the names of sockets are limited
    with staged_gate(folder / "g", environment=faulty_decoder(folder / "lib")) as gate:
        gate.start()
        gate.let_one_pass()  # a scanner that was never heard is given longer
        yield gate
        assert gate.stop() == 0, gate.log()
        assert processes_of(gate.folder) == []
        assert "Traceback" not in gate.log()


def provoke(gate: StagedGate, cause: Callable[[], object]) -> str:
    """Return the reason that the gate gives for the loss that ``cause`` leads to."""
    before, pid, began_s = gate.newest_seq(), gate.pid("scanner"), CLOCK.monotonic_s()
    cause()
    lost = gate.wait_event(Kind.ALARM, before, alarm=AlarmName.SCANNER_LOST, device="scanner")
    noticed_s = CLOCK.monotonic_s() - began_s
    gate.stage.hold_up(None)
    assert noticed_s < NOTICED_WITHIN_S
    wait_for(
        lambda: gate.pid("scanner") not in (None, pid),
        "another scanner",
        REPLACED_WITHIN_S,
        log=gate.log,
    )
    gate.wait_event(Kind.ALARM, lost.seq, alarm=AlarmName.SCANNER_RETURNED, device="scanner")
    return str(lost.body["detail"])


def test_a_scanner_that_dies_is_told_and_codes_are_read_again(gate: StagedGate) -> None:
    mark = gate.run_folder / MARK_NAME
    assert mark.exists()
    for number in (signal.SIGSEGV, signal.SIGABRT):
        reason = provoke(gate, lambda n=number: gate.kill("scanner", n))  # type: ignore[misc]  # bound now
        assert reason in {DIED, SILENCE}  # by how long the next one took to start
        assert f"scanner ended with {-number}" in gate.log()
        gate.let_one_pass()
    gate.kill("scanner", signal.SIGTERM)
    wait_for(lambda: "scanner ended with 0" in gate.log(), "an end in order", log=gate.log)
    assert not mark.exists()


@pytest.mark.parametrize(("code", "number"), [(ABORTS, signal.SIGABRT), (CRASHES, signal.SIGSEGV)])
def test_a_code_that_kills_the_decoder_costs_the_gate_a_moment_and_nobody_comes_in_by_it(
    gate: StagedGate, code: str, number: signal.Signals
) -> None:
    reason = provoke(gate, lambda: gate.stage.hold_up(code))
    assert reason in {DIED, SILENCE}
    assert f"scanner ended with {-number}" in gate.log()
    assert gate.stage.openings == 1
    gate.let_one_pass()
    assert code not in gate.log()


@pytest.mark.slow
@pytest.mark.parametrize("code", [HANGS, HANGS_LOCKED])
def test_a_decoder_that_never_returns_is_told_at_once_and_its_process_replaced(
    gate: StagedGate, code: str
) -> None:
    reason = provoke(gate, lambda: gate.stage.hold_up(code))
    assert reason == SILENCE
    assert "scanner: no sign of life for 10 s, killed" in gate.log()
    gate.let_one_pass()


@pytest.mark.slow
def test_a_scanner_that_is_stopped_is_told_at_once_and_replaced(gate: StagedGate) -> None:
    pid = gate.pid("scanner")
    assert pid is not None
    assert provoke(gate, lambda: os.kill(pid, signal.SIGSTOP)) == SILENCE
    gate.let_one_pass()


def test_a_decoder_that_leaks_ends_its_process_in_order_and_says_why(gate: StagedGate) -> None:
    reason = provoke(gate, lambda: gate.stage.hold_up(LEAKS))
    assert "MB of memory are more than" in reason
    said = [line for line in gate.log().splitlines() if "MB of memory" in line]
    assert len(said) == 1
    assert "scanner: camera cannot go on" in said[0]
    assert f"scanner ended with {int(ExitCode.UNAVAILABLE)}" in gate.log()
    gate.let_one_pass()
