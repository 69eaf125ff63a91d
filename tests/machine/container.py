"""A Debian with systemd as its first process, in a container at native speed (systemd-nspawn).

The packages that gated depends on are in the base root, which is made once (build/machine/roots):
a container needs no network and has none. Everything that it changes lies in an overlay of its own.
Processes, sockets and CLOCK_MONOTONIC are the machine's: a test can kill and measure from outside.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.deb_packages import COLLECTOR, COMMON, GATE
from tests.gate_processes import CLOCK, NeverHappened, wait_for

CACHE = Path("build/machine/roots").resolve()
SUITE_VARIABLE = "GATED_MACHINE_SUITE"
"""bookworm or trixie; by default this machine's own."""
BESIDE = ("systemd-sysv", "dbus", "sudo", "nano", "mosquitto", "ca-certificates")
"""What a machine that is to become a gate, or a centre, has already."""
TOOLS = ("systemd-nspawn", "mmdebstrap")
HOST = "gate"
BOOTS_WITHIN_S = 90.0
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}


def why_not() -> str:
    """Return why no container can run here, or nothing."""
    if os.geteuid() != 0:
        return "containers need root: sudo make machine"
    if shutil.which("apt-get") is None:
        return "this is no Debian: there is no apt-get"
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii").split():
        return "this kernel has no overlay file system"
    if not suite():
        return f"no Debian archive is known to apt; {SUITE_VARIABLE} names a suite"
    if not any(Path("/sys/fs/cgroup").iterdir()):
        return "control groups are not mounted here, as in a chroot"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"{', '.join(missing)} missing: scripts/setup --machine" if missing else ""


def suite() -> str:
    """Return which Debian is to be tried."""
    named = os.environ.get(SUITE_VARIABLE)
    return named or next((release for release, _ in _sources() if "-" not in release), "")


def _sources() -> list[tuple[str, str]]:
    """Return (release, address) of what this machine's own apt is set up with."""
    answer = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    rows = {tuple(line.split(maxsplit=1)) for line in answer.stdout.splitlines()}
    return sorted((row[0], row[1]) for row in rows if len(row) > 1)


def _archives(wanted: str) -> list[str]:
    """Return the lines of sources.list for ``wanted``, from the same places."""
    main = next((uri for release, uri in _sources() if "-" not in release), "")
    security = [uri for release, uri in _sources() if "security" in release]
    lines = [f"deb {main} {wanted} main"]
    return lines + [f"deb {uri} {wanted}-security main" for uri in security[:1]]


def _dependencies(wanted: str) -> list[str]:
    """Return the packages that ours depend on; of alternatives the one that ``wanted`` has."""
    named = set(BESIDE)
    for depends in (COMMON.depends, GATE.depends, COLLECTOR.depends):
        for clause in depends:
            choices = [re.sub(r" *\(.*?\)", "", choice) for choice in clause.split(" | ")]
            named.add(choices[-1] if wanted == "bookworm" else choices[0])
    return sorted(named - {COMMON.name})


