"""A whole gate on a stage that the test itself directs: real processes, no scenario.

Somebody stands before a thermometer because the test wrote so into the heat log, and a code is in
view because the camera shows it. So an act takes as long as the gate needs, and not longer.
``benchmarks/`` uses this file too; it needs no pytest.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gated.clock import SystemClock
from gated.config import GateConfig
from gated.config.explain import dump_toml
from gated.config.load import parse_gate
from gated.contents import Kind
from gated.controller.control import CONTROL_SOCKET, ModeRequest, encode_request
from gated.datagrams import Sender
from gated.devices import sensor_names
from gated.errors import GatedError
from gated.ledger.reader import LedgerReader
from gated.messages import Mode, Prompt
from gated.sensors.compensation import SPOT_FOREHEAD
from gated.simulation.camera import StageCamera
from gated.simulation.office import Office, equip_gate, open_office
from gated.simulation.optics import SKIN_EMISSIVITY
from gated.simulation.stage import (
    AMBIENT,
    FRAME_FILE,
    HEAT_FILE,
    HeatLog,
    LineChanged,
    PromptShown,
    StageInputs,
    StageOutputs,
)
from gated.units import KELVIN_OFFSET_K

CLOCK = SystemClock()
AMBIENT_C = 22.0
PATIENCE_S = 30.0
"""For one thing to happen on a machine that is busy with other tests."""
HEALTHY_C = 36.5
THERMOMETER = "child"
POLL_S = 0.02
STAGE_SEED = 5
WALKS_S = 0.5
"""From the sensor to the light barrier: a thermometer sees them leave before they are through."""
NOTICED_AGAIN_S = 1.5
"""A thermometer adds one sample a second to what it takes for the background."""
STEPS_BACK = 6
HOST = "127.0.0.1"

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


class NeverHappened(AssertionError):
    """What a test waited for did not come."""


def wait_for(is_so: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> float:
    """Return after how many seconds ``is_so`` came true. Raises: NeverHappened: it did not."""
    pause = threading.Event()
    started_s = CLOCK.monotonic_s()
    while not is_so():
        if CLOCK.monotonic_s() - started_s > within_s:
            raise NeverHappened(f"not within {within_s:g} s: {what}")
        pause.wait(POLL_S)
    return CLOCK.monotonic_s() - started_s


def seen_of(body_c: float, ambient_c: float = AMBIENT_C) -> float:
    """Return what an ideal sensor sees of a forehead that fills its view, in °C."""
    skin_k = body_c - SPOT_FOREHEAD.a_c + SPOT_FOREHEAD.b * ambient_c + KELVIN_OFFSET_K
    ambient_k = ambient_c + KELVIN_OFFSET_K
    radiance = SKIN_EMISSIVITY * skin_k**4 + (1 - SKIN_EMISSIVITY) * ambient_k**4
    return float(radiance**0.25 - KELVIN_OFFSET_K)


@dataclass(frozen=True, slots=True)
class Edge:
    """The relay's wire changed at ``at_s`` (monotonic)."""

    at_s: float
    is_energised: bool


@dataclass(frozen=True, slots=True)
class Shown:
    at_s: float
    prompt: Prompt
    visit_id: str | None


