"""``gated command trust``: which file of keys goes to a gate, and what it is called there."""

from __future__ import annotations

import re
from pathlib import Path

from gated.controller.pushed_trust import why_not_pushable
from gated.credentials.trust import parse_key_file
from gated.deeds import AddTrust, RemoveTrust
from gated.errors import GatedError
from gated.wire import is_name

_SUFFIX = re.compile(r"(\.(jwks|jwk))?\.(json|pem|der|crt|cer|pub)$", re.IGNORECASE)


def addition(path: Path, data: bytes, name: str | None) -> AddTrust:
    """Return the order that lets the keys in ``data``, the file at ``path``, count at a gate.

    Raises: GatedError: a file that no gate would take; a private key, above all, is not sent.
    """
    refusal = why_not_pushable(parse_key_file(data, path.name))
    if refusal is not None:
        raise GatedError(f"{path}: {refusal} (此文件不可远程添加)")
    return AddTrust(_checked(_SUFFIX.sub("", path.name).lower() if name is None else name), data)


def removal(name: str) -> RemoveTrust:
    """Raises: GatedError: no name."""
    return RemoveTrust(_checked(name))


def _checked(name: str) -> str:
    if not is_name(name):
        raise GatedError(
            f"--name {name!a}: the keys' name at the gate is of lower-case letters, digits "
            "and - (名称只能用小写字母、数字和 -)"
        )
    return name
