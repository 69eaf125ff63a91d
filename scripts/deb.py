"""Build the Debian packages and the wheel into dist/, from the last commit (``make deb``).

Three packages: ``gated-common`` (the program with the wheels that no Debian has, one for each
architecture), ``gated`` (a gate's units) and ``gated-collector`` (the centre's). Why so:
docs/adr/0014. The same commit gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from scripts import vendored
from scripts.deb_packages import (
    EXECUTABLE,
    FOR_ALL,
    FOR_EACH,
    LIBRARY,
    PACKAGES,
    Package,
    control,
    maintainer_script,
)

ROOT: Final = Path(__file__).resolve().parent.parent
BUILD: Final = ROOT / "build/deb"
DIST: Final = ROOT / "dist"
SMALL: Final = 1024


@dataclass(frozen=True, slots=True)
class Commit:
    """What is packed: the last commit, its time and who answers for it."""

    short: str
    at_s: int
    maintainer: str
    is_tagged: bool

    def version(self, own: str) -> str:
        """Return Debian's version: ``own`` for a tagged commit, else one that sorts before it."""
        if self.is_tagged:
            return own
        at = datetime.fromtimestamp(self.at_s, UTC)
        return f"{own}~{at:%Y%m%d.%H%M%S}+{self.short}"


@dataclass(frozen=True, slots=True)
class Work:
    """What one run packs, and where."""

    source: Path
    """The commit's files."""

    wheel: Path
    version: str
    commit: Commit
    build: Path = BUILD
    dist: Path = DIST


def licences(wheels: Iterable[Path]) -> str:
    """Return a table of what is brought along, with the licence of each.

    Raises: ValueError: if one says nothing of its licence.
    """
    entries = set()
    for wheel in wheels:
        about = vendored.metadata(wheel)
        name, version, named = about["Name"], about["Version"], vendored.licence(about)
        if not named:
            raise ValueError(f"{wheel.name} does not say its licence")
        entry = f"{name} {version}: {named}\n"
        for library, its_licence in vendored.native_libraries(wheel).items():
            entry += f"    with {library}: {its_licence}\n"
        entries.add(entry)  # the same for each Python
    return "".join(sorted(entries, key=str.lower))


def last_commit() -> Commit:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    short, at_s, maintainer = git("log", "-1", "--abbrev=9", "--format=%h%n%ct%n%an <%ae>").split(
        "\n"
    )
    tags = git("tag", "--points-at", "HEAD").split()
    if git("status", "--porcelain", "--untracked-files=no"):
        print("deb: what is not committed is left out")
    return Commit(short, int(at_s), maintainer, any(tag.startswith("v") for tag in tags))


