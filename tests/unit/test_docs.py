"""The pages say what the code does: tables are run through it, names are looked up in it."""

from __future__ import annotations

import argparse
import math
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from gated import cli
from gated.actuators.signals import SIGNALS
from gated.clock import TimeQuality
from gated.config import Camera, CollectorConfig, GateConfig
from gated.contents import AlarmName, Kind
from gated.credentials.persons import load_persons
from gated.errors import ConfigError, ExitCode
from gated.facts.running import SILENT_AFTER_MS
from gated.judgement import Judgement, TemperatureRules, admit_reading, judge_temperature
from gated.messages import Credential, Reading
from gated.policy import NOT_JUDGED_REASONS, Context, Decision, Rules, decide
from gated.sensors.registry import driver_names
from gated.sensors.sampling import SamplingRules
from gated.supervisor import HEARTBEAT_STALE_S
from gated.texts import MODES, OUTCOMES, PROMPTS
from gated.units import MonoSeconds
from gated.vocabulary import (
    Check,
    CodeColour,
    CredentialStatus,
    Direction,
    HolderCategory,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    ReleaseResult,
    Verdict,
    WhenNotJudged,
)
from gated.wire import GateTopics, collector_state_topic
from tests.pages import spans, table

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
ALL = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")
OPERATE = (DOCS / "operate.md").read_text(encoding="utf-8")
GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")


# --- the temperature rule ------------------------------------------------------------------------

TEMPERATURE_ROWS = table(ARCHITECTURE, "readings", "examples in °C", "verdict")


def reading_of(word: str) -> Reading:
    at = MonoSeconds(-60.0 if word == "stale" else 0.0)
    numbers = {"none": None, "nan": math.nan, "stale": 36.6}
    return Reading("child", at, numbers[word] if word in numbers else float(word))


def temperature_examples() -> Iterator[tuple[str, bool, Verdict]]:
    is_inclusive = True
    for row in TEMPERATURE_ROWS:
        if "fever_threshold_inclusive = false" in row["readings"]:
            is_inclusive = False
        elif not row["readings"].startswith("the same"):
            is_inclusive = True
        (verdict,) = spans(row["verdict"])
        for example in spans(row["examples in °C"]):
            yield example, is_inclusive, Verdict(verdict)


@pytest.mark.parametrize(("example", "is_inclusive", "expected"), list(temperature_examples()))
def test_every_example_of_the_temperature_table_is_what_the_policy_says(
    example: str, is_inclusive: bool, expected: Verdict
) -> None:
    rules = TemperatureRules(fever_threshold_inclusive=is_inclusive)
    readings = [
        admit_reading(reading_of(word), MonoSeconds(0.0), rules) for word in example.split()
    ]
    assert judge_temperature(readings, rules).verdict is expected


def test_the_temperature_table_has_every_verdict_and_both_ways_to_read_the_threshold() -> None:
    assert {verdict for _, _, verdict in temperature_examples()} == set(Verdict)
    assert {is_inclusive for _, is_inclusive, _ in temperature_examples()} == {True, False}
    assert f"fever_threshold_c` ({TemperatureRules().fever_threshold_c:g})" in ARCHITECTURE
    assert f"guard_below_c` ({TemperatureRules().guard_below_c:g})" in ARCHITECTURE
    assert f"guard_above_c` ({TemperatureRules().guard_above_c:g})" in ARCHITECTURE
    assert f"max_attempts` ({TemperatureRules().max_attempts})" in ARCHITECTURE


def test_every_reason_for_a_refused_reading_is_listed_under_the_table() -> None:
    (sentence,) = re.findall(r"A reading is refused, each with its reason: ([^.]+)\.", ARCHITECTURE)
    assert set(spans(sentence)) == NOT_JUDGED_REASONS


# --- the decision --------------------------------------------------------------------------------

