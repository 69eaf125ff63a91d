"""The gate in the guest: installed by the page, its visitors, and what it did."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gated.contents import Kind
from tests.gate_processes import wait_for
from tests.gate_stage import HEALTHY_C, seen_of
from tests.machine.centre import GATE, OtherSide
from tests.machine.figures import measure
from tests.machine.guest import HOST_SEEN_FROM_GUEST, ROOT, Guest, GuestFailed, Level
from tests.machine.page import commands

FOLDER: Final = "/opt/hand-out"
PATIENCE_S: Final = 300.0
UNITS: Final = ("gated-controller", "gated-scanner", "gated-uplink")
PULSE_S: Final = 2.0
"""As in gate.toml: long enough to break something while the relay is energised."""

EMPTY_S: Final = 10.0
READ_WITHIN_S: Final = 5.0
"""From a code before the camera to the controller, in an emulated machine."""
LINES: Final = {"passage": 16, "attendant_button": 13}
"""Not the gate's contact: in gpio-sim the bias that is asked for wins over what is soldered on."""


def configuration(broker_port: int) -> str:
    """Return what the technician writes into /etc/gated/gated.toml."""
    text = (ROOT / "tests/machine/gate.toml").read_text(encoding="utf-8")
    return text.replace("BROKER", f"{HOST_SEEN_FROM_GUEST}:{broker_port}")


