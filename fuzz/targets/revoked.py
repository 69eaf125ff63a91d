"""The plain list of revoked ids: read as a whole, or refused."""

from __future__ import annotations

from fuzz import mutators
from fuzz.files import written
from fuzz.target import Escape, Target
from gated.credentials.revoked import load_revoked
from gated.errors import ConfigError

SEEDS = (
    b"0011223344556677  # lost\n\n# a key\n8899aabbccddeeff\n",
    b"00 11 22\n",
    b"\xef\xbb\xbf00\n",
)


def _run(data: bytes) -> bool:
    try:
        load_revoked(written(data, "revoked"))
    except ConfigError as exc:
        if not str(exc).isprintable():
            raise Escape("a sentence that a terminal would obey") from exc
        return False
    return True


TARGET = Target(run=_run, seeds=lambda: SEEDS, mutate=mutators.of_bytes, max_cpu_ms=1_000.0)
