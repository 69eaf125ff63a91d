"""Reads a configuration file: one clear refusal that lists everything that is wrong."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from gated.config.collector import CollectorConfig
from gated.config.faults import HIDDEN, explain, looks_secret
from gated.config.files import read_small_file
from gated.config.gate import GateConfig
from gated.errors import ConfigError

MAX_CONFIG_BYTES = 1_048_576
DEFAULT_FILE = Path("/etc/gated/gated.toml")

_POSITION = re.compile(r"\(at line (\d+), column (\d+)\)")
_FULL_WIDTH = re.compile(
    "[\u3000\u3001\u3002\u201c\u201d\u2018\u2019\uff02\uff03\uff07\uff0c\uff1a\uff1d\uff3b\uff3d\uff5b\uff5d]"
)
"""What a Chinese input method types in place of TOML's own signs."""
_LONGEST_LINE = 120

ConfigT = TypeVar("ConfigT", bound=BaseModel)


def default_file() -> Path:
    """Return where the gate's configuration is unless a command names another file."""
    return Path(os.environ.get("GATED_CONFIG") or DEFAULT_FILE)


def load_gate(path: Path) -> GateConfig:
    """Return the gate's configuration in the file at ``path``.

    Raises: ConfigError: listing everything that is wrong, one line each.
    """
    return parse_gate(read_text(path), str(path))


def load_collector(path: Path) -> CollectorConfig:
    """Return the collector's configuration in the file at ``path``. Raises: as ``load_gate``."""
    return parse_collector(read_text(path), str(path))


def parse_gate(text: str, origin: str) -> GateConfig:
    """Return the gate's configuration in ``text``; errors name ``origin``. Raises: ConfigError."""
    return _or_refuse(validate(GateConfig, parse_toml(text, origin)), origin)


def parse_collector(text: str, origin: str) -> CollectorConfig:
    """Return the collector's configuration in ``text``. Raises: ConfigError."""
    return _or_refuse(validate(CollectorConfig, parse_toml(text, origin)), origin)


def root_of(raw: Mapping[str, object]) -> type[GateConfig | CollectorConfig]:
    """Return whose configuration this is: a ``[collector]`` table makes it a collector's."""
    return CollectorConfig if "collector" in raw and "gate" not in raw else GateConfig


def validate(model: type[ConfigT], raw: Mapping[str, object]) -> ConfigT | tuple[str, ...]:
    """Return the configuration in ``raw``, or everything that is wrong, one line each."""
    try:
        return model.model_validate(raw)
    except ValidationError as exc:
        return explain(exc, model, raw)


def refuse(faults: Sequence[str], origin: str) -> NoReturn:
    """Raise ConfigError with all ``faults``."""
    count = "1 error" if len(faults) == 1 else f"{len(faults)} errors"
    listing = "".join(f"\n  {fault}" for fault in faults)
    raise ConfigError(f"{origin} has {count} (共 {len(faults)} 处错误):{listing}")


def _or_refuse(found: ConfigT | tuple[str, ...], origin: str) -> ConfigT:
    return refuse(found, origin) if isinstance(found, tuple) else found


def read_text(path: Path) -> str:
    """Return the text of the file at ``path``.

    Raises: ConfigError: missing, unreadable, writable by everybody, too long or not UTF-8.
    """
    try:
        data = read_small_file(
            path,
            most_bytes=MAX_CONFIG_BYTES,
            forbidden_mode=stat.S_IWOTH,
            why=f"can be changed by everybody on this machine: chmod o-w {path}",
        )
    except FileNotFoundError as exc:
        raise ConfigError(
            f"{path} is missing: write one with `gated config example > {path}` and edit it"
        ) from exc
    try:
        return data.decode("utf-8-sig")  # Windows editors put a mark in front
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise ConfigError(
            f"{path} is not UTF-8 (line {line}): save it as UTF-8 (请用 UTF-8 保存)"
        ) from exc


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """Return the tables in ``text``. Raises: ConfigError: with line, column and the line itself."""
    try:
        return tomllib.loads(text)
    except RecursionError as exc:
        raise ConfigError(f"{origin}: too many brackets inside each other (括号嵌套过深)") from exc
    except ValueError as exc:  # TOMLDecodeError, and what int() says of 5,000 digits
        raise ConfigError(_syntax_error(text, origin, str(exc))) from exc


def _syntax_error(text: str, origin: str, complaint: str) -> str:
    position = _POSITION.search(complaint)
    lines = text.splitlines() or [""]
    what = complaint[: position.start()].strip() if position else complaint
    if position:
        number, column = int(position[1]), int(position[2])
    else:  # "(at end of document)"
        number, column = len(lines), len(lines[-1]) + 1
    # tomllib counts \n only; splitlines() also knows others, which TOML refuses anyway
    line = lines[number - 1] if number <= len(lines) else ""
    head = f"{origin}, line {number}, column {column} (第 {number} 行): not TOML: {what}"
    name, equals, _ = line.partition("=")
    if looks_secret(name.strip()):
        return f"{head}\n  {name}{equals} {HIDDEN}"
    shown = line.expandtabs(1)[:_LONGEST_LINE]
    pointer = f"\n  {' ' * (column - 1)}^" if column <= _LONGEST_LINE else ""
    wide = _FULL_WIDTH.search(line.partition("#")[0])
    hint = (
        f"\n  {wide[0]} is a full-width sign: type it in English mode (全角符号，请改用半角)"
        if wide
        else ""
    )
    return f"{head}\n  {shown}{pointer}{hint}"
