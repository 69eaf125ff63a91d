"""Stand-in for kms++'s module, which Debian does not have: Picamera2 needs it for previews only."""

from __future__ import annotations


class _Names(type):
    def __getattr__(cls, name: str) -> str:
        return name


class PixelFormat(metaclass=_Names):
    """Picamera2 makes a table of its members when it is imported."""
