"""WAV recordings: read with bounds, scaled in loudness, put one after the other. No hardware."""

from __future__ import annotations

import io
import stat
import struct
import wave
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from gated.errors import GatedError

MAX_S = 10.0
MIN_HZ, MAX_HZ = 8_000, 48_000
MAX_CHANNELS = 2
SAMPLE_BYTES = 2
MAX_FILE_BYTES = 2_500_000
"""10 s of 48 kHz stereo are 1.92 MB; the rest is room for titles and pictures."""

_FULL_PERCENT = 100


class BadRecording(GatedError, ValueError):
    """A file that cannot be played. The voice says so once and takes the built-in recording."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Interleaved signed 16-bit little-endian samples."""

    rate_hz: int
    channels: int
    samples: bytes

    @property
    def frame_bytes(self) -> int:
        return self.channels * SAMPLE_BYTES


def read_wav(path: Path) -> Recording:
    """Return the recording in ``path``: PCM, mono or stereo, 8–48 kHz, 16 bit, at most 10 s.

    Raises: BadRecording: it is something else; the sentence says what to do.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would block for ever
            raise BadRecording(f"{path} is not a file")
        if status.st_size > MAX_FILE_BYTES:
            raise BadRecording(f"{path} is larger than 2.5 MB; shorten it to {MAX_S:g} s")
        content = path.read_bytes()
    except OSError as exc:
        raise BadRecording(f"{path} cannot be read: {exc.strerror}") from exc
    return _parse(path, content)


def _parse(path: Path, content: bytes) -> Recording:
    try:
        with wave.open(io.BytesIO(content)) as file:
            form = file.getparams()
            if form.sampwidth != SAMPLE_BYTES:
                bits = 8 * form.sampwidth
                raise BadRecording(f"{path} has {bits} bits per sample; save it with 16")
            if not 1 <= form.nchannels <= MAX_CHANNELS:
                raise BadRecording(f"{path} has {form.nchannels} channels; save it in mono")
            if not MIN_HZ <= form.framerate <= MAX_HZ:
                raise BadRecording(f"{path} has {form.framerate} Hz; save it with 16000 Hz")
            if form.nframes > MAX_S * form.framerate:
                raise BadRecording(f"{path} is longer than {MAX_S:g} s; shorten it")
            samples = file.readframes(form.nframes)
    except (
        wave.Error,
        EOFError,
        RuntimeError,
    ) as exc:  # RuntimeError: a chunk larger than the file
        raise BadRecording(f"{path} is no plain WAV file; save it as WAV, PCM, 16 bit") from exc
    if not samples or len(samples) != form.nframes * form.nchannels * SAMPLE_BYTES:
        raise BadRecording(f"{path} is empty or cut short; copy it once more")
    return Recording(form.framerate, form.nchannels, samples)


def scaled(samples: bytes, percent: int) -> bytes:
    """Return 16-bit samples at ``percent`` (0–100) of their amplitude."""
    if percent >= _FULL_PERCENT:
        return samples
    form = f"<{len(samples) // SAMPLE_BYTES}h"
    return struct.pack(form, *(s * percent // _FULL_PERCENT for s in struct.unpack(form, samples)))


def silence(recording: Recording, for_s: float) -> bytes:
    """Return ``for_s`` seconds of silence in the form of ``recording``."""
    return bytes(round(for_s * recording.rate_hz) * recording.frame_bytes)


def in_a_row(recordings: Iterable[Recording], pause_s: float) -> list[Recording]:
    """Return them with ``pause_s`` between; neighbours of one form become one recording."""
    row: list[Recording] = []
    for recording in recordings:
        if row:
            samples = silence(recording, pause_s) + recording.samples
            if (row[-1].rate_hz, row[-1].channels) == (recording.rate_hz, recording.channels):
                row[-1] = replace(recording, samples=row[-1].samples + samples)
                continue
            recording = replace(recording, samples=samples)
        row.append(recording)
    return row
