"""What a machine goes through between two boots: power cuts, a wrong clock, no network, a hang."""

from __future__ import annotations

import logging
import random
import re
import threading
import time

import pytest

from gated.clock import SystemClock, TimeQuality
from gated.contents import Kind
from gated.vocabulary import Outcome
from tests.machine.figures import measure
from tests.machine.gate import Gate

pytestmark = [pytest.mark.machine, pytest.mark.timeout(7200)]

log = logging.getLogger(__name__)

CUTS, CUTS_IN_SHORT = 50, 3
SEED = 11
LONGEST_WAIT_S = 8.0
UPLINK_TRIES_AGAIN_WITHIN_S = 400.0
"""Before its clock floor it dials once in five minutes."""


def cuts(config: pytest.Config) -> int:
    return CUTS_IN_SHORT if config.getoption("--short") else CUTS


def delivered(gate: Gate) -> dict[str, int]:
    """Return how many records of each epoch the centre has, none of which may be missing."""
    numbers: dict[str, list[int]] = {}
    for epoch, number in sorted(gate.other_side.centre.bodies()):
        numbers.setdefault(epoch, []).append(number)
    for epoch, seen in numbers.items():
        assert seen == list(range(1, len(seen) + 1)), f"{epoch}: {seen}"
    return {epoch: len(seen) for epoch, seen in numbers.items()}


def test_power_cuts_in_the_middle_of_visits_lose_nothing(
    gate: Gate, pytestconfig: pytest.Config
) -> None:
    chance = random.Random(SEED)
    pause = threading.Event()
    number, longest_s = cuts(pytestconfig), 0.0
    gate.wait_for_visitors()
    for cut in range(1, number + 1):
        gate.come(gate.other_side.office.student())
        pause.wait(chance.uniform(0.0, LONGEST_WAIT_S))
        acknowledged = delivered(gate)
        boots = len(gate.records(Kind.BOOT))
        gate.guest.cut_power()
        began_s = time.monotonic()
        gate.power_up()
        gate.wait_record(boots, Kind.BOOT)
        gate.wait_ready()
        took_s = time.monotonic() - began_s
        longest_s = max(longest_s, took_s)
        kept = delivered(gate)
        log.info("power cut %d of %d: ready after %.0f s, %s", cut, number, took_s, kept)
        assert all(kept[epoch] >= count for epoch, count in acknowledged.items())
    measure(f"{number} power cuts: ready again at most after (emulated)", longest_s, "s")
    gate.wait_for_visitors()
    assert measure(f"records lost over {number} power cuts", lost(gate), "", 0)
    assert gate.visit(gate.other_side.office.student())["outcome"] == Outcome.GRANTED


def lost(gate: Gate) -> int:
    """Return how many records the ledger or the centre lacks; see that all are as recorded."""
    gate.wait(lambda: "everything is delivered" in gate.guest.try_to("gated status")[1], "delivery")
    said = gate.guest.run("gated ledger verify")
    verified = re.match(r"ok: (\d+) events of .*, from (\d+) on, ", said)
    assert verified, said
    kept, first = map(int, verified.groups())
    assert gate.other_side.centre.quarantined() == []
    # Nobody was let in without a record of it.
    assert len(gate.pulses()) <= len(gate.records(Kind.VISIT, outcome=Outcome.GRANTED))
    # A full disk makes room of what the centre has.
    return abs(first - 1 + kept - sum(delivered(gate).values()))


@pytest.mark.long
def test_a_clock_far_in_the_past_at_boot_loses_nothing(gate: Gate) -> None:
    # It would take the time of the last stop, as it should: here even that is lost.
    gate.guest.run("systemctl mask --now systemd-timesyncd; rm /var/lib/systemd/timesync/clock")
    gate.guest.shut_down()
    before = len(gate.records(Kind.VISIT))
    gate.power_up(at="1970-01-02")
    measure("ready after a boot in 1970 (emulated)", gate.wait_ready(), "s")
    gate.wait_for_visitors()
    gate.opens_for(gate.other_side.office.student())
    gate.guest.run(
        f"date -s @{SystemClock().now().timestamp():.0f}"
    )  # as a time server's answer does
    visit = gate.wait_record(before, Kind.VISIT, within_s=UPLINK_TRIES_AGAIN_WITHIN_S)
    assert visit["time_quality"] == TimeQuality.UNKNOWN
    assert visit["outcome"] == Outcome.GRANTED
    delivered(gate)
    gate.guest.run("systemctl unmask systemd-timesyncd")


@pytest.mark.long
def test_without_a_network_at_boot_the_gate_works_and_delivers_later(gate: Gate) -> None:
    before = len(gate.records(Kind.VISIT))
    gate.guest.shut_down()
    gate.power_up(has_network=False)
    measure("ready after a boot without a network (emulated)", gate.wait_ready(), "s")
    gate.wait_for_visitors()
    gate.opens_for(gate.other_side.office.student())
    assert len(gate.records(Kind.VISIT)) == before
    gate.guest.network(is_up=True)
    gate.wait_record(before, Kind.VISIT)
    delivered(gate)


@pytest.mark.long
def test_a_hung_kernel_is_restarted_by_the_watchdog(gate: Gate) -> None:
    """Armed as gated doctor says. What the relay does meanwhile only a real board can show."""
    folder = "/etc/systemd/system.conf.d"
    gate.guest.run(f"mkdir -p {folder}")
    gate.guest.write(f"{folder}/watchdog.conf", "[Manager]\nRuntimeWatchdogSec=14\n")
    gate.guest.run("systemctl daemon-reexec; sysctl -q kernel.panic=0")
    boots = len(gate.records(Kind.BOOT))
    began_s = time.monotonic()
    gate.guest.hang()
    gate.guest.wait_until_up()
    gate.wait_record(boots, Kind.BOOT)
    gate.wait_ready()
    measure("hung kernel: ready again after (emulated)", time.monotonic() - began_s, "s")
    assert gate.visit(gate.other_side.office.student())["outcome"] == Outcome.GRANTED
