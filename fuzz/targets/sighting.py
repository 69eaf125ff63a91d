"""The scanner's datagrams: one written form for each sighting, everything else is refused."""

from __future__ import annotations

from fuzz import mutators, trees
from fuzz.target import Escape, Target
from gated.errors import WireError
from gated.messages import CodeSeen, CodeUnread
from gated.scanner.sighting import (
    CameraState,
    ScannerHealth,
    decode_sighting,
    encode_sighting,
    is_acceptable,
)
from gated.vocabulary import CodeColour, UnreadCause

SEEDS = (
    encode_sighting(
        CodeSeen(
            text="GP1:三号楼",
            decoder="zxing",
            colour=CodeColour.GREEN,
            presentation="p-1",
            is_ambiguous=False,
        )
    ),
    encode_sighting(CodeUnread(next(iter(UnreadCause)))),
    encode_sighting(ScannerHealth(7, 120, CameraState.NO_FRAMES, "cable", 2)),
    encode_sighting(ScannerHealth(0, None, CameraState.OK)),
)


def _run(data: bytes) -> bool:
    try:
        sighting = decode_sighting(data)
    except WireError:
        return False
    if encode_sighting(sighting) != data:
        raise Escape("two datagrams for the same sighting")
    if isinstance(sighting, CodeSeen) and sighting.text and not is_acceptable(sighting.text):
        raise Escape("a code's text that cannot be one")
    return True


TARGET = Target(
    run=_run, seeds=lambda: SEEDS, mutate=mutators.of_tree(trees.JSON), max_bytes=32_768
)
