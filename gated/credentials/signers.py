"""Finds the trusted key behind a message. What it may sign is the format's business."""

from __future__ import annotations

from datetime import datetime

from gated.credentials import cose
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.vocabulary import Reason


def find_signer(message: cose.Sign1, now: datetime, trust: TrustList) -> TrustedKey | Reason:
    """Return the trusted key that signed ``message``, or why there is none.

    The key is looked up by its id: a message that names an unknown key is refused even if another
    trusted key would verify it. A key outside the validity of its certificate counts as unknown.
    """
    candidates = [] if message.key_id is None else trust.find(message.key_id, now)
    if not candidates:
        return Reason.UNKNOWN_KEY
    for candidate in candidates:
        if cose.is_signed_by(message, candidate.key):
            return candidate
    return Reason.BAD_SIGNATURE
