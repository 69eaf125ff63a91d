"""What breaks while the machine runs: how long the relay is energised at most, what is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from gated.contents import AlarmName, Kind
from gated.sensors.compensation import CompensationRules
from gated.vocabulary import Outcome
from tests.gate_stage import HEALTHY_C, seen_of
from tests.machine.figures import measure
from tests.machine.gate import PULSE_S, UNITS, Gate

pytestmark = [pytest.mark.machine, pytest.mark.timeout(3600)]

RELAY = "/run/bench/chip/sim_gpio17/value"
RELAY_OFF_WITHIN_S = 0.1
WATCHDOG_PATIENCE_S = 300.0
AIR_COUNTS_FOR_S = CompensationRules().ambient_max_age_s
"""So long after its last reading the air is still as warm as it was, and people are judged."""


@pytest.fixture(autouse=True)
def _ready_before_and_after(gate: Gate) -> Iterator[None]:
    gate.wait_for_visitors()
    yield
    gate.leave()


def restarts(gate: Gate, unit: str) -> int:
    return int(gate.guest.run(f"systemctl show -P NRestarts {unit}"))


def is_let_in(gate: Gate) -> bool:
    return bool(gate.visit(gate.other_side.office.student())["outcome"] == Outcome.GRANTED)


def strike_while_open(gate: Gate, signal: str) -> tuple[float, int]:
    """Send the controller ``signal`` as soon as the relay is energised.

    Returns: when, by the guest's clock; how many pulses there were before.
    """
    before, pid = len(gate.pulses()), gate.pid("gated-controller")
    struck: list[str] = []
    # Built into the shell, all of it: a program takes a tenth of a second to start here.
    blow = f"read now idle </proc/uptime; kill -{signal} {pid}; echo $now"
    waits = f"timeout 100 sh -c 'until read on <{RELAY} && [ $on = 1 ]; do :; done; {blow}'"
    striker = threading.Thread(target=lambda: struck.append(gate.guest.run(waits)))
    striker.start()
    gate.come(gate.other_side.office.student())
    striker.join()
    gate.leave()
    return float(struck[0]), before


def test_a_killed_controller_leaves_the_relay_off_and_comes_back(gate: Gate) -> None:
    ended = restarts(gate, "gated-controller")
    struck_s, before = strike_while_open(gate, "KILL")
    gate.wait(lambda: gate.pulses()[before][1] is not None, "the relay de-energised")
    _, off = gate.pulses()[before]
    assert off is not None
    late_s = off.at_s - struck_s
    measure("relay off after the controller was killed (emulated)", late_s, "s", RELAY_OFF_WITHIN_S)
    gate.wait(lambda: restarts(gate, "gated-controller") > ended, "a restart")
    measure("ready again after it (emulated)", gate.wait_ready(), "s")
    gate.wait_for_visitors()
    assert is_let_in(gate)
    assert len(gate.pulses()) == before + 2


@pytest.mark.long  # the container does it at the host's own speed
def test_a_hung_controller_never_holds_the_relay_beyond_the_pulse(gate: Gate) -> None:
    ended = restarts(gate, "gated-controller")
    _, before = strike_while_open(gate, "STOP")
    took_s = gate.wait(
        lambda: restarts(gate, "gated-controller") > ended,
        "an end by the watchdog",
        WATCHDOG_PATIENCE_S,
    )
    measure("hung controller ended by its watchdog", took_s, "s")
    gate.wait_ready()
    on, off = gate.pulses()[before]
    assert off is not None
    limit_s = PULSE_S + RELAY_OFF_WITHIN_S
    measure("relay energised, controller hung", off.at_s - on.at_s, "s", limit_s)
    assert len(gate.pulses()) == before + 1


@pytest.mark.long  # the container does it at the host's own speed
@pytest.mark.parametrize("signal", ["KILL", "STOP"])
@pytest.mark.parametrize("unit", UNITS[1:])
def test_a_killed_or_hung_process_comes_back(gate: Gate, unit: str, signal: str) -> None:
    ended = restarts(gate, unit)
    began_s = time.monotonic()
    gate.guest.run(f"systemctl kill -s {signal} --kill-whom=main {unit}")
    gate.wait(lambda: restarts(gate, unit) > ended, "a restart", WATCHDOG_PATIENCE_S)
    gate.wait_ready()
    measure(f"{unit} ready again after {signal} (emulated)", time.monotonic() - began_s, "s")
    assert is_let_in(gate)


def nobody_gets_in(gate: Gate, state: Mapping[str, object]) -> None:
    """Let somebody healthy come with a good pass, be refused and leave, while ``state`` goes on."""
    pulses, visits = len(gate.pulses()), len(gate.records(Kind.VISIT))
    gate.see(face=seen_of(HEALTHY_C), **state)
    gate.show(gate.other_side.office.student())
    assert gate.wait_record(visits, Kind.VISIT)["outcome"] != Outcome.GRANTED
    gate.leave(**state)
    assert len(gate.pulses()) == pulses


@contextmanager
def told(gate: Gate, lost: AlarmName, returned: AlarmName, device: str) -> Iterator[float]:
    """See that a loss and the return are told, once each; give when it began."""
    counts = {
        name: len(gate.records(Kind.ALARM, alarm=name, device=device)) for name in (lost, returned)
    }
    yield time.monotonic()
    for name, before in counts.items():
        gate.wait_record(before, Kind.ALARM, alarm=name, device=device)
        assert len(gate.records(Kind.ALARM, alarm=name, device=device)) == before + 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("device", "state"),
    [
        pytest.param("face", {"faults": {"0x5A": "nack"}}, id="a NACK storm"),
        pytest.param("face", {"faults": {"0x5A": "bad check"}}, id="wrong checksums"),
        pytest.param("face", {"faults": {"0x5A": "timeout"}}, id="a held clock"),
        pytest.param("face", {"unplugged": ["0x5A"]}, id="the thermometer pulled out"),
        pytest.param("ambient", {"unplugged": ["0x44"]}, id="the air's thermometer pulled out"),
    ],
)
def test_a_sensor_that_cannot_be_read_keeps_the_gate_shut(
    gate: Gate, request: pytest.FixtureRequest, device: str, state: dict[str, object]
) -> None:
    lost, returned = AlarmName.DEVICE_LOST, AlarmName.DEVICE_RETURNED
    before = len(gate.records(Kind.ALARM, alarm=lost, device=device))
    with told(gate, lost, returned, device) as began_s:
        gate.see(**state)
        gate.wait_record(before, Kind.ALARM, alarm=lost, device=device)
        took_s = time.monotonic() - began_s
        measure(f"alarm at the centre after {request.node.callspec.id} (emulated)", took_s, "s")
        if device == "ambient":
            threading.Event().wait(AIR_COUNTS_FOR_S)
        nobody_gets_in(gate, state)
        gate.see()
    assert is_let_in(gate)


@pytest.mark.long
@pytest.mark.parametrize("how", ["stalled", "unplugged"])
def test_a_camera_without_frames_is_told_and_its_return_too(gate: Gate, how: str) -> None:
    lost, returned = AlarmName.SCANNER_LOST, AlarmName.SCANNER_RETURNED
    before = len(gate.records(Kind.ALARM, alarm=lost))
    with told(gate, lost, returned, "scanner") as began_s:
        if how == "stalled":
            gate.show("STALLED")
        else:
            gate.guest.run("systemctl stop bench-screen")
        gate.wait_record(before, Kind.ALARM, alarm=lost)
        measure(f"alarm at the centre, camera {how} (emulated)", time.monotonic() - began_s, "s")
        gate.show("")
        gate.guest.run("systemctl start bench-screen")
    assert is_let_in(gate)


PEOPLE_OF_A_FULL_DISK = 12
"""The log's file has room for a few events yet; then the controller looks at the disk."""


