"""``gated setup`` at a terminal: each answer is checked at once, defaults are a press of Enter."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from gated.calibrate.dialog import Dialog, GivenUp
from gated.config import GateConfig, parse_gate
from gated.setup.plan import plan
from gated.setup.questions import ask
from tests.calibrate_rig import Technician
from tests.setup_rig import ISSUER, PASSWORD, Card

SITE_AND_NAME = ["lixin-primary", "east-1", "in"]
DEVICES = ["", "", "", "", "", "", ""]  # camera, thermometer, variant, bus, height, air, wiring
BROKER = ["mqtts://broker.example:8883", PASSWORD, ""]


def asked(answers: list[str], card: Card) -> tuple[GateConfig, str]:
    """Return (what the answers make, everything that was said)."""
    aside = io.StringIO()
    dialog = Dialog(Technician(answers, sits_there=True), io.StringIO(), aside, "en")
    planned = plan(ask(dialog), card.config, "answers")
    return parse_gate(planned.files[-1].data.decode(), "written"), aside.getvalue()


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def test_three_answers_and_a_broker_are_enough(card: Card) -> None:
    config, said = asked([*SITE_AND_NAME, *DEVICES, *BROKER, "", ""], card)
    assert (config.gate.site, config.gate.name) == ("lixin-primary", "east-1")
    assert config.temperature.thermometers[0].driver == "mlx90614"
    assert config.temperature.ambient is not None
    assert config.outputs.relay.line == "GPIO17"
    assert config.outputs.lamps is not None
    assert config.inputs.attendant_button is not None
    assert config.uplink.password_file == card.etc / "mqtt.password"
    assert "[GPIO17]" not in said  # the drawing's wiring was taken
    assert "[mlx90614]" in said
    assert not card.etc.exists()


def test_a_wrong_answer_is_refused_in_the_configurations_words_and_asked_again(card: Card) -> None:
    answers = ["Lixin Primary", *SITE_AND_NAME, "phone", *DEVICES[:1], "mlx9000", *DEVICES[1:4]]
    answers += ["9", *DEVICES[4:], "mqtt://far.example", *BROKER, "", ""]
    config, said = asked(answers, card)
    assert config.temperature.thermometers[0].mount_height_m == 1.4
    assert 'gate.site = "Lixin Primary" : must be 1-63 of a-z 0-9 and -' in said
    assert "scanner.camera" in said
    assert "driver 'mlx9000' is not known" in said
    assert "0.5 … 2.5 m" in said
    assert "sends records and the password in the clear" in said


def test_an_answer_is_needed_where_there_is_no_default(card: Card) -> None:
    _, said = asked(["", *SITE_AND_NAME, *DEVICES, *BROKER, "", ""], card)
    assert "an answer is needed" in said


def test_other_wiring_asks_for_the_relay_alone(card: Card) -> None:
    answers = [*SITE_AND_NAME, *DEVICES[:-1], "no", "GPIO27", *BROKER, "", ""]
    config, _ = asked(answers, card)
    assert config.outputs.relay.line == "GPIO27"
    assert config.outputs.lamps is None


def test_files_are_looked_at_before_the_next_question(card: Card) -> None:
    issuer = str(card.boot / ISSUER)
    answers = [*SITE_AND_NAME, *DEVICES, *BROKER, issuer, "", "/nowhere", issuer]
    _, said = asked(answers, card)
    assert "not base64" in said  # a public key is no site key
    assert "/nowhere is missing" in said


def test_whoever_stops_answering_has_changed_nothing(card: Card) -> None:
    with pytest.raises(GivenUp):
        asked(SITE_AND_NAME, card)
    assert not card.etc.exists()
