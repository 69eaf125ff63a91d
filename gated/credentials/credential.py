"""From what a code proves to what the policy sees: pseudonyms, never the payload."""

from __future__ import annotations

from collections.abc import Container

from gated.credentials.proof import Proof
from gated.credentials.pseudonym import SiteKey, holder_ref, pass_ref
from gated.credentials.trusted_keys import TrustedKey
from gated.credentials.verify import Verification
from gated.messages import Credential
from gated.vocabulary import CodeColour, CredentialStatus, HolderCategory, Reason

NO_FORMAT = "none"


def to_credential(
    verification: Verification,
    *,
    presentation: str,
    site_key: SiteKey,
    colour: CodeColour = CodeColour.NONE,
    listed: Container[str] = frozenset(),
    on_duty: Container[str] = frozenset(),
    certificate_category: HolderCategory | None = None,
) -> Credential:
    """Return the credential of one presentation.

    The holder is known only under a good signature by a key that may sign such a pass; an attendant
    is one only while the pass is valid. ``listed`` holds the pseudonyms of the persons who must see
    staff today (``PersonsList.on``), ``on_duty`` of those whom a closed gate lets in.
    ``certificate_category`` is what the holder of a certificate counts as, which names none.
    """
    format_name = NO_FORMAT if verification.format is None else verification.format.value
    proof, signer = verification.proof, verification.signer
    if proof is None or signer is None or Reason.WRONG_USE in verification.reasons:
        return Credential(
            status=verification.status,
            format=format_name,
            presentation=presentation,
            colour=colour,
        )
    return Credential(
        status=verification.status,
        format=format_name,
        presentation=presentation,
        holder_ref=holder_ref(site_key.key, site_key.key_id, proof.scope, proof.subject),
        pass_ref=pass_ref(site_key.key, site_key.key_id, proof.scope, proof.code_id),
        category=proof.category or certificate_category,
        group=proof.group,
        direction=proof.direction,
        zones=proof.zones,
        max_uses=proof.max_uses,
        code_made_s=_made_s(verification),
        is_attendant=proof.is_attendant and verification.status is CredentialStatus.VALID,
        is_slow=proof.is_slow,
        is_listed=proof.subject in listed,
        is_on_duty=proof.subject in on_duty and _may_be_on_duty(proof, signer),
        colour=colour,
    )


def _may_be_on_duty(proof: Proof, signer: TrustedKey) -> bool:
    """Return whether the duty list can mean this holder.

    It holds pseudonyms, which every issuer chooses: a visitors' desk whose key signs nothing but
    visitors must not open a closed gate by calling one ``t-0001``.
    """
    is_staff = proof.category is HolderCategory.STAFF
    return is_staff or signer.may_sign_pass(HolderCategory.DUTY, is_attendant=False)


def _made_s(verification: Verification) -> int | None:
    """Return when a changing code was made. Of one that is refused, its age decides nothing more.

    A code of the future that a lax gate lets pass all the same must not outdate the real ones.
    """
    proof = verification.proof
    if proof is None or proof.made_at is None or verification.status is not CredentialStatus.VALID:
        return None
    return int(proof.made_at.timestamp())
