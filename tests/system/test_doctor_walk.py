"""``gated doctor --walk``: a technician on a terminal, and a stage for whatever can be moved."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path

import pytest

from gated.config import GateConfig, parse_gate
from gated.config.explain import dump_toml
from gated.devices import heat_columns
from gated.errors import ExitCode
from gated.ledger.files import WriterLock
from gated.scanner.lock import only_scanner_of
from gated.simulation.serial_devices import SerialScannerDevice, serial_on_stage
from gated.simulation.stage import HEAT_FILE, OUTPUTS_SOCKET, HeatLog
from gated.walk.sensors import BASELINE_S
from tests.gate_processes import NeverHappened, ask_gated
from tests.gate_rig import StagedGate, staged_gate
from tests.gate_stage import Stage
from tests.relay_wire import Level, Wire
from tests.terminals import Terminal

DEMO = Path(__file__).resolve().parents[2] / "gated" / "demo" / "demo.toml"
BEGIN = r"Enter begin|y yes, open it"
ASKED = r"y works · n does not"
WITHIN_S = 20
CODE = "https://example.org/a-code-that-somebody-held-up"


class Site:
    """One gate's file and folders, as a technician finds them; nothing of it runs."""

    def __init__(self, folder: Path, *changes: tuple[str, str]) -> None:
        self.state, self.run = folder / "state", folder / "run"
        self.report = folder / "record.txt"
        self.state.mkdir()
        self.run.mkdir()
        text = DEMO.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        raw = parse_gate(text, "the demo's").model_dump()
        raw["paths"] = {"state": self.state, "run": self.run}
        self.config = GateConfig.model_validate(raw)
        self.file = folder / "gated.toml"
        self.file.write_text(dump_toml(self.config), encoding="utf-8")

    def walk(self, *options: str) -> Terminal:
        return Terminal(
            "doctor", "--walk", "--config", str(self.file), "--stage", str(self.run), *options,
            environment={"GATED_LANG": "en"},
        )  # fmt: skip


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short path: the names of sockets are limited."""
    return tmp_path_factory.mktemp("w")


class Technician:
    """Somebody at the keys, who reads what is asked before they answer."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.at = 0

    def see(self, pattern: str) -> None:
        self.at = self.terminal.wait_shown(pattern, self.at)

    def begin(self, step: str, key: str = "\n") -> None:
        """Begin ``step``, and return once its question is asked."""
        self.see(rf"/\d+ {re.escape(step)} \(")
        self.see(BEGIN)
        self.terminal.press(key)
        self.see(ASKED)

    def answer(self, step: str, answer: str, key: str = "\n") -> None:
        self.begin(step, key)
        self.terminal.press(answer)

    def skip_to(self, step: str) -> None:
        """Skip everything before ``step``."""
        while True:
            self.see(r"/\d+ [^(]+ \(")
            heading = self.terminal.text[: self.at].rpartition("\n")[2]
            self.see(BEGIN)
            if f" {step} (" in heading:
                return
            self.terminal.press("s")


@pytest.fixture
def site(folder: Path) -> Site:
    return Site(folder, ("[outputs]\n", '[outputs]\nvoice = { driver = "alsa" }\n'))


@pytest.fixture
def stage(site: Site) -> Iterator[Stage]:
    with closing(Stage(site.run, site.config)) as stage:
        yield stage


@pytest.fixture
def low(site: Site, stage: Stage) -> Iterator[SerialScannerDevice]:
    with closing(SerialScannerDevice(serial_on_stage(stage.folder, "low"))) as low:
        yield low


def until(does: Callable[[], None], shown: Callable[[], bool]) -> None:
    """Do it again until it was noticed: nobody presses a button once only."""
    pause = threading.Event()
    for _ in range(WITHIN_S * 4):
        with suppress(NeverHappened):  # the walk does not listen yet
            does()
        if shown():
            return
        pause.wait(0.25)
    raise AssertionError("never noticed")


