"""The scanner's loop, driven step by step with a clock that only moves when told to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from itertools import count

import numpy as np
import pytest

from gated.clock import FakeClock
from gated.errors import DeviceLost
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import Code, Reading
from gated.scanner.picture import Pixels
from gated.scanner.process import ScannerLoop
from gated.scanner.sighting import CameraState
from gated.simulation.screens import Hold, Shown, add_noise, render_shown
from gated.vocabulary import UnreadCause
from tests.frame_sources import ScriptedSource, noisy
from tests.scanner_outbox import Outbox

SHOWN = Code("GP1:SHOWN", np.array([[20, 20], [70, 20], [70, 70], [20, 70]], np.float32))
CODE_LEVEL = 200
"""Frames this bright show a code to the decoder below; others show nothing."""


class LevelDecoder:
    """Reads "GP1:SHOWN" in a bright frame."""

    name = "zxing"

    def __init__(self) -> None:
        self.reads = 0

    def read(self, view: Pixels) -> Reading:
        self.reads += 1
        return Reading((SHOWN,)) if int(view.mean()) >= CODE_LEVEL else Reading()


class Rig:
    def __init__(self, script: Iterable[Pixels | DeviceLost | None]) -> None:
        self.clock = FakeClock()
        self.source = ScriptedSource(self.clock, script)
        self.decoder = LevelDecoder()
        self.outbox = Outbox()
        numbers = count(1)
        self.loop = ScannerLoop(
            self.source,
            Cascade([self.decoder]),
            self.outbox,
            self.clock,
            hold_off_s=3.0,
            new_id=lambda: f"p{next(numbers)}",
        )
        self.stop = threading.Event()

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.loop.step(self.stop)


def _empty(number: int, *, seed: int = 0) -> list[Pixels]:
    return [noisy(seed + n) for n in range(number)]


def _code(number: int, *, seed: int = 5_000) -> list[Pixels]:
    return [noisy(seed + n, level=230) for n in range(number)]


def test_a_code_held_up_reaches_the_controller_once_and_at_once() -> None:
    rig = Rig([*_empty(5), *_code(20)])
    rig.steps(7)  # its first frame or its second: the parts of the cascade take turns
    assert [(code.text, code.decoder) for code in rig.outbox.codes] == [("GP1:SHOWN", "zxing")]
    rig.steps(18)
    assert len(rig.outbox.codes) == 1


def test_a_code_shown_again_later_is_a_new_presentation() -> None:
    rig = Rig([*_code(5), *_empty(40), *_code(5, seed=9_000)])
    rig.steps(50)
    assert [code.presentation for code in rig.outbox.codes] == ["p1", "p2"]


def test_with_nobody_there_one_frame_in_25_is_looked_at_and_by_one_part_only() -> None:
    rig = Rig(_empty(100))
    rig.steps(100)
    assert rig.outbox.codes == []
    # 160 x 90 px, where "half" is "darkest": one view, none (looked for a grid), two views, one.
    assert rig.decoder.reads == 1 + 0 + 2 + 1


def test_a_health_message_goes_out_each_second() -> None:
    rig = Rig(_empty(100))
    rig.steps(100)
    assert len(rig.outbox.healths) == pytest.approx(10, abs=1)
    last = rig.outbox.healths[-1]
    assert (last.state, last.last_frame_age_ms, last.unreadable) == (CameraState.OK, 0, 0)
    assert last.frames > 80


def test_a_camera_that_falls_silent_is_reported_within_three_seconds() -> None:
    rig = Rig([*_empty(5), *[None] * 12])
    rig.steps(5)
    silent_since_s = rig.clock.monotonic_s()
    while rig.outbox.healths[-1].state is CameraState.OK:
        rig.steps(1)
    assert rig.outbox.healths[-1].state is CameraState.NO_FRAMES
    assert rig.clock.monotonic_s() - silent_since_s < 3.0


def test_a_silent_camera_is_opened_again_after_five_seconds() -> None:
    rig = Rig([*_empty(2), *[None] * 20, *_empty(2, seed=50)])
    rig.steps(22)
    assert rig.source.opened == 1
    rig.clock.advance(1.0)
    rig.steps(1)
    assert rig.source.opened == 2
    assert rig.outbox.healths[-1].state is CameraState.OK


def test_a_camera_that_repeats_its_frame_is_reported_and_its_codes_no_longer_count() -> None:
    frame = noisy(1, level=230)
    rig = Rig([*[frame] * 60, *_code(3)])
    rig.steps(60)
    assert len(rig.outbox.codes) == 1
    assert rig.decoder.reads < 60
    rig.steps(3)
    states = [health.state for health in rig.outbox.healths]
    assert states[-2:] == [CameraState.SAME_FRAME, CameraState.OK]


def test_a_lost_camera_is_logged_once_and_its_return_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    lost = DeviceLost("the cable is out", device="scripted")
    rig = Rig([*_empty(2), lost, lost, lost, *_empty(2)])
    for _ in range(7):
        rig.steps(1)
        rig.clock.advance(10.0)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "the cable is out" in caplog.text


def test_an_absent_camera_is_tried_again_with_longer_and_longer_pauses() -> None:
    rig = Rig(_empty(1))
    rig.source.absent_until_open = 6
    tried_at_s: list[float] = []
    opened = 0
    rig.stop.set()  # so that the loop's pauses take no real time
    while rig.source.opened < 7:
        rig.steps(1)
        if rig.source.opened > opened:
            opened = rig.source.opened
            tried_at_s.append(rig.clock.elapsed_s)
        rig.clock.advance(0.25)
    pauses = np.diff(tried_at_s)
    assert pauses.tolist() == pytest.approx([1.0, 2.0, 4.0, 8.0, 10.0, 10.0], abs=0.5)
    assert "no camera at scripted" in {health.reason for health in rig.outbox.healths}


def test_a_sighting_that_could_not_be_sent_is_sent_a_moment_later() -> None:
    rig = Rig([*_code(10)])
    rig.outbox.is_away = True
    rig.steps(3)
    rig.outbox.is_away = False
    rig.steps(3)
    assert len(rig.outbox.codes) == 1


def test_a_sighting_that_could_not_be_sent_is_not_sent_when_it_is_old() -> None:
    rig = Rig([*_code(3), *_empty(30)])
    rig.outbox.is_away = True
    rig.steps(20)
    rig.outbox.is_away = False
    rig.steps(10)
    assert rig.outbox.codes == []


def _dim(number: int) -> list[Pixels]:
    """Return frames of a code that ``LevelDecoder`` can't read, nor anybody else."""
    phone = render_shown(
        Shown("GP1:" + "DIM" * 60, hold=Hold(brightness=0.15, veil_levels=60, unsharp_px=5.5)), 1
    )
    return [add_noise(phone, seed) for seed in range(number)]