def base_root() -> Path:
    """Return a root with everything but gated, made at the first call (1 to 2 minutes)."""
    wanted = suite()
    packages = _dependencies(wanted)
    key = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    root = CACHE / f"{wanted}-{key}"
    if not root.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        new = root.with_suffix(".new")
        _remove(new)
        made = subprocess.run(
            # In mounts of its own: a /proc that is left behind in there must go with them.
            ["unshare", "--mount", "mmdebstrap", "--variant=minbase", "--mode=root",
             f"--include={','.join(packages)}", wanted, str(new), *_archives(wanted)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode != 0:
            raise NeverHappened(f"no root of {wanted}:\n{made.stderr[-3_000:]}")
        new.rename(root)
    return root


def _remove(folder: Path) -> None:
    """Delete a root, and never what may be mounted in it."""
    subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)


class Container:
    """One machine. ``folder`` keeps its disk and its console's log.

    Args:
        folder: everything of it.
        shared: folder on the machine → where the container has it, writable.
    """

    def __init__(self, folder: Path, shared: Mapping[Path, str]) -> None:
        self.folder = folder
        self.root = folder / "root"
        self._shared = dict(shared)
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0
        for name in ("root", "upper", "work"):
            (folder / name).mkdir(parents=True)
        layers = f"lowerdir={base_root()},upperdir={folder}/upper,workdir={folder}/work"
        subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True
        )

    # --- the machine --------------------------------------------------------------------------

    def boot(self) -> float:
        """Start it; return after how many seconds systemd has started everything."""
        self.write("/etc/hostname", f"{HOST}\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost {HOST}\n")
        binds = [f"--bind={here}:{there}" for here, there in self._shared.items()]
        started_s = CLOCK.monotonic_s()
        with (self.folder / "console.log").open("ab") as log:
            self._nspawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--boot", f"--directory={self.root}",
                 f"--machine=gated-{os.getpid()}", "--private-network", "--register=no",
                 "--keep-unit", "--console=pipe", *binds],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        wait_for(self._find_leader, "a container", BOOTS_WITHIN_S, log=self.console)
        wait_for(self._is_up, "systemd in the container", BOOTS_WITHIN_S, log=self.console)
        return CLOCK.monotonic_s() - started_s

    def _find_leader(self) -> bool:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise NeverHappened(f"no container:\n{self.console()}")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        for child in children.read_text(encoding="ascii").split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text(encoding="ascii") == "systemd\n":
                    self._leader = int(child)
                    return True
        return False

    def _is_up(self) -> bool:
        state = self.run("systemctl is-system-running", check=False).stdout.strip()
        return state in {"running", "degraded"}

    def shut_down(self) -> None:
        """Stop it in order, as `poweroff` does."""
        if self._nspawn is not None:
            self.run("systemctl poweroff", check=False)
            self._nspawn.wait(BOOTS_WITHIN_S)
            self._nspawn, self._leader = None, 0

    def cut_power(self) -> None:
        """End every process of it at once."""
        if self._nspawn is not None:
            if self._leader:  # never 0: that would be our own process group
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._leader, signal.SIGKILL)
            else:
                self._nspawn.kill()
            self._nspawn.wait(BOOTS_WITHIN_S)
            self._nspawn, self._leader = None, 0

    def close(self) -> None:
        try:
            self.cut_power()
        finally:
            subprocess.run(["umount", "--lazy", str(self.root)], check=False)
            _remove(self.folder)

    def console(self) -> str:
        return (self.folder / "console.log").read_text(encoding="utf-8", errors="replace")

    # --- inside -------------------------------------------------------------------------------

    def run(
        self, command: str, *, check: bool = True, answer: str = "", within_s: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell's ``command`` as root, which may read ``answer``.

        Raises: NeverHappened: it failed (with ``check``).
        """
        done = subprocess.run(
            ["nsenter", f"--target={self._leader}", "--all", "/bin/sh", "-c", command],
            input=answer, capture_output=True, text=True, check=False,
            env=_ENVIRONMENT, timeout=within_s,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise NeverHappened(f"{command} → {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Put a file of root's there."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)

    def exists(self, path: str) -> bool:
        return self.run(f"test -e {shlex.quote(path)}", check=False).returncode == 0

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Return what ``systemctl show`` says."""
        answer = self.run(f"systemctl show -p {','.join(properties)} {unit}").stdout
        return dict(line.partition("=")[::2] for line in answer.splitlines())

    def outer_pid(self, pid: int) -> int:
        """Return the machine's number of the container's process ``pid``."""
        space = Path(f"/proc/{self._leader}/ns/pid").readlink()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                status = (entry / "status").read_text(encoding="utf-8", errors="replace")
                inner = next(line for line in status.splitlines() if line.startswith("NSpid:"))
                if inner.split()[-1] == str(pid) and (entry / "ns/pid").readlink() == space:
                    return int(entry.name)
        raise NeverHappened(f"no process {pid} in the container")


@contextlib.contextmanager
def running_container(shared: Mapping[Path, str]) -> Iterator[Container]:
    """Give a container that has booted; nothing is left of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="gated-machine-", dir=CACHE.parent))
    container = Container(folder, shared)
    try:
        container.boot()
        yield container
    finally:
        container.close()
