"""Writes docs/config-reference.md and the JSON Schema from the models: they cannot drift apart."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any

from pydantic import BaseModel

from gated.config.collector import CollectorConfig
from gated.config.explain import toml_value
from gated.config.gate import GateConfig
from gated.config.keys import Key, Shape, catalogue

_HEAD = """\
# Configuration reference

Written by `gated config reference`; do not edit. The commented example: `gated config example`.

- `gated config check && sudo systemctl reload gated.target` after every change.
- An unknown key, a wrong type or a value out of bounds is an error; all are reported at once.
- *live*: a reload takes it over. *restart*: it needs `sudo systemctl restart gated.target`.
- A collector does not reload: after a change `gated config check /etc/gated/collector.toml`, then
  `sudo systemctl restart gated-collector`.
- **required**: there is no default. `-`: not set.
- A password never stands in the file: name the file that holds it (`…_file`).
"""


def example(model: type[BaseModel]) -> str:
    """Return the commented example file for ``model`` that ships with the package."""
    name = "collector.toml" if model is CollectorConfig else "example.toml"
    return resources.files("gated.config").joinpath(name).read_text(encoding="utf-8")


def schema(model: type[BaseModel] = GateConfig) -> dict[str, Any]:
    """Return the JSON Schema of ``model``, for editors that complete and check TOML."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(),
    }


def reference() -> str:
    """Return docs/config-reference.md."""
    return "\n".join(
        [
            _HEAD,
            "## `gated.toml`",
            "",
            *_tables(GateConfig),
            "## `collector.toml`",
            "",
            *_tables(CollectorConfig),
        ]
    )


def _tables(model: type[BaseModel]) -> Iterator[str]:
    keys = catalogue(model)
    for table in (key for key in keys if key.is_table):
        below = f"{table.path}{'[]' if table.shape is Shape.TABLES else ''}."
        members = [k for k in keys if k.path.startswith(below) and "." not in k.path[len(below) :]]
        title = table.path.replace("[]", "")
        yield f"### `{f'[{title}]' if '.' not in title else title}`"
        yield ""
        yield f"{table.en} {table.zh}"
        if table.takes_driver_keys:
            yield ""
            yield "Other keys belong to the driver; `gated config check` checks them."
        yield ""
        yield "| key | value | default | taken over | meaning | 含义 |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for key in members:
            name = key.path.rpartition(".")[2]
            yield (
                f"| `{name}` | {_value(key)} | {_default(key)} "
                f"| {'live' if key.is_live else 'restart'} | {key.en} | {key.zh} |"
            )
        yield ""


def _value(key: Key) -> str:
    bounds = key.allowed().replace("|", "\\|")
    if key.is_table:
        return f"{key.shape.value[0]}{f', {bounds}' if bounds else ''}"
    if key.choices:
        return f"{key.shape.value[0]} {bounds}"
    kind = key.shape.value[0]
    like = ", like " if key.example else ", "
    return f"{kind}{like}{bounds}" if bounds else kind


def _default(key: Key) -> str:
    if key.is_required:
        return "**required**"
    if key.default is None or (key.is_table and isinstance(key.default, BaseModel)):
        return "-"
    return f"`{toml_value(key.default)}`"
