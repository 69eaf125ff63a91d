"""NZCP, New Zealand's COVID pass: ``NZCP:/1/`` + base32(COSE_Sign1(CWT with a credential)).

Follows "NZ COVID Pass - Technical Specification v1" (Ministry of Health; on GitHub
minhealthnz/nzcovidpass-spec). A pass states no dose, test or date: who holds one counted as
vaccinated by the issuer's rules of the day. So the site's rules can only accept the format as such.

The specification calls the key id a text; its examples have bytes, as COSE (RFC 9052 §3.1) demands.
Bytes it is.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial

from gated.credentials import cbor, cose
from gated.credentials.cbor import CborKey, CborValue
from gated.credentials.malformed import MalformedCode
from gated.credentials.named_holder import named_subject
from gated.credentials.numeric_date import moment_of
from gated.credentials.proof import Examined, Proof
from gated.credentials.signatures import Algorithm
from gated.credentials.signers import find_cose_signers, proven
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.vocabulary import Reason

PREFIX = "NZCP:/"
FORMAT = "NZCP"
SCOPE = b"NZCP"
VERSION = "1"

CONTEXT = "https://www.w3.org/2018/credentials/v1"
CREDENTIAL_TYPE = "VerifiableCredential"
PASS_TYPE = "PublicCovidPass"  # noqa: S105 a kind of pass, not a password
CREDENTIAL_VERSION = "1.0.0"

MAX_NAME_CHARACTERS = 100
CTI_BYTES = 16

# RFC 8392 §3.1, and "CWT Claims" in the specification
CLAIM_ISS, CLAIM_EXP, CLAIM_NBF, CLAIM_CTI, CLAIM_VC = 1, 4, 5, 7, "vc"

_MESSAGE = re.compile(r"NZCP:/(?P<version>0|[1-9][0-9]*)/(?P<message>[A-Z2-7]+)", re.ASCII)
_SIGN1_UNDER_TAG_18 = b"\xd2"  # RFC 8949 §3.4; the specification has no 61(18)
_BASE32_GROUP = 8
_DID_WEB = re.compile(r"did:web:[A-Za-z0-9._%-]+(:[A-Za-z0-9._%-]+)*", re.ASCII)
_SEMVER = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PassClaims:
    """What a pass says; true only under a good signature by a key of ``issuer``.

    Times are aware UTC datetimes of whole seconds; the pass holds while nbf <= now < exp.
    """

    issuer: str
    not_before: datetime
    expires_at: datetime
    cti: bytes  # a UUID: the specification's jti is urn:uuid: and its usual writing
    given_name: str = field(repr=False)
    family_name: str = field(repr=False)  # empty: none
    born: date = field(repr=False)


def examine(text: str, now: datetime, trust: TrustList) -> Examined:
    """Return what the pass in ``text`` proves. Raises: MalformedCode."""
    message = open_envelope(text)
    if message is None:
        return Examined((Reason.UNSUPPORTED,))
    signers = find_cose_signers(message, now, trust)
    if isinstance(signers, Reason):
        return Examined((signers,))
    claims = parse_claims(message.payload)
    if claims is None:
        return Examined((Reason.UNSUPPORTED,))
    return proven(partial(proof_of, claims), signers, claims.issuer, _may_sign)


def _may_sign(key: TrustedKey) -> bool:
    return key.may_sign_certificate(FORMAT)


def open_envelope(text: str) -> cose.Sign1 | None:
    """Return the signed message in ``text``, of which nothing has been checked yet.

    None if it is a pass of another major version than 1, whose rules we do not know.

    Raises: MalformedCode: not a pass to the last character, or without the two protected headers.
    """
    match = _MESSAGE.fullmatch(text)
    if match is None:
        raise MalformedCode("NZCP: not a version and a message in base32")
    if match["version"] != VERSION:
        return None
    data = _decode_base32(match["message"])
    if not data.startswith(_SIGN1_UNDER_TAG_18):
        raise MalformedCode("NZCP: not a message under tag 18")
    message = cose.parse_sign1(data)
    # parse_sign1 takes headers from the unprotected part, too, where anybody can write.
    protected = cbor.decode(message.protected) if message.protected else {}
    if (
        not isinstance(protected, dict)
        or protected.get(cose.HEADER_ALGORITHM) != Algorithm.ES256
        or cose.HEADER_KEY_ID not in protected
    ):
        raise MalformedCode("NZCP: the protected header lacks ES256 or the key id")
    return message


def _decode_base32(text: str) -> bytes:
    """Return the bytes of ``text`` in base32 without padding, which has one form for each."""
    padding = "=" * (-len(text) % _BASE32_GROUP)
    try:
        data = base64.b32decode(text + padding)
    except ValueError as exc:
        raise MalformedCode("NZCP: not base32") from exc
    if base64.b32encode(data).decode("ascii") != text + padding:
        raise MalformedCode("NZCP: bits left over in base32 that are not zero")
    return data


def parse_claims(payload: bytes) -> PassClaims | None:
    """Return the claims in ``payload``; those that the specification does not name are ignored.

    None if it is a pass of another type or version of the data model, whose rules we do not know.

    Raises: MalformedCode: a claim is missing, of another type or out of its bounds.
    """
    claims = cbor.decode(payload)
    if not isinstance(claims, dict):
        raise MalformedCode("NZCP: the claims are not a map")
    credential = _map(claims.get(CLAIM_VC), "vc")
    if not _is_supported(credential):
        return None
    issuer, cti = claims.get(CLAIM_ISS), claims.get(CLAIM_CTI)
    if not isinstance(issuer, str) or _DID_WEB.fullmatch(issuer) is None:
        raise MalformedCode("NZCP: the issuer is not a did:web")
    if not isinstance(cti, bytes) or len(cti) != CTI_BYTES:
        raise MalformedCode("NZCP: cti is not a UUID")
    subject = _map(credential.get("credentialSubject"), "credentialSubject")
    return PassClaims(
        issuer=issuer,
        not_before=_moment(claims.get(CLAIM_NBF)),
        expires_at=_moment(claims.get(CLAIM_EXP)),
        cti=cti,
        given_name=_name(subject.get("givenName")),
        family_name=_name(subject["familyName"]) if "familyName" in subject else "",
        born=_day(subject.get("dob")),
    )


def _is_supported(credential: Mapping[CborKey, CborValue]) -> bool:
    """Return whether this is the data model that we know. Raises: MalformedCode: it is none."""
    contexts = _texts(credential.get("@context"), "@context")
    if contexts[:1] != [CONTEXT]:
        raise MalformedCode("NZCP: another first @context")
    match _texts(credential.get("type"), "type"):
        case [str() as general, str() as kind] if general == CREDENTIAL_TYPE:
            pass
        case _:
            raise MalformedCode("NZCP: not the type of a credential and that of a pass")
    version = credential.get("version")
    if not isinstance(version, str) or _SEMVER.fullmatch(version) is None:
        raise MalformedCode("NZCP: not a version")
    return kind == PASS_TYPE and version == CREDENTIAL_VERSION


def _map(value: CborValue, name: str) -> Mapping[CborKey, CborValue]:
    if not isinstance(value, dict):
        raise MalformedCode(f"NZCP: {name} is not a map")
    return value


def _texts(value: CborValue, name: str) -> Sequence[str]:
    texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    if not isinstance(value, list) or len(texts) != len(value):
        raise MalformedCode(f"NZCP: {name} is not a list of texts")
    return texts


def _moment(value: CborValue) -> datetime:
    moment = moment_of(value)
    if moment is None:
        raise MalformedCode("NZCP: nbf or exp is not a timestamp in whole seconds")
    return moment


def _name(value: CborValue) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME_CHARACTERS:
        raise MalformedCode("NZCP: a name is not a text of its length")
    return value


def _day(value: CborValue) -> date:
    if not isinstance(value, str) or _DATE.fullmatch(value) is None:
        raise MalformedCode("NZCP: dob is not a date")
    try:
        return date.fromisoformat(value)
    except ValueError as exc:
        raise MalformedCode("NZCP: dob is no day of the calendar") from exc


def proof_of(claims: PassClaims) -> Proof:
    """Return ``claims`` as every format's are told. Raises: MalformedCode: a nameless holder."""
    return Proof(
        scope=SCOPE,
        subject=named_subject(claims.given_name, claims.family_name, claims.born.isoformat()),
        code_id=claims.cti,
        valid_from=claims.not_before,
        valid_until=claims.expires_at,
        born=(claims.born, claims.born),
        revocation_ids=(claims.cti,),
    )
