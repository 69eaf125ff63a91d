"""A gate and its centre in one container, installed by the pages, with a stage before the gate."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gated.clock import SystemClock
from gated.config.load import parse_gate
from gated.ledger.reader import LedgerReader
from gated.simulation.office import equip_gate, open_office
from tests.gate_processes import wait_for
from tests.gate_rig import GATE_FILE
from tests.gate_stage import STAGE_SEED, THERMOMETER, Edge, Stage
from tests.machine.container import Container
from tests.machine.packages import architecture
from tests.machine.page import commands

GATE_UNITS = ("gated-controller", "gated-scanner", "gated-uplink")
UNITS = (*GATE_UNITS, "gated-collector")
PULSE_S = 2.0
"""Long enough to break something while the relay is energised."""
BROKER = "mqtt://127.0.0.1"
STAGE = "/srv/stage"
"""Where the container has the stage's folder."""
DESK = "/srv/desk"
"""Where the technician has put packages, keys and lists."""
PATIENCE_S = 60.0
SIMULATED = """[Service]
ReadWritePaths={stage}
ExecStart=
ExecStart={start} --stage {stage}
"""
CONFIGURATION = GATE_FILE.replace("mqtt://127.0.0.1:1", BROKER).replace(
    "pulse_s = 0.5", f"pulse_s = {PULSE_S}"
)
INSTALL_GATE = "sudo apt install ./gated_*.deb ./gated-common_*_arm64.deb"
INSTALL_COLLECTOR = "sudo apt install ./gated-collector_*.deb ./gated-common_*_amd64.deb mosquitto"
COLLECTOR = f"""[collector]
broker = "{BROKER}"
name = "centre-1"
"""


