"""The devices of a configuration, looked at by their own adapters and let go again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from gated.actuators.alsa import MixerControl
from gated.actuators.relay import Relay
from gated.commands.probe_output import (
    CheckResult,
    check_code,
    check_lines,
    parse_check,
)
from gated.config import GateConfig, parse_gate
from gated.config.explain import dump_toml, with_paths
from gated.credentials.pseudonym import make_site_key
from gated.durable import make_folder
from gated.errors import ExitCode, StorageError
from gated.ledger.files import check_folder
from gated.probe.check import WITHIN_S
from gated.probe.findings import (
    FrameSeen,
    Kind,
    StartFindings,
    State,
)
from gated.probe.start import look_at_start
from gated.probe.words import KINDS, MEND_ZH, STATES
from tests.probe_gate import LINES, Port, ProbedGate, pictures
from tests.relay_wire import wire

# --- against a configuration ---------------------------------------------------------------------


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[ProbedGate]:
    with wire() as far_end:
        yield ProbedGate(tmp_path, far_end)


ALL = [
    "child", "distance child", "ambient", "scanner", "paper", "relay", "call_staff", "lamp go",
    "lamp wait", "lamp code", "buzzer", "voice", "inputs",
]  # fmt: skip


def test_every_device_of_the_configuration_has_one_line_and_is_well(gate: ProbedGate) -> None:
    checked = gate.check()
    assert list(checked) == ALL
    assert {d.state for d in checked.values()} == {State.OK}
    assert {d.kind for d in checked.values()} == set(Kind)
    assert checked["child"].expected == "mlx90614 DCI /dev/i2c-1"
    assert "(chip " in checked["child"].reading
    assert checked["ambient"].reading.endswith("%RH")
    assert checked["scanner"].reading == "320 × 240 px, 20 %"
    result = CheckResult(tuple(checked.values()))
    assert check_code(result) is ExitCode.OK
    lines = list(check_lines(result, "en"))
    assert lines[4:6] == [
        "ok  paper (serial scanner, /dev/serial/by-id/usb-scanner-if00): 9600 Bd",
        "ok  relay (gpio GPIO17)",
    ]
    assert len(lines) == len(ALL)


def test_nothing_is_moved_and_everything_is_let_go(gate: ProbedGate) -> None:
    gate.check()
    assert gate.far_end.levels() == [False, False]  # taken, and let go
    assert [w.consumer for w in gate.header.wires] == [None] * len(LINES)
    assert [w.driven for w in gate.header.wires] == [None] * len(LINES)
    assert [(p.baud, p.is_closed) for p in gate.ports] == [(9_600, True)]
    assert bytes(gate.sound.heard) == b""
    again = gate.check()  # whatever was held would be busy now
    assert {d.state for d in again.values()} == {State.OK}


def test_a_line_is_taken_de_energised(gate: ProbedGate) -> None:
    levels: list[bool | None] = []
    bulb = gate.header.wire("GPIO22")
    original = gate.header.attach

    def attach(request: object) -> None:
        levels.append(bulb.driven)
        original(request)  # type: ignore[arg-type]  # a LineRequest

    gate.header.attach = attach  # type: ignore[method-assign]  # listens in
    gate.check()
    assert True not in levels
    assert False in levels


def test_what_is_missing_is_said_by_its_own_adapter(gate: ProbedGate) -> None:
    gate.buses["/dev/i2c-1"].detach(0x5A)
    gate.header.hold("GPIO22", "another program")
    gate.sound.is_plugged = False
    gate.config = gate.config.model_copy(
        update={"scanner": pictures(gate.config.paths.state / "absent")}
    )
    checked = gate.check()
    missing = {name: d.detail for name, d in checked.items() if d.state is State.MISSING}
    assert sorted(missing) == ["child", "lamp go", "scanner", "voice"]
    assert missing["child"] == (
        "/dev/i2c-1/0x5A: no MLX90614 answers: check its wires and supply; if it is asleep, switch "
        "its power off and on; if it is in PWM mode, change it"
    )
    assert "GPIO22 of chip pinctrl-bcm2711 is held by another program" in missing["lamp go"]
    result = CheckResult(tuple(checked.values()))
    assert check_code(result) is ExitCode.FAILED
    (line,) = [
        line for line in check_lines(result, "en") if line.startswith(("! child (", "! child（"))
    ]
    assert line == (
        f"! child (thermometer, mlx90614 DCI /dev/i2c-1) is missing: {missing['child']}; "
        "see temperature.thermometers[child]"
    )
    (line,) = [
        line
        for line in check_lines(result, "zh-Hans")
        if line.startswith(("! child (", "! child（"))
    ]
    assert line.startswith("! child（测温头，mlx90614 DCI /dev/i2c-1）缺失：")
    assert line.endswith("。检查接线、供电和总线 (temperature.thermometers[child])")


def test_a_muted_card_is_not_well(gate: ProbedGate) -> None:
    gate.sound.mixer = (MixerControl("Master", is_off=True),)
    voice = gate.check()["voice"]
    assert voice.state is State.MISSING
    assert "is muted" in voice.detail


def test_a_relay_that_somebody_holds_is_busy(gate: ProbedGate) -> None:
    first = Relay(gate.far_end.spec)
    first.open()
    try:
        relay = gate.check()["relay"]
    finally:
        first.close()
    assert (relay.state, relay.detail) == (State.MISSING, "line relay has another owner")


def test_a_device_that_hangs_costs_its_own_line_only(gate: ProbedGate) -> None:
    never = threading.Event()

    class Hanging(Port):
        def __init__(self, path: str, baud: int) -> None:
            super().__init__(path, baud)
            never.wait()

    checked = gate.check(open_serial=Hanging, within_s={**WITHIN_S, Kind.SERIAL_SCANNER: 0.01})
    never.set()
    assert checked["paper"].state is State.SILENT
    assert checked["paper"].detail == "no answer within 0.01 s"
    assert [d.name for d in checked.values() if d.state is not State.OK] == ["paper"]


def test_a_key_that_the_driver_refuses_is_a_matter_of_the_configuration(gate: ProbedGate) -> None:
    text = dump_toml(gate.config).replace('variant = "DCI"', 'variant = "XYZ"')
    gate.config = parse_gate(text, "test")
    checked = gate.check()
    assert checked["child"].state is State.REFUSED
    assert "variant" in checked["child"].detail
    assert check_code(CheckResult(tuple(checked.values()))) is ExitCode.CONFIG


def test_programs_get_what_gated_run_reads_back(gate: ProbedGate) -> None:
    gate.header.hold("GPIO22", "another program")
    result = CheckResult(
        tuple(gate.check().values()), (FrameSeen("camera", 320, 240, 20.0),), StartFindings(("x",))
    )
    assert parse_check(json.loads(json.dumps(asdict(result)))) == result


def test_all_well_but_for_what_the_scanner_has_is_not_all_well() -> None:
    assert check_code(CheckResult(scanner="7")) is ExitCode.UNAVAILABLE
    refused = StartFindings(faults=("no site key",))
    assert check_code(CheckResult(start=refused, scanner="7")) is ExitCode.CONFIG
    in_doubt = StartFindings(doubts=("no key for passes",))
    assert check_code(CheckResult(start=in_doubt, scanner="7")) is ExitCode.FAILED


def test_every_kind_and_state_has_its_words() -> None:
    assert set(KINDS) == set(MEND_ZH) == set(Kind)
    assert set(STATES) == set(State)


# --- what a start needs --------------------------------------------------------------------------


def test_everything_that_would_end_a_start_is_said_at_once(
    tmp_path: Path, gate: ProbedGate
) -> None:
    raw = with_paths(
        gate.config,
        state=tmp_path / "state",
        run=tmp_path / "run",
        trust=tmp_path / "trust",
        site_key_file=tmp_path / "site.key",
    ).model_dump()
    raw["credentials"]["persons_list_file"] = tmp_path / "persons"
    raw["uplink"]["password_file"] = tmp_path / "password"
    config = GateConfig.model_validate(raw)
    found = look_at_start(config)
    assert [line.partition(" ")[0] for line in found.faults] == [
        "site", f"{tmp_path}/password", "persons", "the",
    ]  # fmt: skip
    assert [line for line in found.doubts if "cannot be read" in line] == list(found.doubts)
    make_site_key(tmp_path / "site.key")
    (tmp_path / "persons").touch()
    (tmp_path / "password").write_text("secret")
    (tmp_path / "password").chmod(0o600)
    (tmp_path / "trust").mkdir()
    (tmp_path / "state").mkdir()
    assert look_at_start(config) == StartFindings(
        doubts=(
            (
                f"trust folder {tmp_path}/trust: is empty, so no pass is accepted; copy the "
                "office's public key into it (没有公钥，任何码都不能通过)"
            ),
        )
    )


def test_folders_that_a_gate_could_not_write_to_are_said_before_they_end_a_start(
    tmp_path: Path, gate: ProbedGate
) -> None:
    make_site_key(tmp_path / "site.key")
    (tmp_path / "file").touch()
    config = with_paths(
        gate.config,
        state=tmp_path / "state",
        run=tmp_path / "file" / "run",
        site_key_file=tmp_path / "site.key",
    )
    state, run = look_at_start(config).faults
    with pytest.raises(StorageError) as caught:  # as the controller's ledger is opened
        check_folder(tmp_path / "state" / "ledger.db")
    assert state == str(caught.value)
    assert state.startswith(f"the folder {tmp_path}/state does not exist")
    with pytest.raises(StorageError) as caught:  # as the controller makes it
        make_folder(tmp_path / "file" / "run")
    assert run == str(caught.value)
