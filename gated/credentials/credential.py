"""From what a code proves to what the policy sees: pseudonyms, never the payload."""

from __future__ import annotations

from collections.abc import Container

from gated.credentials.pseudonym import holder_ref, pass_ref
from gated.credentials.verify import Verification
from gated.messages import Credential
from gated.vocabulary import CodeColour, CredentialStatus, Reason

NO_FORMAT = "none"


def to_credential(
    verification: Verification,
    *,
    presentation: str,
    site_key: bytes,
    site_key_id: str,
    colour: CodeColour = CodeColour.NONE,
    listed: Container[str] = frozenset(),
) -> Credential:
    """Return the credential of one presentation.

    The holder is known only under a good signature by a key that may sign such a pass; an attendant
    is one only while the pass is valid. ``listed`` holds the pseudonyms of the persons who must see
    staff today (``PersonsList.on``).
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
        holder_ref=holder_ref(site_key, site_key_id, proof.scope, proof.subject),
        pass_ref=pass_ref(site_key, site_key_id, proof.scope, proof.code_id),
        category=proof.category,
        group=proof.group,
        direction=proof.direction,
        zones=proof.zones,
        max_uses=proof.max_uses,
        is_attendant=proof.is_attendant and verification.status is CredentialStatus.VALID,
        is_slow=proof.is_slow,
        is_listed=proof.subject in listed,
        colour=colour,
    )
