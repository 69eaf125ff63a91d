"""What holds for every test: where programs are found, and when real hardware is touched."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Two slow cores, many tests at once: how long an example takes says nothing.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# As the scanner itself does: on threads of its own, small matrices take five times as long. Before
# anything imports NumPy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command run in the test's process sets up the root logger; the next test has its own."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def collected_sockets() -> Iterator[None]:
    """See ``tests.failed_handshakes``."""
    yield
    gc.collect()  # here, where it is expected, and not in somebody else's test


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hw", action="store_true", help="also run the tests that need real hardware")
    parser.addoption("--machine", action="store_true", help="also run the tests of a whole machine")
    parser.addoption(
        "--short", action="store_true", help="without what is marked as long, and fewer rounds"
    )


def pytest_configure() -> None:
    # A script's "make test &" ignores Ctrl-C, and every command that is tested would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Debian keeps mosquitto where only root's PATH looks.
    os.environ["PATH"] = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker, needs in (("hw", "real hardware"), ("machine", "a whole machine and minutes")):
        if config.getoption(f"--{marker}"):
            continue
        skip = pytest.mark.skip(reason=f"needs {needs}: give --{marker}")
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(skip)
    if config.getoption("--short"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="left out of the short form"))
