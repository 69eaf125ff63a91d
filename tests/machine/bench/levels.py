"""Writes each change of an output's level to the second serial port: what a scope sees.

A line is "SECONDS LINE LEVEL", SECONDS since the kernel started. The port is a file of the host's,
so a power cut takes nothing away.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

LINES = {"relay": 17, "buzzer": 25, "call": 27, "go": 22}
EVERY_S = 0.001

chip = Path("/run/bench/chip")
files = {name: os.open(chip / f"sim_gpio{line}/value", os.O_RDONLY) for name, line in LINES.items()}
pause = threading.Event()
last: dict[str, bytes] = {}
with Path("/dev/ttyS1").open("wb", buffering=0) as scope:
    scope.write(f"{time.monotonic():.4f} scope 1\n".encode())
    while True:
        for name, file in files.items():
            level = os.pread(file, 1, 0)
            if level != last.get(name, b"0"):
                scope.write(f"{time.monotonic():.4f} {name} {level.decode()}\n".encode())
                last[name] = level
        pause.wait(EVERY_S)
