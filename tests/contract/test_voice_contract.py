"""One contract for every sound card: what is written is heard in order, nothing blocks or raises.

The simulated card and the real libasound are both under it. The latter plays through its own "file"
plugin into a file here, and into the card that ``GATED_TEST_SOUND`` names in tests/hardware.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gated.actuators.alsa import AlsaSoundCard, Libasound
from gated.actuators.recordings import built_in_folder
from gated.actuators.voice import SoundCard, Stream
from gated.actuators.wav import read_wav, scaled
from gated.clock import FakeClock, SystemClock
from gated.errors import DeviceLost, DeviceNotFound
from gated.simulation.sound import SimulatedLibasound
from gated.vocabulary import Prompt
from tests.sound import PAUSE, Speaker, own_recording, shown, spoken, tone, wav

MOST_WRITES = 1_000


@dataclass
class Adapter:
    """How to have a card, one that is not there, and how to hear what was played."""

    card: SoundCard
    absent: SoundCard
    heard: Callable[[], bytes]


def simulated(_folder: Path) -> Adapter:
    clock = FakeClock()
    library, empty = SimulatedLibasound(clock), SimulatedLibasound(clock, is_plugged=False)
    return Adapter(
        AlsaSoundCard("default", clock, lambda: library),
        AlsaSoundCard("default", clock, lambda: empty),
        lambda: bytes(library.heard),
    )


def libasound(folder: Path) -> Adapter:
    heard = folder / "heard.raw"
    heard.touch()
    device = f"file:FILE='|cat >>{heard}',FORMAT=raw"  # without the pipe, opening empties the file
    return Adapter(
        AlsaSoundCard(device, SystemClock()),
        AlsaSoundCard("plughw:CARD=NoSuchCard", SystemClock()),
        heard.read_bytes,
    )


ADAPTERS = {"SimulatedLibasound": simulated, "Libasound": libasound}


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Adapter:
    return ADAPTERS[request.param](tmp_path)


def play(stream: Stream, samples: bytes) -> None:
    """Write all of it; a card that takes nothing for long fails the test."""
    at = 0
    for _ in range(MOST_WRITES):
        at += stream.write(samples[at : at + 3_200])
        if at >= len(samples):
            return
    pytest.fail("the card takes nothing")


def test_a_card_that_is_there_has_nothing_to_say_and_plays_nothing_when_looked_at(
    adapter: Adapter,
) -> None:
    assert [adapter.card.check() for _ in range(3)] == ["", "", ""]
    assert adapter.heard().strip(b"\0") == b""


def test_a_card_that_is_not_there_is_named(adapter: Adapter) -> None:
    for _ in range(2):
        with pytest.raises(DeviceNotFound, match="no sound card"):
            adapter.absent.check()
        with pytest.raises(DeviceNotFound, match="no sound card"):
            adapter.absent.play(16_000, 1)


@pytest.mark.parametrize(
    ("rate_hz", "channels"), [(8_000, 1), (16_000, 1), (44_100, 2), (48_000, 2)]
)
def test_what_is_written_is_heard_in_order_once_the_tail_is_behind_it(
    adapter: Adapter, rate_hz: int, channels: int
) -> None:
    samples = tone(1_000, 1.0, rate_hz=rate_hz, channels=channels)
    stream = adapter.card.play(rate_hz, channels)
    tail = bytes(stream.tail_bytes)
    assert 0 < len(tail) <= rate_hz * channels * 2
    play(stream, samples + tail)
    stream.close()
    heard = adapter.heard()
    assert heard[: len(samples)] == samples
    assert heard[len(samples) :].strip(b"\0") == b""


def test_a_write_takes_whole_frames_and_no_more_than_it_was_given(adapter: Adapter) -> None:
    stream = adapter.card.play(48_000, 2)
    for size in (4, 400, 19_200, 5):
        taken = stream.write(tone(1_000)[:size])
        assert taken % 4 == 0
        assert taken <= size
    stream.close()


def test_closing_twice_is_once_and_a_closed_stream_takes_nothing(adapter: Adapter) -> None:
    stream = adapter.card.play(16_000, 1)
    stream.close()
    stream.close()
    with pytest.raises(DeviceLost, match="closed"):
        stream.write(tone(1_000))
    assert stream.tail_bytes == 0


def test_a_card_can_be_had_again_after_a_stream(adapter: Adapter) -> None:
    for _ in range(3):
        stream = adapter.card.play(16_000, 1)
        play(stream, tone(1_000) + bytes(stream.tail_bytes))
        stream.close()
    assert adapter.card.check() == ""
    assert adapter.heard().count(tone(1_000)) == 3


# --- the whole voice through the real library ----------------------------------------------------


@dataclass
class Listening(SoundCard):
    """The real card, where something happens just before the n-th write."""

    card: SoundCard
    acts: dict[int, Callable[[], None]] = field(default_factory=dict)
    writes: int = 0

    def check(self) -> str:
        return self.card.check()

    def play(self, rate_hz: int, channels: int) -> Stream:
        return _ListeningStream(self, self.card.play(rate_hz, channels))


@dataclass
class _ListeningStream(Stream):
    owner: Listening
    stream: Stream

    @property
    def tail_bytes(self) -> int:
        return self.stream.tail_bytes

    def write(self, samples: bytes) -> int:
        self.owner.writes += 1
        self.owner.acts.get(self.owner.writes, lambda: None)()
        return self.stream.write(samples)

    def close(self) -> None:
        self.stream.close()


def test_the_built_in_recordings_come_out_of_libasound_as_they_are(tmp_path: Path) -> None:
    adapter = libasound(tmp_path)
    speaker = Speaker(adapter.card, SystemClock(), tmp_path / "none", volume_percent=50)
    speaker.hear(spoken(Prompt.SHOW_CODE))
    zh, en = (
        read_wav(built_in_folder() / language / "show_code.wav").samples
        for language in ("zh-Hans", "en")
    )
    expected = scaled(zh + PAUSE + en, 50)
    heard = adapter.heard()
    assert heard[: len(expected)] == expected
    assert heard[len(expected) :].strip(b"\0") == b""
    assert speaker.told == []


def test_own_recordings_of_different_forms_follow_each_other(tmp_path: Path) -> None:
    adapter = libasound(tmp_path)
    stereo = tone(2_000, rate_hz=44_100, channels=2)
    own_recording(tmp_path, "zh-Hans", Prompt.GO, wav(tone(1_000, rate_hz=8_000), rate_hz=8_000))
    own_recording(tmp_path, "en", Prompt.GO, wav(stereo, rate_hz=44_100, channels=2))
    Speaker(adapter.card, SystemClock(), tmp_path, languages=("en", "zh-Hans")).hear(
        spoken(Prompt.GO)
    )
    heard = adapter.heard()
    assert heard.startswith(stereo)
    between, _, after = heard[len(stereo) :].partition(tone(1_000, rate_hz=8_000))
    assert between.strip(b"\0") == after.strip(b"\0") == b""


def test_hints_are_cut_off_in_mid_sentence_by_what_is_newer(tmp_path: Path) -> None:
    adapter = libasound(tmp_path)
    for prompt, level in ((Prompt.SHOW_CODE, 1_000), (Prompt.WAIT_STAFF, 2_000)):
        own_recording(tmp_path, "en", prompt, wav(tone(level, 2.0)))
    card = Listening(adapter.card)
    speaker = Speaker(card, SystemClock(), tmp_path, languages=("en",))
    card.acts[4] = lambda: speaker.voice.announce(spoken(Prompt.WAIT_STAFF))
    card.acts[10] = lambda: speaker.voice.announce(shown(Prompt.GO))
    speaker.hear(spoken(Prompt.SHOW_CODE))
    chunk = 3_200
    assert adapter.heard() == tone(1_000, 2.0)[: 4 * chunk] + tone(2_000, 2.0)[: 6 * chunk]


def test_a_machine_without_a_card_leaves_standard_error_to_the_log(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    card = AlsaSoundCard("plughw:CARD=NoSuchCard", SystemClock())
    speaker = Speaker(card, SystemClock(), tmp_path)
    speaker.hear(spoken(Prompt.GO))
    assert [is_working for _, is_working, _ in speaker.changes] == [False]
    assert "ALSA lib" not in capfd.readouterr().err


def test_the_real_library_answers_what_the_simulated_one_does() -> None:
    real, simulated_one = Libasound(), SimulatedLibasound(FakeClock(), is_plugged=False)
    for name in ("hw:CARD=NoSuchCard", "hw:31"):
        assert real.open(name) == simulated_one.open(name)
    assert list(real.controls(31)) == []


PLUGGED = """
<confdir:alsa.conf>
pcm.speaker {{
    type plug
    slave {{
        pcm {{ type file  file "{heard}"  format raw  slave.pcm null }}
        rate 48000
        channels 2
    }}
}}
"""


def test_a_card_of_another_form_hears_the_recording_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = tmp_path / "heard.raw"
    settings = tmp_path / "asound.conf"
    settings.write_text(PLUGGED.format(heard=heard), encoding="utf-8")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(settings))
    own_recording(tmp_path, "en", Prompt.GO, wav(struct.pack("<8000h", *[9_000] * 8_000)))
    card = AlsaSoundCard("speaker", SystemClock())
    Speaker(card, SystemClock(), tmp_path, languages=("en",)).hear(spoken(Prompt.GO))
    monkeypatch.undo()
    Libasound().forget_configuration()
    frames = list(struct.iter_unpack("<2h", heard.read_bytes()))
    loud = [n for n, (left, right) in enumerate(frames) if left == right > 8_000]
    assert 0.495 < (loud[-1] - loud[0]) / 48_000 < 0.505  # 0.5 s, at the card's rate
    assert len(loud) > 0.99 * 24_000
