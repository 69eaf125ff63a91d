"""Signals at the worst moment: while the main thread waits for what they set."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

ENDS_WITHIN_S = 20.0
WAITS_ALWAYS = """
import signal, sys, threading
from gated.signals import heed_signals

stop = threading.Event()
heed_signals({signal.SIGTERM: stop.set})
print("waits", flush=True)
while not stop.is_set():
    stop.wait(0.0)
"""


@pytest.mark.parametrize("attempt", range(5))
def test_a_signal_ends_who_is_waiting_for_it_at_any_moment(attempt: int) -> None:
    """Set by the handler itself, the event was never set in 13 of 20 such processes."""
    del attempt
    command = [sys.executable, "-c", WAITS_ALWAYS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(ENDS_WITHIN_S) == 0
        finally:
            process.kill()