DECISION_ROWS = table(
    ARCHITECTURE,
    "temperature",
    "credential",
    "context",
    "outcome",
    "reason",
    "prompt",
    "alarm",
)
JUDGEMENTS = {
    "normal": Judgement(Verdict.NORMAL, (), 36.6),
    "high": Judgement(Verdict.HIGH, (Reason.TEMPERATURE_HIGH,), 38.5),
    "not_judged": Judgement(Verdict.NOT_JUDGED, (Reason.COLD_FACE,)),
    "recheck": Judgement(Verdict.RECHECK, (), 37.3, is_guarded=True),
}
_VALID = Credential(CredentialStatus.VALID, "GP1", "p1", category=HolderCategory.STUDENT)
CREDENTIALS: dict[str, Credential | None] = {
    **{status.value: replace(_VALID, status=status) for status in CredentialStatus},
    "none": None,
    "two codes at once": replace(_VALID, is_ambiguous=True),
    "for the other direction": replace(_VALID, direction=Direction.OUT),
    "for another zone": replace(_VALID, zones=("canteen",)),
    "used as often as it may be": replace(_VALID, max_uses=1),
    "used this way already": _VALID,
    "listed person": replace(_VALID, is_listed=True),
    "red": replace(_VALID, colour=CodeColour.RED),
    "yellow": replace(_VALID, colour=CodeColour.YELLOW),
    "escort": replace(_VALID, category=HolderCategory.ESCORT),
    "duty": replace(_VALID, category=HolderCategory.DUTY),
    "emergency": replace(_VALID, category=HolderCategory.EMERGENCY),
    "on the duty list": replace(_VALID, is_on_duty=True),
    "not enough for the site's rules": replace(_VALID, findings=((Reason.NOT_ENOUGH, Check.HARD),)),
    "judged by an old revocation list": replace(
        _VALID, findings=((Reason.REVOCATIONS_OLD, Check.SOFT),)
    ),
    "judged by an old answer of the platform": replace(
        _VALID, findings=((Reason.DEGRADED, Check.SOFT),)
    ),
    "dynamic, shown before": replace(_VALID, code_made_s=1_763_999_999),
    "dynamic": replace(_VALID, code_made_s=1_764_000_000),
}
CLOCKS = {"clock unknown": TimeQuality.UNKNOWN, "clock in holdover": TimeQuality.HOLDOVER}
ON_DUTY = {"duty", "emergency", "on the duty list"}


@dataclass(frozen=True)
class Case:
    """One row with its words replaced by values."""

    row: dict[str, str]
    temperature: str
    credential: str

    def __str__(self) -> str:
        return f"{self.temperature}, {self.credential}, {self.row['context']}"

    def decide(self, *, without_mode: bool = False) -> Decision:
        words = spans(self.row["context"])
        mode = next((Mode(word) for word in words if word in set(Mode)), Mode.NORMAL)
        context = Context(
            mode=Mode.NORMAL if without_mode else mode,
            time_quality=next(
                (CLOCKS[word] for word in words if word in CLOCKS), TimeQuality.TRUSTED
            ),
            uses=1,
            newest_code_s=1_763_999_999,
            is_passback=self.credential == "used this way already",
            is_anybody_there="nobody is there" not in words,
        )
        judgement = JUDGEMENTS[self.temperature]
        if "one reading in the guard band" in words:
            judgement = replace(judgement, is_guarded=True)
        if "sun on the lane" in words:
            judgement = replace(judgement, is_sunlit=True)
        admits = "when_not_judged = admit_and_list" in words
        when = WhenNotJudged.ADMIT_AND_LIST if admits else WhenNotJudged.SEE_STAFF
        rules = Rules(
            temperature=TemperatureRules(when_not_judged=when),
            check_temperature=Check.SOFT if "temperature = soft" in words else Check.HARD,
            check_credential=Check.SOFT if "credential = soft" in words else Check.HARD,
            sends_unverified_to_staff="when_unreachable = see_staff" in words,
            check_anti_passback=Check.HARD if "anti_passback = hard" in words else Check.SOFT,
        )
        return decide(judgement, CREDENTIALS[self.credential], context, rules)


