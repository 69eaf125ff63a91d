"""What every serial scanner keeps to: the simulated one here, a real one in tests/hardware."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gated.config.serial_scanner import SerialProtocol, Trigger
from gated.errors import DeviceNotFound
from gated.scanner.sighting import CameraState
from gated.serialport import SerialPort
from gated.simulation.gm65 import Gm65Module
from gated.simulation.serial_devices import SerialScannerDevice
from tests.serial_rig import SerialRig, rig_for

BAUD = 9_600
TEXT = "GP1:CONTRACT TEST 立信"


@dataclass
class Bench:
    """A scanner at its stable path, and the hand that shows it ``TEXT``, plugs and unplugs it.

    ``show`` says whether the scanner has read it; ``keys`` are those of its configuration.
    """

    device: str
    show: Callable[[], bool]
    pull_out: Callable[[], object]
    plug_in: Callable[[], object]
    keys: dict[str, Any] = field(default_factory=dict)


SUFFIXES = {"CR": b"\r", "LF": b"\n", "CRLF": b"\r\n", "tab": b"\t", "none": b""}
WITH_LENGTHS = {0x60: 0x80}
GM65S = {f"gm65 {trigger}": trigger for trigger in Trigger}


@pytest.fixture(params=[*SUFFIXES, "length", *GM65S])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    path, kind = tmp_path / "usb-scanner", request.param
    scanner: SerialScannerDevice | Gm65Module
    keys: dict[str, Any] = {}
    if kind in SUFFIXES:
        scanner = SerialScannerDevice(path, SUFFIXES[kind])
    elif kind == "length":
        scanner, keys = Gm65Module(path, WITH_LENGTHS), {"protocol": SerialProtocol.LENGTH}
    else:
        scanner = Gm65Module(path)
        keys = {"protocol": SerialProtocol.GM65, "trigger": GM65S[kind]}
    yield Bench(
        str(scanner.path), partial(scanner.scan, TEXT), scanner.pull_out, scanner.plug_in, keys
    )
    scanner.close()


@pytest.fixture
def rig(bench: Bench) -> Iterator[SerialRig]:
    rig = rig_for(bench.device, **bench.keys)
    yield rig
    rig.close()


def states(rig: SerialRig) -> list[CameraState]:
    """Return the states that were told, each once in a row."""
    told = [health.state for health in rig.outbox.healths]
    return [state for before, state in zip([None, *told], told, strict=False) if state != before]


def test_a_scanner_that_is_there_is_well_and_names_itself(rig: SerialRig) -> None:
    rig.step_until_well()
    last = rig.outbox.healths[-1]
    assert (last.device, last.state, last.reason) == ("paper", CameraState.OK, "")


def test_a_code_is_told_once_with_its_text(bench: Bench, rig: SerialRig) -> None:
    rig.step_until_well()
    rig.step_until(bench.show)
    assert rig.next_codes(1) == [TEXT]


def test_a_code_repeated_within_the_hold_off_is_one_presentation(
    bench: Bench, rig: SerialRig
) -> None:
    rig.step_until_well()
    rig.step_until(bench.show)
    rig.next_codes(1)
    rig.step_until(bench.show)
    rig.step_until(lambda: rig.scanner._codes >= 2)
    assert rig.outbox.texts == [TEXT]


def test_a_scanner_pulled_out_is_lost_and_works_again_by_itself_when_plugged_in(
    bench: Bench, rig: SerialRig
) -> None:
    rig.step_until_well()
    bench.pull_out()
    rig.step_until(lambda: states(rig)[-2:] == [CameraState.OK, CameraState.NO_FRAMES])
    assert rig.outbox.healths[-1].device == "paper"
    assert rig.outbox.healths[-1].reason
    bench.plug_in()
    rig.step_until_well()
    rig.step_until(bench.show)
    assert rig.next_codes(1) == [TEXT]


def test_a_scanner_has_one_owner(bench: Bench, rig: SerialRig) -> None:
    rig.step_until_well()
    with pytest.raises(DeviceNotFound, match="another process holds it"):
        SerialPort(bench.device, BAUD)
    rig.step_until(bench.show)
    assert rig.next_codes(1) == [TEXT], "the refused one disturbed the owner"


def test_a_scanner_that_another_process_holds_says_so(bench: Bench, rig: SerialRig) -> None:
    holder = SerialPort(bench.device, BAUD)
    rig.step()
    assert [health.state for health in rig.outbox.healths] == [CameraState.NO_FRAMES]
    assert "another process holds it" in rig.outbox.healths[0].reason
    holder.close()
    rig.step_until_well()
