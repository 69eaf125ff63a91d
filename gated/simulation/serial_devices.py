"""Simulated serial devices on real kernel ttys: a QR scanner and an LCUS relay board.

Each is the far end of a pseudo-terminal, so that pyserial, the kernel's buffers and a hang-up are
the real ones. A symbolic link plays the stable path below /dev/serial/by-id: pulled out, the link
goes and whoever holds the tty sees it hang up; plugged in again, the link leads to another tty.
"""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from dataclasses import dataclass
from pathlib import Path

from gated.clock import Clock, SystemClock
from gated.units import MonoSeconds

CHUNK_BYTES = 4_096
TAKES_WITHIN_S = 5.0
"""A device with a host that reads nothing for so long throws the rest away."""

IDLE_LOOK_S = 0.05


def serial_on_stage(stage: Path, name: str) -> Path:
    """Return the stable path of the scenario's serial scanner ``name``."""
    return stage / f"serial-{name}"


class SerialDevice:
    """Something with a USB plug that shows up as a tty at the stable ``path``.

    It starts plugged in. ``close`` pulls it out for good.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._plug = threading.RLock()
        self._ends: tuple[int, int] | None = None  # ours, and the tty's own
        self._reserved = _open_tty()
        self.plug_in()

    @property
    def tty(self) -> str:
        """The tty that the stable path leads to, "" while it's pulled out."""
        return "" if self._ends is None else os.ttyname(self._ends[1])

    def plug_in(self) -> None:
        """Appear under a tty that wasn't the last one. Does nothing if it's plugged in."""
        with self._plug:
            if self._ends is None:
                self._ends, self._reserved = self._reserved, (-1, -1)
                self.path.symlink_to(self.tty)

    def pull_out(self) -> None:
        """Vanish: the path is gone, and the tty hangs up. Does nothing if it's out already."""
        with self._plug:
            if self._ends is None:
                return
            self._reserved = _open_tty()  # before the old one's number is free again
            self.path.unlink()
            ends, self._ends = self._ends, None
            _close_tty(ends)

    def send(self, data: bytes) -> int:
        """Send bytes as they are. Return how many the host took; the others are lost."""
        with self._plug:
            if self._ends is None:
                return 0
            own, sent = self._ends[0], 0
            deadline_s = time.monotonic() + TAKES_WITHIN_S
            while sent < len(data) and time.monotonic() < deadline_s:
                select.select([], [own], [], 0.05)
                try:
                    sent += os.write(own, data[sent : sent + CHUNK_BYTES])
                except BlockingIOError:
                    continue
                deadline_s = time.monotonic() + TAKES_WITHIN_S
            return sent

    def close(self) -> None:
        """Pull it out and let go of everything. Idempotent."""
        with self._plug:
            self.pull_out()
            _close_tty(self._reserved)
            self._reserved = (-1, -1)


