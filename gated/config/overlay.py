"""The overlay: what the centre has set, over the technician's file. Live keys only.

The file stays the technician's and is never written. The overlay lies in the state folder, holds
values for keys that a reload takes over, and goes before the file for those. A key that needs a
restart (a device, a path, the broker, what is believed) cannot be in it. An overlay that does not
fit the file any more is out of force as a whole, and that is said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from gated.config.files import read_small_file
from gated.config.gate import GateConfig
from gated.config.keys import catalogue
from gated.config.load import load_gate, validate
from gated.durable import write_private_file
from gated.errors import ConfigError

OVERLAY_FILE = "overlay.json"
"""In the state folder."""
MAX_BYTES = 16_384

ConfigValue: TypeAlias = bool | int | float | str | list[str]


@dataclass(frozen=True, slots=True)
class Overlay:
    """What holds, and what held before it."""

    values: Mapping[str, ConfigValue] = field(default_factory=dict)
    previous: Mapping[str, ConfigValue] = field(default_factory=dict)

    def replaced(self, values: Mapping[str, ConfigValue]) -> Overlay:
        """Return the overlay in which ``values`` hold, and these before them."""
        return Overlay(dict(values), self.values)


@dataclass(frozen=True, slots=True)
class InForce:
    """The configuration that holds. ``problem``: why the overlay does not; "" if it does."""

    config: GateConfig
    problem: str = ""


def overlay_keys() -> frozenset[str]:
    """Return the keys that an overlay may set."""
    return frozenset(
        key.path
        for key in catalogue(GateConfig)
        if key.is_live and not key.is_table and "[]" not in key.path
    )


def with_overlay(config: GateConfig, values: Mapping[str, ConfigValue]) -> GateConfig:
    """Return ``config`` with ``values`` in it. Raises: ConfigError: everything that is wrong."""
    foreign = sorted(values.keys() - overlay_keys())
    if foreign:
        raise ConfigError(f"not a key that can be set from the centre: {', '.join(foreign)}")
    raw = config.model_dump()
    for path, value in values.items():
        *tables, name = path.split(".")
        table = raw
        for each in tables:
            table = table[each]
        table[name] = value
    found = validate(GateConfig, raw)
    if isinstance(found, tuple):
        raise ConfigError("; ".join(found))
    return found


def load_in_force(path: Path) -> InForce:
    """Return the file at ``path`` under the overlay of its state folder.

    Raises: ConfigError: the file itself cannot be used.
    """
    config = load_gate(path)
    try:
        overlay = read_overlay(config.paths.state)
        return InForce(with_overlay(config, overlay.values))
    except ConfigError as exc:
        return InForce(config, f"what the centre has set is out of force: {exc}")


def read_overlay(state: Path) -> Overlay:
    """Return the overlay in the folder ``state``. Raises: ConfigError: it cannot be read."""
    path = state / OVERLAY_FILE
    try:
        data = read_small_file(path, most_bytes=MAX_BYTES, forbidden_mode=0, why="")
    except FileNotFoundError:
        return Overlay()
    try:
        raw: object = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path}: not readable as JSON") from exc
    match raw:
        case {"v": 1, "values": dict() as values, "previous": dict() as previous}:
            return Overlay(values, previous)
        case _:
            raise ConfigError(f"{path}: not an overlay")


def write_overlay(state: Path, overlay: Overlay) -> None:
    """Replace the overlay, durably and as a whole. Raises: CannotWrite."""
    raw = {"v": 1, "values": dict(overlay.values), "previous": dict(overlay.previous)}
    write_private_file(state / OVERLAY_FILE, json.dumps(raw, ensure_ascii=False).encode())
