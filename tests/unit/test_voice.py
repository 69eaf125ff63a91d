"""The voice: what is heard at the loudspeaker, sample by sample; what is told about the card."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gated.actuators.alsa import (
    EVERYTHING_PASSES,
    ONE_OF_THEM_SOUNDS,
    AlsaSoundCard,
    MixerControl,
    SoundLibrary,
    are_all_denied,
    why_unheard,
)
from gated.actuators.voice import PROMPTS_BOUND, Voice
from gated.actuators.wav import scaled
from gated.clock import FakeClock
from gated.messages import DeviceChanged, ShowPrompt
from gated.simulation.sound import SimulatedLibasound
from gated.vocabulary import Prompt
from tests.sound import PAUSE, Speaker, own_recording, shown, spoken, tone, wav

ROOT = Path(__file__).resolve().parents[2]
CODE_ZH, CODE_EN, STAFF = tone(1_000), tone(2_000), tone(3_000)


class Bench(Speaker):
    """A voice with a simulated card and recordings that can be told apart."""

    def __init__(self, folder: Path, *, device: str = "default") -> None:
        own_recording(folder, "zh-Hans", Prompt.SHOW_CODE, wav(CODE_ZH))
        own_recording(folder, "en", Prompt.SHOW_CODE, wav(CODE_EN))
        own_recording(folder, "zh-Hans", Prompt.WAIT_STAFF, wav(STAFF))
        own_recording(folder, "en", Prompt.WAIT_STAFF, wav(STAFF))
        self.clock = FakeClock()
        self.library = SimulatedLibasound(self.clock)
        card = AlsaSoundCard(device, self.clock, lambda: self.library)
        super().__init__(card, self.clock, folder)

    def heard(self) -> bytes:
        """Return what left the loudspeaker since the last call, without the silence after it."""
        heard = bytes(self.library.heard)
        self.library.heard.clear()
        length = len(heard.rstrip(b"\0"))
        return heard[: length + length % 2]

    def at_write(self, number: int, act: Callable[[], None]) -> None:
        """Let something happen just before the ``number``-th write from now."""
        left = [number]

        def count() -> None:
            left[0] -= 1
            if left[0] == 0:
                act()

        self.library.on_write = count

    def later(self, by_s: float) -> None:
        """Run it again, after a while in which nothing was said."""
        self.clock.advance(by_s)
        self.hear()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# --- what is spoken ------------------------------------------------------------------------------


def test_a_hint_is_spoken_in_each_language_in_order_with_a_pause_between(bench: Bench) -> None:
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert bench.heard() == CODE_ZH + PAUSE + CODE_EN
    assert bench.library.underruns == 0
    assert bench.told == []


def test_a_prompt_that_is_not_spoken_is_for_lamps_and_beeps_alone(bench: Bench) -> None:
    for prompt in Prompt:
        bench.hear(shown(prompt))
    assert bench.heard() == b""


def test_every_prompt_can_be_spoken_but_ready(bench: Bench) -> None:
    for prompt in Prompt:
        bench.hear(spoken(prompt))
        assert (bench.heard() == b"") is (prompt is Prompt.READY), prompt


def test_the_volume_scales_what_is_heard_and_may_change_in_mid_sentence(bench: Bench) -> None:
    bench.voice.set_volume(50)
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert bench.heard() == scaled(CODE_ZH + PAUSE + CODE_EN, 50)
    bench.at_write(2, lambda: bench.voice.set_volume(100))  # its own chunk is scaled already
    bench.hear(spoken(Prompt.SHOW_CODE))
    loud_from = 2 * 3_200
    assert bench.heard() == scaled(CODE_ZH[:loud_from], 50) + CODE_ZH[loud_from:] + PAUSE + CODE_EN


def test_another_order_of_languages_holds_from_the_next_hint_on(bench: Bench) -> None:
    bench.at_write(2, lambda: bench.voice.set_languages(("en",)))
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert bench.heard() == CODE_ZH + PAUSE + CODE_EN
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert bench.heard() == CODE_EN


# --- what cuts it off ----------------------------------------------------------------------------


def test_a_newer_hint_cuts_the_older_one_off(bench: Bench) -> None:
    bench.at_write(5, lambda: bench.voice.announce(spoken(Prompt.WAIT_STAFF)))
    bench.hear(spoken(Prompt.SHOW_CODE))
    heard = bench.heard()
    begun, rest = heard[: -len(STAFF + PAUSE + STAFF)], heard[-len(STAFF + PAUSE + STAFF) :]
    assert rest == STAFF + PAUSE + STAFF
    assert CODE_ZH.startswith(begun)
    assert 0 < len(begun) < len(CODE_ZH)


def test_the_go_lamp_ends_a_hint_that_holds_no_longer(bench: Bench) -> None:
    bench.at_write(5, lambda: bench.voice.announce(shown(Prompt.GO)))
    bench.hear(spoken(Prompt.SHOW_CODE))
    heard = bench.heard()
    assert CODE_ZH.startswith(heard)
    assert len(heard) < len(CODE_ZH)


def test_the_same_prompt_once_more_lets_a_hint_go_on(bench: Bench) -> None:
    for again in (shown(Prompt.SHOW_CODE), spoken(Prompt.SHOW_CODE)):
        bench.at_write(7, lambda again=again: bench.voice.announce(again))  # type: ignore[misc]
        bench.hear(spoken(Prompt.SHOW_CODE))
        assert bench.heard() == CODE_ZH + PAUSE + CODE_EN


def test_a_hint_that_is_over_before_it_began_is_not_spoken(bench: Bench) -> None:
    bench.hear(spoken(Prompt.SHOW_CODE), shown(Prompt.GO))
    assert bench.heard() == b""


def test_of_a_flood_of_prompts_the_newest_wins_and_nobody_waits(bench: Bench) -> None:
    flood = [spoken(Prompt.SHOW_CODE)] * (3 * PROMPTS_BOUND)
    bench.hear(*flood, spoken(Prompt.WAIT_STAFF))
    assert bench.heard() == STAFF + PAUSE + STAFF


def test_stopping_cuts_off_at_once(bench: Bench) -> None:
    heard = []

    def stop() -> None:
        heard.append(len(bench.library.heard))
        bench.stop.set()

    bench.at_write(5, stop)
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert len(bench.heard()) <= heard[0] + 3_200, "the buffer's 0.2 s were played to their end"
    assert bench.library.open("default") > 0, "the card was let go of"


def test_the_worker_beats_while_it_speaks(bench: Bench) -> None:
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert bench.beats >= len(CODE_ZH + PAUSE + CODE_EN) // 3_200


# --- the card ------------------------------------------------------------------------------------


def test_cards_of_which_this_user_may_use_none_are_denied_and_not_missing() -> None:
    cards = [Path("/dev/snd/controlC0"), Path("/dev/snd/controlC1")]
    assert are_all_denied(cards, lambda _: False)
    assert not are_all_denied(cards, lambda node: node == cards[1])
    assert not are_all_denied([], lambda _: False)


def test_without_a_card_it_is_silent_says_so_once_and_looks_again_every_30_s(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bench.library.is_plugged = False
    bench.hear(spoken(Prompt.SHOW_CODE))
    bench.later(29.0)
    bench.later(30.0)
    missing = 'no sound card "default": is it plugged in, and does aplay -L print it?'
    assert bench.changes == [("voice", False, missing)]
    looked = bench.library.configurations
    bench.library.is_plugged = True
    bench.later(29.0)
    assert len(bench.told) == 1
    bench.later(2.0)
    assert bench.changes[1:] == [("voice", True, "")]
    assert bench.library.configurations == looked + 1, "a new card is not in a cached configuration"
    assert caplog.messages == [f"{missing}. The lamps and beeps go on", "the voice is back"]
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert bench.heard() == CODE_ZH + PAUSE + CODE_EN


def test_a_hint_is_not_kept_for_a_card_that_comes_later(bench: Bench) -> None:
    bench.library.is_plugged = False
    bench.hear(spoken(Prompt.SHOW_CODE))
    bench.library.is_plugged = True
    bench.later(31.0)
    assert bench.heard() == b""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (errno.EBUSY, 'another program is using the sound card "hw:0"'),
        (errno.EACCES, 'no permission for the sound card "hw:0": is the user in the group audio?'),
        (errno.EINVAL, '"hw:0" is not a name that ALSA knows: see what aplay -L prints'),
        (errno.EIO, 'the sound card "hw:0" does not open: EIO'),
    ],
)
def test_a_card_that_cannot_be_had_says_why(tmp_path: Path, error: int, sentence: str) -> None:
    bench = Bench(tmp_path, device="hw:0")
    bench.library.denied = error
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert bench.changes == [("voice", False, sentence)]


def test_a_card_that_another_program_holds_is_used_once_it_is_free(bench: Bench) -> None:
    bench.library.is_busy = True
    bench.hear(spoken(Prompt.SHOW_CODE))
    bench.library.is_busy = False
    bench.later(31.0)
    assert [is_working for _, is_working, _ in bench.changes] == [False, True]


def test_a_card_without_the_rate_says_how_to_name_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, device="hw:0")
    bench.library.rates_hz = (48_000,)
    bench.hear(spoken(Prompt.SHOW_CODE))
    sentence = (
        'the sound card "hw:0" does not play 16000 Hz with 1 channel(s):'
        " name it with plughw: instead of hw:"
    )
    assert bench.changes == [("voice", False, sentence)]


def test_without_libasound_it_says_what_to_install_and_tries_again(tmp_path: Path) -> None:
    clock, answers = FakeClock(), [OSError("libasound.so.2: cannot open shared object file")]

    def load() -> SoundLibrary:
        if answers:
            raise answers.pop()
        return SimulatedLibasound(clock)

    speaker = Speaker(AlsaSoundCard("default", clock, load), clock, tmp_path)
    speaker.hear()
    clock.advance(31.0)
    speaker.hear()
    sentence = (
        "libasound.so.2 is missing: install the Debian package libasound2t64"
        " (libasound2 in bookworm)"
    )
    assert speaker.changes == [("voice", False, sentence), ("voice", True, "")]


def test_a_muted_card_is_told_and_played_to_all_the_same(bench: Bench) -> None:
    bench.library.mixer = (MixerControl("Speaker", is_off=True),)
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert bench.heard() == CODE_ZH + PAUSE + CODE_EN  # it may be unmuted at any moment
    bench.later(31.0)
    bench.library.mixer = (MixerControl("Speaker"),)
    bench.later(31.0)
    assert bench.changes == [
        ("voice", False, "the sound card is muted: run alsamixer, choose Speaker and press M"),
        ("voice", True, ""),
    ]


def test_another_cause_in_between_is_a_line_in_the_log_but_no_second_loss(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.library.is_plugged = False
    bench.hear()
    bench.library.is_plugged = True
    bench.library.mixer = (MixerControl("PCM", is_at_zero=True),)
    bench.later(31.0)
    assert [is_working for _, is_working, _ in bench.changes] == [False]
    assert caplog.messages[-1].startswith(
        "the sound card is turned down to zero: run alsamixer and turn PCM up"
    )


@pytest.mark.parametrize(
    ("controls", "sentence"),
    [
        ((), ""),
        ((MixerControl("Speaker"), MixerControl("Mic", is_off=True)), ""),
        ((MixerControl("Master", is_off=True), MixerControl("Speaker")), "choose Master"),
        ((MixerControl("Speaker"), MixerControl("PCM", is_at_zero=True)), "turn PCM up"),
        ((MixerControl("Headphone", is_off=True), MixerControl("Speaker")), ""),
        ((MixerControl("Headphone", is_off=True),), "choose Headphone and press M"),
        ((MixerControl("HDMI", is_off=True), MixerControl("Speaker", is_off=True)), "choose HDMI"),
        ((MixerControl("Headphone", is_at_zero=True),), "turn Headphone up"),
        ((MixerControl("Capture", is_off=True, is_at_zero=True),), ""),
    ],
)
def test_a_card_is_unheard_when_something_on_every_way_out_is_silent(
    controls: tuple[MixerControl, ...], sentence: str
) -> None:
    said = why_unheard(controls)
    assert sentence in said
    assert bool(said) is bool(sentence)


# --- trouble in mid-sentence ---------------------------------------------------------------------


def test_a_card_pulled_while_speaking_is_told_once_and_the_voice_comes_back(bench: Bench) -> None:
    def pull() -> None:
        bench.library.is_plugged = False

    bench.at_write(5, pull)
    bench.hear(spoken(Prompt.SHOW_CODE), spoken(Prompt.SHOW_CODE))
    assert CODE_ZH.startswith(bench.heard())
    assert bench.changes == [("voice", False, "the sound card is gone: was it unplugged?")]
    bench.library.is_plugged = True
    bench.hear(spoken(Prompt.WAIT_STAFF))
    assert bench.heard() == b"", "the next look is 30 s away"
    bench.later(31.0)
    bench.hear(spoken(Prompt.WAIT_STAFF))
    assert bench.heard() == STAFF + PAUSE + STAFF
    assert [is_working for _, is_working, _ in bench.changes] == [False, True]


def test_after_an_underrun_it_goes_on_where_it_was(bench: Bench) -> None:
    bench.at_write(5, lambda: bench.library.pass_time(1.0))  # the machine was busy elsewhere
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert bench.library.underruns == 1
    assert bench.heard() == CODE_ZH + PAUSE + CODE_EN
    assert bench.told == []


def test_a_card_that_was_asleep_is_resumed(bench: Bench) -> None:
    bench.library.resumes_after = 3
    bench.at_write(5, bench.library.suspend)
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert bench.library.resumes_after == 0
    assert bench.heard() == CODE_ZH + PAUSE + CODE_EN
    assert bench.told == []


def test_a_card_that_cannot_resume_is_prepared_afresh_and_loses_only_its_buffer(
    bench: Bench,
) -> None:
    bench.library.can_resume = False
    bench.at_write(5, bench.library.suspend)
    bench.hear(spoken(Prompt.SHOW_CODE))
    heard = bench.heard()
    assert heard.endswith(PAUSE + CODE_EN)
    assert 0 < len(CODE_ZH + PAUSE + CODE_EN) - len(heard) <= 6_400
    assert bench.told == []


def test_a_card_that_takes_nothing_any_more_is_lost_within_seconds(bench: Bench) -> None:
    def stick() -> None:
        bench.library.is_stuck = True

    bench.at_write(5, stick)
    began_s = bench.clock.elapsed_s
    bench.hear(spoken(Prompt.SHOW_CODE))
    assert bench.changes == [("voice", False, "the sound card takes no sound any more")]
    assert bench.clock.elapsed_s - began_s < 5.0


def test_a_failure_nobody_knows_is_a_loss_not_a_crash(tmp_path: Path) -> None:
    class Failing(SimulatedLibasound):
        def writei(self, _pcm: int, samples: bytes, frames: int) -> int:
            return -errno.EIO

    clock = FakeClock()
    card = AlsaSoundCard("default", clock, lambda: Failing(clock))
    speaker = Speaker(card, clock, tmp_path)
    speaker.hear(spoken(Prompt.GO))
    assert speaker.changes == [("voice", False, "the sound card failed: EIO")]


# --- as a thread ---------------------------------------------------------------------------------


def test_it_ends_when_it_is_told_to_and_announcing_afterwards_harms_nobody(tmp_path: Path) -> None:
    clock, stop = FakeClock(), threading.Event()
    card = AlsaSoundCard("default", clock, lambda: SimulatedLibasound(clock))
    voice = Voice(card, languages=("en",), volume_percent=80, folder=tmp_path, clock=clock)
    told: list[DeviceChanged] = []
    thread = threading.Thread(
        target=voice.run, args=(stop, lambda: None), kwargs={"publish": told.append}
    )
    thread.start()
    voice.announce(spoken(Prompt.GO))
    stop.set()
    thread.join(10.0)
    assert not thread.is_alive()
    for _ in range(100):
        voice.announce(ShowPrompt(Prompt.GO))
    assert told == []


def test_a_bad_own_recording_is_named_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    path = own_recording(tmp_path, "en", Prompt.GO, os.urandom(99))
    bench.hear()
    fault = f"{path} is no plain WAV file; save it as WAV, PCM, 16 bit"
    assert caplog.messages == [f"{fault}. The built-in recording is played"]


def test_the_page_explains_what_the_card_may_say() -> None:
    page = (ROOT / "docs" / "voice.md").read_text(encoding="utf-8")
    said = re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE)
    source = (ROOT / "gated" / "actuators" / "alsa.py").read_text(encoding="utf-8")
    assert len(said) >= 9
    assert [words for words in said if words not in source] == []
    for name in EVERYTHING_PASSES | ONE_OF_THEM_SOUNDS:
        assert f"`{name}`" in page
