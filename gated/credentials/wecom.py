"""The codes of WeCom 企业微信 for employees and visitors: base64 of a few fixed fields.

From the provider's pages for makers of door devices (developer.work.weixin.qq.com), document 94006
员工二维码校验规则 and document 94007 访客二维码校验规则, both of 2022-01-19; lengths in bytes:

    employee  version 1 (= 1) · type 1 (= 0) · openvid 8 · start_time 4 · expires_in 2 · sign 64
    visitor   version 1 (= 1) · type 1 (= 1) · openvid 8 · state_len 1 · state 0-16 · sign 64

``sign`` is ECDSA over P-256 and SHA-256 of what stands before it. The pages name neither the order
of the bytes in a number nor the form of the signature; assumed are big-endian, and r and s of 32
bytes each, the only form that always has 64.

There is no key id: each company has its key, which its devices get from the platform. Every key
with ``"gated_uses": ["WeCom"]`` is tried. A visitor's code says nothing of time: ``VISITOR_USES``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gated.credentials.malformed import MalformedCode
from gated.credentials.proof import Examined, Proof
from gated.credentials.signatures import Algorithm, algorithm_of, is_signature
from gated.credentials.trusted_keys import USE_WECOM, TrustedKey, TrustList
from gated.vocabulary import HolderCategory, Reason

MAX_KEYS = 8
"""Companies at one gate; each costs a signature check on every such code."""

VISITOR_USES = 1
"""The platform keeps a visitor's hours and tells them to devices that are online. Without them the
code would open for good, so it opens once; whoever comes again gets a new code."""

MAX_STATE_BYTES = 16

_VERSION, _EMPLOYEE, _VISITOR = 1, 0, 1
_HEAD_BYTES = 10  # version, type, openvid
_TYPE_AT, _STATE_LENGTH_AT = 1, 10
_OPENVID = slice(2, 10)
_START, _TTL = slice(10, 14), slice(14, 16)
_SIGNATURE_BYTES = 64
_EMPLOYEE_BYTES = 80
_MIN_VISITOR_BYTES = 75
_MAX_CHARACTERS = 124  # of the longest visitor's code, 91 bytes


@dataclass(frozen=True, slots=True)
class WeComCode:
    """A parsed code. Nothing in it is true before a trusted key's signature holds."""

    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def has_shape(text: str) -> bool:
    """Return whether ``text`` is laid out as a code is, which says nothing of who made it."""
    return _fields_of(text) is not None


def _fields_of(text: str) -> bytes | None:
    if len(text) > _MAX_CHARACTERS:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    if base64.b64encode(data) != text.encode("ascii") or len(data) < _MIN_VISITOR_BYTES:
        return None
    version, kind = data[:_TYPE_AT], data[_TYPE_AT]
    if version != bytes([_VERSION]):
        return None
    if kind == _EMPLOYEE and len(data) == _EMPLOYEE_BYTES:
        return data
    state_bytes = data[_STATE_LENGTH_AT]
    is_visitor = kind == _VISITOR and state_bytes <= MAX_STATE_BYTES
    return data if is_visitor and len(data) == _MIN_VISITOR_BYTES + state_bytes else None


def open_envelope(text: str) -> WeComCode:
    """Return the code in ``text``, of which nothing has been checked yet. Raises: MalformedCode."""
    data = _fields_of(text)
    if data is None:
        raise MalformedCode("WeCom: not the base64 of a code's fields")
    return WeComCode(signed=data[:-_SIGNATURE_BYTES], signature=data[-_SIGNATURE_BYTES:])


def examine(text: str, now: datetime, trust: TrustList) -> Examined:
    """Return what the code in ``text`` proves. Raises: MalformedCode."""
    code = open_envelope(text)
    keys = wecom_keys(key for keys in trust.keys.values() for key in keys if key.is_in_force(now))
    if not keys:
        return Examined((Reason.UNKNOWN_KEY,))
    for key in keys[:MAX_KEYS]:
        if is_signature(code.signature, code.signed, key.key):
            return Examined(proof=proof_of(code, key), signer=key)
    return Examined((Reason.BAD_SIGNATURE,))


def wecom_keys(keys: Iterable[TrustedKey]) -> list[TrustedKey]:
    """Return which of ``keys`` may sign such codes, each once, always in the same order."""
    found = {
        key.fingerprint: key
        for key in keys
        if key.may(USE_WECOM) and algorithm_of(key.key) is Algorithm.ES256
    }
    return [found[fingerprint] for fingerprint in sorted(found)]


def proof_of(code: WeComCode, signer: TrustedKey) -> Proof:
    """Return what a code with a good signature says, as every format's is told."""
    openvid = code.signed[_OPENVID]
    subject = str(int.from_bytes(openvid, "big"))
    # The person's id alone would be 8 bytes, as passes of other issuers may have them.
    holder_id = signer.fingerprint + openvid
    if code.signed[_TYPE_AT] == _VISITOR:
        code_id = hashlib.sha256(code.signed).digest()
        return Proof(
            scope=signer.fingerprint,
            subject=subject,
            code_id=code_id,
            category=HolderCategory.VISITOR,
            max_uses=VISITOR_USES,
            revocation_ids=(holder_id, code_id),
        )
    start = datetime.fromtimestamp(int.from_bytes(code.signed[_START], "big"), UTC)
    ttl = timedelta(seconds=int.from_bytes(code.signed[_TTL], "big"))
    return Proof(
        scope=signer.fingerprint,
        subject=subject,
        # A new code every few minutes is the same card again: what was shown last counts by it.
        code_id=code.signed[:_HEAD_BYTES],
        valid_from=start,
        valid_until=start + ttl,
        category=HolderCategory.STAFF,
        made_at=start,
        revocation_ids=(holder_id,),
    )
