"""GP1, the site's own pass: ``GP1:`` + base45(COSE_Sign1(CWT)). Format: docs/passes.md.

``open_envelope`` and ``parse_claims`` are two steps on purpose: between them stands the signature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from gated.credentials import base45, cbor, cose, signatures
from gated.credentials.cbor import CborKey, CborValue
from gated.credentials.malformed import MalformedCode
from gated.credentials.numeric_date import moment_of
from gated.credentials.proof import COVID_19, Examined, LabTest, Proof
from gated.credentials.signers import find_cose_signers
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.vocabulary import Direction, HolderCategory, LabTestKind, Reason

PREFIX = "GP1:"

# RFC 8392 §3.1
CLAIM_SUB, CLAIM_EXP, CLAIM_NBF, CLAIM_IAT, CLAIM_CTI = 2, 4, 5, 6, 7
# Our own. Small negative keys cost one byte; only the prefix GP1 gives them a meaning.
CLAIM_CATEGORY = -1
CLAIM_GROUP = -2
CLAIM_ZONES = -3
CLAIM_DIRECTION = -4
CLAIM_MAX_USES = -5
CLAIM_APPROVER = -6
CLAIM_GUARDIAN_REF = -7
CLAIM_NAT_SAMPLED_AT = -8
CLAIM_ATTENDANT = -9
CLAIM_SLOW = -10
CLAIM_CHANGING = -11

CATEGORY_CODES: Mapping[HolderCategory, int] = MappingProxyType(
    {
        HolderCategory.STUDENT: 1,
        HolderCategory.STAFF: 2,
        HolderCategory.VISITOR: 3,
        HolderCategory.DUTY: 4,
        HolderCategory.EMERGENCY: 5,
        HolderCategory.COURIER: 6,
        HolderCategory.RETEST_RELEASE: 7,
        HolderCategory.ESCORT: 8,
    }
)
"""A name would cost a pupil's card 12 characters. Printed cards depend on these: never renumber."""

DIRECTION_CODES: Mapping[Direction, int] = MappingProxyType({Direction.IN: 1, Direction.OUT: 2})
"""Either way is no claim at all."""

MAX_SUB_CHARACTERS = 32
MAX_GROUP_CHARACTERS = 16
MAX_ZONES = 8
MAX_USES_LIMIT = 1_000_000
MIN_CTI_BYTES, MAX_CTI_BYTES = 4, 16

_T = TypeVar("_T")
_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Gp1Claims:
    """What a pass says. Pseudonyms only; true only under a good signature by a permitted key.

    Times are aware UTC datetimes of whole seconds; the pass holds while nbf <= now < exp.
    """

    sub: str = field(repr=False)
    category: HolderCategory
    not_before: datetime
    expires_at: datetime
    cti: bytes  # the pass's own id: revocation and uses count by it
    issued_at: datetime | None = None
    group: str | None = None  # class or batch
    zones: tuple[str, ...] = ()  # empty: everywhere
    direction: Direction = Direction.UNKNOWN  # either way
    max_uses: int | None = None
    approver: str | None = field(default=None, repr=False)  # a pseudonym, too
    guardian_ref: str | None = field(default=None, repr=False)
    nat_sampled_at: datetime | None = None  # nucleic-acid test
    is_attendant: bool = False  # may release a visit together with the button
    is_slow: bool = False  # the gate stays open for longer
    is_changing: bool = False  # worth nothing as it stands: a phone shows it as it changes


def is_pseudonym(text: str) -> bool:
    """Return whether ``text`` can be sub, approver or guardian_ref: ASCII, 1–32 characters."""
    return len(text) <= MAX_SUB_CHARACTERS and _PSEUDONYM.fullmatch(text) is not None


def is_label(text: str) -> bool:
    """Return whether ``text`` can name a group or zone: printable, 1–16, a letter or digit first.

    The first character keeps formulas out of exported tables, the rest control and bidi characters
    out of terminals and logs.
    """
    return 0 < len(text) <= MAX_GROUP_CHARACTERS and text.isprintable() and text[0].isalnum()


