"""From a sighting to what the decider sees: verified here, then the text is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from gated.config import GateConfig
from gated.credentials.credential import to_credential
from gated.credentials.persons import PersonsList, load_persons
from gated.credentials.pseudonym import SiteKey, load_site_key
from gated.credentials.revoked import load_revoked
from gated.credentials.trust import load_trust
from gated.credentials.trusted_keys import TrustList
from gated.credentials.value_sheet import parse_value_sheet
from gated.credentials.verify import verify
from gated.messages import CodeSeen, ContactValueSeen, Credential, CredentialChecked
from gated.units import MonoSeconds
from gated.vocabulary import CredentialStatus


@dataclass(frozen=True, slots=True)
class CodeRules:
    """What codes are judged against. Swapped as a whole on reload."""

    trust: TrustList
    site_key: SiteKey
    persons: PersonsList
    revoked: frozenset[bytes]
    timezone: tzinfo


def load_code_rules(config: GateConfig, timezone: tzinfo) -> CodeRules:
    """Return the rules from the files that the configuration names.

    Raises: ConfigError: the site key or a list cannot be read.
    """
    settings = config.credentials
    revoked = settings.revocation_file
    persons = PersonsList({})
    if settings.persons_list_file is not None:
        persons = load_persons(settings.persons_list_file)
    return CodeRules(
        trust=load_trust(settings.trust),
        site_key=load_site_key(settings.site_key_file),
        revoked=frozenset() if revoked is None else load_revoked(revoked),
        persons=persons,
        timezone=timezone,
    )


def check_code(
    code: CodeSeen, now: datetime, at: MonoSeconds, rules: CodeRules
) -> CredentialChecked | ContactValueSeen:
    """Return what ``code`` means. ``now`` is the wall clock, or its floor when that is unknown."""
    if code.is_ambiguous:
        credential = Credential(
            CredentialStatus.UNSUPPORTED, "none", code.presentation, is_ambiguous=True
        )
        return CredentialChecked(credential, at)
    if not code.text:
        credential = Credential(CredentialStatus.MALFORMED, "none", code.presentation)
        return CredentialChecked(credential, at)
    contact_c = parse_value_sheet(code.text)
    if contact_c is not None:
        return ContactValueSeen(contact_c, at)
    credential = to_credential(
        verify(code.text, now=now, trust=rules.trust, revoked=rules.revoked),
        presentation=code.presentation,
        site_key=rules.site_key.key,
        site_key_id=rules.site_key.key_id,
        colour=code.colour,
        listed=rules.persons.on(now.astimezone(rules.timezone).date()),
    )
    return CredentialChecked(credential, at)
