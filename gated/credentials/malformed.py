"""The one exception of the parsers in this package."""

from __future__ import annotations

from gated.errors import GatedError


class MalformedCode(GatedError, ValueError):
    """A code's text or bytes are not what their format says.

    Raised by the parsers and caught in ``verify``, which answers ``malformed``. The message names
    the rule that was broken and never quotes the code.
    """
