"""A sound card behind libasound's own calls: it plays in the clock's time and fails as one does.

Rules that it keeps: one program at a time; samples start when its buffer is full; without new ones
it underruns, and takes nothing until it is prepared again; what is dropped is never heard; one
that was unplugged answers every call with ENODEV, and another handle finds no card.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from gated.actuators.alsa import MixerControl
from gated.actuators.wav import SAMPLE_BYTES
from gated.clock import FakeClock

MICROSECONDS = 1_000_000


class State(Enum):
    """snd_pcm_state_t, as far as playing goes."""

    OPEN = auto()
    SETUP = auto()
    PREPARED = auto()
    RUNNING = auto()
    XRUN = auto()
    SUSPENDED = auto()


@dataclass
class SimulatedLibasound:
    """A SoundLibrary with one card, number 0. Change its attributes to plug, mute or stop it.

    ``heard`` is what has left the loudspeaker, in bytes. ``wait`` lets the clock run.
    """

    clock: FakeClock
    is_plugged: bool = True
    is_busy: bool = False  # another program has it
    is_stuck: bool = False  # it stands still and takes nothing
    denied: int = 0  # an errno that open answers
    rates_hz: Sequence[int] = ()  # without a plug plugin, only these; empty: any
    mixer: Sequence[MixerControl] = ()
    resumes_after: int = 0  # how often resume answers EAGAIN
    can_resume: bool = True
    heard: bytearray = field(default_factory=bytearray)
    on_write: Callable[[], None] = lambda: None
    streams: int = 0  # how often it was opened and prepared for playing
    underruns: int = 0
    configurations: int = 0  # how often the configuration was forgotten
    _state: State = State.OPEN
    _handle: int = 0
    _buffer: bytearray = field(default_factory=bytearray)
    _frame_bytes: int = SAMPLE_BYTES
    _rate_hz: int = 0
    _buffer_bytes: int = 0
    _played_until_s: float = 0.0

    # --- the world ----------------------------------------------------------------------------

    def suspend(self) -> None:
        """Let the machine fall asleep and wake up: the card has forgotten what it was doing."""
        self._state = State.SUSPENDED

    def pass_time(self, by_s: float) -> None:
        """Let time go by, in which the card plays what it has."""
        self.clock.advance(by_s)
        self._play()

    def _play(self) -> None:
        now_s = self.clock.monotonic_s()
        if self._state is not State.RUNNING or self.is_stuck:
            self._played_until_s = now_s
            return
        frames = int((now_s - self._played_until_s) * self._rate_hz + 1e-6)
        self._played_until_s += frames / self._rate_hz
        size = frames * self._frame_bytes
        self.heard += self._buffer[:size]
        if size > len(self._buffer):
            self._state = State.XRUN
            self.underruns += 1
        del self._buffer[:size]

    # --- libasound ----------------------------------------------------------------------------

    def open(self, name: str) -> int:
        if not self.is_plugged:
            return -(errno.ENODEV if "CARD=" in name else errno.ENOENT)
        if self.denied:
            return -self.denied
        if self.is_busy or self._handle:
            return -errno.EBUSY
        self._handle = 1
        self._state = State.OPEN
        return self._handle

    def set_params(self, pcm: int, rate_hz: int, channels: int, latency_us: int) -> int:
        if self.rates_hz and rate_hz not in self.rates_hz:
            return -errno.EINVAL
        self._rate_hz, self._frame_bytes = rate_hz, channels * SAMPLE_BYTES
        self._buffer_bytes = rate_hz * latency_us // MICROSECONDS * self._frame_bytes
        self.streams += 1
        return self.prepare(pcm)

    def buffer_frames(self, _pcm: int) -> int:
        return self._buffer_bytes // self._frame_bytes

    def card(self, _pcm: int) -> int:
        return 0

    def writei(self, _pcm: int, samples: bytes, frames: int) -> int:
        self.on_write()
        if (error := self._error()) < 0:
            return error
        room = self._buffer_bytes - len(self._buffer)
        size = min(frames * self._frame_bytes, room) // self._frame_bytes * self._frame_bytes
        if size == 0:
            return -errno.EAGAIN
        self._buffer += samples[:size]
        if len(self._buffer) == self._buffer_bytes and self._state is State.PREPARED:
            self._state = State.RUNNING
            self._played_until_s = self.clock.monotonic_s()
        return size // self._frame_bytes

    def wait(self, _pcm: int, timeout_ms: int) -> int:
        self.pass_time(timeout_ms / 1_000 if self.is_stuck else 0.05)
        error = self._error()
        return error if error < 0 else int(len(self._buffer) < self._buffer_bytes)

    def _error(self) -> int:
        self._play()
        if not self.is_plugged:
            return -errno.ENODEV
        answers = {State.XRUN: errno.EPIPE, State.SUSPENDED: errno.ESTRPIPE}
        if self._state in {State.OPEN, State.SETUP}:
            return -errno.EBADFD
        return -answers.get(self._state, 0)

    def prepare(self, _pcm: int) -> int:
        if not self.is_plugged:
            return -errno.ENODEV
        self._buffer.clear()
        self._state = State.PREPARED
        return 0

    def resume(self, _pcm: int) -> int:
        if self.resumes_after > 0:
            self.resumes_after -= 1
            self.pass_time(0.02)
            return -errno.EAGAIN
        if not self.can_resume:
            return -errno.ENOSYS
        self._state = State.RUNNING
        self._played_until_s = self.clock.monotonic_s()
        return 0

    def drop(self, _pcm: int) -> int:
        self._play()
        self._buffer.clear()
        self._state = State.SETUP
        return 0

    def close(self, _pcm: int) -> int:
        self.heard += self._buffer  # a card may play to its end what nobody dropped
        self._buffer.clear()
        self._handle = 0
        return 0

    def controls(self, _card: int) -> Sequence[MixerControl]:
        return self.mixer

    def forget_configuration(self) -> None:
        self.configurations += 1
