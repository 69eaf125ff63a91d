from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from gated.clock import FakeClock
from gated.collector.sqlite_reader import SqliteReader
from gated.collector.sqlite_store import SqliteStore
from gated.collector.web import Page, PageServer
from gated.contents import AlarmName
from gated.vocabulary import TO_MEASURE, HolderCategory, Outcome, Reason, ReleaseResult
from tests.brokers import wait_until
from tests.browser import Browser
from tests.collector_gate import (
    MONDAY,
    LedgerOfGate,
    alarm,
    arrivals,
    passage,
    refused,
    release,
    visit,
)

ROWS = "document.querySelectorAll('.entry').length"


class Site:
    """A store and the page that a real server shows of it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "records.db"
        self.store = SqliteStore(self._path, keep_person_days=14)
        self.gate = LedgerOfGate()
        self._stop = threading.Event()
        self._start(0)

    def _start(self, port: int) -> None:
        self._stop.clear()
        page = Page(
            lambda: SqliteReader(self._path),
            clock=FakeClock(wall=datetime.fromtimestamp(MONDAY.timestamp() + 3_600, tz=UTC)),
            zone=ZoneInfo("Asia/Shanghai"),
            stop=self._stop,
        )
        self._server = PageServer(page, host="127.0.0.1", port=port, token=None)
        self.port = self._server.port
        self._thread = threading.Thread(
            target=self._server.run, args=(self._stop, lambda: None), daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def restart(self) -> None:
        self.stop()
        self._start(self.port)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.stop()
    site.store.close()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path) as browser:
        browser.resize(1280, 900)
        yield browser


def events(site: Site, count: int, *, last_id: str | None = None) -> list[str]:
    """Return the first ``count`` lines of the live stream that name an id or an event."""
    headers = {} if last_id is None else {"last-event-id": last_id}
    found: list[str] = []
    with (
        httpx.Client(timeout=10) as client,
        client.stream("GET", f"{site.url}/events", headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith(("id:", "event:")):
                found.append(line)
            if len(found) >= count:
                return found
    return found


def test_a_browser_that_was_away_gets_exactly_what_it_missed(site: Site) -> None:
    site.store.ingest(arrivals(site.gate.write_visits(5)))
    found = events(site, 4, last_id="3")
    assert found == ["id: 4", "event: entry", "id: 5", "event: entry"]


def test_a_browser_that_missed_too_much_starts_afresh(site: Site) -> None:
    site.store.ingest(arrivals(site.gate.write_visits(600)))
    assert events(site, 1, last_id="3") == ["event: reset"]


def test_a_browser_from_another_database_starts_afresh(site: Site) -> None:
    site.store.ingest(arrivals(site.gate.write_visits(2)))
    assert events(site, 1, last_id="999") == ["event: reset"]


def test_entries_are_sent_as_they_are_stored(site: Site) -> None:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(events(site, 2)), daemon=True)
    thread.start()
    gate = site.gate

    def store_one() -> bool:  # again and again: the stream begins at an unknown moment
        site.store.ingest(arrivals(gate.write_visits(1)))
        thread.join(0.3)
        return not thread.is_alive()

    assert wait_until(store_one, 10)
    assert found[1] == "event: entry"


def test_an_open_stream_does_not_hold_up_the_end(site: Site) -> None:
    with (
        httpx.Client(timeout=10) as client,
        client.stream("GET", f"{site.url}/events") as answer,
    ):
        assert answer.status_code == 200
        site.stop()


def test_the_page_shows_todays_figures_gates_and_entries(site: Site, browser: Browser) -> None:
    gate = site.gate
    gate.write_visits(3)
    gate.write(refused(Reason.TEMPERATURE_HIGH, Outcome.SEE_STAFF))
    gate.write(alarm(AlarmName.TEMPERATURE_HIGH))
    site.store.ingest([*arrivals(gate.messages), gate.state_arrival(gate.state())])
    browser.open(f"{site.url}/?lang=en")
    assert browser.shows("see staff")
    assert browser.shows("at or above the threshold")
    assert browser.shows("all devices work (2)")
    assert browser.shows("so far")
    text = browser.text()
    assert "threshold\n37.3 °C" in text
    assert "Visits\n4" in text
    assert browser.evaluate(ROWS) == 5
    first = str(browser.evaluate("document.querySelector('.entry').innerText"))
    assert "temperature at or above the threshold" in first  # the newest is on top
    assert browser.console == []


def test_whoever_is_to_be_measured_is_marked_and_counted(site: Site, browser: Browser) -> None:
    gate = site.gate
    gate.write(visit(visit_id="a"))
    gate.write(visit(visit_id="b", body_c=None, follow_up=TO_MEASURE))
    site.store.ingest([*arrivals(gate.messages), gate.state_arrival(gate.state())])
    browser.open(f"{site.url}/?lang=en")
    assert browser.shows("not measured, to be measured by hand: 1")
    assert wait_until(lambda: browser.evaluate(ROWS) == 2, 15)
    rows = browser.evaluate("[...document.querySelectorAll('.entry')].map(e => e.innerText)")
    assert isinstance(rows, list)
    assert ["to be measured by hand" in str(row) for row in rows] == [True, False]
    assert browser.console == []


def test_the_page_speaks_both_languages(site: Site, browser: Browser) -> None:
    site.store.ingest(arrivals(site.gate.write_visits(1)))
    browser.open(f"{site.url}/?lang=zh")
    assert browser.shows("放行")
    assert browser.evaluate("document.documentElement.lang") == "zh-Hans"
    browser.evaluate("document.getElementById('language').click()")
    assert browser.shows("granted")
    assert "放行" not in browser.text()


def test_an_entry_appears_live_and_the_figures_follow(site: Site, browser: Browser) -> None:
    browser.open(f"{site.url}/?lang=en")
    assert browser.shows("Nothing yet")
    assert browser.shows("live")
    site.store.ingest(arrivals([site.gate.write(visit(visit_id="a"))]))
    assert browser.shows("36.6 °C")
    assert browser.shows("Visits\n1")
    site.store.ingest(arrivals([site.gate.write(passage())]))
    assert wait_until(lambda: bool(browser.evaluate(ROWS) == 2), 10)


def test_what_became_of_a_visit_stands_in_its_own_row(site: Site, browser: Browser) -> None:
    gate = site.gate
    site.store.ingest(arrivals([gate.write(visit()), gate.write(passage())]))
    browser.open(f"{site.url}/?lang=en")
    assert browser.shows("went through")
    assert browser.evaluate(ROWS) == 1
    site.store.ingest(arrivals([gate.write(release(ReleaseResult.CLEARED))]))
    assert browser.shows("cleared")
    assert browser.evaluate(ROWS) == 1


def test_the_page_resumes_after_the_server_was_away(site: Site, browser: Browser) -> None:
    site.store.ingest(arrivals(site.gate.write_visits(2)))
    browser.open(f"{site.url}/?lang=en")
    assert wait_until(lambda: bool(browser.evaluate(ROWS) == 2), 15)
    assert browser.shows("live")
    site.restart()
    site.store.ingest(arrivals(site.gate.write_visits(3)))
    assert wait_until(lambda: bool(browser.evaluate(ROWS) == 5), 20), browser.text()
    ids = "[...document.querySelectorAll('.entry')].map((e) => e.dataset.id).join()"
    assert browser.evaluate(ids) == "5,4,3,2,1"


def test_hostile_text_is_shown_and_not_run(site: Site, browser: Browser) -> None:
    hostile = "<img src=x onerror=document.title='run'>"
    content = visit(holder_group=hostile, holder_category=HolderCategory.VISITOR)
    gate = site.gate
    state = gate.state().model_copy(update={"devices": {hostile: hostile}})
    site.store.ingest([gate.write(content).arrival(), gate.state_arrival(state)])
    browser.open(f"{site.url}/?lang=en")
    assert browser.shows(hostile)
    assert browser.evaluate("document.querySelectorAll('main img').length") == 0
    assert browser.evaluate("document.title") == "Entry gates"


@pytest.mark.parametrize(("width", "is_dark"), [(390, False), (390, True), (820, False)])
def test_the_page_fits_the_screen(
    site: Site, browser: Browser, tmp_path: Path, width: int, *, is_dark: bool
) -> None:
    gate = site.gate
    gate.write_visits(3)
    site.store.ingest([*arrivals(gate.messages), gate.state_arrival(gate.state())])
    browser.resize(width, 900, is_dark=is_dark)
    browser.open(f"{site.url}/?lang=en")
    assert browser.shows("all devices work")
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(14, 19, 25)" if is_dark else "rgb(243, 245, 247)")
    browser.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_the_page_can_be_used_with_a_keyboard_and_a_screen_reader(
    site: Site, browser: Browser
) -> None:
    site.store.ingest(arrivals(site.gate.write_visits(1)))
    browser.open(f"{site.url}/?lang=en")
    assert browser.shows("granted")
    unnamed = (
        "[...document.querySelectorAll('button, a')]"
        ".filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label'))).length"
    )
    assert browser.evaluate(unnamed) == 0
    assert browser.evaluate("document.querySelector('[role=log]').getAttribute('aria-live')")
    assert browser.evaluate("document.querySelectorAll('h1').length") == 1
    decorative = "[...document.querySelectorAll('svg')].every((e) => e.ariaHidden === 'true')"
    assert browser.evaluate(decorative) is True
