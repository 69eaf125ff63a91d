"""Which recording says a prompt: the staff's own one, else the one that the package carries."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from gated.actuators.wav import BadRecording, Recording, read_wav
from gated.texts import Language
from gated.vocabulary import Prompt

log = logging.getLogger(__name__)

SUFFIX = ".wav"


def built_in_folder() -> Path:
    """Return the package's recordings: LANGUAGE/PROMPT.wav, and texts.json with what they say."""
    return Path(str(resources.files("gated") / "voice"))


class Recordings:
    """Prompts as recordings. Read when needed, so that a replaced file counts at once.

    Args:
        folder: the staff's own, LANGUAGE/PROMPT.wav. It need not exist.
        languages: in the order in which they are spoken.
    """

    def __init__(self, folder: Path, languages: Sequence[Language]) -> None:
        self._folders = (folder, built_in_folder())
        self.languages = tuple(languages)
        self._told: dict[Path, str] = {}  # each fault is said once, until the file is another one

    def of(self, prompt: Prompt) -> list[Recording]:
        """Return the prompt in each language that has it. A bad file is logged, never raised."""
        found = (self._find(prompt, language) for language in self.languages)
        return [recording for recording in found if recording is not None]

    def check(self) -> None:
        """Log each of the staff's own files that will not be played."""
        for path in self._own_files():
            if path.suffix == SUFFIX and path.stem in set(Prompt):
                self._read(path)
            else:
                self._tell(path, f"{path} is the recording of no prompt; see docs/voice.md")

    def _own_files(self) -> Iterator[Path]:
        for language in self.languages:
            try:
                yield from sorted((self._folders[0] / language).iterdir())
            except FileNotFoundError:
                continue  # most gates have none
            except OSError as exc:
                log.warning("%s/%s: %s", self._folders[0], language, exc.strerror)

    def _find(self, prompt: Prompt, language: Language) -> Recording | None:
        for folder in self._folders:
            recording = self._read(folder / language / f"{prompt}{SUFFIX}")
            if recording is not None:
                return recording
        return None

    def _read(self, path: Path) -> Recording | None:
        try:
            recording = read_wav(path)
        except BadRecording as exc:
            if not isinstance(exc.__cause__, FileNotFoundError):
                self._tell(path, f"{exc}. The built-in recording is played")
            return None
        self._told.pop(path, None)
        return recording

    def _tell(self, path: Path, sentence: str) -> None:
        if self._told.get(path) != sentence:
            self._told[path] = sentence
            log.warning("%s", sentence)
