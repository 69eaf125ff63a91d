"""``gated pass show``: what a pass says, and whether that is proven."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gated.commands.verify import iso, load_trust_or_none
from gated.errors import ExitCode, GatedError
from gated.messages import MAX_CODE_CHARACTERS
from gated.vocabulary import Direction

if TYPE_CHECKING:
    from gated.credentials.gp1 import Gp1Claims
    from gated.credentials.verify import Verification


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    show = add("show", help="print what a pass says 查看通行证内容")
    show.add_argument("text", nargs="?", default="-", help="the text; - (or none): standard input")
    show.add_argument("--trust", type=Path, metavar="DIR", help="the gates' trust folder")
    show.add_argument("--json", action="store_true", help="for programs")
    show.set_defaults(run_action=_show)


def _show(args: argparse.Namespace) -> int:
    from gated.clock import SystemClock
    from gated.credentials.gp1 import open_envelope, parse_claims
    from gated.credentials.malformed import MalformedCode
    from gated.credentials.verify import verify

    text = args.text
    if text == "-":
        data = sys.stdin.buffer.read(MAX_CODE_CHARACTERS + 2)
        text = data.removesuffix(b"\n").decode("utf-8", errors="replace")
    verification = verify(text, now=SystemClock().now(), trust=load_trust_or_none(args.trust))
    try:
        if len(text) > MAX_CODE_CHARACTERS:
            raise MalformedCode("longer than a QR code can be")
        message = open_envelope(text)
        claims = parse_claims(message.payload)
    except MalformedCode as exc:
        raise GatedError(f"not a GP1 pass: {exc}") from exc
    key_id = "" if message.key_id is None else message.key_id.hex()
    facts = pass_facts(claims) | {
        "key_id": key_id,
        "status": verification.status.value,
        "proven": verification.signer is not None,
    }
    if args.json:
        print(json.dumps(facts, ensure_ascii=False))
        return int(ExitCode.OK)
    for name, value in facts.items():
        print(f"{name:15} {value}")
    print(_what_is_proven(verification))
    return int(ExitCode.OK)


def _what_is_proven(verification: Verification) -> str:
    if verification.signer is None:
        return "NOT PROVEN: no key in the trust folder signed this; anybody can have written it."
    return f"Signed by a known key, from the file {verification.signer.source}."


def pass_facts(claims: Gp1Claims) -> dict[str, object]:
    """Return what is set in ``claims``, in words, for a person at the office."""
    facts: dict[str, object | None] = {
        "sub": claims.sub,
        "category": claims.category.value,
        "group": claims.group,
        "valid_from": iso(claims.not_before),
        "valid_until": iso(claims.expires_at),
        "zones": list(claims.zones) or None,
        "direction": None if claims.direction is Direction.UNKNOWN else claims.direction.value,
        "max_uses": claims.max_uses,
        "approver": claims.approver,
        "guardian_ref": claims.guardian_ref,
        "nat_sampled_at": iso(claims.nat_sampled_at),
        "attendant": claims.is_attendant or None,
        "slow": claims.is_slow or None,
        "changing": claims.is_changing or None,
        "pass_id": claims.cti.hex(),
    }
    return {name: value for name, value in facts.items() if value is not None}
