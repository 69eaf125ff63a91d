"""Whole visits on real kernel devices: heat in registers, a code in the camera, a relay's line."""

from __future__ import annotations

import threading

import pytest

from gated.contents import AlarmName, Kind
from tests.machine.figures import measure
from tests.machine.gate import PULSE_S, Gate
from tests.machine.guest import Level

pytestmark = [pytest.mark.machine, pytest.mark.timeout(1800)]

SAMPLING_S = 0.05
"""How late the scope may see a level, in an emulated machine."""


@pytest.fixture(autouse=True)
def _relay_at_rest(gate: Gate) -> None:
    # The last test's record may have been at the centre before its pulse was over.
    threading.Event().wait(PULSE_S + 1.0)
    assert not gate.is_energised()


def test_a_healthy_person_with_a_pass_gets_in_and_is_recorded_at_the_centre(gate: Gate) -> None:
    before = len(gate.pulses())
    visit = gate.visit(gate.other_side.office.student())
    assert (visit["outcome"], visit["holder_category"]) == ("granted", "student")
    assert visit["body_c"] == pytest.approx(36.5, abs=0.25)
    gate.wait_record(0, Kind.PASSAGE, visit_id=visit["visit_id"], result="passed")
    gate.wait(lambda: not gate.is_energised(), "the end of the pulse")  # they may be quicker
    pulses = gate.pulses()[before:]
    assert len(pulses) == 1
    on, off = pulses[0]
    assert off is not None
    measure("relay energised for a visit", off.at_s - on.at_s, "s", PULSE_S + SAMPLING_S)
    gate.wait(lambda: len(_since(gate, "go", on)) > 1, "the end of the lamp go")
    assert [level.is_high for level in _since(gate, "go", on)][:2] == [True, False]


def test_who_has_a_fever_waits_for_staff_and_the_relay_stays_as_it_is(gate: Gate) -> None:
    before = len(gate.pulses())
    visit = gate.visit(gate.other_side.office.student(), body_c=39.0)
    assert (visit["outcome"], visit["reason"]) == ("see_staff", "temperature_high")
    assert any(level.is_high for level in gate.guest.levels("call"))
    assert len(gate.pulses()) == before


def test_a_made_up_pass_opens_nothing(gate: Gate) -> None:
    before = len(gate.pulses())
    assert gate.visit(gate.other_side.office.forged())["outcome"] == "denied"
    assert len(gate.pulses()) == before


def test_a_serial_scanner_reads_is_unplugged_and_reads_again(gate: Gate) -> None:
    before = len(gate.records(Kind.VISIT))
    gate.come()
    gate.read_by_serial(gate.other_side.office.student())
    assert gate.wait_record(before, Kind.VISIT)["outcome"] == "granted"
    gate.go_through()

    lost, returned = (
        len(gate.records(Kind.ALARM, alarm=alarm, device="paper"))
        for alarm in (AlarmName.DEVICE_LOST, AlarmName.DEVICE_RETURNED)
    )
    gate.guest.plug("device_del", id="scanner")
    gate.wait_record(lost, Kind.ALARM, alarm=AlarmName.DEVICE_LOST, device="paper")
    gate.guest.plug("device_add", driver="usb-serial", chardev="usb", id="scanner", serial="PAPER")
    gate.wait_record(returned, Kind.ALARM, alarm=AlarmName.DEVICE_RETURNED, device="paper")
    gate.come()
    gate.read_by_serial(gate.other_side.office.student())
    assert gate.wait_record(before + 1, Kind.VISIT)["outcome"] == "granted"
    gate.go_through()


def test_reloading_moves_nothing(gate: Gate) -> None:
    before, config = len(gate.pulses()), len(gate.records(Kind.CONFIG))
    gate.write_configuration(**{"staff_after_s = 20.0": "staff_after_s = 21.0"})
    gate.guest.run("systemctl reload gated.target")
    gate.wait_record(config, Kind.CONFIG)
    gate.write_configuration()
    gate.guest.run("systemctl reload gated.target")
    gate.wait_record(config + 1, Kind.CONFIG)
    assert len(gate.pulses()) == before


def _since(gate: Gate, line: str, moment: Level) -> list[Level]:
    return [
        level
        for level in gate.guest.levels(line)
        if level.boot == moment.boot and level.at_s >= moment.at_s - SAMPLING_S * 2
    ]


@pytest.mark.long
def test_a_visit_before_a_camera_of_libcamera_by_picamera2(gate: Gate) -> None:
    drop_in = "/etc/systemd/system/gated-scanner.service.d/virtual.conf"
    before = len(gate.records(Kind.VISIT, outcome="granted"))
    gate.guest.run(
        f"/usr/lib/gated/bin/python /opt/bench/screen.py '{gate.other_side.office.student()}'"
    )
    gate.guest.run(f"mkdir -p {drop_in.rpartition('/')[0]}")
    gate.guest.write(drop_in, "[Service]\nEnvironment=LIBCAMERA_PIPELINES_MATCH_LIST=virtual\n")
    gate.write_configuration(**{'camera = "v4l2"': 'camera = "picamera2"\ncolour = "off"'})
    try:
        gate.guest.run(
            "systemctl daemon-reload && systemctl restart gated-controller gated-scanner"
        )
        gate.wait_for_visitors()
        gate.come()
        # This camera shows the pass again and again, also while nobody was there.
        gate.wait_record(before, Kind.VISIT, outcome="granted")
        gate.go_through()
    finally:
        gate.leave()
        gate.write_configuration()
        gate.guest.run(f"rm {drop_in} && systemctl daemon-reload && systemctl restart gated.target")
        gate.wait_ready()
