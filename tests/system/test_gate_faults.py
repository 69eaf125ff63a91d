"""What a gate lives through: no broker, no room, a damaged ledger, bad files, bad codes, a hang."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import segno

from gated.contents import Kind
from gated.scanner.cascade import Cascade
from gated.scanner.decoders import load_decoders
from gated.scanner.picture import Unreadable, read_picture
from gated.simulation.broker import HOST, free_port
from gated.vocabulary import Prompt
from tests.brokers import IotCore, Mosquitto
from tests.gate_processes import (
    CLOCK,
    PATIENCE_S,
    ask_gated,
    processes_of,
    running_centre,
    wait_for,
)
from tests.gate_rig import StagedGate, staged_gate
from tests.uplink_rig import Subscriber

NewGate = Callable[..., StagedGate]
GOLDEN = Path(__file__).parents[1] / "golden" / "qr"
DISK_BYTES = 64 * 2**20
WATCHDOG_WITHIN_S = 15.0


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short path: the names of sockets are limited."""
    return tmp_path_factory.mktemp("f")


@pytest.fixture
def new_gate(folder: Path) -> Iterator[NewGate]:
    """A function that makes a gate; each must end in order, with no traceback in its log."""
    gates: list[StagedGate] = []
    with ExitStack() as running:

        def make(**options: object) -> StagedGate:
            path = folder / f"g{len(gates)}"
            gate = running.enter_context(staged_gate(path, **options))  # type: ignore[arg-type]  # passed on
            gates.append(gate)
            return gate

        yield make
        for gate in gates:
            assert gate.stop() == 0, gate.log()
            assert processes_of(gate.folder) == []
            assert "Traceback" not in gate.log()


def test_without_a_broker_people_pass_and_everything_is_delivered_once_it_is_there(
    folder: Path, new_gate: NewGate
) -> None:
    broker = Mosquitto(folder)
    broker.port = free_port()
    url = f"mqtt://{HOST}:{broker.port}"
    gate = new_gate(broker=url)
    gate.start()
    gate.let_one_pass()
    assert gate.backlog() == 3  # boot, visit, passage
    assert gate.log().count("cannot reach") == 1
    try:
        broker.start()
        with running_centre(folder, url) as centre:
            gate.wait_delivered()
            broker.kill()
            wait_for(lambda: "lost the broker" in gate.log() or "cannot reach" in gate.log(), "it")
            gate.let_one_pass()
            gate.let_one_pass()
            assert gate.backlog() >= 4
            broker.start()
            gate.wait_delivered()
            wait_for(lambda: centre.bodies() == gate.bodies(), "the same records at both ends")
            assert centre.quarantined() == []
    finally:
        broker.kill()
    assert gate.log().count("cannot reach") <= 2, gate.log()


# --- no room ----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    disk = tmp_path_factory.mktemp("d")
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={DISK_BYTES}".encode()
    if libc.mount(b"tmpfs", str(disk).encode(), b"tmpfs", 0, options) != 0:
        pytest.skip(f"cannot mount a small tmpfs: {os.strerror(ctypes.get_errno())}")
    yield disk
    assert libc.umount2(str(disk).encode(), 2) == 0


def refuse_one(gate: StagedGate) -> None:
    """Let somebody come whom the gate cannot record: it stays shut, says so and calls staff."""
    stage = gate.stage
    since_s, openings, calls = CLOCK.monotonic_s(), stage.openings, len(stage.bell)
    stage.hold_up(gate.office.student())
    stage.stand()
    wait_for(lambda: stage.has_shown(Prompt.OUT_OF_ORDER, since_s), f"a refusal\n{gate.log()}")
    wait_for(lambda: any(e.is_energised for e in stage.bell[calls:]), "a call for staff")
    assert stage.openings == openings
    stage.hold_up(None)
    gate.leave()


