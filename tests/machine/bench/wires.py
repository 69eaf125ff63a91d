"""The devices on the guest's I2C buses: the package's own chip models behind the kernel's adapters.

What they see stands in a file (JSON): {"face": °C, "air": °C, "faults": {"0x5A": "nack"},
"unplugged": ["0x44"]}. It is read again whenever it has changed.
"""

from __future__ import annotations

import errno
import json
import os
import struct
from pathlib import Path
from typing import Any

from gated.clock import SystemClock
from gated.errors import BusError
from gated.simulation.bus import DeviceModel, Fault, SimulatedBus
from gated.simulation.chips import mlx90614, sht3x

ASK = struct.Struct("=IHHHH")  # id, address, bytes written, bytes wanted, bus
ANSWER = struct.Struct("=Ii")  # id, errno
MOST = 4096
STATE = Path("/run/bench/wires.json")
NOBODY: dict[str, Any] = {"face": 22.0, "air": 22.0, "faults": {}, "unplugged": []}


class Wires:
    def __init__(self) -> None:
        self._state = NOBODY
        self._read_at = -1
        clock = SystemClock()
        self._chips: dict[int, DeviceModel] = {
            mlx90614.ADDRESS: mlx90614.build(clock, lambda _: self._state["face"], 1),
            sht3x.ADDRESS: sht3x.Sht3xModel(clock, lambda _: self._state["air"], seed=2),
        }
        self._buses = {0: SimulatedBus("0"), 1: SimulatedBus("1")}
        self._places = {mlx90614.ADDRESS: 1, sht3x.ADDRESS: 0}

    def answer(self, number: int, address: int, written: bytes, count: int) -> tuple[int, bytes]:
        self._look()
        bus = self._buses.get(number)
        if bus is None:
            return errno.EREMOTEIO, b""
        try:
            if count:
                return 0, bus.write_then_read(address, written, count)
            bus.write(address, written)
        except BusError as exc:
            return exc.errno or errno.EIO, b""
        return 0, b""

    def _look(self) -> None:
        try:
            changed_at = STATE.stat().st_mtime_ns
        except FileNotFoundError:
            changed_at = 0
        if changed_at == self._read_at:
            return
        self._read_at = changed_at
        self._state = {**NOBODY, **(json.loads(STATE.read_text()) if changed_at else {})}
        for address, chip in self._chips.items():
            bus = self._buses[self._places[address]]
            bus.detach(address)
            bus.attach(address, chip)
            bus.clear(address)
            if fault := self._state["faults"].get(f"0x{address:02X}"):
                bus.inject(address, Fault(fault))
            if f"0x{address:02X}" in self._state["unplugged"]:
                bus.detach(address)


def main() -> None:
    wires = Wires()
    device = os.open("/dev/i2c-bench", os.O_RDWR)
    while True:
        message = os.read(device, ASK.size + MOST)
        number, address, written, count, bus = ASK.unpack_from(message)
        error, data = wires.answer(bus, address, message[ASK.size : ASK.size + written], count)
        os.write(device, ANSWER.pack(number, error) + data)


main()
