"""From a sighting to what the decider sees: verified here, then the text is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from gated.clock import SystemClock, TimeQuality
from gated.config import GateConfig
from gated.controller.certificates import certificate_rules
from gated.controller.pushed_trust import load_all_trust
from gated.credentials.credential import to_credential
from gated.credentials.enough import CertificateRules, is_enough
from gated.credentials.persons import PersonsList, load_persons
from gated.credentials.pseudonym import SiteKey, load_site_key
from gated.credentials.revocation_folder import KEPT_FOLDER, Revocations, load_revocations
from gated.credentials.revoked import load_revoked
from gated.credentials.trusted_keys import TrustList
from gated.credentials.value_sheet import parse_value_sheet
from gated.credentials.verify import Verification, verify
from gated.messages import CodeSeen, ContactValueSeen, Credential, CredentialChecked
from gated.units import MonoSeconds
from gated.vocabulary import Check, CredentialStatus, Reason


@dataclass(frozen=True, slots=True)
class CodeRules:
    """What codes are judged against. Swapped as a whole on reload."""

    trust: TrustList
    site_key: SiteKey
    persons: PersonsList
    duty: PersonsList
    certificates: CertificateRules
    revoked: frozenset[bytes]  # of every list
    revocations: Revocations | None  # the signed lists, if the gate is to have any
    revocations_max_age: timedelta
    when_revocations_old: Check
    timezone: tzinfo


def load_code_rules(
    config: GateConfig, timezone: tzinfo, *, now: datetime | None = None, remembers: bool = False
) -> CodeRules:
    """Return the rules from the files that the configuration names.

    Args:
        config: the gate's.
        timezone: the site's.
        now: when the keys of signed lists and orders must be in force; None: by this machine's
            clock.
        remembers: whether new signed lists of revoked codes are kept in the state folder, for good.

    Raises: ConfigError: the site key or a list cannot be read.
    """
    settings = config.credentials
    now = now or SystemClock().now()
    trust = load_all_trust(config, now)
    revoked: frozenset[bytes] = frozenset()
    if settings.revocation_file is not None:
        revoked = load_revoked(settings.revocation_file)
    revocations = None
    if settings.revocations is not None:
        revocations = load_revocations(
            settings.revocations,
            config.paths.state / KEPT_FOLDER,
            trust,
            now,
            remembers=remembers,
        )
        revoked |= revocations.ids()
    persons, duty = PersonsList(), PersonsList()
    if settings.persons_list_file is not None:
        persons = load_persons(settings.persons_list_file)
    if settings.duty_list_file is not None:
        duty = load_persons(settings.duty_list_file, "duty list")
    return CodeRules(
        trust=trust,
        site_key=load_site_key(settings.site_key_file),
        revoked=revoked,
        revocations=revocations,
        revocations_max_age=timedelta(days=settings.revocations_max_age_days),
        when_revocations_old=settings.when_revocations_old,
        persons=persons,
        duty=duty,
        certificates=certificate_rules(config),
        timezone=timezone,
    )


def check_code(
    code: CodeSeen,
    now: datetime,
    at: MonoSeconds,
    rules: CodeRules,
    *,
    time_quality: TimeQuality = TimeQuality.TRUSTED,
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
    verification = verify(
        code.text,
        now=now,
        trust=rules.trust,
        revoked=rules.revoked,
        site_key=rules.site_key.key,
        is_clock_known=time_quality is not TimeQuality.UNKNOWN,
    )
    today = now.astimezone(rules.timezone).date()
    credential = to_credential(
        verification,
        presentation=code.presentation,
        site_key=rules.site_key,
        colour=code.colour,
        listed=rules.persons.on(today),
        on_duty=rules.duty.on(today),
        certificate_category=rules.certificates.category,
    )
    findings = _findings(verification, now, rules, time_quality)
    return CredentialChecked(replace(credential, findings=findings, time_quality=time_quality), at)


def _findings(
    verification: Verification, now: datetime, rules: CodeRules, time_quality: TimeQuality
) -> tuple[tuple[Reason, Check], ...]:
    """Return what else is to be said of a code that holds."""
    proof, code_format = verification.proof, verification.format
    if proof is None or code_format is None:
        return ()
    findings = []
    if not is_enough(proof, code_format, now, rules.timezone, rules.certificates):
        findings.append((Reason.NOT_ENOUGH, Check.HARD))
    if rules.when_revocations_old is not Check.OFF and _are_revocations_old(
        rules, now, time_quality
    ):
        findings.append((Reason.REVOCATIONS_OLD, rules.when_revocations_old))
    return tuple(findings)


def _are_revocations_old(rules: CodeRules, now: datetime, time_quality: TimeQuality) -> bool:
    """Return whether there should be newer lists. Without a clock their age is not known."""
    if rules.revocations is None:
        return False
    is_known = time_quality is not TimeQuality.UNKNOWN
    return not is_known or rules.revocations.are_old(now, rules.revocations_max_age)