def cases() -> Iterator[Case]:
    for row in DECISION_ROWS:
        temperatures = spans(row["temperature"]) or list(JUDGEMENTS)
        credentials = spans(row["credential"])
        if not credentials:
            assert row["credential"] == "any"
            credentials = [name for name in CREDENTIALS if name not in ON_DUTY]
        for temperature in temperatures:
            for credential in credentials:
                yield Case(row, temperature, credential)


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_every_row_of_the_decision_table_is_what_the_policy_says(case: Case) -> None:
    decision, row = case.decide(), case.row
    if row["outcome"].startswith("as in"):
        assert decision == case.decide(without_mode=True)
        return
    outcome, *more = spans(row["outcome"])
    assert decision.outcome is Outcome(outcome)
    assert decision.follow_up == ("to_measure" if "to_measure" in more else None)
    assert (decision.would_have is not None) is ("would_have" in more)
    assert decision.prompt is Prompt(spans(row["prompt"])[0])
    failed, _, noted = row["reason"].partition("noted")
    reasons = [Reason(word) for word in spans(failed)]
    if noted:
        assert decision.reasons == tuple(reasons)
        assert decision.noted == tuple(Reason(word) for word in spans(noted))
    elif row["credential"] == "any" or row["temperature"] == "any":
        assert decision.reason is (reasons[0] if reasons else None)
    else:
        assert decision.reasons == tuple(reasons)
    if row["alarm"] == "the same alarms":
        assert decision.alarms == case.decide(without_mode=True).alarms
    elif row["credential"] == "any":
        assert decision.alarms[0] is AlarmName(spans(row["alarm"])[0])
    else:
        assert decision.alarms == tuple(AlarmName(word) for word in spans(row["alarm"]))


def test_the_decision_table_leaves_no_outcome_credential_or_reason_out() -> None:
    column = {name: " ".join(row[name] for row in DECISION_ROWS) for name in DECISION_ROWS[0]}
    assert set(Outcome) <= set(spans(column["outcome"]))
    assert set(CREDENTIALS) <= set(spans(column["credential"]))
    elsewhere = {Reason.STORAGE_FAILED, Reason.RESTART}  # not of a decision
    assert set(Reason) - NOT_JUDGED_REASONS - elsewhere <= set(spans(column["reason"]))
    assert {Mode.CLOSED, Mode.OBSERVE} <= set(spans(column["context"]))


# --- threads, queues, modules --------------------------------------------------------------------

SOURCES = sorted((ROOT / "gated").rglob("*.py"))


def test_every_thread_is_listed() -> None:
    listed = " ".join(row["thread"] for row in table(ARCHITECTURE, "process", "thread", "does"))
    made = r"(?:supervisor\.add|_run_thread)\(\s*f?\"([a-z]+)|Thread\([^)]*name=\"([a-z]+)\""
    found = {
        first or second
        for source in SOURCES
        for first, second in re.findall(made, source.read_text(encoding="utf-8"))
    }
    assert {"decider", "ledger", "thermometer", "camera", "dial"} <= found
    assert {name for name in found if f"`{name}" not in listed} == set()


QUEUE_ROWS = table(ARCHITECTURE, "from → to", "bound", "when full")
BOUNDS = re.findall(
    r"`([A-Z_]+)` = ([0-9.]+)", " ".join(cell for row in QUEUE_ROWS for cell in row.values())
)


@pytest.mark.parametrize(("name", "said"), BOUNDS)
def test_every_bound_of_a_queue_is_the_codes(name: str, said: str) -> None:
    constant = re.compile(rf"^{name}(?:: Final)? = ([0-9_.]+)", re.MULTILINE)
    found = [v for s in SOURCES for v in constant.findall(s.read_text(encoding="utf-8"))]
    assert [float(value) for value in found] == [float(said)]


def test_every_queue_of_the_controller_has_its_row() -> None:
    main = (ROOT / "gated/controller/main.py").read_text(encoding="utf-8")
    bounds = set(re.findall(r"queue\.Queue\((\w+)\)", main))
    assert bounds
    assert bounds <= {name for name, _ in BOUNDS}


def test_every_module_has_one_line_in_the_map() -> None:
    rows = table(ARCHITECTURE, "module", "what")
    listed = [name for row in rows for name in spans(row["module"])]
    assert len(listed) == len(set(listed))
    own = {"__init__.py", "py.typed", "__pycache__"}
    there = {
        f"gated/{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in (ROOT / "gated").iterdir()
        if entry.name not in own
    }
    assert set(listed) == there


