"""Writes a gate's configuration for people: the commented example, with somebody's own values.

What comes out says the same as what went in. Keys that were not given keep their line: as it is
where it shows the default, behind a ``#`` where the example shows a wish.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gated.config.explain import toml_value
from gated.config.gate import GateConfig
from gated.config.keys import catalogue
from gated.config.reference import example

_SECTION = re.compile(r"\[(\w+)\]")
_ENTRY = re.compile(r"(?P<off># )?(?P<key>[a-z_]+) = ")
_COMMENT_COLUMN = 34


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key of the example with its lines."""

    name: str
    value: object
    is_on: bool
    lines: tuple[str, ...]
    comment: str  # behind the value, with its "#"


def commented(raw: Mapping[str, Any]) -> str:
    """Return a file that loads to what ``raw`` loads to, in the words of the example.

    Args:
        raw: the tables of a valid gate's configuration, as TOML gives them.
    """
    defaults = {key.path: key.default for key in catalogue(GateConfig)}
    written: list[str] = []
    section = ""
    for part in _parts(example(GateConfig).splitlines()):
        if isinstance(part, str):
            heading = _SECTION.match(part)
            section = heading[1] if heading else section
            written.append(part)
            continue
        table = raw.get(section, {})
        if part.name in table:
            written.append(_line(part, table[part.name]))
        elif part.is_on and not _is_default(part.value, defaults[f"{section}.{part.name}"]):
            written += [f"# {line}" for line in part.lines]
        else:
            written += part.lines
    return "\n".join(written) + "\n"


def _parts(lines: list[str]) -> Iterator[_Entry | str]:
    """Yield the example's keys, and between them its other lines as they are."""
    at = 0
    while at < len(lines):
        found = _ENTRY.match(lines[at])
        if found is None:
            yield lines[at]
            at += 1
            continue
        off = found["off"] or ""
        for end in range(at + 1, len(lines) + 1):  # a list may take several lines
            taken = lines[at:end]
            read = _read("\n".join(line.removeprefix(off) for line in taken))
            if read is not None:
                value, comment = read
                yield _Entry(found["key"], value, not off, tuple(taken), comment)
                at = end
                break


def _read(text: str) -> tuple[object, str] | None:
    """Return the value in ``text`` and the comment behind it; None: it goes on."""
    try:
        (value,) = tomllib.loads(text).values()
    except tomllib.TOMLDecodeError:
        return None
    for sign in re.finditer(r"\s+#", text):  # a sign inside a text leaves half of it, no TOML
        try:
            if tomllib.loads(text[: sign.start()]):
                return value, text[sign.start() :].strip()
        except tomllib.TOMLDecodeError:
            continue
    return value, ""


def _line(entry: _Entry, value: object) -> str:
    text = f"{entry.name} = {toml_value(value)}"
    return f"{text:<{_COMMENT_COLUMN - 1}} {entry.comment}".rstrip()


def _is_default(value: object, default: object) -> bool:
    if isinstance(default, BaseModel):
        return False
    if isinstance(default, tuple):
        return value == list(default)
    return value == (str(default) if isinstance(default, Path) else default)
