"""SMART Health Cards: ``shc:/`` + digits, two for each character of a compact JWS.

Follows the SMART Health Cards Framework (spec.smarthealth.cards). What the card states of its
holder is read in ``gated.credentials.fhir``.

Cards in several codes (``shc:/1/2/…``, deprecated by the framework since December 2022) are not put
together: the first would have to be kept until another one comes, perhaps somebody else's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from gated.credentials import fhir, jws, strict_json
from gated.credentials.fhir import Bundle
from gated.credentials.jws import CompactJws
from gated.credentials.malformed import MalformedCode
from gated.credentials.named_holder import named_subject
from gated.credentials.numeric_date import LAST_TIMESTAMP, moment_of
from gated.credentials.proof import Examined, Proof
from gated.credentials.signers import find_signers, proven
from gated.credentials.strict_json import JsonValue
from gated.credentials.trusted_keys import TrustedKey, TrustList
from gated.vocabulary import Reason

PREFIX = "shc:/"
FORMAT = "SHC"
SCOPE = b"SHC"

ALGORITHM = "ES256"
COMPRESSION = "DEF"
CARD_TYPE = "https://smarthealth.cards#health-card"

MAX_KEY_ID_CHARACTERS = 64
"""A key's RFC 7638 thumbprint has 43."""

MAX_RID_CHARACTERS = 24

