from __future__ import annotations

import pytest

from gated.config.collector import CollectorSettings
from gated.config.database import is_database_url, parse_database_url


def settings(**keys: object) -> CollectorSettings:
    plain = {"name": "county", "broker": "mqtt://127.0.0.1:1883"}
    return CollectorSettings.model_validate(plain | keys)


@pytest.mark.parametrize("text", ["records.db", "/var/lib/x.db", "postgresql.db", "a:b"])
def test_a_path_is_no_url(text: str) -> None:
    assert not is_database_url(text)
    assert settings(database=text).database == text


@pytest.mark.parametrize(
    ("url", "is_local"),
    [
        ("postgresql://gated@127.0.0.1:5432/gates", True),
        ("postgresql://gated@localhost/gates", True),
        ("postgresql:///gates?host=/run/postgresql", True),
        ("postgres:///gates", True),
        ("postgresql://gated@db.example/gates", False),
        ("postgresql://gated@127.0.0.1/gates?host=db.example", False),
    ],
)
def test_who_is_asked_is_known(url: str, is_local: bool) -> None:
    assert parse_database_url(url).is_local is is_local


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://gated:secret@127.0.0.1/gates",
        "postgresql://127.0.0.1/gates?password=secret",
        "postgresql://127.0.0.1/gates?sslpassword=secret",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="must not hold a password") as caught:
        parse_database_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgresql://", "postgresql://host", "postgresql://h:99999/x", "postgresql://h/x#y"]
)
def test_a_url_that_names_no_database_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://USER@HOST"):
        parse_database_url(url)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_another_machine_must_prove_who_it_is(mode: str) -> None:
    url = f"postgresql://gated@db.example/gates?sslmode={mode}"
    with pytest.raises(ValueError, match="verify-full"):
        settings(database=url)
    assert settings(database=url, allow_plain=True).database == url


@pytest.mark.parametrize("query", ["", "?sslmode=verify-full"])
def test_another_machine_that_does_is_accepted(query: str) -> None:
    url = f"postgresql://gated@db.example/gates{query}"
    assert settings(database=url).database == url


def test_several_ingesters_need_a_database_that_they_can_share() -> None:
    with pytest.raises(ValueError, match="several ingesters"):
        settings(ingester="a", database="records.db")
    shared = settings(ingester="a", database="postgresql:///gates", password_file="/etc/x")
    assert shared.process_name == "county-a"
    assert shared.mqtt_user == "county-a"


def test_a_file_has_no_password() -> None:
    with pytest.raises(ValueError, match="of no use with a file"):
        settings(database="records.db", database_password_file="/etc/x")


@pytest.mark.parametrize("ingester", ["", "A", "a/b", "x" * 60])
def test_an_ingester_that_fits_no_topic_is_refused(ingester: str) -> None:
    with pytest.raises(ValueError, match="1-63 of a-z"):
        settings(ingester=ingester, database="postgresql:///gates")
