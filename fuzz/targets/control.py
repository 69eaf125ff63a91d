"""Requests at the control socket: within their bounds, or refused."""

from __future__ import annotations

from fuzz import mutators, trees
from fuzz.target import Escape, Target
from gated.controller.control import ModeRequest, decode_request, encode_request
from gated.errors import WireError
from gated.vocabulary import Mode

SEEDS = (
    encode_request(ModeRequest(drill=False, by="staff")),
    encode_request(ModeRequest(mode=Mode.CLOSED, drill=True, for_s=60.0, by="值班")),
)


def _run(data: bytes) -> bool:
    try:
        request = decode_request(data)
    except WireError:
        return False
    if decode_request(encode_request(request)) != request:
        raise Escape("a request that is another one when written again")
    return True


TARGET = Target(run=_run, seeds=lambda: SEEDS, mutate=mutators.of_tree(trees.JSON))
