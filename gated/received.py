"""A record as its receiver reads it: every member of the head and of its kind is checked. Pure.

What is written, and how, is ``gated/wire.py``'s and ``gated/contents.py``'s.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for it up to Python 3.11

from gated.clock import TimeQuality
from gated.contents import CONTENT_OF_KIND
from gated.errors import WireError
from gated.vocabulary import Mode
from gated.wire import parse_json


class Record(BaseModel):
    """The head of every record. Later versions may add members."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    v: Literal[1]
    kind: Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
    site: str
    gate: str
    epoch: Annotated[str, Field(pattern=r"^[a-z2-7]{16}$")]
    seq: Annotated[int, Field(ge=1, lt=2**63)]
    at: str
    time_quality: TimeQuality
    boot: int
    boot_ms: int
    mode: Mode
    drill: bool
    rules: str
    software: str
    prev: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]

    def member(self, name: str) -> object:
        """Return a member that belongs to the record's kind, or None."""
        extra = self.__pydantic_extra__
        return None if extra is None else extra.get(name)


_CONTENTS = {kind.value: content for kind, content in CONTENT_OF_KIND.items()}


def parse_record(body: bytes) -> Record:
    """Return the record in ``body``. A known kind's own members are checked too.

    Raises: WireError: with the first thing that is wrong.
    """
    raw = parse_json(body)
    _check(raw)
    return Record.model_validate(raw)


def parse_members(body: bytes) -> Mapping[str, Any]:
    """Return the members of the record in ``body``, each of its type: those that we know.

    As strict as ``parse_record``, in two thirds of its time.

    Raises: WireError: with the first thing that is wrong.
    """
    return _check(parse_json(body))


def _check(raw: Mapping[str, object]) -> Mapping[str, Any]:
    kind = raw.get("kind")
    try:
        members = _whole(kind if isinstance(kind, str) and kind in _CONTENTS else "")
        return members.validate_python(raw)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WireError(f"{where}: {first['msg']}") from exc


@functools.cache
def _whole(kind: str) -> TypeAdapter[dict[str, Any]]:
    """Return what checks the head and a known kind's members in one go; of "" the head alone.

    Two models, one after the other, take four times as long. Made when they are first needed: not
    every process reads records.
    """
    content = _CONTENTS.get(kind)
    fields = Record.model_fields | ({} if content is None else content.model_fields)
    members: dict[str, Any] = {}
    for name, field in fields.items():
        one = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        members[name] = one if field.is_required() else NotRequired[one]
    make: Any = TypedDict  # what mypy cannot follow: its members are not written here
    whole = make("whole", members)
    whole.__pydantic_config__ = ConfigDict(allow_inf_nan=False)
    return TypeAdapter(whole)