def fill(path: Path) -> None:
    """Write to ``path`` until the disk has no room."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65_536))


def test_on_a_full_disk_nobody_is_let_in_and_staff_is_called_until_there_is_room(
    small_disk: Path,
) -> None:
    with staged_gate(small_disk / "g") as gate:
        gate.start()
        gate.let_one_pass()
        recorded = gate.newest_seq()
        filler = small_disk / "something-else"
        with pytest.raises(OSError, match="No space"):
            fill(filler)
        refuse_one(gate)
        refuse_one(gate)
        assert gate.log().count("make room on the disk") >= 1
        assert gate.newest_seq() == recorded
        filler.unlink()
        gate.let_one_pass()
        gate.verify()
        assert gate.stop() == 0
        assert "Traceback" not in gate.log()


def test_a_ledger_that_may_not_grow_is_a_full_disk(new_gate: NewGate) -> None:
    gate = new_gate()
    gate.start()
    gate.let_one_pass()
    controller = gate.pid("controller")
    assert controller is not None
    limit = Path(f"{gate.ledger_path}-wal").stat().st_size
    _, hard = resource.prlimit(controller, resource.RLIMIT_FSIZE)
    resource.prlimit(controller, resource.RLIMIT_FSIZE, (limit, hard))
    refuse_one(gate)
    resource.prlimit(controller, resource.RLIMIT_FSIZE, (hard, hard))
    gate.let_one_pass()
    gate.verify()


# --- damaged and garbled files ----------------------------------------------------------------


def test_a_corrupt_ledger_is_set_aside_and_the_collector_has_both_epochs(
    folder: Path, new_gate: NewGate
) -> None:
    broker = IotCore(folder)
    broker.start()
    url = f"mqtt://{HOST}:{broker.port}"
    try:
        gate = new_gate(broker=url)
        with running_centre(folder, url) as centre:
            gate.start()
            gate.let_one_pass()
            gate.wait_delivered()
            before = gate.bodies()
            assert gate.stop() == 0
            data = bytearray(gate.ledger_path.read_bytes())
            newest = data.rindex(gate.events()[-1].raw[-40:])
            data[newest : newest + 4] = b"\xff\xff\xff\xff"
            gate.ledger_path.write_bytes(data)
            gate.start()
            alarm = gate.wait_event(Kind.ALARM, alarm="ledger_recovered")
            boot = gate.of_kind(Kind.BOOT)[0]
            old_epoch = next(iter(before))[0]
            assert boot.body["ledger"] == "recovered"
            assert boot.body["previous_epoch"] == old_epoch
            assert (gate.state / f"ledger-{old_epoch}.corrupt.db").exists()
            gate.let_one_pass()
            gate.wait_delivered()
            assert {epoch for epoch, _ in gate.bodies()} == {alarm.epoch} != {old_epoch}
            wait_for(lambda: centre.bodies() == before | gate.bodies(), "both epochs")
        gate.verify()
    finally:
        broker.stop()


def garble(gate: StagedGate) -> str:
    gate.change("pulse_s = 0.5", "pulse_s = 0,5")
    return "line"


def misspell(gate: StagedGate) -> str:
    gate.change("fever_threshold_c", "fever_treshold_c")
    return "fever_threshold_c"


def spoil_site_key(gate: StagedGate) -> str:
    gate.site_key.write_text("not a key\n")
    return "site key"


def remove_site_key(gate: StagedGate) -> str:
    gate.site_key.unlink()
    return "site key"


@pytest.mark.parametrize("spoil", [garble, misspell, spoil_site_key, remove_site_key])
def test_a_file_that_cannot_be_used_ends_it_with_78_and_one_message(
    new_gate: NewGate, spoil: Callable[[StagedGate], str]
) -> None:
    gate = new_gate()
    named = spoil(gate)
    answer = ask_gated("run", "--config", str(gate.config_file), "--stage", str(gate.run_folder))
    assert answer.returncode == 78, answer.stderr
    messages = [line for line in answer.stderr.splitlines() if line.startswith("gated: ")]
    assert len(messages) == 1
    assert named in answer.stderr
    assert "Traceback" not in answer.stderr
    assert gate.stage.openings == 0
    assert processes_of(gate.folder) == []


def test_without_its_trust_folder_the_gate_runs_knows_nobody_and_says_why(
    new_gate: NewGate,
) -> None:
    gate = new_gate()
    for file in gate.trust.iterdir():
        file.unlink()
    gate.trust.rmdir()
    gate.start()
    visit = gate.visit()
    assert (visit.body["outcome"], visit.body["reason"]) == ("denied", "unknown_key")
    assert gate.stage.openings == 0
    warnings = [line for line in gate.log().splitlines() if str(gate.trust) in line]
    assert len(warnings) == 1
    assert "WARNING" in warnings[0]


# --- codes that are none, and what must stay in memory ----------------------------------------


def draw(path: Path, content: str, scale: int) -> Path:
    """Write a picture of a code, and make sure that the scanner's decoders do find it."""
    segno.make_qr(content, error="l", boost_error=False).save(str(path), scale=scale, border=4)
    picture = read_picture(path)
    assert not isinstance(picture, Unreadable)
    found = Cascade(load_decoders()[0]).decode_picture(picture)
    assert content in found.texts or found.unreadable
    return path


