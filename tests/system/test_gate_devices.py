"""Devices that fail while the gate works: told once, the rest goes on, and they are taken back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gated.contents import AlarmName, Kind
from gated.simulation.serial_devices import SerialScannerDevice, serial_on_stage
from gated.simulation.stage import AMBIENT
from gated.vocabulary import Prompt
from tests.gate_processes import PATIENCE_S, open_files, wait_for
from tests.gate_rig import Event, StagedGate, staged_gate
from tests.gate_stage import THERMOMETER

PAUSE_S = 0.5
WITH_READER = {
    'camera = "none"': 'camera = "v4l2"\n'
    'serial = [{ name = "paper", device = "/dev/serial/by-id/usb-paper" }]',
}
WITH_CONTACT = {
    'attendant_button = { line = "GPIO13" }': 'attendant_button = { line = "GPIO13" }\n'
    'contact = { line = "GPIO6" }\nkey_release = { line = "GPIO20" }\n'
    'key_mode = { line = "GPIO21", mode = "closed" }',
    "[visit]": "[visit]\nheld_open_after_s = 3.0",
}


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short path: the names of sockets are limited."""
    return tmp_path_factory.mktemp("d")


@pytest.fixture
def gate(folder: Path) -> Iterator[StagedGate]:
    with staged_gate(folder / "g", changes=WITH_READER | WITH_CONTACT) as gate:
        gate.stage.set_level("contact", on=True)
        yield gate
        assert gate.stop() == 0, gate.log()


@pytest.fixture
def reader(gate: StagedGate) -> Iterator[SerialScannerDevice]:
    with closing(SerialScannerDevice(serial_on_stage(gate.run_folder, "paper"))) as reader:
        gate.start()
        tty = Path(reader.tty)
        wait_for(lambda: tty in open_files(gate.pid("scanner")), "a reader", log=gate.log)
        yield reader


def alarms(gate: StagedGate, device: str) -> list[str]:
    events = gate.of_kind(Kind.ALARM)
    return [str(e.body["alarm"]) for e in events if e.body["device"] == device]


def wait_alarm(gate: StagedGate, alarm: AlarmName, device: str) -> Event:
    return gate.wait_event(Kind.ALARM, 0, within_s=PATIENCE_S, alarm=alarm, device=device)


# --- lost and found ------------------------------------------------------------------------------


def test_a_serial_scanner_that_is_pulled_out_is_told_once_and_works_again_once_it_is_back(
    gate: StagedGate, reader: SerialScannerDevice
) -> None:
    reader.scan(gate.office.student())
    gate.stage.stand()
    visit = gate.wait_event(Kind.VISIT, 0)
    assert visit.body["outcome"] == "granted"
    gate.go_through(visit)
    reader.pull_out()
    lost = wait_alarm(gate, AlarmName.DEVICE_LOST, "paper")
    gate.let_one_pass()  # the camera sees as before
    reader.plug_in()
    wait_alarm(gate, AlarmName.DEVICE_RETURNED, "paper")
    reader.scan(gate.office.student())
    gate.stage.stand()
    gate.go_through(gate.wait_event(Kind.VISIT, lost.seq + 2, outcome="granted"))
    assert alarms(gate, "paper") == [AlarmName.DEVICE_LOST, AlarmName.DEVICE_RETURNED]
    assert alarms(gate, "scanner") == []


def test_a_camera_that_stalls_is_told_once_and_the_serial_reader_goes_on(
    gate: StagedGate, reader: SerialScannerDevice
) -> None:
    gate.stage.stall_camera()
    wait_alarm(gate, AlarmName.SCANNER_LOST, "scanner")
    reader.scan(gate.office.student())
    gate.stage.stand()
    gate.go_through(gate.wait_event(Kind.VISIT, 0, outcome="granted"))
    gate.stage.stall_camera(is_stalled=False)
    returned = wait_alarm(gate, AlarmName.SCANNER_RETURNED, "scanner")
    gate.let_one_pass()
    assert gate.newest_seq() > returned.seq
    assert alarms(gate, "scanner") == [AlarmName.SCANNER_LOST, AlarmName.SCANNER_RETURNED]


