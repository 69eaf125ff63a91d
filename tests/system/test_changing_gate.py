"""A whole gate and a changing pass: a code opens once, even if the controller is killed for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gated.contents import Kind
from gated.credentials import changing, gp1
from gated.credentials.gp1 import Gp1Claims
from gated.credentials.pseudonym import load_site_key, phone_key
from gated.credentials.signatures import key_fingerprint
from gated.vocabulary import HolderCategory
from tests.gate_processes import CLOCK, wait_for
from tests.gate_rig import Event, StagedGate, staged_gate


class Phone:
    """The page on somebody's phone, whose clock is the gate's."""

    def __init__(self, gate: StagedGate) -> None:
        now, key = CLOCK.now().replace(microsecond=0), gate.office.key
        claims = Gp1Claims(
            sub="s-0412",
            category=HolderCategory.STUDENT,
            not_before=now - timedelta(days=1),
            expires_at=now + timedelta(days=1),
            cti=b"phone-01",
            is_changing=True,
        )
        self.card = gp1.seal(claims, key)
        self.static = gp1.seal(replace(claims, cti=b"paper-01", is_changing=False), key)
        site_key = load_site_key(gate.site_key).key
        self.key = phone_key(site_key, key_fingerprint(key.public_key()), claims.cti)

    def code(self, age_s: int = 0) -> str:
        return changing.wrap(self.card, self.key, int(CLOCK.now().timestamp()) - age_s)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StagedGate]:
    folder: Path = tmp_path_factory.mktemp("c")  # a short name: paths of sockets are limited
    with staged_gate(folder / "gate") as gate:
        gate.start()
        yield gate
        assert gate.stop() == 0


def outcome(visit: Event) -> tuple[object, object]:
    return visit.body["outcome"], visit.body["reason"]


def test_a_code_opens_once_over_two_lives_of_the_controller(gate: StagedGate) -> None:
    phone, openings = Phone(gate), gate.stage.openings
    first = phone.code(age_s=1)
    visit = gate.visit(first)
    assert outcome(visit) == ("granted", None)
    assert visit.body["credential_format"] == "GP1T"
    wait_for(lambda: gate.stage.openings == openings + 1, "the relay", log=gate.log)
    logged = len(gate.log())
    gate.kill("controller")
    gate.stage.step_away()
    gate.wait_event(Kind.PASSAGE, visit.seq, visit_id=visit.visit_id, result="unknown")
    gate.wait_working(logged)
    gate.wait_scanning()
    gate.let_one_pass()  # who stands there when the sensors start is taken for the background
    openings = gate.stage.openings
    assert outcome(gate.visit(first)) == ("denied", "replayed")
    gate.leave()
    assert gate.stage.openings == openings
    fresh = gate.visit(phone.code())
    assert outcome(fresh) == ("granted", None)
    gate.go_through(fresh)
    gate.leave()


def test_an_old_code_and_a_copy_of_the_pass_are_stale(gate: StagedGate) -> None:
    phone = Phone(gate)
    for text in (phone.code(age_s=121), phone.card):
        assert outcome(gate.visit(text)) == ("denied", "stale_code")
        gate.leave()
    assert outcome(gate.visit(changing.wrap(phone.static, phone.key, 0))) == ("denied", "malformed")
    gate.leave()