def open_envelope(text: str) -> cose.Sign1:
    """Return the signed message in ``text``, of which nothing has been checked yet.

    Raises: MalformedCode: not ``GP1:`` and base45 of a COSE_Sign1, to the last character.
    """
    if not text.startswith(PREFIX):
        raise MalformedCode("GP1: the prefix is missing")
    return cose.parse_sign1(base45.decode(text[len(PREFIX) :]))


def examine(text: str, now: datetime, trust: TrustList) -> Examined:
    """Return what the pass in ``text`` proves. Raises: MalformedCode."""
    found = read(text, now, trust)
    if isinstance(found, Reason):
        return Examined((found,))
    claims, signer = found
    reasons = [] if is_permitted(claims, signer) else [Reason.WRONG_USE]
    if claims.is_changing:
        reasons.append(Reason.STALE_CODE)  # a copy: nothing says when a phone has shown it
    return Examined(tuple(reasons), proof_of(claims, signer), signer)


def read(text: str, now: datetime, trust: TrustList) -> tuple[Gp1Claims, TrustedKey] | Reason:
    """Return what a trusted key signed, and that key; or why not. Raises: MalformedCode."""
    message = open_envelope(text)
    signers = find_cose_signers(message, now, trust)
    if isinstance(signers, Reason):
        return signers
    claims = parse_claims(message.payload)
    return claims, max(signers, key=partial(is_permitted, claims))


def is_permitted(claims: Gp1Claims, signer: TrustedKey) -> bool:
    return signer.may_sign_pass(claims.category, is_attendant=claims.is_attendant)


def proof_of(claims: Gp1Claims, signer: TrustedKey) -> Proof:
    """Return ``claims`` as every format's are told."""
    tested: tuple[LabTest, ...] = ()
    if claims.nat_sampled_at is not None:
        # The office enters the sampling time of a negative result only.
        tested = (LabTest(COVID_19, LabTestKind.NUCLEIC_ACID, True, claims.nat_sampled_at),)
    return Proof(
        scope=signer.fingerprint,
        subject=claims.sub,
        code_id=claims.cti,
        valid_from=claims.not_before,
        valid_until=claims.expires_at,
        category=claims.category,
        group=claims.group,
        direction=claims.direction,
        zones=claims.zones,
        max_uses=claims.max_uses,
        is_attendant=claims.is_attendant,
        is_slow=claims.is_slow,
        statements=tested,
        revocation_ids=(claims.cti,),
    )


def seal(claims: Gp1Claims, key: signatures.PrivateKey) -> str:
    """Return the text of a pass with ``claims``, signed by ``key`` under its fingerprint.

    Raises: MalformedCode: claims that no gate would accept.
    """
    payload = encode_claims(claims)
    parse_claims(payload)
    key_id = signatures.key_fingerprint(key.public_key())
    return PREFIX + base45.encode(cose.sign1(payload, key, key_id))


def encode_claims(claims: Gp1Claims) -> bytes:
    """Return ``claims`` as the CBOR of a CWT; what is not set takes no byte."""
    values: dict[CborKey, CborValue | None] = {
        CLAIM_SUB: claims.sub,
        CLAIM_CATEGORY: CATEGORY_CODES[claims.category],
        CLAIM_NBF: int(claims.not_before.timestamp()),
        CLAIM_EXP: int(claims.expires_at.timestamp()),
        CLAIM_CTI: claims.cti,
        CLAIM_IAT: _timestamp(claims.issued_at),
        CLAIM_GROUP: claims.group,
        CLAIM_ZONES: list(claims.zones) or None,
        CLAIM_DIRECTION: DIRECTION_CODES.get(claims.direction),
        CLAIM_MAX_USES: claims.max_uses,
        CLAIM_APPROVER: claims.approver,
        CLAIM_GUARDIAN_REF: claims.guardian_ref,
        CLAIM_NAT_SAMPLED_AT: _timestamp(claims.nat_sampled_at),
        CLAIM_ATTENDANT: claims.is_attendant or None,
        CLAIM_SLOW: claims.is_slow or None,
        CLAIM_CHANGING: claims.is_changing or None,
    }
    return cbor.encode({key: value for key, value in values.items() if value is not None})


