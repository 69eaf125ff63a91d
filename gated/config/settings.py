"""What every section of a configuration file is made of: strict, frozen, able to explain itself."""

from __future__ import annotations

from typing import Any, ClassVar, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator
from pydantic_core import PydanticUndefined

REQUIRED: Any = PydanticUndefined
"""As a setting's default: the key must be in the file."""


class Settings(BaseModel):
    """A table of the configuration file. Frozen; an unknown key is an error; NaN is refused."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,  # a default may clash with a neighbour that was set
        str_max_length=1_000,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _can_be_printed(cls, value: object) -> object:
        # A NUL in a path or a line break in a name would surface far from here, and obscurely.
        if isinstance(value, str) and not value.isprintable():
            raise ValueError("holds a character that cannot be printed (含不可见字符)")
        return value


class Bounds(TypedDict, total=False):
    """What a value may be."""

    ge: float
    le: float
    gt: float
    pattern: str
    min_length: int
    max_length: int


def setting(
    default: object,
    *,
    en: str,
    zh: str,
    unit: str = "",
    live: bool = False,
    example: str | None = None,
    **bounds: Unpack[Bounds],
) -> Any:  # noqa: ANN401 - as pydantic.Field: it stands where a value of the field's type would
    """Return one key of a table, as pydantic's ``Field`` does.

    Args:
        default: the value when the file does not name the key, or ``REQUIRED``.
        en: what it means, for a technician who does not program.
        zh: the same in Simplified Chinese.
        unit: as printed after the value: °C, s, m, …
        live: whether SIGHUP takes it over; otherwise it needs a restart.
        example: what a text with a pattern looks like.
        **bounds: what the value may be; they are shown in every error and in the reference.
    """
    extra: dict[str, JsonValue] = {"description_zh": zh, "unit": unit, "live": live}
    examples = None if example is None else [example]
    return Field(default, description=en, examples=examples, json_schema_extra=extra, **bounds)