def test_a_code_that_stands_unread_is_told_with_its_cause_once() -> None:
    rig = Rig([*_empty(4), *_dim(16)])
    rig.steps(9)
    assert rig.outbox.hints == []
    rig.steps(11)
    assert rig.outbox.hints == [UnreadCause.TOO_DARK]
    assert rig.outbox.codes == []


def test_a_hint_that_could_not_be_sent_is_sent_a_moment_later() -> None:
    rig = Rig([*_empty(4), *_dim(16)])
    rig.outbox.is_away = True
    rig.steps(12)
    rig.outbox.is_away = False
    rig.steps(1)
    assert rig.outbox.hints == [UnreadCause.TOO_DARK]


def test_after_a_code_was_read_what_is_lowered_gives_no_hint() -> None:
    rig = Rig([*_code(3), *_dim(16)])
    rig.steps(19)
    assert len(rig.outbox.codes) == 1
    assert rig.outbox.hints == []


def test_a_code_whose_contents_are_no_text_was_read_and_gives_no_hint() -> None:
    class Binary(LevelDecoder):
        def read(self, view: Pixels) -> Reading:
            return Reading(unreadable=1)

    rig = Rig([*_empty(4), *_dim(16)])
    rig.loop = ScannerLoop(rig.source, Cascade([Binary()]), rig.outbox, rig.clock, hold_off_s=3.0)
    rig.steps(20)
    assert rig.outbox.hints == []


def test_a_text_with_control_characters_is_told_without_itself_and_never_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Forger(LevelDecoder):
        def read(self, view: Pixels) -> Reading:
            return Reading((Code("SECRET\x1b[2J", SHOWN.corners),))

    caplog.set_level(logging.DEBUG)
    rig = Rig(_code(15))
    rig.loop = ScannerLoop(rig.source, Cascade([Forger()]), rig.outbox, rig.clock, hold_off_s=3.0)
    rig.steps(15)
    assert [code.text for code in rig.outbox.codes] == [""]
    assert rig.outbox.healths[-1].unreadable >= 1
    assert "SECRET" not in caplog.text


def test_the_worker_beats_and_ends_soon_and_closes_its_camera() -> None:
    rig = Rig(_empty(3))
    beats: list[int] = []

    def beat() -> None:
        beats.append(1)
        if len(beats) == 5:
            rig.stop.set()

    rig.loop.run(rig.stop, beat)
    assert len(beats) == 5
    with pytest.raises(DeviceLost):
        rig.source.next_frame(0.0)


def test_a_phantom_counts_only_when_it_is_read_again() -> None:
    texts = iter(["25", "26", "25", "27", "28", "28"])

    class Phantoms(LevelDecoder):
        def read(self, view: Pixels) -> Reading:
            return Reading((Code(next(texts, "28"), SHOWN.corners),))

    rig = Rig([*_empty(1), *_code(20)])
    rig.loop = ScannerLoop(
        rig.source, Cascade([Phantoms()]), rig.outbox, rig.clock, hold_off_s=3.0, sees_colour=False
    )
    rig.steps(21)
    assert [code.text for code in rig.outbox.codes] == ["28"]
