"""What a code proves under a good signature, the same for every format. Values only.

Each format has one file with ``examine(text, now, trust) -> Examined``; ``verify`` chooses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeAlias

from gated.credentials.trusted_keys import TrustedKey
from gated.vocabulary import Direction, HolderCategory, LabTestKind, Reason

COVID_19 = "840539006"
"""SNOMED CT; what certificates and tests at gates have been about."""


@dataclass(frozen=True, slots=True)
class Vaccination:
    """One dose, as certified."""

    disease: str  # SNOMED CT code of the disease, such as 840539006
    product: str | None  # as the format codes it: EU/1/20/1528 (EU, WHO), 207 (CVX)
    dose: int | None  # number of this dose
    doses: int | None  # of the series
    given_on: date


@dataclass(frozen=True, slots=True)
class LabTest:
    disease: str
    kind: LabTestKind
    is_negative: bool
    sampled_at: datetime  # aware


@dataclass(frozen=True, slots=True)
class Recovery:
    disease: str
    positive_on: date | None  # first positive test
    valid_from: date | None
    valid_until: date | None  # inclusive


Statement: TypeAlias = Vaccination | LabTest | Recovery


@dataclass(frozen=True, slots=True)
class Proof:
    """Who a code is about and what it grants. Never shown or stored: pseudonyms are made of it.

    The code holds while valid_from <= now < valid_until.
    """

    scope: bytes  # whose names subject and code_id are: of a pass its signing key's fingerprint
    subject: str = field(repr=False)  # the holder: a pseudonym, or a name with a date of birth
    code_id: bytes = field(repr=False)  # of this pass or certificate: its uses count by it
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    category: HolderCategory | None = None  # None: the site's rules say what such a holder is
    group: str | None = None
    direction: Direction = Direction.UNKNOWN
    zones: tuple[str, ...] = ()
    max_uses: int | None = None
    is_attendant: bool = False
    is_slow: bool = False
    made_at: datetime | None = None  # of a changing code: when it was made; None: a static one
    statements: tuple[Statement, ...] = field(default=(), repr=False)
    born: tuple[date, date] | None = field(default=None, repr=False)  # first and last possible day
    revocation_ids: tuple[bytes, ...] = ()  # any of them on the list revokes it


@dataclass(frozen=True, slots=True)
class Examined:
    """What a format's own file finds. Without a good signature there is no proof and no signer."""

    reasons: tuple[Reason, ...] = ()  # in any order; validity and revocation are not its business
    proof: Proof | None = None
    signer: TrustedKey | None = field(default=None, repr=False)