def try_everything(technician: Technician, stage: Stage, low: SerialScannerDevice) -> None:
    """Walk around the gate. The call button is wired to the attendant's, and said not to work."""
    terminal = technician.terminal

    def feel(step: str, does: Callable[[], None], pattern: str, answer: str = "y") -> None:
        technician.begin(step)
        since = technician.at

        def shown() -> bool:
            terminal.look()
            return re.search(pattern, terminal.text[since:]) is not None

        until(does, shown)
        terminal.press(answer)

    def turn(name: str) -> Callable[[], None]:
        states = iter([True, False] * 2 * WITHIN_S)
        return lambda: stage.set_level(name, on=next(states))

    technician.answer("relay", "y", key="y")
    for lamp in ("go", "wait", "code", "observe"):
        technician.answer(f"lamp {lamp}", "y")
    for sound in ("buzzer", "call_staff", "voice"):
        technician.answer(sound, "y")
    feel("passage", lambda: stage.press("passage"), "passage: felt")
    feel("contact", turn("contact"), r"open\s+contact: shut")
    feel("attendant_button", lambda: stage.press("attendant"), "attendant_button: felt")
    feel("call_button", lambda: stage.press("attendant"), "attendant_button: felt", "n")
    for key in ("key_release", "key_mode"):
        feel(key, turn(key), r"turned\s+\S+ not turned")
    for name in ("child", "adult"):
        stage.see({f"distance {name}": 0.3})
        feel(name, partial(stage.stand, thermometer=name), r"3\d\.\d °C  30 cm\b")
        stage.step_away(name)
        technician.begin(f"{name} warmth")
        threading.Event().wait(BASELINE_S + 1.0)  # as the technician is told
        stage.see({name: 33.0})
        technician.see(r"\(\+(9|1\d)")
        terminal.press("y")
        stage.step_away(name)
        stage.see({f"distance {name}": 1.2})
        technician.begin(f"distance {name}")
        technician.see(r"1[12]\d cm")
        stage.see({f"distance {name}": 0.1})
        technician.see(r"\b(9|1\d) cm")
        terminal.press("y")
    technician.begin("ambient")
    technician.see(r"22\.\d °C")
    threading.Event().wait(BASELINE_S)
    stage.see({"ambient": 24.0})
    technician.see(r"\(\+[12]\.")
    terminal.press("y")
    technician.begin("scanner")
    stage.hold_up(CODE)
    technician.see("read “https://example.org/a-co…” .* after the beginning, .* zxing")
    terminal.press("y")
    feel("low", lambda: _scan(low), "read “https://example.org/a-co…”")
    technician.answer("way_out", "y")


def _scan(low: SerialScannerDevice) -> None:
    low.scan(CODE)


def test_everything_is_tried_told_first_and_kept_for_the_record(
    site: Site, stage: Stage, low: SerialScannerDevice
) -> None:
    with closing(site.walk("--report", str(site.report))) as terminal:
        technician = Technician(terminal)
        try_everything(technician, stage, low)
        technician.see("the gate is still stopped; start it: sudo systemctl start gated.target")
        # The call button did not work.
        assert terminal.process.wait(WITHIN_S) == ExitCode.FAILED
        terminal.look()
        text = terminal.text
    assert "Traceback" not in text
    rows = text[text.rindex("→ works") :]
    assert re.search(r"! does not work +call_button ", rows)
    assert re.search(r"  not configured +reference", rows)
    assert "23 works, 1 does not work, 1 not configured" in rows
    assert "wired to another line" in text, "what may be wrong, and what mends it"
    assert stage.openings == 1
    assert not stage.is_open
    assert len(stage.bell) > 1
    assert not stage.bell[-1].is_energised

    record = site.report.read_text(encoding="utf-8")
    assert "demo-school/east-1" in record
    assert "result 结果          NOT passed 未通过" in record
    assert re.search(r"^  child +[0-9a-f]{8,}$", record, flags=re.MULTILINE), "the chip's number"
    assert re.search(r"^  ambient +[0-9a-f]{8}$", record, flags=re.MULTILINE)
    assert "example" not in record, "what a code says goes nowhere"
    assert "°C" not in record, "nor what somebody measured"
    assert site.report.stat().st_mode & 0o777 == 0o600


