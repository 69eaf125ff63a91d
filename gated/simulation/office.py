"""The scenario's office: keys, passes and lists of a school that exists only in the demo."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from gated.credentials import base45
from gated.credentials.cose import sign1
from gated.credentials.gp1 import PREFIX, Gp1Claims, encode_claims, seal
from gated.credentials.keys import load_private_key, make_key_pair
from gated.credentials.pseudonym import make_site_key
from gated.credentials.signatures import PrivateKey, key_fingerprint
from gated.vocabulary import HolderCategory

OFFICE, STRANGER = "office", "stranger"
PROVINCE, TOKEN_DIGITS = "PROV", 32
"""How the codes of the scenario's province begin, and how many hex digits follow."""
LISTED_SUB = "s-0999"
ATTENDANT_SUB = "t-001"


@dataclass
class Office:
    """Issues the passes that the scenario's people carry.

    Args:
        key: signs them; its public half lies in the gate's trust folder.
        stranger: another key, for passes that somebody made up.
        now: when passes are issued.
        seed: of pass ids, so that a run repeats.
    """

    key: PrivateKey
    stranger: PrivateKey
    now: datetime
    seed: int

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - pass ids of a scenario
        self._count = 0
        self._newest_token: str | None = None

    def student(self) -> str:
        return seal(self._claims(HolderCategory.STUDENT), self.key)

    def staff(self) -> str:
        return seal(self._claims(HolderCategory.STAFF), self.key)

    def escort(self) -> str:
        return seal(self._claims(HolderCategory.ESCORT), self.key)

    def visitor(self) -> str:
        return seal(self._claims(HolderCategory.VISITOR), self.key)

    def slow(self) -> str:
        """Return a pass of somebody who needs longer to go through."""
        return seal(replace(self._claims(HolderCategory.STUDENT), is_slow=True), self.key)

    def listed(self) -> str:
        """Return a good pass of a person who must see staff."""
        return seal(replace(self._claims(HolderCategory.STUDENT), sub=LISTED_SUB), self.key)

    def expired(self) -> str:
        claims = replace(
            self._claims(HolderCategory.VISITOR),
            not_before=self.now - timedelta(days=9),
            expires_at=self.now - timedelta(days=2),
        )
        return seal(claims, self.key)

    def forged(self) -> str:
        """Return a pass under the office's key id that another key signed."""
        payload = encode_claims(self._claims(HolderCategory.STAFF))
        key_id = key_fingerprint(self.key.public_key())
        return PREFIX + base45.encode(sign1(payload, self.stranger, key_id))

    def provincial(self) -> str:
        """Return a code that only the province can verify; it is not this office's."""
        self._newest_token = f"{PROVINCE}{self._random.randbytes(TOKEN_DIGITS // 2).hex()}"
        return self._newest_token

    def provincial_again(self) -> str:
        """Return the newest of them."""
        return self._newest_token or self.provincial()

    def attendant(self) -> str:
        """Return the card of the member of staff who helps."""
        claims = self._claims(HolderCategory.STAFF)
        return seal(replace(claims, sub=ATTENDANT_SUB, is_attendant=True), self.key)

    def _claims(self, category: HolderCategory) -> Gp1Claims:
        self._count += 1
        group = f"g{self._count % 6 + 1}-{self._count % 3 + 1}"
        return Gp1Claims(
            sub=f"{category.value[0]}-{self._count:04d}",
            category=category,
            not_before=self.now - timedelta(days=1),
            expires_at=self.now + timedelta(days=180),
            cti=self._random.randbytes(8),
            group=group if category is HolderCategory.STUDENT else None,
        )


def open_office(folder: Path, now: datetime, seed: int) -> Office:
    """Return the office whose keys lie in ``folder``, made on first use.

    Raises: GatedError: a key cannot be written or read.
    """
    for name in (OFFICE, STRANGER):
        if not (folder / f"{name}.key.pem").exists():
            make_key_pair(folder, name)
    return Office(
        load_private_key(folder / f"{OFFICE}.key.pem"),
        load_private_key(folder / f"{STRANGER}.key.pem"),
        now,
        seed,
    )


def equip_gate(folder: Path, trust: Path, site_key: Path, persons: Path) -> None:
    """Give a gate what the office in ``folder`` hands out: its public key, a list, a site key.

    Raises: GatedError: a file cannot be written.
    """
    trust.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / f"{OFFICE}.jwks.json", trust)
    if not site_key.exists():
        make_site_key(site_key)
    persons.write_text(f"{LISTED_SUB}  # of the demo\n", encoding="utf-8")
