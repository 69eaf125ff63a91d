"""Deeds: what an order can ask of a gate, and how that is spelled. Pure.

A deed is a command's name and its arguments. What a later version may mean is refused by name, not
guessed.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gated.config.overlay import ConfigValue
from gated.contents import CommandName
from gated.credentials.cbor import CborKey, CborValue
from gated.credentials.malformed import MalformedCode
from gated.vocabulary import Mode
from gated.wire import is_name

MAX_COUNTER = 2**53 - 1
"""The largest that every JSON reader takes as it is."""
MAX_FOR_S = 366 * 86_400
MAX_RESENT = 10_000
MAX_LIST_BYTES = 3_500
"""Of a list, and of a file of keys."""
MAX_CONFIG_VALUES = 64
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}")
_CONFIG_PATH = re.compile(r"[a-z_]{1,32}(\.[a-z_0-9]{1,48}){1,3}")
_ANY_LINE = re.compile(r"[^\r\n]{0,200}")


class ListName(enum.StrEnum):
    """The lists that may be replaced by an order."""

    REVOCATIONS = "revocations"
    PERSONS = "persons"
    DUTY = "duty"


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer."""


@dataclass(frozen=True, slots=True)
class OpenOnce:
    """Open once, for whoever stands before the gate."""


@dataclass(frozen=True, slots=True)
class SetMode:
    mode: Mode
    for_s: int | None = None  # None: until it is changed


@dataclass(frozen=True, slots=True)
class SetDrill:
    is_on: bool


@dataclass(frozen=True, slots=True)
class Resend:
    """Send these records again, both ends included."""

    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class ReplaceList:
    """Put ``data`` in the place of a list that the configuration names."""

    which: ListName
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetConfig:
    """Let these values hold over the technician's file, and no others; none: the file alone."""

    values: Mapping[str, ConfigValue]


@dataclass(frozen=True, slots=True)
class RollBackConfig:
    """Let the values hold that held before."""


@dataclass(frozen=True, slots=True)
class AddTrust:
    """Let the public keys in ``data`` count, in the place of what had this name from the centre."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemoveTrust:
    """Let the keys that came from the centre under this name count no more."""

    name: str


@dataclass(frozen=True, slots=True)
class Diagnose:
    """Gather what helps to find a fault, and send it."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A later version's command, or arguments that this one does not know."""


Deed: TypeAlias = (
    Ping
    | OpenOnce
    | SetMode
    | SetDrill
    | Resend
    | ReplaceList
    | SetConfig
    | RollBackConfig
    | AddTrust
    | RemoveTrust
    | Diagnose
    | Unsupported
)

NAME_OF_DEED: Mapping[type[Deed], CommandName] = {
    Ping: CommandName.PING,
    OpenOnce: CommandName.OPEN,
    SetMode: CommandName.MODE,
    SetDrill: CommandName.DRILL,
    Resend: CommandName.RESEND,
    ReplaceList: CommandName.LIST,
    SetConfig: CommandName.CONFIG,
    RollBackConfig: CommandName.CONFIG,
    AddTrust: CommandName.TRUST,
    RemoveTrust: CommandName.TRUST,
    Diagnose: CommandName.DIAGNOSE,
    Unsupported: CommandName.UNSUPPORTED,
}

_BARE: Mapping[str, type[Ping | OpenOnce | Diagnose | Unsupported]] = {
    CommandName.PING: Ping,
    CommandName.OPEN: OpenOnce,
    CommandName.DIAGNOSE: Diagnose,
}
"""What has no arguments."""


def arguments_of(deed: Deed) -> dict[CborKey, CborValue]:
    """Return what ``parse_deed`` takes beside the command's name."""
    match deed:
        case SetMode(mode, None):
            return {"mode": mode.value}
        case SetMode(mode, for_s):
            return {"mode": mode.value, "for_s": for_s}
        case SetDrill(is_on):
            return {"is_on": is_on}
        case Resend(first_seq, last_seq):
            return {"first_seq": first_seq, "last_seq": last_seq}
        case ReplaceList(which, data):
            return {"list": which.value, "data": data}
        case SetConfig(values):
            return {"values": {path: _sent(value) for path, value in values.items()}}
        case RollBackConfig():
            return {"rollback": True}
        case AddTrust(name, data):
            return {"add": name, "data": data}
        case RemoveTrust(name):
            return {"remove": name}
        case _:
            return {}


def _sent(value: ConfigValue) -> CborValue:
    return [*value] if isinstance(value, list) else value


def parse_deed(command: CborValue, arguments: CborValue) -> Deed:  # noqa: PLR0912  one for each
    """Return what is to be done.

    Raises: MalformedCode: of another type, or a number or text that is out of its bounds.
    """
    word = matching_text(command, _WORD)
    if not isinstance(arguments, dict):
        raise MalformedCode("orders: the arguments are not a map")
    if not arguments:
        return _BARE.get(word, Unsupported)()
    match word, arguments:
        case CommandName.MODE, {"mode": str(mode), **rest} if mode in set(Mode):
            if not rest:
                return SetMode(Mode(mode))
            if rest.keys() == {"for_s"}:
                return SetMode(Mode(mode), bounded_integer(rest["for_s"], 1, MAX_FOR_S))
        case CommandName.DRILL, {"is_on": bool(is_on), **rest} if not rest:
            return SetDrill(is_on)
        case CommandName.RESEND, {"first_seq": first, "last_seq": last, **rest} if not rest:
            first_seq = bounded_integer(first, 1, MAX_COUNTER - MAX_RESENT)
            return Resend(first_seq, bounded_integer(last, first_seq, first_seq + MAX_RESENT - 1))
        case CommandName.LIST, {"list": str(name), "data": bytes(data), **rest} if not rest:
            if name in set(ListName) and len(data) <= MAX_LIST_BYTES:
                return ReplaceList(ListName(name), data)
        case CommandName.CONFIG, {"values": dict(values), **rest} if not rest:
            if len(values) <= MAX_CONFIG_VALUES:
                return SetConfig({_path(path): _value(value) for path, value in values.items()})
        case CommandName.CONFIG, {"rollback": True, **rest} if not rest:
            return RollBackConfig()
        case CommandName.TRUST, {"add": str(name), "data": bytes(data), **rest} if not rest:
            if is_name(name) and len(data) <= MAX_LIST_BYTES:
                return AddTrust(name, data)
        case CommandName.TRUST, {"remove": str(name), **rest} if not rest and is_name(name):
            return RemoveTrust(name)
        case _:
            pass
    return Unsupported()


def _path(value: CborKey) -> str:
    return matching_text(value, _CONFIG_PATH)


def _value(value: CborValue) -> ConfigValue:
    """Return a value for the configuration, which judges it; only its shape is looked at here."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list) and len(value) <= MAX_CONFIG_VALUES:
        return [matching_text(each, _ANY_LINE) for each in value]
    raise MalformedCode("orders: a value that no key of the configuration has")


def bounded_integer(value: CborValue, low: int, high: int) -> int:
    """Return ``value``. Raises: MalformedCode: no integer, or not of ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise MalformedCode("orders: a number that is out of its bounds")
    return value


def matching_text(value: CborValue, pattern: re.Pattern[str]) -> str:
    """Return ``value``. Raises: MalformedCode: no text, or not all of it matches."""
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise MalformedCode("orders: a text that is not of its form")
    return value
