"""A controller that crashes again and again stays shut, says so, and can be mended."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.contents import Kind
from gated.controller.crashes import CRASHES_FILE, SAFE_AFTER
from gated.controller.safe_mode import BARE_AFTER, NO_LEDGER_AFTER
from gated.datagrams import Sender
from gated.vocabulary import Prompt
from tests.gate_processes import CLOCK, PATIENCE_S, ask_gated, run_gated, wait_for
from tests.gate_rig import StagedGate, staged_gate


class Service:
    """The controller as its unit starts it: a run folder that is kept, a manager that listens."""

    def __init__(self, gate: StagedGate) -> None:
        self.gate = gate
        self.crashes = gate.run_folder / CRASHES_FILE
        self.log = gate.folder.parent / "service.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.told = ""
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(gate.folder / "notify"))
        self._manager.setblocking(False)

    def start(self, config: Path | None = None) -> None:
        self.told = ""
        with self.log.open("ab") as log:
            self.process = run_gated(
                "controller", "--config", str(config or self.gate.config_file),
                "--stage", str(self.gate.run_folder),
                output=log,
                environment={
                    "RUNTIME_DIRECTORY": str(self.gate.run_folder),
                    "NOTIFY_SOCKET": str(self.gate.folder / "notify"),
                },
            )  # fmt: skip

    def start_after(self, crashes: int) -> None:
        """Start as the one after so many crashes."""
        ms = ", ".join([str(CLOCK.boottime_ms())] * crashes)
        self.crashes.write_text(f'{{"crashes_ms": [{ms}]}}', encoding="utf-8")

    def hear(self) -> str:
        """Return everything that this start has told the manager."""
        while True:
            try:
                self.told += self._manager.recv(4_096).decode() + "\n"
            except BlockingIOError:
                return self.told

    def wait_told(self, what: str) -> None:
        wait_for(lambda: what in self.hear(), what, log=self.read_log)

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def read_log(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        if self.process is not None:
            self.end(signal.SIGKILL)
        self._manager.close()


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with staged_gate(tmp_path_factory.mktemp("s") / "g") as gate:
        service = Service(gate)
        yield service
        service.close()
        assert "Traceback" not in service.read_log()


def test_after_five_kills_nobody_enters_everybody_is_told_and_a_restart_ends_it(
    service: Service,
) -> None:
    gate = service.gate
    for _ in range(SAFE_AFTER):
        service.start()
        service.wait_told("READY=1")
        service.end(signal.SIGKILL)
    service.start()
    service.wait_told("READY=1")
    service.wait_told("STATUS=safe mode: the controller crashed 5 times")
    wait_for(lambda: gate.status().get("safe_mode_after") == SAFE_AFTER, "its status")
    wait_for(gate.is_relay_held, "a relay that is held de-energised")

    # the centre
    alarm = gate.wait_event(Kind.ALARM, alarm="safe_mode")
    assert (alarm.body["device"], alarm.body["mode"]) == ("controller", "closed")
    assert gate.of_kind(Kind.BOOT)[-1].seq == alarm.seq - 1

    # whoever comes
    seen_s = CLOCK.monotonic_s()
    gate.stage.stand()
    with contextlib.closing(Sender(gate.run_folder / "sighting.sock")) as scanner:
        assert scanner.send(b"whatever was read")
    wait_for(lambda: gate.stage.has_shown(Prompt.OUT_OF_ORDER, seen_s), "the refusal")

    # staff
    status = ask_gated("status", "--config", str(gate.config_file))
    assert status.returncode == 1
    assert "safe mode: the controller crashed 5 times" in status.stdout
    doctor = ask_gated("doctor", "--config", str(gate.config_file))
    assert "safe mode: the controller crashed 5 times" in doctor.stdout
    mode = ask_gated("mode", "normal", "--config", str(gate.config_file))
    assert (mode.returncode, "safe mode" in mode.stderr) == (69, True)

    assert gate.stage.openings == 0
    assert gate.of_kind(Kind.VISIT) == []
    assert service.end(signal.SIGTERM) == 0
    assert not service.crashes.exists()

    service.start()
    service.wait_told("READY=1")
    wait_for(
        lambda: gate.status().get("mode") == "normal", "a gate that works", log=service.read_log
    )
    assert service.end(signal.SIGTERM) == 0


def test_a_reload_tries_a_normal_start(service: Service) -> None:
    service.start_after(SAFE_AFTER)
    service.start()
    service.wait_told("STATUS=safe mode")
    assert service.end(signal.SIGHUP) == 0  # its unit starts it again
    assert not service.crashes.exists()


def test_where_safe_mode_crashes_as_well_the_ledger_is_left_alone(service: Service) -> None:
    service.start_after(NO_LEDGER_AFTER)
    service.gate.ledger_path.mkdir()  # whatever it is that is wrong with it
    service.start()
    service.wait_told("STATUS=safe mode")
    wait_for(lambda: service.gate.status().get("safe_mode_after") == NO_LEDGER_AFTER, "its status")
    assert service.gate.stage.has_shown(Prompt.OUT_OF_ORDER, 0.0)
    assert service.end(signal.SIGTERM) == 0


def test_a_ledger_that_cannot_be_opened_costs_the_record_alone(service: Service) -> None:
    service.start_after(SAFE_AFTER)
    service.gate.ledger_path.mkdir()
    service.start()
    wait_for(lambda: service.gate.status().get("safe_mode_after") == SAFE_AFTER, "its status")
    wait_for(lambda: "safe mode is not recorded" in service.read_log(), "why", log=service.read_log)
    assert service.end(signal.SIGTERM) == 0


def test_at_last_it_reads_no_configuration_either(service: Service, tmp_path: Path) -> None:
    service.start_after(BARE_AFTER)
    service.start(config=tmp_path / "nothing.toml")
    service.wait_told("READY=1")
    service.wait_told("WATCHDOG=1")
    service.wait_told("STATUS=safe mode")
    assert service.end(signal.SIGTERM) == 0
