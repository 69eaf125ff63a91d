"""One way in: a code's text, a moment and the trusted keys give a status with all its reasons.

Pure, bounded and without exceptions for any text. Nothing inside a payload is read before its
signature holds, so what an unsigned code claims never leaves this file, not even its dates.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gated.credentials import changing, gp1, hc1, nzcp, shc, wecom
from gated.credentials.malformed import MalformedCode
from gated.credentials.proof import Examined, Proof
from gated.credentials.recognise import CodeFormat, recognise
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.messages import MAX_CODE_CHARACTERS
from gated.vocabulary import CredentialStatus, Reason

_SEVERITY = {reason: rank for rank, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True)
class Verification:
    """What a code proves at one moment.

    Without a good signature valid_from, valid_until, proof and signer are None. A code holds while
    valid_from <= now < valid_until.
    """

    format: CodeFormat | None
    status: CredentialStatus
    reasons: tuple[Reason, ...] = ()  # the most severe first; empty when valid
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    proof: Proof | None = None
    signer: TrustedKey | None = field(default=None, repr=False)


def verify(
    text: str,
    *,
    now: datetime,
    trust: TrustList,
    revoked: Container[bytes] = frozenset(),
    site_key: bytes | None = None,
    is_clock_known: bool = True,
) -> Verification:
    """Return what ``text`` proves. Never raises, whatever the text.

    Args:
        text: as it was decoded; nothing is stripped from it.
        now: aware; the validity of the code and of the key are both judged at this moment.
        trust: the keys that are believed, and what for.
        revoked: ids of revoked passes and certificates (``Proof.revocation_ids``) and fingerprints
            of revoked keys.
        site_key: what the phones' keys are made of; without it a changing code is ``unknown_key``.
        is_clock_known: False: the age of a changing code cannot be told and is not judged here.
    """
    code_format = recognise(text)
    if len(text) > MAX_CODE_CHARACTERS:
        return _judged(code_format, [Reason.MALFORMED])
    if code_format is None:
        return _judged(None, [Reason.UNSUPPORTED])
    try:
        if code_format is CodeFormat.GP1T:
            examined = changing.examine(text, now, trust, site_key, is_clock_known=is_clock_known)
        else:
            examined = _EXAMINE[code_format](text, now, trust)
    except MalformedCode:
        return _judged(code_format, [Reason.MALFORMED])
    proof, signer = examined.proof, examined.signer
    reasons = list(examined.reasons)
    if proof is not None and signer is not None:
        if any(ident in revoked for ident in (*proof.revocation_ids, signer.fingerprint)):
            reasons.append(Reason.REVOKED)
        if proof.valid_from is not None and now < proof.valid_from:
            reasons.append(Reason.NOT_YET_VALID)
        if proof.valid_until is not None and now >= proof.valid_until:
            reasons.append(Reason.EXPIRED)
    return _judged(code_format, reasons, proof=proof, signer=signer)


_EXAMINE: Mapping[CodeFormat, Callable[[str, datetime, TrustList], Examined]] = {
    CodeFormat.GP1: gp1.examine,
    CodeFormat.HC1: hc1.examine,
    CodeFormat.NZCP: nzcp.examine,
    CodeFormat.SHC: shc.examine,
    CodeFormat.WECOM: wecom.examine,
}


def _judged(
    code_format: CodeFormat | None,
    reasons: Iterable[Reason],
    *,
    proof: Proof | None = None,
    signer: TrustedKey | None = None,
) -> Verification:
    ordered = tuple(sorted(reasons, key=_SEVERITY.__getitem__))
    return Verification(
        format=code_format,
        status=CredentialStatus(ordered[0]) if ordered else CredentialStatus.VALID,
        reasons=ordered,
        valid_from=None if proof is None else proof.valid_from,
        valid_until=None if proof is None else proof.valid_until,
        proof=proof,
        signer=signer,
    )
