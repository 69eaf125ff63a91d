"""The guest: a Debian machine in qemu with a gate's devices, made by ``build-guest``.

It is emulated, instruction by instruction, so it is many times slower than the machine it runs on:
limits are long, and times inside it are its own clock's.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gated.simulation.broker import HOST, free_port

ROOT: Final = Path(__file__).resolve().parent.parent.parent
FOLDER: Final = ROOT / "build/machine"
BUILDS_WITHIN_S: Final = 1800
BOOTS_WITHIN_S: Final = 300
ANSWERS_WITHIN_S: Final = 300
HOST_SEEN_FROM_GUEST: Final = "10.0.3.2"
KERNEL_OPTIONS: Final = (
    "console=ttyS0 quiet loglevel=4 net.ifnames=0 mitigations=off panic=-1 systemd.show_status=0"
)

CPU: Final = "max,la57=off,smap=off,smep=off,umip=off,pku=off"
"""Without what the emulator must check at each step: a fifth faster."""


class GuestFailed(AssertionError):
    """The guest did not do what it was told; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class Level:
    """An output's line changed to ``is_high``, ``at_s`` after the guest's kernel had started."""

    at_s: float
    line: str
    is_high: bool
    boot: int
    """Which of the guest's boots, from 0."""


def build() -> None:
    """Make the guest's kernel and disk, as far as they are not there.

    Raises: GuestFailed: the script's last lines.
    """
    log = FOLDER / "build.log"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        code = subprocess.run(
            [ROOT / "tests/machine/build-guest", FOLDER],
            stdout=said,
            stderr=subprocess.STDOUT,
            timeout=BUILDS_WITHIN_S,
            check=False,
        ).returncode
    if code:
        raise GuestFailed(f"build-guest ended with {code}:\n{_tail(log)}")