class Stage:
    """What is before the gate, and what the gate does to it."""

    def __init__(self, folder: Path, config: GateConfig) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.relay: list[Edge] = []
        self.bell: list[Edge] = []
        self.prompts: list[Shown] = []
        self._names = sensor_names(config)
        self._heat = HeatLog(folder / HEAT_FILE, self._names, create=True)
        self._seen = dict.fromkeys(self._names, AMBIENT_C)
        self._outputs = StageOutputs(folder)
        self._inputs = StageInputs(folder)
        self._camera = StageCamera(folder / FRAME_FILE, CLOCK, STAGE_SEED)
        self._stop = threading.Event()
        self._write_heat()
        self._threads = [
            threading.Thread(target=self._camera.run, args=(self._stop, lambda: None)),
            threading.Thread(target=self._listen),
        ]
        for thread in self._threads:
            thread.start()

    # --- people -----------------------------------------------------------------------------------

    def stand(self, body_c: float = HEALTHY_C, thermometer: str = THERMOMETER) -> None:
        """Put a forehead before ``thermometer``."""
        self._seen[thermometer] = seen_of(body_c)
        self._write_heat()

    def step_away(self, thermometer: str = THERMOMETER) -> None:
        self._seen[thermometer] = AMBIENT_C
        self._write_heat()

    def hold_up(self, what: str | Path | None) -> None:
        """Show a code's text, a picture, or nothing."""
        self._camera.hold_up(what)

    def press(self, name: str) -> None:
        """Press a button or walk through: ``passage``, ``attendant``."""
        if not self._inputs.press(name):
            raise NeverHappened(f"the gate did not feel {name}")

    # --- what the gate did ------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return bool(self.relay) and self.relay[-1].is_energised

    @property
    def openings(self) -> int:
        """Return how often the relay was told to open, also while it was open."""
        return sum(edge.is_energised for edge in self.relay)

    def times_shown(self, prompt: Prompt, since_s: float) -> int:
        return sum(s.prompt is prompt and s.at_s >= since_s for s in self.prompts)

    def has_shown(self, prompt: Prompt, since_s: float) -> bool:
        return self.times_shown(prompt, since_s) > 0

    def _write_heat(self) -> None:
        self._heat.write(CLOCK.monotonic_s(), {**self._seen, AMBIENT: AMBIENT_C})

    def _listen(self) -> None:
        while not self._stop.is_set():
            change = self._outputs.read(0.2)
            at_s = CLOCK.monotonic_s()
            if isinstance(change, PromptShown):
                self.prompts.append(Shown(at_s, change.prompt, change.visit_id))
            elif isinstance(change, LineChanged) and change.line == "relay":
                self.relay.append(Edge(at_s, change.is_energised))
            elif isinstance(change, LineChanged) and change.line == "call_staff":
                self.bell.append(Edge(at_s, change.is_energised))

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._outputs.close()
        self._inputs.close()
        self._heat.close()


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the ledger, its body parsed."""

    seq: int
    epoch: str
    kind: str
    visit_id: str | None
    raw: bytes  # the body, as recorded
    body: Mapping[str, object]


class StagedGate:
    """One gate in ``folder``: its files, its stage, its processes.

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
        config = self._with_paths(parse_gate(text, "the rig"), broker)
        self.write(config)
        self.office: Office = open_office(folder / "office", CLOCK.now(), STAGE_SEED)
        equip_gate(folder / "office", self.trust, self.site_key, folder / "persons.txt")
        self.stage = Stage(config.paths.run, config)
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

    def write(self, config: GateConfig) -> None:
        """Write the configuration file."""
        self.config_file.write_text(dump_toml(config), encoding="utf-8")
        self.config_file.chmod(0o644)

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
        wait_for(lambda: f"{THERMOMETER} works" in self.log()[logged:], "a thermometer that works")
        self.wait_scanning()

    def wait_scanning(self) -> None:
        """Return once the scanner looks at the frames."""
        frames = self.run_folder / FRAME_FILE
        wait_for(lambda: frames in open_files(self.pid("scanner")), "a scanner at work")

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
        self.stage.close()

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

        wait_for(look, f"{kind} with {members}\n{self.log()[-3_000:]}", within_s)
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
        wait_for(lambda: self.backlog() == 0, f"an empty backlog\n{self.log()[-3_000:]}")

    # --- acts -----------------------------------------------------------------------------------

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
        raise NeverHappened(f"never noticed\n{self.log()[-3_000:]}")

    def go_through(self, visit: Event) -> None:
        """Walk through for ``visit``, which was granted, and wait until that is recorded."""
        self.stage.step_away()
        threading.Event().wait(WALKS_S)
        self.stage.press("passage")
        self.wait_event(Kind.PASSAGE, visit.seq, visit_id=visit.visit_id, result="passed")

    def leave(self) -> None:
        """Step aside and wait until the gate asks the next one to come up."""
        self.stage.step_away()
        wait_for(
            lambda: not self.stage.prompts or self.stage.prompts[-1].prompt is Prompt.READY,
            "a gate that is ready for the next",
        )

    def let_one_pass(self) -> Event:
        """Let a healthy person with a good pass in. Raises: NeverHappened: the gate did not."""
        openings = self.stage.openings
        visit = self.visit()
        if visit.body["outcome"] != "granted":
            raise NeverHappened(f"not granted: {visit.body}")
        wait_for(lambda: self.stage.openings == openings + 1, "the relay")
        self.go_through(visit)
        return visit


