"""From ``[certificates]`` to the rules that certificates are judged by."""

from __future__ import annotations

from gated.config import GateConfig
from gated.config.certificates import AcceptedEvidence
from gated.credentials.enough import Accepted, CertificateRules
from gated.vocabulary import EvidenceKind


def certificate_rules(config: GateConfig) -> CertificateRules:
    """Return what health certificates are worth at this gate."""
    settings = config.certificates
    return CertificateRules(
        category=settings.category,
        asked_of=frozenset(settings.asked_of),
        accepted=tuple(
            Accepted(
                evidence=None
                if rule.evidence is AcceptedEvidence.ANY
                else EvidenceKind(rule.evidence.value),
                formats=frozenset(rule.formats),
                holders=frozenset(rule.holders),
                from_age_y=rule.from_age_y,
                below_age_y=rule.below_age_y,
                disease=rule.disease,
                kinds=frozenset(rule.kinds),
                max_age_h=rule.max_age_h,
                is_series_complete=rule.complete,
                min_doses=rule.min_doses,
                products=frozenset(rule.products),
                from_day=rule.from_day,
                to_day=rule.to_day,
            )
            for rule in settings.enough
        ),
    )