class Gate:
    """The gate, seen from both sides: through ssh at the machine, and at the collector.

    Args:
        guest: is up, and nothing is installed in it.
        other_side: runs.
        packages: the .deb files that are installed.
    """

    def __init__(self, guest: Guest, other_side: OtherSide, packages: list[Path]) -> None:
        self.guest = guest
        self.other_side = other_side
        self._packages = packages
        self.configuration = configuration(other_side.broker.port)
        self._serial: socket.socket | None = None

    def install(self) -> None:
        """Do what docs/install.md says for a gate, command by command."""
        self.guest.run(f"mkdir -p {FOLDER}")
        hand_out = self.other_side.hand_out
        self.guest.push([*self._packages, *hand_out.iterdir()], FOLDER)
        self.guest.run(
            f"cd {FOLDER} && echo unused >mqtt.password && mv office.jwks.json issuer.jwks.json"
        )
        for command in commands("install.md", "A gate 闸机"):
            began_s = time.monotonic()
            if command == "sudo apt update":
                continue  # the guest has no way to an archive: what gated needs is there already
            if command.startswith("sudo nano"):
                self.write_configuration()
                self.guest.run(
                    f"cd {FOLDER} && install -m 644 ca.pem gate.pem persons.list /etc/gated/"
                    " && install -m 600 gate.key /etc/gated/"
                )
                continue
            for machine in ("arm64", "amd64"):
                command = command.replace(f"_{machine}.deb", "_amd64.deb")
            if command == "sudo gated status":
                self.wait(self._is_well, "a gate where all is well")
                continue
            if command == "sudo gated probe":
                self._probe()
                continue
            self.guest.run(f"cd {FOLDER} && {command}", within_s=900)
            if command.startswith("sudo apt install"):
                measure("package installed", time.monotonic() - began_s, "s")
                self._check_that_nothing_runs()
                self.guest.run("systemctl start bench-wires bench-screen")
            if "enable --now" in command:
                measure("services started for the first time", time.monotonic() - began_s, "s")

    def write_configuration(self, **changes: str) -> None:
        """Write gate.toml with old → new ``changes``; the services are not told."""
        text = self.configuration
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        self.guest.write("/etc/gated/gated.toml", text)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.guest.try_to("gated status --json")[1]))

    def pid(self, unit: str) -> int:
        return int(self.guest.run(f"systemctl show -P MainPID {unit}"))

    def wait_ready(self, within_s: float = PATIENCE_S) -> float:
        """Wait until all units are active; return for how long."""
        began_s = time.monotonic()
        # In there, not by asking again and again: that would take the processor from what starts.
        states = f"$(systemctl is-active {' '.join(UNITS)} | sort -u)"
        waits = f'until [ "{states}" = active ]; do sleep 0.5; done'
        code, _ = self.guest.try_to(
            f"timeout {within_s:.0f} sh -c '{waits}'", within_s=within_s + 10
        )
        if code:
            raise GuestFailed(f"not all units are active within {within_s:g} s:\n{self.log()}")
        return time.monotonic() - began_s

    def wait_for_visitors(self) -> None:
        """Let a thermometer that has just started see an empty place, as it needs to."""
        self.leave()
        self.wait_ready()
        threading.Event().wait(EMPTY_S)

    def _is_well(self) -> bool:
        return self.guest.try_to("gated status")[0] == 0

    def log(self) -> str:
        return self.guest.try_to("journalctl -b -u 'gated*' -o cat --no-pager | tail -40")[1]

    # Who comes.

    def come(self, code: str = "", body_c: float = HEALTHY_C) -> None:
        """Let somebody stand at the mark, with ``code`` before the camera."""
        self.see(face=seen_of(body_c))
        if code:
            self.show(code)

    def leave(self, **state: object) -> None:
        """Let nobody be there; ``state`` as in ``see``.

        The code goes first: alone it would be that of the next one.
        """
        self.show("")
        gone = "until [ ! -s /run/bench/showing ]; do sleep 0.1; done"
        self.guest.try_to(f"timeout 20 sh -c '{gone}'")  # not while the camera is stalled or away
        self.see(**state)

    def see(self, **state: object) -> None:
        """Change what is on the wires: ``face``, ``air``, ``faults``, ``unplugged``."""
        self.guest.write("/run/bench/wires.json", json.dumps(state))

    def plug_serial(self) -> None:
        """Plug the serial scanner in."""
        self._serial = self.guest.connect_serial()

    def close(self) -> None:
        if self._serial is not None:
            self._serial.close()

    def power_up(self, *, at: str | None = None, has_network: bool = True) -> None:
        """Boot again after a power cut or an end, with all that was plugged in."""
        self.close()
        self.guest.start(at=at, has_network=has_network)
        self.plug_serial()

    def read_by_serial(self, code: str) -> None:
        """Let the serial scanner read ``code``."""
        assert self._serial is not None
        self._serial.sendall(f"{code}\r\n".encode())

    def show(self, text: str) -> None:
        self.guest.write("/run/bench/shown", text)

    def opens_for(self, code: str) -> None:
        """Let somebody healthy come, and see the relay energised; what is recorded is not seen."""
        before = len(self.pulses())
        self.come(code)
        self.wait(lambda: len(self.pulses()) > before, "an open gate")
        self.go_through()

    def go_through(self) -> None:
        """Let who was admitted go in. Who stood on would be the next one."""
        self.leave()
        self.touch("passage")

    def touch(self, line: str) -> None:
        """Close a contact to ground for a moment."""
        pull = f"/run/bench/chip/sim_gpio{LINES[line]}/pull"
        self.guest.run(f"echo pull-down >{pull}; sleep 0.4; echo pull-up >{pull}")

    # What became of it.

    def records(self, kind: Kind | None = None, **body: object) -> list[dict[str, Any]]:
        """Return what the collector has, in its order, of a kind and with such members."""
        found = [json.loads(raw) for _, raw in sorted(self.other_side.centre.bodies().items())]
        return [
            record
            for record in found
            if kind in (None, record["kind"])
            and all(record.get(key) == value for key, value in body.items())
        ]

    def wait_record(
        self, after: int, kind: Kind, within_s: float = PATIENCE_S, **body: object
    ) -> dict[str, Any]:
        """Return the first such record behind the first ``after`` ones of its kind."""
        wait_for(
            lambda: len(self.records(kind, **body)) > after,
            f"a {kind} with {body}",
            within_s,
            log=self.log,
        )
        return self.records(kind, **body)[after]

    def visit(self, code: str, body_c: float = HEALTHY_C) -> dict[str, Any]:
        """Let somebody come, be judged and leave; return the visit as the collector has it."""
        before = len(self.records(Kind.VISIT))
        self.come(code, body_c)
        try:
            record = self.wait_record(before, Kind.VISIT)
            if record["outcome"] != "granted":
                # Decided before the code was read, perhaps: it is theirs while they stand there.
                threading.Event().wait(READ_WITHIN_S)
        finally:
            self.leave()
        if record["outcome"] == "granted":
            self.touch("passage")
        return record

    def pulses(self) -> list[tuple[Level, Level | None]]:
        """Return each time that the relay was energised: (on, off); a power cut has no off."""
        found: list[tuple[Level, Level | None]] = []
        for level in self.guest.levels("relay"):
            if level.is_high:
                found.append((level, None))
            elif found and found[-1][0].boot == level.boot:
                found[-1] = (found[-1][0], level)
        return found

    def is_energised(self) -> bool:
        """Return whether the relay is, now: a pulse that a power cut ended has no end."""
        levels = self.guest.levels("relay")
        return bool(levels) and levels[-1].is_high and levels[-1].boot == self.guest.boot

    def wait(self, is_so: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> float:
        return wait_for(is_so, what, within_s, log=self.log)

    def _probe(self) -> None:
        # Its status is not looked at: an emulated machine may be too slow to load picamera2 for it.
        found = self.guest.try_to("gated probe")[1]
        for device in ("mlx90614", "sht3x", "pinctrl-bcm2711", "/dev/video0", "/dev/ttyUSB0"):
            assert device in found, found

    def _check_that_nothing_runs(self) -> None:
        for unit in (*UNITS, "gated.target"):
            assert self.guest.try_to(f"systemctl is-enabled {unit}")[1].strip() == "disabled"
            assert self.guest.try_to(f"systemctl is-active {unit}")[1].strip() == "inactive"
        assert self.guest.levels("relay") == []
        assert GATE in self.configuration
