"""Messages about uses between the lanes of a site: what is taken, is within its bounds."""

from __future__ import annotations

from fuzz import mutators, school, trees
from fuzz.target import Escape, Target
from gated.errors import WireError
from gated.uses import (
    GateUses,
    SharedUse,
    SiteUses,
    UseAt,
    believable,
    parse_gate_uses,
    parse_site_uses,
)
from gated.vocabulary import Direction

_EPOCH = "abcdefghij234567"
_NOW_MS = school.NOW_S * 1_000
_USE = SharedUse(
    epoch=_EPOCH,
    seq=7,
    pass_ref="k0000:0123456789abcdef",  # noqa: S106 a pseudonym
    direction=Direction.IN,
    at_ms=_NOW_MS,
    code_made_s=school.NOW_S,
)
_GATE = GateUses(epoch=_EPOCH, after=6, upto=7, uses=(_USE,), known={"office": ("e1", 3)})
_SITE = SiteUses(
    collector="office",
    collector_epoch="e1",
    after=2,
    upto=3,
    uses=(UseAt(gate="north", **_USE.model_dump()),),
    epoch=_EPOCH,
    stored=7,
)


def _run(data: bytes) -> bool:
    parse = parse_gate_uses if (data[0] if data else 0) % 2 == 0 else parse_site_uses
    try:
        message: GateUses | SiteUses = parse(data[1:])
    except WireError as exc:
        if not str(exc).isprintable():
            raise Escape("a sentence that a terminal would obey") from exc
        return False
    if message.after > message.upto:
        raise Escape("changes that end before they begin")
    for use in message.uses:
        at_ms = believable(use, "north", _NOW_MS).at_ms
        if at_ms is None or not 0 <= at_ms <= _NOW_MS:
            raise Escape("a use of the future")
    return True


TARGET = Target(
    run=_run,
    seeds=lambda: [
        b"\0" + _GATE.model_dump_json().encode(),
        b"\1" + _SITE.model_dump_json().encode(),
    ],
    mutate=mutators.of_layers([mutators.of_tree(trees.JSON)] * 2),
    max_bytes=17_000,
)
