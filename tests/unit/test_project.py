"""What holds for the repository as a whole: versions, decision records, the lock, file sizes."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

import gated

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 400
NO_ADDRESSES_IN = ("requirements.lock", "pyproject.toml", "Makefile", "scripts/setup")

# Libraries behind a wire, a native decoder or a socket: each has one adapter, so that it can be
# replaced, faked and left out in one place.
ONE_ADAPTER_EACH = {
    "gpiod", "h11", "iotcore", "libcamera", "paho", "picamera2", "psycopg", "pyzbar", "serial",
    "smbus2", "uvicorn", "zxingcpp",
}  # fmt: skip


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


def imported_packages(source: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("import_module")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            names.add(str(node.args[0].value).partition(".")[0])
    return names


def locked_requirements() -> list[str]:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def test_the_newest_changelog_entry_is_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(.+?)\]", text, flags=re.MULTILINE)
    assert newest is not None
    assert newest.group(1) == gated.__version__


def test_decision_records_are_named_and_numbered_without_gaps_or_repeats() -> None:
    records = sorted((ROOT / "docs/adr").iterdir())
    assert records
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", record.name) for record in records), records
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))


def test_every_decision_record_says_when_why_and_what_follows() -> None:
    for record in (ROOT / "docs/adr").iterdir():
        text = record.read_text(encoding="utf-8")
        assert re.match(r"# \d{4} \S", text), record.name
        assert text.startswith(f"# {record.name[:4]} "), record.name
        for part in (
            "\nDate: ",
            "\nStatus: ",
            "\n## Context",
            "\n## Decision",
            "\n## Consequences",
        ):
            assert part in text, f"{record.name} lacks {part.strip()}"


def test_everything_in_the_lock_is_pinned_and_hashed() -> None:
    requirements = locked_requirements()
    assert len(requirements) > 30
    for requirement in requirements:
        name = requirement.split()[0]
        assert re.fullmatch(r"[a-z0-9.-]+==[^=\s]+", name), requirement
        assert "--hash=sha256:" in requirement, f"{name} has no hash"


def test_the_lock_serves_both_processor_families() -> None:
    # a release with binary wheels has many files; one file would be this machine's wheel alone
    hashes = {line.split("==")[0]: line.count("--hash=") for line in locked_requirements()}
    for name in ("numpy", "opencv-python", "zxing-cpp", "cryptography", "pydantic-core", "cffi"):
        assert hashes[name] >= 4, name


def test_every_direct_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += [name for extra, names in extras.items() if extra != "pi" for name in names]
    locked = {line.partition("==")[0] for line in locked_requirements()}
    names = {re.split(r"[\[<>=;\s]", name)[0].lower() for name in wanted} - {"gated"}
    assert names <= locked, names - locked


@pytest.mark.parametrize("name", NO_ADDRESSES_IN)
def test_nothing_that_installs_names_an_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"--(extra-)?index-url(?!\")|--find-links(?!\")|--trusted-host", text), (
        name
    )


def test_no_tracked_file_names_a_registry_or_somebodys_machine() -> None:
    # joined here, so that this file does not name them itself
    forbidden = [
        "py" + "pi.org", "pythonhosted" + ".org", "registry." + "npmjs", "pi" + "wheels.org",
        "/work" + "/", "/root" + "/", "/home" + "/", "." + "pyenv", "fresh" + "-machine",
    ]  # fmt: skip
    found: dict[str, list[str]] = defaultdict(list)
    for file in tracked_files():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        for name in forbidden:
            if name in text:
                found[str(file.relative_to(ROOT))].append(name)
    assert found == {}


def test_no_source_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in (ROOT / "gated").rglob("*.py")
    }
    assert {name: count for name, count in lengths.items() if count > MAX_LINES} == {}


def test_each_hardware_or_network_library_has_one_adapter() -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for file in (ROOT / "gated").rglob("*.py"):
        for package in imported_packages(file) & ONE_ADAPTER_EACH:
            users[package].add(str(file.relative_to(ROOT)))
    assert {package: files for package, files in users.items() if len(files) > 1} == {}
    assert users["paho"] == {"gated/mqtt/connection.py"}


def swallows_everything(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False  # tidies up and passes it on
    caught = ast.walk(handler.type) if handler.type else ()
    names = {node.id for node in caught if isinstance(node, ast.Name)}
    return handler.type is None or not names.isdisjoint({"Exception", "BaseException"})


def test_one_place_alone_catches_everything() -> None:
    broad = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "gated").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and swallows_everything(node)
    }
    assert broad == {"gated/supervisor.py"}


def test_every_package_says_what_it_is() -> None:
    for file in (ROOT / "gated").rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), file


def test_the_demos_configuration_is_the_one_that_the_package_carries() -> None:
    shown = (ROOT / "config" / "demo.toml").read_bytes()
    assert shown == (ROOT / "gated" / "demo" / "demo.toml").read_bytes()
