"""What an office knows of a holder and of a pass. Values only."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from gated.credentials.gp1 import MAX_GROUP_CHARACTERS, Gp1Claims
from gated.vocabulary import HolderCategory
from gated.wire import is_name

DEFAULT_DAYS = 200
"""How long a card holds if nobody says: a school term with its holidays."""
MAX_RETEST_DAYS = 7
"""A release after a test is for going home or coming back, not for a term."""

NOT_A_LABEL = (
    "a class has 1 to 16 characters, a letter or digit first "
    "(班级须 1–16 字，以字母、数字或汉字开头)"
)
"""Of what ``gp1.is_label`` refuses."""

NOT_A_ZONE = (
    "a zone is written as in the gates' gate.zone, such as canteen: 1 to 16 of a-z 0-9 and -, not "
    "starting with - (区域须与闸机配置 gate.zone 一致，如 canteen：1–16 个小写字母、数字或 -)"
)
"""Of what ``is_zone`` refuses."""


class PassKind(enum.StrEnum):
    """What a pass was made for; a holder has at most one CARD and one GUARDIAN in force."""

    CARD = "card"  # the holder's own
    GUARDIAN = "guardian"  # the pupil's, carried by a guardian
    VISITOR = "visitor"
    RETEST = "retest"
    DUTY = "duty"


SLIP_KINDS = frozenset({PassKind.VISITOR, PassKind.RETEST})
"""Printed as slips, a quarter of a page each; the others as cards."""


class RevokedWhy(enum.StrEnum):
    """Why a pass holds no longer. A closed list: a free text would collect what nobody needs."""

    LOST = "lost"
    STOLEN = "stolen"
    DAMAGED = "damaged"
    LEFT = "left"  # the holder left the school or village
    CHANGED = "changed"  # class, category or dates
    WRONG = "wrong"  # made by mistake


PSEUDONYM_PREFIXES: Mapping[HolderCategory, str] = MappingProxyType(
    {
        HolderCategory.STUDENT: "s",
        HolderCategory.STAFF: "t",
        HolderCategory.VISITOR: "v",
        HolderCategory.DUTY: "d",
        HolderCategory.EMERGENCY: "e",
        HolderCategory.COURIER: "c",
        HolderCategory.RETEST_RELEASE: "s",
        HolderCategory.ESCORT: "p",
    }
)
"""What a pseudonym that the office makes begins with; a number follows, never anything else."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A person in the register. The name is nowhere else: not in a code, a log or a message."""

    pseudonym: str
    name: str = field(repr=False)
    category: HolderCategory
    group: str | None = None
    detail: str = field(default="", repr=False)  # tells two of the same name apart


@dataclass(frozen=True, slots=True)
class RegisteredPass:
    """One pass as the register keeps it: its claims and not its text, which is signed anew."""

    number: int  # short, printed on the card
    kind: PassKind
    holder: Holder
    claims: Gp1Claims
    key_id: bytes  # whose signature it bears
    issued_at: datetime
    revoked_at: datetime | None = None
    revoked_why: RevokedWhy | None = None
    replaced_by: int | None = None

    def is_in_force(self, now: datetime) -> bool:
        """Return whether the pass holds at ``now`` or will."""
        return self.revoked_at is None and now < self.claims.expires_at


def is_zone(text: str) -> bool:
    """Return whether ``text`` fits into a pass and a gate can be configured with it."""
    return len(text) <= MAX_GROUP_CHARACTERS and is_name(text)


def shown_number(number: int) -> str:
    """Return a pass number as it stands on a card."""
    return f"No. {number:04d}"
