"""The catalogue of every key: errors, ``gated config show`` and the reference come from it."""

from __future__ import annotations

import enum
import types
import typing
from dataclasses import dataclass
from pathlib import Path

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gated.config.sensors import DriverSettings


class Shape(enum.Enum):
    """What may stand to the right of the equals sign: (English, Chinese)."""

    NUMBER = ("a number", "数字")
    WHOLE = ("a whole number", "整数")
    SWITCH = ("true or false", "true 或 false")
    TEXT = ("a text in quotes", "带引号的文字")
    TEXTS = ("a list of texts in quotes", "列表，各项为带引号的文字")
    CHOICE = ("one of", "只能是")
    CHOICES = ("a list of", "列表，只能是")
    TABLE = ("a table", "表")
    TABLES = ("a list of tables", "表的列表")


_SHAPE_OF_TYPE: dict[object, Shape] = {
    float: Shape.NUMBER,
    int: Shape.WHOLE,
    bool: Shape.SWITCH,
    str: Shape.TEXT,
    Path: Shape.TEXT,
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a configuration file."""

    path: str  # temperature.thermometers[].name
    shape: Shape
    en: str
    zh: str
    unit: str
    is_live: bool
    is_required: bool
    default: object  # None where there is none
    lowest: float | None = None
    is_lowest_included: bool = True
    highest: float | None = None
    choices: tuple[str, ...] = ()
    fewest: int | None = None  # characters or entries
    most: int | None = None
    example: str = ""
    takes_driver_keys: bool = False

    @property
    def is_table(self) -> bool:
        return self.shape in {Shape.TABLE, Shape.TABLES}

    def allowed(self, to: str = " … ") -> str:
        """Return the bounds or choices with their unit, or "" if there are none."""
        if self.choices:
            return " | ".join(self.choices)
        unit = f" {self.unit}" if self.unit else ""
        if self.lowest is not None and self.highest is not None:
            return f"{self.lowest}{to}{self.highest}{unit}"
        if self.shape is Shape.TABLES and self.most is not None:
            return f"{self.fewest or 0}{to}{self.most}"
        return self.example and f'"{self.example}"'

    def demand(self) -> str:
        """Return what the value must be, in both languages."""
        english, chinese = self.shape.value
        if self.choices:
            return f"must be {english} ({chinese}) {self.allowed()}"
        if self.shape in {Shape.NUMBER, Shape.WHOLE} and self.allowed():
            whole = "a whole number, " if self.shape is Shape.WHOLE else ""
            return f"must be {whole}{self.allowed()} (允许 {self.allowed('–')})"
        if self.shape is Shape.TABLES and self.allowed():
            return f"must be {english} with {self.allowed()} entries (须为{chinese})"
        if self.example:
            return f'must look like (格式如) "{self.example}"'
        return f"must be {english} (须为{chinese})"


def catalogue(model: type[BaseModel], prefix: str = "") -> tuple[Key, ...]:
    """Return every key below ``model`` in the order of the file, each table before its keys."""
    keys: list[Key] = []
    for name, field in model.model_fields.items():
        inner, is_list = _inner_type(field.annotation)
        key = _key(f"{prefix}{name}", field, inner, is_list=is_list)
        keys.append(key)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys.extend(catalogue(inner, f"{key.path}{'[]' if is_list else ''}."))
    return tuple(keys)


def _inner_type(annotation: object) -> tuple[object, bool]:
    """Return (the type without Optional, Annotated and tuple, whether it was a tuple)."""
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        annotation = next(a for a in typing.get_args(annotation) if a is not types.NoneType)
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) is tuple:
        return typing.get_args(annotation)[0], True
    return annotation, False


def _key(path: str, field: FieldInfo, inner: object, *, is_list: bool) -> Key:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    bounds = {type(bound): bound for bound in field.metadata}
    ge, gt, le = bounds.get(Ge), bounds.get(Gt), bounds.get(Le)
    shortest, longest = bounds.get(MinLen), bounds.get(MaxLen)
    is_table = isinstance(inner, type) and issubclass(inner, BaseModel)
    choices = _choices(inner)
    if is_table:
        shape = Shape.TABLES if is_list else Shape.TABLE
    elif choices:
        shape = Shape.CHOICES if is_list else Shape.CHOICE
    else:
        shape = Shape.TEXTS if is_list else _SHAPE_OF_TYPE.get(inner, Shape.TEXT)
    return Key(
        path=path,
        shape=shape,
        en=field.description or "",
        zh=str(extra.get("description_zh", "")),
        unit=str(extra.get("unit", "")),
        is_live=extra.get("live") is True,
        is_required=field.is_required(),
        default=None if field.is_required() else field.default,
        lowest=ge.ge if ge else gt.gt if gt else None,
        is_lowest_included=gt is None,
        highest=le.le if le else None,
        choices=choices,
        fewest=shortest.min_length if shortest else None,
        most=longest.max_length if longest else None,
        example=str(field.examples[0]) if field.examples else "",
        takes_driver_keys=isinstance(inner, type) and issubclass(inner, DriverSettings),
    )


def _choices(inner: object) -> tuple[str, ...]:
    if isinstance(inner, type) and issubclass(inner, enum.StrEnum):
        return tuple(member.value for member in inner)
    if typing.get_origin(inner) is typing.Literal:
        return tuple(str(value) for value in typing.get_args(inner))
    return ()
