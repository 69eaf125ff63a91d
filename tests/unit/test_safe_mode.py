"""Safe mode inside one process: what it says, and that time ends it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gated.actuators.voice import Voice
from gated.clock import Clock, FakeClock
from gated.config import GateConfig, parse_gate
from gated.contents import Kind
from gated.controller.crashes import RETRY_AFTER_S, SAFE_AFTER
from gated.controller.ports import Devices, MakeDevices
from gated.controller.safe_mode import BARE_AFTER, NO_LEDGER_AFTER, run_safe_mode
from gated.devices import heat_columns, simulated_devices
from gated.ledger.reader import LedgerReader
from gated.messages import ShowPrompt
from gated.simulation.stage import (
    HEAT_FILE,
    HeatLog,
    LineChanged,
    PromptShown,
    StageAnnouncer,
    StageOutputs,
)
from gated.vocabulary import Prompt
from tests.gate_processes import wait_for
from tests.gate_rig import GATE_FILE


class Listener:
    """A voice that only remembers what it was to say."""

    def __init__(self) -> None:
        self.heard: list[ShowPrompt] = []
        self.ran = threading.Event()

    def announce(self, prompt: ShowPrompt) -> None:
        self.heard.append(prompt)

    def run(self, stop: threading.Event, beat: object, *, publish: object) -> None:
        self.ran.set()
        stop.wait()


@pytest.fixture
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, StageOutputs]]:
    folder = tmp_path_factory.mktemp("t")
    HeatLog(folder / HEAT_FILE, heat_columns(config_in(folder)), create=True).close()
    outputs = StageOutputs(folder)
    yield folder, outputs
    outputs.close()


def config_in(folder: Path) -> GateConfig:
    config = parse_gate(GATE_FILE, "the test's")
    paths = config.paths.model_copy(update={"run": folder, "state": folder})
    return config.model_copy(update={"paths": paths})


def devices_heard_by(listener: Listener, folder: Path) -> MakeDevices:
    def make(config: GateConfig, clock: Clock) -> Devices:
        devices = simulated_devices(folder, config, clock)
        assert isinstance(devices.outputs.announcer, StageAnnouncer)
        devices.outputs.announcer.close()
        voice: Voice = listener  # type: ignore[assignment]  # as far as it is used
        return replace(devices, voice=voice, outputs=replace(devices.outputs, announcer=voice))

    return make


def test_it_speaks_shows_and_ends_by_itself_after_half_an_hour(
    stage: tuple[Path, StageOutputs],
) -> None:
    folder, outputs = stage
    clock, listener = FakeClock(), Listener()
    make = devices_heard_by(listener, folder)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run_safe_mode, NO_LEDGER_AFTER, lambda: config_in(folder), make, clock)
        wait_for(listener.ran.is_set, "a voice at work")
        wait_for(lambda: bool(listener.heard), "what is said")
        assert (listener.heard[0].prompt, listener.heard[0].is_spoken) == (
            Prompt.OUT_OF_ORDER,
            True,
        )
        clock.advance(RETRY_AFTER_S - 1)
        assert not ended.done()
        clock.advance(1)
        assert ended.result(30) == 0
    changes = iter(lambda: outputs.read(0.0), None)
    relay = [c for c in changes if isinstance(c, LineChanged) and c.line == "relay"]
    assert relay
    assert not any(change.is_energised for change in relay)
    assert not (folder / "status.json").exists()


def test_it_is_recorded_although_the_uplink_cannot_be_told(
    stage: tuple[Path, StageOutputs], caplog: pytest.LogCaptureFixture
) -> None:
    folder, _ = stage
    (folder / "uplink.sock").symlink_to(folder / "uplink.sock")  # a path that leads nowhere
    clock, make = FakeClock(), devices_heard_by(Listener(), folder)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run_safe_mode, SAFE_AFTER, lambda: config_in(folder), make, clock)
        wait_for(lambda: "cannot send" in caplog.text, "the nudge")
        clock.advance(RETRY_AFTER_S)
        assert ended.result(30) == 0
    with closing(LedgerReader(folder / "ledger.db")) as reader:
        assert [event.kind for event in reader.after(0, 9)] == [Kind.BOOT, Kind.ALARM]
    assert "not recorded" not in caplog.text


def test_without_a_configuration_only_time_counts(
    stage: tuple[Path, StageOutputs], caplog: pytest.LogCaptureFixture
) -> None:
    _, outputs = stage
    clock = FakeClock()

    def no_configuration() -> GateConfig:
        raise AssertionError("not to be read")

    def no_devices(_config: GateConfig, _clock: Clock) -> Devices:
        raise AssertionError("not to be made")

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run_safe_mode, BARE_AFTER, no_configuration, no_devices, clock)
        wait_for(lambda: "safe mode: the controller" in caplog.text, "its start")
        assert not ended.done()
        clock.advance(RETRY_AFTER_S)
        assert ended.result(30) == 0
    assert not isinstance(outputs.read(0.0), LineChanged | PromptShown)
