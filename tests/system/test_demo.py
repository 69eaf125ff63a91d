"""``gated demo`` as a newcomer runs it: it ends by itself and every person is accounted for."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gated.demo.main import Demo as TheDemo
from gated.demo.tally import Tally
from gated.simulation.broker import HOST, free_port
from tests.gate_processes import ask_gated, processes_of, run_gated, wait_for

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "qr"
PHOTOS = ROOT.parent / "shared" / "data" / "qr-photos"
ENDS_WITHIN_S = 110.0
VISITS = 4


class Demo:
    """One demo in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.state = folder / "s"
        self.port = free_port()
        self._output = folder / "demo.log"
        with self._output.open("wb") as output:
            self.process = run_gated(
                "demo", "--state", str(self.state), "--page-port", str(self.port), *options,
                output=output,
            )  # fmt: skip

    def output(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def last_line(self) -> str:
        return next(line for line in reversed(self.output().splitlines()) if " INFO " not in line)

    def get(self, path: str) -> bytes:
        """Return what the page answers. Raises: OSError: nothing (yet)."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=5) as answer:
            assert answer.status == 200
            return bytes(answer.read())

    def wait_page(self) -> bytes:
        found: list[bytes] = []

        def look() -> bool:
            try:
                found.append(self.get("/"))
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return False
            return True

        wait_for(look, "a page", log=self.output)
        return found[-1]

    def end(self) -> None:
        """End it and whatever it left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def running_demo(folder: Path, *options: str) -> Iterator[Demo]:
    demo = Demo(folder, *options)
    try:
        yield demo
    finally:
        demo.end()


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short path: the names of sockets are limited."""
    return tmp_path_factory.mktemp("m")


def test_the_demo_ends_by_itself_with_every_visit_stored_once_and_the_page_shows_them(
    folder: Path,
) -> None:
    with running_demo(folder, "--visits", str(VISITS), "--seed", "3") as demo:
        assert b"<html" in demo.wait_page()
        code = demo.process.wait(ENDS_WITHIN_S)
        assert code == 0, demo.output()
        assert demo.last_line() == (
            f"visits={VISITS} stored={VISITS} lost=0 duplicated=0 unexpected=0"
        )
        assert re.search(r"^\d+\.\d persons a minute$", demo.output(), re.MULTILINE)
        assert "Traceback" not in demo.output()
    assert processes_of(demo.state) == []
    config = str(demo.state / "gated.toml")
    assert ask_gated("ledger", "verify", "--config", config).returncode == 0
    report = ask_gated(
        "collector", "report", "--json", "--database", str(demo.state / "collector.db")
    )
    outcomes = json.loads(report.stdout)["total"]["outcomes"]
    assert sum(outcomes.values()) == VISITS


def test_pictures_are_held_up_before_the_camera_and_read(folder: Path) -> None:
    pictures = folder / "pictures"
    pictures.mkdir()
    for name in ("paper-chinese.webp", "phone-green.webp"):
        shutil.copy(GOLDEN / name, pictures)
    with running_demo(folder, "--visits", "2", "--frames", str(pictures)) as demo:
        assert demo.process.wait(ENDS_WITHIN_S) == 0, demo.output()
        assert demo.last_line() == "visits=2 stored=2 lost=0 duplicated=0 unexpected=0"
    listing = ask_gated("ledger", "export", "--config", str(demo.state / "gated.toml")).stdout
    visits = [r for line in listing.splitlines() if (r := json.loads(line))["kind"] == "visit"]
    assert [v["credential_status"] for v in visits] == ["unsupported", "malformed"]
    assert "EXAMPLE-GREEN" not in listing


@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"no photographs at {PHOTOS}")
def test_real_photographs_are_taken_as_they_are(folder: Path) -> None:
    with running_demo(folder, "--visits", "1", "--frames", str(PHOTOS)) as demo:
        assert demo.process.wait(ENDS_WITHIN_S) == 0, demo.output()
        assert demo.last_line() == "visits=1 stored=1 lost=0 duplicated=0 unexpected=0"


@pytest.mark.parametrize(
    ("lost", "is_interrupted", "code"), [(0, False, 0), (1, False, 1), (1, True, 0)]
)
def test_only_a_clean_demo_or_an_interrupted_one_ends_with_0(
    tmp_path: Path, lost: int, is_interrupted: bool, code: int
) -> None:
    demo = TheDemo(folder=tmp_path, visits=1, seed=1, frames=None, page_port=1)
    demo._is_interrupted = is_interrupted
    demo._stop.set()  # as the end of every demo does
    tally = Tally(visits=1, stored=1 - lost, lost=lost, duplicated=0, unexpected=())
    assert demo._conclude(tally) == code


def test_an_endless_demo_ends_in_order_on_ctrl_c(folder: Path) -> None:
    with running_demo(folder) as demo:
        demo.wait_page()
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(20) == 0, demo.output()
        assert "Traceback" not in demo.output()
    assert processes_of(demo.state) == []


def test_a_folder_that_is_not_a_demos_is_left_alone(folder: Path) -> None:
    (folder / "thesis.txt").write_text("years of work", encoding="utf-8")
    answer = ask_gated("demo", "--visits", "1", "--state", str(folder))
    assert answer.returncode == 78
    assert "not empty" in answer.stderr
    assert (folder / "thesis.txt").read_text(encoding="utf-8") == "years of work"