class Site:
    """What is installed in ``container``, and who comes there.

    Args:
        container: has booted; nothing of gated is in it yet.
        stage: the folder that the container has as STAGE.
        packages: of a gate and of a collector.
    """

    def __init__(self, container: Container, stage: Path, packages: Sequence[Path]) -> None:
        self.container = container
        self._stage_folder = stage
        self._stage: Stage | None = None
        office = stage.parent / "office"
        self.office = open_office(office, SystemClock().now(), STAGE_SEED)
        trust, key = office / "trust", office / "site.key"
        equip_gate(office, trust, key, office / "persons.list")
        container.run(f"mkdir -p {DESK}")
        self.bring(packages)
        container.write(f"{DESK}/site.key", key.read_bytes(), 0o600)
        container.write(f"{DESK}/mqtt.password", "unused\n", 0o600)
        (issuer,) = trust.iterdir()
        container.write(f"{DESK}/issuer.jwks.json", issuer.read_bytes())

    def bring(self, packages: Sequence[Path]) -> None:
        """Copy packages to the machine; older ones are thrown away."""
        self.container.run(f"rm -f {DESK}/*.deb")
        for package in packages:
            self.container.write(f"{DESK}/{package.name}", package.read_bytes())

    def do(self, command: str, answer: str = "") -> None:
        """Do what a page says, on this machine, and give ``answer`` if it asks."""
        for name in ("arm64", "amd64"):
            command = command.replace(f"_{name}.deb", f"_{architecture()}.deb")
        self.container.run(f"cd {DESK} && {command}", answer=answer, within_s=300.0)

    def follow(self, page: str, heading: str, instead: Mapping[str, Callable[[], object]]) -> None:
        """Do what a page says; ``instead`` of what a container has not, or a person decides."""
        for command in commands(page, heading):
            other = next((do for text, do in instead.items() if command.startswith(text)), None)
            if other is None:
                self.do(command)
            else:
                other()

    # --- installing ---------------------------------------------------------------------------

    def install_gate(self) -> None:
        """Do what docs/install.md says for a gate, from the package to a gate that is well."""
        self.follow(
            "install.md",
            "A gate 闸机",
            {
                "sudo apt update": lambda: None,  # there is no network
                "sudo apt install": self._install_gates_packages,
                "sudo nano": lambda: self.container.write("/etc/gated/gated.toml", CONFIGURATION),
                "sudo gated probe": self._simulate,  # nothing is plugged into a container
                "sudo gated status": self.wait_well,
            },
        )

    def _install_gates_packages(self) -> None:
        """Install; nothing runs, nor does it when it is started without a configuration."""
        self.do(INSTALL_GATE)
        for _ in range(2):
            for unit in (*GATE_UNITS, "gated.target"):
                shown = self.container.show(unit, "ActiveState", "UnitFileState")
                is_target = unit == "gated.target" and self.is_ready(unit)
                assert shown["ActiveState"] == "inactive" or is_target, unit
                assert shown["UnitFileState"] == "disabled", unit
            self.container.run("systemctl start gated.target gated-controller")
        self.container.run("systemctl stop gated.target")

    def install_collector(self) -> None:
        """Do what docs/install.md says for a collector."""
        self.follow(
            "install.md",
            "The collector 汇总端",
            {
                # mosquitto is there already, so apt asks
                "sudo apt install": lambda: self.do(INSTALL_COLLECTOR, answer="y\n"),
                "sudo nano": lambda: self.container.write("/etc/gated/collector.toml", COLLECTOR),
                "gated collector status": lambda: self.wait_ready("gated-collector"),
            },
        )

    def _simulate(self) -> None:
        """Give controller and scanner simulated devices, as docs/systemd.md says."""
        for unit in ("gated-controller", "gated-scanner"):
            file = self.container.run(f"cat /usr/lib/systemd/system/{unit}.service").stdout
            start = next(line for line in file.splitlines() if line.startswith("ExecStart="))
            drop_in = SIMULATED.format(stage=STAGE, start=start.removeprefix("ExecStart="))
            self.container.write(f"/etc/systemd/system/{unit}.service.d/override.conf", drop_in)
        self.container.run("systemctl daemon-reload")
        if self._stage is None:
            self._stage_folder.mkdir(exist_ok=True)
            self._stage_folder.chmod(0o777)
            users = frozenset({0, int(self.container.run("id -u gated").stdout)})
            config = parse_gate(CONFIGURATION, "the container's")
            self._stage = Stage(self._stage_folder, config, users)
            for path in self._stage_folder.iterdir():
                path.chmod(0o666)

    @property
    def stage(self) -> Stage:
        assert self._stage is not None, "not installed yet"
        return self._stage

    # --- how it is ----------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.container.run("gated status --json", check=False).stdout))

    def wait_well(self) -> None:
        """Return when `gated status` finds nothing wrong, and the scanner looks."""
        self.wait(lambda: self.container.run("gated status", check=False).returncode == 0, "well")

    def is_ready(self, *units: str) -> bool:
        asked = " ".join(units)
        states = self.container.run(f"systemctl is-active {asked}", check=False).stdout.split()
        return states == ["active"] * len(units)

    def wait_ready(self, *units: str) -> None:
        self.wait(lambda: self.is_ready(*units), f"{', '.join(units)} ready")

    def wait(self, is_so: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> float:
        return wait_for(is_so, what, within_s, log=self.log)

    def log(self) -> str:
        return self.container.run(
            "journalctl -b -u 'gated*' -o short-monotonic --no-pager | tail -60", check=False
        ).stdout

    def main_pid(self, unit: str) -> int:
        return int(self.container.show(unit, "MainPID")["MainPID"])

    def recorded(self) -> set[tuple[str, int, bytes]]:
        """Return (epoch, seq, body) of every event in the gate's ledger."""
        with contextlib.closing(LedgerReader(self._state("gated/ledger.db"))) as reader:
            return {(e.epoch, e.seq, e.body) for e in reader.after(0, 100_000)}

    def stored(self) -> set[tuple[str, int, bytes]]:
        """Return the same of every record that the centre has."""
        database = self._state("gated-collector/records.db")
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT epoch, seq, body FROM record").fetchall()
        return {(epoch, seq, bytes(body)) for epoch, seq, body in rows}

    def _state(self, file: str) -> Path:
        return self.container.root / "var/lib" / file

    # --- harm ---------------------------------------------------------------------------------

    def harm(self, unit: str, number: signal.Signals) -> tuple[int, float]:
        """Send ``number`` to a unit's process; return its number and when it was sent."""
        pid = self.main_pid(unit)
        outer = self.container.outer_pid(pid)
        at_s = time.monotonic()
        os.kill(outer, number)
        return pid, at_s

    def ready_after(self, unit: str, harmed: tuple[int, float]) -> float:
        """Return how long after the harm another process of ``unit`` said READY, in s."""
        pid, at_s = harmed

        def is_another() -> bool:
            shown = self.container.show(unit, "MainPID", "ActiveState")
            return shown["ActiveState"] == "active" and shown["MainPID"] not in {str(pid), "0"}

        self.wait(is_another, f"{unit} ready again")
        entered = self.container.show(unit, "ActiveEnterTimestampMonotonic")
        return int(entered["ActiveEnterTimestampMonotonic"]) / 1e6 - at_s

    # --- who comes ----------------------------------------------------------------------------

    def energise(self) -> Edge:
        """Let a healthy person with a good pass come; return the relay's edge."""
        openings = self.stage.openings
        self.stage.hold_up(self.office.student())
        self.stage.stand()
        try:
            self.wait(lambda: self.stage.openings > openings, "the relay")
        finally:
            self.stage.hold_up(None)
            self.stage.step_away(THERMOMETER)
        return next(edge for edge in reversed(self.stage.relay) if edge.is_energised)

    def falls_after(self, edge: Edge) -> Edge:
        """Return the relay's next edge down."""

        def later() -> list[Edge]:
            return [e for e in self.stage.relay if e.at_s > edge.at_s and not e.is_energised]

        self.wait(lambda: bool(later()), "the relay de-energised")
        return later()[0]

    def close(self) -> None:
        if self._stage is not None:
            self._stage.close()
