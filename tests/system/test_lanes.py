"""Two lanes of one site, real processes all through: what is used at one is used at the other."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gated.contents import Kind
from gated.credentials.changing import wrap
from gated.credentials.gp1 import seal
from gated.credentials.pseudonym import load_site_key, phone_key
from gated.credentials.signatures import key_fingerprint
from gated.mqtt.address import BrokerAddress
from gated.mqtt.connection import Connection, Dial
from gated.mqtt.happenings import Confirmed, Connected
from gated.simulation.broker import HOST
from gated.vocabulary import HolderCategory
from tests.brokers import Mosquitto
from tests.gate_processes import CLOCK, Centre, running_centre, wait_for
from tests.gate_rig import StagedGate, staged_gate

ACL = Path(__file__).resolve().parents[2] / "config" / "mosquitto.acl"
BACK_AGAIN_S = 60.0
"""A gate waits up to half a minute before it looks for a broker that was away."""


@dataclass
class Site:
    broker: Mosquitto
    centre: Centre
    east: StagedGate
    west: StagedGate

    def single_use_pass(self) -> str:
        office = self.east.office
        return seal(replace(office._claims(HolderCategory.VISITOR), max_uses=1), office.key)

    def changing_code(self) -> str:
        """Return what the phone of somebody with a new changing pass shows now."""
        office = self.east.office
        claims = replace(office._claims(HolderCategory.STUDENT), is_changing=True)
        site_key = load_site_key(self.east.site_key).key
        phone = phone_key(site_key, key_fingerprint(office.key.public_key()), claims.cti)
        return wrap(seal(claims, office.key), phone, int(CLOCK.now().timestamp()))

    def start_broker(self) -> None:
        """Start the broker again, and return once everybody is there."""
        logs = (self.east.log, self.west.log, self.centre.log)
        logged = [len(log()) for log in logs]
        self.broker.start()
        for log, before in zip(logs, logged, strict=True):
            wait_for(lambda: "connected" in log()[before:], "a connection", BACK_AGAIN_S, log=log)  # noqa: B023  used at once

    def wait_known(self, gate: StagedGate, uses: int) -> float:
        """Return after how many seconds ``gate`` knows of ``uses`` uses at the other."""
        return wait_for(
            lambda: _count(gate.ledger_path) >= uses,
            f"{uses} uses known at {gate.config.gate.name}",
            BACK_AGAIN_S,
            log=lambda: self.east.log() + self.west.log() + self.centre.log(),
        )


def _count(ledger: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as db:
        (count,) = db.execute("SELECT count(*) FROM site_use WHERE NOT given_back").fetchone()
    return int(count)


def come_up(gate: StagedGate, code: str) -> tuple[str, list[str]]:
    """Return (outcome, reasons) of somebody who shows ``code``; who is let in goes through."""
    visit = gate.visit(code)
    if visit.body["outcome"] == "granted":
        gate.go_through(visit)
    gate.leave()
    reasons = visit.body["reasons"]
    assert isinstance(reasons, list)
    return str(visit.body["outcome"]), reasons


def access_rules() -> str:
    """Return the rules that ship for this site; here the collector has no user's name."""
    rules = ACL.read_text(encoding="utf-8")
    assert "user centre\n" in rules
    return rules.replace("user centre\n", "").replace("lixin-primary", "school")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("l")  # a short name: paths of sockets are limited
    (folder / "mq").mkdir()
    acl = folder / "acl"
    acl.write_text(access_rules(), encoding="utf-8")
    acl.chmod(0o600)
    broker = Mosquitto(folder / "mq", options=f"acl_file {acl}")
    broker.start()
    url = f"mqtt://{HOST}:{broker.port}"
    with contextlib.ExitStack() as stack:
        stack.callback(broker.kill)
        centre = stack.enter_context(running_centre(folder / "c", url))
        gates = [
            stack.enter_context(
                staged_gate(
                    folder / name,
                    changes={
                        'name = "east-1"': f'name = "{name}"',
                        'broker = "mqtt://127.0.0.1:1"': f'broker = "{url}"\nuser = "{name}"',
                        "hint_after_s = 2.0": "hint_after_s = 2.0\nhold_s = 4.0",
                    },
                )
            )
            for name in ("east-1", "west-2")
        ]
        east, west = gates
        shutil.copytree(east.trust, west.trust, dirs_exist_ok=True)
        shutil.copy(east.site_key, west.site_key)
        for gate in gates:
            gate.start()
        yield Site(broker, centre, east, west)
        for gate in gates:
            assert gate.stop() == 0
            assert "Traceback" not in gate.log()
        assert "Traceback" not in centre.log()


