"""Finds the trusted keys behind a message. What they may sign is the format's business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from gated.credentials import cose
from gated.credentials.proof import Examined, Proof
from gated.credentials.signatures import PublicKey
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.vocabulary import Reason


def find_signers(
    key_id: bytes | None,
    is_signed_by: Callable[[PublicKey], bool],
    now: datetime,
    trust: TrustList,
) -> Sequence[TrustedKey] | Reason:
    """Return every trusted key behind a message that names ``key_id``, or why there is none.

    Keys are looked up by their id: a message that names an unknown one is refused even if another
    trusted key would verify it. A key outside the validity of its certificate counts as unknown.
    The same key may be there several times, for different issuers and uses: what is asked for
    stands in the payload, which is read only now that a signature holds.
    """
    candidates = [] if key_id is None else trust.find(key_id, now)
    if not candidates:
        return Reason.UNKNOWN_KEY
    return [key for key in candidates if is_signed_by(key.key)] or Reason.BAD_SIGNATURE


def find_cose_signers(
    message: cose.Sign1, now: datetime, trust: TrustList
) -> Sequence[TrustedKey] | Reason:
    """Return the same of a COSE message."""
    return find_signers(message.key_id, partial(cose.is_signed_by, message), now, trust)


def proven(
    prove: Callable[[], Proof],
    signers: Sequence[TrustedKey],
    issuer: str,
    may_sign: Callable[[TrustedKey], bool],
) -> Examined:
    """Return what a message proves that ``signers`` signed in the name of ``issuer``.

    Whoever speaks for that issuer is bound to it or to none; of several one that may sign this.
    Where each is bound to another issuer, the key counts as unknown and nothing is proven.

    Raises: MalformedCode: ``prove`` does.
    """
    speaking = [signer for signer in signers if signer.issuer is None or signer.issuer == issuer]
    signer = max(speaking, key=may_sign, default=None)
    if signer is None:
        return Examined((Reason.UNKNOWN_KEY,))
    return Examined(() if may_sign(signer) else (Reason.WRONG_USE,), prove(), signer)
