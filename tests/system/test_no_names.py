"""Privacy, by the byte: what codes say of persons is nowhere after they were shown.

A real gate, a real broker and a real collector see certificates with names; then everything that
they wrote or published is searched.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gated.credentials import base45, cbor
from gated.credentials.key_sets import to_key_set
from gated.credentials.signatures import PrivateKey, key_fingerprint
from tests.gate_processes import CLOCK, running_centre
from tests.gate_rig import Event, StagedGate, staged_gate
from tests.signed_codes import hc1_code, trusted_key
from tests.system.conftest import Collect, NewMosquitto
from tests.uplink_rig import Subscriber

GOLDEN = Path(__file__).parents[1] / "golden" / "eu-dcc-common"
NAME, GIVEN, BORN = "Mustermann-Zhang", "Xiaoming", "2001-03-17"
UVCI = "URN:UVCI:01:NL:GGDPRIVACY42"
SECRETS = (
    NAME, GIVEN, BORN, UVCI, "MUSTERMANN<ZHANG", "XIAOMING",
    "Musterfrau", "Gößinger", "MUSTERFRAU", "1998-02-26", "Lövström", "1958-11-11",
)  # fmt: skip
"""Of our certificate, and of the published ones."""
RULES = """enough = [
  { name = "pcr", evidence = "test", max_age_h = 48.0 },
]"""


@pytest.fixture(scope="module")
def health_office() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def negative_test(key: PrivateKey, sampled_at: datetime) -> str:
    """Return a certificate as a health office writes it: schema 1.3.0, ES256."""
    entry: dict[cbor.CborKey, cbor.CborValue] = {
        "tg": "840539006", "tt": "LP6464-4", "sc": sampled_at.isoformat(timespec="seconds"),
        "tr": "260415000", "tc": "Somewhere", "co": "NL", "is": "A ministry", "ci": UVCI,
    }  # fmt: skip
    names: dict[cbor.CborKey, cbor.CborValue] = {
        "fn": NAME,
        "fnt": "MUSTERMANN<ZHANG",
        "gn": GIVEN,
        "gnt": "XIAOMING",
    }
    dcc: dict[cbor.CborKey, cbor.CborValue] = {
        "ver": "1.3.0", "dob": BORN, "nam": names, "t": [entry],
    }  # fmt: skip
    now_s = int(CLOCK.now().timestamp())
    claims: dict[cbor.CborKey, cbor.CborValue] = {
        1: "NL",
        6: now_s - 60, 4: now_s + 86_400, -260: {1: dcc},
    }  # fmt: skip
    return hc1_code(cbor.encode(claims), key, key_fingerprint(key.public_key()))


@pytest.fixture
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("n")


@pytest.fixture
def gate(
    everything: Path, new_mosquitto: NewMosquitto, health_office: PrivateKey
) -> Iterator[tuple[StagedGate, int]]:
    port = new_mosquitto().port
    changes = {"[visit]\n": f"[certificates]\n{RULES}\n[visit]\n"}
    broker = f"mqtt://127.0.0.1:{port}"
    with staged_gate(everything / "g", broker=broker, changes=changes) as gate:
        key_set = to_key_set([trusted_key(health_office.public_key())], None, None)
        (gate.trust / "health-office.jwk").write_bytes(key_set)
        gate.start()
        yield gate, port


def test_no_name_no_number_and_no_code_is_left_anywhere(
    gate: tuple[StagedGate, int], everything: Path, collect: Collect, health_office: PrivateKey
) -> None:
    lane, port = gate
    heard = Subscriber(port, "everything", ("#",))
    collect(heard)
    fresh = negative_test(health_office, CLOCK.now() - timedelta(hours=3))
    old = negative_test(health_office, CLOCK.now() - timedelta(days=4))
    published = [
        json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))["PREFIX"]
        for name in ("CO1", "CO28", "DGC4")
    ]
    with running_centre(everything / "c", f"mqtt://127.0.0.1:{port}") as centre:
        results = [_show(lane, text) for text in (fresh, old, *published, f"https://x/{NAME}")]
        lane.wait_delivered()
        rows = centre.bodies()
    assert lane.stop() == 0
    assert results == [
        ("granted", "valid", ()),
        ("denied", "valid", ("not_enough",)),
        *[("denied", "unknown_key", ("unknown_key",))] * 3,  # their keys' certificates have ended
        ("see_staff", "None", ("no_credential",)),  # held up before the empty lane: a poster
    ]
    assert len(rows) >= len(results)
    texts = [fresh, old, *published]
    wanted = [secret.encode() for secret in SECRETS]
    # Any stretch of a code's text would give it away in pieces, too.
    wanted += [text[at : at + 24].encode() for text in texts for at in range(0, len(text) - 24, 24)]
    wanted += [zlib.decompress(base45.decode(fresh[4:]))[-80:]]
    found = [
        (path.relative_to(everything), secret)
        for path in everything.rglob("*")
        if path.is_file() and "trust" not in path.parts
        for secret in wanted
        if secret in path.read_bytes()
    ]
    messages = [
        b"\n".join(
            [d.topic.encode(), d.payload, *(f"{k} {v}".encode() for k, v in d.properties.items())]
        )
        for d in heard.deliveries
    ]
    assert len(messages) >= len(results)
    found += [(Path("mqtt"), secret) for secret in wanted for m in messages if secret in m]
    assert found == []
    searched = {path.name for path in everything.rglob("*") if path.is_file()}
    assert {"ledger.db", "g.log", "collector.db"} <= searched


def _show(gate: StagedGate, text: str) -> tuple[str, str, tuple[str, ...]]:
    visit: Event = gate.visit(text)
    if visit.body["outcome"] == "granted":
        gate.go_through(visit)
    gate.leave()
    reasons = visit.body["reasons"]
    assert isinstance(reasons, list)
    return str(visit.body["outcome"]), str(visit.body["credential_status"]), tuple(reasons)
