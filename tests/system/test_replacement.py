"""A gate dies with a backlog; a new machine takes its place, and nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.cli import main
from gated.contents import Kind
from gated.errors import BrokerUnavailable, ExitCode
from gated.mqtt.address import BrokerAddress, TlsFiles
from gated.mqtt.reach import reach
from gated.simulation.broker import HOST
from gated.vocabulary import Mode
from tests.claim_rig import GATE, ClaimCentre
from tests.failed_handshakes import FAILED_HANDSHAKES
from tests.gate_processes import ask_gated, descendants
from tests.gate_rig import StagedGate
from tests.setup_rig import Card

pytestmark = FAILED_HANDSHAKES


class ClaimedGate(StagedGate):
    """A whole gate whose identity came by a claim."""

    def __init__(self, folder: Path, centre: ClaimCentre, claim: str) -> None:
        super().__init__(folder, broker=centre.url, changes={'"school"': '"lixin-primary"'})
        self.card = Card(folder / "card")
        assert main(["setup", "--claim", claim, "--config", str(self.card.config)]) == ExitCode.OK
        etc = self.card.etc
        keys = f'ca_file = "{etc}/ca.pem"\ncert_file = "{etc}/gate.pem"\n'
        self.change("[uplink]", f'[uplink]\n{keys}key_file = "{etc}/gate.key"')

    def record_some(self) -> None:
        for mode in (Mode.CLOSED, Mode.NORMAL, Mode.CLOSED, Mode.NORMAL):
            self.request_mode(mode)

    def die(self) -> None:
        """End as by a power cut."""
        assert self.process is not None
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def pair(self) -> TlsFiles:
        etc = self.card.etc
        return TlsFiles(ca=etc / "ca.pem", certificate=etc / "gate.pem", key=etc / "gate.key")


@pytest.fixture
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClaimCentre]:
    centre = ClaimCentre(tmp_path_factory.mktemp("c") / "centre")
    try:
        centre.start()
        yield centre
        assert "Traceback" not in centre.collector.log()
    finally:
        centre.close()


def stored(centre: ClaimCentre) -> list[tuple[str, int, bytes]]:
    uri = f"{centre.database.resolve().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        rows = db.execute("SELECT epoch, seq, body FROM record").fetchall()
        assert db.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)
    return [
        (epoch, seq, body if isinstance(body, bytes) else body.encode())
        for epoch, seq, body in rows
    ]


def links(centre: ClaimCentre) -> list[tuple[str, int]]:
    """Return of which records the centre knows whom they are about."""
    uri = f"{centre.database.resolve().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        return db.execute("SELECT epoch, seq FROM link").fetchall()


def test_a_new_machine_takes_the_place_of_a_dead_one_and_its_backlog_is_salvaged(
    centre: ClaimCentre,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path_factory.mktemp("g")
    old = ClaimedGate(folder / "old", centre, centre.new_code(capsys).uri)
    new: ClaimedGate | None = None
    try:
        # The old one works, loses its network, records on, and dies.
        old.start()
        old.wait_delivered()
        centre.broker.stop()
        old.let_one_pass()
        old.record_some()
        old.die()
        on_card = old.bodies()
        assert old.backlog() >= 4
        centre.broker.start()
        assert len(stored(centre)) < len(on_card)

        # A gate that is known gets no second code by mistake.
        assert centre.command("new", GATE) == ExitCode.FAILED
        assert "--replace" in capsys.readouterr().err
        new = ClaimedGate(folder / "new", centre, centre.new_code(capsys, "--replace").uri)
        new.start()
        new.record_some()
        new.wait_delivered()

        # The old card, mounted anywhere, while the new gate runs.
        words = ("ledger", "salvage", str(old.state), "--upload", "--json")
        work = ("--config", str(new.config_file), "--out", str(folder))
        for _ in range(2):  # once more does no harm
            done = ask_gated(*words, *work)
            assert done.returncode == ExitCode.OK, done.stderr
            (facts,) = json.loads(done.stdout)
            assert facts["delivered"] >= 4
            assert (facts["lost"], facts["of_another_gate"]) == (0, False)
        new.wait_delivered()
        everything = stored(centre)
        held = {(epoch, seq): body for epoch, seq, body in everything}
        assert len(held) == len(everything)
        assert held == on_card | new.bodies()
        assert {epoch for epoch, _ in on_card}.isdisjoint(epoch for epoch, _ in new.bodies())
        assert [link[0] for link in links(centre)] == [next(iter(on_card))[0]]
        assert new.of_kind(Kind.ALARM) == []  # nobody takes it for a cloned card
        assert new.stop() == 0

        # The old machine's certificate counts no longer.
        capsys.readouterr()
        assert centre.command("revoked") == ExitCode.OK
        centre.revoke(capsys.readouterr().out)
        place = {"host": HOST, "port": centre.broker.port, "client_id": ""}
        reach(BrokerAddress(**place, tls=new.pair()))  # type: ignore[arg-type]
        with pytest.raises(BrokerUnavailable):
            reach(BrokerAddress(**place, tls=old.pair()))  # type: ignore[arg-type]
    finally:
        old.close()
        if new is not None:
            new.close()


def test_another_gates_card_is_not_sent_as_ours(
    centre: ClaimCentre,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path_factory.mktemp("g")
    east = ClaimedGate(folder / "east", centre, centre.new_code(capsys).uri)
    east.start()
    east.die()
    west = Card(folder / "west")
    code = centre.new_code(capsys, gate="lixin-primary/west-2").uri
    assert main(["setup", "--claim", code, "--config", str(west.config)]) == ExitCode.OK
    before = stored(centre)
    done = ask_gated(
        "ledger", "salvage", str(east.state), "--upload", "--config", str(west.config), "--out",
        str(folder),
    )  # fmt: skip
    assert done.returncode == ExitCode.FAILED
    assert "it is of another gate" in done.stdout
    assert stored(centre) == before
