"""A serial scanner's worker, step by step, with a clock that only moves when told to."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.clock import FakeClock
from gated.config.serial_scanner import SerialProtocol, Trigger
from gated.errors import DeviceLost
from gated.messages import MAX_CODE_CHARACTERS, CodeSeen
from gated.scanner.presentation import MAX_REMEMBERED
from gated.scanner.reports import RESEND_WITHIN_S
from gated.scanner.serial_codes import BURST_BYTES, QUIET_S
from gated.scanner.serial_control import AGAIN_AFTER_S
from gated.scanner.serial_scanner import (
    FLOOD_LOST_AFTER_S,
    FLOOD_SAID_EVERY_S,
    RETRY_FIRST_S,
    RETRY_MOST_S,
)
from gated.scanner.sighting import CameraState, is_acceptable
from tests.serial_rig import SerialRig, Socket, rig_for

SECRET = "GP1:SECRET"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def socket(clock: FakeClock) -> Socket:
    return Socket(clock)


@pytest.fixture
def rig(clock: FakeClock, socket: Socket) -> Iterator[SerialRig]:
    rig = rig_for("/dev/serial/by-id/usb-scanner", clock, socket.open)
    rig.stop.set()  # so that no wait waits
    yield rig
    rig.close()


LOST = DeviceLost("/dev/ttyACM0 is lost: unplugged", device="/dev/ttyACM0")


def test_the_configured_device_and_speed_are_opened(rig: SerialRig, socket: Socket) -> None:
    socket.plug()
    rig.step()
    assert socket.asked == [("/dev/serial/by-id/usb-scanner", 9_600)]


def test_a_code_is_sent_with_its_decoder_and_a_presentation(rig: SerialRig, socket: Socket) -> None:
    socket.plug(b"GP1:A\r", b"GP1:A\rGP1:B\r")
    rig.step(2)
    codes = [sighting for sighting in rig.outbox.sent if isinstance(sighting, CodeSeen)]
    assert [(c.text, c.decoder, c.presentation) for c in codes] == [
        ("GP1:A", "serial", "p1"),
        ("GP1:B", "serial", "p2"),
    ]


def test_a_code_again_after_the_hold_off_is_a_new_presentation(
    rig: SerialRig, socket: Socket, clock: FakeClock
) -> None:
    socket.plug(b"GP1:A\r", b"GP1:A\r", b"GP1:A\r")
    rig.step(2)
    assert rig.outbox.texts == ["GP1:A"]
    clock.advance(1.6)
    rig.step()
    assert rig.outbox.texts == ["GP1:A", "GP1:A"]


@pytest.mark.parametrize("line", [b"A\x1dB\r", b"\xff\xff\r", b"x" * 20_000 + b"\r"])
def test_what_cannot_be_a_pass_is_told_without_its_text(
    line: bytes, rig: SerialRig, socket: Socket
) -> None:
    socket.plug(*(line[at : at + 4_096] for at in range(0, len(line), 4_096)))
    rig.step(6)
    assert rig.outbox.texts == [""]
    assert rig.scanner._health(rig.scanner._clock.monotonic_s()).unreadable == 1


def test_health_goes_out_each_second_and_counts_codes(
    rig: SerialRig, socket: Socket, clock: FakeClock
) -> None:
    socket.plug(b"GP1:A\r")
    before_s = clock.elapsed_s
    rig.step(40)
    healths = rig.outbox.healths
    assert len(healths) == pytest.approx(clock.elapsed_s - before_s, abs=1.5)
    last = healths[-1]
    assert (last.device, last.state, last.frames, last.reason) == ("paper", CameraState.OK, 1, "")
    assert last.last_frame_age_ms is not None
    assert last.last_frame_age_ms > 8_000


def test_a_scanner_that_never_gave_a_code_has_no_age(rig: SerialRig, socket: Socket) -> None:
    socket.plug()
    rig.step()
    assert rig.outbox.healths[0].last_frame_age_ms is None


def test_a_loss_is_told_at_once_closed_and_said_once_and_so_is_the_return(
    rig: SerialRig, socket: Socket, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    port = socket.plug(b"GP1:HALF", LOST)
    rig.step(2)
    assert port.is_closed
    assert [(h.state, h.reason) for h in rig.outbox.healths] == [
        (CameraState.OK, ""),
        (CameraState.NO_FRAMES, "/dev/ttyACM0 is lost: unplugged"),
    ]
    for _ in range(5):
        clock.advance(RETRY_MOST_S)
        rig.step()
    socket.plug(b"GP1:A\r")
    clock.advance(RETRY_MOST_S)
    rig.step()
    assert rig.outbox.texts == ["GP1:A"], "what was begun before the loss was mixed in"
    assert rig.outbox.healths[-1].state is CameraState.OK
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.ERROR,
            "scanner paper is lost, trying again until it is back: /dev/ttyACM0 is lost: unplugged",
        ),
        (logging.WARNING, "scanner paper is back"),
    ]


def test_a_device_that_is_not_there_is_tried_again_ever_more_seldom(
    rig: SerialRig, socket: Socket, clock: FakeClock
) -> None:
    for _ in range(400):
        rig.step()
        clock.advance(0.1)
    pauses = [
        round(later - before, 1)
        for before, later in zip(socket.opened_at, socket.opened_at[1:], strict=False)
    ]
    assert pauses[0] == pytest.approx(RETRY_FIRST_S, abs=0.15)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(RETRY_MOST_S, abs=0.15)
    assert rig.outbox.healths[0].reason == (
        "no device /dev/serial/by-id/usb-scanner: plug it in"  # on one line
    )


def test_a_device_that_opens_and_fails_at_once_is_not_said_to_be_back(
    rig: SerialRig, socket: Socket, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        socket.plug(LOST)
        clock.advance(RETRY_MOST_S)
        rig.step()
    assert len(caplog.records) == 1


def test_a_sighting_that_could_not_be_sent_is_sent_once_the_controller_is_back(
    rig: SerialRig, socket: Socket, clock: FakeClock
) -> None:
    socket.plug(b"GP1:A\r")
    rig.outbox.is_away = True
    rig.step()
    rig.outbox.is_away = False
    rig.step(2)
    assert rig.outbox.texts == ["GP1:A"]


def test_a_sighting_that_could_not_be_sent_does_not_follow_a_newer_one(
    rig: SerialRig, socket: Socket
) -> None:
    socket.plug(b"GP1:A\r", b"GP1:B\r")
    rig.outbox.is_away = True
    rig.step()
    rig.outbox.is_away = False
    rig.step(2)
    assert rig.outbox.texts == ["GP1:B"]


def test_a_sighting_that_is_old_is_not_sent_any_more(
    rig: SerialRig, socket: Socket, clock: FakeClock
) -> None:
    socket.plug(b"GP1:A\r")
    rig.outbox.is_away = True
    rig.step()
    clock.advance(RESEND_WITHIN_S + 0.1)
    rig.outbox.is_away = False
    rig.step(2)
    assert rig.outbox.texts == []


def test_a_flood_is_thrown_away_said_once_and_the_scanner_is_of_no_use_meanwhile(
    rig: SerialRig, socket: Socket, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    port = socket.plug()
    for _ in range(200):
        port.script.append(b"x" * 4_096)
        rig.step()
        clock.advance(FLOOD_LOST_AFTER_S / 100)
    assert rig.outbox.texts == [""]
    assert port.discarded > 150
    useless = rig.outbox.healths[-1]
    assert (useless.state, useless.reason) == (
        CameraState.NO_FRAMES,
        "sends without end: look at its settings",
    )
    assert [record.getMessage() for record in caplog.records] == [
        "scanner paper sends more than a scanner can read: dropped"
    ]
    clock.advance(QUIET_S)
    rig.step()
    port.script.append(b"GP1:A\r")
    rig.step()
    assert rig.outbox.texts == ["", "GP1:A"]
    assert rig.outbox.healths[-1].state is CameraState.OK


def test_a_flood_that_comes_again_and_again_is_not_said_each_time(
    rig: SerialRig, socket: Socket, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    port = socket.plug()
    for _ in range(10):
        port.script += [b"x" * 4_096] * 30
        rig.step(30)
        clock.advance(FLOOD_SAID_EVERY_S / 2)
        rig.step()
    assert len(caplog.records) == 1


def test_no_text_of_a_code_reaches_the_log_and_few_are_remembered(
    rig: SerialRig, socket: Socket, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    port = socket.plug()
    for number in range(100):
        port.script.append(f"{SECRET}{number}\r".encode())
        rig.step()
        clock.advance(0.05)
    port.script.append(LOST)
    rig.step()
    assert len(rig.outbox.texts) == 100
    assert SECRET not in caplog.text
    assert len(rig.scanner._presentations._last_seen) <= MAX_REMEMBERED + 1


def test_the_worker_beats_while_it_waits_and_lets_go_at_the_end(
    rig: SerialRig, socket: Socket
) -> None:
    port, beats = socket.plug(), 0
    rig.stop.clear()

    def beat() -> None:
        nonlocal beats
        beats += 1
        if beats == 10:
            rig.stop.set()

    rig.scanner.run(rig.stop, beat)
    assert beats == 10
    assert port.is_closed


# --- the trigger ---------------------------------------------------------------------------------

ON, OFF = b"\x16T\r", b"\x16U\r"


def triggered_rig(clock: FakeClock, socket: Socket, **keys: object) -> SerialRig:
    rig = rig_for(
        "/dev/serial/by-id/usb-scanner",
        clock,
        socket.open,
        **{"trigger": Trigger.COMMAND, "trigger_on": ON.hex(" "), "retrigger_s": 4.0} | keys,
    )
    rig.stop.set()
    return rig


def test_a_scanner_that_reads_by_itself_is_sent_nothing(rig: SerialRig, socket: Socket) -> None:
    port = socket.plug(b"GP1:A\r")
    rig.step(100)
    rig.close()
    assert port.written == []


def test_the_trigger_is_pulled_at_the_opening_and_again_and_let_go_at_the_end(
    clock: FakeClock, socket: Socket
) -> None:
    port = socket.plug()
    rig = triggered_rig(clock, socket, trigger_off=OFF.hex(" ").upper())
    rig.step()
    assert port.written == [ON]
    while clock.elapsed_s < 1_008.0:
        rig.step()
    assert port.written in ([ON] * 2, [ON] * 3)
    rig.close()
    assert port.written[-1] == OFF


def test_the_trigger_is_pulled_anew_a_moment_after_a_code(clock: FakeClock, socket: Socket) -> None:
    port = socket.plug(b"GP1:A\r", b"\x06GP1:B\r")
    rig = triggered_rig(clock, socket)
    rig.step(2)
    assert port.written == [ON]
    assert rig.outbox.texts == ["GP1:A", "GP1:B"]
    clock.advance(AGAIN_AFTER_S)
    rig.step()
    assert port.written == [ON, ON]


def test_a_scanner_that_takes_no_command_is_lost_and_triggered_anew_when_it_is_back(
    clock: FakeClock, socket: Socket
) -> None:
    port = socket.plug(LOST)
    port.script.append(b"")
    rig = triggered_rig(clock, socket, trigger_off=OFF.hex())
    rig.step()
    assert port.is_closed
    again = socket.plug(b"GP1:A\r")
    clock.advance(RETRY_MOST_S)
    rig.step()
    assert again.written == [ON]
    assert rig.outbox.texts == ["GP1:A"]


def test_a_port_that_does_not_take_the_farewell_is_closed_all_the_same(
    clock: FakeClock, socket: Socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = socket.plug()
    rig = triggered_rig(clock, socket, trigger_off=OFF.hex())
    rig.step()

    def fail(_data: bytes) -> None:
        raise LOST

    monkeypatch.setattr(port, "write", fail)
    rig.close()
    assert port.is_closed


# --- whatever comes ------------------------------------------------------------------------------

BYTES = st.one_of(
    st.binary(max_size=4_096),
    st.binary(max_size=60).map(lambda data: b"\x03" + len(data).to_bytes(2, "big") + data),
    st.binary(max_size=60).map(lambda data: b"\x02\x00" + data),
    st.sampled_from([b"\x03\x43\x20", b"x" * 4_096, b"\r", b"\xff" * 4_096, b""]),
)


@pytest.mark.parametrize("protocol", SerialProtocol)
@given(script=st.lists(BYTES, max_size=60))
def test_whatever_comes_the_scanner_goes_on_and_no_text_is_too_long(
    protocol: SerialProtocol, script: list[bytes]
) -> None:
    clock = FakeClock()
    socket = Socket(clock)
    port = socket.plug(*script)
    rig = triggered_rig(clock, socket, protocol=protocol)
    while port.script and not port.is_closed:
        rig.step()
        assert rig.scanner._stream._budget_bytes <= BURST_BYTES
    for text in rig.outbox.texts:
        assert len(text) <= MAX_CODE_CHARACTERS
        assert text == "" or is_acceptable(text)
    rig.close()
