"""A sound card by ALSA: the one file that loads libasound, and only when a gate has a voice.

Everything is non-blocking, because the calls that block can do so for ever (snd_pcm_drain on a
suspended card) and snd_pcm_recover sleeps for whole seconds. The end of a recording is not drained
but pushed out by silence and dropped, which works the same with every plugin.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gated.actuators.wav import SAMPLE_BYTES
from gated.clock import Clock
from gated.errors import DeviceError, DeviceLost, DeviceNotFound

log = logging.getLogger(__name__)

LATENCY_US = 200_000  # the card's buffer: what is still heard if nothing cut it off
WAIT_MS = 100
STALLED_AFTER_S = 2.0
PROOF_HZ, PROOF_CHANNELS = 16_000, 1  # the form of the built-in recordings

NODES = Path("/dev/snd")
_ABSENT = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})

EVERYTHING_PASSES = frozenset({"Master", "PCM", "Digital"})
ONE_OF_THEM_SOUNDS = frozenset({"Front", "HDMI", "Headphone", "Line Out", "Speaker"})
"""Playback controls by their usual names. A microphone's are off on most cards, and rightly so."""


@dataclass(frozen=True, slots=True)
class MixerControl:
    """One playback control as alsamixer shows it."""

    name: str
    is_off: bool = False  # it has switches, and all are off
    is_at_zero: bool = False  # it has a volume, and all channels are at its lowest


class SoundLibrary(Protocol):
    """What is needed of libasound. A negative answer is an errno, as in C; none of them blocks."""

    def open(self, name: str, /) -> int:
        """snd_pcm_open for playback, non-blocking. Returns a handle (> 0)."""

    def set_params(self, pcm: int, rate_hz: int, channels: int, latency_us: int, /) -> int:
        """snd_pcm_set_params: S16_LE, interleaved, resampled where the card needs it."""

    def buffer_frames(self, pcm: int, /) -> int: ...

    def card(self, pcm: int, /) -> int:
        """Return the number of the card behind it. Negative: there is none (a plugin)."""

    def writei(self, pcm: int, samples: bytes, frames: int, /) -> int: ...

    def wait(self, pcm: int, timeout_ms: int, /) -> int:
        """snd_pcm_wait: 1 when there is room, 0 when there is still none after ``timeout_ms``."""

    def prepare(self, pcm: int, /) -> int: ...

    def resume(self, pcm: int, /) -> int: ...

    def drop(self, pcm: int, /) -> int: ...

    def close(self, pcm: int, /) -> int: ...

    def controls(self, card: int, /) -> Sequence[MixerControl]:
        """Return the card's playback controls; none when it has no mixer."""

    def forget_configuration(self) -> None:
        """snd_config_update_free_global: a card plugged in later is not in a cached one."""


def why_unheard(controls: Sequence[MixerControl]) -> str:
    """Return the sentence for a card that is muted or turned down, or "". Pure."""
    muted = _silences({control.name: control.is_off for control in controls})
    if muted:
        return f"the sound card is muted: run alsamixer, choose {muted} and press M"
    turned_down = _silences({control.name: control.is_at_zero for control in controls})
    if turned_down:
        return f"the sound card is turned down to zero: run alsamixer and turn {turned_down} up"
    return ""


def _silences(is_silent: Mapping[str, bool]) -> str:
    """Return the name of the control that silences the card, or ""."""
    for name in sorted(EVERYTHING_PASSES & is_silent.keys()):
        if is_silent[name]:
            return name
    ends = sorted(ONE_OF_THEM_SOUNDS & is_silent.keys())
    return ends[0] if ends and all(is_silent[name] for name in ends) else ""


def are_all_denied(
    controls: Iterable[Path],
    may_use: Callable[[Path], bool] = lambda node: os.access(node, os.R_OK | os.W_OK),
) -> bool:
    """Return whether there are cards, and this user may use none: to libasound there is none then.

    Args:
        controls: the cards' control nodes.
        may_use: whether this user may open a node.
    """
    allowed = [may_use(node) for node in controls]
    return bool(allowed) and not any(allowed)