def test_a_code_that_is_none_opens_nothing_and_leaves_no_trace(
    folder: Path, new_gate: NewGate
) -> None:
    broker = IotCore(folder)
    broker.start()
    url = f"mqtt://{HOST}:{broker.port}"
    everything = Subscriber(broker.port, "listener", ("#",))
    everything.start()
    try:
        gate = new_gate(broker=url, environment={"GATED_LOG": "debug"})
        stage = gate.stage
        gate.start()
        control = draw(folder / "control.png", "GP1:\x1b[31mGEHEIM\x07\x00", 8)
        digits = draw(folder / "digits.png", "3141592653" * 480, 3)  # too long to be a text of ours
        for picture in (control, digits):
            visit = gate.visit(picture)
            assert (visit.body["outcome"], visit.body["reason"]) == ("denied", "malformed")
            gate.leave()

        since_s, before = CLOCK.monotonic_s(), gate.newest_seq()
        stage.hold_up(None)
        stage.stand()
        wait_for(lambda: stage.has_shown(Prompt.SHOW_CODE, since_s), "a question")
        stage.hold_up(GOLDEN / "two-phones.webp")
        visit = gate.wait_event(Kind.VISIT, before)
        assert (visit.body["outcome"], visit.body["reason"]) == ("denied", "ambiguous")
        gate.leave()
        assert stage.openings == 0

        good = gate.office.student()
        visit = gate.visit(good)
        assert visit.body["outcome"] == "granted"
        gate.go_through(visit)
        wait_for(lambda: len(everything.seqs()) >= gate.newest_seq(), "all of it published")
        assert gate.stop() == 0
        secrets = [
            b"GEHEIM",
            b"314159265331415926533",
            b"GP1:LEFT",
            b"GP1:RIGHT",
            good.encode(),
            good.removeprefix("GP1:").encode(),
            b"s-0001",  # the holder's number in the office's books
        ]
        places = {p: p.read_bytes() for f in (gate.state, gate.run_folder) for p in files_in(f)}
        places[folder / "the log"] = gate.log().encode()
        places[folder / "the broker"] = b"\n".join(
            d.topic.encode() + b" " + d.payload for d in everything.deliveries
        )
        assert gate.ledger_path in places
        found = [
            (p.name, secret) for p, data in places.items() for secret in secrets if secret in data
        ]
        assert found == []
    finally:
        everything.stop()
        broker.stop()


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".frame"]


# --- a hang -----------------------------------------------------------------------------------


def test_a_controller_that_hangs_with_the_gate_open_is_replaced_and_the_pulse_ends_by_itself(
    new_gate: NewGate,
) -> None:
    gate = new_gate()
    gate.start()
    visit = gate.visit()
    wait_for(lambda: gate.stage.is_open, "the relay")
    logged = len(gate.log())
    hung = gate.pid("controller")
    stopped_s = gate.kill("controller", signal.SIGSTOP)
    wait_for(lambda: not gate.stage.is_open, "the end of the pulse")
    assert gate.stage.relay[-1].at_s - stopped_s < 1.0
    gate.stage.step_away()
    gate.stage.hold_up(None)
    wait_for(lambda: gate.pid("controller") not in (None, hung), "another", WATCHDOG_WITHIN_S)
    assert "controller: no sign of life" in gate.log()[logged:]
    gate.wait_event(Kind.PASSAGE, visit.seq, within_s=PATIENCE_S, reason="restart")
    gate.wait_working(logged)
    gate.let_one_pass()
    gate.verify()
