"""Changing passes: ``GP1T:`` + when the code was made + its MAC + a pass that says it changes.

The phone makes a new code every half minute, so a picture of one is worth nothing two minutes
later. Each phone has a key of its own, made of the site key and the pass: gates keep no list of
phones. Format: docs/changing-passes.md; why a MAC: docs/adr/0010-changing-passes.md.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace
from datetime import UTC, datetime

from gated.credentials import gp1
from gated.credentials.malformed import MalformedCode
from gated.credentials.proof import Examined
from gated.credentials.pseudonym import phone_key
from gated.credentials.trusted_keys import TrustList
from gated.vocabulary import Reason

PREFIX = "GP1T:"

CHANGES_EVERY_S = 30
MAX_AGE_S = 120
"""Four changes: a slow clock, a hand that searches for its phone, a person ahead in the queue."""
MAX_AHEAD_S = 30
"""A code of the future waits until it is good, so a fast clock is given less than a slow one."""

MAC_BYTES = 8
"""2⁶⁴ tries at a gate that takes one a second: the QR code is better spent on larger modules."""
_MAC_DOMAIN = b"gated changing 1"
_TIME_BYTES = 4
LAST_TIME_S = 2 ** (8 * _TIME_BYTES) - 1  # in the year 2106

_WRAPPER = re.compile(r"GP1T:([0-9A-F]{8})([0-9A-F]{16})(.*)", re.ASCII | re.DOTALL)


def mac(key: bytes, made_s: int) -> bytes:
    """Return the MAC of the code that the phone with ``key`` makes at ``made_s`` (Unix time)."""
    message = _MAC_DOMAIN + made_s.to_bytes(_TIME_BYTES, "big")
    return hmac.digest(key, message, hashlib.sha256)[:MAC_BYTES]


def wrap(text: str, key: bytes, made_s: int) -> str:
    """Return the code that a phone shows: the pass ``text`` as of ``made_s``, under its ``key``."""
    return f"{PREFIX}{made_s:08X}{mac(key, made_s).hex().upper()}{text.removeprefix(gp1.PREFIX)}"


def examine(
    text: str,
    now: datetime,
    trust: TrustList,
    site_key: bytes | None,
    *,
    is_clock_known: bool = True,
) -> Examined:
    """Return what the code in ``text`` proves; without the site key it counts as of an unknown key.

    The office's signature is checked first, then the phone's MAC, and only then is the time read.

    Raises: MalformedCode: also for a pass that does not change; no phone of ours shows such a code.
    """
    wrapper = _WRAPPER.fullmatch(text)
    if wrapper is None:
        raise MalformedCode("GP1T: not a time, a MAC and a pass")
    time, seen_mac, card = wrapper.groups()
    found = gp1.read(gp1.PREFIX + card, now, trust)
    if isinstance(found, Reason):
        return Examined((found,))
    claims, signer = found
    if not claims.is_changing:
        raise MalformedCode("GP1T: the pass in it does not change")
    if site_key is None:
        return Examined((Reason.UNKNOWN_KEY,))
    made_s = int(time, 16)
    key = phone_key(site_key, signer.fingerprint, claims.cti)
    if not hmac.compare_digest(mac(key, made_s), bytes.fromhex(seen_mac)):
        # Nothing of the pass is told: who shows it has a copy of somebody's.
        return Examined((Reason.BAD_SIGNATURE,))
    proof = replace(gp1.proof_of(claims, signer), made_at=datetime.fromtimestamp(made_s, UTC))
    reasons = [] if gp1.is_permitted(claims, signer) else [Reason.WRONG_USE]
    is_fresh = -MAX_AHEAD_S <= now.timestamp() - made_s <= MAX_AGE_S
    if is_clock_known and not is_fresh:
        reasons.append(Reason.STALE_CODE)
    return Examined(tuple(reasons), proof, signer)