def test_the_two_guards_against_an_exchange_of_people_are_where_the_page_says() -> None:
    sampling = (ROOT / "gated/sensors/sampling.py").read_text(encoding="utf-8")
    front = (ROOT / "gated/visit/front.py").read_text(encoding="utf-8")
    assert "exchange_drop_c" in sampling
    assert "def _measured_anew" in front
    assert "def _presence_started" in front
    drop_c = {f.name: f for f in SamplingRules.__dataclass_fields__.values()}["exchange_drop_c"]
    assert f"a sample {drop_c.default:g} °C below it" in ARCHITECTURE


def test_the_intervals_on_the_page_are_the_codes() -> None:
    assert f"older than {SILENT_AFTER_MS / 1_000:g} s means that it does not run" in ARCHITECTURE
    assert f"a heartbeat older than {HEARTBEAT_STALE_S:g} s" in ARCHITECTURE


# --- what an operator looks up -------------------------------------------------------------------


def lamp_table() -> str:
    lines = ["| prompt | lamps | beeps | 中文 | English |", "| --- | --- | --- | --- | --- |"]
    for prompt, signal in SIGNALS.items():
        shown = (f"{n} blinking" if n in signal.blinks else n for n in sorted(signal.lamps))
        lamps = " + ".join(shown) or "–"
        beeps = " + ".join(f"{length_s:g} s" for length_s in signal.beeps_s[::2]) or "–"
        lines.append(f"| `{prompt}` | {lamps} | {beeps} | {' | '.join(PROMPTS[prompt])} |")
    return "\n".join(lines) + "\n"


def test_the_lamps_and_sounds_are_the_codes() -> None:
    assert lamp_table() in OPERATE, f"put this into docs/operate.md:\n{lamp_table()}"
    assert set(SIGNALS) == set(Prompt)


def test_every_exit_code_is_explained() -> None:
    (sentence,) = re.findall(r"Exit codes of every command: (.+?)\n\n", OPERATE, flags=re.DOTALL)
    assert [int(n) for n in re.findall(r"(?<!\w)(\d+) ", sentence)] == [
        code.value for code in ExitCode
    ]


def test_every_bad_input_has_its_row() -> None:
    rows = table(OPERATE, "what", "what you see", "do")
    said = " ".join(row["what"] for row in rows)
    for what in (
        "configuration is garbled",
        "key or list cannot be read",
        "broker is absent",
        "disk is full",
        "ledger is corrupt",
        "control characters",
        "over 16 KiB",
        "`kill -9`",
    ):
        assert what in said


