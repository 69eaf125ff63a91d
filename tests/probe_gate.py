"""One gate's devices, all simulated and all there, for the tests of ``gated probe``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from gated.actuators.alsa import AlsaSoundCard
from gated.actuators.gpio import GpioLine
from gated.actuators.gpio_inputs import GpioInputs, InputWire
from gated.actuators.relay import Relay
from gated.actuators.signals import Lamp
from gated.actuators.worker import Outputs, lamp_name
from gated.clock import Clock, FakeClock
from gated.config import Camera, GateConfig, ScannerSettings, parse_gate
from gated.controller.ports import Devices
from gated.probe.check import WITHIN_S, Bench, check_devices
from gated.probe.findings import Checked, Kind
from gated.scanner.picture import encode_picture
from gated.sensors.port import Pause
from gated.simulation.bus import ChipModel, DeviceModel, Fault, NotAcknowledged, SimulatedBus
from gated.simulation.gpiochip import SimulatedChip, SimulatedGpiod
from gated.simulation.sound import SimulatedLibasound
from gated.vocabulary import Button
from tests.config_texts import MINIMAL
from tests.relay_wire import Wire


def chip(name: str, clock: Clock, celsius: float = 30.0) -> tuple[int, DeviceModel]:
    """Return (address, chip at register level) of a driver; it measures ``celsius``."""
    model: ChipModel = import_module(f"gated.simulation.chips.{name}").MODEL
    return model.address, model.build(clock, lambda _: celsius, 1)


class Plain:
    """A chip that nobody here knows: it gives a byte to whoever reads."""

    fault: Fault | None = None

    def transfer(self, address: int, written: bytes, count: int) -> bytes:
        if written:
            raise NotAcknowledged
        return b"\x17" * count


def quiet(_what: str) -> None:
    """Nobody watches."""


def pictures(folder: Path) -> ScannerSettings:
    """Return the settings of a camera that shows the pictures in ``folder``."""
    return ScannerSettings(camera=Camera.PICTURES, device=str(folder))


GATE = MINIMAL.replace(
    '[scanner]\ncamera = "v4l2"',
    '[scanner]\ncamera = "pictures"\ndevice = "FOLDER"\n'
    'serial = [{ name = "paper", device = "/dev/serial/by-id/usb-scanner-if00" }]',
).replace(
    'relay = { line = "GPIO17" }',
    'relay = { line = "GPIO17" }\ncall_staff = { line = "GPIO27" }\n'
    'lamps = { go = "GPIO22", wait = "GPIO23", code = "GPIO24" }\n'
    'buzzer = { line = "GPIO25" }\nvoice = { driver = "alsa" }\n'
    '[inputs]\nattendant_button = { line = "GPIO13" }',
).replace(
    "[temperature]", '[temperature]\nambient = { driver = "sht3x", bus = "/dev/i2c-0" }'
).replace(
    'variant = "DCI" }',
    'variant = "DCI", distance = { driver = "vl53l1x", bus = "/dev/i2c-4" } }',
)  # fmt: skip
LINES = ("GPIO13", "GPIO17", "GPIO22", "GPIO23", "GPIO24", "GPIO25", "GPIO27")


class Port:
    """A serial line that remembers how it was used."""

    def __init__(self, path: str, baud: int) -> None:
        self.path, self.baud, self.is_closed = path, baud, False

    def close(self) -> None:
        self.is_closed = True


class ProbedGate:
    """One gate's devices, all simulated, and all there until a test takes one away."""

    def __init__(self, folder: Path, far_end: Wire, clock: Clock | None = None) -> None:
        """``clock``: of everything; by default one that stands still but for pauses."""
        standing = FakeClock()
        self.clock: Clock = clock or standing
        self.pause: Pause = standing.advance if clock is None else threading.Event().wait
        pictures = folder / "pictures"
        pictures.mkdir()
        (pictures / "a.png").write_bytes(encode_picture(np.full((240, 320, 3), 51, np.uint8)))
        self.config: GateConfig = parse_gate(GATE.replace("FOLDER", str(pictures)), "test")
        self.far_end = far_end
        self.relay_spec = far_end.spec
        self.header = SimulatedChip("pinctrl-bcm2711", LINES, self.clock)
        self.sound = SimulatedLibasound(standing)
        self.ports: list[Port] = []
        self.buses = {
            name: SimulatedBus(name) for name in ("/dev/i2c-0", "/dev/i2c-1", "/dev/i2c-4")
        }
        self.buses["/dev/i2c-1"].attach(*chip("mlx90614", self.clock))
        self.buses["/dev/i2c-0"].attach(*chip("sht3x", self.clock, 20.0))
        self.buses["/dev/i2c-4"].attach(*chip("vl53l1x", self.clock, 0.5))

    def devices(self) -> Devices:
        outputs, gpio = self.config.outputs, SimulatedGpiod(self.header).gpio()
        assert outputs.lamps is not None

        def line(name: str, gpio_line: str) -> Callable[[], GpioLine]:
            return partial(GpioLine, name, gpio_line, "pinctrl-*", active_low=False, gpio=gpio)

        lamps = outputs.lamps.model_dump(exclude_none=True)
        button = InputWire("GPIO13", active_low=True, debounce_ms=50)
        return Devices(
            open_bus=lambda name: self.buses[name].open(),
            outputs=Outputs(
                relay=Relay(self.relay_spec),
                lamps={Lamp(n): line(lamp_name(Lamp(n)), wired) for n, wired in lamps.items()},
                buzzer=line("buzzer", "GPIO25"),
                bell=line("call_staff", "GPIO27"),
            ),
            inputs=GpioInputs({Button.ATTENDANT: button}, "pinctrl-*", self.clock, gpio=gpio),
        )

    def open_port(self, path: str, baud: int) -> Port:
        self.ports.append(Port(path, baud))
        return self.ports[-1]

    def check(
        self,
        *,
        open_serial: Callable[[str, int], Port] | None = None,
        within_s: Mapping[Kind, float] = WITHIN_S,
    ) -> dict[str, Checked]:
        """Return what checking the devices says, by their names."""
        bench = Bench(
            self.config,
            self.devices(),
            self.clock,
            self.pause,
            open_serial=open_serial or self.open_port,
            make_card=lambda device, clock: AlsaSoundCard(device, clock, lambda: self.sound),
            within_s=within_s,
        )
        return {device.name: device for device in check_devices(bench, quiet)}
