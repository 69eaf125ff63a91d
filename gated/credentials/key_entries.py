"""What is found in a file of keys, entry by entry: a key, or why it cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gated.credentials.trusted_keys import TrustedKey

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry, or part of one, that cannot be used: a sentence for the maintainer."""

    sentence: str


Entry: TypeAlias = TrustedKey | Problem
PRIVATE_KEY = Problem("a private key, refused; delete it here and keep it with the office only")
NO_KEY = Problem("neither certificates nor keys; take it out of the folder")
UNSUPPORTED_KEY = Problem("a kind of key that is not used here (Ed25519, P-256, RSA 2048–4096)")


def loaded(load: Callable[[bytes], _T], data: bytes) -> _T | None:
    """Return what ``load`` makes of ``data``, None if it cannot."""
    try:
        return load(data)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None
