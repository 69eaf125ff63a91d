"""A command on its way from the uplink to the controller: one datagram, unread. Pure."""

from __future__ import annotations

from gated.contents import CommandReason

MAX_COMMAND_BYTES = 4_096

# The datagram's first byte: how the payload came.
_FRESH = b"f"
_RETAINED = b"r"
_TOO_LARGE = b"l"  # its bytes are left behind


def frame(payload: bytes, *, is_retained: bool) -> bytes:
    """Return the datagram that carries ``payload`` to the controller."""
    if len(payload) > MAX_COMMAND_BYTES:
        return _TOO_LARGE
    return (_RETAINED if is_retained else _FRESH) + payload


def unframe(datagram: bytes) -> bytes | CommandReason:
    """Return the payload, or why it is not even looked at."""
    how, payload = datagram[:1], datagram[1:]
    if how == _RETAINED:
        return CommandReason.RETAINED
    if how == _TOO_LARGE or len(payload) > MAX_COMMAND_BYTES:
        return CommandReason.TOO_LARGE
    return payload if how == _FRESH else CommandReason.MALFORMED