def test_the_list_of_persons_on_the_page_is_one_and_a_wrong_line_is_told_as_it_says(
    tmp_path: Path,
) -> None:
    section = (DOCS / "trust.md").read_text(encoding="utf-8").split("## Lists of persons", 1)[1]
    path = tmp_path / "persons.txt"
    path.write_text(section.split("```\n", 2)[1], encoding="utf-8")
    listed = load_persons(path)
    found = [[day for day in range(1, 10) if who in listed.on(date(2026, 12, day))]
             for who in ("s-0412", "t-031", "t-007")]  # fmt: skip
    assert found == [[1, 2, 3, 4, 5, 6], [*range(1, 10)], [3, 4, 5, 6]]
    path.write_text("\n" * 6 + "s-0412 soon\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_persons(path)
    (row,) = (
        r for r in table(OPERATE, "what", "what you see", "do") if "persons list" in r["what"]
    )
    (said,) = re.findall("`persons list …: (.*?)`", row["what you see"])
    assert str(refused.value) == f"persons list {path}: {said}"


def test_who_records_the_camera_by_hand_has_the_scanners_groups() -> None:
    unit = (ROOT / "systemd/gated-scanner.service").read_text(encoding="utf-8")
    (groups,) = re.findall("^SupplementaryGroups=(.*)$", unit, re.MULTILINE)
    recipes = re.findall("sudo -u gated (.*)gated scan --record", OPERATE)
    assert recipes
    assert all(recipe.split() == ["-g", groups.split()[0]] for recipe in recipes)


# --- names ---------------------------------------------------------------------------------------


def subcommands(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_command_is_in_the_pages(command: str) -> None:
    assert f"gated {command}" in ALL
    module = cli.load_command(command)
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    missing = [name for name in subcommands(parser) if f"gated {command} {name}" not in ALL]
    assert missing == []


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert cli.load_command(command).HELP.split()[0] in capsys.readouterr().out


def test_every_section_of_the_configuration_is_in_the_reference() -> None:
    reference = (DOCS / "config-reference.md").read_text(encoding="utf-8")
    for section in (*GateConfig.model_fields, *CollectorConfig.model_fields):
        assert f"`[{section}]`" in reference


def test_every_kind_of_record_is_in_the_mqtt_reference_and_the_glossary() -> None:
    reference = (DOCS / "mqtt-reference.md").read_text(encoding="utf-8")
    for kind in Kind:
        assert f"### rec/{kind}\n" in reference, kind
        assert f"`{kind}`" in GLOSSARY, kind


def test_every_topic_is_in_the_mqtt_reference() -> None:
    reference = (DOCS / "mqtt-reference.md").read_text(encoding="utf-8")
    gate = GateTopics("{site}", "{gate}")
    topics = [gate.record("{kind}"), gate.live, gate.state, gate.ack, gate.command]
    for topic in (*topics, collector_state_topic("{collector}")):
        assert f"`{topic}`" in reference, topic
    assert "`/resp`" in reference
    assert gate.response.endswith("/resp")


def test_every_driver_and_frame_source_is_described() -> None:
    drivers = (DOCS / "drivers.md").read_text(encoding="utf-8")
    assert [name for name in driver_names() if f"| `{name}` |" not in drivers] == []
    assert [camera for camera in Camera if camera.value not in ALL] == []


@pytest.mark.parametrize(
    "words",
    [
        Outcome,
        Verdict,
        Mode,
        CredentialStatus,
        HolderCategory,
        TimeQuality,
        PassageResult,
        ReleaseResult,
    ],
)
def test_every_closed_vocabulary_is_in_the_glossary(words: type[Outcome]) -> None:
    assert [word for word in words if f"`{word}`" not in GLOSSARY] == []


def test_the_glossary_translates_outcomes_and_modes_as_the_gate_does() -> None:
    for zh, _ in OUTCOMES.values():
        assert zh in GLOSSARY
    for zh, _ in MODES.values():
        assert zh.partition("（")[0] in GLOSSARY


def test_no_word_of_the_glossary_is_explained_twice() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\*", GLOSSARY, flags=re.MULTILINE)
    assert len(words) > 50
    assert len(words) == len(set(words))


# --- links ---------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual renderers make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def links(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_no_link_leaves_the_folder_that_a_package_installs() -> None:
    pages = [page for page in PAGES if page.is_relative_to(DOCS)]
    targets = {
        (page.parent / link.partition("#")[0]).resolve() for page in pages for link in links(page)
    }
    assert {target for target in targets if not target.is_relative_to(DOCS)} == set()


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "index.md"
    listed = {(DOCS / link.partition("#")[0]).resolve() for link in links(index)}
    assert {page for page in DOCS.rglob("*.md") if page != index} <= listed


def test_the_readme_is_the_packages_own_and_shows_the_picture() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["readme"] == "README.md"
    assert "docs/visit.svg" in (ROOT / "README.md").read_text(encoding="utf-8")
    picture = (DOCS / "visit.svg").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in picture
    for word in ("来访者", "测温", "扫码", "判定", "先存盘", "再开门", "汇总端"):
        assert word in picture


def test_every_page_that_the_code_refers_to_is_there() -> None:
    texts = {
        s: s.read_text(encoding="utf-8") for s in [*SOURCES, *(ROOT / "gated").rglob("*.toml")]
    }
    missing = {
        f"{source.relative_to(ROOT)}: {name}"
        for source, text in texts.items()
        for name in re.findall(r"docs/[a-z-]+\.md", text)
        if not (ROOT / name).exists()
    }
    assert missing == set()
