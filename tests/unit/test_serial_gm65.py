"""A GM65 is set up and looked after by commands: driver and simulated module, on one fake clock."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.config.serial_scanner import SerialProtocol, Trigger
from gated.errors import DeviceLost
from gated.scanner.serial_control import AGAIN_AFTER_S
from gated.scanner.serial_gm65 import (
    ANSWER_WITHIN_S,
    CHECK_EVERY_S,
    READ_ZONES,
    TRIES,
    Gm65,
    read_zones,
    write_zone,
)
from gated.scanner.serial_lengths import Answer
from gated.scanner.serial_scanner import RETRY_MOST_S
from gated.scanner.sighting import CameraState
from gated.serialport import SerialPort
from gated.simulation.gm65 import Gm65Module
from gated.units import MonoSeconds
from tests.serial_rig import SerialRig, rig_for

RETRIGGER_S = 4.0
AS_DELIVERED = 0xD6  # continuous mode, among other things
NOW = MonoSeconds(100.0)
DONE = Answer(0, b"\x00")


class QuickPort(SerialPort):
    """A port behind which time is the fake clock's: a read waits for the module alone."""

    def __init__(self, module: Gm65Module, pattern: str, baud: int) -> None:
        self._module = module
        super().__init__(pattern, baud)

    def read(self, timeout_s: float) -> bytes:
        self._module.obey()
        return super().read(min(timeout_s, 0.01))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def module(tmp_path: Path, clock: FakeClock) -> Iterator[Gm65Module]:
    with closing(Gm65Module(tmp_path / "usb-gm65", clock=clock)) as module:
        yield module


def rig_of(module: Gm65Module, clock: FakeClock, trigger: Trigger) -> SerialRig:
    rig = rig_for(
        module.path,
        clock,
        partial(QuickPort, module),
        protocol=SerialProtocol.GM65,
        trigger=trigger,
        retrigger_s=RETRIGGER_S,
    )
    rig.stop.set()  # so that no wait waits
    return rig


@pytest.fixture(params=Trigger)
def trigger(request: pytest.FixtureRequest) -> Trigger:
    trigger: Trigger = request.param
    return trigger


@pytest.fixture
def rig(module: Gm65Module, clock: FakeClock, trigger: Trigger) -> Iterator[SerialRig]:
    rig = rig_of(module, clock, trigger)
    yield rig
    rig.close()


def pass_time(rig: SerialRig, clock: FakeClock, s: float) -> None:
    """Step through a time in which nothing but answers comes."""
    for _ in range(round(s)):
        clock.advance(1.0)
        rig.step(3)


# --- bytes ---------------------------------------------------------------------------------------


def test_the_commands_are_the_manuals() -> None:
    assert write_zone(0x000A, 0x3E).frame == bytes.fromhex("7E 00 08 01 00 0A 3E 4C CF")
    assert write_zone(0x00D9, 0x50).frame == bytes.fromhex("7E 00 08 01 00 D9 50 81 D3")  # Tasmota
    assert read_zones().frame[:-2] == bytes.fromhex("7E 00 07 01 00 00 61")


def test_an_answer_that_comes_late_is_not_taken_for_another_commands() -> None:
    zones = bytearray(READ_ZONES)
    gm65 = Gm65(Trigger.CONTINUOUS, RETRIGGER_S, "gm65")
    gm65.start(NOW)
    assert gm65.due(NOW) == read_zones().frame
    late = MonoSeconds(NOW + ANSWER_WITHIN_S)
    assert gm65.due(late) == read_zones().frame, "asked again"
    gm65.hear(Answer(0, bytes(zones)))
    assert gm65.due(late) == write_zone(0x00, 0b10).frame
    gm65.hear(Answer(0, bytes(zones)))  # to the first question
    assert gm65.due(late) == b"", "a read's answer was taken for a write's"
    gm65.hear(DONE)
    assert gm65.due(late) == write_zone(0x03, 0b10).frame
    gm65.hear(DONE)
    assert gm65.due(late) == write_zone(0x60, 0x80).frame


def test_answers_to_nothing_and_refusals_change_nothing() -> None:
    gm65 = Gm65(Trigger.CONTINUOUS, RETRIGGER_S, "gm65")
    gm65.hear(DONE)
    gm65.start(NOW)
    gm65.due(NOW)
    gm65.hear(Answer(1, bytes(READ_ZONES)))
    gm65.hear(Answer(0, b""))
    assert gm65.due(NOW) == b""
    assert not gm65.is_ready


def test_a_module_that_never_answers_is_lost_after_some_tries() -> None:
    gm65 = Gm65(Trigger.CONTINUOUS, RETRIGGER_S, "/dev/ttyS0")
    gm65.start(NOW)
    for number in range(TRIES):
        assert gm65.due(MonoSeconds(NOW + number * ANSWER_WITHIN_S)) == read_zones().frame
    with pytest.raises(DeviceLost, match=r"/dev/ttyS0 does not answer commands: is it a GM65"):
        gm65.due(MonoSeconds(NOW + TRIES * ANSWER_WITHIN_S))


