"""A whole gate that asks a platform: the answer opens, and a platform that is away slows nobody."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gated.clock import SystemClock
from gated.config.verifier import PlatformResult
from gated.contents import Kind
from gated.simulation.platform import (
    APP_ID,
    MASKED_ID,
    MASKED_NAME,
    NUMBERS,
    RESULT_MEMBER,
    SECRET,
    Mood,
    SimulatedPlatform,
)
from gated.vocabulary import Prompt
from tests.gate_processes import CLOCK, PATIENCE_S, processes_of, wait_for
from tests.gate_rig import Event, StagedGate, staged_gate

TIME_OUT_S = 2.0
CACHE_S = 0.5
NEW_AFTER_S = 2.5
"""Out of view for this long, a code that comes again is another presentation."""

NewGate = Callable[..., StagedGate]


def token(number: int) -> str:
    return f"PROV{number:028d}"


def section(platform: SimulatedPlatform, *more: str) -> str:
    results = ", ".join(
        f'{{ says = "{number}", means = "{result}" }}' for result, number in NUMBERS.items()
    )
    lines = (
        "[verifier]",
        "enabled = true",
        f'url = "{platform.url}"',
        f'app_id = "{APP_ID}"',
        f'key_file = "{platform.key_file}"',
        f'ca_file = "{platform.ca_file}"',
        'tokens = [{ prefix = "PROV", min_characters = 32, max_characters = 32 }]',
        f'result_member = "{RESULT_MEMBER}"',
        f"results = [{results}]",
        f"time_out_s = {TIME_OUT_S}",
        f"cache_s = {CACHE_S}",
        *more,
        "[visit]",
    )
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short path: the names of sockets are limited."""
    return tmp_path_factory.mktemp("v")


@pytest.fixture
def platform(folder: Path) -> Iterator[SimulatedPlatform]:
    (folder / "p").mkdir()
    with SimulatedPlatform(folder / "p", SystemClock()) as platform:
        yield platform


@pytest.fixture
def new_gate(folder: Path, platform: SimulatedPlatform) -> Iterator[NewGate]:
    """A function that makes and starts a gate; it must end in order, having written no token."""
    gates: list[StagedGate] = []
    with ExitStack() as running:

        def make(*more: str) -> StagedGate:
            changes = {"[visit]\n": section(platform, *more)}
            gate = running.enter_context(staged_gate(folder / "g", changes=changes))
            gates.append(gate)
            gate.start()
            return gate

        yield make
        for gate in gates:
            assert gate.stop() == 0, gate.log()
            assert processes_of(gate.folder) == []
            assert "Traceback" not in gate.log()
            assert traces(gate) == []


def traces(gate: StagedGate) -> list[str]:
    """Return where the gate left anything of a token or of its holder."""
    words = [b"PROV0", MASKED_NAME.encode(), MASKED_ID.encode(), SECRET.encode()]
    left = [word for word in words if word in gate.log().encode()]
    found = [f"log: {word!r}" for word in left]
    for file in gate.folder.rglob("*"):
        is_stage = file.name.startswith(("frame", "heat"))  # the scenario's own
        if file.is_file() and not is_stage:
            content = file.read_bytes()
            found += [f"{file}: {word!r}" for word in words if word in content]
    return found


def see(gate: StagedGate, number: int) -> Event:
    """Let somebody come with a token, and leave again."""
    visit = gate.visit(token(number))
    if visit.body["outcome"] == "granted":
        gate.go_through(visit)
    gate.leave()
    return visit


def admits(gate: StagedGate) -> Callable[[], bool]:
    """Return a function that lets one more stranger come, and says whether they were let in."""
    numbers = itertools.count(100)
    return lambda: see(gate, next(numbers)).body["outcome"] == "granted"


def summary(visit: Event) -> tuple[object, object, object]:
    body = visit.body
    return body["outcome"], body["reason"], body["credential_status"]