class SerialScannerDevice(SerialDevice):
    """A QR scanner in serial mode: each code is typed, followed by the suffix that is set.

    Args:
        path: the stable path.
        suffix: CR as most are delivered; b"" for one without.
    """

    def __init__(self, path: Path, suffix: bytes = b"\r") -> None:
        super().__init__(path)
        self.suffix = suffix

    def scan(self, text: str, encoding: str = "utf-8") -> bool:
        """Type one code. Return whether somebody took it."""
        return self.send(text.encode(encoding) + self.suffix) > 0

    def flood(self, size: int, line: bytes = b"") -> int:
        """Send ``size`` bytes as fast as they're taken: one endless code, or ``line`` repeated."""
        pattern = line + self.suffix if line else b"0123456789"
        block = pattern * (CHUNK_BYTES // len(pattern) + 1)
        sent = 0
        while sent < size:
            taken = self.send(block[: size - sent])
            sent += taken
            if taken == 0:
                break
        return sent


class ListeningDevice(SerialDevice):
    """A device that obeys what the host sends, whenever it comes.

    What was sent before a question is asked is obeyed first: see ``obey``.
    """

    def __init__(self, path: Path) -> None:
        self._received = bytearray()
        self._stop = threading.Event()
        self._looking = threading.Lock()  # held while the thread waits on the tty
        self._woken, self._wake = os.pipe()
        super().__init__(path)
        self._thread = threading.Thread(target=self._run, name=path.name, daemon=True)
        self._thread.start()

    def take_received(self, received: bytearray) -> None:
        """Obey what has come, and delete it; called with the plug held."""
        raise NotImplementedError

    def lose_power(self) -> None:
        """Forget what is forgotten without power; called with the plug held."""
        raise NotImplementedError

    def pull_out(self) -> None:
        os.write(self._wake, b"x")
        with self._looking:  # a tty that somebody still waits on does not hang up
            super().pull_out()
            os.read(self._woken, 1)
        with self._plug:
            self._received.clear()
            self.lose_power()

    def close(self) -> None:
        if self._stop.is_set():
            return
        self._stop.set()
        super().close()
        self._thread.join()
        os.close(self._wake)
        os.close(self._woken)

    def obey(self) -> None:
        """Obey everything that has come."""
        with self._plug:
            while self._ends is not None:
                try:
                    self._received += os.read(self._ends[0], CHUNK_BYTES)
                except BlockingIOError:
                    return
                self.take_received(self._received)

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._looking:
                own = [] if self._ends is None else [self._ends[0]]
                ready, _, _ = select.select([*own, self._woken], [], [], IDLE_LOOK_S)
            if self._woken in ready or not own:
                self._stop.wait(IDLE_LOOK_S / 10)
            self.obey()


@dataclass(frozen=True, slots=True)
class RelayChange:
    channel: int
    energised: bool
    at: MonoSeconds


class LcusBoard(ListeningDevice):
    """A USB relay board of the LCUS type: ``A0 CHANNEL STATE SUM``, 9,600 Bd, no answer.

    It keeps its relays as they are when the port closes or its owner dies, as the real one does.
    Without the plug it has no power, and all of them fall. A frame with a wrong sum, an unknown
    channel or another state is ignored; the next A0 begins a new one.
    """

    START, FRAME_BYTES = 0xA0, 4

    def __init__(self, path: Path, channels: int = 1, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._channels = channels
        self._states = dict.fromkeys(range(1, channels + 1), False)
        self._changes: list[RelayChange] = []
        self._changed = threading.Condition()
        super().__init__(path)

    def is_energised(self, channel: int = 1) -> bool:
        """Return a relay's state, once everything that was sent until now is obeyed."""
        self.obey()
        return self._states[channel]

    def changes(self) -> list[RelayChange]:
        """Return each change of a relay, in order, with its time."""
        self.obey()
        return list(self._changes)

    def wait_for(self, *, energised: bool, channel: int = 1, within_s: float = 10.0) -> bool:
        """Return whether a relay has this state now or gets it in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._states[channel] is energised, within_s)

    def take_received(self, received: bytearray) -> None:
        while len(received) >= self.FRAME_BYTES:
            start, channel, state, total = received[: self.FRAME_BYTES]
            is_frame = start == self.START and total == (start + channel + state) & 0xFF
            if not is_frame:
                del received[0]
                continue
            del received[: self.FRAME_BYTES]
            if channel in self._states and state in {0, 1}:
                self._set(channel, energised=state == 1)

    def lose_power(self) -> None:
        for channel in self._states:
            self._set(channel, energised=False)

    def _set(self, channel: int, *, energised: bool) -> None:
        with self._changed:
            if self._states[channel] is not energised:
                self._states[channel] = energised
                self._changes.append(RelayChange(channel, energised, self._clock.monotonic_s()))
                self._changed.notify_all()


def _open_tty() -> tuple[int, int]:
    """Return (our end, the tty's own end), raw: nothing is echoed or translated.

    The tty's own end stays open here, since a plugged-in device does not depend on being listened
    to.
    """
    own, far = os.openpty()
    tty.setraw(far)
    os.set_blocking(own, False)
    return own, far


def _close_tty(ends: tuple[int, int]) -> None:
    for end in ends:
        if end >= 0:
            os.close(end)
