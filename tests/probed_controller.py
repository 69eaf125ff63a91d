"""A real controller process before simulated devices of which something is wrong.

Run as ``python -m tests.probed_controller FOLDER FAULT``. Its last line of output is every level
that the relay's wire ever had.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from gated.clock import SystemClock
from gated.config import GateConfig
from gated.config.explain import dump_toml, with_paths
from gated.controller.main import Controller
from gated.credentials.pseudonym import make_site_key
from tests.probe_gate import ProbedGate, chip
from tests.relay_wire import wire


def wire_to_a_line_that_is_not_there(gate: ProbedGate) -> None:
    lamps = gate.config.outputs.lamps
    assert lamps is not None
    outputs = gate.config.outputs.model_copy(
        update={"lamps": lamps.model_copy(update={"go": "GPIO99"})}
    )
    gate.config = gate.config.model_copy(update={"outputs": outputs})


def move_a_chip_to_another_address(gate: ProbedGate) -> None:
    air = gate.buses["/dev/i2c-0"]
    air.detach(0x44)
    air.attach(0x45, chip("sht3x", gate.clock, 20.0)[1])


def unplug_a_chip(gate: ProbedGate) -> None:
    gate.buses["/dev/i2c-1"].detach(0x5A)


def look_through_no_camera(gate: ProbedGate) -> None:
    """Its scanner's settings name a folder that is not there; the rest of them stays."""
    scanner = gate.config.scanner.model_copy(update={"device": "/dev/no-pictures-here"})
    gate.config = gate.config.model_copy(update={"scanner": scanner})


def leave_it(_gate: ProbedGate) -> None:
    """No serial scanner is simulated: the one that the configuration names is not there."""


def wire_the_relay_to_a_line_that_is_not_there(gate: ProbedGate) -> None:
    """Its guard is a process of its own, which knows this machine's chips and no simulated one."""
    gate.relay_spec = "gpio:no-such-chip:GPIO99:high"


FAULTS: Mapping[str, Callable[[ProbedGate], None]] = {
    "a wrong pin": wire_to_a_line_that_is_not_there,
    "a wrong pin of the relay": wire_the_relay_to_a_line_that_is_not_there,
    "a chip at another address": move_a_chip_to_another_address,
    "an unplugged chip": unplug_a_chip,
    "no camera": look_through_no_camera,
    "no serial scanner": leave_it,
}


def settle(gate: ProbedGate, folder: Path) -> Path:
    """Give ``gate`` the files of a start below ``folder``; return its configuration's file."""
    gate.config = with_paths(
        gate.config,
        state=folder / "state",
        run=folder / "run",
        trust=folder / "trust",
        site_key_file=folder / "site.key",
    )
    raw = gate.config.model_dump()
    raw["clock"]["source"] = "system"
    raw["ledger"]["min_free_mb"] = 20
    gate.config = GateConfig.model_validate(raw)
    for made in ("state", "trust"):
        (folder / made).mkdir()
    make_site_key(folder / "site.key")
    file = folder / "gated.toml"
    file.write_text(dump_toml(gate.config), encoding="utf-8")
    return file


def main(folder: Path, fault: str) -> int:
    """Run until a signal. Return the controller's exit code."""
    clock = SystemClock()
    with wire() as far_end:
        gate = ProbedGate(folder, far_end, clock)
        FAULTS[fault](gate)
        file = settle(gate, folder)
        code = Controller(gate.config, file, lambda *_: gate.devices(), clock).run()
        sys.stdout.write(json.dumps(far_end.levels()) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
