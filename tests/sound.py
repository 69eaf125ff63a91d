"""What the tests of the voice share: tones as WAV files, a bench that speaks until idle."""

from __future__ import annotations

import io
import struct
import threading
import wave
from collections.abc import Sequence
from pathlib import Path

from gated.actuators.voice import PAUSE_S, SoundCard, Voice
from gated.clock import Clock
from gated.messages import DeviceChanged, ShowPrompt
from gated.texts import Language
from gated.vocabulary import Prompt

RATE_HZ = 16_000
PAUSE = bytes(2 * round(PAUSE_S * RATE_HZ))


def tone(level: int, length_s: float = 0.5, *, rate_hz: int = RATE_HZ, channels: int = 1) -> bytes:
    """Return samples that count upwards from ``level`` in small steps, so that order shows."""
    count = round(length_s * rate_hz) * channels
    return struct.pack(f"<{count}h", *(level + n % 50 for n in range(count)))


def wav(samples: bytes, *, rate_hz: int = RATE_HZ, channels: int = 1, width: int = 2) -> bytes:
    """Return a WAV file of ``samples``."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(samples)
    return content.getvalue()


def own_recording(folder: Path, language: Language, prompt: Prompt, content: bytes) -> Path:
    """Put a recording where staff put theirs."""
    path = folder / language / f"{prompt}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def spoken(prompt: Prompt) -> ShowPrompt:
    return ShowPrompt(prompt, "7f3a91c2e05b", is_spoken=True)


def shown(prompt: Prompt) -> ShowPrompt:
    return ShowPrompt(prompt, "7f3a91c2e05b")


class Speaker:
    """A voice that is run in the test's own thread until nothing is left to say."""

    def __init__(
        self,
        card: SoundCard,
        clock: Clock,
        folder: Path,
        *,
        languages: Sequence[Language] = ("zh-Hans", "en"),
        volume_percent: int = 100,
    ) -> None:
        self.voice = Voice(
            card,
            languages=languages,
            volume_percent=volume_percent,
            folder=folder,
            clock=clock,
        )
        self.told: list[DeviceChanged] = []
        self.stop = threading.Event()
        self.beats = 0

    def hear(self, *prompts: ShowPrompt) -> None:
        """Announce the prompts and run the worker until it is idle."""
        for prompt in prompts:
            self.voice.announce(prompt)
        self.stop.clear()
        self.voice.run(self.stop, self._beat, publish=self.told.append)

    def _beat(self) -> None:
        self.beats += 1
        if self.voice._hint is None and self.voice._prompts.empty():
            self.stop.set()

    @property
    def changes(self) -> list[tuple[str, bool, str]]:
        """What was told about the device: name, whether it works, why not."""
        return [(change.device, change.is_working, change.reason) for change in self.told]
