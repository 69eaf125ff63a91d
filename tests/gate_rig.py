"""A whole gate: real processes, and people who do as a test or a benchmark tells them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gated.config import GateConfig
from gated.config.explain import dump_toml
from gated.config.load import parse_gate
from gated.contents import Kind
from gated.controller.control import CONTROL_SOCKET, ModeRequest, encode_request
from gated.datagrams import Sender
from gated.ledger.reader import LedgerReader
from gated.simulation.office import Office, equip_gate, open_office
from gated.simulation.stage import FRAME_FILE
from gated.vocabulary import Mode, Prompt
from tests.gate_processes import (
    CLOCK,
    PATIENCE_S,
    NeverHappened,
    ask_gated,
    descendants,
    find_descendant,
    open_files,
    run_gated,
    wait_for,
)
from tests.gate_stage import HEALTHY_C, STAGE_SEED, THERMOMETER, Stage

WALKS_S = 0.5
"""From the sensor to the light barrier: thermometers see that somebody has left within this."""
NOTICED_AGAIN_S = 1.5
"""A thermometer adds one sample a second to what it takes for the background."""
STEPS_BACK = 6

# DAA settles in 0.1 s and hardly has any noise: a person is measured within a second, to 0.05 °C.
# Its wide spot does not matter on a stage whose heat log says what fills it.
GATE_FILE = """
[gate]
site = "school"
name = "east-1"
[temperature]
warm_up_s = 0.0
thermometers = [
  { name = "child", driver = "mlx90614", variant = "DAA", bus = "/dev/i2c-1", mount_height_m = 1 },
]
ambient = { driver = "sht3x", bus = "/dev/i2c-0" }
[scanner]
camera = "none"
[visit]
hint_after_s = 2.0
staff_after_s = 6.0
[outputs]
relay = { line = "GPIO17", pulse_s = 0.5 }
call_staff = { line = "GPIO27" }
lamps = { go = "GPIO22", wait = "GPIO23", code = "GPIO24" }
[inputs]
passage = { line = "GPIO5" }
attendant_button = { line = "GPIO13" }
[uplink]
broker = "mqtt://127.0.0.1:1"
[ledger]
min_free_mb = 20
[clock]
source = "system"
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the ledger, its body parsed."""

    seq: int
    epoch: str
    kind: str
    visit_id: str | None
    raw: bytes  # the body, as recorded
    body: Mapping[str, object]


class GateUnderTest:
    """One gate in ``folder``: its files, its processes, what it recorded.

    Args:
        folder: everything but the log is made here; paths of sockets are limited, so keep it short.
        broker: the URL; by default one where nobody listens.
        changes: replaced in the configuration's text, once each.
        environment: added to the processes' own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        broker: str | None = None,
        changes: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)
        self.config_file = folder / "gated.toml"
        self._environment = dict(environment or {})
        text = GATE_FILE
        for old, new in (changes or {}).items():
            if old not in text:
                raise NeverHappened(f"the configuration does not say {old!r}")
            text = text.replace(old, new)
        self.config = self._with_paths(parse_gate(text, "the rig"), broker)
        self.config_file.write_text(dump_toml(self.config), encoding="utf-8")
        self.config_file.chmod(0o644)
        self.office: Office = open_office(folder / "office", CLOCK.now(), STAGE_SEED)
        equip_gate(folder / "office", self.trust, self.site_key, folder / "persons.txt")
        self.process: subprocess.Popen[bytes] | None = None
        self._log = folder.parent / f"{folder.name}.log"

    def _with_paths(self, config: GateConfig, broker: str | None) -> GateConfig:
        raw = config.model_dump()
        raw["paths"] = {"state": self.state, "run": self.folder / "run"}
        raw["credentials"] |= {
            "trust": self.trust,
            "site_key_file": self.site_key,
            "persons_list_file": self.folder / "persons.txt",
        }
        if broker is not None:
            raw["uplink"]["broker"] = broker
        return GateConfig.model_validate(raw)

    # --- files --------------------------------------------------------------------------------

    @property
    def trust(self) -> Path:
        return self.folder / "trust"

    @property
    def site_key(self) -> Path:
        return self.folder / "site.key"

    @property
    def run_folder(self) -> Path:
        return self.folder / "run"

    @property
    def ledger_path(self) -> Path:
        return self.state / "ledger.db"

    def change(self, old: str, new: str) -> None:
        """Replace ``old`` in the configuration file, as a technician would."""
        text = self.config_file.read_text(encoding="utf-8")
        if old not in text:
            raise NeverHappened(f"{self.config_file} does not say {old!r}")
        self.config_file.write_text(text.replace(old, new), encoding="utf-8")

    def log(self) -> str:
        """Return everything that the gate's processes wrote."""
        if not self._log.exists():
            return ""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def status(self) -> Mapping[str, object]:
        """Return the controller's status.json; empty while there is none."""
        try:
            status = json.loads((self.run_folder / "status.json").read_bytes())
        except FileNotFoundError:
            return {}
        return status if isinstance(status, dict) else {}

    # --- processes ----------------------------------------------------------------------------

    def start(self) -> None:
        """Start ``gated run`` and return when the gate can measure and scan."""
        logged = len(self.log())
        with self._log.open("ab") as log:
            self.process = run_gated(
                "run", "--config", str(self.config_file), "--stage", str(self.run_folder),
                output=log, environment=self._environment,
            )  # fmt: skip
        self.wait_working(logged)

    def wait_working(self, logged: int) -> None:
        """Return once the controller that wrote after ``logged`` characters can measure."""
        wait_for(
            lambda: f"{THERMOMETER} works" in self.log()[logged:], "a thermometer", log=self.log
        )
        self.wait_scanning()

    def wait_scanning(self) -> None:
        """Return once the scanner looks at the frames."""
        frames = self.run_folder / FRAME_FILE
        wait_for(
            lambda: frames in open_files(self.pid("scanner")), "a scanner at work", log=self.log
        )

    def stop(self) -> int:
        """Ask ``gated run`` to end; return its exit code. Idempotent."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def reload(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    def pid(self, name: str) -> int | None:
        """Return the process id of ``controller``, ``scanner``, ``uplink`` or ``relay_guard``."""
        if self.process is None:
            return None
        return find_descendant(self.process.pid, name)

    def kill(self, name: str, number: int = signal.SIGKILL) -> float:
        """Send ``number`` to one process; return when, on the monotonic clock."""
        pid = self.pid(name)
        if pid is None:
            raise NeverHappened(f"no {name} runs")
        at_s = CLOCK.monotonic_s()
        os.kill(pid, number)
        return at_s

    def request_mode(self, mode: Mode, *, for_s: float | None = None) -> None:
        """Ask for ``mode`` as the command line does, and wait until it holds."""
        sender = Sender(self.run_folder / CONTROL_SOCKET)
        try:
            if not sender.send(encode_request(ModeRequest(mode=mode, for_s=for_s, by="test"))):
                raise NeverHappened("nobody listens at the control socket")
        finally:
            sender.close()
        wait_for(lambda: self.status().get("mode") == mode.value, f"mode {mode}")

    def is_relay_held(self) -> bool:
        """Return whether some process owns the relay's simulated wire."""
        owned = f"@gated-line/{self.run_folder / 'stage.sock'}/relay"
        return any(
            line.endswith(owned)
            for line in Path("/proc/net/unix").read_text(encoding="ascii").splitlines()
        )

    def close(self) -> None:
        """End everything that was started here."""
        if self.process is not None:
            for pid in [*descendants(self.process.pid), self.process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)  # a stopped one could not end
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                for pid in [*descendants(self.process.pid), self.process.pid]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.process.wait()

    # --- what was recorded --------------------------------------------------------------------

    def events(self) -> list[Event]:
        """Return every event that the ledger holds now."""
        reader = LedgerReader(self.ledger_path)
        try:
            return [
                Event(e.seq, e.epoch, e.kind, e.visit_id, e.body, json.loads(e.body))
                for e in reader.after(0, 100_000)
            ]
        finally:
            reader.close()

    def bodies(self) -> dict[tuple[str, int], bytes]:
        """Return every record as the collector must hold it."""
        return {(event.epoch, event.seq): event.raw for event in self.events()}

    def of_kind(self, kind: Kind) -> list[Event]:
        return [event for event in self.events() if event.kind == kind]

    def wait_event(
        self, kind: Kind, after_seq: int = 0, *, within_s: float = PATIENCE_S, **members: object
    ) -> Event:
        """Return the first event after ``after_seq`` whose body has ``members``."""
        found: list[Event] = []

        def look() -> bool:
            found[:] = [
                event
                for event in self.of_kind(kind)
                if event.seq > after_seq
                and all(event.body.get(name) == value for name, value in members.items())
            ]
            return bool(found)

        wait_for(look, f"{kind} with {members}", within_s, log=self.log)
        return found[0]

    def newest_seq(self) -> int:
        return max((event.seq for event in self.events()), default=0)

    def backlog(self) -> int:
        reader = LedgerReader(self.ledger_path)
        try:
            return reader.backlog()
        finally:
            reader.close()

    def wait_delivered(self) -> None:
        """Return once the collector has acknowledged everything."""
        wait_for(lambda: self.backlog() == 0, "an empty backlog", log=self.log)

    def verify(self) -> str:
        """Return what ``gated ledger verify`` says. Raises: NeverHappened: it is not sound."""
        answer = ask_gated("ledger", "verify", "--ledger", str(self.ledger_path))
        if answer.returncode != 0:
            raise NeverHappened(answer.stdout + answer.stderr)
        return answer.stdout