_CODE = re.compile(r"shc:/((?P<part>[0-9]+)/(?P<of>[0-9]+)/)?(?P<digits>[0-9]+)", re.ASCII)
_MAX_PART_DIGITS = 3
_FIRST_CHARACTER = 45  # "-": the lowest of the characters of a JWS
_HIGHEST_PAIR = 77  # "z"
_PAIR = 2
_ISSUER = re.compile(r"https://[!-~]*[!-.0-~]", re.ASCII)  # a URL that does not end in "/"
_MAX_ISSUER_CHARACTERS = 512
_RID = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_FHIR_R4 = re.compile(r"4\.[0-9]+(\.[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Card:
    """What a card says; true only under a good signature by a key of ``issuer``."""

    issuer: str
    not_before: datetime
    expires_at: datetime | None
    rid: str | None  # the issuer's id for revoking it
    bundle: Bundle = field(repr=False)


def examine(text: str, now: datetime, trust: TrustList) -> Examined:
    """Return what the card in ``text`` proves. Raises: MalformedCode."""
    message = open_envelope(text)
    if message is None:
        return Examined((Reason.UNSUPPORTED,))
    key_id = key_id_of(message)
    signers = find_signers(key_id.encode("ascii"), partial(jws.is_signed_by, message), now, trust)
    if isinstance(signers, Reason):
        return Examined((signers,))
    card = parse_card(jws.inflate(message.payload))
    if card is None:
        return Examined((Reason.UNSUPPORTED,))
    prove = partial(proof_of, card, key_id, message.signed)
    return proven(prove, signers, card.issuer, _may_sign)


def _may_sign(key: TrustedKey) -> bool:
    return key.may_sign_certificate(FORMAT)


# --- before the signature ------------------------------------------------------------------------


def open_envelope(text: str) -> CompactJws | None:
    """Return the signed message in ``text``, of which nothing has been checked yet.

    None if it is one of several codes of a card.

    Raises: MalformedCode: not pairs of digits to the last one, or not the JWS of a card.
    """
    match = _CODE.fullmatch(text)
    if match is None:
        raise MalformedCode("SHC: not digits")
    if match["part"] is not None and not _is_whole(match["part"], match["of"]):
        return None
    message = jws.parse_compact(_decode_digits(match["digits"]))
    header = message.header
    if header.get("alg") != ALGORITHM or header.get("zip") != COMPRESSION:
        raise MalformedCode("SHC: another algorithm or compression than the one of cards")
    return message


def _is_whole(part: str, of: str) -> bool:
    """Return whether it is the first of one. Raises: MalformedCode: such a part cannot be."""
    if max(len(part), len(of)) > _MAX_PART_DIGITS or not 1 <= int(part) <= int(of):
        raise MalformedCode("SHC: a part that cannot be")
    return int(of) == 1


def _decode_digits(digits: str) -> str:
    if len(digits) % _PAIR:
        raise MalformedCode("SHC: an odd number of digits")
    values = [int(digits[at : at + _PAIR]) for at in range(0, len(digits), _PAIR)]
    if max(values) > _HIGHEST_PAIR:
        raise MalformedCode("SHC: a pair of digits beyond the alphabet")
    return "".join(chr(value + _FIRST_CHARACTER) for value in values)


def encode_digits(message: str) -> str:
    """Return the text of a card's code from its compact JWS."""
    return PREFIX + "".join(f"{ord(character) - _FIRST_CHARACTER:02}" for character in message)


def key_id_of(message: CompactJws) -> str:
    """Return the key id in the header. Raises: MalformedCode: there is none of its form."""
    key_id = message.header.get("kid")
    if not isinstance(key_id, str) or not 1 <= len(key_id) <= MAX_KEY_ID_CHARACTERS:
        raise MalformedCode("SHC: the key id is not a short text")
    if not key_id.isascii():
        raise MalformedCode("SHC: the key id is not ASCII")
    return key_id


# --- under a good signature ----------------------------------------------------------------------


def parse_card(payload: bytes) -> Card | None:
    """Return what the inflated ``payload`` says; what the framework does not name is ignored.

    None if its FHIR resources are of a version that we do not know.

    Raises: MalformedCode: a required member is missing, of another type or out of its bounds.
    """
    claims = _object(strict_json.decode(payload), "the payload")
    credential = _object(claims.get("vc"), "vc")
    kinds = credential.get("type")
    if not isinstance(kinds, list) or CARD_TYPE not in kinds:
        raise MalformedCode("SHC: not the type of a health card")
    subject = _object(credential.get("credentialSubject"), "credentialSubject")
    version = subject.get("fhirVersion")
    if not isinstance(version, str):
        raise MalformedCode("SHC: no version of FHIR")
    issuer = claims.get("iss")
    if (
        not isinstance(issuer, str)
        or len(issuer) > _MAX_ISSUER_CHARACTERS
        or _ISSUER.fullmatch(issuer) is None
    ):
        raise MalformedCode("SHC: the issuer is not an https URL without a slash at its end")
    if _FHIR_R4.fullmatch(version) is None:
        return None
    return Card(
        issuer=issuer,
        not_before=_not_before(claims.get("nbf")),
        expires_at=_moment(claims["exp"]) if "exp" in claims else None,
        rid=_rid(credential["rid"]) if "rid" in credential else None,
        bundle=fhir.parse_bundle(subject.get("fhirBundle")),
    )


def _object(value: JsonValue, name: str) -> Mapping[str, JsonValue]:
    if not isinstance(value, dict):
        raise MalformedCode(f"SHC: {name} is not an object")
    return value


def _moment(value: JsonValue) -> datetime:
    moment = moment_of(value, may_have_fraction=True)
    if moment is None:
        raise MalformedCode("SHC: nbf or exp is not a timestamp")
    return moment


def _not_before(value: JsonValue) -> datetime:
    """Return nbf. Written in milliseconds it is beyond the calendar, so: not in our time."""
    is_beyond = isinstance(value, int | float) and value > LAST_TIMESTAMP
    return _moment(LAST_TIMESTAMP if is_beyond else value)


def _rid(value: JsonValue) -> str:
    if (
        not isinstance(value, str)
        or len(value) > MAX_RID_CHARACTERS
        or _RID.fullmatch(value) is None
    ):
        raise MalformedCode("SHC: rid is not an id of its form")
    return value


def proof_of(card: Card, key_id: str, signed: bytes) -> Proof:
    """Return ``card`` as every format's are told. Raises: MalformedCode: a nameless holder."""
    holder = card.bundle.holder
    code_id = hashlib.sha256(signed).digest()  # a card has no id of its own
    revocation_ids = [code_id]
    if card.rid is not None:
        revocation_ids.append(rid_revocation_id(key_id, card.rid))
    return Proof(
        scope=SCOPE,
        subject=named_subject(holder.given, holder.family, holder.born_text),
        code_id=code_id,
        valid_from=card.not_before,
        valid_until=card.expires_at,
        born=holder.born,
        statements=card.bundle.statements,
        revocation_ids=tuple(revocation_ids),
    )


def rid_revocation_id(key_id: str, rid: str) -> bytes:
    """Return the id in our lists for an entry ``rid`` of the issuer's list for the key ``key_id``.

    Issuers may use any short text, so it counts together with the key only.
    """
    return hashlib.sha256(f"{key_id}.{rid}".encode("ascii")).digest()
