"""The maintainer scripts under dpkg, in a root of the test's own: what runs, what is left."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from scripts.deb_packages import COLLECTOR, COMMON, GATE, PACKAGES, Package, maintainer_script

ROOT = Path(__file__).resolve().parents[2]
UNITS = frozenset({*GATE.units, *COLLECTOR.units})
SYSTEMCTL = """#!/bin/sh
# As much of systemctl as the scripts use; a unit that runs is a file.
cd {units}
asked=$1
shift
for unit; do
    case "$asked $unit" in
        *" --"*) ;;
        is-active*) [ -e "$unit" ] && echo active || echo inactive ;;
        start*) touch "$unit" ;;
        stop*) rm -f "$unit" ;;
    esac
done
"""
DOES_NOTHING = "#!/bin/sh\n"


class Machine:
    """A root with dpkg's own database. The scripts run outside of it, their paths lead into it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._units = root / "units"
        tools = root / "tools"
        for name in ("info", "updates", "triggers"):
            (root / "var/lib/dpkg" / name).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()
        for folder in (self._units, tools, root / "run/systemd/system", root / "usr/lib/gated"):
            folder.mkdir(parents=True)
        programs = {"systemctl": SYSTEMCTL.format(units=self._units)}
        programs |= dict.fromkeys(("systemd-sysusers", "systemd-tmpfiles"), DOES_NOTHING)
        for name, text in programs.items():
            _write_program(tools / name, text)
        _write_program(root / "usr/lib/gated/compile", DOES_NOTHING)
        self._environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin:/sbin"}

    def do(self, action: str, packages: Iterable[Package], version: str = "") -> None:
        """Let dpkg do something with packages: with their files, if a version is given."""
        names = [str(self._pack(p, version)) if version else p.name for p in packages]
        done = subprocess.run(
            ["dpkg", f"--admindir={self._root}/var/lib/dpkg", f"--instdir={self._root}",
             "--force-script-chrootless", "--force-depends", "--force-unsafe-io",
             "--log=/dev/null", action, *names],
            env=self._environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def install(self, *packages: Package, version: str = "1.0") -> None:
        self.do("--install", packages, version)

    def start(self, *units: str) -> None:
        for unit in units:
            (self._units / unit).touch()

    def stop(self, unit: str) -> None:
        (self._units / unit).unlink()

    def write(self, name: str) -> None:
        file = self._root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()

    def exists(self, name: str) -> bool:
        return (self._root / name).exists()

    @property
    def files(self) -> set[str]:
        """Return what there is below the folders that the services have."""
        tops = (self._root / top for top in ("etc", "var/lib/gated", "var/lib/gated-collector"))
        files = (file for top in tops for file in top.rglob("*") if file.is_file())
        return {str(file.relative_to(self._root)) for file in files}

    @property
    def running(self) -> set[str]:
        return {path.name for path in self._units.iterdir()}

    def _pack(self, package: Package, version: str) -> Path:
        """Return a package with the real one's scripts and nothing else."""
        folder = self._root / "packages" / f"{package.name}_{version}"
        control = folder / "DEBIAN"
        control.mkdir(parents=True, exist_ok=True)
        (control / "control").write_text(
            f"Package: {package.name}\nVersion: {version}\nArchitecture: all\n"
            f"Maintainer: nobody <a@b.example>\nDescription: its scripts\n"
            + ("" if package is COMMON else f"Depends: {COMMON.name} (= {version})\n"),
            encoding="utf-8",
        )
        for name, parts in package.scripts.items():
            text = maintainer_script(package, parts, ROOT)
            for place in ("/etc/", "/run/", "/var/lib/", "/usr/lib/"):
                text = text.replace(place, f"{self._root}{place}")
            _write_program(control / name, text)
        file = folder.with_suffix(".deb")
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(folder), str(file)],
            check=True, capture_output=True,
        )  # fmt: skip
        return file


def _write_program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if shutil.which("dpkg") is None or os.geteuid() != 0:
        pytest.skip("packages are installed by dpkg, as root")
    machine = Machine(tmp_path)
    machine.install(*PACKAGES)
    assert machine.running == set()
    return machine


# --- what runs -----------------------------------------------------------------------------------


