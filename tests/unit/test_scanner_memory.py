"""What keeps a scanner process honest about itself: its memory, its last end, what it sees."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.soak import Soak
from gated.clock import FakeClock
from gated.errors import DeviceLost, ExitCode, StorageError
from gated.scanner import finders, grid
from gated.scanner.camera_thread import CameraHung
from gated.scanner.cascade import Cascade
from gated.scanner.darkness import DARK_AFTER_S, DarkWatch, is_black
from gated.scanner.decoders import Reading
from gated.scanner.endings import MARK_NAME, marked_running
from gated.scanner.joining import MAX_CODES
from gated.scanner.memory import (
    LOOK_EVERY_S,
    MAX_OWN_MB,
    MemoryWatch,
    TooMuchMemory,
    measure_own_mb,
)
from gated.scanner.picture import MAX_PIXELS, Pixels
from gated.scanner.presentation import MAX_REMEMBERED, Presentations
from gated.scanner.process import DARK, DIED, ScannerLoop
from gated.scanner.sighting import CameraState, ScannerHealth
from gated.simulation.screens import render_empty
from gated.units import MonoSeconds
from tests.frame_sources import ScriptedSource, noisy
from tests.scanner_outbox import Outbox

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "gated-scanner.service"
MAX_WIDTHS = 40  # of QR codes
MAX_FINDERS = 44  # 11 coarse widths, and each in 3 fine ones


class Blind:
    """A decoder that reads nothing."""

    name = "zxing"

    def read(self, view: Pixels) -> Reading:
        return Reading()


class Rig:
    """The loop before a scripted camera."""

    def __init__(self, *script: Pixels | DeviceLost | None) -> None:
        self.clock = FakeClock()
        self.source = ScriptedSource(self.clock, script)
        self.outbox = Outbox()
        self.loop = ScannerLoop(
            self.source, Cascade([Blind()]), self.outbox, self.clock, hold_off_s=3.0
        )
        self.stop = threading.Event()

    def steps(self, number: int) -> ScannerHealth:
        """Take so many steps; return the last health message."""
        for _ in range(number):
            self.loop.step(self.stop)
        return self.outbox.healths[-1]

    def states(self) -> list[CameraState]:
        return [health.state for health in self.outbox.healths]


# --- memory ---------------------------------------------------------------------------------------


def test_memory_is_looked_at_each_second_and_too_much_of_it_is_one_clear_error() -> None:
    clock, found = FakeClock(), [200, 300, 301]
    watch = MemoryWatch(clock, 300, lambda: found.pop(0))
    watch.check()
    watch.check()
    assert found == [300, 301]
    clock.advance(LOOK_EVERY_S)
    watch.check()
    clock.advance(LOOK_EVERY_S)
    with pytest.raises(TooMuchMemory, match="301 MB of memory are more than 300") as caught:
        watch.check()
    assert caught.value.exit_code not in (ExitCode.OK, ExitCode.CONFIG)  # or it stays down


def test_what_this_process_has_taken_is_measured() -> None:
    before_mb = measure_own_mb()
    taken = np.ones(64 * 2**20, np.uint8)
    assert 60 <= measure_own_mb() - before_mb <= 70
    assert taken[-1] == 1


def test_the_process_ends_itself_before_the_kernel_kills_it() -> None:
    (limit,) = re.findall(r"^MemoryMax=(\d+)M$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert 0.75 * int(limit) >= MAX_OWN_MB


def test_a_loop_that_must_end_tells_the_controller_why() -> None:
    class Hangs(ScriptedSource):
        def open(self) -> None:
            raise CameraHung("the camera hangs in its driver")

    rig = Rig()
    rig.loop = ScannerLoop(
        Hangs(rig.clock, []), Cascade([Blind()]), rig.outbox, rig.clock, hold_off_s=3.0
    )
    with pytest.raises(CameraHung):
        rig.loop.run(rig.stop, lambda: None)
    (last,) = rig.outbox.healths
    assert (last.state, last.reason) == (CameraState.NO_FRAMES, "the camera hangs in its driver")


def test_a_loop_that_has_grown_too_large_tells_the_controller_why() -> None:
    rig = Rig()
    watch = MemoryWatch(rig.clock, 300, lambda: 301)
    with pytest.raises(TooMuchMemory):
        rig.loop.run(rig.stop, watch.check)
    (last,) = rig.outbox.healths
    assert last.state is CameraState.NO_FRAMES
    assert last.reason.startswith("301 MB of memory are more than 300")


def test_over_hundreds_of_frames_of_all_kinds_everything_that_is_kept_has_a_bound() -> None:
    soak = Soak(seed=3)
    soak.run_to(900)
    loop = soak.loop
    assert len(loop._presentations._last_seen) <= MAX_REMEMBERED
    assert len(loop._unread._looks) <= 20
    assert len(loop._unread._fixtures) <= 5
    assert len(loop._unread._told) <= 7
    assert len(loop._stream._joiner._sums) <= MAX_CODES + 1
    assert len(loop._stream._expected) <= 1
    assert finders._finder.cache_info().currsize <= MAX_FINDERS
    assert grid.known_modules.cache_info().currsize <= MAX_WIDTHS
    assert grid._known_samples.cache_info().currsize <= MAX_WIDTHS
    assert soak.controller.healths > 0


def test_a_text_that_has_left_is_forgotten_however_still_the_lane_is() -> None:
    presentations = Presentations(3.0, lambda: "p")
    assert presentations.see(["GP1:CODE-A"], "zxing", MonoSeconds(0.0)) is not None
    presentations.see([], "zxing", MonoSeconds(0.1))  # it has left
    for tenth in range(2, 60):
        presentations.stay(MonoSeconds(tenth / 10))
    presentations.see([], "zxing", MonoSeconds(6.0))
    assert presentations._last_seen == {}
    assert presentations.see(["GP1:CODE-A"], "zxing", MonoSeconds(6.1)) is not None


# --- the last end ---------------------------------------------------------------------------------


def test_a_process_that_ended_in_order_leaves_no_mark_and_one_that_died_does(
    tmp_path: Path,
) -> None:
    mark = tmp_path / MARK_NAME
    with marked_running(tmp_path) as has_died:
        assert not has_died
        assert mark.exists()
    assert not mark.exists()
    mark.touch()  # as a killed one leaves it
    with marked_running(tmp_path) as has_died:
        assert has_died
    with marked_running(tmp_path) as has_died:
        assert not has_died


def test_a_mark_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match=r"cannot make .*scanner\.running"),
        marked_running(tmp_path / "absent"),
    ):
        pass


def test_after_a_death_the_controller_is_told_until_the_first_frame_comes() -> None:
    rig = Rig(None, None, noisy(1), noisy(2))
    rig.loop.tell_death()
    (first,) = rig.outbox.healths
    assert (first.state, first.reason) == (CameraState.NO_FRAMES, DIED)
    rig.steps(4)
    assert rig.states() == [CameraState.NO_FRAMES, CameraState.OK]


def test_after_a_death_a_camera_that_stays_away_has_its_own_reason() -> None:
    rig = Rig(None)
    rig.source.absent_until_open = 9
    rig.stop.set()  # the loop's pauses take no real time
    rig.loop.tell_death()
    rig.steps(1)
    rig.clock.advance(3.0)
    assert rig.steps(1).reason == "no camera at scripted"


# --- frames that are none -------------------------------------------------------------------------


def _make(*shape: int, kind: type[np.generic] = np.uint8) -> Callable[[], Pixels]:
    return lambda: np.zeros(shape, kind)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_make(0, 0), "0 x 0 uint8"),
        (_make(0, 640, 3), "0 x 640 x 3 uint8"),
        (_make(480, 0), "480 x 0 uint8"),
        (_make(7), "7 uint8"),
        (_make(4, 4, 4), "4 x 4 x 4 uint8"),
        (_make(2, 4, 4, 3), "2 x 4 x 4 x 3 uint8"),
        (_make(4, 4, kind=np.float32), "4 x 4 float32"),
        (lambda: np.broadcast_to(np.uint8(0), (MAX_PIXELS // 1_000, 1_001)), "40000 x 1001"),
    ],
)
def test_what_is_no_picture_is_no_frame_and_said_once(
    make: Callable[[], Pixels], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(*[noisy(1), *[make()] * 40, noisy(2)])
    health = rig.steps(30)
    assert health.state is CameraState.NO_FRAMES
    assert said in health.reason
    assert caplog.text.count("no frame can be used") == 1
    assert rig.steps(12).state is CameraState.OK


# --- darkness -------------------------------------------------------------------------------------


def _black(seed: int) -> Pixels:
    """Return what a covered lens delivers: amplified noise."""
    noise = np.random.default_rng(seed).normal(8, 4, (90, 160, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def test_a_covered_lens_is_black_and_a_place_is_not() -> None:
    assert is_black(_black(1)[..., 1])
    assert not is_black(render_empty(1)[::8, ::8, 1])
    assert not is_black(np.full((90, 160), 100, np.uint8))  # an even wall
    assert not is_black(np.zeros((0, 0), np.uint8))
    lit = _black(1)[..., 1]
    lit[:20, :20] = 200  # a phone in a dark lane
    assert not is_black(lit)


def test_it_is_dark_after_a_while_and_no_longer_once_there_is_light() -> None:
    watch, black, light = DarkWatch(), _black(1)[..., 1], noisy(1)[..., 1]
    assert not watch.is_dark(black, MonoSeconds(0.0))
    assert not watch.is_dark(black, MonoSeconds(DARK_AFTER_S - 0.1))
    assert watch.is_dark(black, MonoSeconds(DARK_AFTER_S))
    assert not watch.is_dark(light, MonoSeconds(11.0))
    assert not watch.is_dark(black, MonoSeconds(12.0))


def test_a_camera_that_sees_nothing_is_said_once_and_not_called_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    rig = Rig(*[_black(seed) for seed in range(130)], noisy(1))
    health = rig.steps(130)
    assert (health.state, health.reason) == (CameraState.OK, DARK)
    rig.steps(1)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert DARK in caplog.messages[0]
    assert "sees something again" in caplog.messages[1]


def test_a_dead_sensors_black_is_a_camera_that_repeats_one_frame() -> None:
    rig = Rig(*[np.zeros((90, 160, 3), np.uint8)] * 40)
    assert rig.steps(40).state is CameraState.SAME_FRAME
