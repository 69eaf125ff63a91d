"""What uplink and controller hand each other unread. Pure.

A command on its way to the controller is one datagram. Diagnostics on their way out are a file that
the controller replaces; the uplink sends it in parts.
"""

from __future__ import annotations

from gated.contents import CommandReason

MAX_COMMAND_BYTES = 4_096
BUNDLE_FILE = "diagnostics.zip"
"""In the run folder."""
MAX_BUNDLE_BYTES = 262_144
PART_BYTES = 16_384
"""As large as a record may be: every broker that takes records takes this."""

# The datagram's first byte: how the payload came.
_FRESH = b"f"
_RETAINED = b"r"
_TOO_LARGE = b"l"  # its bytes are left behind


def frame(payload: bytes, *, is_retained: bool) -> bytes:
    """Return the datagram that carries ``payload`` to the controller."""
    if len(payload) > MAX_COMMAND_BYTES:
        return _TOO_LARGE
    return (_RETAINED if is_retained else _FRESH) + payload


def part_count(size_bytes: int) -> int:
    """Return in how many parts a bundle of ``size_bytes`` goes out."""
    return -(-size_bytes // PART_BYTES)


def unframe(datagram: bytes) -> bytes | CommandReason:
    """Return the payload, or why it is not even looked at."""
    how, payload = datagram[:1], datagram[1:]
    if how == _RETAINED:
        return CommandReason.RETAINED
    if how == _TOO_LARGE or len(payload) > MAX_COMMAND_BYTES:
        return CommandReason.TOO_LARGE
    return payload if how == _FRESH else CommandReason.MALFORMED