# --- with the module -----------------------------------------------------------------------------


def test_it_is_set_up_in_its_memory_only_and_other_settings_stay(
    rig: SerialRig, module: Gm65Module, trigger: Trigger
) -> None:
    before = bytes(module.zones)
    rig.step_until_well()
    mode = {Trigger.COMMAND: 0b01, Trigger.CONTINUOUS: 0b10, Trigger.INDUCTION: 0b11}[trigger]
    expected = bytearray(before)
    expected[0x00] = AS_DELIVERED & ~0b11 | mode
    expected[0x03] = 0b10
    expected[0x60] = 0x81
    rig.step(3)
    after = bytearray(module.zones)
    after[0x02] = before[0x02]  # the trigger's
    assert after == expected
    assert module.saves == 0


def test_a_module_that_is_as_it_should_be_is_only_looked_at(
    tmp_path: Path, clock: FakeClock
) -> None:
    with closing(Gm65Module(tmp_path / "gm65", {0x03: 2, 0x60: 0x80}, clock=clock)) as module:
        module._deaf_to = frozenset(range(256))
        rig = rig_of(module, clock, Trigger.CONTINUOUS)
        rig.step_until_well()
        assert module.scan("GP1:A")
        assert rig.next_codes(1) == ["GP1:A"]
        rig.close()


def test_answers_are_never_told_as_codes(
    rig: SerialRig, module: Gm65Module, clock: FakeClock
) -> None:
    rig.step_until_well()
    pass_time(rig, clock, 3 * CHECK_EVERY_S)
    assert rig.outbox.texts == []
    assert rig.outbox.healths[-1].state is CameraState.OK


@pytest.mark.parametrize("trigger", [Trigger.CONTINUOUS], indirect=True)
def test_a_code_that_reads_like_an_answer_is_a_code(rig: SerialRig, module: Gm65Module) -> None:
    module.is_silent = True
    rig.step()  # the first question is out
    module.zones[0x60] = 0x80
    zones = "\x02\x00\x00\x61" + "\x02" * 0x61
    module.scan(zones)
    module.scan("\x02\x00\x00\x01\x00\x33\x31")
    rig.step(3)
    assert rig.outbox.texts == ["a", ""]
    assert rig.outbox.healths[-1].state is CameraState.NO_FRAMES, "the code passed for an answer"


@pytest.mark.parametrize("trigger", [Trigger.CONTINUOUS], indirect=True)
def test_a_visitor_with_a_setup_code_cannot_switch_it_off(
    rig: SerialRig, module: Gm65Module
) -> None:
    rig.step_until_well()
    module.show_setup_code(0x00, 0x00)  # manual mode
    assert module.scan("GP1:A")
    assert rig.next_codes(2) == ["a setup code", "GP1:A"]


def test_the_simulated_module_obeys_setup_codes_as_delivered(module: Gm65Module) -> None:
    module.show_setup_code(0x00, 0x00)
    module.blink_power()
    assert not module.scan("GP1:A")


