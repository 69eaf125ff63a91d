"""A simulated scanner module of the Grow GM65 family, on a real kernel tty.

It keeps the rules of the manual and of Tasmota's recording of a GM861 (xsns_107_gm861.ino), whose
zone bytes it is delivered with; written on its own, not with the driver's code.
"""

from __future__ import annotations

from binascii import crc_hqx
from pathlib import Path

from gated.clock import Clock, SystemClock
from gated.simulation.serial_devices import ListeningDevice
from gated.units import MonoSeconds

_HEAD = b"\x7e\x00"
_UNCHECKED = b"\xab\xcd"
_READ, _WRITE, _SAVE, _SIGN_OF_LIFE = 7, 8, 9, 10
_WHOLE_WITHIN_S = 0.4
_MODE, _TRIGGER, _SETUP_CODES, _READING_TIME, _OUTPUT = 0x00, 0x02, 0x03, 0x06, 0x60
_COMMAND, _MANUAL = 1, 0
_FACTORY = bytes.fromhex(
    "D6 00 20 00 00 0A 32 01 2C 00 87 3C 01 A1 1C 32 03 00 80 00 06 00 00 00 00 00 00 00 00 00 00"
    "00 00 02 80 3C 00 00 00 06 00 00 39 01 05 64 0D 0D 0D 01 0D 01 04 80 09 04 80 05 04 80 01 04"
    "80 01 08 04 80 08 04 80 08 04 80 08 04 80 08 01 80 00 00 00 04 80 01 01 00 00 00 00 04 80 00"
    "00 03 00 01 00"
).ljust(256, b"\0")


class Gm65Module(ListeningDevice):
    """It has zone bytes in memory, which commands change, and in flash, which a power cut keeps.

    Args:
        path: the stable path.
        zones: {zone: byte} in its flash, where it differs from the factory's.
        deaf_to: zones that a write leaves as they are, though it's acknowledged.
        clock: for the reading time, and for commands that come too slowly.
    """

    def __init__(
        self,
        path: Path,
        zones: dict[int, int] | None = None,
        *,
        deaf_to: frozenset[int] = frozenset(),
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._flash = bytearray(_FACTORY)
        for zone, byte in (zones or {}).items():
            self._flash[zone] = byte
        self._deaf_to = deaf_to
        self.zones = bytearray(self._flash)
        self.saves = 0
        """How often its flash was written."""
        self.triggers = 0
        self.is_silent = False
        """Whether its answers get lost: one of the two wires is off."""
        self._reads_until: MonoSeconds | None = None
        self._begun_at: MonoSeconds | None = None
        super().__init__(path)

    def scan(self, text: str, encoding: str = "utf-8") -> bool:
        """Hold up a code. Return whether the module read it."""
        self.obey()
        with self._plug:
            if self._ends is None or not self._is_reading():
                return False
            self._reads_until = None
            data = text.encode(encoding)
            has_length = self.zones[_OUTPUT] & 0x80
            self.send(b"\x03" + len(data).to_bytes(2, "big") + data if has_length else data + b"\r")
            return True

    def show_setup_code(self, zone: int, byte: int) -> None:
        """Hold up a code of the manual's: it is obeyed, for good, unless that is switched off."""
        self.obey()
        with self._plug:
            if self.zones[_SETUP_CODES] & 0b10:
                self.scan("a setup code")
            else:
                self.zones[zone] = self._flash[zone] = byte

    def blink_power(self) -> None:
        """Take its power away for a moment, without the plug: as on the header's UART."""
        with self._plug:
            self._received.clear()
            self.lose_power()

    def lose_power(self) -> None:
        self.zones = bytearray(self._flash)
        self._reads_until = self._begun_at = None

    def take_received(self, received: bytearray) -> None:
        now = self._clock.monotonic_s()
        if self._begun_at is not None and now - self._begun_at > _WHOLE_WITHIN_S:
            del received[: len(_HEAD)]  # too late: no command any more
        self._begun_at = None
        while (start := received.find(_HEAD)) >= 0:
            del received[:start]
            size = _command_bytes(received)
            if size is None or len(received) < size:
                self._begun_at = now
                return
            content, check = bytes(received[2 : size - 2]), bytes(received[size - 2 : size])
            del received[:size]
            if check in {_UNCHECKED, _check(content)}:
                self._obey_command(content)
        if received[-1:] != _HEAD[:1]:
            received.clear()

    def _obey_command(self, content: bytes) -> None:
        kind, zone, data = content[0], int.from_bytes(content[2:4], "big"), content[4:]
        if kind == _READ and zone < len(self.zones):
            self._answer(b"\x02\x00", bytes(self.zones[zone : zone + (data[0] or 256)]))
        elif kind == _WRITE and zone + len(data) <= len(self.zones):
            for at, byte in enumerate(data, zone):
                if at not in self._deaf_to:
                    self.zones[at] = byte
            self._answer(b"\x02\x00", b"\0")
            if self.zones[_TRIGGER] & 1:
                self._pull_trigger()
        elif kind == _SAVE:
            self._flash[:] = self.zones
            self.saves += 1
            self._answer(b"\x02\x00", b"\0")
        elif kind == _SIGN_OF_LIFE:
            self._answer(b"\x03\x00", b"\0")

    def _answer(self, head: bytes, data: bytes) -> None:
        content = bytes([0, len(data) & 0xFF]) + data
        if not self.is_silent:
            self.send(head + content + _check(content))

    def _pull_trigger(self) -> None:
        self.zones[_TRIGGER] &= ~1
        self.triggers += 1
        if self.zones[_MODE] & 3 == _COMMAND:
            tenths = self.zones[_READING_TIME]
            reads_for_s = tenths / 10 if tenths else float("inf")
            self._reads_until = MonoSeconds(self._clock.monotonic_s() + reads_for_s)

    def _is_reading(self) -> bool:
        mode = self.zones[_MODE] & 3
        if mode == _COMMAND:
            return self._reads_until is not None and self._clock.monotonic_s() < self._reads_until
        return mode != _MANUAL  # its button is out of everybody's reach


def _command_bytes(received: bytearray) -> int | None:
    """Return the whole size of the command at the front, None if it can't be seen yet."""
    if len(received) < 4:  # noqa: PLR2004 - up to its length
        return None
    data_bytes = (received[3] or 256) if received[2] == _WRITE else 1
    return 4 + 2 + data_bytes + 2


def _check(content: bytes) -> bytes:
    return crc_hqx(content, 0).to_bytes(2, "big")