class AlsaSoundCard:
    """A SoundCard by its ALSA name, such as "default" or "plughw:CARD=Device"."""

    def __init__(
        self, device: str, clock: Clock, load: Callable[[], SoundLibrary] | None = None
    ) -> None:
        self._device = device
        self._clock = clock
        self._load = Libasound if load is None else load
        self._library: SoundLibrary | None = None
        self._is_proven = False  # it has taken the form of the built-in recordings

    def check(self) -> str:
        library = self._loaded()
        if not self._is_proven:
            library.forget_configuration()
            self._prepared(library, PROOF_HZ, PROOF_CHANNELS).close()
            self._is_proven = True
        pcm = self._opened(library)
        card = library.card(pcm)
        library.close(pcm)
        return "" if card < 0 else why_unheard(library.controls(card))

    def play(self, rate_hz: int, channels: int) -> AlsaStream:
        return self._prepared(self._loaded(), rate_hz, channels)

    def _prepared(self, library: SoundLibrary, rate_hz: int, channels: int) -> AlsaStream:
        pcm = self._opened(library)
        answer = library.set_params(pcm, rate_hz, channels, LATENCY_US)
        if answer < 0:
            library.close(pcm)
            self._is_proven = False
            raise self._not_found(
                f'the sound card "{self._device}" does not play {rate_hz} Hz with {channels}'
                " channel(s): name it with plughw: instead of hw:"
            )
        return AlsaStream(library, pcm, channels * SAMPLE_BYTES, self._device, self._clock)

    def _opened(self, library: SoundLibrary) -> int:
        pcm = library.open(self._device)
        if pcm < 0:
            self._is_proven = False
            raise self._not_found(_why_not_open(self._device, -pcm))
        return pcm

    def _loaded(self) -> SoundLibrary:
        if self._library is None:
            try:
                self._library = self._load()
            except OSError as exc:
                raise self._not_found(
                    "libasound.so.2 is missing: install the Debian package libasound2t64"
                    " (libasound2 in bookworm)"
                ) from exc
        return self._library

    def _not_found(self, sentence: str) -> DeviceError:
        return DeviceNotFound(sentence, device=self._device)


def _why_not_open(device: str, error: int) -> str:
    match error:
        case errno.EBUSY:
            return f'another program is using the sound card "{device}"'
        case errno.EACCES | errno.EPERM:
            return f'no permission for the sound card "{device}": is the user in the group audio?'
        case errno.EINVAL:
            return f'"{device}" is not a name that ALSA knows: see what aplay -L prints'
        case _ if error in _ABSENT:
            return f'no sound card "{device}": is it plugged in, and does aplay -L print it?'
        case _:
            return f'the sound card "{device}" does not open: {_in_words(error)}'


def _in_words(error: int) -> str:
    return errno.errorcode.get(error, str(error))


class AlsaStream:
    """Samples on their way to one card. Made by AlsaSoundCard."""

    def __init__(
        self, library: SoundLibrary, pcm: int, frame_bytes: int, device: str, clock: Clock
    ) -> None:
        self._library = library
        self._pcm: int | None = pcm
        self._frame_bytes = frame_bytes
        self._device = device
        self._clock = clock
        self._moved_at_s = clock.monotonic_s()

    @property
    def tail_bytes(self) -> int:
        return (
            0 if self._pcm is None else self._library.buffer_frames(self._pcm) * self._frame_bytes
        )

    def write(self, samples: bytes) -> int:
        if self._pcm is None:
            raise DeviceLost("the sound card is closed", device=self._device)
        frames = len(samples) // self._frame_bytes
        taken = self._library.writei(self._pcm, samples, frames)
        if taken == -errno.EAGAIN:
            taken = self._library.wait(self._pcm, WAIT_MS)
            if taken > 0:
                taken = self._library.writei(self._pcm, samples, frames)
        if taken < 0:
            self._mend(self._pcm, -taken)
            taken = 0
        now_s = self._clock.monotonic_s()
        if taken > 0:
            self._moved_at_s = now_s
        elif now_s - self._moved_at_s > STALLED_AFTER_S:
            raise DeviceLost("the sound card takes no sound any more", device=self._device)
        return taken * self._frame_bytes

    def _mend(self, pcm: int, error: int) -> None:
        """Get over an underrun or a suspended card. Raises: DeviceLost: it is gone."""
        if error == errno.ESTRPIPE:
            error = -self._library.resume(pcm)
            if error not in {0, errno.EAGAIN}:
                error = errno.EPIPE  # cannot be resumed, but may be prepared afresh
        if error == errno.EPIPE:
            error = -self._library.prepare(pcm)
        if error in {errno.ENODEV, errno.EBADFD}:
            raise DeviceLost("the sound card is gone: was it unplugged?", device=self._device)
        if error not in {0, errno.EAGAIN}:
            raise DeviceLost(f"the sound card failed: {_in_words(error)}", device=self._device)

    def close(self) -> None:
        if self._pcm is None:
            return
        pcm, self._pcm = self._pcm, None
        self._library.drop(pcm)
        self._library.close(pcm)