class Centre:
    """A real collector with a database of its own."""

    def __init__(self, folder: Path, broker: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.database = folder / "collector.db"
        self.page = f"{HOST}:{free_port()}"
        self._broker = broker
        self._log = folder / "collector.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        logged = len(self.log())
        with self._log.open("ab") as log:
            self.process = run_gated(
                "collector", "run", "--name", "centre", "--listen", self.page,
                "--broker", self._broker, "--database", str(self.database),
                output=log,
            )  # fmt: skip
        wait_for(lambda: "connected" in self.log()[logged:], f"a collector\n{self.log()}")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    close = kill

    def log(self) -> str:
        if not self._log.exists():
            return ""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def records(self) -> Counter[tuple[str, int]]:
        """Return how often each (epoch, seq) is stored."""
        return Counter((str(r[0]), int(r[1])) for r in self._query("SELECT epoch, seq FROM record"))

    def bodies(self) -> dict[tuple[str, int], bytes]:
        rows = self._query("SELECT epoch, seq, body FROM record")
        return {(str(r[0]), int(str(r[1]))): _as_bytes(r[2]) for r in rows}

    def quarantined(self) -> list[str]:
        return [
            str(row[0]) for row in self._query("SELECT problem || ': ' || error FROM quarantine")
        ]

    def _query(self, statement: str) -> list[tuple[str, int, object]]:
        with contextlib.closing(
            sqlite3.connect(f"{self.database.resolve().as_uri()}?mode=ro", uri=True)
        ) as db:
            return db.execute(statement).fetchall()


def _as_bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


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


@contextlib.contextmanager
def running_centre(folder: Path, broker: str) -> Iterator[Centre]:
    """Give a collector that runs."""
    centre = Centre(folder, broker)
    try:
        centre.start()
        yield centre
    finally:
        centre.close()


def run_gated(
    *arguments: str, output: IO[bytes], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start ``gated ARGUMENTS``, both outputs going to ``output``."""
    return subprocess.Popen(
        [sys.executable, "-m", "gated", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**os.environ, **(environment or {})},
    )


def ask_gated(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what ``gated ARGUMENTS`` answered."""
    return subprocess.run(
        [sys.executable, "-m", "gated", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def find_descendant(pid: int, name: str) -> int | None:
    """Return the descendant of ``pid`` that is the gate's process ``name``."""
    for candidate in descendants(pid):
        words = command_line(candidate)
        if name in words or f"gated.actuators.{name}" in words:
            return candidate
    return None


def descendants(pid: int) -> list[int]:
    """Return every process below ``pid``, parents first."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                found += [int(child), *descendants(int(child))]
    return found


def command_line(pid: int) -> list[str]:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [word.decode(errors="replace") for word in raw.split(b"\0")]


def open_files(pid: int | None) -> set[Path]:
    """Return what a process has open; nothing of one that is gone."""
    found: set[Path] = set()
    if pid is not None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for handle in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    found.add(handle.readlink())
    return found


def processes_of(folder: Path) -> list[int]:
    """Return every process that was started with a file in ``folder``."""
    own = str(folder)
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and any(own in word for word in command_line(int(entry.name)))
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def verify_ledger(gate: StagedGate) -> None:
    """Let ``gated ledger verify`` look at the ledger. Raises: GatedError: it is not sound."""
    answer = ask_gated("ledger", "verify", "--ledger", str(gate.ledger_path))
    if answer.returncode != 0:
        raise GatedError(answer.stdout + answer.stderr)
