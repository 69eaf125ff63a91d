from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gated.cli import main
from gated.clock import FakeClock
from gated.commands.status import gather
from gated.commands.status_output import as_json, exit_code, screen
from gated.config import GateConfig, parse_gate
from gated.contents import AlarmContent, AlarmName
from gated.errors import ExitCode
from gated.facts.problems import problems
from gated.facts.status import GateStatus
from gated.ledger.mailbox import Mailbox
from gated.ledger.writer import Ledger
from gated.texts import LANGUAGES
from gated.vocabulary import Outcome, Reason
from gated.wire import Draft
from tests.config_texts import with_keys
from tests.ledger_drafts import ack, open_ledger, stamp, stored, visit

NOW = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)  # 08:30 at the gate


@dataclass
class Gate:
    """A gate's folders, filled by hand as its processes would."""

    folder: Path
    clock: FakeClock = field(default_factory=lambda: FakeClock(wall=NOW))
    ledger: Ledger | None = None

    def __post_init__(self) -> None:
        self.run.mkdir()

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def config_file(self) -> Path:
        return self.folder / "gated.toml"

    @property
    def config(self) -> GateConfig:
        text = with_keys("paths", f'state = "{self.folder}"', f'run = "{self.run}"')
        text += "[ledger]\nmin_free_mb = 20\n"
        self.config_file.write_text(text, encoding="utf-8")
        return parse_gate(text, "gated.toml")

    def say_status(self, **changed: object) -> None:
        status = {
            "v": 1,
            "pid": 4711,
            "boottime_ms": self.clock.boottime_ms(),
            "mode": "normal",
            "drill": False,
            "prompt": "ready",
            "time_quality": "trusted",
            "devices": {"child": "ok", "scanner": "ok", "relay": "ok"},
            "threshold_c": 37.3,
            "rules": "r-1",
            "boot_nonce": "0011",
            "visits": 0,
        }
        (self.run / "status.json").write_text(json.dumps(status | changed), encoding="utf-8")

    def record(self, *drafts: Draft, acked: bool = True) -> None:
        if self.ledger is None:
            self.ledger = open_ledger(self.folder / "ledger.db", self.clock).ledger
        events = stored(self.ledger.append(list(drafts)))
        if acked:
            answer = ack(self.ledger, events[-1].seq, events[-1].hash)
            answer = answer.model_copy(update={"at": self.clock.now().isoformat()})
            self.ledger.apply_ack(answer)
            mailbox = Mailbox(self.folder / "uplink.db", self.clock)
            mailbox.store_ack(answer)
            mailbox.close()

    def status(self) -> GateStatus:
        return gather(self.config, self.config_file, self.clock)


def alarm(name: AlarmName, at: datetime, device: str | None = None) -> Draft:
    return Draft(AlarmContent(alarm=name, device=device), stamp(at))


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def shown(status: GateStatus) -> dict[str, str]:
    """Return the screen's rows: label → text."""
    lines = list(screen(status, "en"))
    return {line[:12].strip(): line[12:].strip() for line in lines[: lines.index("")]}


def test_a_gate_that_is_well_says_so_on_one_screen(gate: Gate) -> None:
    gate.say_status()
    gate.record(
        visit("0a", when=stamp(NOW)),
        visit("0b", when=stamp(NOW)),
        visit("0c", outcome=Outcome.SEE_STAFF, reason=Reason.COLD_FACE, when=stamp(NOW)),
        visit("0d", when=stamp(NOW - timedelta(hours=9))),  # yesterday, at the gate
    )
    status = gate.status()
    rows = shown(status)
    assert rows["gate"].startswith("lixin-primary/east-1")
    assert rows["time"] == "2026-11-23 08:30:00+08:00, trusted"
    assert rows["controller"].startswith("runs, process 4711")
    assert rows["mode"] == "normal"
    assert rows["threshold"] == "37.3 °C, rules r-1"
    assert rows["devices"] == "child ok · scanner ok · relay ok"
    assert rows["today"] == "3 visits: granted 2, see staff 1"
    assert rows["uplink"] == "everything is delivered; last acknowledgement 0 s ago"
    assert rows["ledger"].startswith("4 events, ")
    assert (rows["last alarm"], rows["last fault"]) == ("none", "none")
    assert list(problems(status)) == []
    assert exit_code(status) is ExitCode.OK


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_screen_fits_one_screen_in_both_languages(gate: Gate, language: str) -> None:
    gate.say_status(devices={"child": "lost", "relay": "lost"}, time_quality="unknown")
    gate.record(visit("0a", when=stamp(NOW)), alarm(AlarmName.LEDGER_FULL, NOW))
    lines = list(screen(gate.status(), "en" if language == "en" else "zh-Hans"))
    assert len(lines) <= 24
    assert ("child LOST" in "\n".join(lines)) is (language == "en")
    assert ("child 失联" in "\n".join(lines)) is (language != "en")


