"""What the Debian packages bring along: which wheels of requirements.lock, for which machines.

One package serves every Python in ``PYTHONS``: wheels that all of them take lie in one folder,
the others in one folder for each. Nothing is compiled, so any machine builds for any other.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

PYTHONS: Final = ("3.11", "3.13")
"""Of Debian 12 and 13, and so of Raspberry Pi OS Bookworm and Trixie."""

MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's name of an architecture → the kernel's, which is the wheels'."""

ELF_MACHINES: Final = {"amd64": 0x3E, "arm64": 0xB7}

GLIBC_MINORS: Final = range(36, 16, -1)
"""Of glibc 2.x: up to Debian 12's. All are named, since pip takes each for itself only."""

EXTRAS: Final = ("collector", "demo", "office", "postgres")

FROM_DEBIAN: Final = {
    "numpy": "python3-numpy",
    "opencv-python": "python3-opencv",
    "pyserial": "python3-serial",
    "matplotlib": "python3-matplotlib",
}
"""What is left to the distribution, with all that only these need."""

NOT_USED: Final = frozenset({"rich"})

NATIVE: Final = {
    "libcom_err": "MIT",
    "libcrypt": "LGPL-2.1-or-later",
    "libcrypto": "Apache-2.0",
    "libgssapi_krb5": "MIT",
    "libk5crypto": "MIT",
    "libkeyutils": "LGPL-2.1-or-later",
    "libkrb5": "MIT",
    "libkrb5support": "MIT",
    "liblber": "OLDAP-2.8",
    "libldap": "OLDAP-2.8",
    "libpq": "PostgreSQL",
    "libsasl2": "BSD-3-Clause-Attribution",
    "libssl": "Apache-2.0",
}
"""Libraries that wheels carry in a folder of their own, and their licences."""


@dataclass(frozen=True, slots=True)
class Target:
    """A Python on an architecture: ``Target("arm64", "3.13")``."""

    architecture: str
    python: str

    @property
    def environment(self) -> dict[str, str]:
        """What the markers of requirements are judged by."""
        return {
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": MACHINES[self.architecture],
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    @property
    def pip_options(self) -> list[str]:
        machine = MACHINES[self.architecture]
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS]
        platforms.append(f"manylinux2014_{machine}")
        options = [f"--platform={platform}" for platform in platforms]
        return [*options, f"--python-version={self.python}", "--implementation=cp"]


TARGETS: Final = tuple(Target(a, p) for a in MACHINES for p in PYTHONS)


def locked(text: str) -> dict[str, str]:
    """Return each package of the lock with its line, "name==1.2 --hash=…", without a marker."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    found = {}
    for line in filter(None, map(str.strip, joined)):
        pin, hashes = line.split()[0], re.findall(r"--hash=\S+", line)
        found[pin.partition("==")[0]] = " ".join((pin, *hashes))
    return found


def wanted(project: Mapping[str, list[str]], extras: Iterable[str]) -> list[str]:
    """Return the requirements of the core ("") and of ``extras``, "gated[…]" resolved."""
    found: list[str] = []
    for extra in ("", *extras):
        for text in project[extra]:
            requirement = Requirement(text)
            if requirement.name == "gated":
                found += wanted(project, requirement.extras)
            else:
                found.append(text)
    return found


def closure(
    requirements: Iterable[str],
    target: Target,
    requires: Callable[[str], Iterable[str]],
    left_out: Iterable[str],
) -> set[str]:
    """Return the names of all packages that ``requirements`` need on ``target``.

    Args:
        requirements: as in pyproject.toml, with markers.
        target: what the markers are judged by.
        requires: says what a package's own metadata asks for.
        left_out: names that are neither taken nor followed.
    """
    names: set[str] = set()
    skipped = set(left_out)
    seen: set[str] = set()
    waiting = [(text, "") for text in requirements]
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is not None and not marker.evaluate({**target.environment, "extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        key = str(Requirement(f"{name}[{','.join(sorted(requirement.extras))}]")) + extra
        if name in skipped or key in seen:
            continue
        seen.add(key)
        names.add(name)
        for own_extra in ("", *requirement.extras):
            waiting += [(text, own_extra) for text in requires(name)]
    return names


def packages_of(root: Path, target: Target, requires: Callable[[str], Iterable[str]]) -> set[str]:
    """Return what the .deb for ``target`` has to bring along, by the project file in ``root``."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = {"": project["dependencies"], **project["optional-dependencies"]}
    left_out = {*FROM_DEBIAN, *NOT_USED}
    return closure(wanted(lists, EXTRAS), target, requires, left_out)