# --- whatever ends it, nothing stays energised ----------------------------------------------------

LONG_PULSE = ("pulse_s = 0.5", "pulse_s = 5.0")
LINES = {"relay": "relay", "lamp wait": "wait", "call_staff": "call_staff", "buzzer": "buzzer"}


def end_by_key(terminal: Terminal) -> None:
    terminal.press("\x03")


def end_by_loss(terminal: Terminal) -> None:
    terminal.lose()


def end_by_signal(terminal: Terminal) -> None:
    terminal.process.send_signal(signal.SIGTERM)


ENDS: dict[Callable[[Terminal], None], int] = {
    end_by_key: 128 + signal.SIGINT,
    end_by_loss: 128 + signal.SIGHUP,
    end_by_signal: 128 + signal.SIGTERM,
}


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
@pytest.mark.parametrize("step", LINES)
def test_ctrl_c_a_lost_terminal_or_a_signal_leave_every_output_de_energised(
    step: str, end: Callable[[Terminal], None], folder: Path
) -> None:
    site = Site(folder, LONG_PULSE)
    with ExitStack() as held:
        far_end = held.enter_context(closing(Wire(site.run / OUTPUTS_SOCKET)))
        columns = heat_columns(site.config)
        held.enter_context(closing(HeatLog(site.run / HEAT_FILE, columns, create=True)))
        terminal = held.enter_context(closing(site.walk("--report", str(site.report))))
        technician = Technician(terminal)
        technician.skip_to(step)
        assert [level for level in far_end.rest() if level.energised] == [], "before it was told"
        terminal.press("y")
        line = LINES[step]
        seen = [energised(far_end, line)]
        end(terminal)
        assert terminal.process.wait(WITHIN_S) == ENDS[end]
        seen += far_end.rest()
        if end is not end_by_loss:
            terminal.look()
    # What the walk did itself, not what the wire's death would do.
    assert [level.energised for level in seen if level.line == line] == [True, False]
    assert "Traceback" not in terminal.text
    # What was done until then is kept, the rest as skipped.
    assert "NOT passed" in site.report.read_text(encoding="utf-8")


def energised(far_end: Wire, line: str) -> Level:
    """Return the level that says that ``line`` is energised, once it comes."""
    while True:
        level = far_end.wait_for(energised=True)
        if level.line == line:
            return level


def test_killed_in_the_middle_of_a_pulse_the_guard_ends_it(folder: Path) -> None:
    site = Site(folder, LONG_PULSE)
    with ExitStack() as held:
        far_end = held.enter_context(closing(Wire(site.run / OUTPUTS_SOCKET)))
        columns = heat_columns(site.config)
        held.enter_context(closing(HeatLog(site.run / HEAT_FILE, columns, create=True)))
        terminal = held.enter_context(closing(site.walk()))
        Technician(terminal).skip_to("relay")
        terminal.press("y")
        energised(far_end, "relay")
        terminal.process.kill()
        far_end.wait_for(energised=False)


def test_the_gate_opens_for_a_plain_yes_only_and_for_its_configured_pulse(
    site: Site, stage: Stage
) -> None:
    with closing(site.walk()) as terminal:
        technician = Technician(terminal)
        technician.see("the gate will open for 0.5 s. Let nobody stand in it")
        technician.see(BEGIN)
        since = len(terminal.text)

        def is_skipped() -> bool:
            terminal.look()
            return "→ skipped" in terminal.text[since:]

        # An Enter too many, from whatever came before; a no; a thumb on the space bar.
        keys = iter(["\n", "n", " ", *"s" * 4 * WITHIN_S])
        until(lambda: terminal.press(next(keys)), is_skipped)
        assert stage.relay == []
        until(lambda: terminal.press("q"), lambda: terminal.process.poll() is not None)
        assert terminal.process.returncode == ExitCode.FAILED
    with closing(site.walk()) as terminal:
        technician = Technician(terminal)
        technician.begin("relay", "y")  # asked when the pulse is over
        assert not stage.is_open
        on = [edge.is_energised for edge in stage.relay].index(True)
        held_s = stage.relay[on + 1].at_s - stage.relay[on].at_s
        assert held_s <= site.config.outputs.relay.pulse_s
        terminal.press("q")
        assert terminal.process.wait(WITHIN_S) == ExitCode.FAILED


