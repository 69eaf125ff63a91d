"""Simulated wires: what is no input of this gate is dropped, and a stage keeps its levels."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.actuators.inputs import SocketInputs, levels_file
from gated.actuators.line import SocketLine
from gated.clock import FakeClock
from gated.datagrams import Sender
from gated.errors import DeviceNotFound
from gated.messages import GateMoved, PassageSensed, ShowPrompt
from gated.simulation.stage import (
    INPUTS_SOCKET,
    OUTPUTS_SOCKET,
    LineChanged,
    PromptShown,
    StageAnnouncer,
    StageInputs,
    StageOutputs,
)
from gated.vocabulary import Mode, Prompt


@pytest.fixture
def stage() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:  # a socket's path is short
        yield Path(folder)


def opened(stage: Path, *wired: str) -> SocketInputs:
    inputs = SocketInputs(stage / INPUTS_SOCKET, wired, FakeClock())
    inputs.open()
    return inputs


NONSENSE = [
    b"",
    b"\xff\xfe",
    b"passage",
    b'"passage"',
    b"[" * 30_000,
    b"{}",
    b'{"input": 7}',
    b'{"input": "fire"}',
    b'{"input": "attendant"}',
    b'{"input": "passage", "on": true}',
    b'{"input": "contact"}',
    b'{"input": "contact", "on": "yes"}',
    b'{"input": "contact", "on": 0}',
    b'{"input": "key_mode", "on": true}',
]


@pytest.mark.parametrize("datagram", NONSENSE, ids=range(len(NONSENSE)))
def test_what_is_no_input_of_this_gate_is_dropped_with_a_warning(
    datagram: bytes, stage: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inputs, sender = opened(stage, "passage", "contact"), Sender(stage / INPUTS_SOCKET)
    inputs.read()
    sender.send(datagram)
    sender.send(b'{"input": "passage"}')
    assert [type(event) for event in inputs.read()] == [PassageSensed]
    assert [record.getMessage()[:40] for record in caplog.records] == [
        "inputs: not an input of this gate: " + repr(datagram)[:5]
    ]
    sender.close()
    inputs.close()


def test_a_stage_starts_with_the_gate_shut_whatever_an_earlier_scenario_left(stage: Path) -> None:
    earlier = StageInputs(stage)
    assert not earlier.set_level("contact", on=False), "nobody is there to feel it"
    earlier.close()
    StageInputs(stage).close()
    inputs = opened(stage, "contact")
    assert [event.is_shut for event in inputs.read() if isinstance(event, GateMoved)] == [True]
    inputs.close()


def test_levels_that_cannot_be_read_are_no_levels(stage: Path) -> None:
    file = levels_file(stage / INPUTS_SOCKET)
    file.write_bytes(b"{")
    with pytest.raises(DeviceNotFound, match="cannot read"):
        opened(stage, "contact")
    file.write_bytes(b"[1]")
    inputs = opened(stage, "contact")
    assert [event.is_shut for event in inputs.read() if isinstance(event, GateMoved)] == [True]
    inputs.close()


def test_a_socket_that_cannot_be_made_is_said(stage: Path) -> None:
    inputs = SocketInputs(stage / ("x" * 200), ["passage"], FakeClock())
    with pytest.raises(DeviceNotFound, match="cannot make the socket") as caught:
        inputs.open()
    assert caught.value.device == "inputs"


# --- the other end of the outputs ----------------------------------------------------------------


def test_the_stage_hears_every_output_in_order(stage: Path) -> None:
    outputs = StageOutputs(stage)
    line, voice = SocketLine("go", stage / OUTPUTS_SOCKET), StageAnnouncer(stage)
    line.set(energised=True)
    voice.announce(ShowPrompt(Prompt.GO, "7f3a91c2e05b", is_spoken=True, mode=Mode.OBSERVE))
    line.close()
    heard = [outputs.read(1.0) for _ in range(4)]
    me = os.getpid()
    assert heard == [
        LineChanged("go", False, me),
        LineChanged("go", True, me),
        PromptShown(Prompt.GO, "7f3a91c2e05b", True, Mode.OBSERVE),
        LineChanged("go", False, me),
    ]
    assert outputs.read(0.0) is None
    voice.close()
    outputs.close()


_OWNER = """
import os, sys
from pathlib import Path
from gated.actuators.line import SocketLine
lines = [SocketLine(name, Path(sys.argv[1])) for name in ("go", "relay")]
for line in lines:
    line.set(energised=True)
print("on", flush=True)
sys.stdin.read()
os._exit(0)  # without a word to the lines
"""


@pytest.mark.parametrize("is_read_before", [True, False])
def test_the_lines_of_a_process_that_ends_fall_after_what_it_said(
    stage: Path, is_read_before: bool
) -> None:
    outputs = StageOutputs(stage)
    owner = subprocess.Popen(
        [sys.executable, "-E", "-s", "-c", _OWNER, str(stage / OUTPUTS_SOCKET)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    owner.stdout.readline()
    said = [outputs.read(1.0) for _ in range(4)] if is_read_before else []
    owner.communicate()
    said += [outputs.read(1.0) for _ in range(6 - len(said))]
    assert said[:4] == [
        LineChanged(name, level, owner.pid)
        for level in (False, True)
        for name in ("go", "relay")
    ]  # fmt: skip
    assert sorted(str(change) for change in said[4:]) == sorted(
        str(LineChanged(name, False)) for name in ("go", "relay")
    )
    assert outputs.read(0.0) is None
    outputs.close()
