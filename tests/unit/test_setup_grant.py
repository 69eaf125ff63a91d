"""What came with a claim, before anything of it is written."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gated.claims import Grant
from gated.clock import SystemClock
from gated.setup.claim import ClaimFailed, wishes_of
from tests.authorities import Authority, name_of

GATE = "east-1"


@pytest.mark.parametrize("damaged", ["not base64!", "公钥", "abc"])
def test_a_public_key_that_came_damaged_is_said(damaged: str) -> None:
    ca, key = Authority("the centre's CA"), ec.generate_private_key(ec.SECP256R1())
    grant = Grant(
        site="lixin-primary",
        gate=GATE,
        config="",
        certificate=ca.sign(name_of(GATE), key.public_key()).decode(),
        ca=ca.pem.decode(),
        trust={"office.jwks.json": "e30="},
    )
    now = SystemClock().now()
    assert wishes_of(grant, key, now).trust == {"office.jwks.json": b"{}"}
    spoilt = grant.model_copy(update={"trust": {"office.jwks.json": damaged}})
    with pytest.raises(ClaimFailed, match="public key that came is damaged"):
        wishes_of(spoilt, key, now)
