"""A serial scanner's worker, step by step, with a clock that only moves when told to."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from gated.clock import FakeClock
from gated.errors import DeviceLost, DeviceNotFound
from gated.messages import CodeSeen
from gated.scanner.presentation import MAX_REMEMBERED
from gated.scanner.reports import RESEND_WITHIN_S
from gated.scanner.serial_lines import QUIET_S
from gated.scanner.serial_scanner import (
    FLOOD_LOST_AFTER_S,
    FLOOD_SAID_EVERY_S,
    RETRY_FIRST_S,
    RETRY_MOST_S,
)
from gated.scanner.sighting import CameraState
from tests.serial_rig import SerialRig, rig_for

SECRET = "GP1:SECRET"


class ScriptedPort:
    """Delivers bytes or a loss; a read in vain takes the time it was given."""

    def __init__(self, clock: FakeClock, script: list[bytes | DeviceLost]) -> None:
        self._clock = clock
        self.script = script
        self.discarded = 0
        self.is_closed = False

    def read(self, timeout_s: float) -> bytes:
        assert not self.is_closed, "read after close"
        entry = self.script.pop(0) if self.script else b""
        if isinstance(entry, DeviceLost):
            raise entry
        if not entry:
            self._clock.advance(timeout_s)
        return entry

    def discard(self) -> None:
        assert not self.is_closed, "discard after close"
        self.discarded += 1

    def close(self) -> None:
        self.is_closed = True


class Socket:
    """Where the scanner is plugged in: holds the ports that will be opened, one after the other."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.ports: list[ScriptedPort] = []
        self.opened_at: list[float] = []
        self.asked: list[tuple[str, int]] = []

    def plug(self, *script: bytes | DeviceLost) -> ScriptedPort:
        port = ScriptedPort(self.clock, list(script))
        self.ports.append(port)
        return port

    def open(self, device: str, baud: int) -> ScriptedPort:
        self.opened_at.append(self.clock.elapsed_s)
        self.asked.append((device, baud))
        if not self.ports:
            raise DeviceNotFound(f"no device {device}:\nplug it in", device=device)
        return self.ports.pop(0)


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
