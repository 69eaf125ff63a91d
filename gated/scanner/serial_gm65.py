"""Commands of the Grow GM65 family (GM60, GM65, GM66, GM805, GM861). Pure: times and answers in.

The module holds its settings in "zone" bytes. Here it is told what makes it read, to put a length
before each code, and to take no setup codes: else a visitor could hold one up and have it send to
nobody. It is looked at again and again, since a module that lost its power for a moment has
forgotten all this. Nothing is ever saved to its flash, which wears out: that is a maintainer's
choice.

Sources, each found twice:

- frames ``7E 00 TYPE LENGTH ADDRESS DATA CRC``, read (07) of up to 256 bytes, write (08), save
  (09), no answer to a wrong check or to a command that takes more than 400 ms: GM65 user manual
  V1.3, §8.2-8.4, and Tasmota's driver of the GM861 (xsns_107_gm861.ino).
- zone 0x0000, bits 1-0: manual, command, continuous, sensor ("induction") mode: the manual, §8.5,
  and the Go driver bezahl-online/gm65 (functions.go).
- the trigger, zone 0x0002, stops after a code or the single reading time (5 s as delivered): the
  manual of the Hamlet HBCS2D100W, §8.4, and specter-diy's driver (qr.py). One firmware (0x87) was
  seen to acknowledge it and never read (Amperstrand/gm65-scanner, GM65-PROTOCOL-FINDINGS.md).
- zone 0x0003, bit 1: no setup codes: DFRobot's drivers of the GM60 (DFRobot_GM60.cpp, setupCode)
  and of the GM65 (xuegangxiao0117/GM65_scanner_for_Arduino, disable_setttingcode).
- zone 0x0060, bit 7: lengths: Tasmota (0x81), DFRobot's driver of the GM60 (0x80). Not found for
  the GM65 itself: a module that does not keep it is refused, and says so.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, TypeAlias

from gated.config.serial_scanner import Trigger
from gated.errors import DeviceLost
from gated.scanner.serial_control import AGAIN_AFTER_S
from gated.scanner.serial_lengths import Answer, crc
from gated.units import MonoSeconds

COMMAND_START: Final = b"\x7e\x00"
READ, WRITE = 0x07, 0x08
DONE = 0x00
ZONE_MODE, ZONE_TRIGGER, ZONE_SETUP_CODES, ZONE_OUTPUT = 0x0000, 0x0002, 0x0003, 0x0060
MODE_BITS, NO_SETUP_CODES_BIT, LENGTH_BIT = 0b11, 0b10, 0x80
MODES: Final = {Trigger.COMMAND: 0b01, Trigger.CONTINUOUS: 0b10, Trigger.INDUCTION: 0b11}
READ_ZONES: Final = ZONE_OUTPUT + 1
"""All that matter at once: so an answer to a read is never taken for one to a write."""

ANSWER_WITHIN_S: Final = 1.0
"""103 bytes take 0.9 s at 1,200 Bd."""
TRIES: Final = 3
CHECK_EVERY_S: Final = 10.0
"""Grow advises to ask for a sign of life this often."""


@dataclass(frozen=True, slots=True)
class Command:
    frame: bytes
    answer_bytes: int  # of data


Dialog: TypeAlias = Generator[Command, bytes, None]
"""Commands out, the data of their answers in."""


def read_zones() -> Command:
    return _command(bytes([READ, 1, 0, 0, READ_ZONES]), READ_ZONES)


def write_zone(zone: int, value: int) -> Command:
    return _command(bytes([WRITE, 1, *zone.to_bytes(2, "big"), value]), 1)


def _command(content: bytes, answer_bytes: int) -> Command:
    return Command(COMMAND_START + content + crc(content), answer_bytes)


class Gm65:
    """Keeps one module as the gate needs it.

    Args:
        trigger: what makes it read.
        retrigger_s: how often ``command`` is repeated.
        device: its name in an error.
    """

    farewell = b""

    def __init__(self, trigger: Trigger, retrigger_s: float, device: str) -> None:
        self._trigger = trigger
        self._retrigger_s = retrigger_s
        self._device = device
        self._tries = 0
        self._answer_by = MonoSeconds(0.0)
        self.start(MonoSeconds(0.0))

    def start(self, now: MonoSeconds) -> None:
        self.is_ready = False
        self._command: Command | None = None
        self._check_at = self._trigger_at = now

    def due(self, now: MonoSeconds) -> bytes:
        if self._command is None:
            self._begin_due(now)
        if self._command is None or now < self._answer_by:
            return b""
        if self._tries == TRIES:
            raise DeviceLost(
                f"{self._device} does not answer commands: is it a GM65 with serial output and "
                "this baud, and are both wires connected?",
                device=self._device,
            )
        self._tries += 1
        self._answer_by = MonoSeconds(now + ANSWER_WITHIN_S)
        return self._command.frame

    def hear(self, answer: Answer) -> None:
        """Go on with what it answered; an answer to nothing is none.

        Raises: DeviceLost: it does not keep what it was told.
        """
        command = self._command
        if command is None or answer.type != DONE or len(answer.data) != command.answer_bytes:
            return
        try:
            self._ask(self._dialog.send(answer.data))
        except StopIteration:
            self._command = None

    def saw_code(self, now: MonoSeconds) -> None:
        self._trigger_at = MonoSeconds(now + AGAIN_AFTER_S)

    def _begin_due(self, now: MonoSeconds) -> None:
        if now >= self._check_at:
            self._check_at = MonoSeconds(now + CHECK_EVERY_S)
            self._begin(self._set_up())
        elif self._trigger is Trigger.COMMAND and now >= self._trigger_at:
            self._trigger_at = MonoSeconds(now + self._retrigger_s)
            self._begin(_pull())

    def _begin(self, dialog: Dialog) -> None:
        self._dialog = dialog
        self._ask(next(dialog))

    def _ask(self, command: Command) -> None:
        self._command = command
        self._tries = 0
        self._answer_by = MonoSeconds(0.0)  # at once

    def _set_up(self) -> Dialog:
        wanted = {
            ZONE_MODE: (MODE_BITS, MODES[self._trigger]),
            ZONE_SETUP_CODES: (NO_SETUP_CODES_BIT, NO_SETUP_CODES_BIT),
            ZONE_OUTPUT: (LENGTH_BIT, LENGTH_BIT),
        }
        zones = yield read_zones()
        wrong = _wrong(zones, wanted)
        for zone, value in wrong.items():
            yield write_zone(zone, value)
        if wrong and (kept := _wrong((yield read_zones()), wanted)):
            raise DeviceLost(
                f"{self._device} does not keep its zone byte {min(kept):#06x}: this module cannot "
                'be used with protocol "gm65", set it up by its setup codes',
                device=self._device,
            )
        self.is_ready = True


def _wrong(zones: bytes, wanted: dict[int, tuple[int, int]]) -> dict[int, int]:
    """Return {zone: the byte that it should be} of those that differ; other bits stay."""
    should = {zone: zones[zone] & ~mask | bits for zone, (mask, bits) in wanted.items()}
    return {zone: byte for zone, byte in should.items() if byte != zones[zone]}


def _pull() -> Dialog:
    yield write_zone(ZONE_TRIGGER, 1)
