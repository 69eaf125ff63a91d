"""The real scanner process before a simulated camera, with a real controller's socket."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.clock import SystemClock
from gated.datagrams import Receiver
from gated.messages import CodeSeen, CodeUnread
from gated.scanner.main import SOCKET_NAME
from gated.scanner.picture import Pixels
from gated.scanner.sighting import CameraState, ScannerHealth, Sighting, decode_sighting
from gated.scanner.sources.shared import SharedFrameWriter
from gated.simulation.screens import (
    Hold,
    Shown,
    add_noise,
    render_empty,
    render_phone,
    render_shown,
)
from gated.simulation.stage import FRAME_FILE
from gated.vocabulary import UnreadCause
from tests.config_texts import with_keys

CLOCK = SystemClock()
FRAME_EVERY_S = 0.1
MOST_S = 20.0


class Stage:
    """A scanner process, the frames before it, and the socket that it reports to."""

    def __init__(self, folder: Path) -> None:
        self.run = folder / "run"
        self.stage = folder / "stage"
        config = folder / "gated.toml"
        config.write_text(with_keys("paths", f'run = "{self.run}"'))
        self.receiver = Receiver(self.run / SOCKET_NAME)
        self.writer = SharedFrameWriter(self.stage / FRAME_FILE, 1280, 720)
        self._scene: list[Pixels] = []
        self._stop = threading.Event()
        self._camera = threading.Thread(target=self._film)
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "gated", "scanner",
                "--config", str(config), "--stage", str(self.stage),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def begin(self, scene: Pixels) -> None:
        self.show(scene)
        self._camera.start()

    def show(self, scene: Pixels) -> None:
        self._scene = [add_noise(scene, seed) for seed in range(3)]

    def freeze(self) -> None:
        self._scene = self._scene[:1]

    def unplug(self) -> None:
        self._scene = []

    def _film(self) -> None:
        number = 0
        while not self._stop.wait(FRAME_EVERY_S):
            scene = self._scene
            if not scene:
                continue
            number += 1
            self.writer.write(scene[number % len(scene)], CLOCK.monotonic_s())

    def next_sighting(self, timeout_s: float = MOST_S) -> Sighting | None:
        assert self.process.poll() is None, "the scanner has ended"
        datagram = self.receiver.receive(timeout_s)
        return None if datagram is None else decode_sighting(datagram.payload)

    def next_of_a_code(self, timeout_s: float = MOST_S) -> CodeSeen | CodeUnread | None:
        deadline_s = CLOCK.monotonic_s() + timeout_s
        while (left_s := deadline_s - CLOCK.monotonic_s()) > 0:
            sighting = self.next_sighting(left_s)
            if isinstance(sighting, CodeSeen | CodeUnread):
                return sighting
        return None

    def next_code(self, timeout_s: float = MOST_S) -> CodeSeen | None:
        deadline_s = CLOCK.monotonic_s() + timeout_s
        while (left_s := deadline_s - CLOCK.monotonic_s()) > 0:
            sighting = self.next_sighting(left_s)
            if isinstance(sighting, CodeSeen):
                return sighting
        return None

    def next_state(self, state: CameraState, timeout_s: float = MOST_S) -> ScannerHealth | None:
        deadline_s = CLOCK.monotonic_s() + timeout_s
        while (left_s := deadline_s - CLOCK.monotonic_s()) > 0:
            sighting = self.next_sighting(left_s)
            if isinstance(sighting, ScannerHealth) and sighting.state is state:
                return sighting
        return None

    def end(self) -> None:
        self._stop.set()
        if self._camera.is_alive():
            self._camera.join()
        self.process.kill()
        self.process.communicate()
        self.receiver.close()
        self.writer.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.end()


def test_a_code_held_up_is_reported_once_and_again_only_after_it_was_away(stage: Stage) -> None:
    stage.begin(render_empty(1))
    assert stage.next_state(CameraState.OK) is not None
    stage.show(render_phone("GP1:立信 42", seed=1))
    seen = stage.next_code()
    assert seen is not None
    assert (seen.text, seen.is_ambiguous) == ("GP1:立信 42", False)
    assert stage.next_code(timeout_s=2.0) is None
    stage.show(render_phone("GP1:NEXT", seed=1))
    following = stage.next_code()
    assert following is not None
    assert following.text == "GP1:NEXT"
    assert following.presentation != seen.presentation


def test_a_code_out_of_focus_is_told_as_such_and_read_once_it_is_sharp(stage: Stage) -> None:
    text = "GP1:" + "NEAR" * 45
    stage.begin(render_empty(1))
    assert stage.next_state(CameraState.OK) is not None
    stage.show(render_shown(Shown(text, hold=Hold(unsharp_px=7.0)), 1))
    assert stage.next_of_a_code() == CodeUnread(UnreadCause.BLURRED)
    stage.show(render_shown(Shown(text), 1))
    seen = stage.next_of_a_code()
    assert isinstance(seen, CodeSeen)
    assert seen.text == text
    assert stage.next_of_a_code(timeout_s=2.0) is None


def test_a_camera_that_freezes_or_falls_silent_is_reported(stage: Stage) -> None:
    stage.begin(render_empty(1))
    assert stage.next_state(CameraState.OK) is not None
    stage.freeze()
    frozen = stage.next_state(CameraState.SAME_FRAME)
    assert frozen is not None
    assert "repeats" in frozen.reason
    stage.show(render_empty(1))
    assert stage.next_state(CameraState.OK) is not None
    stage.unplug()
    assert stage.next_state(CameraState.NO_FRAMES) is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_order_and_no_text_was_logged(
    stage: Stage, number: signal.Signals
) -> None:
    stage.begin(render_phone("GP1:SECRET", seed=1))
    assert stage.next_code() is not None
    stage.process.send_signal(number)
    _, errors = stage.process.communicate(timeout=MOST_S)
    assert stage.process.returncode == 0
    assert "SECRET" not in errors


def test_without_a_camera_the_process_stays_and_says_why(stage: Stage) -> None:
    (stage.stage / FRAME_FILE).unlink()
    health = stage.next_state(CameraState.NO_FRAMES)
    assert health is not None
    assert "no frames at" in health.reason
    assert stage.process.poll() is None


def test_a_configuration_that_is_not_there_is_exit_78(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "gated", "scanner", "--config", str(tmp_path / "absent.toml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=MOST_S,
    )
    assert answer.returncode == 78
    assert len(answer.stderr.strip().splitlines()) <= 2
