"""Finds a person or a pass by what somebody at the counter has: a name, a pseudonym, a number."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gated.office.headings import Unfit, name_of, plain
from gated.office.passes import Holder, RegisteredPass

_NUMBER = re.compile(r"(?:no\.?|№|#)? ?0*([0-9]{1,9})", re.ASCII | re.IGNORECASE)


def find_passes(word: str, passes: Iterable[RegisteredPass]) -> tuple[RegisteredPass, ...]:
    """Return the passes with that number, and those of whoever has that pseudonym or name."""
    match = _NUMBER.fullmatch(plain(word).replace("№", "No"))
    number = int(match[1]) if match else None
    items = tuple(passes)
    whose = {holder.pseudonym for holder in find_holders(word, (item.holder for item in items))}
    return tuple(item for item in items if item.number == number or item.holder.pseudonym in whose)


def find_holders(word: str, holders: Iterable[Holder]) -> tuple[Holder, ...]:
    """Return who has that pseudonym, or else that name; each once."""
    known = {holder.pseudonym: holder for holder in holders}
    pseudonym = plain(word)
    if pseudonym in known:
        return (known[pseudonym],)
    try:
        name = name_of(word)
    except Unfit:
        return ()
    return tuple(holder for holder in known.values() if holder.name == name)
