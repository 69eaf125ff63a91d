"""One way in: a code's text, a moment and the trusted keys give a status with all its reasons.

Pure, bounded and without exceptions for any text. Nothing inside a payload is read before its
signature holds, so what an unsigned code claims never leaves this file, not even its dates.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from gated.credentials import cose, gp1
from gated.credentials.gp1 import Gp1Claims
from gated.credentials.malformed import MalformedCode
from gated.credentials.recognise import CodeFormat, recognise
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.messages import MAX_CODE_CHARACTERS
from gated.vocabulary import CredentialStatus, Reason

_SEVERITY = {reason: rank for rank, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True)
class Verification:
    """What a code proves at one moment.

    Without a good signature valid_from, valid_until, claims and signer are None. A code holds while
    valid_from <= now < valid_until.
    """

    format: CodeFormat | None
    status: CredentialStatus
    reasons: tuple[Reason, ...] = ()  # the most severe first; empty when valid
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    claims: Gp1Claims | None = None
    signer: TrustedKey | None = field(default=None, repr=False)


def verify(
    text: str, *, now: datetime, trust: TrustList, revoked: Container[bytes] = frozenset()
) -> Verification:
    """Return what ``text`` proves. Never raises, whatever the text.

    Args:
        text: as it was decoded; nothing is stripped from it.
        now: aware; the validity of the code and of the key are both judged at this moment.
        trust: the keys that are believed, and what for.
        revoked: ids of revoked passes (cti) and fingerprints of revoked keys.
    """
    code_format = recognise(text)
    if len(text) > MAX_CODE_CHARACTERS:
        return _judged(code_format, [Reason.MALFORMED])
    if code_format is None:
        return _judged(None, [Reason.UNSUPPORTED])
    try:
        match code_format:
            case CodeFormat.GP1:
                return _verify_gp1(text, now, trust, revoked)
            case _ as never:
                assert_never(never)
    except MalformedCode:
        return _judged(code_format, [Reason.MALFORMED])


def _verify_gp1(
    text: str, now: datetime, trust: TrustList, revoked: Container[bytes]
) -> Verification:
    message = gp1.open_envelope(text)
    signer = find_signer(message, now, trust)
    if isinstance(signer, Reason):
        return _judged(CodeFormat.GP1, [signer])
    claims = gp1.parse_claims(message.payload)
    reasons = []
    if not signer.may_sign_pass(claims.category, is_attendant=claims.is_attendant):
        reasons.append(Reason.WRONG_USE)
    if claims.cti in revoked or signer.fingerprint in revoked:
        reasons.append(Reason.REVOKED)
    if now < claims.not_before:
        reasons.append(Reason.NOT_YET_VALID)
    if now >= claims.expires_at:
        reasons.append(Reason.EXPIRED)
    return _judged(CodeFormat.GP1, reasons, claims=claims, signer=signer)


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


def _judged(
    code_format: CodeFormat | None,
    reasons: Iterable[Reason],
    *,
    claims: Gp1Claims | None = None,
    signer: TrustedKey | None = None,
) -> Verification:
    ordered = tuple(sorted(reasons, key=_SEVERITY.__getitem__))
    return Verification(
        format=code_format,
        status=CredentialStatus(ordered[0]) if ordered else CredentialStatus.VALID,
        reasons=ordered,
        valid_from=None if claims is None else claims.not_before,
        valid_until=None if claims is None else claims.expires_at,
        claims=claims,
        signer=signer,
    )