@pytest.mark.parametrize("sensor", [THERMOMETER, AMBIENT])
def test_a_sensor_that_is_unplugged_is_told_once_and_judges_again_once_it_is_back(
    gate: StagedGate, reader: SerialScannerDevice, sensor: str
) -> None:
    del reader
    gate.stage.unplug(sensor)
    wait_alarm(gate, AlarmName.DEVICE_LOST, sensor)
    assert gate.status()["prompt"] in {Prompt.OUT_OF_ORDER, Prompt.READY}
    gate.stage.plug_in(sensor)
    wait_alarm(gate, AlarmName.DEVICE_RETURNED, sensor)
    gate.let_one_pass()
    assert alarms(gate, sensor) == [AlarmName.DEVICE_LOST, AlarmName.DEVICE_RETURNED]


def test_a_code_of_ten_megabytes_from_a_serial_line_is_refused_and_the_next_one_is_read(
    gate: StagedGate, reader: SerialScannerDevice
) -> None:
    gate.stage.stand()
    wait_for(lambda: gate.stage.has_shown(Prompt.SHOW_CODE, 0.0), "a question")
    reader.flood(10_000_000)
    reader.send(b"\r")
    refused = gate.wait_event(Kind.VISIT, 0, within_s=PATIENCE_S)
    assert (refused.body["outcome"], refused.body["reason"]) == ("denied", "malformed")
    assert refused.body["prompt"] == Prompt.SHOW_ANOTHER_CODE
    assert gate.stage.openings == 0
    threading.Event().wait(PAUSE_S)  # a flood ends with a pause
    reader.scan(gate.office.student())
    gate.go_through(gate.wait_event(Kind.VISIT, refused.seq, outcome="granted"))


# --- the gate's own contact, and the keys --------------------------------------------------------


def test_a_gate_that_is_left_open_is_an_alarm_and_so_is_one_that_is_forced(
    gate: StagedGate, reader: SerialScannerDevice
) -> None:
    del reader
    visit = gate.visit()
    gate.stage.set_level("contact", on=False)
    gate.go_through(visit)
    gate.wait_event(Kind.ALARM, visit.seq, alarm=AlarmName.HELD_OPEN, visit_id=visit.visit_id)
    assert gate.status()["gate"] == "open"
    gate.stage.set_level("contact", on=True)
    shut = gate.wait_event(Kind.ALARM, visit.seq, alarm=AlarmName.GATE_SHUT_AGAIN)
    gate.stage.set_level("contact", on=False)
    gate.wait_event(Kind.PASSAGE, shut.seq, result="forced")
    gate.wait_event(Kind.ALARM, shut.seq, alarm=AlarmName.PASSAGE_FORCED)
    gate.stage.set_level("contact", on=True)


def test_the_key_closes_the_gate_over_a_restart_and_turned_back_without_power_it_opens(
    gate: StagedGate, reader: SerialScannerDevice
) -> None:
    del reader
    gate.stage.set_level("key_mode", on=True)
    wait_for(lambda: gate.status().get("mode") == "closed", "closed by the key")
    assert gate.visit().body["reason"] == "closed"
    gate.stage.step_away()
    gate.stop()
    gate.start()
    wait_for(lambda: gate.status().get("mode") == "closed", "still closed")
    gate.stop()
    gate.stage.set_level("key_mode", on=False)
    gate.start()
    wait_for(lambda: gate.status().get("mode") == "normal", "normal again")
    modes = [(e.body["to_mode"], e.body["by"]) for e in gate.of_kind(Kind.MODE)]
    assert modes == [("closed", "key_switch"), ("normal", "key_switch")]


def test_with_a_dead_scanner_key_and_button_release_and_all_of_it_is_recorded(
    gate: StagedGate, reader: SerialScannerDevice
) -> None:
    reader.pull_out()
    gate.stage.stall_camera()
    gate.stage.stand()
    visit = gate.wait_event(Kind.VISIT, 0, within_s=PATIENCE_S, outcome="see_staff")
    gate.stage.press("attendant")
    gate.wait_event(Kind.CLAIM, visit.seq, step="button", visit_id=visit.visit_id)
    assert gate.stage.openings == 0
    gate.stage.set_level("key_release", on=True)
    gate.wait_event(Kind.CLAIM, visit.seq, step="key", visit_id=visit.visit_id)
    gate.stage.set_level("key_release", on=False)
    gate.stage.press("attendant")
    release = gate.wait_event(Kind.RELEASE, visit.seq, visit_id=visit.visit_id)
    assert (release.body["result"], release.body["released_by"]) == ("override", "key_switch")
    wait_for(lambda: gate.stage.openings == 1, "the relay")
    gate.go_through(release)
