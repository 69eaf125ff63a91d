"""A running gate takes over changed keys and lists by itself, within seconds, not restarted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from gated.contents import Kind
from gated.controller.list_watch import TAKES_EFFECT_WITHIN_S
from gated.credentials.gp1 import open_envelope, parse_claims
from gated.credentials.revocation import make_list
from tests.gate_processes import CLOCK, processes_of
from tests.gate_rig import Event, StagedGate

OLD_NAME = "office.jwks.json"


class GateWithLists(StagedGate):
    """A gate with a folder of signed lists, and an office that publishes into it."""

    @property
    def lists(self) -> Path:
        return self.folder / "revocations"

    def publish(self, ids: Sequence[bytes], version: int, name: str = "revoked.rvl") -> Event:
        """Put a signed list in place, as a copying program does; return what was recorded."""
        before = self.newest_seq()
        data = make_list(
            ids,
            self.office.key,
            version=version,
            issued_at=CLOCK.now(),
            next_at=CLOCK.now() + timedelta(days=7),
        )
        return self.put(self.lists / name, data, before)

    def put(self, path: Path, data: bytes, before: int) -> Event:
        """Replace ``path``; return what was recorded after ``before``."""
        (path.parent / ".new").write_bytes(data)
        (path.parent / ".new").replace(path)
        return self.wait_event(Kind.CONFIG, before, within_s=TAKES_EFFECT_WITHIN_S)

    def says(self, code: str) -> tuple[object, object]:
        """Return outcome and reason of a visit with ``code``, all walked away afterwards."""
        visit = self.visit(code)
        if visit.body["outcome"] == "granted":
            self.go_through(visit)
        else:
            self.leave()
        return visit.body["outcome"], visit.body["reason"]


@pytest.fixture
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateWithLists]:
    """A gate at work that has never seen a list; it must end in order."""
    folder = tmp_path_factory.mktemp("t") / "g"
    gate = GateWithLists(folder)
    try:
        gate.lists.mkdir()
        gate.change("[credentials]", f'[credentials]\nrevocations = "{gate.lists}"')
        gate.start()
        yield gate
        assert gate.stop() == 0, gate.log()
        assert processes_of(gate.folder) == []
        assert "Traceback" not in gate.log()
    finally:
        gate.close()


def cti_of(code: str) -> bytes:
    return parse_claims(open_envelope(code).payload).cti


def test_a_card_is_refused_seconds_after_it_was_revoked_and_stays_so(gate: GateWithLists) -> None:
    controller = gate.pid("controller")
    lost, other = gate.office.student(), gate.office.student()
    visit = gate.visit(lost)
    assert visit.body["outcome"] == "granted"
    assert visit.body["noted"] == ["revocations_old"], "there is no list yet"
    gate.go_through(visit)

    event = gate.publish([cti_of(lost)], version=2)
    assert event.body["accepted"] is True
    assert event.body["changed"] == ["credentials.revocations"]
    assert event.body["detail"] == "files changed: 'revoked.rvl'"
    assert gate.says(lost) == ("denied", "revoked")
    visit = gate.visit(other)
    assert (visit.body["outcome"], visit.body["noted"]) == ("granted", [])
    gate.go_through(visit)

    # Whoever puts the list from before back has not made the card valid.
    event = gate.publish([], version=1)
    assert event.body["accepted"] is False
    assert "version 2" in str(event.body["detail"])
    assert gate.says(lost) == ("denied", "revoked")
    assert gate.pid("controller") == controller, "nobody was restarted"

    gate.stop()
    gate.start()
    assert gate.says(lost) == ("denied", "revoked")
    assert gate.says(gate.office.student()) == ("granted", None)


def test_a_broken_copy_of_a_key_file_costs_nobody_anything(gate: GateWithLists) -> None:
    key_file = gate.trust / OLD_NAME
    whole, before = key_file.read_bytes(), gate.newest_seq()
    event = gate.put(key_file, whole[:-20], before)
    assert event.body["accepted"] is False
    assert OLD_NAME in str(event.body["detail"])
    assert gate.says(gate.office.student()) == ("granted", None)
    assert gate.log().count("the old ones stay") == 1

    before = gate.newest_seq()
    event = gate.put(key_file, whole + b"\n", before)
    assert event.body["accepted"] is True
    before = gate.newest_seq()
    key_file.unlink()
    event = gate.wait_event(Kind.CONFIG, before, within_s=TAKES_EFFECT_WITHIN_S)
    assert event.body["changed"] == ["credentials.trust"]
    assert gate.says(gate.office.student()) == ("denied", "unknown_key")


def test_a_person_who_is_put_on_the_list_sees_staff(gate: GateWithLists) -> None:
    code, before = gate.office.student(), gate.newest_seq()
    persons = gate.folder / "persons.txt"
    sub = parse_claims(open_envelope(code).payload).sub
    event = gate.put(persons, persons.read_bytes() + f"{sub}\n".encode(), before)
    assert event.body["changed"] == ["credentials.persons_list_file"]
    assert gate.says(code) == ("see_staff", "listed_person")

    before = gate.newest_seq()
    event = gate.put(persons, b"not a pseudonym, a sentence\n", before)
    assert event.body["accepted"] is False
    assert gate.says(code) == ("see_staff", "listed_person")