class Guest:
    """One guest with a disk of its own; what it writes is forgotten in the end.

    Args:
        folder: for the disk's changes, sockets and logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.console = folder / "console.log"
        self._levels = folder / "levels.log"
        self._boots = 0
        self._pause = threading.Event()

    def start(self, *, at: str | None = None, has_network: bool = True) -> float:
        """Boot, from the disk as it is; return the seconds until it could be told something.

        Args:
            at: what its clock chip says, such as "1970-01-02"; the host's time otherwise.
            has_network: whether the cable is plugged in (not that of our own commands).
        """
        disk = self._folder / "disk.qcow2"
        if not disk.exists():
            base = FOLDER / "guest.ext4"
            options = ["-q", "-f", "qcow2", "-b", str(base), "-F", "raw", str(disk)]
            subprocess.run(["qemu-img", "create", *options], check=True)
        began_s = time.monotonic()
        self._port = free_port()
        with (self._folder / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command(disk), *(["-rtc", f"base={at}"] if at else [])],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        if not has_network:
            self.network(is_up=False)
        self.plug("cont")
        self.wait_until_up()
        return time.monotonic() - began_s

    def wait_until_up(self) -> None:
        """Wait until the guest takes commands, as after a restart from inside."""
        self._forget_connection()
        deadline_s = time.monotonic() + BOOTS_WITHIN_S
        while not self._is_connected():
            assert self._process is not None
            if self._process.poll() is not None:
                raise GuestFailed(f"qemu is gone: {_tail(self._folder / 'qemu.log')}")
            if time.monotonic() > deadline_s:
                raise GuestFailed(f"the guest did not come up:\n{_tail(self.console)}")
            self._pause.wait(0.3)
        self._boots += 1

    def cut_power(self) -> None:
        """Take its power away, without a warning. The disk keeps what was flushed to it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
            (self._folder / "qmp.sock").unlink(missing_ok=True)
        self._forget_connection()

    def hang(self) -> None:
        """Let its kernel stop for ever."""
        self._ssh("echo c >/proc/sysrq-trigger", 5)

    def shut_down(self) -> None:
        """Let it end in good order."""
        self._ssh("systemctl poweroff --no-block", ANSWERS_WITHIN_S)
        assert self._process is not None
        self._process.wait(BOOTS_WITHIN_S)
        self.cut_power()

    def run(self, command: str, *, within_s: float = ANSWERS_WITHIN_S) -> str:
        """Return what ``command`` prints, run by root's shell.

        Raises: GuestFailed: it ended with an error, or not in time.
        """
        done = self._ssh(command, within_s)
        if done.returncode:
            said = f"{done.stdout}{done.stderr}"
            raise GuestFailed(f"{command}\n→ {done.returncode}: {said[-4000:]}")
        return done.stdout

    def try_to(self, command: str, *, within_s: float = ANSWERS_WITHIN_S) -> tuple[int, str]:
        """Return the exit status of ``command`` and what it printed."""
        done = self._ssh(command, within_s)
        return done.returncode, done.stdout + done.stderr

    def write(self, path: str, content: str | bytes, mode: str = "644") -> None:
        """Write a file, in one step."""
        data = content.encode() if isinstance(content, str) else content
        quoted = shlex.quote(path)
        self._ssh(
            f"cat >{quoted}.part && chmod {mode} {quoted}.part && mv {quoted}.part {quoted}",
            ANSWERS_WITHIN_S,
            data,
        ).check_returncode()

    def push(self, files: list[Path], folder: str) -> None:
        """Copy ``files`` into ``folder``."""
        target = f"root@{HOST}:{folder}"
        subprocess.run(
            ["scp", "-q", *self._options(), "-P", str(self._port), *map(str, files), target],
            check=True,
            timeout=ANSWERS_WITHIN_S,
        )

    def plug(self, command: str, **arguments: object) -> None:
        """Give qemu a command of its monitor protocol, such as pulling a USB plug.

        Raises: GuestFailed: it refuses.
        """
        path = self._folder / "qmp.sock"
        while not path.exists():
            self._pause.wait(0.05)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(path))
            lines = connection.makefile("rw")
            lines.readline()  # its greeting
            for name, given in (("qmp_capabilities", {}), (command, arguments)):
                lines.write(json.dumps({"execute": name, "arguments": given}) + "\n")
                lines.flush()
                while "return" not in (answer := json.loads(lines.readline())):
                    if "error" in answer:
                        raise GuestFailed(f"{command}: {answer['error']}")

    def network(self, *, is_up: bool) -> None:
        """Plug the network's cable in, or pull it. Our own commands go another way."""
        self.plug("set_link", name="net1", up=is_up)

    def connect_serial(self) -> socket.socket:
        """Return the far end of the serial line of a USB adapter in the guest."""
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(self._folder / "usb.sock"))
        return line

    def levels(self, line: str | None = None) -> list[Level]:
        """Return every change of an output so far, of all boots, the oldest first."""
        changes, boot = [], -1
        for text in self._levels.read_text(errors="replace").splitlines():
            match text.split():
                case [_, "scope", _]:
                    boot += 1
                case [at, name, level] if line in (None, name):
                    changes.append(Level(float(at), name, level == "1", boot))
        return changes

    @property
    def boot(self) -> int:
        """Which of its boots this is, as in ``levels``."""
        return self._boots - 1

    def close(self) -> None:
        self.cut_power()

    def _command(self, disk: Path) -> list[str]:
        files = self._folder
        own = f"user,id=net0,restrict=on,hostfwd=tcp:{HOST}:{self._port}-:22"
        command = f"""
            qemu-system-x86_64 -S -accel tcg,thread=multi -machine q35 -cpu {CPU} -smp 2 -m 1536
            -nodefaults -display none -no-user-config
            -kernel {FOLDER}/vmlinuz -initrd {FOLDER}/initrd.gz
            -drive file={disk},if=virtio,cache=unsafe
            -netdev {own} -device virtio-net-pci,netdev=net0,romfile=
            -netdev user,id=net1,net=10.0.3.0/24 -device virtio-net-pci,netdev=net1,romfile=
            -device virtio-rng-pci
            -chardev file,id=console,path={self.console},append=on -serial chardev:console
            -chardev file,id=levels,path={self._levels},append=on -serial chardev:levels
            -device qemu-xhci,id=xhci
            -chardev socket,id=usb,path={files}/usb.sock,server=on,wait=off
            -device usb-serial,chardev=usb,id=scanner,serial=PAPER
            -device i6300esb -action watchdog=reset,panic=shutdown,reboot=reset
            -qmp unix:{files}/qmp.sock,server=on,wait=off
        """
        return [*command.split(), "-append", KERNEL_OPTIONS]

    def _options(self) -> list[str]:
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
            "ConnectTimeout": "20",
            "ControlPath": f"{self._folder}/ssh.sock",
        }
        pairs = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        return ["-i", str(FOLDER / "id_guest"), *pairs]

    def _ssh(
        self, command: str, within_s: float, given: bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        try:
            done = subprocess.run(
                ["ssh", *self._options(), "-p", str(self._port), f"root@{HOST}", command],
                input=given if given is not None else b"",
                capture_output=True,
                timeout=within_s,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            said = (exc.stdout or b"") + (exc.stderr or b"")
            return subprocess.CompletedProcess(command, 124, said.decode(errors="replace"), "")
        out, err = (part.decode(errors="replace") for part in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(command, done.returncode, out, err)

    def _is_connected(self) -> bool:
        # One connection for all commands. It goes to the background, so it must not hold a pipe.
        done = subprocess.run(
            ["ssh", "-M", "-f", "-N", *self._options(), "-p", str(self._port), f"root@{HOST}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        return done.returncode == 0

    def _forget_connection(self) -> None:
        # a connection to a machine that is gone answers nothing, for minutes
        subprocess.run(
            ["ssh", *self._options(), "-O", "exit", "-p", str(self._port), HOST],
            capture_output=True,
            timeout=30,
            check=False,
        )
        (self._folder / "ssh.sock").unlink(missing_ok=True)


def why_not() -> str | None:
    """Return why no guest can be run on this machine, or None."""
    if os.geteuid() != 0:
        return "making the guest needs root: sudo make machine"
    if os.uname().machine != "x86_64":
        return "the guest's kernel modules are built for x86_64 only"
    return None


def _tail(log: Path, lines: int = 30) -> str:
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