class StagedGate(GateUnderTest):
    """A gate with a stage before it, and people who do what the test says."""

    def __init__(
        self,
        folder: Path,
        *,
        broker: str | None = None,
        changes: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder, broker=broker, changes=changes, environment=environment)
        self.stage = Stage(self.run_folder, self.config)

    def close(self) -> None:
        super().close()
        self.stage.close()

    def visit(self, code: str | Path | None = None, body_c: float = HEALTHY_C) -> Event:
        """Let somebody come up with ``code`` (default: a good pass); return the visit's record."""
        before = self.newest_seq()
        self.stage.hold_up(self.office.student() if code is None else code)
        self.stage.stand(body_c)
        visit = self.wait_event(Kind.VISIT, before)
        self.stage.hold_up(None)
        return visit

    def visit_at_last(self) -> Event:
        """As ``visit``, for somebody who stood there before the sensors did: they step back."""
        before = self.newest_seq()
        self.stage.hold_up(self.office.student())
        for _ in range(STEPS_BACK):
            self.stage.step_away()
            threading.Event().wait(NOTICED_AGAIN_S)
            self.stage.stand()
            with contextlib.suppress(NeverHappened):
                return self.wait_event(Kind.VISIT, before, within_s=NOTICED_AGAIN_S)
        raise NeverHappened(f"never noticed\n{self.log()}")

    def walk_through(self) -> None:
        """Step from the sensor to the light barrier and through it."""
        self.step_aside()
        self.stage.press("passage")

    def step_aside(self) -> None:
        """Leave the sensor, and give it the time to see that."""
        self.stage.step_away()
        threading.Event().wait(WALKS_S)

    def go_through(self, visit: Event) -> None:
        """Walk through for ``visit``, which was granted, and wait until that is recorded."""
        self.walk_through()
        self.wait_event(Kind.PASSAGE, visit.seq, visit_id=visit.visit_id, result="passed")

    def leave(self) -> None:
        """Step aside and wait until the gate asks the next one to come up."""
        self.stage.step_away()
        wait_for(
            lambda: not self.stage.prompts or self.stage.prompts[-1].prompt is Prompt.READY,
            "a gate that is ready for the next",
            log=self.log,
        )

    def let_one_pass(self) -> Event:
        """Let a healthy person with a good pass in. Raises: NeverHappened: the gate did not."""
        openings = self.stage.openings
        visit = self.visit()
        if visit.body["outcome"] != "granted":
            raise NeverHappened(f"not granted: {visit.body}")
        wait_for(lambda: self.stage.openings == openings + 1, "the relay", log=self.log)
        self.go_through(visit)
        return visit


@contextlib.contextmanager
def staged_gate(
    folder: Path,
    *,
    broker: str | None = None,
    changes: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[StagedGate]:
    """Give a gate that has not been started yet; end all of it afterwards."""
    gate = StagedGate(folder, broker=broker, changes=changes, environment=environment)
    try:
        yield gate
    finally:
        gate.close()
