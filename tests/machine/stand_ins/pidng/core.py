"""Stand-in: see the package."""

from __future__ import annotations


class PICAM2DNG:
    """Imported, never made."""
