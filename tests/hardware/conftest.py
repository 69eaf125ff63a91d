"""Real devices bear one user at a time: each test here holds a lock of the whole machine."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

LOCK_FILE = Path(tempfile.gettempdir()) / "gated-hardware.lock"
LOCK_TRIES = 600
LOCK_PAUSE_S = 0.1


@pytest.fixture(autouse=True)
def machine_lock() -> Iterator[None]:
    """Hold the lock during a test, so that neither a worker nor another checkout interferes.

    Each test takes it anew: held for a session, it would have the workers of one run wait for one
    another for ever.
    """
    pause = threading.Event()
    fd = os.open(LOCK_FILE, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        for _ in range(LOCK_TRIES):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pause.wait(LOCK_PAUSE_S)
            else:
                break
        else:
            pytest.fail(f"another run has held {LOCK_FILE} for {LOCK_TRIES * LOCK_PAUSE_S:g} s")
        yield
    finally:
        os.close(fd)  # which unlocks it
