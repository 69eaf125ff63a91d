"""Recordings: what a file may be, what becomes of its samples, and that the package's are right."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import struct
import wave
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gated.actuators.recordings import Recordings, built_in_folder
from gated.actuators.wav import (
    MAX_FILE_BYTES,
    BadRecording,
    Recording,
    in_a_row,
    read_wav,
    scaled,
    silence,
)
from gated.texts import LANGUAGES, PROMPTS, Language, say
from gated.vocabulary import Prompt
from tests.sound import RATE_HZ, own_recording, tone, wav

ROOT = Path(__file__).resolve().parents[2]
SPOKEN = [prompt for prompt in Prompt if prompt is not Prompt.READY]
FULL_SCALE = 32_767


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_plain_recording_is_read_as_it_is(tmp_path: Path, rate_hz: int, channels: int) -> None:
    samples = tone(1_000, rate_hz=rate_hz, channels=channels)
    path = tmp_path / "go.wav"
    path.write_bytes(wav(samples, rate_hz=rate_hz, channels=channels))
    assert read_wav(path) == Recording(rate_hz, channels, samples)


FLOAT = wav(tone(1)).replace(b"fmt \x10\0\0\0\1\0", b"fmt \x10\0\0\0\3\0")
BAD = {
    "8 bit": (wav(bytes(99), width=1), "has 8 bits per sample; save it with 16"),
    "24 bit": (wav(bytes(99), width=3), "has 24 bits per sample; save it with 16"),
    "float": (FLOAT, "no plain WAV file; save it as WAV, PCM, 16 bit"),
    "MP3": (b"ID3\4" + bytes(999), "no plain WAV file"),
    "nothing at all": (b"", "no plain WAV file"),
    "a header alone": (wav(tone(1))[:30], "no plain WAV file"),
    "no samples": (wav(b""), "is empty or cut short; copy it once more"),
    "half a copy": (wav(tone(1))[:-8_001], "is empty or cut short"),
    "5.1": (wav(bytes(12), channels=6), "has 6 channels; save it in mono"),
    "too slow": (wav(tone(1), rate_hz=4_000), "has 4000 Hz; save it with 16000 Hz"),
    "too fast": (wav(tone(1), rate_hz=96_000), "has 96000 Hz"),
    "too long": (wav(bytes(2 * (10 * RATE_HZ + 1))), "is longer than 10 s; shorten it"),
    "huge": (bytes(MAX_FILE_BYTES + 1), "is larger than 2.5 MB"),
}


@pytest.mark.parametrize("kind", BAD)
def test_anything_else_is_refused_with_what_to_do(tmp_path: Path, kind: str) -> None:
    content, sentence = BAD[kind]
    path = tmp_path / "go.wav"
    path.write_bytes(content)
    with pytest.raises(BadRecording) as refused:
        read_wav(path)
    assert str(refused.value).startswith(f"{path} ")
    assert sentence in str(refused.value)


def test_ten_seconds_are_not_too_long(tmp_path: Path) -> None:
    path = tmp_path / "go.wav"
    path.write_bytes(wav(bytes(2 * 10 * RATE_HZ)))
    assert len(read_wav(path).samples) == 2 * 10 * RATE_HZ


def test_a_pipe_and_a_folder_are_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", tmp_path):
        with pytest.raises(BadRecording, match="is not a file"):
            read_wav(path)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="cannot be read: No such file"):
        read_wav(tmp_path / "go.wav")


@given(at=st.integers(0, 60), byte=st.integers(0, 255), cut=st.integers(0, 100))
def test_no_damage_to_a_file_raises_anything_but_a_refusal(at: int, byte: int, cut: int) -> None:
    content = bytearray(wav(tone(1, 0.002)))
    content[at] = byte
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"gated-damaged-{os.getpid()}.wav"  # noqa: S108
    path.write_bytes(content[: len(content) - cut])
    try:
        recording = read_wav(path)
        assert len(recording.samples) % recording.frame_bytes == 0
    except BadRecording:
        pass
    finally:
        path.unlink()


# --- samples -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        (100, (FULL_SCALE, -32_768, 1_000, 0)),
        (50, (16_383, -16_384, 500, 0)),
        (1, (327, -328, 10, 0)),
        (0, (0, 0, 0, 0)),
    ],
)
def test_volume_scales_samples_and_never_overflows(percent: int, expected: tuple[int, ...]) -> None:
    assert scaled(struct.pack("<4h", FULL_SCALE, -32_768, 1_000, 0), percent) == struct.pack(
        "<4h", *expected
    )


def test_recordings_of_one_form_become_one_with_a_pause_between() -> None:
    first, second = Recording(16_000, 1, tone(1)), Recording(16_000, 1, tone(9))
    pause = bytes(2 * 4_800)
    assert in_a_row([first, second, first], 0.3) == [
        Recording(16_000, 1, tone(1) + pause + tone(9) + pause + tone(1))
    ]


def test_recordings_of_different_forms_stay_apart_and_keep_their_pauses() -> None:
    first, second = Recording(16_000, 1, tone(1)), Recording(48_000, 2, tone(9))
    assert in_a_row([first, second], 0.3) == [
        first,
        Recording(48_000, 2, bytes(4 * 14_400) + tone(9)),
    ]
    assert in_a_row([], 0.3) == []
    assert silence(second, 0.5) == bytes(4 * 24_000)


# --- whose recording -----------------------------------------------------------------------------


def test_the_staffs_own_recording_is_preferred_and_counts_at_once(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path, ("zh-Hans", "en"))
    built_in = [read_wav(built_in_folder() / name / "go.wav") for name in ("zh-Hans", "en")]
    assert recordings.of(Prompt.GO) == built_in
    path = own_recording(tmp_path, "en", Prompt.GO, wav(tone(5)))
    assert recordings.of(Prompt.GO) == [built_in[0], Recording(16_000, 1, tone(5))]
    path.unlink()
    assert recordings.of(Prompt.GO) == built_in


def test_only_the_configured_languages_are_spoken_in_their_order(tmp_path: Path) -> None:
    own_recording(tmp_path, "en", Prompt.GO, wav(tone(5)))
    own_recording(tmp_path, "zh-Hans", Prompt.GO, wav(tone(6)))

    def first_samples(*languages: Language) -> list[int]:
        found = Recordings(tmp_path, languages).of(Prompt.GO)
        return [struct.unpack_from("<h", recording.samples)[0] for recording in found]

    assert first_samples("zh-Hans", "en") == [6, 5]
    assert first_samples("en", "zh-Hans") == [5, 6]
    assert first_samples("en") == [5]


def test_a_bad_own_recording_is_said_once_and_the_built_in_one_is_played(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = own_recording(tmp_path, "en", Prompt.GO, wav(bytes(99), width=3))
    recordings = Recordings(tmp_path, ("en",))
    recordings.check()
    for _ in range(3):
        assert recordings.of(Prompt.GO) == [read_wav(built_in_folder() / "en" / "go.wav")]
    said = f"{path} has 24 bits per sample; save it with 16. The built-in recording is played"
    assert caplog.messages == [said]
    path.write_bytes(b"")  # replaced by another bad one: a new fault
    recordings.of(Prompt.GO)
    path.write_bytes(wav(tone(5)))
    assert recordings.of(Prompt.GO) == [Recording(16_000, 1, tone(5))]
    path.write_bytes(wav(bytes(99), width=3))  # the old fault again, after it had been mended
    recordings.of(Prompt.GO)
    empty = f"{path} is no plain WAV file; save it as WAV, PCM, 16 bit"
    assert caplog.messages == [said, f"{empty}. The built-in recording is played", said]


def test_a_file_that_no_prompt_is_called_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_recording(tmp_path, "en", Prompt.GO, wav(tone(5)))
    (tmp_path / "en" / "goo.wav").write_bytes(wav(tone(5)))
    (tmp_path / "en" / "go.mp3").write_bytes(b"ID3")
    recordings = Recordings(tmp_path, ("en", "zh-Hans"))
    recordings.check()
    recordings.check()
    assert caplog.messages == [
        f"{tmp_path}/en/{name} is the recording of no prompt; see docs/voice.md"
        for name in ("go.mp3", "goo.wav")
    ]


# --- the package's recordings --------------------------------------------------------------------


def load_script() -> ModuleType:
    path = ROOT / "scripts" / "make_voice.py"
    spec = importlib.util.spec_from_file_location("make_voice", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_prompt_but_ready_has_a_recording_and_nothing_else_has() -> None:
    for language in LANGUAGES:
        names = sorted(path.name for path in (built_in_folder() / language).iterdir())
        assert names == sorted(f"{prompt}.wav" for prompt in SPOKEN)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("prompt", SPOKEN)
def test_a_built_in_recording_is_short_loud_and_clean(language: Language, prompt: Prompt) -> None:
    recording = read_wav(built_in_folder() / language / f"{prompt}.wav")
    assert (recording.rate_hz, recording.channels) == (16_000, 1)
    count = len(recording.samples) // 2
    assert 0.7 <= count / 16_000 <= 5.0
    samples = struct.unpack(f"<{count}h", recording.samples)
    assert max(map(abs, samples)) < FULL_SCALE  # nothing is clipped
    loudness = (sum(s * s for s in samples) / count) ** 0.5 / FULL_SCALE
    assert 0.05 < loudness < 0.3


def test_the_recordings_say_what_the_texts_say() -> None:
    made_of = json.loads((built_in_folder() / "texts.json").read_text(encoding="utf-8"))
    expected = {
        language: {p.value: say(PROMPTS[p], language) for p in PROMPTS if p is not Prompt.READY}
        for language in LANGUAGES
    }
    assert made_of == expected, "a text has changed: run scripts/make_voice.py"


def test_every_chinese_text_has_pinyin_of_as_many_syllables() -> None:
    script = load_script()
    assert script.missing_pinyin() == []
    script.PINYIN["请通行"] = "qing3 tong1xing2 ba5"
    assert script.missing_pinyin() == ["请通行"]


def test_the_recordings_are_small_enough_for_the_repository() -> None:
    files = [path for path in built_in_folder().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2_500_000


def test_no_two_recordings_are_the_same() -> None:
    contents = {path.read_bytes() for path in built_in_folder().rglob("*.wav")}
    assert len(contents) == len(LANGUAGES) * len(SPOKEN)


def test_the_recordings_are_plain_for_every_player() -> None:
    content = (built_in_folder() / "en" / "go.wav").read_bytes()
    with wave.open(io.BytesIO(content)) as file:
        assert file.getnframes() * 2 + 44 == len(content)