def export(folder: Path) -> Path:
    """Put the last commit's files into ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    archived = subprocess.run(
        ["git", "archive", "--format=tar", "HEAD"], cwd=ROOT, check=True, capture_output=True
    )
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", folder], input=archived.stdout, check=True)
    return folder


def build_wheel(source: Path) -> Path:
    subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", "-qq", "--disable-pip-version-check", "--no-deps",
            "--no-index", "--no-build-isolation", f"--wheel-dir={DIST}", str(source),
        ],
        check=True,
    )  # fmt: skip
    (wheel,) = DIST.glob("gated-*.whl")
    return wheel


def bring_along(root: Path, own: Path, architecture: str) -> tuple[list[Path], str]:
    """Unpack everything that can be imported; return the wheels and the glibc that they need."""

    def requires(name: str) -> list[str]:
        return importlib.metadata.requires(name) or []

    lock = vendored.locked((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    found: dict[str, Path] = {}
    names: dict[str, list[str]] = {}
    for python in vendored.PYTHONS:
        target = vendored.Target(architecture, python)
        lines = [lock[name] for name in vendored.packages_of(ROOT, target, requires)]
        wheels = vendored.download(lines, target, BUILD / "wheels" / f"{architecture}-{python}")
        names[python] = [wheel.name for wheel in wheels]
        found |= {wheel.name: wheel for wheel in wheels}
    shared, single = vendored.share(names)
    folder = root / LIBRARY / "lib"
    for name in shared:
        vendored.unpack(found[name], folder / "python3/site-packages")
    vendored.unpack(own, folder / "python3/site-packages")
    for python, some in single.items():
        for name in some:
            vendored.unpack(found[name], folder / f"python{python}/site-packages")
        # how a Python comes from its own folder to the shared one
        path_file = folder / f"python{python}/site-packages/shared.pth"
        path_file.write_text("../../python3/site-packages\n", encoding="ascii")
    programs = root / LIBRARY / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "python").symlink_to("/usr/bin/python3")
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/gated").symlink_to("../lib/gated/bin/gated")
    return list(found.values()), f"2.{vendored.glibc_minor(found)}"


def write_docs(package: Package, root: Path, work: Work) -> None:
    """Write what Debian wants in every package: the changelog and who may do what with it."""
    folder = root / "usr/share/doc" / package.name
    folder.mkdir(parents=True, exist_ok=True)
    at = format_datetime(datetime.fromtimestamp(work.commit.at_s, UTC))
    news = (
        f"gated ({work.version}) unstable; urgency=medium\n\n"
        "  * What changed is told in CHANGELOG.md of the source.\n\n"
        f" -- {work.commit.maintainer}  {at}\n"
    )
    (folder / "changelog.gz").write_bytes(gzip.compress(news.encode(), mtime=0))
    text = (work.source / "packaging/copyright").read_text(encoding="utf-8")
    (folder / "copyright").write_text(text, encoding="utf-8")
    overrides = work.source / f"packaging/{package.name}.lintian-overrides"
    if overrides.is_file():
        place = root / "usr/share/lintian/overrides" / package.name
        place.parent.mkdir(parents=True)
        shutil.copyfile(overrides, place)


def stage(package: Package, architecture: str, work: Work) -> Path:
    """Lay out one package as a folder, ready for dpkg-deb."""
    root = work.build / f"{package.name}_{architecture}"
    shutil.rmtree(root, ignore_errors=True)
    glibc = ""
    for origin, place in package.files.items():
        if (work.source / origin).is_dir():
            shutil.copytree(work.source / origin, root / place, dirs_exist_ok=True)
        else:
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(work.source / origin, root / place)
    for link, target in package.links.items():
        (root / link).parent.mkdir(parents=True, exist_ok=True)
        (root / link).symlink_to(target)
    write_docs(package, root, work)
    if package.architecture == FOR_EACH:
        wheels, glibc = bring_along(root, work.wheel, architecture)
        with (root / f"usr/share/doc/{package.name}/copyright").open("a", encoding="utf-8") as file:
            file.write(licences(wheels))
    settle(root, work.commit.at_s)
    size_kib = sum(-(-f.lstat().st_size // SMALL) for f in root.rglob("*") if f.is_file())
    folder = root / "DEBIAN"
    folder.mkdir(mode=0o755)
    text = control(package, work.version, architecture, work.commit.maintainer, size_kib, glibc)
    (folder / "control").write_text(text, encoding="utf-8")
    (folder / "md5sums").write_text(md5sums(root), encoding="utf-8")
    for name, parts in package.scripts.items():
        (folder / name).write_text(maintainer_script(package, parts, work.source), encoding="utf-8")
        (folder / name).chmod(0o755)
    return root


def settle(root: Path, at_s: int) -> None:
    """Give every file the mode that it has everywhere, and the commit's time."""
    for path in (root, *root.rglob("*")):
        if path.is_symlink():
            continue
        name = str(path.relative_to(root))
        is_program = path.is_dir() or name in EXECUTABLE or name.endswith(".rtupdate")
        path.chmod(0o755 if is_program else 0o644)
        os.utime(path, (at_s, at_s))


