"""Lists of persons by day: who must see a member of staff, and who is on duty.

One pseudonym a line, as on the passes, then if wanted the last day on which it holds, or the first
and the last:

    s-0412 2026-12-06              # until the end of that day
    t-031                          # until the line is taken out
    t-007 2026-12-01 2026-12-06    # from the first to the last day
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from gated.credentials.gp1 import is_pseudonym
from gated.errors import ConfigError

MAX_FILE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Days:
    """From the first to the last day, both included; None: no such end."""

    first: date | None = None
    last: date | None = None

    def __contains__(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class PersonsList:
    """Pseudonym → when it is listed. Listed twice: on the days of both."""

    days: Mapping[str, tuple[Days, ...]] = field(default_factory=dict)

    def on(self, day: date) -> ListedOn:
        """Return who is listed on ``day``, the day at the site."""
        return ListedOn(self.days, day)


class ListedOn(AbstractSet[str]):
    """Who is listed on one day. Asked for each code, so it looks up and copies nothing."""

    def __init__(self, days: Mapping[str, tuple[Days, ...]], day: date) -> None:
        self._days = days
        self._day = day

    def __contains__(self, sub: object) -> bool:
        spans = self._days.get(sub, ()) if isinstance(sub, str) else ()
        return any(self._day in span for span in spans)

    def __iter__(self) -> Iterator[str]:
        return (sub for sub in self._days if sub in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def load_persons(path: Path, name: str = "persons list") -> PersonsList:
    """Return the list in ``path``; ``name`` is what errors call it.

    Raises: ConfigError: unreadable, or lines that are not as described, all named by number. One
        wrong line refuses the file: skipping it would let in whom it stands for.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"{name} {path}: cannot be read ({exc.strerror})") from exc
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{name} {path}: larger than 4 MiB")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{name} {path}: not UTF-8; save it as UTF-8 text") from exc
    listed: dict[str, tuple[Days, ...]] = {}
    wrong: list[str] = []
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        entry = _parse_entry(words)
        if entry is None:
            wrong.append(str(number))
            continue
        sub, days = entry
        listed[sub] = (*listed.get(sub, ()), days)
    if wrong:
        raise ConfigError(
            f"{name} {path}: not 'pseudonym [[first day] last day]', days as 2026-12-06, in line "
            f"{', '.join(wrong)}"
        )
    return PersonsList(listed)


def _parse_entry(words: list[str]) -> tuple[str, Days] | None:
    sub, *rest = words
    if not is_pseudonym(sub):
        return None
    try:
        match [date.fromisoformat(word) for word in rest]:
            case []:
                return sub, Days()
            case [last]:
                return sub, Days(None, last)
            case [first, last] if first <= last:
                return sub, Days(first, last)
    except ValueError:
        pass  # the same answer as for too many words
    return None
