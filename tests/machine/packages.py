"""The packages of the last ``make deb``, and an update of them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

DIST = Path(__file__).resolve().parents[2] / "dist"


def architecture() -> str:
    """Return what Debian calls this machine's processor."""
    answer = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def newest(*names: str) -> list[Path]:
    """Return the newest package of each name; fail the test where there is none."""
    found = []
    for name in names:
        files = [*DIST.glob(f"{name}_*_all.deb"), *DIST.glob(f"{name}_*_{architecture()}.deb")]
        if not files:
            pytest.fail(f"dist/ has no {name}: make deb")
        found.append(max(files, key=lambda file: file.stat().st_mtime))
    return found


def version_of(package: Path) -> str:
    answer = subprocess.run(
        ["dpkg-deb", "--field", str(package), "Version"], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def as_update(packages: Sequence[Path], folder: Path) -> list[Path]:
    """Return ``packages`` with a higher version, made in ``folder``."""
    old = version_of(packages[0])
    new, updates = f"{old}.1", []
    for package in packages:
        tree = folder / package.name.partition("_")[0]
        subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(tree)], check=True)
        control = tree / "DEBIAN/control"
        control.write_text(control.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        updates.append(folder / package.name.replace(old, new))
        subprocess.run(
            ["dpkg-deb", "-Znone", "--root-owner-group", "--build", str(tree), str(updates[-1])],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return updates
