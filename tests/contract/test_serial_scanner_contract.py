"""What every serial scanner keeps to: the simulated one here, a real one in tests/hardware."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gated.errors import DeviceNotFound
from gated.scanner.sighting import CameraState
from gated.serialport import SerialPort
from gated.simulation.serial_devices import SerialScannerDevice
from tests.serial_rig import SerialRig, rig_for

BAUD = 9_600
TEXT = "GP1:CONTRACT TEST 立信"


@dataclass
class Bench:
    """A scanner at its stable path, and the hand that shows it ``TEXT``, plugs and unplugs it."""

    device: str
    show: Callable[[], None]
    pull_out: Callable[[], None]
    plug_in: Callable[[], None]


@pytest.fixture(params=[b"\r", b"\n", b"\r\n", b"\t", b""], ids=["CR", "LF", "CRLF", "tab", "none"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    scanner = SerialScannerDevice(tmp_path / "usb-scanner", request.param)
    yield Bench(str(scanner.path), lambda: scanner.scan(TEXT), scanner.pull_out, scanner.plug_in)
    scanner.close()


@pytest.fixture
def rig(bench: Bench) -> Iterator[SerialRig]:
    rig = rig_for(bench.device)
    yield rig
    rig.close()


def states(rig: SerialRig) -> list[CameraState]:
    """Return the states that were told, each once in a row."""
    told = [health.state for health in rig.outbox.healths]
    return [state for before, state in zip([None, *told], told, strict=False) if state != before]


def test_a_scanner_that_is_there_is_well_and_names_itself(rig: SerialRig) -> None:
    rig.step()
    assert [(health.device, health.state, health.reason) for health in rig.outbox.healths] == [
        ("paper", CameraState.OK, "")
    ]


def test_a_code_is_told_once_with_its_text(bench: Bench, rig: SerialRig) -> None:
    rig.step()
    bench.show()
    assert rig.next_codes(1) == [TEXT]


def test_a_code_repeated_within_the_hold_off_is_one_presentation(
    bench: Bench, rig: SerialRig
) -> None:
    rig.step()
    bench.show()
    rig.next_codes(1)
    bench.show()
    rig.step_until(lambda: rig.scanner._codes >= 2)
    assert rig.outbox.texts == [TEXT]


def test_a_scanner_pulled_out_is_lost_and_works_again_by_itself_when_plugged_in(
    bench: Bench, rig: SerialRig
) -> None:
    rig.step()
    bench.pull_out()
    rig.step_until(lambda: states(rig) == [CameraState.OK, CameraState.NO_FRAMES])
    assert rig.outbox.healths[-1].device == "paper"
    assert rig.outbox.healths[-1].reason
    bench.plug_in()
    rig.step_until(lambda: states(rig)[-1] is CameraState.OK)
    bench.show()
    assert rig.next_codes(1) == [TEXT]


def test_a_scanner_has_one_owner(bench: Bench, rig: SerialRig) -> None:
    rig.step()
    with pytest.raises(DeviceNotFound, match="another process holds it"):
        SerialPort(bench.device, BAUD)
    bench.show()
    assert rig.next_codes(1) == [TEXT], "the refused one disturbed the owner"


def test_a_scanner_that_another_process_holds_says_so(bench: Bench, rig: SerialRig) -> None:
    holder = SerialPort(bench.device, BAUD)
    rig.step()
    assert [health.state for health in rig.outbox.healths] == [CameraState.NO_FRAMES]
    assert "another process holds it" in rig.outbox.healths[0].reason
    holder.close()
    rig.step_until(lambda: states(rig)[-1] is CameraState.OK)
