#!/usr/bin/env python3
"""Write requirements.lock: every package of pyproject.toml, pinned, with the hashes of its files.

The lock names no index and no address, so it installs from whatever index the machine uses.
Versions already in it are kept; ``scripts/lock.py --upgrade`` takes the newest. The hashes are
those of all files of a release, so one lock serves x86_64 and aarch64 and Python 3.11 to 3.13.

Run with the virtual environment's Python after adding pip-tools to it (``make lock`` does both).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
HEADER = """\
# Every package that gated needs, pinned and hashed. Written by `make lock` from pyproject.toml; do
# not edit. It names no index: pip asks the one that the machine is set up for. Not in it: the extra
# `pi`, since picamera2 comes with Raspberry Pi OS.
"""
NOT_LOCKED = {"pi"}
SELF = re.compile(r"gated\[")


def wanted() -> list[str]:
    """Return the requirements of the core, the build, the dev group and every locked extra."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    requirements: list[str] = list(project["project"]["dependencies"])
    for extra, names in project["project"]["optional-dependencies"].items():
        if extra not in NOT_LOCKED:
            # "gated[collector,…]" only repeats extras that this loop visits by themselves
            requirements += [name for name in names if not SELF.match(name)]
    requirements += project["dependency-groups"]["dev"]
    return requirements


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "requirements.in"
        source.write_text("\n".join(wanted()) + "\n", encoding="utf-8")
        output = Path(folder) / "requirements.txt"
        if LOCK.exists():  # pip-compile keeps the pins that it finds in its output file
            output.write_text(LOCK.read_text(encoding="utf-8"), encoding="utf-8")
        compiled = subprocess.run(
            [
                sys.executable, "-m", "piptools", "compile", "--quiet", "--generate-hashes",
                "--no-header", "--no-annotate", "--strip-extras", "--allow-unsafe",
                "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host",
                "--no-emit-options", "--resolver=backtracking",
                "--output-file", str(output), *sys.argv[1:], str(source),
            ],
            check=False,
        )  # fmt: skip
        if compiled.returncode:
            return compiled.returncode
        text = HEADER + output.read_text(encoding="utf-8").lstrip()
    if "://" in text:
        print("scripts/lock.py: the lock would hold an address; not written", file=sys.stderr)
        return 1
    LOCK.write_text(text, encoding="utf-8")
    count = len(re.findall(r"^[a-z0-9.-]+==", text, flags=re.MULTILINE))
    print(f"requirements.lock: {count} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
