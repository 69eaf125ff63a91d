from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.clock import TimeQuality
from gated.collector.corrections import MAX_BOOT_MS, Anchor, BootClocks, Corrected, learn_all
from gated.collector.intake import Extract
from gated.collector.sqlite_schema import SCHEMA_VERSION
from gated.collector.sqlite_store import SqliteStore
from tests.collector_gate import MONDAY, SHANGHAI, ms

GOLDEN = Path(__file__).parent.parent / "golden/collector"
YEAR_1970 = datetime(1970, 1, 1, tzinfo=SHANGHAI)


def extract(
    at_ms: int, boot_ms: int, quality: TimeQuality = TimeQuality.TRUSTED, boot: int = 1
) -> Extract:
    return Extract(at_ms, "", quality.value, boot, boot_ms, "normal", drill=False)


def test_a_known_time_is_left_as_it_is() -> None:
    clocks = BootClocks()
    learn_all(clocks, [(1, extract(5_000_000, 1_000))])
    assert clocks.correct(extract(9_000_000, 2_000)) == Corrected(9_000_000, TimeQuality.TRUSTED)


def test_an_unknown_time_is_counted_from_the_first_trusted_record_of_its_boot() -> None:
    clocks = BootClocks()
    learn_all(clocks, [(8, extract(5_000_000, 60_000)), (9, extract(9_999_999, 61_000))])
    unknown = extract(17, 2_000, TimeQuality.UNKNOWN)
    assert clocks.correct(unknown) == Corrected(5_000_000 - 58_000, TimeQuality.TRUSTED)


def test_holdover_counts_only_until_a_trusted_time_is_known() -> None:
    clocks = BootClocks()
    unknown = extract(17, 0, TimeQuality.UNKNOWN)
    learn_all(clocks, [(2, extract(1_000_000, 10, TimeQuality.HOLDOVER))])
    assert clocks.correct(unknown) == Corrected(999_990, TimeQuality.HOLDOVER)
    (new,) = learn_all(clocks, [(5, extract(2_000_000, 30))])
    assert new.is_best
    assert clocks.correct(unknown) == Corrected(1_999_970, TimeQuality.TRUSTED)


def test_another_boot_says_nothing() -> None:
    clocks = BootClocks()
    learn_all(clocks, [(1, extract(5_000_000, 1_000, boot=2))])
    unknown = extract(17, 2_000, TimeQuality.UNKNOWN, boot=1)
    assert clocks.correct(unknown) == Corrected(None, TimeQuality.UNKNOWN)


@pytest.mark.parametrize("boot_ms", [-1, MAX_BOOT_MS + 1, 2**63 - 1])
def test_a_time_since_the_start_that_cannot_be_one_corrects_nothing(boot_ms: int) -> None:
    clocks = BootClocks()
    assert learn_all(clocks, [(1, extract(5_000_000, boot_ms))]) == []
    learn_all(clocks, [(2, extract(5_000_000, 1))])
    assert clocks.correct(extract(0, boot_ms, TimeQuality.UNKNOWN)).at_ms is None


known = st.tuples(
    st.integers(1, 50),
    st.builds(
        extract,
        st.integers(0, 10**13),
        st.integers(0, 10**9),
        st.sampled_from([TimeQuality.TRUSTED, TimeQuality.HOLDOVER]),
        st.integers(1, 3),
    ),
)


@given(
    records=st.lists(known, unique_by=lambda pair: pair[0]),
    data=st.data(),
    boot=st.integers(1, 3),
)
def test_the_order_of_arrival_changes_no_correction(
    records: list[tuple[int, Extract]], data: st.DataObject, boot: int
) -> None:
    together, apart = BootClocks(), BootClocks()
    learn_all(together, records)
    for record in data.draw(st.permutations(records)):
        learn_all(apart, [record])
    unknown = extract(0, 7, TimeQuality.UNKNOWN, boot)
    assert together.correct(unknown) == apart.correct(unknown)
    assert together.best(boot) == apart.best(boot)


def test_an_anchor_is_the_earliest_by_number() -> None:
    clocks = BootClocks()
    assert clocks.learn(1, TimeQuality.TRUSTED, Anchor(5, 0, 0))
    assert not clocks.learn(1, TimeQuality.TRUSTED, Anchor(6, 0, 0))
    assert clocks.learn(1, TimeQuality.TRUSTED, Anchor(4, 0, 0))


# --- migration -----------------------------------------------------------------------------------


def old_file(path: Path, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.executescript((GOLDEN / "schema-2.sql").read_text(encoding="utf-8"))
    if version == 1:
        connection.executescript(
            "DROP TABLE pass_use; DROP TABLE uses_stored; PRAGMA user_version = 1;"
        )
    connection.close()


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_earlier_version_gets_corrected_times(tmp_path: Path, version: int) -> None:
    path = tmp_path / "records.db"
    old_file(path, version)
    SqliteStore(path, keep_person_days=14).close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    rows = connection.execute(
        "SELECT seq, at_ms, boot_ms, corrected_at_ms, corrected_quality FROM record ORDER BY seq"
    ).fetchall()
    connection.close()
    # In the old file, the trusted record 6 was made 5 s after the start and 2 s after Monday began.
    trusted = ms(MONDAY + timedelta(seconds=2))
    early = [(n, ms(YEAR_1970 + timedelta(seconds=n)), (n - 1) * 1_000) for n in range(1, 5)]
    assert rows == [
        *((*row, trusted - 5_000 + row[2], "trusted") for row in early),
        (5, trusted - 1_000, 4_000, trusted - 1_000, "holdover"),
        *(
            (n, trusted + (n - 6) * 1_000, (n - 1) * 1_000, trusted + (n - 6) * 1_000, "trusted")
            for n in (6, 7, 8)
        ),
        (9, ms(YEAR_1970 + timedelta(seconds=1)), 8_000, None, "unknown"),
        (10, None, None, None, None),
    ]


def test_a_migrated_file_corrects_what_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    old_file(path, 2)
    connection = sqlite3.connect(path)
    anchors = connection.execute(
        "SELECT name FROM sqlite_schema WHERE name = 'clock_anchor'"
    ).fetchall()
    assert anchors == []
    connection.close()
    SqliteStore(path, keep_person_days=14).close()
    connection = sqlite3.connect(path)
    assert connection.execute(
        "SELECT boot, quality, seq, boot_ms FROM clock_anchor ORDER BY seq"
    ).fetchall() == [(1, "holdover", 5, 4_000), (1, "trusted", 6, 5_000)]
    connection.close()