def test_after_an_update_runs_what_ran_before(machine: Machine) -> None:
    machine.start(*UNITS)
    machine.stop("gated-scanner.service")
    machine.install(*PACKAGES, version="1.1")
    assert machine.running == UNITS - {"gated-scanner.service"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_the_same_package_once_more_leaves_running_what_ran(
    machine: Machine, package: Package
) -> None:
    machine.start(*UNITS)
    machine.stop("gated-uplink.service")
    machine.install(package)
    assert machine.running == UNITS - {"gated-uplink.service"}
    machine.stop("gated-controller.service")
    machine.install(*PACKAGES, version="1.1")
    stopped = {"gated-uplink.service", "gated-controller.service"}
    assert machine.running == UNITS - stopped, "what was stopped by hand meanwhile"


def test_a_program_that_is_newer_than_its_units_starts_none_of_them(machine: Machine) -> None:
    machine.start(*UNITS)
    machine.do("--install", [COMMON], "1.1")
    assert machine.running == set()
    machine.install(GATE, version="1.1")
    assert machine.running == set(GATE.units)


# --- what is left --------------------------------------------------------------------------------


OF_THE_GATE = frozenset(
    {
        *("etc/gated/gated.toml", "etc/gated/site.key", "etc/gated/gate.key"),
        *("etc/gated/verifier.key", "etc/gated/trust/office.jwks.json"),
        *("etc/gated/trust-office.jwks.json.old-20261127-080000", "var/lib/gated/ledger.db"),
    }
)
OF_THE_COLLECTOR = frozenset(
    {
        *("etc/gated/collector.toml", "etc/gated/collector.key", "etc/gated/gates-ca.key"),
        *("etc/gated/database.password", "etc/gated/page.token", "etc/gated/webhook.secret"),
        *("etc/gated/claims/site.key", "var/lib/gated-collector/records.db"),
    }
)
OF_BOTH = frozenset({"etc/gated/mqtt.password", "etc/gated/ca.pem"})
EVERYTHING = OF_THE_GATE | OF_THE_COLLECTOR | OF_BOTH


@pytest.fixture
def full(machine: Machine) -> Machine:
    """A gate and a collector on one machine, with all their files."""
    for name in EVERYTHING:
        machine.write(name)
    return machine


def test_a_removal_deletes_nothing(full: Machine) -> None:
    full.do("--remove", PACKAGES)
    assert full.files == EVERYTHING


TWO = pytest.mark.parametrize(
    ("purged", "own", "other"),
    [(GATE, OF_THE_GATE, COLLECTOR), (COLLECTOR, OF_THE_COLLECTOR, GATE)],
    ids=[GATE.name, COLLECTOR.name],
)


@TWO
def test_a_purge_leaves_alone_what_another_needs(
    full: Machine, purged: Package, own: frozenset[str], other: Package
) -> None:
    full.do("--purge", [purged])
    assert full.files == EVERYTHING - own


@TWO
def test_a_purge_leaves_alone_what_another_that_was_removed_may_need_again(
    full: Machine, purged: Package, own: frozenset[str], other: Package
) -> None:
    full.do("--remove", [other])
    full.do("--purge", [purged, COMMON])
    assert full.files == EVERYTHING - own


@pytest.mark.parametrize(
    "order",
    [(COMMON, GATE, COLLECTOR), (GATE, COLLECTOR, COMMON), (COLLECTOR, COMMON, GATE)],
    ids=["common first", "common last", "common between"],
)
def test_nothing_is_left_of_what_is_purged_in_whichever_order(
    full: Machine, order: tuple[Package, ...]
) -> None:
    full.write("etc/gated/persons.list")
    full.do("--remove", PACKAGES)
    for package in order:
        full.do("--purge", [package])
    assert full.files == set()
    assert not full.exists("etc/gated")


def test_nothing_is_left_of_what_is_purged_at_once(full: Machine) -> None:
    full.do("--purge", PACKAGES)
    assert full.files == set()
    assert not full.exists("etc/gated")


def test_of_a_gate_alone_nothing_is_left(full: Machine) -> None:
    full.do("--purge", [COLLECTOR])
    full.do("--purge", [GATE, COMMON])
    assert not full.exists("etc/gated")
