"""Whose turn it is: the new pair first, right after it the old one, after an hour the new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gated.clock import FakeClock
from gated.errors import BrokerUnavailable
from gated.mqtt.address import BrokerAddress, TlsFiles
from gated.mqtt.happenings import Confirmed, Subscribed
from gated.mqtt.own_pairs import OwnPairs
from gated.uplink.pair_choice import LOOK_EVERY_S, TRY_AGAIN_AFTER_S, PairChoice
from tests.authorities import Authority

CA = Authority("school CA")
ACKS = "gates/v1/a/b/ack"
LET_IN = (Subscribed(()), Confirmed(1, 0, "Success"))


class Rig:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.pairs = OwnPairs(folder, TlsFiles())
        broker = BrokerAddress("broker", 8883, "gate", tls=TlsFiles())
        self.choice = PairChoice(broker, folder, self.clock, needs=ACKS)

    def is_trial(self) -> bool:
        tls = self.choice.next_address().tls
        return tls is not None and tls.certificate == self.pairs.new_file

    def let_in(self) -> None:
        for happening in LET_IN:
            self.choice.hear(happening)

    def has_turn(self) -> bool:
        self.clock.advance(LOOK_EVERY_S)
        return self.choice.has_turn()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_without_tls_there_is_nothing_to_choose(tmp_path: Path) -> None:
    broker = BrokerAddress("broker", 1883, "gate")
    choice = PairChoice(broker, tmp_path, FakeClock(), needs=ACKS)
    OwnPairs(tmp_path, TlsFiles()).put_new(CA.pair("east-1"))
    assert choice.next_address() == broker
    assert not choice.has_turn()
    for happening in LET_IN:
        choice.hear(happening)
    assert not choice.end_trial("the connection broke")


def test_a_new_pair_that_comes_while_connected_has_its_turn_once(rig: Rig) -> None:
    assert not rig.is_trial()
    rig.let_in()
    assert not rig.has_turn()
    rig.pairs.put_new(CA.pair("east-1"))
    assert rig.has_turn()
    assert rig.is_trial()
    assert not rig.has_turn()
    rig.let_in()
    assert not rig.has_turn()
    assert rig.pairs.new() is None


@pytest.mark.parametrize("happenings", [LET_IN[:1], LET_IN[1:], (LET_IN[0], LET_IN[0])])
def test_only_who_may_subscribe_and_publish_is_let_in(
    rig: Rig, happenings: tuple[Subscribed | Confirmed, ...]
) -> None:
    rig.pairs.put_new(CA.pair("east-1"))
    assert rig.is_trial()
    for happening in happenings:
        rig.choice.hear(happening)
    assert not rig.pairs.in_force_file.exists()
    assert rig.choice.end_trial("the connection broke")


@pytest.mark.parametrize(
    "happening", [Subscribed((f"{ACKS} (Not authorized)",)), Confirmed(1, 0x87, "no")]
)
def test_a_new_pair_without_rights_is_given_up(rig: Rig, happening: Subscribed | Confirmed) -> None:
    rig.pairs.put_new(CA.pair("east-1"))
    assert rig.is_trial()
    with pytest.raises(BrokerUnavailable):
        rig.choice.hear(happening)
    rig.choice.end_trial("x")
    assert not rig.is_trial()
    rig.choice.hear(happening)  # the pair in force may go on as it did


def test_a_broker_that_keeps_other_topics_from_every_pair_lets_in_all_the_same(rig: Rig) -> None:
    refused = Subscribed(("gates/v1/a/b/cmd (Not authorized)", f"{ACKS}s (Not authorized)"))
    rig.pairs.put_new(CA.pair("east-1"))
    assert rig.is_trial()
    rig.choice.hear(refused)
    rig.choice.hear(LET_IN[1])
    assert rig.pairs.in_force_file.exists()
    assert not rig.has_turn()


def test_the_pair_in_force_is_compared_although_it_may_not_read_other_topics(rig: Rig) -> None:
    rig.pairs.put_new(CA.pair("east-1"))
    assert rig.is_trial()
    rig.choice.end_trial("the connection broke")
    assert not rig.is_trial()
    rig.choice.hear(Subscribed(("gates/v1/a/b/cmd (Not authorized)",)))
    rig.choice.hear(LET_IN[1])
    assert rig.pairs.refusal() is not None


def test_a_refused_pair_has_another_turn_after_an_hour(rig: Rig) -> None:
    rig.pairs.put_new(CA.pair("east-1"))
    assert rig.is_trial()
    assert rig.choice.end_trial("the connection broke")
    assert rig.pairs.refusal() is None  # not judged yet
    assert not rig.is_trial()
    rig.let_in()
    refusal = rig.pairs.refusal()
    assert refusal is not None
    assert refusal.reason == "the connection broke"
    assert not rig.has_turn()
    assert not rig.choice.end_trial("the broker was restarted")
    assert not rig.is_trial()
    rig.let_in()
    rig.clock.advance(TRY_AGAIN_AFTER_S)
    assert rig.has_turn()
    assert rig.is_trial()


def test_a_broker_that_is_away_says_nothing_about_the_new_pair(rig: Rig) -> None:
    rig.pairs.put_new(CA.pair("east-1"))
    for _ in range(3):
        assert rig.is_trial()
        assert rig.choice.end_trial("connection refused")
        assert not rig.is_trial()
        assert not rig.choice.end_trial("connection refused")
    assert rig.is_trial()
    rig.let_in()
    assert rig.pairs.refusal() is None
    assert rig.pairs.in_force_file.exists()


def test_another_new_pair_need_not_wait_for_the_refused_one(rig: Rig) -> None:
    rig.pairs.put_new(CA.pair("east-1"))
    assert rig.is_trial()
    rig.choice.end_trial("the connection broke")
    assert not rig.is_trial()
    rig.let_in()
    rig.pairs.put_new(CA.pair("east-1"))
    assert rig.has_turn()
    assert rig.is_trial()
