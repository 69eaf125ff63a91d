"""The voice on the sound card that ``GATED_TEST_SOUND`` names, such as plughw:CARD=Device.

It plays one prompt aloud in each language; somebody must listen. Nothing else may use the card.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gated.actuators.alsa import AlsaSoundCard, Libasound
from gated.clock import SystemClock
from gated.vocabulary import Prompt
from tests.sound import Speaker, spoken

pytestmark = pytest.mark.hw


@pytest.fixture
def device() -> str:
    name = os.environ.get("GATED_TEST_SOUND", "")
    if not name:
        pytest.skip("GATED_TEST_SOUND does not name a sound card, as aplay -L prints it")
    return name


def test_the_card_plays_in_its_own_time_and_nothing_is_lost(device: str, tmp_path: Path) -> None:
    clock = SystemClock()
    speaker = Speaker(AlsaSoundCard(device, clock), clock, tmp_path)
    began_s = clock.monotonic_s()
    speaker.hear(spoken(Prompt.WAIT_STAFF))
    assert speaker.changes == []
    assert clock.monotonic_s() - began_s > 4.0  # it was played, not swallowed


def test_the_mixer_can_be_read(device: str) -> None:
    library = Libasound()
    pcm = library.open(device)
    assert pcm > 0
    card = library.card(pcm)
    library.close(pcm)
    assert card >= 0
    for control in library.controls(card):
        assert control.name
