"""Pictures from a folder or a list of files, each as one frame. For tests at the desk."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from gated.clock import Clock
from gated.config import ScannerSettings
from gated.errors import DeviceLost, DeviceNotFound
from gated.scanner.frames import Frame, Wish
from gated.scanner.picture import Unreadable, read_picture

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})


def list_pictures(paths: Sequence[Path]) -> list[Path]:
    """Return ``paths`` with each folder replaced by the pictures in it and below, sorted."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
        else:
            found.append(path)
    return found


class PictureSource:
    """Delivers each picture once, in order, as fast as it's asked. Unreadable ones are skipped.

    Args:
        paths: files and folders.
        clock: says when a picture was read.
    """

    def __init__(self, paths: Sequence[Path], clock: Clock) -> None:
        self._paths = tuple(paths)
        self._clock = clock
        self._left: Iterator[Path] | None = None
        self._sequence = 0
        self._closed = threading.Event()

    @property
    def name(self) -> str:
        return ", ".join(str(path) for path in self._paths)

    def open(self) -> None:
        absent = [str(path) for path in self._paths if not os.path.lexists(path)]
        if absent:
            raise DeviceNotFound(f"no such picture: {', '.join(absent)}", device=self.name)
        self._closed.clear()
        try:
            self._left = iter(list_pictures(self._paths))
        except OSError as exc:
            raise DeviceNotFound(
                f"{exc.filename} cannot be read: {exc.strerror}", device=self.name
            ) from exc

    def next_frame(self, timeout_s: float) -> Frame | None:
        if self._left is None:
            raise DeviceLost("the pictures are not open", device=self.name)
        deadline_s = self._clock.monotonic_s() + timeout_s
        for path in self._left:
            picture = read_picture(path)
            if not isinstance(picture, Unreadable):
                self._sequence += 1
                return Frame(picture, self._sequence, self._clock.monotonic_s())
            log.warning("%s is skipped: %s", path, picture.reason)
            if self._clock.monotonic_s() >= deadline_s:
                return None
        self._closed.wait(timeout_s)  # there is nothing more; do not spin
        return None

    def attend(self, wish: Wish | None) -> None:
        """There is nothing to move."""

    def close(self) -> None:
        self._left = None
        self._closed.set()


def make(settings: ScannerSettings, clock: Clock) -> PictureSource:
    return PictureSource([Path(settings.device)], clock)
