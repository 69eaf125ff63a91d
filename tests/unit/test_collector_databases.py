"""The commands find their database, whichever kind it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gated.cli import main
from gated.collector.databases import database_at
from gated.errors import ConfigError
from tests.collector_gate import LedgerOfGate, arrivals
from tests.postgres import PostgresServer, postgres_server

RECORDS = [message for message in LedgerOfGate().write_visits(4) if message.seq != 3]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def url(server: PostgresServer) -> Iterator[str]:
    address = server.new_database()
    store = database_at(address.url).store(keep_person_days=14)
    store.ingest(arrivals(RECORDS))
    store.close()
    yield address.url
    server.give_back(address)


@pytest.mark.parametrize("action", ["gates", "status", "gaps", "report"])
def test_what_a_file_shows_a_postgres_shows(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    path = tmp_path / "records.db"
    store = database_at(str(path)).store(keep_person_days=14)
    store.ingest(arrivals(RECORDS))
    store.close()
    shown = []
    for database in (str(path), url):
        day = ["--day", "2026-11-23"] if action == "report" else []
        main(["collector", action, "--database", database, "--json", *day])
        found = json.loads(capsys.readouterr().out)
        if isinstance(found, dict):
            for name in ("made_at", "at", "newest_record_age_s"):  # of the moment
                found.pop(name, None)
        shown.append(found)
    assert shown[0] == shown[1]
    assert "east-1" in json.dumps(shown[1])


def test_records_are_exported_from_a_postgres(
    url: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    main(["collector", "export", "--database", url])
    lines = capfdbinary.readouterr().out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 4]


def test_a_password_comes_from_its_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n", encoding="utf-8")
    file.chmod(0o600)
    database = database_at("postgresql://gated@127.0.0.1:9/x", file)
    assert "s3cret" not in repr(vars(database))
    with pytest.raises(ConfigError, match="must not hold a password"):
        database_at("postgresql://gated:s3cret@127.0.0.1/x")
