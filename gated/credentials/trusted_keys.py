"""Trusted keys: by key id, with their validity and what each of them may sign.

A key may sign the site's own passes only where its JWK says so in ``gated_uses``:

    "GP1"            every pass, staff and attendant cards too
    "GP1/visitor"    passes of one category (a ``HolderCategory``)
    "GP1/attendant"  attendant cards, together with their category
    "WeCom"          employee and visitor codes of a WeCom company
    "revocations"    lists of revoked codes (a "GP1" key may, too)
    "commands"       what the centre tells a gate to do; no other use includes it
    "commands/config"  with "commands": changes of the configuration, too
    "commands/trust"   with "commands": keys of passes, lists and certificates, too
    "HC1", "NZCP", "SHC"  health certificates

Certificates, bare keys and other people's key sets sign health certificates and no passes, so that
copying a health authority's keys into the trust folder doesn't let it make the school's passes, and
a key with ``gated_uses`` signs nothing that is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from gated.credentials.signatures import PublicKey
from gated.vocabulary import EvidenceKind, HolderCategory

USE_ANY_PASS = "GP1"  # noqa: S105 a permitted use, not a password
USE_ATTENDANT = "GP1/attendant"
USE_WECOM = "WeCom"
USE_REVOCATIONS = "revocations"
USE_COMMANDS = "commands"
USE_CONFIG = "commands/config"
USE_TRUST = "commands/trust"
CERTIFICATE_USES = ("HC1", "NZCP", "SHC")
USAGES_OF = "HC1"
"""The one of them whose certificates name by extended key usages what they are for."""
KNOWN_USES = frozenset(
    {
        USE_ANY_PASS,
        USE_ATTENDANT,
        *(f"GP1/{category}" for category in HolderCategory),
        USE_WECOM,
        USE_REVOCATIONS,
        USE_COMMANDS,
        USE_CONFIG,
        USE_TRUST,
        *CERTIFICATE_USES,
    }
)
USES_BY_HAND = frozenset({USE_COMMANDS, USE_CONFIG, USE_TRUST})
"""Given by somebody at the gate alone: an order that could give them would make more of itself."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key that is believed, within its validity and for its uses."""

    key: PublicKey
    key_ids: tuple[bytes, ...]
    fingerprint: bytes  # of the key itself: the same whichever key id led to it
    source: str  # the name of its file
    uses: frozenset[str] | None = None  # None: its file does not say
    valid_from: datetime | None = None
    valid_until: datetime | None = None  # inclusive, as certificates have it
    issuer: str | None = None  # a DID or URL: signs only for codes that name it; None: not bound
    certifies: frozenset[EvidenceKind] | None = None  # what its certificate is for; None: anything

    def is_in_force(self, now: datetime) -> bool:
        """Return whether ``now`` is within the validity; only certificates have one."""
        return (self.valid_from is None or self.valid_from <= now) and (
            self.valid_until is None or now <= self.valid_until
        )

    def may_sign_pass(self, category: HolderCategory, *, is_attendant: bool) -> bool:
        """Return whether this key may sign a GP1 pass of ``category``."""
        if self.may(USE_ANY_PASS):
            return True
        if is_attendant and not self.may(USE_ATTENDANT):
            return False
        return self.may(f"GP1/{category}")

    def may_sign_certificate(self, code_format: str) -> bool:
        """Return whether this key may sign health certificates of a format (CERTIFICATE_USES).

        Key usages are those of HC1's issuers. A test centre's key signs its tests there, and no
        other format, where nothing would keep it to tests.
        """
        if self.certifies is not None and code_format != USAGES_OF:
            return False
        return self.uses is None or code_format in self.uses

    def may_sign_revocations(self) -> bool:
        return self.may(USE_ANY_PASS) or self.may(USE_REVOCATIONS)

    def may(self, use: str) -> bool:
        """Return whether the key's own file permits ``use``."""
        return self.uses is not None and use in self.uses

    def does_the_same_as(self, other: TrustedKey) -> bool:
        """Return whether ``other`` is this key once more, from another file perhaps."""
        return replace(self, key_ids=(), source="") == replace(other, key_ids=(), source="")


@dataclass(frozen=True, slots=True)
class TrustList:
    """Trusted keys by key id, and what in the folder could not be used."""

    keys: Mapping[bytes, tuple[TrustedKey, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[TrustedKey], problems: Iterable[str] = ()) -> TrustList:
        """Return the list of ``entries``; the same key twice counts once."""
        keys: dict[bytes, tuple[TrustedKey, ...]] = {}
        for entry in entries:
            for key_id in entry.key_ids:
                present = keys.get(key_id, ())
                if not any(entry.does_the_same_as(other) for other in present):
                    keys[key_id] = (*present, entry)
        return cls(MappingProxyType(keys), tuple(problems))

    def find(self, key_id: bytes, now: datetime) -> list[TrustedKey]:
        """Return the keys with this id that are in force; several may share an id."""
        return [key for key in self.keys.get(key_id, ()) if key.is_in_force(now)]
