"""The voice: says a prompt aloud when nothing has progressed for a while, and is silent otherwise.

It speaks what ``ShowPrompt.is_spoken`` marks and nothing else: lamps and beeps carry the rhythm of
the gate, and a voice that always talks is not listened to. A hint ends at once when it holds no
longer, so nobody hears "show your code" while the gate stands open.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from gated.actuators.recordings import Recordings
from gated.actuators.wav import Recording, in_a_row, scaled
from gated.clock import Clock
from gated.errors import DeviceError
from gated.messages import DeviceChanged, ShowPrompt
from gated.texts import Language
from gated.vocabulary import Prompt

log = logging.getLogger(__name__)

DEVICE = "voice"
PROMPTS_BOUND = 8
"""Announcements that wait. Overflow policy: the newest wins, the oldest is dropped."""

IDLE_S = 0.2  # one wait for a prompt; between two of them the worker beats
CHUNK_S = 0.1  # what is handed over at once; between two of them the hint may be cut off
BREATH_S = 0.02  # before the next try with a card that takes nothing
CHECK_EVERY_S = 30.0
PAUSE_S = 0.3  # between two languages


class Stream(Protocol):
    """Samples on their way to a loudspeaker."""

    @property
    def tail_bytes(self) -> int:
        """How much silence after the last sample has pushed that one out of the card's buffer."""

    def write(self, samples: bytes) -> int:
        """Hand over samples; return how many bytes were taken. Never blocks longer than 0.2 s.

        Raises: DeviceLost: the card is gone, or has taken nothing for a while.
        """

    def close(self) -> None:
        """Cut off what is still sounding and let go of the card. Idempotent; never raises."""


class SoundCard(Protocol):
    """A card that can be played to, or not just now. One stream at a time."""

    def check(self) -> str:
        """Return why nobody would hear it (it is muted), or "".

        Raises: DeviceNotFound: there is no card, or it cannot be had; says what to do.
        """

    def play(self, rate_hz: int, channels: int) -> Stream:
        """Return a stream for 16-bit samples. Raises: DeviceNotFound: as ``check``."""


class Voice:
    """The worker that speaks; an Announcer for the actuators' thread.

    Args:
        languages: one after the other, in this order.
        volume_percent: 0–100, of the recordings' amplitude.
        folder: the staff's own recordings, LANGUAGE/PROMPT.wav.
    """

    def __init__(
        self,
        card: SoundCard,
        *,
        languages: Sequence[Language],
        volume_percent: int,
        folder: Path,
        clock: Clock,
    ) -> None:
        self._card = card
        self._recordings = Recordings(folder, languages)
        self._volume_percent = volume_percent
        self._clock = clock
        self._prompts: queue.Queue[ShowPrompt] = queue.Queue(PROMPTS_BOUND)
        self._hint: Prompt | None = None  # to be said, or being said
        self._trouble = ""  # why nobody hears it, as it was told
        self._has_card = True
        self._check_at_s = float("-inf")

    def announce(self, prompt: ShowPrompt) -> None:
        """Take notice of what the lamps show from now on. Never blocks, never raises."""
        while True:
            try:
                self._prompts.put_nowait(prompt)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._prompts.get_nowait()
            else:
                return

    def set_volume(self, percent: int) -> None:
        """Change the loudness, 0–100 %, also of what is being said. From any thread."""
        self._volume_percent = percent

    def set_languages(self, languages: Sequence[Language]) -> None:
        """Speak these from the next hint on, in this order. From any thread."""
        self._recordings.languages = tuple(languages)

    def run(
        self,
        stop: threading.Event,
        beat: Callable[[], None],
        *,
        publish: Callable[[DeviceChanged], None],
    ) -> None:
        """Speak until ``stop``. Without a card it is silent and looks for one every 30 s."""
        self._recordings.check()
        while not stop.is_set():
            if self._clock.monotonic_s() >= self._check_at_s:
                self._check(publish)
            if self._hint is None:
                self._listen(IDLE_S)
            if self._hint is not None:
                self._say(self._hint, stop, beat, publish)
            beat()

    # --- what is to be said -------------------------------------------------------------------

    def _listen(self, wait_s: float) -> None:
        """Take over all announcements, waiting at most ``wait_s`` for the first one."""
        try:
            self._heed(self._prompts.get(block=wait_s > 0, timeout=wait_s))
            while True:
                self._heed(self._prompts.get_nowait())
        except queue.Empty:
            return

    def _heed(self, shown: ShowPrompt) -> None:
        if shown.is_spoken:
            self._hint = shown.prompt  # said already just now: it goes on, from where it is
        elif shown.prompt is not self._hint:
            self._hint = None

    def _say(
        self,
        prompt: Prompt,
        stop: threading.Event,
        beat: Callable[[], None],
        publish: Callable[[DeviceChanged], None],
    ) -> None:
        try:
            if self._has_card:
                for recording in in_a_row(self._recordings.of(prompt), PAUSE_S):
                    self._play(recording, prompt, stop, beat)
        except DeviceError as exc:
            self._has_card = False
            self._check_at_s = self._clock.monotonic_s() + CHECK_EVERY_S
            self._tell(str(exc), publish)
        if self._hint is prompt:
            self._hint = None

    def _play(
        self, recording: Recording, prompt: Prompt, stop: threading.Event, beat: Callable[[], None]
    ) -> None:
        """Play it to its end, or until the hint holds no longer. Raises: DeviceError."""
        if self._hint is not prompt:
            return
        chunk_bytes = round(CHUNK_S * recording.rate_hz) * recording.frame_bytes
        stream = self._card.play(recording.rate_hz, recording.channels)
        try:
            samples = recording.samples + bytes(stream.tail_bytes)
            at = 0
            while at < len(samples):
                beat()
                self._listen(0)
                if stop.is_set() or self._hint is not prompt:
                    return
                chunk = samples[at : at + chunk_bytes]
                taken = stream.write(scaled(chunk, self._volume_percent))
                at += taken
                if taken == 0:
                    stop.wait(BREATH_S)
        finally:
            stream.close()

    # --- the card -----------------------------------------------------------------------------

    def _check(self, publish: Callable[[DeviceChanged], None]) -> None:
        self._check_at_s = self._clock.monotonic_s() + CHECK_EVERY_S
        try:
            trouble = self._card.check()
        except DeviceError as exc:
            self._has_card = False
            self._tell(str(exc), publish)
        else:
            self._has_card = True  # a muted one is played to: it may be unmuted at any moment
            self._tell(trouble, publish)

    def _tell(self, trouble: str, publish: Callable[[DeviceChanged], None]) -> None:
        """Say a loss once and the return once; another cause in between is a line in the log."""
        before, self._trouble = self._trouble, trouble
        if trouble == before:
            return
        if trouble:
            log.warning("%s. The lamps and beeps go on", trouble)
        else:
            log.info("the voice is back")
        if bool(trouble) is not bool(before):
            publish(DeviceChanged(DEVICE, not trouble, trouble, self._clock.monotonic_s()))
