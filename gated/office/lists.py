"""What the office gives to the gates beside its key: the revocation list and the duty list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from gated.durable import write_private_file
from gated.office.folder import Office
from gated.office.moments import first_day, last_day
from gated.office.passes import PassKind, RegisteredPass

LIST_DAYS = 7
"""How long the gates take a list for fresh, unless they are told otherwise."""
KEPT_AFTER_END = timedelta(days=31)
"""A revoked pass stays on the list for so long after its end: a gate's clock may be slow."""

_VERSION, _DUE = "revocations_version", "revocations_due"


def note_revocation(office: Office) -> None:
    """Note, in the transaction that revokes, that the gates' list must be written anew."""
    office.register.set_fact(_DUE, "1")


def is_list_due(office: Office) -> bool:
    """Return whether something was revoked and the list was not written: the power went, say."""
    return office.register.fact(_DUE) == "1"


def revoked_ids(passes: Iterable[RegisteredPass], now: datetime) -> list[bytes]:
    """Return the ids for the list: every revoked pass, until it is long over."""
    return [
        item.claims.cti
        for item in passes
        if item.revoked_at is not None and now < item.claims.expires_at + KEPT_AFTER_END
    ]


def write_revocations(office: Office, now: datetime) -> datetime:
    """Write the signed list under the next version; return when the next one is due.

    Raises: GatedError.
    """
    from gated.credentials.revocation import make_list

    register, next_at = office.register, now + timedelta(days=LIST_DAYS)
    while True:
        with register.change():
            # Counted before it is signed: a version is never used for two lists. Not below the
            # clock: a register that was put back from a copy must not fall behind the gates.
            version = max(int(register.fact(_VERSION) or 0) + 1, int(now.timestamp()))
            register.set_fact(_VERSION, str(version))
        # Read, written and noted as done while no other command can revoke or write: else the list
        # of a command that began earlier could replace that of a later one, and lack its pass.
        with register.change():
            if register.fact(_VERSION) != str(version):
                continue  # another command counted meanwhile
            ids = revoked_ids(register.passes(), now)
            data = make_list(ids, office.key, version=version, issued_at=now, next_at=next_at)
            write_private_file(office.folder.revocations, data)
            register.set_fact(_DUE, "0")
            return next_at


def duty_lines(passes: Iterable[RegisteredPass], now: datetime) -> Iterator[str]:
    """Yield the lines of the gates' duty list: pseudonym, first day, last day."""
    for item in passes:
        if item.kind is PassKind.DUTY and item.is_in_force(now):
            claims = item.claims
            yield f"{claims.sub} {first_day(claims.not_before)} {last_day(claims.expires_at)}"


def write_duty_list(office: Office, now: datetime) -> None:
    """Write who is on duty from now on. Raises: GatedError."""
    with office.register.change():  # as above: the newer list must be the one that stays
        lines = sorted(duty_lines(office.register.passes(), now))
        data = "".join(f"{line}\n" for line in lines).encode()
        write_private_file(office.folder.duty_list, data)
