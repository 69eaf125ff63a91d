"""A recorded session: frames of a camera in a folder, with their times, to be played again.

    session.jsonl   {"session": 1, "camera": "picamera2", "grey": false}
                    {"sequence": 1, "at_s": 0.0, "file": "000001.png"}      a line for each frame
    000001.png      …

Frames are stored without loss: what a decoder reads in one is what it reads in the recording. PNG
takes 40 ms and 1.6 MB for one of 1280 x 720 (lossless WebP: 290 ms and 1.4 MB, measured on a
desktop). While one is encoded, the camera's next ones pass by; what is kept has its true time.

Frames show people. So the folder is new, its owner's alone, bounded, and nothing but
``gated scan --record`` writes one: the gate's service can't.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gated.clock import Clock
from gated.errors import DeviceError, DeviceNotFound, StorageError
from gated.scanner.frames import Frame, FrameSource
from gated.scanner.picture import encode_picture
from gated.units import MonoSeconds

log = logging.getLogger(__name__)

SESSION_FILE: Final = "session.jsonl"
MAX_FRAMES: Final = 3_000
"""Five minutes at 10 Hz."""
MAX_BYTES: Final = 4_000_000_000
KEEP_FREE_BYTES: Final = 1_000_000_000
"""The gate's own records need the disk more."""
SILENT_S: Final = 10.0
"""So long without a frame ends a recording."""
MAX_SESSION_FILE_BYTES: Final = 1_000_000
_WAIT_S = 0.25
_GREY_AXES = 2
_PNG = ".png"


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


LineT = TypeVar("LineT", bound=_Line)


class SessionHead(_Line):
    """The first line.

    Attributes:
        session: the version of the format.
        camera: the source's name.
        grey: frames are of brightness only.
    """

    session: Literal[1] = 1
    camera: str = Field(max_length=1_000)
    grey: bool


