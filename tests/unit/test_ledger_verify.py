from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gated.ledger.reader import LedgerReader
from gated.ledger.verify import ChainReport, verify_chain
from gated.wire import chain_hash
from tests.ledger_drafts import link, open_ledger, passage, visit

COUNT = 12


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of COUNT events, closed, without a -wal to mind."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    ledger = open_ledger(path).ledger
    for n in range(COUNT // 2):
        ledger.append([visit(f"v{n}", person=link()), passage(f"v{n}")])
    ledger.close()
    return path


def after(sound: Path, folder: Path, tamper: Callable[[sqlite3.Connection], object]) -> ChainReport:
    """Return what verification says of a copy of ``sound`` that was tampered with."""
    path = folder / "ledger.db"
    shutil.copy(sound, path)
    db = sqlite3.connect(path)
    tamper(db)
    db.commit()
    db.close()
    reader = LedgerReader(path)
    report = verify_chain(reader)
    reader.close()
    path.unlink()
    return report


def test_a_sound_chain_verifies_from_end_to_end(sound: Path, tmp_path: Path) -> None:
    assert after(sound, tmp_path, lambda db: None) == ChainReport(True, COUNT)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seq=st.integers(1, COUNT),
    column=st.sampled_from(["body", "hash"]),
    where=st.floats(0, 1, exclude_max=True),
    flip=st.integers(1, 255),
)
def test_any_changed_byte_of_a_body_or_hash_is_found_at_its_event(
    sound: Path, tmp_path: Path, seq: int, column: str, where: float, flip: int
) -> None:
    def tamper(db: sqlite3.Connection) -> None:
        values = db.execute("SELECT body, hash FROM event WHERE seq = ?", (seq,)).fetchone()
        body, digest = (bytearray(value) for value in values)
        changed = body if column == "body" else digest
        changed[int(where * len(changed))] ^= flip
        db.execute("UPDATE event SET body = ?, hash = ? WHERE seq = ?", (body, digest, seq))

    report = after(sound, tmp_path, tamper)
    assert (report.ok, report.checked, report.first_bad_seq) == (False, seq - 1, seq)


@pytest.mark.parametrize("seq", [1, 5, COUNT])
def test_a_removed_event_is_a_hole(sound: Path, tmp_path: Path, seq: int) -> None:
    report = after(
        sound, tmp_path, lambda db: db.execute("DELETE FROM event WHERE seq = ?", (seq,))
    )
    assert (report.ok, report.first_bad_seq) == (False, seq)
    assert "missing" in report.reason


def test_two_exchanged_events_are_found(sound: Path, tmp_path: Path) -> None:
    def exchange(db: sqlite3.Connection) -> None:
        for old, new in ((4, -1), (5, 4), (-1, 5)):
            db.execute("UPDATE event SET seq = ? WHERE seq = ?", (new, old))

    report = after(sound, tmp_path, exchange)
    assert (report.ok, report.first_bad_seq) == (False, 4)


def test_an_event_rewritten_with_a_fitting_hash_is_found_at_the_next(
    sound: Path, tmp_path: Path
) -> None:
    def forge(db: sqlite3.Connection) -> None:
        (prev,) = db.execute("SELECT hash FROM event WHERE seq = 6").fetchone()
        (body,) = db.execute("SELECT body FROM event WHERE seq = 7").fetchone()
        forged = body.replace(b'"granted"', b'"denied"')
        assert forged != body
        digest = chain_hash(prev, 7, forged)
        db.execute(
            "UPDATE event SET body = ?, hash = ?, outcome = 'denied' WHERE seq = 7",
            (forged, digest),
        )

    report = after(sound, tmp_path, forge)
    assert (report.ok, report.first_bad_seq) == (False, 8)


def test_a_deleted_link_breaks_nothing(sound: Path, tmp_path: Path) -> None:
    assert after(sound, tmp_path, lambda db: db.execute("DELETE FROM link")).ok


def test_a_link_to_somebody_else_is_found(sound: Path, tmp_path: Path) -> None:
    report = after(
        sound, tmp_path, lambda db: db.execute("UPDATE link SET holder_ref = 'k4:x' WHERE seq = 3")
    )
    assert (report.ok, report.first_bad_seq) == (False, 3)
    assert "link" in report.reason


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET outcome = 'denied' WHERE seq = 3",
        "UPDATE event SET visit_id = 'other' WHERE seq = 3",
        "UPDATE event SET kind = 'alarm' WHERE seq = 3",
        "UPDATE event SET kind = CAST(x'ff' AS TEXT) WHERE seq = 3",
    ],
)
def test_a_column_that_differs_from_the_body_is_found(
    sound: Path, tmp_path: Path, statement: str
) -> None:
    assert not after(sound, tmp_path, lambda db: db.execute(statement)).ok
