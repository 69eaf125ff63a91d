"""One signed revocation list: COSE_Sign1 of a CWT, made by an office, read by every gate.

The type in its protected header (RFC 9596) keeps the two apart for good: no pass can be taken for a
list, no list for a pass. Several lists together, and what a gate remembers: ``revocation_folder``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gated.credentials import cbor, cose
from gated.credentials.cbor import CborKey, CborValue
from gated.credentials.malformed import MalformedCode
from gated.credentials.numeric_date import LAST_TIMESTAMP
from gated.credentials.signatures import PrivateKey, key_fingerprint
from gated.credentials.signers import find_cose_signers
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.errors import GatedError
from gated.vocabulary import Reason

LIST_TYPE = "gated-revocations+cose"
MAX_LIST_BYTES = 4 * 1024 * 1024
"""About 400,000 ids of ours; a list is read into memory as a whole."""

_ENVELOPE_BYTES = 512
"""More than headers and signature around the claims take."""

# RFC 8392 §3.1
CLAIM_NEXT, CLAIM_IAT = 4, 6
# Our own; only the list's type gives them a meaning.
CLAIM_VERSION = -1
CLAIM_IDS = -2

MIN_ID_BYTES, MAX_ID_BYTES = 4, 32
"""A pass's cti, a key's fingerprint, a certificate's hash."""

MAX_VERSION = 2**63 - 1

CLOCKS_DIFFER_BY = timedelta(hours=1)
"""A list from further in the future than this says that the gate's clock is wrong."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """What a list says under the good signature of a key that may sign it."""

    version: int  # counts up with each list of this key
    issued_at: datetime
    next_at: datetime  # when its publisher will have made another one
    ids: frozenset[bytes] = field(repr=False)
    signer: TrustedKey = field(repr=False)

    def is_fresh(self, now: datetime, max_age: timedelta) -> bool:
        """Return whether the list is as new as it should be. A clock long before it cannot tell."""
        age = now - self.issued_at
        return -CLOCKS_DIFFER_BY <= age <= max_age and now < self.next_at

    def supersedes(self, other: RevocationList) -> bool:
        """Return whether this is the newer of two lists of one key."""
        return (self.version, self.issued_at) > (other.version, other.issued_at)


def make_list(
    ids: Iterable[bytes],
    key: PrivateKey,
    *,
    version: int,
    issued_at: datetime,
    next_at: datetime,
) -> bytes:
    """Return the list of ``ids``, signed by ``key`` under its fingerprint.

    Args:
        ids: in any order; the list has each once, sorted.
        key: the gates' trust folders say that it may sign passes or lists.
        version: higher than that of every list which this key has signed before.
        issued_at: now.
        next_at: when the next list is due at the latest, changed or not; the list is old then.

    Raises: GatedError: a list that no gate would take.
    """
    ordered: list[CborValue] = [*sorted(set(ids))]
    claims: dict[CborKey, CborValue] = {
        CLAIM_IAT: int(issued_at.timestamp()),
        CLAIM_NEXT: int(next_at.timestamp()),
        CLAIM_VERSION: version,
        CLAIM_IDS: ordered,
    }
    payload = cbor.encode(claims)
    key_id = key_fingerprint(key.public_key())
    if len(payload) + _ENVELOPE_BYTES > MAX_LIST_BYTES:
        raise GatedError("this revocation list is larger than 4 MiB: take out expired passes' ids")
    try:
        _parse_claims(payload)
    except MalformedCode as exc:
        raise GatedError(f"this revocation list would be refused at every gate: {exc}") from exc
    return cose.sign1(payload, key, key_id, message_type=LIST_TYPE)


def read_list(data: bytes, trust: TrustList, now: datetime) -> RevocationList | Reason:
    """Return the list in ``data``, or why it is none. Never raises, whatever the bytes.

    Nothing that it says is looked at before its signature holds.
    """
    try:
        message = cose.parse_sign1(data, message_type=LIST_TYPE, max_bytes=MAX_LIST_BYTES)
        signers = find_cose_signers(message, now, trust)
        if isinstance(signers, Reason):
            return signers
        signer = max(signers, key=TrustedKey.may_sign_revocations)
        if not signer.may_sign_revocations():
            return Reason.WRONG_USE
        claims = _parse_claims(message.payload)
    except MalformedCode:
        return Reason.MALFORMED
    return RevocationList(
        version=claims.version,
        issued_at=claims.issued_at,
        next_at=claims.next_at,
        ids=claims.ids,
        signer=signer,
    )


@dataclass(frozen=True, slots=True)
class _Claims:
    version: int
    issued_at: datetime
    next_at: datetime
    ids: frozenset[bytes]


def _parse_claims(payload: bytes) -> _Claims:
    """Return the claims in ``payload``. One that we do not know is refused: it may restrict them.

    Raises: MalformedCode: a claim is missing, unknown, of another type or out of its bounds.
    """
    raw = cbor.decode(payload, max_bytes=MAX_LIST_BYTES, max_items=MAX_LIST_BYTES)
    if not isinstance(raw, dict) or raw.keys() != {
        CLAIM_NEXT,
        CLAIM_IAT,
        CLAIM_VERSION,
        CLAIM_IDS,
    }:
        raise MalformedCode("revocations: not the four claims of a list")
    issued_s = _integer(raw[CLAIM_IAT], 0, LAST_TIMESTAMP)
    next_s = _integer(raw[CLAIM_NEXT], issued_s + 1, LAST_TIMESTAMP)
    return _Claims(
        version=_integer(raw[CLAIM_VERSION], 1, MAX_VERSION),
        issued_at=datetime.fromtimestamp(issued_s, UTC),
        next_at=datetime.fromtimestamp(next_s, UTC),
        ids=_ids(raw[CLAIM_IDS]),
    )


def _integer(value: CborValue, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise MalformedCode("revocations: a number that is out of its bounds")
    return value


def _ids(value: CborValue) -> frozenset[bytes]:
    if not isinstance(value, list):
        raise MalformedCode("revocations: the ids are not a list")
    ids = frozenset(
        ident
        for ident in value
        if isinstance(ident, bytes) and MIN_ID_BYTES <= len(ident) <= MAX_ID_BYTES
    )
    # Skipping a wrong one would let in what it stands for. A repeated one is wrong as well.
    if len(ids) != len(value):
        raise MalformedCode("revocations: an id that is repeated or not of 4 to 32 bytes")
    return ids