# --- who may not walk -----------------------------------------------------------------------------


def test_a_running_gate_is_not_walked_around(folder: Path) -> None:
    with staged_gate(folder / "gate") as gate:
        gate.start()
        arguments = ("doctor", "--walk", "--config", str(gate.config_file))
        with closing(Terminal(*arguments)) as terminal:
            terminal.wait_shown(_REFUSED)
            assert terminal.process.wait(WITHIN_S) == ExitCode.UNAVAILABLE
        assert _is_well(gate)


_REFUSED = (
    r"the gate runs \(process \d+\) and holds these devices; stop it, the gate is shut meanwhile: "
    r"sudo systemctl stop gated\.target"
)


def _is_well(gate: StagedGate) -> bool:
    return gate.let_one_pass().body["outcome"] == "granted"


def test_one_that_hangs_or_a_scanner_keeps_the_walk_off_too(site: Site) -> None:
    lock = WriterLock(site.state / "ledger.db", "gated controller")
    with closing(site.walk()) as terminal:
        terminal.wait_shown("another gated controller runs .* the gate is shut meanwhile")
        assert terminal.process.wait(WITHIN_S) == ExitCode.UNAVAILABLE
    lock.release()
    with only_scanner_of(site.run), closing(site.walk()) as terminal:
        terminal.wait_shown("another scanner process serves this gate")
        assert terminal.process.wait(WITHIN_S) == ExitCode.UNAVAILABLE


def test_without_somebody_at_a_terminal_nothing_is_tried(site: Site, stage: Stage) -> None:
    answer = ask_gated("doctor", "--walk", "--config", str(site.file), "--stage", str(site.run))
    assert answer.returncode == ExitCode.FAILED
    assert "start it on a terminal" in answer.stderr
    answer = ask_gated("doctor", "--report", str(site.report), "--config", str(site.file))
    assert answer.returncode == ExitCode.FAILED
    assert "belong to --walk" in answer.stderr
    assert stage.relay == []


def test_a_record_is_never_written_over(site: Site, stage: Stage) -> None:
    site.report.write_text("of the last time", encoding="utf-8")
    with closing(site.walk("--report", str(site.report))) as terminal:
        terminal.wait_shown("name a new file")
        assert terminal.process.wait(WITHIN_S) == ExitCode.FAILED
    assert site.report.read_text(encoding="utf-8") == "of the last time"
    assert stage.relay == []


# --- for programs ---------------------------------------------------------------------------------


def test_json_says_the_same_and_doubts_a_yes_of_which_the_machine_saw_nothing(folder: Path) -> None:
    only_a_button = (
        ("passage = {", "# "), ("contact = {", "# "), ("call_button = {", "# "),
        ("key_release = {", "# "), ("key_mode = {", "# "),
    )  # fmt: skip
    site = Site(folder, *only_a_button)
    with closing(Stage(site.run, site.config)), closing(site.walk("--json")) as terminal:
        technician = Technician(terminal)
        technician.skip_to("attendant_button")
        terminal.press("\n")
        technician.see(ASKED)
        terminal.press("\x1a")  # Ctrl-Z: a stopped process would leave outputs as they are
        terminal.press("y")  # nobody has pressed it
        technician.see("~ yet no change of it was felt")
        technician.see(BEGIN)
        terminal.press("q")
        assert terminal.process.wait(WITHIN_S) == ExitCode.FAILED
        terminal.look()
        said = json.loads(terminal.text[terminal.text.index("{\r\n") :])
    assert said["v"] == 1
    assert said["passed"] is False
    assert said["sums"] == {"works": 1, "fails": 0, "skipped": 17, "not_configured": 7}
    (button,) = [step for step in said["steps"] if step["mark"] == "works"]
    assert button["step"] == "attendant_button"
    assert button["key"] == "inputs.attendant_button"
    assert button["doubt"]["en"] == "no change of it was felt"
