from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from starlette.applications import Starlette

from gated.clock import FakeClock
from gated.collector.guard import PageToken
from gated.collector.sqlite_reader import SqliteReader
from gated.collector.sqlite_store import SqliteStore
from gated.collector.web import MAX_VIEWERS, Page, PageServer
from gated.errors import ConfigError, GatedError
from gated.wire import PersonLink
from tests.collector_gate import MONDAY, LedgerOfGate, arrivals, health, visit

SCRIPTS = ("/page.js", "/view.js", "/elements.js")
TOKEN = "0123456789abcdef0123456789abcdef"
LINK = PersonLink(holder_ref="k4:9c41f07be2d85a13", salt="c2FsdHNhbHRzYWx0c2E")


class Client:
    """Asks the application itself, without a server; keeps cookies as a browser does."""

    def __init__(self, app: Starlette, base: str) -> None:
        self._app = app
        self._base = base
        self._cookies = httpx.Cookies()

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return asyncio.run(self._get(path, headers))

    async def _get(self, path: str, headers: dict[str, str] | None) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(
            transport=transport, base_url=self._base, cookies=self._cookies
        ) as client:
            response = await client.get(path, headers=headers)
            self._cookies = client.cookies
            return response


class Site:
    """A filled store and the page over it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "records.db"
        self.store = SqliteStore(self.path, keep_person_days=14)
        self.gate = LedgerOfGate()
        self.stop = threading.Event()
        self.page = Page(
            lambda: SqliteReader(self.path),
            clock=FakeClock(wall=MONDAY + timedelta(hours=1)),
            zone=ZoneInfo("Asia/Shanghai"),
            stop=self.stop,
        )

    def client(self, token: PageToken | None = None) -> Client:
        base = "http://127.0.0.1:8080" if token is None else "http://gates.example.org"
        return Client(self.page.app(token=token), base)

    def fill(self, count: int) -> None:
        self.store.ingest(arrivals(self.gate.write_visits(count)))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.store.close()


def test_the_newest_entries_come_oldest_first(site: Site) -> None:
    site.fill(5)
    found = site.client().get("/api/entries?limit=2").json()["entries"]
    assert [entry["id"] for entry in found] == [4, 5]


def test_entries_after_another_are_exactly_those(site: Site) -> None:
    site.fill(5)
    found = site.client().get("/api/entries?after=2&limit=2").json()["entries"]
    assert [entry["id"] for entry in found] == [3, 4]
    assert site.client().get("/api/entries?after=5").json() == {"entries": [], "next": None}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "limit=-1", "after=²", "after=9e9", "limit="]
)
def test_a_question_that_makes_no_sense_is_told_how_to_ask(site: Site, query: str) -> None:
    response = site.client().get(f"/api/entries?{query}")
    assert response.status_code == 400
    assert "a whole number from" in response.json()["error"]


def test_an_entry_says_nothing_about_who_it_was(site: Site) -> None:
    site.store.ingest([site.gate.write(visit(), link=LINK).arrival()])
    site.store.ingest([site.gate.state_arrival(site.gate.state())])
    client = site.client()
    paths = ("/api/entries", "/api/gates", "/api/report")
    answers = "".join(client.get(path).text for path in paths)
    commitment = json.loads(site.gate.messages[0].body)["holder_commitment"]
    for secret in (LINK.holder_ref, LINK.salt, commitment, "holder_ref", "commitment"):
        assert secret not in answers
    assert "g3-2" in answers


def test_an_entry_that_came_much_later_is_marked(site: Site) -> None:
    first, second = site.gate.write_visits(2)
    site.store.ingest([first.arrival(), second.arrival(second.at + timedelta(hours=3))])
    found = site.client().get("/api/entries").json()["entries"]
    assert [entry["late"] for entry in found] == [False, True]


def test_the_gates_are_shown_with_their_health(site: Site) -> None:
    site.fill(3)
    site.store.ingest([site.gate.state_arrival(site.gate.state())])
    (gate,) = site.client().get("/api/gates").json()["gates"]
    assert (gate["online"], gate["upto"], gate["threshold_c"]) == (True, 3, 37.3)
    assert gate["devices"] == {"thermometer child": "ok", "scanner": "ok"}


def test_the_report_of_a_day_can_be_asked_for(site: Site) -> None:
    site.fill(3)
    site.gate.at += timedelta(days=1)
    site.store.ingest([site.gate.write(health()).arrival()])
    client = site.client()
    assert client.get("/api/report").json()["day"] == "2026-11-23"
    assert client.get("/api/report").json()["total"]["visits"] == {"in": 3}
    assert client.get("/api/report?day=2026-11-24").json()["total"]["visits"] == {}
    assert client.get("/api/report?day=tomorrow").status_code == 400


def test_every_answer_carries_the_security_headers(site: Site) -> None:
    client = site.client()
    for path in ("/", *SCRIPTS, "/api/gates", "/healthz", "/nothing"):
        headers = client.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] in {"no-store", "no-cache"}


def test_every_script_that_another_one_imports_is_served(site: Site) -> None:
    client = site.client()
    asked = set(re.findall(r'<script type="module" src="(.+?)">', client.get("/").text))
    for path in SCRIPTS:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/javascript")
        asked |= set(re.findall(r'^import .+ from "\.(/.+)";$', answer.text, re.MULTILINE))
    assert asked == set(SCRIPTS)


def test_the_page_needs_nothing_from_anywhere_else(site: Site) -> None:
    client = site.client()
    for path in ("/", *SCRIPTS, "/page.css", "/icon.svg"):
        text = client.get(path).text.replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text.replace("https", "http"), path
        assert "innerHTML" not in text.replace("as HTML", "")
        assert "<script>" not in text
        assert "style=" not in text


def test_without_a_token_only_this_machines_names_are_answered(site: Site) -> None:
    client = site.client()
    assert client.get("/healthz").status_code == 200
    for host in ("localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200, host
    for host in ("evil.example.org", "127.0.0.1.evil.example.org", "", "localhost.evil:80"):
        assert client.get("/healthz", headers={"host": host}).status_code == 400, host


def test_with_a_token_nothing_is_shown_without_it(site: Site) -> None:
    client = site.client(PageToken(TOKEN))
    for path in ("/", "/api/entries", "/api/gates", "/api/report", "/events", "/texts.json"):
        assert client.get(path).status_code == 401, path
        wrong = client.get(path, headers={"authorization": "Bearer " + TOKEN[:-1]})
        assert wrong.status_code == 401
        assert client.get(f"{path}?token={TOKEN}x").status_code == 401
        assert client.get(path, headers={"cookie": f"gated_page={TOKEN}"}).status_code == 401
    assert client.get("/healthz").status_code == 200


def test_a_bearer_token_opens_the_api(site: Site) -> None:
    client = site.client(PageToken(TOKEN))
    answer = client.get("/api/entries", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200


def test_a_token_in_the_address_becomes_a_cookie_and_leaves_the_address(site: Site) -> None:
    client = site.client(PageToken(TOKEN))
    answer = client.get(f"/?lang=en&token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?lang=en")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert TOKEN not in cookie
    assert client.get("/").status_code == 200


def test_a_path_that_looks_like_a_host_is_not_redirected_to(site: Site) -> None:
    client = site.client(PageToken(TOKEN))
    answer = client.get(f"http://gates.example.org//evil.example.org/?token={TOKEN}")
    assert answer.headers["location"] == "/evil.example.org/"


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ConfigError, match="too short"):
        PageToken("secret")


def test_a_page_for_others_needs_a_token(site: Site) -> None:
    with pytest.raises(ConfigError, match="needs a token_file"):
        PageServer(site.page, host="0.0.0.0", port=0, token=None)  # noqa: S104 - refused


def test_a_port_that_is_taken_is_named(site: Site) -> None:
    first = PageServer(site.page, host="127.0.0.1", port=0, token=None)
    with pytest.raises(GatedError, match=f"127.0.0.1:{first.port}"):
        PageServer(site.page, host="127.0.0.1", port=first.port, token=None)
    first.close()


def test_a_database_that_went_away_is_said(site: Site) -> None:
    site.path.unlink()
    answer = site.client().get("/api/gates")
    assert answer.status_code == 503
    assert "does not exist" in answer.json()["error"]


def test_viewers_whom_no_database_answers_leave_room_for_others(site: Site, tmp_path: Path) -> None:
    away = site.path.rename(tmp_path / "away.db")
    for _ in range(MAX_VIEWERS + 1):
        with pytest.raises(RuntimeError):  # what ends a stream that has begun
            site.client().get("/events")
    away.rename(site.path)
    site.stop.set()
    assert site.client().get("/events").status_code == 200


# --- entries of one day and one gate --------------------------------------------------------------


def test_the_entries_of_a_day_are_given_page_by_page(site: Site) -> None:
    today = site.gate.write_visits(5)
    site.gate.at += timedelta(days=1)
    site.store.ingest(arrivals([*today, *site.gate.write_visits(3)]))
    client, seen, path = site.client(), [], "/api/entries?day=2026-11-23&limit=2"
    after: int | None = 0
    while after is not None:
        answer = client.get(f"{path}&after={after}").json()
        seen += [entry["id"] for entry in answer["entries"]]
        after = answer["next"]
    assert seen == [1, 2, 3, 4, 5]


def test_the_entries_of_one_gate_can_be_asked_for(site: Site) -> None:
    other = LedgerOfGate(gate="west-2", epoch="aaaaaaaaaaaaaaaa")
    site.store.ingest(arrivals([site.gate.write(visit()), other.write(visit())]))
    answer = site.client().get("/api/entries?gate=lixin-primary/west-2").json()
    assert [entry["gate"] for entry in answer["entries"]] == ["west-2"]
    assert site.client().get("/api/entries?gate=west-2").status_code == 400
    assert site.client().get("/api/entries?day=yesterday").status_code == 400


def test_who_has_an_answer_already_is_not_sent_it_again(site: Site) -> None:
    site.fill(3)
    client, path = site.client(), "/api/entries?day=2026-11-23"
    tag = client.get(path).headers["etag"]
    for said in (tag, f'"other", W/{tag}', "*"):
        again = client.get(path, headers={"If-None-Match": said})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    site.fill(1)
    fresh = client.get(path, headers={"If-None-Match": tag})
    assert (fresh.status_code, len(fresh.json()["entries"])) == (200, 4)


def test_the_api_for_others_needs_the_token(site: Site) -> None:
    site.fill(1)
    client = site.client(PageToken(TOKEN))
    path = "/api/entries?day=2026-11-23&gate=lixin-primary/east-1"
    assert client.get(path).status_code == 401
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert len(client.get(path, headers=bearer).json()["entries"]) == 1
