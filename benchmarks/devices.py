"""How soon the gate notices a device that fails while it works, and one that is back.

    python benchmarks/devices.py [--rounds N] [--json]

One gate under ``gated run`` on its stage: the camera stalls, a thermometer and the ambient sensor
are unplugged, a serial scanner is pulled out. Each time counts from the failure, or the repair, to
the alarm in the ledger.

Mark: noticed within 3 s.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import Spread, print_figures, surroundings
from gated.contents import AlarmName, Kind
from gated.simulation.serial_devices import SerialScannerDevice, serial_on_stage
from gated.simulation.stage import AMBIENT
from tests.gate_processes import CLOCK, open_files, wait_for
from tests.gate_rig import StagedGate, staged_gate

MARK_S = 3.0
READER = "paper"
WITH_READER = {
    'camera = "none"': 'camera = "v4l2"\n'
    f'serial = [{{ name = "{READER}", device = "/dev/serial/by-id/usb-paper" }}]',
    # the demo's and the example's kind of chip: read every 0.65 s
    'variant = "DAA"': 'variant = "DCI"',
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that goes wrong, and how it is mended."""

    device: str
    begin: Callable[[], None]
    end: Callable[[], None]
    lost: AlarmName = AlarmName.DEVICE_LOST
    back: AlarmName = AlarmName.DEVICE_RETURNED


def timed(gate: StagedGate, do: Callable[[], None], alarm: AlarmName, device: str) -> float:
    """Do it; return how many seconds later the alarm was recorded."""
    before, since_s = gate.newest_seq(), CLOCK.monotonic_s()
    do()
    gate.wait_event(Kind.ALARM, before, alarm=alarm, device=device)
    return CLOCK.monotonic_s() - since_s


def measure(rounds: int) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="gated-") as folder,
        staged_gate(Path(folder) / "g", changes=WITH_READER) as gate,
        closing(SerialScannerDevice(serial_on_stage(gate.run_folder, READER))) as reader,
    ):
        gate.start()
        tty = Path(reader.tty)
        wait_for(lambda: tty in open_files(gate.pid("scanner")), "a reader", log=gate.log)
        stage = gate.stage
        troubles = (
            Trouble(
                "scanner",
                stage.stall_camera,
                lambda: stage.stall_camera(is_stalled=False),
                AlarmName.SCANNER_LOST,
                AlarmName.SCANNER_RETURNED,
            ),
            *(
                Trouble(name, lambda n=name: stage.unplug(n), lambda n=name: stage.plug_in(n))  # type: ignore[misc]  # bound now
                for name in ("child", AMBIENT)
            ),
            Trouble(READER, reader.pull_out, reader.plug_in),
        )
        for _ in range(rounds):
            for trouble in troubles:
                lost_s = timed(gate, trouble.begin, trouble.lost, trouble.device)
                figures.setdefault(f"{trouble.device}: noticed, s", []).append(lost_s)
                back_s = timed(gate, trouble.end, trouble.back, trouble.device)
                figures.setdefault(f"{trouble.device}: back, s", []).append(back_s)
        assert gate.stop() == 0
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    figures = measure(args.rounds)
    longest_s = max(max(values) for name, values in figures.items() if "noticed" in name)
    rows: dict[str, object] = {name: Spread.of(values) for name, values in figures.items()}
    rows["devices.longest_to_notice_s"] = f"{longest_s:.2f} (mark: at most {MARK_S:g})"
    if args.json:
        rows["devices.longest_to_notice_s"] = longest_s
    beside = "one gate under gated run, its stage, no broker, no collector"
    print_figures(rows, surroundings(beside), as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
