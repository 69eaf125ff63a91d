"""Alarms before a certificate of the uplink ends: in time, once, and by a clock that is set."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from gated.clock import FakeClock, SystemClock, TimeQuality
from gated.config import parse_gate
from gated.contents import AlarmContent, AlarmName
from gated.controller.certificate_watch import LOOK_EVERY_S, CertificateWatch, own_pairs
from gated.controller.decider import Record
from gated.mqtt.address import TlsFiles
from gated.mqtt.own_pairs import OwnPairs
from tests.authorities import Authority
from tests.config_texts import with_keys

DAY_S = 86_400.0


@dataclass
class Rig:
    folder: Path
    clock: FakeClock = field(default_factory=lambda: FakeClock(wall=SystemClock().now()))
    quality: TimeQuality = TimeQuality.TRUSTED
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        ca = Authority("school CA", ends=400)
        files = TlsFiles(self.folder / "ca.pem", self.folder / "gate.pem", self.folder / "gate.pem")
        self.pairs = OwnPairs(self.folder, files)
        (self.folder / "ca.pem").write_bytes(ca.pem)
        (self.folder / "gate.pem").write_bytes(ca.pair("east-1", ends=90))
        self.ca = ca
        self.start()

    def start(self, told: str | None = None) -> None:
        self.watch = CertificateWatch(
            self.pairs,
            self.clock,
            quality=lambda: self.quality,
            told=told,
            publish=self.records.append,
        )

    def after(self, days: float) -> list[tuple[AlarmName, str]]:
        """Let ``days`` go by and return the alarms that came."""
        before = len(self.records)
        self.clock.advance(days * DAY_S + LOOK_EVERY_S)
        self.watch.each_second()
        alarms = [one.content for one in self.records[before:]]
        assert all(isinstance(one, AlarmContent) and one.device == "uplink" for one in alarms)
        return [
            (a.alarm, a.detail.partition(",")[0]) for a in alarms if isinstance(a, AlarmContent)
        ]

    def due(self) -> list[tuple[str, str]]:
        return [(due["what"], due["stage"]) for due in self.watch.due]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_life_is_told_at_30_7_and_1_days_and_at_its_end_once_each(rig: Rig) -> None:
    expiring = AlarmName.CERTIFICATE_EXPIRING
    assert rig.after(50) == []
    assert rig.due() == []
    assert rig.after(11) == [(expiring, "certificate east-1: 28 days left")]
    assert rig.after(0) == []
    assert rig.after(20) == []
    assert rig.after(3) == [(expiring, "certificate east-1: 5 days left")]
    assert rig.after(5.5) == [(expiring, "certificate east-1: 0 days left")]
    assert rig.after(1) == [(expiring, "certificate east-1: expired")]
    assert rig.after(1) == []
    assert rig.due() == [("certificate east-1", "expired")]


def test_what_was_told_is_kept_over_a_restart(rig: Rig) -> None:
    assert len(rig.after(61)) == 1
    ((key, told),) = rig.records[-1].settings
    assert key == "certificates_told"
    rig.start(told)
    assert rig.after(0) == []
    assert len(rig.after(24)) == 1


def test_a_ca_that_ends_is_told_of_as_well(rig: Rig) -> None:
    old = Authority("old CA", begins=-3_000, ends=20)
    (rig.folder / "ca.pem").write_bytes(rig.ca.pem + old.pem)
    assert rig.after(0) == [(AlarmName.CERTIFICATE_EXPIRING, "CA old CA: 19 days left")]


def test_a_renewed_certificate_ends_what_is_due(rig: Rig) -> None:
    assert len(rig.after(61)) == 1
    new = rig.ca.pair("east-1", begins=0, ends=300)
    rig.pairs.put_new(new)
    assert rig.pairs.take_over(new)
    assert rig.after(0) == []
    assert rig.due() == []


@pytest.mark.parametrize("quality", [TimeQuality.HOLDOVER, TimeQuality.UNKNOWN])
def test_a_clock_that_nobody_has_set_tells_of_no_end(rig: Rig, quality: TimeQuality) -> None:
    rig.quality = quality
    assert rig.after(1_000) == []
    rig.quality = TimeQuality.TRUSTED
    assert {detail for _, detail in rig.after(0)} == {
        "certificate east-1: expired",
        "CA school CA: expired",
    }


def test_a_refused_new_pair_is_told_once(rig: Rig) -> None:
    new = Authority("other").pair("east-1")
    rig.pairs.put_new(new)
    assert rig.after(0) == []
    rig.pairs.refuse(new, "the connection broke", rig.clock.now())
    assert [alarm for alarm, _ in rig.after(0)] == [AlarmName.CERTIFICATE_REFUSED]
    assert rig.after(0) == []
    rig.start(rig.records[-1].settings[0][1])
    rig.pairs.refuse(new, "the connection broke", rig.clock.now() + timedelta(hours=1))
    assert rig.after(0) == []


def test_files_that_are_missing_are_the_uplinks_to_complain_of(rig: Rig) -> None:
    (rig.folder / "ca.pem").unlink()
    (rig.folder / "gate.pem").write_bytes(b"half a file")
    assert rig.after(1_000) == []


def test_without_tls_there_is_nothing_to_watch(tmp_path: Path) -> None:
    text = with_keys("paths", f'state = "{tmp_path}"').replace(
        "mqtts://10.8.0.1", "mqtt://127.0.0.1"
    )
    pairs = own_pairs(parse_gate(text, "gated.toml"))
    assert pairs is None
    records: list[Record] = []
    watch = CertificateWatch(
        pairs,
        FakeClock(),
        quality=lambda: TimeQuality.TRUSTED,
        told=None,
        publish=records.append,
    )
    watch.each_second()
    assert (records, watch.due) == ([], ())