def _timestamp(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def parse_claims(payload: bytes) -> Gp1Claims:
    """Return the claims in ``payload``.

    A claim that we do not know is refused, since it may be a restriction.

    Raises: MalformedCode: a claim is missing, unknown, of another type or out of its bounds.
    """
    raw = cbor.decode(payload)
    if not isinstance(raw, dict):
        raise MalformedCode("GP1: the claims are not a map")
    claims = _Claims(raw)
    parsed = Gp1Claims(
        sub=_required(claims.pseudonym(CLAIM_SUB)),
        category=_required(claims.code(CLAIM_CATEGORY, CATEGORY_CODES)),
        not_before=_required(claims.moment(CLAIM_NBF)),
        expires_at=_required(claims.moment(CLAIM_EXP)),
        cti=_required(claims.cti()),
        issued_at=claims.moment(CLAIM_IAT),
        group=claims.label(CLAIM_GROUP),
        zones=claims.labels(CLAIM_ZONES),
        direction=claims.code(CLAIM_DIRECTION, DIRECTION_CODES) or Direction.UNKNOWN,
        max_uses=claims.count(CLAIM_MAX_USES),
        approver=claims.pseudonym(CLAIM_APPROVER),
        guardian_ref=claims.pseudonym(CLAIM_GUARDIAN_REF),
        nat_sampled_at=claims.moment(CLAIM_NAT_SAMPLED_AT),
        is_attendant=claims.flag(CLAIM_ATTENDANT),
        is_slow=claims.flag(CLAIM_SLOW),
        is_changing=claims.flag(CLAIM_CHANGING),
    )
    claims.refuse_what_is_left()
    if not parsed.not_before < parsed.expires_at:
        raise MalformedCode("GP1: it ends before it begins")
    return parsed


def _required(value: _T | None) -> _T:
    if value is None:
        raise MalformedCode("GP1: a required claim is missing")
    return value


class _Claims:
    """Takes claims out of a decoded map, each with its type and bounds; an absent one is None."""

    def __init__(self, raw: dict[CborKey, CborValue]) -> None:
        if None in raw.values():
            raise MalformedCode("GP1: a claim without a value")
        self._left = dict(raw)

    def pseudonym(self, key: int) -> str | None:
        value = self._left.pop(key, None)
        if value is None or (isinstance(value, str) and is_pseudonym(value)):
            return value
        raise _unfit(key)

    def label(self, key: int) -> str | None:
        value = self._left.pop(key, None)
        if value is None or (isinstance(value, str) and is_label(value)):
            return value
        raise _unfit(key)

    def labels(self, key: int) -> tuple[str, ...]:
        value = self._left.pop(key, None)
        if value is None:
            return ()
        # An empty list would read as "everywhere": whoever wrote it meant "nowhere".
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_ZONES:
            raise _unfit(key)
        names = tuple(name for name in value if isinstance(name, str) and is_label(name))
        if len(names) != len(value):
            raise _unfit(key)
        return names

    def integer(self, key: int, low: int, high: int) -> int | None:
        value = self._left.pop(key, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _unfit(key)
        return value

    def count(self, key: int) -> int | None:
        return self.integer(key, 1, MAX_USES_LIMIT)

    def moment(self, key: int) -> datetime | None:
        value = self._left.pop(key, None)
        if value is None:
            return None
        moment = moment_of(value)
        if moment is None:
            raise _unfit(key)
        return moment

    def code(self, key: int, codes: Mapping[_T, int]) -> _T | None:
        number = self.integer(key, 1, len(codes))
        if number is None:
            return None
        return next(name for name, code in codes.items() if code == number)

    def cti(self) -> bytes | None:
        value = self._left.pop(CLAIM_CTI, None)
        if value is None:
            return None
        if not isinstance(value, bytes) or not MIN_CTI_BYTES <= len(value) <= MAX_CTI_BYTES:
            raise _unfit(CLAIM_CTI)
        return value

    def flag(self, key: int) -> bool:
        value = self._left.pop(key, False)
        if not isinstance(value, bool):
            raise _unfit(key)
        return value

    def refuse_what_is_left(self) -> None:
        if self._left:
            raise MalformedCode("GP1: a claim that we do not know")


def _unfit(key: int) -> MalformedCode:
    return MalformedCode(f"GP1: claim {key} is not of its type or out of its bounds")
