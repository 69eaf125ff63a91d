"""Stand-in: see the package."""

from __future__ import annotations


class Picamera2Camera:
    """Imported, never made."""
