"""Claims for a new pass, and its text: the same text again whenever it is printed again."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from gated.credentials.gp1 import Gp1Claims, is_label, seal
from gated.credentials.malformed import MalformedCode
from gated.credentials.signatures import PrivateKey
from gated.errors import GatedError
from gated.office.folder import Office
from gated.office.moments import end_of, first_day
from gated.office.passes import (
    MAX_RETEST_DAYS,
    NOT_A_LABEL,
    NOT_A_ZONE,
    SLIP_KINDS,
    PassKind,
    RegisteredPass,
    RevokedWhy,
    is_zone,
    shown_number,
)

CTI_BYTES = 8
"""Of the nonce that names a pass: no two of a site's are the same, and a list can revoke one."""

MAX_CARD_CHARACTERS, MAX_SLIP_CHARACTERS = 221, 311
"""What versions 8 and 10 at level M hold in alphanumeric mode (ISO/IEC 18004 table 7): 49 modules
on a card, 57 on the larger code of a slip."""


def new_cti() -> bytes:
    """Return the id of a new pass."""
    return secrets.token_bytes(CTI_BYTES)


def claims_problem(kind: PassKind, claims: Gp1Claims, key: PrivateKey) -> str | None:
    """Return why ``claims`` cannot go onto a card or slip, None if they can."""
    if claims.group and not is_label(claims.group):
        return NOT_A_LABEL
    if not all(map(is_zone, claims.zones)):
        return NOT_A_ZONE
    try:
        text = seal(claims, key)
    except MalformedCode as exc:
        return f"no gate would take it: {exc} (闸机不会接受)"
    most = MAX_SLIP_CHARACTERS if kind in SLIP_KINDS else MAX_CARD_CHARACTERS
    if len(text) > most:
        return (
            f"{len(text)} characters are too many for a code that reads well "
            f"(at most {most}): a shorter class name or fewer zones "
            "(码太密，请缩短班级名或减少区域)"
        )
    return None


def register_pass(office: Office, kind: PassKind, claims: Gp1Claims, now: datetime) -> int:
    """Return the number of the new pass in the register; inside ``office.register.change``.

    Raises: GatedError: the claims cannot go onto a card.
    """
    problem = claims_problem(kind, claims, office.key)
    if problem is not None:
        raise GatedError(f"this pass cannot be made: {problem}")
    return office.register.add_pass(kind, claims, office.key_id, now)


def text_of(item: RegisteredPass, office: Office) -> str:
    """Return the text of a pass in the register.

    Raises: GatedError: another key signed it, which this office no longer has.
    """
    if item.key_id != office.key_id:
        raise GatedError(
            f"pass {shown_number(item.number)} was signed by an earlier key: "
            f"gated pass reissue {item.number} --why changed (旧密钥签发，请补发)"
        )
    return seal(item.claims, office.key)


def replacement(old: RegisteredPass, begins: datetime, ends: datetime | None) -> Gp1Claims:
    """Return the claims of the pass that takes the place of ``old``: the same, under a new id.

    Args:
        old: the pass that is revoked.
        begins: not before this; a pass that was for later days stays for them.
        ends: the new end; None: as the old one.

    Raises: GatedError: it would have ended before it begins, or hold longer than its kind may.
    """
    not_before = max(begins, old.claims.not_before)
    expires_at = ends or old.claims.expires_at
    if expires_at <= not_before:
        raise GatedError(
            f"pass {shown_number(old.number)} would end before it begins: say until when the new "
            "one holds, with --until 2027-01-31 (请用 --until 给出新的有效期)"
        )
    if old.kind is PassKind.RETEST:
        longest = first_day(not_before) + timedelta(days=MAX_RETEST_DAYS - 1)
        if expires_at > end_of(longest):
            raise GatedError(
                f"pass {shown_number(old.number)} is a release after a test, which holds "
                f"{MAX_RETEST_DAYS} days at most: --until {longest} "
                f"(复检放行最多 {MAX_RETEST_DAYS} 天)"
            )
    return replace(old.claims, cti=new_cti(), not_before=not_before, expires_at=expires_at)


def reissue(
    office: Office, old: RegisteredPass, claims: Gp1Claims, why: RevokedWhy, now: datetime
) -> int:
    """Return the number of the pass that replaces ``old``; inside ``office.register.change``."""
    number = register_pass(office, old.kind, claims, now)
    office.register.revoke(old.number, why, now, replaced_by=number)
    return number
