"""The persons list: read as a whole, or refused with a sentence that quotes nothing of it."""

from __future__ import annotations

from fuzz import mutators
from fuzz.files import written
from fuzz.school import NOW
from fuzz.target import Escape, Target
from gated.credentials.gp1 import is_pseudonym
from gated.credentials.persons import load_persons
from gated.errors import ConfigError

SEEDS = (
    b"s-0412 2026-12-06   # until then\nt-031\n\n# nobody\n",
    b"\xef\xbb\xbfs-0412 2026-12-01 2026-12-06\r\ns-0412 2026-12-08\rt-031 # x\n",
    "s-1\u2028s-2 ２０２６-12-06\n".encode(),
)


def _run(data: bytes) -> bool:
    try:
        persons = load_persons(written(data, "persons"))
    except ConfigError as exc:
        if not str(exc).isprintable():
            raise Escape("a sentence that a terminal would obey") from exc
        return False
    if not all(is_pseudonym(sub) for sub in persons.on(NOW.date())):
        raise Escape("a person who is no pseudonym")
    return True


TARGET = Target(run=_run, seeds=lambda: SEEDS, mutate=mutators.of_bytes, max_cpu_ms=1_000.0)