@pytest.mark.parametrize("trigger", [Trigger.CONTINUOUS], indirect=True)
def test_a_power_cut_is_found_though_the_line_stays_and_the_module_is_set_up_anew(
    rig: SerialRig, module: Gm65Module, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    rig.step_until_well()
    module.blink_power()
    assert module.zones[0x60] == 0x01
    pass_time(rig, clock, CHECK_EVERY_S + 1.0)
    assert module.zones[0x60] == 0x81
    assert module.scan("GP1:A")
    assert rig.next_codes(1) == ["GP1:A"]
    assert not caplog.records


def test_a_module_that_does_not_answer_says_so_once_and_is_tried_again(
    rig: SerialRig, module: Gm65Module, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    module.is_silent = True
    pass_time(rig, clock, 4 * (TRIES * ANSWER_WITHIN_S + RETRY_MOST_S))
    last = rig.outbox.healths[-1]
    assert last.state is CameraState.NO_FRAMES
    assert "does not answer commands: is it a GM65" in last.reason
    assert len(caplog.records) == 1
    module.is_silent = False
    pass_time(rig, clock, RETRY_MOST_S + 4.0)
    assert rig.outbox.healths[-1].state is CameraState.OK
    assert [(record.levelno, record.getMessage()) for record in caplog.records[1:]] == [
        (logging.WARNING, "scanner paper is back")
    ]
    assert rig.outbox.texts == []


def test_a_module_that_falls_silent_is_noticed(
    rig: SerialRig, module: Gm65Module, clock: FakeClock
) -> None:
    rig.step_until_well()
    module.is_silent = True
    pass_time(rig, clock, CHECK_EVERY_S + TRIES * ANSWER_WITHIN_S + 1.0)
    assert "does not answer" in rig.outbox.healths[-1].reason


def test_a_module_without_lengths_is_refused_with_what_to_do(
    tmp_path: Path, clock: FakeClock
) -> None:
    deaf = frozenset({0x60})
    with closing(Gm65Module(tmp_path / "gm65", deaf_to=deaf, clock=clock)) as module:
        rig = rig_of(module, clock, Trigger.CONTINUOUS)
        pass_time(rig, clock, 4.0)
        assert "does not keep its zone byte 0x0060" in rig.outbox.healths[-1].reason
        rig.close()


def test_a_flood_of_something_else_is_dropped_and_no_commands_are_wasted_on_it(
    module: Gm65Module, clock: FakeClock
) -> None:
    rig = rig_of(module, clock, Trigger.COMMAND)
    rig.step_until_well()
    rig.step(3)
    triggers = module.triggers
    for _ in range(100):
        module.send(b"x" * 4_000)
        rig.step()
        clock.advance(0.05)
    module.obey()
    assert rig.outbox.texts == [""]
    assert module.triggers <= triggers + 1, "one may be sent before it is known for a flood"
    rig.close()


# --- the trigger ---------------------------------------------------------------------------------


def test_the_trigger_is_pulled_again_before_the_reading_time_is_over(
    module: Gm65Module, clock: FakeClock
) -> None:
    rig = rig_of(module, clock, Trigger.COMMAND)
    rig.step_until_well()
    pass_time(rig, clock, 3 * RETRIGGER_S)
    assert 3 <= module.triggers <= 4
    assert module.scan("GP1:A"), "the reading time of 5 s was over"
    assert not module.scan("GP1:A"), "it stops after a code"
    rig.next_codes(1)
    clock.advance(AGAIN_AFTER_S - 0.1)
    rig.step()
    assert not module.scan("GP1:B")
    clock.advance(0.2)
    rig.step(2)
    assert module.scan("GP1:B")
    assert rig.next_codes(2) == ["GP1:A", "GP1:B"]
    rig.close()


@pytest.mark.parametrize("trigger", [Trigger.CONTINUOUS, Trigger.INDUCTION], indirect=True)
def test_a_module_that_reads_by_itself_is_not_triggered(
    rig: SerialRig, module: Gm65Module, clock: FakeClock
) -> None:
    rig.step_until_well()
    pass_time(rig, clock, 3 * RETRIGGER_S)
    assert module.triggers == 0


# --- the module keeps the manual's rules ---------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("7E 00 07 01 00 0A 01 EE 8A", "02 00 00 01 3E E4 AC"),
        ("7E 00 07 01 00 0A 01 AB CD", "02 00 00 01 3E E4 AC"),
        ("7E 00 07 01 00 0A 01 11 22", ""),
        ("7E 00 08 01 00 0A 3E 4C CF", "02 00 00 01 00 33 31"),
        ("7E 00 08 01 00 0A 3E", ""),
        ("7E 00 09 01 00 00 00 DE C8", "02 00 00 01 00 33 31"),
        ("7E 00 0A 01 00 00 00 30 1A", "03 00 00 01 00 33 31"),
        ("00 7E 11 7E 00 07 01 00 2A 02 D8 0F", "02 00 00 02 39 01 C1 4C"),
        ("7E 00 0B 01 00 00 00 AB CD", ""),
    ],
)
def test_the_simulated_module_answers_as_the_manual_says(
    command: str, answer: str, module: Gm65Module
) -> None:
    module.zones[0x0A] = 0x3E
    port = SerialPort(str(module.path), 9_600)
    port.write(bytes.fromhex(command))
    module.obey()
    assert port.read(0.05) == bytes.fromhex(answer)
    port.close()


def test_the_simulated_module_forgets_what_was_not_saved(module: Gm65Module) -> None:
    port = SerialPort(str(module.path), 9_600)
    port.write(write_zone(0x60, 0x80).frame)
    module.obey()
    assert module.zones[0x60] == 0x80
    module.blink_power()
    assert module.zones[0x60] == 0x01
    port.write(write_zone(0x60, 0x80).frame + bytes.fromhex("7E 00 09 01 00 00 00 DE C8"))
    module.obey()
    module.blink_power()
    assert (module.zones[0x60], module.saves) == (0x80, 1)
    port.close()


def test_the_simulated_module_forgets_a_command_that_comes_too_slowly(
    module: Gm65Module, clock: FakeClock
) -> None:
    port = SerialPort(str(module.path), 9_600)
    port.write(bytes.fromhex("7E 00 07 01"))
    module.obey()
    clock.advance(0.5)
    port.write(bytes.fromhex("00 0A 01 EE 8A"))
    module.obey()
    assert port.read(0.05) == b""
    port.close()