def test_a_pass_for_one_use_opens_one_lane_of_the_site(site: Site) -> None:
    code, known = site.single_use_pass(), _count(site.west.ledger_path)
    assert come_up(site.east, code) == ("granted", [])
    site.wait_known(site.west, known + 1)
    assert come_up(site.west, code) == ("denied", ["used_up"])
    logs = site.east.log() + site.west.log() + site.centre.log()
    assert "access rules" not in logs
    assert "refuses" not in logs


def test_a_copy_of_a_changing_code_opens_no_other_lane_within_its_two_minutes(site: Site) -> None:
    code, known = site.changing_code(), _count(site.west.ledger_path)
    assert come_up(site.east, code) == ("granted", [])
    site.wait_known(site.west, known + 1)
    assert come_up(site.west, code) == ("denied", ["replayed"])


def test_the_other_lane_knows_within_a_second(site: Site) -> None:
    code, known = site.single_use_pass(), _count(site.west.ledger_path)
    visit = site.east.visit(code)
    assert site.wait_known(site.west, known + 1) < 2.0
    site.east.go_through(visit)
    site.east.leave()


def test_a_use_that_nobody_went_through_for_is_given_back_to_the_whole_site(site: Site) -> None:
    code, known = site.single_use_pass(), _count(site.west.ledger_path)
    visit = site.east.visit(code)
    site.wait_known(site.west, known + 1)
    site.east.leave()
    site.east.wait_event(Kind.PASSAGE, visit.seq, result="nobody_passed")
    wait_for(lambda: _count(site.west.ledger_path) == known, "a use given back")
    assert come_up(site.west, code) == ("granted", [])


def test_without_a_broker_each_lane_decides_with_what_it_knows_and_catches_up_later(
    site: Site,
) -> None:
    elsewhere, here = site.single_use_pass(), site.single_use_pass()
    known = _count(site.west.ledger_path)
    site.broker.kill()
    started_s = CLOCK.monotonic_s()
    assert come_up(site.east, elsewhere) == ("granted", [])
    assert come_up(site.west, here) == ("granted", [])
    assert CLOCK.monotonic_s() - started_s < 20.0, "nothing waited for the broker"
    assert _count(site.west.ledger_path) == known

    site.start_broker()
    site.wait_known(site.west, known + 1)
    assert come_up(site.west, elsewhere) == ("denied", ["used_up"])
    wait_for(lambda: _count(site.east.ledger_path) > 0, "the other way too", BACK_AGAIN_S)
    assert come_up(site.east, here) == ("denied", ["used_up"])


def test_a_lane_that_starts_again_still_knows(site: Site) -> None:
    code, known = site.single_use_pass(), _count(site.west.ledger_path)
    assert come_up(site.east, code) == ("granted", [])
    site.wait_known(site.west, known + 1)
    assert site.west.stop() == 0
    site.broker.kill()  # so that nobody can tell it anew
    site.west.start()
    assert come_up(site.west, code) == ("denied", ["used_up"])
    site.start_broker()


@pytest.mark.parametrize(
    ("topic", "may"),
    [
        ("gates/v1/school/west-2/uses", True),
        ("gates/v1/school/east-1/uses", False),
        ("gates/v1/school/uses/all", False),
        ("gates/v1/school/uses/to/east-1", False),
    ],
)
def test_a_lane_speaks_for_itself_alone(site: Site, topic: str, *, may: bool) -> None:
    address = BrokerAddress(HOST, site.broker.port, "stranger", username="west-2")
    connection = Connection(address, will_topic="gates/v1/x", will=b"", clock=CLOCK)
    dial = Dial(connection, CLOCK)
    wait_for(lambda: dial.wait(0.1), "a connection")
    answers: list[Confirmed] = []

    def is_answered() -> bool:
        connection.pump(0.1)
        for happening in connection.happenings():
            if isinstance(happening, Connected):
                connection.publish(topic, b"{}")
            elif isinstance(happening, Confirmed):
                answers.append(happening)
        return bool(answers)

    wait_for(is_answered, "a PUBACK")
    connection.close()
    assert answers[0].is_failure is not may