class FrameLine(_Line):
    """One frame.

    Attributes:
        sequence: the source's number of it.
        at_s: when it was taken, in s since the first.
        file: its name in the session's folder.
    """

    sequence: int = Field(ge=1)
    at_s: float = Field(ge=0.0, le=86_400.0)
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a session may take, and how much of the disk it must leave."""

    frames: int = MAX_FRAMES
    bytes: int = MAX_BYTES
    keep_free_bytes: int = KEEP_FREE_BYTES


class SessionWriter:
    """Writes a session into a folder, which is made if it isn't there and must be empty.

    Args:
        folder: of the session; it becomes its owner's alone.
        camera: the source's name.
        bounds: how much it may take.

    Raises: StorageError: if the folder can't be used.
    """

    def __init__(self, folder: Path, camera: str, bounds: Bounds | None = None) -> None:
        self._folder = folder
        self._camera = camera
        self._bounds = bounds or Bounds()
        self._began_at: MonoSeconds | None = None
        self.frames = 0
        self.bytes = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise StorageError(f"{folder} is not empty: name a new folder (须为空文件夹)")
            folder.chmod(0o700)
            self._index = os.open(
                folder / SESSION_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
        except OSError as exc:
            raise StorageError(f"cannot record in {folder}: {exc.strerror}") from exc

    def why_full(self) -> str:
        """Return why no frame may be added any more, "" while one may."""
        if self.frames >= self._bounds.frames:
            return f"{self.frames} frames are the most"
        if self.bytes >= self._bounds.bytes:
            return f"{self.bytes // 1_000_000} MB are the most"
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as exc:
            raise StorageError(f"cannot record in {self._folder}: {exc.strerror}") from exc
        if free < self._bounds.keep_free_bytes:
            return f"the disk has less than {self._bounds.keep_free_bytes // 1_000_000} MB left"
        return ""

    def add(self, frame: Frame) -> None:
        """Write ``frame``, then its line: a session that is cut off is whole up to there.

        Raises: StorageError.
        """
        if self._began_at is None:
            self._began_at = frame.captured_mono_s
            is_grey = frame.pixels.ndim == _GREY_AXES
            self._write_line(SessionHead(camera=self._camera, grey=is_grey))
        line = FrameLine(
            sequence=frame.sequence,
            at_s=round(max(0.0, frame.captured_mono_s - self._began_at), 6),
            file=f"{self.frames + 1:06}{_PNG}",
        )
        data = encode_picture(frame.pixels, _PNG)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(self._folder / line.file, flags, 0o600), "wb") as file:
                file.write(data)
        except OSError as exc:
            raise StorageError(f"cannot record in {self._folder}: {exc.strerror}") from exc
        self._write_line(line)
        self.frames += 1
        self.bytes += len(data)

    def close(self) -> None:
        """Write no more. Idempotent."""
        if self._index >= 0:
            os.close(self._index)
            self._index = -1

    def _write_line(self, line: _Line) -> None:
        try:
            os.write(self._index, line.model_dump_json().encode() + b"\n")
        except OSError as exc:
            raise StorageError(f"cannot record in {self._folder}: {exc.strerror}") from exc


def record(source: FrameSource, writer: SessionWriter, clock: Clock, seconds: float) -> str:
    """Write what ``source`` delivers for ``seconds``. Return why it stopped sooner, or "".

    Raises: DeviceError: the camera is lost, or delivers nothing. StorageError.
    """
    source.open()
    heard_at = clock.monotonic_s()
    ends_at = heard_at + seconds
    while clock.monotonic_s() < ends_at:
        if reason := writer.why_full():
            return reason
        frame = source.next_frame(_WAIT_S)
        if frame is not None:
            writer.add(frame)
            heard_at = clock.monotonic_s()
        elif clock.monotonic_s() - heard_at >= SILENT_S:
            raise DeviceError(f"{source.name} delivers no frames", device=source.name)
    return ""


@dataclass(frozen=True, slots=True)
class Session:
    """What a session's folder promises: whether its files keep it shows when they're read."""

    head: SessionHead
    frames: tuple[FrameLine, ...]


def read_session(folder: Path) -> Session:
    """Return the session in ``folder``. Raises: DeviceNotFound: if there's none, or a bad one."""
    path = folder / SESSION_FILE
    try:
        if not path.is_file():
            raise DeviceNotFound(f"no recorded session at {path}", device=str(folder))
        with path.open("rb") as file:
            data = file.read(MAX_SESSION_FILE_BYTES + 1)
    except OSError as exc:
        raise DeviceNotFound(f"{path} cannot be read: {exc.strerror}", device=str(folder)) from exc
    if len(data) > MAX_SESSION_FILE_BYTES:
        raise DeviceNotFound(f"{path} is too large for a session", device=str(folder))
    if not data.endswith(b"\n"):
        log.warning("%s: its last line was cut off while it was written", path)
    try:
        return _parse(data)
    except ValueError as exc:
        raise DeviceNotFound(f"{path}, {exc}", device=str(folder)) from exc


def _parse(data: bytes) -> Session:
    """Return the session. What stands after the last line break is left out.

    Raises: ValueError: naming the line.
    """
    lines = list(enumerate(data.split(b"\n")[:-1], start=1))
    if not lines:
        raise ValueError("line 1: there is none")
    head = _parse_line(SessionHead, *lines[0])
    frames: list[FrameLine] = []
    for number, text in lines[1:]:
        line = _parse_line(FrameLine, number, text)
        if frames and not (line.sequence > frames[-1].sequence and line.at_s >= frames[-1].at_s):
            raise ValueError(f"line {number}: it does not follow the one before")
        frames.append(line)
    return Session(head, tuple(frames))


def _parse_line(kind: type[LineT], number: int, text: bytes) -> LineT:
    try:
        return kind.model_validate_json(text)
    except ValidationError as exc:
        fault = exc.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ValueError(f"line {number}: {where and where + ': '}{fault['msg']}") from exc
