"""Targets for whole codes: the input goes under a signature, or is one of the layers around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from fuzz import mutators, school
from fuzz.target import Escape, Target
from gated.credentials.credential import to_credential
from gated.credentials.enough import Accepted, CertificateRules, is_enough
from gated.credentials.malformed import MalformedCode
from gated.credentials.verify import Verification, verify
from gated.vocabulary import CredentialStatus, EvidenceKind, HolderCategory, Reason

RULES = CertificateRules(
    asked_of=frozenset(HolderCategory),
    accepted=(
        Accepted(EvidenceKind.VACCINATION, is_series_complete=True, from_day=14, to_day=270),
        Accepted(EvidenceKind.TEST, max_age_h=48, below_age_y=6),
        Accepted(EvidenceKind.RECOVERY, to_day=180, from_age_y=6),
    ),
)
"""Each looks at other parts of what a certificate states."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What an input is made into. Unless it is signed, only a seed's own signature can be good."""

    make: Callable[[bytes], str]
    mutate: mutators.Mutator
    seeds: Sequence[bytes]
    is_signed: bool = False  # by a trusted key, whatever the input is
    is_forged: bool = False  # a stranger's signature: nothing can be good


def text_of(data: bytes) -> str:
    """Return a text for any bytes; what is not UTF-8 becomes lone surrogates."""
    return data.decode("utf-8", errors="surrogateescape")


AS_IT_IS = text_of


def target_of(layers: Sequence[Layer], max_bytes: int = 4_096) -> Target:
    """Return the target whose inputs' first byte selects a layer."""
    genuine = {
        _proof(_judged(layer.make(seed)))
        for layer in layers
        if not layer.is_forged
        for seed in layer.seeds
    }

    def run(data: bytes) -> bool:
        layer = layers[data[0] % len(layers)] if data else layers[0]
        try:
            text = layer.make(data[1:])
        except MalformedCode:
            return False  # not even the envelope can be made of it
        result = _judged(text)
        _check(result, layer, genuine)
        if result.status is CredentialStatus.VALID:
            _check_bounds(text, result)
        return result.status is CredentialStatus.VALID

    return Target(
        run=run,
        seeds=lambda: [
            bytes([number]) + seed for number, layer in enumerate(layers) for seed in layer.seeds
        ],
        mutate=mutators.of_layers([layer.mutate for layer in layers]),
        max_bytes=max_bytes,
    )


def _judged(
    text: str, now: datetime = school.NOW, revoked: frozenset[bytes] = frozenset()
) -> Verification:
    return verify(text, now=now, trust=school.TRUST, revoked=revoked, site_key=school.SITE_KEY.key)


def _proof(result: Verification) -> str:
    return repr(None if result.proof is None else asdict(result.proof))


def _check(result: Verification, layer: Layer, genuine: set[str]) -> None:
    """Raises: Escape: a verdict that cannot be right, whatever the text."""
    if (result.proof is None) != (result.signer is None):
        raise Escape("a proof without a signer, or the reverse")
    if (result.status is CredentialStatus.VALID) != (not result.reasons):
        raise Escape("valid with reasons, or not valid without one")
    if Reason.MALFORMED in result.reasons and result.proof is not None:
        raise Escape("malformed, and a proof all the same")
    if result.proof is None:
        if result.status is CredentialStatus.VALID:
            raise Escape("valid without a proof")
    elif layer.is_forged:
        raise Escape("a stranger's signature has become a proof")
    elif not layer.is_signed and _proof(result) not in genuine:
        raise Escape("a proof of something that nobody signed")
    if result.proof is not None and result.format is not None:
        is_enough(result.proof, result.format, school.NOW, school.TIMEZONE, RULES)
    credential = to_credential(result, presentation="p", site_key=school.SITE_KEY)
    try:
        json.dumps(asdict(credential), default=str, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        raise Escape("what the policy sees cannot be written down") from exc


def _check_bounds(text: str, result: Verification) -> None:
    """Raises: Escape: a valid code that is valid too long, once more, or when it is revoked."""
    begins, ends, proof, signer = result.valid_from, result.valid_until, result.proof, result.signer
    assert proof is not None
    assert signer is not None
    outside = [] if ends is None else [ends]
    if begins is not None:
        outside.append(begins - timedelta(microseconds=1))
    for now in outside:
        if _judged(text, now).status is CredentialStatus.VALID:
            raise Escape("valid before it begins or after its end")
    for revoked_id in (*proof.revocation_ids, signer.fingerprint):
        if _judged(text, revoked=frozenset({revoked_id})).status is not CredentialStatus.REVOKED:
            raise Escape("revoked, and not said so")
    for other in (text + " ", text + "\n", text + "0", " " + text, text.swapcase(), text[:-1]):
        if _judged(other).status is CredentialStatus.VALID:
            raise Escape("valid with a character more, less or in another case")
