"""The doctor on the way to the centre: days of certificates, age of acknowledgements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gated.clock import FakeClock, SystemClock
from gated.config import GateConfig, parse_gate
from gated.doctor.centre import look_at_acks, look_at_broker, look_at_certificates
from gated.doctor.findings import Level
from gated.doctor.host import CannotLook
from gated.facts.status import GateStatus, LedgerFacts
from tests.authorities import Authority
from tests.config_texts import MINIMAL
from tests.doctor_host import told

NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)


def gate_with(folder: Path, own: bytes, ca: bytes) -> GateConfig:
    begin = own.index(b"-----BEGIN CERT")
    (folder / "gate.key").write_bytes(own[:begin])
    (folder / "gate.pem").write_bytes(own[begin:])
    (folder / "ca.pem").write_bytes(ca)
    names = {"ca_file": "ca.pem", "cert_file": "gate.pem", "key_file": "gate.key"}
    keys = "".join(f'{key} = "{folder / name}"\n' for key, name in names.items())
    return parse_gate(f'{MINIMAL}{keys}[paths]\nstate = "{folder}"\n', "test")


@pytest.mark.parametrize(
    ("begins", "ends", "level", "words"),
    [
        (-1, 90, Level.OK, "is in order: 89 days left"),
        (-80, 20, Level.WARNING, "ends within 30 days"),
        (-80, 3, Level.WARNING, "ends within 7 days: 2 days left"),
        (-80, -1, Level.ERROR, "has expired on"),
    ],
)
def test_the_days_of_a_certificate(
    begins: int, ends: int, level: Level, words: str, tmp_path: Path
) -> None:
    authority = Authority("CA", begins=-400, ends=4_000)
    config = gate_with(tmp_path, authority.pair("east-1", begins=begins, ends=ends), authority.pem)
    own, ca = look_at_certificates(config, SystemClock())
    assert (own.level, ca.level) == (level, Level.OK)
    assert words in own.says[1]
    assert level is Level.OK or "gated certificate show" in str(own.mend)


def test_by_a_wrong_clock_no_days_are_counted(tmp_path: Path) -> None:
    authority = Authority("CA")
    config = gate_with(tmp_path, authority.pair("east-1"), authority.pem)
    with pytest.raises(CannotLook, match="the clock is wrong"):
        list(look_at_certificates(config, FakeClock(wall=datetime(1970, 1, 1, tzinfo=UTC))))


def test_a_file_that_cannot_be_used_is_no_fault_of_the_broker(tmp_path: Path) -> None:
    authority = Authority("CA")
    config = gate_with(tmp_path, authority.pair("east-1"), authority.pem)
    (tmp_path / "ca.pem").write_text("nothing", encoding="ascii")
    with pytest.raises(CannotLook, match="cannot use the TLS files"):
        list(look_at_broker(config))


def status(
    *,
    backlog: int = 0,
    waits_min: int = 0,
    acked_min: int | None = 1,
    has_ledger: bool = True,
    took_ms: int | None = None,
) -> GateStatus:
    ledger = LedgerFacts(
        epoch="e",
        events=9,
        counts={},
        backlog=backlog,
        waits_since=NOW - timedelta(minutes=waits_min) if backlog else None,
        last_alarm=None,
        last_fault=None,
        mode_until=None,
        size_bytes=1,
    )
    return GateStatus(
        site="school",
        gate="east-1",
        now=NOW,
        config_file=Path("gated.toml"),
        controller=None,
        ledger=ledger if has_ledger else None,
        acked_at=None if acked_min is None else NOW - timedelta(minutes=acked_min),
        took_ms=took_ms,
        free_bytes=1,
        min_free_bytes=0,
        max_bytes=2**30,
        trouble=() if has_ledger else ("cannot read it; use sudo",),
    )


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        (status(), Level.OK, "everything is delivered; last acknowledgement 1 min ago"),
        (status(took_ms=412), Level.OK, "1 min ago; the newest record's took 0.4 s"),
        (status(backlog=2, waits_min=1), Level.OK, "2 events wait"),
        (status(backlog=2, waits_min=10), Level.ERROR, "records wait since"),
        (status(acked_min=None), Level.WARNING, "never acknowledged | does the collector run?"),
        (status(has_ledger=False), Level.UNKNOWN, "cannot read it; use sudo"),
    ],
)
def test_what_the_collector_has_acknowledged(found: GateStatus, level: Level, words: str) -> None:
    ((said, sentence),) = told(look_at_acks(found))
    assert (said, words in sentence) == (level, True), sentence
