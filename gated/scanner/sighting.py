"""What the scanner tells the controller: one datagram for each presentation, one each second.

Pure, and free of NumPy and OpenCV: the controller imports this file.
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass
from typing import Final

from gated.errors import WireError
from gated.messages import MAX_CODE_CHARACTERS, CodeSeen, CodeUnread
from gated.vocabulary import CodeColour, UnreadCause
from gated.wire import parse_json

HEALTH_EVERY_S: Final = 1.0
"""The scanner says this often that it's alive. Three missed ones are a dead scanner."""

_UNACCEPTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # controls, lone surrogates
_WORD = re.compile(r"[a-z0-9_-]{1,32}")
MAX_REASON_CHARACTERS: Final = 400
"""What an adapter says of a camera that is missing, and how to mend it."""


CAMERA: Final = "scanner"
"""The camera's name in health messages; a serial scanner has its own of the configuration."""


class CameraState(enum.StrEnum):
    """How one of the scanner's eyes is doing."""

    OK = "ok"
    NO_FRAMES = "no_frames"
    SAME_FRAME = "same_frame"  # frames arrive, and every one is the same: the camera is stuck


@dataclass(frozen=True, slots=True)
class ScannerHealth:
    """The sign of life of the camera, or of one serial scanner."""

    frames: int  # since it started; a serial scanner's are lines
    last_frame_age_ms: int | None  # None: never had one
    state: CameraState
    reason: str = ""  # for a person, when the state isn't ok
    unreadable: int = 0  # codes whose contents could not be passed on; since it started
    device: str = CAMERA

    @property
    def trouble(self) -> str:
        """Why nothing can be read by it now; "" if something can."""
        return "" if self.state is CameraState.OK else self.reason or self.state.value


Sighting = CodeSeen | CodeUnread | ScannerHealth


def is_acceptable(text: str) -> bool:
    """Return whether ``text`` may leave the scanner: one line of text, as long as a code can be."""
    return 0 < len(text) <= MAX_CODE_CHARACTERS and _UNACCEPTABLE.search(text) is None


def encode_sighting(sighting: Sighting) -> bytes:
    """Return the datagram for ``sighting``."""
    if isinstance(sighting, CodeSeen):
        fields: dict[str, object] = {
            "kind": "code",
            "text": sighting.text,
            "decoder": sighting.decoder,
            "colour": sighting.colour.value,
            "presentation": sighting.presentation,
            "is_ambiguous": sighting.is_ambiguous,
        }
    elif isinstance(sighting, CodeUnread):
        fields = {"kind": "unread", "cause": sighting.cause.value}
    else:
        fields = {
            "kind": "health",
            "frames": sighting.frames,
            "last_frame_age_ms": sighting.last_frame_age_ms,
            "state": sighting.state.value,
            "reason": sighting.reason,
            "unreadable": sighting.unreadable,
            "device": sighting.device,
        }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def decode_sighting(payload: bytes) -> Sighting:
    """Return the sighting in a datagram.

    Raises: WireError: if ``payload`` isn't, byte for byte, what ``encode_sighting`` makes of a
        sighting with plausible contents. The message never quotes the text.
    """
    fields = parse_json(payload)
    kind = fields.pop("kind", None)
    try:
        if kind == "code":
            sighting: Sighting = _code(**fields)
        elif kind == "unread":
            sighting = _unread(**fields)
        elif kind == "health":
            sighting = _health(**fields)
        else:
            raise WireError("a sighting of an unknown kind")
    except TypeError as exc:
        raise WireError("a sighting with missing or unknown members") from exc
    # One form only: no second member of the same name, no true for 1, no spaces.
    if encode_sighting(sighting) != payload:
        raise WireError("a sighting that is not written as it should be")
    return sighting


def _code(
    *, text: object, decoder: object, colour: object, presentation: object, is_ambiguous: object
) -> CodeSeen:
    if not isinstance(text, str) or not isinstance(is_ambiguous, bool):
        raise WireError("a code's text is a string")
    if text != "" and (is_ambiguous or not is_acceptable(text)):
        raise WireError("a code's text that cannot be one")
    if not isinstance(colour, str) or colour not in set(CodeColour):
        raise WireError("a code of an unknown colour")
    return CodeSeen(
        text=text,
        decoder=_word(decoder),
        colour=CodeColour(colour),
        presentation=_word(presentation),
        is_ambiguous=is_ambiguous,
    )


def _unread(*, cause: object) -> CodeUnread:
    if not isinstance(cause, str) or cause not in set(UnreadCause):
        raise WireError("a code unread for an unknown cause")
    return CodeUnread(UnreadCause(cause))


def _health(
    *,
    frames: object,
    last_frame_age_ms: object,
    state: object,
    reason: object,
    unreadable: object,
    device: object,
) -> ScannerHealth:
    if not isinstance(state, str) or state not in set(CameraState):
        raise WireError("a camera in an unknown state")
    if not isinstance(reason, str) or len(reason) > MAX_REASON_CHARACTERS:
        raise WireError("a reason that is too long")
    if reason and not is_acceptable(reason):
        raise WireError("a reason that is not text")
    return ScannerHealth(
        frames=_count(frames),
        last_frame_age_ms=None if last_frame_age_ms is None else _count(last_frame_age_ms),
        state=CameraState(state),
        reason=reason,
        unreadable=_count(unreadable),
        device=_word(device),
    )


def _word(value: object) -> str:
    if not isinstance(value, str) or _WORD.fullmatch(value) is None:
        raise WireError("a name that is not one")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise WireError("a number out of range")
    return value