def md5sums(root: Path) -> str:
    files = sorted(f for f in root.rglob("*") if f.is_file() and not f.is_symlink())
    return "".join(
        f"{hashlib.md5(f.read_bytes(), usedforsecurity=False).hexdigest()}  {f.relative_to(root)}\n"
        for f in files
        if f.relative_to(root).parts[0] != "DEBIAN"
    )


def wrong_in(root: Path, package: Package, architecture: str) -> list[str]:
    """Return what must not be in a package that is laid out in ``root``."""
    found = []
    for file in root.rglob("*"):
        if file.is_symlink() or not file.is_file():
            continue
        machine = vendored.elf_machine(file)
        if machine is None:
            continue
        if package.architecture == FOR_ALL or machine != vendored.ELF_MACHINES[architecture]:
            found.append(f"{file.relative_to(root)} is for another machine")
    for folder in (root / LIBRARY / "lib").glob("*/site-packages"):
        names = [n for n in ("numpy", "cv2", "picamera2", "serial") if (folder / n).exists()]
        found += [f"{name} is the distribution's and must not be brought along" for name in names]
    return found


def starts_here(root: Path, architecture: str) -> str:
    """Return what the packed program says to --version, "" where it cannot run."""
    here = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    python = root / LIBRARY / "bin/python"
    if architecture != here or not Path("/usr/bin/python3").exists():
        return ""
    told = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    if told not in vendored.PYTHONS:
        return ""
    return subprocess.run(
        [python, "-s", "-B", root / LIBRARY / "bin/gated", "--version"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def build(package: Package, architecture: str, root: Path, work: Work) -> Path:
    file = work.dist / f"{package.name}_{work.version}_{architecture}.deb"
    # Debian's own tools refuse zstd; more than level 1 takes four times as long for a tenth
    subprocess.run(
        [
            "dpkg-deb", "--root-owner-group", "-Zxz", "-z1",
            "--build", str(root), str(file),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(work.commit.at_s)},
    )  # fmt: skip
    return file


def lint(files: Sequence[Path]) -> int:
    """Run lintian where it is installed; return its exit status."""
    if shutil.which("lintian") is None:
        print("deb: lintian is not installed, so nobody has checked Debian's rules")
        return 0
    return subprocess.run(
        ["lintian", "--fail-on", "error", "--tag-display-limit", "0", *map(str, files)], check=False
    ).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--architecture", choices=vendored.MACHINES, action="append", help="only this one"
    )
    architectures = parser.parse_args().architecture or list(vendored.MACHINES)
    if shutil.which("dpkg-deb") is None:
        print("deb: needs dpkg-deb, that is Debian or: apt-get install dpkg", file=sys.stderr)
        return 1
    commit = last_commit()
    os.environ["SOURCE_DATE_EPOCH"] = str(commit.at_s)
    DIST.mkdir(exist_ok=True)
    for old in (*DIST.glob("*.deb"), *DIST.glob("gated-*.whl")):
        old.unlink()
    source = export(BUILD / "source")
    own = build_wheel(source)
    work = Work(source, own, commit.version(own.name.split("-")[1]), commit)
    files = [own]
    for package in PACKAGES:
        for architecture in architectures if package.architecture == FOR_EACH else [FOR_ALL]:
            root = stage(package, architecture, work)
            wrong = wrong_in(root, package, architecture)
            if wrong:
                print("\n".join(wrong), file=sys.stderr)
                return 1
            if package.architecture == FOR_EACH and (said := starts_here(root, architecture)):
                print(f"deb: {architecture} says {said}")
            files.append(build(package, architecture, root, work))
    for file in files:
        print(f"{file.stat().st_size / 1e6:6.1f} MB  {file.relative_to(ROOT)}")
    return lint(files[1:])


if __name__ == "__main__":
    sys.exit(main())
