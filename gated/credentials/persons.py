"""The list of persons who must see a member of staff (contacts, people under observation).

One pseudonym a line, as on the passes, then if wanted the last day on which it holds:

    s-0412 2026-12-06   # until the end of that day
    t-031               # until the line is taken out
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gated.credentials.gp1 import is_pseudonym
from gated.errors import ConfigError

MAX_FILE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PersonsList:
    """Pseudonym → last day, None for no end."""

    until: Mapping[str, date | None]

    def on(self, day: date) -> frozenset[str]:
        """Return who is listed on ``day``, the day at the site."""
        return frozenset(sub for sub, last in self.until.items() if last is None or day <= last)


def load_persons(path: Path) -> PersonsList:
    """Return the list in ``path``.

    Raises: ConfigError: unreadable, or lines that are not as described, all named by number. One
        wrong line refuses the file: skipping it would let in whom it stands for.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"persons list {path}: cannot be read ({exc.strerror})") from exc
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"persons list {path}: larger than 4 MiB")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as exc:
        raise ConfigError(f"persons list {path}: not UTF-8; save it as UTF-8 text") from exc
    until: dict[str, date | None] = {}
    wrong: list[str] = []
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        entry = _parse_entry(words)
        if entry is None:
            wrong.append(str(number))
            continue
        sub, last = entry
        # Listed twice: the longer one holds.
        if sub in until:
            known = until[sub]
            last = None if last is None or known is None else max(last, known)
        until[sub] = last
    if wrong:
        raise ConfigError(
            f"persons list {path}: not 'pseudonym [YYYY-MM-DD]' in line {', '.join(wrong)}"
        )
    return PersonsList(until)


def _parse_entry(words: list[str]) -> tuple[str, date | None] | None:
    sub, *rest = words
    if not is_pseudonym(sub) or len(rest) > 1:
        return None
    try:
        return sub, date.fromisoformat(rest[0]) if rest else None
    except ValueError:
        return None
