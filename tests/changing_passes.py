"""A pupil's changing pass, the phone that shows it, and the school that has signed it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gated.credentials import changing, gp1
from gated.credentials.gp1 import Gp1Claims
from gated.credentials.pseudonym import phone_key
from gated.credentials.signatures import key_fingerprint
from gated.credentials.trust import load_trust
from gated.vocabulary import HolderCategory

GOLDEN = Path(__file__).parent / "golden" / "gp1"
SEEDS = json.loads((GOLDEN / "cases.json").read_text(encoding="utf-8"))["ed25519_seeds"]
TRUST = load_trust(GOLDEN / "trust")
SCHOOL, VISITORS, STRANGER = (
    Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEEDS[name]))
    for name in ("school", "visitors", "stranger")
)
SITE_KEY = bytes(range(32))
NOW = datetime(2026, 11, 26, 7, 30, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
PUPIL = Gp1Claims(
    sub="s-0412",
    category=HolderCategory.STUDENT,
    not_before=datetime(2026, 9, 1, tzinfo=UTC),
    expires_at=datetime(2027, 2, 1, tzinfo=UTC),
    cti=bytes.fromhex("0011223344556677"),
    group="g3-2",
    is_changing=True,
)
PASS = gp1.seal(PUPIL, SCHOOL)
ISSUER = key_fingerprint(SCHOOL.public_key())
PHONE = phone_key(SITE_KEY, ISSUER, PUPIL.cti)
CODE = changing.wrap(PASS, PHONE, NOW_S)


def code_of(made_s: int) -> str:
    return changing.wrap(PASS, PHONE, made_s)
