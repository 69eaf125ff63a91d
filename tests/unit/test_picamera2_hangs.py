"""A Raspberry Pi camera that hangs: bounded waits, and a process that ends when nothing helps."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from gated.clock import FakeClock
from gated.errors import DeviceError, DeviceNotFound, ExitCode
from gated.scanner.camera_thread import CameraHung, CameraThread
from gated.scanner.cascade import Cascade
from gated.scanner.process import ScannerLoop
from gated.scanner.sources.picamera2 import Limits
from gated.simulation.picamera import PicameraDesk
from gated.supervisor import Supervisor
from tests.frame_sources import CLOCK, MOST_S, TIMEOUT_S
from tests.picamera_rig import HASTY, PATIENT, QUICK, Attach, set_up_desk, take, wait_for


@pytest.fixture
def desk() -> Iterator[PicameraDesk]:
    with set_up_desk() as made:
        yield made


@pytest.fixture
def attach(desk: PicameraDesk) -> Iterator[Attach]:
    attach = Attach(desk)
    yield attach
    attach.close()


@pytest.mark.parametrize("call", ["cancel_all_and_flush", "close"])
def test_a_closing_that_hangs_is_given_up_and_never_tried_again_in_this_process(
    desk: PicameraDesk, attach: Attach, call: str
) -> None:
    clock = FakeClock()
    camera = attach(QUICK, clock)
    camera.open()
    desk.hanging.add(call)
    camera.close()
    with pytest.raises(DeviceNotFound, match="not closed yet"):
        camera.open()
    wait_for(lambda: f"{call}()" in desk.calls)
    clock.advance(PATIENT.give_up_s)
    with pytest.raises(CameraHung, match=r"has not answered for 10 s .* process ends") as caught:
        camera.open()
    assert caught.value.exit_code is ExitCode.UNAVAILABLE
    assert not isinstance(caught.value, DeviceError), "it would be opened again"
    camera.close()
    calls = list(desk.calls)
    desk.let_go()
    wait_for(lambda: "picamera2" not in {thread.name for thread in threading.enumerate()})
    with pytest.raises(CameraHung):
        camera.open()
    camera.close()
    assert "Picamera2()" not in desk.calls[len(calls) :]


@pytest.mark.parametrize("call", ["global_camera_info", "Picamera2", "configure", "start"])
def test_a_start_that_hangs_is_given_up(desk: PicameraDesk, attach: Attach, call: str) -> None:
    clock = FakeClock()
    camera = attach(HASTY, clock)
    desk.hanging.add(call)
    camera.open()
    wait_for(lambda: any(made.startswith(call) for made in desk.calls))
    clock.advance(PATIENT.give_up_s - 0.1)
    assert camera.next_frame(0.0) is None
    clock.advance(0.1)
    with pytest.raises(CameraHung):
        camera.next_frame(0.0)


def test_a_capture_that_outlasts_its_own_time_out_is_given_up(
    desk: PicameraDesk, attach: Attach
) -> None:
    clock = FakeClock()
    camera = attach(clock=clock)
    camera.open()
    desk.hanging.add("capture_request")
    assert camera.next_frame(0.0) is None
    wait_for(lambda: desk.calls[-1].startswith("capture_request"))
    clock.advance(PATIENT.give_up_s)
    with pytest.raises(CameraHung):
        camera.next_frame(0.0)


def test_a_hang_that_ends_in_time_is_forgiven(desk: PicameraDesk, attach: Attach) -> None:
    camera = attach(HASTY)
    camera.open()
    desk.hanging.add("close")
    camera.close()
    with pytest.raises(DeviceNotFound, match="not closed yet"):
        camera.open()
    desk.let_go()

    def opens() -> bool:
        try:
            camera.open()
        except DeviceNotFound:
            return False
        return True

    wait_for(opens)
    assert take(camera).sequence == 1


def test_the_scanner_ends_for_a_hung_camera_and_its_process_says_unavailable(
    desk: PicameraDesk, attach: Attach, caplog: pytest.LogCaptureFixture
) -> None:
    camera = attach(Limits(wait_s=TIMEOUT_S, give_up_s=TIMEOUT_S))
    desk.hanging.add("start")

    class Nobody:
        def send(self, payload: bytes) -> bool:
            return True

    loop = ScannerLoop(camera, Cascade(()), Nobody(), CLOCK, hold_off_s=1.5)
    supervisor = Supervisor("scanner", CLOCK)
    supervisor.add("camera", loop.run)
    codes: list[int] = []
    apart = threading.Thread(target=lambda: codes.append(supervisor.run()), daemon=True)
    apart.start()
    apart.join(60.0)
    assert codes == [ExitCode.UNAVAILABLE]
    assert "camera cannot go on: the Raspberry Pi camera has not answered" in caplog.text


HUNG_PROCESS = """
import sys
from gated.clock import SystemClock
from gated.scanner.sources.picamera2 import Limits, PiCamera
from gated.simulation.picamera import PicameraDesk
desk = PicameraDesk()
camera = PiCamera((160, 90), 10.0, SystemClock(), load_module=desk.load, limits=Limits(wait_s=0.1))
camera.open()
desk.hanging |= set(sys.argv[1:])
camera.close()
print("done")
"""


@pytest.mark.parametrize(
    ("hanging", "code"), [((), ExitCode.OK), (("close",), ExitCode.UNAVAILABLE)]
)
def test_a_process_whose_camera_hangs_can_still_end(
    hanging: tuple[str, ...], code: ExitCode
) -> None:
    # The library closes its cameras when the interpreter ends: that one hangs as well.
    run = subprocess.run(
        [sys.executable, "-c", HUNG_PROCESS, *hanging],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (code, "done\n", "")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_in_the_cameras_thread_ends_the_process_too(
    desk: PicameraDesk, attach: Attach
) -> None:
    before = set(threading.enumerate())  # another test's camera may still hang
    camera = attach(QUICK)
    camera.open()
    desk.failing["capture_request"] = ZeroDivisionError("a defect of ours")
    made = set(threading.enumerate()) - before
    (thread,) = (thread for thread in made if thread.name == "picamera2")
    with pytest.raises(CameraHung, match="traceback"):
        take(camera)
    thread.join(MOST_S)  # its traceback is this test's, and not that of the one that comes next
    assert not thread.is_alive()


def test_the_cameras_thread_makes_calls_in_order_and_can_end() -> None:
    names: list[str] = []
    thread = CameraThread("calls", CLOCK)

    def note(number: int) -> None:
        names.append(f"{number} {threading.current_thread().name}")

    for call in [thread.start(partial(note, number)) for number in range(3)]:
        call.result(MOST_S)
    assert names == ["0 calls", "1 calls", "2 calls"]
    thread.end()
    wait_for(lambda: "calls" not in {made.name for made in threading.enumerate()})
    assert not thread.is_busy
    assert thread.busy_for_s() == 0.0