@pytest.mark.parametrize(
    ("stage", "told"), [("renew_due", "is to be renewed"), ("expired", "records wait here")]
)
def test_a_certificate_that_ends_is_something_wrong(gate: Gate, stage: str, told: str) -> None:
    due = {"what": "certificate east-1", "stage": stage, "until": "2026-12-01T08:00:00+00:00"}
    gate.say_status(certificates=[due])
    status = gate.status()
    ((zh, en),) = [text for text in problems(status) if "certificate east-1" in text[1]]
    assert en.startswith("certificate east-1 ")
    assert told in en
    assert "2026-12-01" in zh
    assert exit_code(status) is ExitCode.FAILED


def test_where_nothing_has_ever_run_it_says_what_to_start(gate: Gate) -> None:
    status = gate.status()
    assert exit_code(status) is ExitCode.UNAVAILABLE
    told = [en for _, en in problems(status)]
    assert f"gated run --config {gate.config_file}" in told[0]
    assert "there is no ledger" in told[1]
    assert shown(status)["controller"] == "not running"


@pytest.mark.parametrize(
    ("age_s", "is_running"), [(0, True), (3, True), (3.001, False), (60, False)]
)
def test_a_controller_that_writes_no_more_does_not_run(
    gate: Gate, age_s: float, is_running: bool
) -> None:
    gate.say_status()
    gate.record(visit("0a", when=stamp(NOW)))
    gate.clock.advance(age_s)
    status = gate.status()
    assert exit_code(status) is (ExitCode.OK if is_running else ExitCode.UNAVAILABLE)
    if not is_running:
        assert shown(status)["controller"].startswith("no sign of life for ")
        assert shown(status)["today"] == "1 visit: granted 1"  # what is known is still shown


def test_a_status_from_before_this_start_of_the_machine_is_none(gate: Gate) -> None:
    gate.say_status(boottime_ms=gate.clock.boottime_ms() + 1)
    status = gate.status()
    assert exit_code(status) is ExitCode.UNAVAILABLE
    assert shown(status)["controller"] == "not running since this machine started"


def test_a_garbled_status_is_told_and_is_no_running_controller(gate: Gate) -> None:
    (gate.run / "status.json").write_text('{"v": 1, "pid": ', encoding="utf-8")
    status = gate.status()
    assert exit_code(status) is ExitCode.UNAVAILABLE
    assert any("is not what this gated writes" in en for _, en in problems(status))


def test_an_account_that_may_not_look_is_told_so_and_not_that_the_gate_is_dead(
    gate: Gate,
) -> None:
    gate.say_status()
    hidden = replace(gate.status(), controller=None, is_hidden=True, trouble=("use sudo",))
    assert shown(hidden)["controller"] == "cannot be seen by this account"
    assert next(en for _, en in problems(hidden)) == "use sudo"
    assert "nobody enters" not in "\n".join(screen(hidden, "en"))
    assert exit_code(hidden) is ExitCode.UNAVAILABLE


def test_lamps_that_work_are_one_word_and_a_dark_one_has_its_name(gate: Gate) -> None:
    gate.say_status(devices={"relay": "ok", "lamp go": "ok", "lamp wait": "ok"})
    assert shown(gate.status())["devices"] == "relay ok · lamps ok"
    gate.say_status(devices={"relay": "ok", "lamp go": "lost", "lamp wait": "ok"})
    assert shown(gate.status())["devices"] == "relay ok · lamp go LOST · lamps ok"


@pytest.mark.parametrize(("gate_is", "text"), [("open", "stands open"), ("shut", "shut")])
def test_the_gates_own_contact_is_shown_where_there_is_one(
    gate: Gate, gate_is: str, text: str
) -> None:
    gate.say_status()
    assert "gate door" not in shown(gate.status())
    gate.say_status(gate=gate_is)
    assert shown(gate.status())["gate door"] == text


