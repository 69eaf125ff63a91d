"""Turns pydantic's complaints into lines that a technician can act on."""

from __future__ import annotations

import datetime as dt
import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gated.config.former import FORMER
from gated.config.keys import Key, Shape, catalogue

_SECRET_WORD = re.compile(r"password|passwd|secret|token|(^|_)(key|pin)$", re.IGNORECASE)
HIDDEN = "********"
_LONGEST_SHOWN = 60
_LARGEST_SHOWN = 10**18

_SHAPE_OF_ENTRY = {Shape.CHOICES: Shape.CHOICE, Shape.TEXTS: Shape.TEXT}

Path = tuple[int | str, ...]


def looks_secret(name: str) -> bool:
    """Return whether a key of this name would hold a secret itself, not a reference to one."""
    return _SECRET_WORD.search(name) is not None and not name.endswith(("_file", "_id"))


def explain(
    error: ValidationError, model: type[BaseModel], raw: Mapping[str, object]
) -> tuple[str, ...]:
    """Return one line for each thing that is wrong: path, value, what it must be."""
    keys = {key.path: key for key in catalogue(model)}
    lines = (
        _line(details, keys, raw)
        for details in error.errors(include_url=False, include_input=False)
        if not _is_echo(details, raw)
    )
    return tuple(dict.fromkeys(lines))  # what fits no type of a union is reported once for each


def _is_echo(details: ErrorDetails, raw: Mapping[str, object]) -> bool:
    """Return whether a list is only called too short because its entries were refused."""
    entries = _lookup(raw, details["loc"])
    return details["type"] == "too_short" and isinstance(entries, list) and len(entries) > 0


def _line(details: ErrorDetails, keys: Mapping[str, Key], raw: Mapping[str, object]) -> str:
    location, key = _find_key(details["loc"], keys, raw)
    shown = _label(location, raw)
    kind = details["type"]
    if kind == "extra_forbidden":
        former = FORMER.get(_canonical(location))
        if former is not None:
            return f"{shown} : {former}"
        return f"{shown} : unknown key (没有这个键){_did_you_mean(location, keys)}"
    if kind == "missing":
        meaning = f": {key.en} {key.zh}".rstrip() if key else ""
        return f"{shown} : is missing (缺少){meaning}{_misspelt(location, raw)}"
    found = _lookup(raw, location)
    name = str(location[-1]) if location else ""
    if found is not _ABSENT and location:  # of the whole file its message says where
        value = f" = {show_value(found, name)}"
    else:  # a default that clashes with a neighbour
        value = f" = {show_value(key.default, name)} (default)" if key and key.default else ""
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return f"{shown}{value} : {cause}".removeprefix(" : ")
    if key is None:
        demand = "must be a text, a number, true or false (须为文字、数字或 true/false)"
    elif kind == "string_too_short":
        demand = "is empty (不能为空)"
    elif kind == "string_too_long" or (kind == "path_type" and isinstance(found, str)):
        demand = "is too long (太长)"
    elif kind == "string_pattern_mismatch" and not key.example:
        demand = f"must be: {key.en}"
    elif key.shape in _SHAPE_OF_ENTRY and isinstance(location[-1], int):
        demand = replace(key, shape=_SHAPE_OF_ENTRY[key.shape]).demand()
    else:
        demand = key.demand()
    return f"{shown}{value} : {demand}"


def _find_key(
    location: Path, keys: Mapping[str, Key], raw: Mapping[str, object]
) -> tuple[Path, Key | None]:
    """Return the part of ``location`` that stands in the file, and its key if it is ours.

    pydantic appends the branch of a union to the location of a driver's own key.
    """
    for end in range(len(location), 0, -1):
        key = keys.get(_canonical(location[:end]))
        if key is None:
            continue
        if end < len(location) and key.takes_driver_keys and not isinstance(location[end], int):
            return location[: end + 1], None
        if end + 1 < len(location) and key.takes_driver_keys:
            return location[: end + 2], None
        if end < len(location) and _lookup(raw, location) is _ABSENT:
            return location[:end], key
        return location, key
    return location, None


def _canonical(location: Path) -> str:
    text = ""
    for part in location:
        text += "[]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _label(location: Path, raw: Mapping[str, object]) -> str:
    """Return ``location`` as a person would say it: a list's entry by its name if it has one."""
    text = ""
    for end, part in enumerate(location, 1):
        if isinstance(part, str):
            # a quoted key can hold anything, even line breaks that would forge a line of ours
            text += f".{part if part.isprintable() else json.dumps(part)}"
            continue
        entry = _lookup(raw, location[:end])
        name = entry.get("name") if isinstance(entry, Mapping) else None
        text += f"[{name}]" if isinstance(name, str) and name.isprintable() else f"[#{part + 1}]"
    return text.removeprefix(".")


class _Absent:
    pass


_ABSENT = _Absent()


def _lookup(raw: object, location: Path) -> object:
    for part in location:
        if isinstance(raw, Mapping):
            raw = raw.get(str(part), _ABSENT)
        elif isinstance(raw, list) and isinstance(part, int) and part < len(raw):
            raw = raw[part]
        else:
            return _ABSENT
    return raw


def show_value(value: object, name: str = "") -> str:
    """Return ``value`` as TOML would write it, short, with anything that may be secret hidden."""
    if looks_secret(name):
        return HIDDEN
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # user:password@host: whoever writes a password into a URL should not find it in a log
        text = HIDDEN if "@" in value else json.dumps(value, ensure_ascii=False)
    elif isinstance(value, Mapping):
        text = "{…}"
    elif isinstance(value, list | tuple):
        text = "[…]"
    elif isinstance(value, dt.date | dt.time):
        text = value.isoformat()
    elif isinstance(value, int) and abs(value) > _LARGEST_SHOWN:
        text = "a very large number"
    else:
        text = str(value)
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _did_you_mean(location: Path, keys: Mapping[str, Key]) -> str:
    """Return a hint at a key of the same table, or else of another one."""
    wrong = str(location[-1])
    table = _canonical(location[:-1])
    siblings = {path.rpartition(".")[2]: path for path in keys if path.rpartition(".")[0] == table}
    close = difflib.get_close_matches(wrong, siblings, n=1)
    if close:
        return f": did you mean {close[0]}? (是不是 {close[0]}?)"
    elsewhere: dict[str, str] = {}
    for path in keys:
        elsewhere.setdefault(path.rpartition(".")[2], path)
    close = difflib.get_close_matches(wrong, elsewhere, n=1)
    if close:
        return f": did you mean {elsewhere[close[0]]}? (是不是 {elsewhere[close[0]]}?)"
    return ""


def _misspelt(location: Path, raw: Mapping[str, object]) -> str:
    """Return a hint at a key beside the missing one that was probably meant to be it.

    Matters where a table takes any key, because a driver's keys belong there too.
    """
    table = _lookup(raw, location[:-1])
    if not isinstance(table, Mapping):
        return ""
    close = difflib.get_close_matches(str(location[-1]), [str(k) for k in table], n=1, cutoff=0.75)
    return f" (found {close[0]})" if close else ""