def download(lines: Iterable[str], target: Target, folder: Path) -> list[Path]:
    """Fetch the locked wheels into ``folder``, each checked against its hash; return them.

    Raises: CalledProcessError: if pip could not; it has said why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wishes = folder / "requirements.txt"
    text = "".join(f"{line}\n" for line in sorted(lines))
    if not wishes.is_file() or wishes.read_text(encoding="utf-8") != text:
        for old in folder.glob("*.whl"):
            old.unlink()
        fresh = folder / "wanted.txt"
        fresh.write_text(text, encoding="utf-8")
        subprocess.run(
            [
                sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check",
                "--no-deps", "--require-hashes", "--only-binary=:all:", *target.pip_options,
                f"--dest={folder}", f"--requirement={fresh}",
            ],
            check=True,
        )  # fmt: skip
        fresh.rename(wishes)  # from now on the folder is known to be whole
    return sorted(folder.glob("*.whl"))


def share(wheels: Mapping[str, Iterable[str]]) -> tuple[set[str], dict[str, set[str]]]:
    """Return the wheels that every Python takes, and those that each has for itself.

    Args:
        wheels: file names for each Python version.
    """
    sets = {python: set(names) for python, names in wheels.items()}
    shared = set.intersection(*sets.values())
    return shared, {python: names - shared for python, names in sets.items()}


def glibc_minor(wheels: Iterable[str]) -> int:
    """Return the oldest glibc 2.x that all ``wheels`` run on, by their file names."""
    needed = 17
    for name in wheels:
        platforms = {tag.platform for tag in parse_wheel_filename(name)[3]}
        minors = [int(m[1]) for p in platforms if (m := re.match(r"manylinux_2_(\d+)_", p))]
        if minors:
            needed = max(needed, min(minors))
    return needed


def unpack(wheel: Path, folder: Path) -> None:
    """Put the importable part of ``wheel`` into ``folder``; programs and data files are left."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            top, _, rest = entry.filename.partition("/")
            if top.endswith(".data"):
                kind, _, rest = rest.partition("/")
                if kind not in ("purelib", "platlib"):
                    continue
                path = folder / rest
            else:
                path = folder / entry.filename
            if entry.is_dir():
                continue
            if not path.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{wheel.name}: {entry.filename} leads out of its folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(entry))


def metadata(wheel: Path) -> Message:
    """Return the wheel's METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def licence(about: Message) -> str:
    """Return the licence's name as a package's metadata states it, "" if it does not."""
    if about["License-Expression"]:
        return str(about["License-Expression"])
    named = str(about["License"] or "").strip()
    if named and "\n" not in named:
        return named
    classifiers = [str(text) for text in about.get_all("Classifier", [])]
    found = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: OSI")]
    return " OR ".join(found)


def native_libraries(wheel: Path) -> dict[str, str]:
    """Return the libraries that ``wheel`` carries beside its modules, and their licences.

    Raises: ValueError: for one whose licence nobody has looked up yet.
    """
    with zipfile.ZipFile(wheel) as archive:
        files = [n.partition(".libs/")[2] for n in archive.namelist()]
    names = {re.split(r"[-.]", file)[0] for file in files if file}
    unknown = sorted(names - set(NATIVE))
    if unknown:
        raise ValueError(f"{wheel.name} carries {', '.join(unknown)}: add the licence to NATIVE")
    return {name: NATIVE[name] for name in sorted(names)}


def elf_machine(file: Path) -> int | None:
    """Return the machine that an ELF file is for, None if it is something else."""
    with file.open("rb") as stream:
        head = stream.read(20)
    return int.from_bytes(head[18:20], "little") if head.startswith(b"\x7fELF") else None
