"""The Debian packages' decisions: which wheels, what the control file says, what scripts do."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from scripts import vendored
from scripts.deb import Commit, Work, build, licences, stage
from scripts.deb_packages import (
    COLLECTOR,
    COMMON,
    GATE,
    PACKAGES,
    Package,
    control,
    maintainer_script,
)

ROOT = Path(__file__).resolve().parents[2]
LOCK = vendored.locked((ROOT / "requirements.lock").read_text(encoding="utf-8"))


def requires(name: str) -> list[str]:
    return importlib.metadata.requires(name) or []


# --- which wheels --------------------------------------------------------------------------------


@pytest.mark.parametrize("target", vendored.TARGETS, ids=str)
def test_everything_that_is_brought_along_is_in_the_lock_with_its_hashes(
    target: vendored.Target,
) -> None:
    names = vendored.packages_of(ROOT, target, requires)
    assert names <= set(LOCK)
    assert all(LOCK[name].count("--hash=sha256:") >= 1 for name in names)
    assert {"pydantic-core", "cbor2", "zxing-cpp", "starlette", "psycopg-binary"} <= names


@pytest.mark.parametrize("target", vendored.TARGETS, ids=str)
def test_what_the_distribution_has_is_left_to_it_and_what_tests_need_is_left_out(
    target: vendored.Target,
) -> None:
    names = vendored.packages_of(ROOT, target, requires)
    assert not names & {*vendored.FROM_DEBIAN, "picamera2", "pillow", "contourpy"}
    assert not names & {"pytest", "mypy", "ruff", "hypothesis"}
    asked = " ".join((*GATE.depends, *COMMON.suggests))
    assert all(package in asked for package in vendored.FROM_DEBIAN.values())


def test_a_requirement_is_followed_by_its_marker_and_its_extra() -> None:
    needs = {
        "top": ["deep; python_version < '3.12'", "never; sys_platform == 'win32'"],
        "fast": ["plain", "wheel; extra == 'binary'", "other; extra == 'test'"],
    }

    def says(name: str) -> list[str]:
        return needs.get(name, [])

    old, new = vendored.Target("arm64", "3.11"), vendored.Target("arm64", "3.13")
    wishes = ["top", "Fast[binary]", "mine; platform_machine == 'x86_64'", "debians"]
    assert vendored.closure(wishes, old, says, {"debians"}) == {
        "top", "deep", "fast", "plain", "wheel",
    }  # fmt: skip
    assert "deep" not in vendored.closure(wishes, new, says, {"debians"})


def test_extras_that_name_other_extras_are_resolved() -> None:
    project = {"": ["core"], "all": ["gated[web]", "more"], "web": ["jinja2"]}
    assert vendored.wanted(project, ["all"]) == ["core", "core", "jinja2", "more"]


def test_wheels_that_all_pythons_take_are_packed_once() -> None:
    pure, stable = "a-1-py3-none-any.whl", "b-1-cp311-abi3-manylinux_2_34_x86_64.whl"
    old, new = (
        "c-1-cp311-cp311-manylinux_2_17_x86_64.whl",
        "c-1-cp313-cp313-manylinux_2_17_x86_64.whl",
    )
    shared, single = vendored.share({"3.11": [pure, stable, old], "3.13": [pure, stable, new]})
    assert shared == {pure, stable}
    assert single == {"3.11": {old}, "3.13": {new}}


def test_the_oldest_glibc_is_the_one_that_every_wheel_takes() -> None:
    names = [
        "a-1-py3-none-any.whl",
        "b-1-cp311-abi3-manylinux_2_34_x86_64.whl",
        "c-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_35_x86_64.whl",
    ]
    assert vendored.glibc_minor(names) == 34
    assert max(vendored.GLIBC_MINORS) == 36  # Debian 12's


def test_a_wheel_is_unpacked_without_its_programs_and_never_out_of_its_folder(
    tmp_path: Path,
) -> None:
    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/__init__.py", "")
        archive.writestr("a-1.data/purelib/b.py", "")
        archive.writestr("a-1.data/scripts/run", "")
    vendored.unpack(wheel, tmp_path / "out")
    files = {str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").rglob("*.py")}
    assert files == {"a/__init__.py", "b.py"}
    assert not (tmp_path / "out/a-1.data").exists()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("../b.py", "")
    with pytest.raises(ValueError, match="leads out"):
        vendored.unpack(wheel, tmp_path / "out")


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ("License-Expression: MIT\nLicense: see file", "MIT"),
        ("License: BSD-3-Clause", "BSD-3-Clause"),
        ("License: Permission is granted\n        to anybody", ""),
        ("Classifier: License :: OSI Approved :: MIT License", "MIT License"),
    ],
)
def test_every_wheel_says_its_licence_or_is_refused(
    about: str, expected: str, tmp_path: Path
) -> None:
    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a-1.dist-info/METADATA", f"Name: a\nVersion: 1\n{about}\n")
    if expected:
        assert licences([wheel]) == f"a 1: {expected}\n"
    else:
        with pytest.raises(ValueError, match="does not say its licence"):
            licences([wheel])


def test_a_library_inside_a_wheel_needs_a_known_licence(tmp_path: Path) -> None:
    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a.libs/libpq-53e4e5f8.so.5.18", "")
    assert vendored.native_libraries(wheel) == {"libpq": "PostgreSQL"}
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("a.libs/libnew-1.so.1", "")
    with pytest.raises(ValueError, match="libnew"):
        vendored.native_libraries(wheel)


# --- versions and control files ------------------------------------------------------------------


def test_a_version_between_releases_sorts_by_time_and_before_the_release() -> None:
    if shutil.which("dpkg") is None:
        pytest.skip("no dpkg here to compare versions")
    earlier = Commit("ffffffff0", 1_790_000_000, "x", is_tagged=False).version("0.1.0")
    later = Commit("000000001", 1_790_000_001, "x", is_tagged=False).version("0.1.0")
    released = Commit("0", 1_790_000_002, "x", is_tagged=True).version("0.1.0")
    assert released == "0.1.0"
    for lower, higher in ((earlier, later), (later, released)):
        subprocess.run(["dpkg", "--compare-versions", lower, "lt", higher], check=True)


def control_of(name: str) -> dict[str, str]:
    (package,) = [package for package in PACKAGES if package.name == name]
    text = control(package, "0.1.0~1", "arm64", "Somebody <a@b.example>", 10, "2.34")
    lines = [line for line in text.splitlines() if not line.startswith(" ")]
    return {key: value for key, _, value in (line.partition(": ") for line in lines)}


def test_a_gate_takes_opencv_numpy_and_picamera2_from_the_distribution() -> None:
    fields = control_of("gated")
    assert {"python3-numpy", "python3-opencv"} <= set(fields["Depends"].split(", "))
    assert fields["Recommends"] == "python3-picamera2"  # plain Debian has none
    assert "libzbar0t64 | libzbar0" in fields["Depends"]  # Debian 13's name, Debian 12's


def test_a_collector_needs_no_camera_and_no_numbers() -> None:
    for name in ("gated-collector", "gated-common"):
        assert "numpy" not in control_of(name)["Depends"]
        assert "opencv" not in control_of(name)["Depends"]


def test_both_take_exactly_their_own_program() -> None:
    for name in ("gated", "gated-collector"):
        assert "gated-common (= 0.1.0~1)" in control_of(name)["Depends"]
    depends = control_of("gated-common")["Depends"]
    assert "libc6 (>= 2.34)" in depends
    for python in vendored.PYTHONS:
        assert f"(>= {python}~)" in depends
    assert "@" not in "".join(control_of(p.name)["Depends"] for p in PACKAGES)


def test_every_line_of_a_description_fits() -> None:
    for package in PACKAGES:
        assert all(len(line.encode()) <= 79 for line in package.description), package.name


# --- what is installed, and when it runs ---------------------------------------------------------


def test_every_file_of_systemd_is_installed_once() -> None:
    named = [origin for package in PACKAGES for origin in package.files]
    ours = [f"systemd/{file.name}" for file in (ROOT / "systemd").iterdir()]
    assert sorted(name for name in named if name.startswith("systemd/")) == sorted(ours)
    assert all((ROOT / name).exists() for name in named)


def test_the_scripts_are_sound_and_enable_nothing(tmp_path: Path) -> None:
    for package in PACKAGES:
        for name, parts in package.scripts.items():
            text = maintainer_script(package, parts, ROOT)
            assert text.startswith("#!/bin/sh\n")
            assert "\nset -e\n" in text
            assert "@" not in text
            assert not re.search(r"^[^#]*\b(enable|unmask|preset)\b", text, flags=re.MULTILINE)
            file = tmp_path / name
            file.write_text(text, encoding="utf-8")
            subprocess.run(["sh", "-n", file], check=True)


def test_nothing_is_deleted_but_on_purge() -> None:
    for package in PACKAGES:
        text = maintainer_script(package, package.scripts["postrm"], ROOT)
        before, purge = text.split('if [ "$1" = purge ]; then\n')
        assert "rm " not in before
        assert "rm -r" in purge


def test_a_gates_drivers_are_loaded_before_its_units_start_again() -> None:
    text = maintainer_script(GATE, GATE.scripts["postinst"], ROOT)
    assert GATE.files["systemd/gated.modules"] == "usr/lib/modules-load.d/gated.conf"
    assert text.index("systemd-modules-load gated.conf") < text.index("systemctl start")


def test_a_unit_without_its_configuration_does_not_start() -> None:
    for package, file in ((GATE, "gated.toml"), (COLLECTOR, "collector.toml")):
        for unit in package.units:
            if unit.endswith(".service"):
                text = (ROOT / "systemd" / unit).read_text(encoding="utf-8")
                assert f"ConditionPathExists=/etc/gated/{file}\n" in text


# --- the files themselves ------------------------------------------------------------------------


@pytest.mark.parametrize("package", [GATE, COLLECTOR], ids=lambda package: package.name)
def test_a_package_holds_what_was_said_for_everybody_to_read_and_is_the_same_twice(
    package: Package, tmp_path: Path
) -> None:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb here to build with")
    commit = Commit("abcdef012", 1_790_000_000, "Somebody <a@b.example>", is_tagged=False)
    files = []
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        work = Work(ROOT, ROOT, "0.1.0~1", commit, tmp_path / "build", tmp_path / run)
        files.append(build(package, "all", stage(package, "all", work), work))
    assert files[0].read_bytes() == files[1].read_bytes()

    def dpkg(*arguments: str) -> str:
        return subprocess.run(
            ["dpkg-deb", *arguments, str(files[0])], check=True, capture_output=True, text=True
        ).stdout

    assert dpkg("--field").startswith(f"Package: {package.name}\n")
    listing = [line.split(maxsplit=5) for line in dpkg("--contents").splitlines()]
    modes = {path: (mode, owner) for mode, owner, _, _, _, path in listing}
    for place in package.files.values():
        assert modes[f"./{place}"] == ("-rw-r--r--", "root/root")
    for link, target in package.links.items():
        assert modes[f"./{link} -> {target}"] == ("lrwxrwxrwx", "root/root")
    assert f"./usr/share/doc/{package.name}/copyright" in modes
    assert not any(path.startswith(("./etc", "./var", "./run")) for path in modes)
