"""Tiny real children under a clock that only moves when told; what they do takes real time."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gated.clock import FakeClock
from gated.processes import Child, Children

CHILD = """
import os, signal, socket, sys, time

def tell(text):
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])

what, rest = sys.argv[1], sys.argv[2:]
if what == "exit":
    sys.exit(int(rest[0]))
if what == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if what == "ready-and-exit":
    tell("READY=1")
    sys.exit(3)
if what == "write":
    open(rest[0], "w").write(os.environ["COLOUR"])
if what != "mute":
    tell("STATUS=here\\nREADY=1")
signal.signal(signal.SIGHUP, lambda *_: tell("reloaded") or sys.exit(5))
while True:
    signal.pause()
"""


class Nursery:
    def __init__(self, folder: Path) -> None:
        script = folder / "child.py"
        script.write_text(CHILD, encoding="utf-8")
        self.clock = FakeClock()
        self.children = Children(
            self.clock,
            environment={"COLOUR": "green"},
            command=(sys.executable, "-S", "-E", str(script)),
        )

    def add(self, name: str, *arguments: str) -> None:
        self.children.add(name, *arguments)

    def child(self, number: int = 0) -> Child:
        return self.children._children[number]

    def poll_until(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + 20.0
        while not condition():
            assert time.monotonic() < deadline_s
            assert self.children.poll() is None
            os.sched_yield()


@contextmanager
def a_nursery() -> Iterator[Nursery]:
    """Give a nursery, and end whoever is left in it."""
    with tempfile.TemporaryDirectory(prefix="gated-") as folder:
        nursery = Nursery(Path(folder))
        yield nursery
        for child in nursery.children._children:
            if child.process is not None:
                child.process.kill()
        nursery.children.stop()
