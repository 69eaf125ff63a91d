"""What a configuration says: as TOML, as a table, and what changed between two of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gated.config.collector import CollectorConfig
from gated.config.faults import HIDDEN, looks_secret
from gated.config.gate import GateConfig
from gated.config.keys import Key, Shape, catalogue

Config = GateConfig | CollectorConfig

_RULES = ("temperature", "checks", "certificates", "visit")
"""The sections that a decision depends on; with them go some keys of others."""
_RULE_KEYS = {
    "scanner": ("colour",),
    "credentials": ("revocations_max_age_days", "when_revocations_old"),
    "verifier": ("enabled", "when_unreachable", "cache_s", "cache_max_age_s", "category"),
}


@dataclass(frozen=True, slots=True)
class ChangedKeys:
    """The dotted paths that differ between two configurations."""

    live: tuple[str, ...]  # a reload takes them over
    needs_restart: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.live or self.needs_restart)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of ``gated config show``."""

    path: str
    value: str
    unit: str
    is_set: bool  # in the file, not a default
    is_live: bool


def dump_toml(config: Config) -> str:
    """Return ``config`` as TOML that loads to the same configuration."""
    return dump_tables(config.model_dump(mode="json", exclude_none=True))


def masked(config: Config) -> str:
    """Return ``config`` as TOML for people to look at: whatever may be a secret is hidden."""
    return dump_tables(_hide(config.model_dump(mode="json", exclude_none=True)))


def with_paths(
    config: GateConfig,
    *,
    state: Path | None = None,
    run: Path | None = None,
    broker: str | None = None,
    trust: Path | None = None,
    site_key_file: Path | None = None,
) -> GateConfig:
    """Return ``config`` with these places in place of its own. Raises: pydantic.ValidationError."""
    raw = config.model_dump()
    for table, key, value in (
        ("paths", "state", state),
        ("paths", "run", run),
        ("uplink", "broker", broker),
        ("credentials", "trust", trust),
        ("credentials", "site_key_file", site_key_file),
    ):
        if value is not None:
            raw[table][key] = value
    return GateConfig.model_validate(raw)


def changed_keys(old: Config, new: Config) -> ChangedKeys:
    """Return which keys a reload from ``old`` to ``new`` would take over, and which not.

    A list of tables counts as one key.
    """
    keys = {key.path: key for key in catalogue(type(new))}
    before, after = dict(_leaves(old, keys)), dict(_leaves(new, keys))
    paths = [p for p in {**before, **after} if before.get(p) != after.get(p)]
    live = tuple(path for path in paths if keys[path].is_live)
    return ChangedKeys(live, tuple(path for path in paths if path not in live))


def rules_version(config: GateConfig) -> str:
    """Return the name of the rules in force, as every record quotes it: same rules, same name."""
    raw = config.model_dump(mode="json")
    rules = {name: raw[name] for name in _RULES} | {
        table: {key: raw[table][key] for key in keys} for table, keys in _RULE_KEYS.items()
    }
    text = json.dumps(rules, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"r-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def rows(config: Config) -> list[Row]:
    """Return every key with the value in force, in the order of the file. Secrets are hidden."""
    keys = {key.path: key for key in catalogue(type(config))}
    result: list[Row] = []
    for path, value in _leaves(config, keys):
        key, is_set = keys[path], _is_set(config, path)
        if key.shape is Shape.TABLES and isinstance(value, tuple):
            shown = {f"{path}[{entry.name}]": entry for entry in value}
        else:
            shown = {path: value}
        result += [
            Row(label, toml_value(_plain(part)), key.unit, is_set=is_set, is_live=key.is_live)
            for label, part in shown.items()
        ]
    return result


def _leaves(
    table: BaseModel, keys: Mapping[str, Key], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """Yield (path, value) of every key below ``table``; a device and a list of them are one key."""
    for name in type(table).model_fields:
        path, value = f"{prefix}{name}", getattr(table, name)
        if isinstance(value, BaseModel) and not keys[path].takes_driver_keys:
            yield from _leaves(value, keys, f"{path}.")
        else:
            yield path, value


def _is_set(config: BaseModel, path: str) -> bool:
    table: object = config
    for part in path.split("."):
        if not isinstance(table, BaseModel) or part not in table.model_fields_set:
            return False
        table = getattr(table, part)
    return True


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, BaseModel):
        return _hide(value.model_dump(mode="json", exclude_none=True))
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def _hide(value: Any, name: str = "") -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _hide(entry, key) for key, entry in value.items()}
    if isinstance(value, list):
        return [_hide(entry, name) for entry in value]
    return HIDDEN if looks_secret(name) else value


def dump_tables(raw: Mapping[str, Any]) -> str:
    """Return ``raw``, the tables of a configuration, as TOML."""
    lines: list[str] = []
    for section, table in raw.items():
        lines += [
            f"[{section}]",
            *(f"{key} = {toml_value(value)}" for key, value in table.items()),
            "",
        ]
    return "\n".join(lines)


def toml_value(value: object) -> str:
    """Return ``value`` as TOML writes it; ``-`` for None, which TOML has no word for."""
    match value:
        case None:
            return "-"
        case bool():
            return "true" if value else "false"
        case str() | Path():
            # TOML's basic strings have JSON's escapes
            return json.dumps(str(value), ensure_ascii=False)
        case Mapping():
            pairs = ", ".join(
                f"{_toml_key(key)} = {toml_value(entry)}" for key, entry in value.items()
            )
            return f"{{ {pairs} }}"
        case list() | tuple():
            if value and all(isinstance(entry, Mapping) for entry in value):
                return "[\n" + "".join(f"  {toml_value(entry)},\n" for entry in value) + "]"
            return f"[{', '.join(map(toml_value, value))}]"
        case _:
            return repr(value)


def _toml_key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else json.dumps(name)
