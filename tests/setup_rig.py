"""A card before its first start: an empty configuration folder, and a folder for setup files."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gated.credentials.keys import public_key_set
from tests.config_texts import MINIMAL

OFFICE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OFFICE_KEYS = public_key_set(OFFICE.public_key())
ISSUER = "office.jwks.json"
PASSWORD = "correct-horse"


class Card:
    """What setup reads and writes."""

    def __init__(self, folder: Path) -> None:
        self.etc, self.boot = folder / "etc", folder / "boot"
        self.config = self.etc / "gated.toml"
        self.boot.mkdir(parents=True)
        (self.boot / ISSUER).write_text(OFFICE_KEYS, encoding="utf-8")
        self.file = self.boot / "gated-setup.toml"

    def ask_for(self, setup: str, tables: str = MINIMAL) -> None:
        """Write the setup file: ``setup`` is what stands in its own table."""
        self.file.write_text(f"[setup]\n{setup}\n{tables}", encoding="utf-8")

    def etc_files(self) -> dict[str, bytes]:
        """Return everything that setup has written."""
        return {
            str(path.relative_to(self.etc)): path.read_bytes()
            for path in self.etc.rglob("*")
            if path.is_file()
        }