def test_people_go_by_what_the_platform_says_of_their_codes(
    new_gate: NewGate, platform: SimulatedPlatform
) -> None:
    expected = {
        PlatformResult.GREEN: ("granted", None, "valid"),
        PlatformResult.GREY: ("denied", "code_grey", "code_grey"),
        PlatformResult.DOES_NOT_EXIST: ("denied", "does_not_exist", "does_not_exist"),
        PlatformResult.RED: ("see_staff", "code_red", "code_red"),
    }
    for number, result in enumerate(expected):
        platform.know(token(number), result)
    gate = new_gate()
    for number, result in enumerate(expected):
        visit = see(gate, number)
        assert summary(visit) == expected[result]
        assert visit.body["credential_format"] == "online"
    assert [asked.refused for asked in platform.asked] == [""] * len(expected)
    assert len({asked.connection for asked in platform.asked}) == len(expected)


def test_a_code_of_the_sites_own_never_leaves_the_gate(
    new_gate: NewGate, platform: SimulatedPlatform
) -> None:
    gate = new_gate()
    assert gate.let_one_pass().body["credential_format"] == "GP1"
    assert platform.asked == []


def test_a_slow_answer_is_waited_for_with_a_word(
    new_gate: NewGate, platform: SimulatedPlatform
) -> None:
    platform.know(token(1), PlatformResult.GREEN)
    platform.mood, platform.slow_s = Mood.SLOW, 1.4
    gate = new_gate()
    since_s = CLOCK.monotonic_s()
    assert see(gate, 1).body["outcome"] == "granted"
    assert gate.stage.has_shown(Prompt.ONE_MOMENT, since_s)


def test_a_platform_that_hangs_costs_two_people_the_time_out_and_nobody_else(
    new_gate: NewGate, platform: SimulatedPlatform
) -> None:
    gate = new_gate()
    platform.mood = Mood.HANGS
    for number in (1, 2):
        assert summary(see(gate, number)) == (
            "see_staff",
            "verifier_time_out",
            "verifier_time_out",
        )
    assert len(platform.asked) == 2
    gate.wait_event(Kind.ALARM, alarm="device_lost", device="verifier")
    quick = see(gate, 3)
    assert quick.body["reason"] == "verifier_time_out"
    assert isinstance(quick.body["took_ms"], int)
    assert quick.body["took_ms"] < 2_000 + 1_000
    assert gate.let_one_pass().body["credential_format"] == "GP1"
    gate.leave()

    platform.mood, platform.unknown = Mood.ANSWERS, PlatformResult.GREEN
    wait_for(admits(gate), "a platform that answers again", 2 * PATIENCE_S, log=gate.log)
    gate.wait_event(Kind.ALARM, alarm="device_returned", device="verifier")
    lost = [e for e in gate.of_kind(Kind.ALARM) if e.body["alarm"] == "device_lost"]
    assert len(lost) == 1, "told once"


def test_the_last_answer_lets_in_while_the_platform_is_away_and_is_noted(
    new_gate: NewGate, platform: SimulatedPlatform
) -> None:
    platform.know(token(1), PlatformResult.GREEN)
    gate = new_gate('when_unreachable = "last_answer"', "cache_max_age_s = 600.0")
    first = see(gate, 1)
    assert "degraded" not in str(first.body["noted"])
    platform.stop()
    threading.Event().wait(NEW_AFTER_S)
    again = see(gate, 1)
    assert again.body["outcome"] == "granted"
    assert again.body["noted"] == ["passback", "degraded"]
    stranger = see(gate, 2)
    assert summary(stranger)[:2] == ("see_staff", "verifier_time_out")


def test_without_an_uplink_the_gate_says_so_at_once_and_goes_on(
    new_gate: NewGate, platform: SimulatedPlatform
) -> None:
    platform.know(token(1), PlatformResult.GREEN)
    gate = new_gate()
    uplink = gate.pid("uplink")
    gate.kill("uplink")
    assert see(gate, 1).body["reason"] == "verifier_time_out"
    assert gate.let_one_pass().body["outcome"] == "granted"
    gate.leave()
    wait_for(lambda: gate.pid("uplink") not in (None, uplink), "another uplink", log=gate.log)
    platform.unknown = PlatformResult.GREEN
    wait_for(admits(gate), "an answer again", log=gate.log)