@pytest.mark.parametrize(
    ("device", "advice"),
    [
        ("scanner", "check the camera"),
        ("relay", "outputs.relay"),
        ("ambient", "temperature.ambient"),
        ("child", "check its cable and bus"),
        ("paper", "scanner.serial"),
        ("lamp go", "outputs.lamps"),
        ("voice", "outputs.voice"),
        ("inputs", "staff cannot release"),
        ("call_staff", "outputs.call_staff"),
        ("buzzer", "outputs.buzzer"),
    ],
)
def test_a_lost_device_is_a_fault_that_says_what_to_check(
    gate: Gate, device: str, advice: str
) -> None:
    gate.say_status(devices={"adult": "ok", device: "lost"})
    gate.record(visit("0a", when=stamp(NOW)))
    status = replace(gate.status(), serial=("paper",))
    ((zh, en),) = problems(status)
    assert en.startswith(f"{device} is lost")
    assert advice in en
    assert zh.startswith(f"{device} 失联")
    assert exit_code(status) is ExitCode.FAILED


@pytest.mark.parametrize(
    ("quality", "code"),
    [
        ("trusted", ExitCode.OK),
        ("holdover", ExitCode.OK),  # a gate works without a network's time
        ("unknown", ExitCode.FAILED),
    ],
)
def test_only_a_wrong_clock_is_a_fault(gate: Gate, quality: str, code: ExitCode) -> None:
    gate.say_status(time_quality=quality)
    gate.record(visit("0a", when=stamp(NOW)))
    assert exit_code(gate.status()) is code


@pytest.mark.parametrize(("waits", "is_late"), [(300, False), (301, True)])
def test_records_that_wait_for_more_than_five_minutes_are_held_up(
    gate: Gate, waits: int, is_late: bool
) -> None:
    gate.record(visit("0a", when=stamp(NOW - timedelta(hours=2))))
    gate.record(visit("0b", when=stamp(NOW - timedelta(seconds=waits))), acked=False)
    gate.say_status()
    status = gate.status()
    assert shown(status)["uplink"].startswith("1 event waits, since 08:2")
    assert exit_code(status) is (ExitCode.FAILED if is_late else ExitCode.OK)


def test_faults_are_told_from_alarms_about_people(gate: Gate) -> None:
    gate.say_status()
    gate.record(
        alarm(AlarmName.DEVICE_LOST, NOW - timedelta(days=1), "child"),
        alarm(AlarmName.DEVICE_RETURNED, NOW - timedelta(hours=2), "child"),
        alarm(AlarmName.TEMPERATURE_HIGH, NOW - timedelta(hours=1)),
    )
    rows = shown(gate.status())
    assert rows["last alarm"] == "07:30:00 temperature_high"
    assert rows["last fault"] == "2026-11-22 08:30 device_lost child"


def test_a_mode_that_ends_by_itself_shows_when(gate: Gate) -> None:
    gate.say_status(mode="observe", drill=True)
    gate.record(visit("0a", when=stamp(NOW)))
    assert gate.ledger is not None
    gate.ledger.append([], settings={"mode_expires_at": "2026-11-23T17:00:00.000+08:00"})
    assert shown(gate.status())["mode"] == "observe (records only) until 2026-11-23 17:00, drill"


def test_a_disk_without_its_reserve_is_a_fault(gate: Gate) -> None:
    gate.say_status()
    gate.record(visit("0a", when=stamp(NOW)))
    status = gate.status()
    full = GateStatus(
        **{name: getattr(status, name) for name in GateStatus.__dataclass_fields__}
        | {"free_bytes": status.min_free_bytes - 1}
    )
    ((_, en),) = problems(full)
    assert "make room on the disk" in en
    assert exit_code(full) is ExitCode.FAILED


def test_programs_get_the_same_facts_under_names(gate: Gate) -> None:
    gate.say_status(devices={"child": "lost"})
    gate.record(visit("0a", when=stamp(NOW)), alarm(AlarmName.DEVICE_LOST, NOW, "child"))
    facts = json.loads(json.dumps(as_json(gate.status())))
    assert (facts["running"], facts["mode"], facts["pid"]) == (True, "normal", 4711)
    assert facts["today"] == [
        {"kind": "alarm", "outcome": "device_lost", "count": 1},
        {"kind": "visit", "outcome": "granted", "count": 1},
    ]
    assert facts["ledger"]["backlog"] == 0
    assert facts["ledger"]["last_fault"]["device"] == "child"
    assert len(facts["problems"]) == 1


def test_the_command_prints_the_screen_and_exits_by_it(
    gate: Gate, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATED_LANG", "en")
    assert gate.config is not None
    command = ["status", "--config", str(gate.config_file)]
    assert main(command) == ExitCode.UNAVAILABLE
    assert "controller  not running" in capsys.readouterr().out
    assert main([*command, "--json"]) == ExitCode.UNAVAILABLE
    assert json.loads(capsys.readouterr().out)["running"] is False
    assert main(["status", "--config", str(gate.folder / "none.toml")]) == ExitCode.CONFIG
    assert "is missing" in capsys.readouterr().err
