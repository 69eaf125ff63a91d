"""What a reload takes over from a new configuration: the keys marked live, and only those."""

from __future__ import annotations

from gated.config.explain import ChangedKeys, changed_keys
from gated.config.gate import GateConfig


def take_live(old: GateConfig, new: GateConfig) -> tuple[GateConfig, ChangedKeys]:
    """Return (``old`` with the live keys of ``new``, which keys differ).

    Raises: pydantic.ValidationError: the live keys do not fit what needs a restart.
    """
    changed = changed_keys(old, new)
    raw, fresh = old.model_dump(), new.model_dump()
    for path in changed.live:
        *tables, key = path.split(".")
        table, source = raw, fresh
        for name in tables:
            table, source = table[name], source[name]
        table[key] = source[key]
    return GateConfig.model_validate(raw), changed