def is_refused(gate: Gate) -> bool:
    """Let somebody healthy come with a good pass; return whether it beeped without an opening."""
    beeps, pulses = len(gate.guest.levels("buzzer")), len(gate.pulses())
    gate.come(gate.other_side.office.student())
    gate.wait(lambda: len(gate.guest.levels("buzzer")) > beeps, "a beep")
    return len(gate.pulses()) == pulses


def refuse_for_want_of_room(gate: Gate) -> None:
    """Let people come until somebody cannot be recorded, and see that they are not let in."""
    for _ in range(PEOPLE_OF_A_FULL_DISK):
        if is_refused(gate):
            gate.leave()
            return
        gate.go_through()
    pytest.fail("everybody was let in with the disk full")


@pytest.mark.long
def test_a_full_disk_shuts_the_gate_and_loses_nothing(gate: Gate) -> None:
    full = len(gate.records(Kind.ALARM, alarm=AlarmName.LEDGER_FULL))
    gate.guest.run("fallocate -l $(($(stat -f -c '%a * %S' /))) /var/filled")
    try:
        refuse_for_want_of_room(gate)
    finally:
        gate.guest.run("rm /var/filled")
    gate.wait(lambda: is_let_in(gate), "records again")
    gate.wait_record(full, Kind.ALARM, alarm=AlarmName.LEDGER_FULL)