_PLAYBACK, _NONBLOCK, _S16_LE, _INTERLEAVED = 0, 1, 2, 3  # alsa/pcm.h
_LAST_CHANNEL = 31  # alsa/mixer.h: SND_MIXER_SCHN_LAST
_ErrorHandler = ctypes.CFUNCTYPE(
    None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p
)


def _log_quietly(_file: bytes, _line: int, function: bytes, error: int, words: bytes) -> None:
    """Keep libasound from writing to standard error. Its arguments after these are left alone."""
    log.debug("libasound: %r: %r (%d)", function, words, error)


_HANDLER = _ErrorHandler(_log_quietly)  # lives as long as the process: libasound has its address


class Libasound:
    """libasound.so.2 by ctypes. Raises: OSError: it is not installed."""

    def __init__(self) -> None:
        c = self._c = ctypes.CDLL("libasound.so.2")
        pointer, integer, unsigned = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint
        long, unsigned_long, text = ctypes.c_long, ctypes.c_ulong, ctypes.c_char_p
        # Pointers are declared one by one: as an int, a 64-bit one would be cut in half.
        for name, result, arguments in (
            ("snd_pcm_open", integer, (pointer, text, integer, integer)),
            ("snd_pcm_set_params", integer,
             (pointer, integer, integer, unsigned, unsigned, integer, unsigned)),
            ("snd_pcm_get_params", integer, (pointer, pointer, pointer)),
            ("snd_pcm_writei", long, (pointer, text, unsigned_long)),
            ("snd_pcm_wait", integer, (pointer, integer)),
            ("snd_pcm_prepare", integer, (pointer,)),
            ("snd_pcm_resume", integer, (pointer,)),
            ("snd_pcm_drop", integer, (pointer,)),
            ("snd_pcm_close", integer, (pointer,)),
            ("snd_pcm_info", integer, (pointer, pointer)),
            ("snd_pcm_info_get_card", integer, (pointer,)),
            ("snd_mixer_open", integer, (pointer, integer)),
            ("snd_mixer_attach", integer, (pointer, text)),
            ("snd_mixer_selem_register", integer, (pointer, pointer, pointer)),
            ("snd_mixer_load", integer, (pointer,)),
            ("snd_mixer_close", integer, (pointer,)),
            ("snd_mixer_first_elem", pointer, (pointer,)),
            ("snd_mixer_elem_next", pointer, (pointer,)),
            ("snd_mixer_selem_get_name", text, (pointer,)),
            ("snd_mixer_selem_is_active", integer, (pointer,)),
            ("snd_mixer_selem_has_playback_switch", integer, (pointer,)),
            ("snd_mixer_selem_has_playback_volume", integer, (pointer,)),
            ("snd_mixer_selem_has_playback_channel", integer, (pointer, integer)),
            ("snd_mixer_selem_get_playback_switch", integer, (pointer, integer, pointer)),
            ("snd_mixer_selem_get_playback_volume", integer, (pointer, integer, pointer)),
            ("snd_mixer_selem_get_playback_volume_range", integer, (pointer, pointer, pointer)),
            ("snd_config_update_free_global", integer, ()),
            ("snd_lib_error_set_handler", integer, (_ErrorHandler,)),
        ):  # fmt: skip
            function = getattr(c, name)
            function.restype, function.argtypes = result, arguments
        c.snd_lib_error_set_handler(_HANDLER)

    def open(self, name: str) -> int:
        pcm = ctypes.c_void_p()
        answer: int = self._c.snd_pcm_open(ctypes.byref(pcm), name.encode(), _PLAYBACK, _NONBLOCK)
        if -answer in _ABSENT and are_all_denied(NODES.glob("controlC*")):
            return -errno.EACCES
        return answer if answer < 0 else int(pcm.value or 0)

    def set_params(self, pcm: int, rate_hz: int, channels: int, latency_us: int) -> int:
        may_resample = 1
        return int(
            self._c.snd_pcm_set_params(
                pcm, _S16_LE, _INTERLEAVED, channels, rate_hz, may_resample, latency_us
            )
        )

    def buffer_frames(self, pcm: int) -> int:
        buffer, period = ctypes.c_ulong(), ctypes.c_ulong()
        self._c.snd_pcm_get_params(pcm, ctypes.byref(buffer), ctypes.byref(period))
        return buffer.value

    def card(self, pcm: int) -> int:
        info = ctypes.create_string_buffer(self._c.snd_pcm_info_sizeof())
        answer: int = self._c.snd_pcm_info(pcm, info)
        return answer if answer < 0 else int(self._c.snd_pcm_info_get_card(info))

    def writei(self, pcm: int, samples: bytes, frames: int) -> int:
        return int(self._c.snd_pcm_writei(pcm, samples, frames))

    def wait(self, pcm: int, timeout_ms: int) -> int:
        return int(self._c.snd_pcm_wait(pcm, timeout_ms))

    def prepare(self, pcm: int) -> int:
        return int(self._c.snd_pcm_prepare(pcm))

    def resume(self, pcm: int) -> int:
        return int(self._c.snd_pcm_resume(pcm))

    def drop(self, pcm: int) -> int:
        return int(self._c.snd_pcm_drop(pcm))

    def close(self, pcm: int) -> int:
        return int(self._c.snd_pcm_close(pcm))

    def forget_configuration(self) -> None:
        self._c.snd_config_update_free_global()

    def controls(self, card: int) -> Sequence[MixerControl]:
        mixer = ctypes.c_void_p()
        if self._c.snd_mixer_open(ctypes.byref(mixer), 0) < 0:
            return ()
        try:
            is_there = (
                self._c.snd_mixer_attach(mixer, f"hw:{card}".encode()) >= 0
                and self._c.snd_mixer_selem_register(mixer, None, None) >= 0
                and self._c.snd_mixer_load(mixer) >= 0
            )
            found = []
            control = self._c.snd_mixer_first_elem(mixer) if is_there else None
            while control:
                if self._c.snd_mixer_selem_is_active(control):
                    found.append(self._control(control))
                control = self._c.snd_mixer_elem_next(control)
            return found
        finally:
            self._c.snd_mixer_close(mixer)

    def _control(self, control: int) -> MixerControl:
        c, value, lowest, highest = self._c, ctypes.c_int(), ctypes.c_long(), ctypes.c_long()
        volume = ctypes.c_long()
        c.snd_mixer_selem_get_playback_volume_range(
            control, ctypes.byref(lowest), ctypes.byref(highest)
        )
        switches, volumes = [], []
        for channel in range(_LAST_CHANNEL + 1):
            if c.snd_mixer_selem_has_playback_channel(control, channel) <= 0:
                continue
            if c.snd_mixer_selem_has_playback_switch(control):
                c.snd_mixer_selem_get_playback_switch(control, channel, ctypes.byref(value))
                switches.append(bool(value.value))
            if c.snd_mixer_selem_has_playback_volume(control):
                c.snd_mixer_selem_get_playback_volume(control, channel, ctypes.byref(volume))
                volumes.append(volume.value > lowest.value)
        return MixerControl(
            c.snd_mixer_selem_get_name(control).decode("utf-8", "replace"),
            is_off=bool(switches) and not any(switches),
            is_at_zero=bool(volumes) and not any(volumes),
        )
