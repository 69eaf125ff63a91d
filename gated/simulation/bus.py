"""A simulated I2C bus: chips at addresses, the bus's rules, faults, and a transcript.

What a driver can do wrong on a wire is wrong here too: a STOP where a repeated start belongs, a
read before the chip is ready, a message to nobody.
"""

from __future__ import annotations

import enum
import errno
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from pydantic import BaseModel

from gated.clock import Clock
from gated.sensors.bus import WORD_AND_PEC_BYTES, bus_error

TRANSCRIPT_LENGTH = 1_000
FIRST_ADDRESS, LAST_ADDRESS = 0x08, 0x77  # the rest is reserved [I2C specification 3.1.12]

Signal = Callable[[float], float]
"""A quantity over time: monotonic seconds → °C, %, V or m. Pure: it may be asked of the past."""


class Fault(enum.Enum):
    """What can be wrong. The first five happen on the wire, the others inside the chip."""

    NACK = "nack"  # nobody answers: errno 121
    TIMEOUT = "timeout"  # the clock is held low: errno 110
    BAD_CHECK = "bad check"  # one bit flips in the last byte, which is a checksum
    ALL_ONES = "all ones"  # a floating bus
    ALL_ZEROS = "all zeros"  # a data line held low
    ERROR_FLAG = "error flag"
    STUCK = "stuck"  # the chip repeats its last value
    HALTED = "halted"  # the chip answers, but has no new measurement any more
    ASLEEP = "asleep"  # the chip answers nothing until it is woken
    PWM = "pwm"  # an MLX90614 whose EEPROM makes it put out pulses: it answers nothing


WIRE_ERRORS = {
    Fault.NACK: OSError(errno.EREMOTEIO, "Remote I/O error"),
    Fault.TIMEOUT: OSError(errno.ETIMEDOUT, "Connection timed out"),
}
SILENT = frozenset({Fault.ASLEEP, Fault.PWM})
INSIDE_CHIP = SILENT | {Fault.ERROR_FLAG, Fault.STUCK, Fault.HALTED}


class NotAcknowledged(Exception):
    """A chip model does not answer. Handled by the bus, which turns it into errno 121."""


class DeviceModel(Protocol):
    """One chip at register level. Raises NotAcknowledged where the real one would not answer."""

    fault: Fault | None

    def transfer(self, address: int, written: bytes, count: int, /) -> bytes:
        """Take one message: ``written``, then (repeated start) ``count`` bytes read."""


@runtime_checkable
class Overhearing(Protocol):
    """A chip that the traffic of the others on its bus disturbs."""

    def overhear(self) -> None:
        """A message to another address has just ended."""


class BuildChip(Protocol):
    """Builds a chip that measures ``temperature`` (a distance sensor: m); ``seed``: of its noise.

    ``options`` are its driver's: the specimen they describe. None: the commonest one.
    """

    def __call__(
        self, clock: Clock, temperature: Signal, seed: int, options: BaseModel | None = None
    ) -> DeviceModel: ...


@dataclass(frozen=True, slots=True)
class ChipModel:
    """A chip module's constant ``MODEL``: what the contract suite builds its chips from."""

    address: int
    build: BuildChip
    sees_picture: bool = False  # an array: ``temperature`` may be a whole scene


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it went over the wire."""

    address: int
    written: bytes
    read: bytes
    error: int | None = None  # errno


@dataclass(slots=True)
class _Injected:
    fault: Fault
    messages: int | None  # left; None: until cleared


@dataclass
class SimulatedBus:
    """An ``I2CBus`` of chip models, its transcript shared by everyone who opened it."""

    bus_name: str = "simulated"
    transcript: deque[Message] = field(default_factory=lambda: deque(maxlen=TRANSCRIPT_LENGTH))
    _chips: dict[int, DeviceModel] = field(default_factory=dict)
    _injected: dict[int, _Injected] = field(default_factory=dict)
    _is_open: bool = True

    @property
    def name(self) -> str:
        return self.bus_name

    def open(self) -> SimulatedBus:
        """Return one more opening of the same wires: a worker's ``open_bus``.

        Closing it closes it alone, as with a node under /dev that several workers have open.
        """
        return replace(self, _is_open=True)

    def attach(self, address: int, chip: DeviceModel) -> None:
        """Solder ``chip`` on at ``address``."""
        self._chips[address] = chip

    def detach(self, address: int) -> None:
        """Pull the chip's plug."""
        self._chips.pop(address, None)

    def inject(self, address: int, fault: Fault, messages: int | None = None) -> None:
        """Let ``fault`` befall the next ``messages`` messages to ``address``, or all (None).

        A fault inside the chip lasts until cleared.
        """
        if fault in INSIDE_CHIP:
            self._chips[address].fault = fault
        else:
            self._injected[address] = _Injected(fault, messages)

    def clear(self, address: int) -> None:
        """End every fault of ``address``."""
        self._injected.pop(address, None)
        if address in self._chips:
            self._chips[address].fault = None

    def read_word_with_pec(self, address: int, command: int) -> bytes:
        return self._transfer(address, bytes((command,)), WORD_AND_PEC_BYTES)

    def write_then_read(self, address: int, data: bytes, count: int) -> bytes:
        return self._transfer(address, data, count)

    def write(self, address: int, data: bytes) -> None:
        self._transfer(address, data, 0)

    def read(self, address: int, count: int) -> bytes:
        return self._transfer(address, b"", count)

    def close(self) -> None:
        self._is_open = False

    def _transfer(self, address: int, written: bytes, count: int) -> bytes:
        device = f"{self.bus_name}/0x{address:02X}"
        if not self._is_open:
            raise bus_error(OSError(errno.EBADF, "the bus is closed"), device)
        if not FIRST_ADDRESS <= address <= LAST_ADDRESS:
            raise bus_error(OSError(errno.EINVAL, "not a 7-bit device address"), device)
        fault = self._take_fault(address)
        cause = WIRE_ERRORS.get(fault) if fault is not None else None
        answer = b""
        if cause is None:
            try:
                answer = self._ask(address, written, count, fault)
            except NotAcknowledged:
                cause = WIRE_ERRORS[Fault.NACK]
        for other, chip in self._chips.items():
            if other != address and isinstance(chip, Overhearing):
                chip.overhear()
        self.transcript.append(Message(address, written, answer, cause.errno if cause else None))
        if cause is not None:
            raise bus_error(cause, device)
        return answer

    def _ask(self, address: int, written: bytes, count: int, fault: Fault | None) -> bytes:
        if fault is Fault.ALL_ONES:
            return b"\xff" * count
        if fault is Fault.ALL_ZEROS:
            return b"\x00" * count
        chip = self._chips.get(address)
        if chip is None or chip.fault in SILENT:
            raise NotAcknowledged
        answer = chip.transfer(address, written, count)
        if fault is Fault.BAD_CHECK and answer:
            return answer[:-1] + bytes((answer[-1] ^ 1,))
        return answer

    def _take_fault(self, address: int) -> Fault | None:
        injected = self._injected.get(address)
        if injected is None:
            return None
        if injected.messages is not None:
            injected.messages -= 1
            if injected.messages <= 0:
                del self._injected[address]
        return injected.fault
