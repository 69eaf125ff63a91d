"""The register: who holds which pass, since when, until when, and why no longer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from gated.credentials.gp1 import Gp1Claims, encode_claims, parse_claims
from gated.credentials.malformed import MalformedCode
from gated.errors import StorageError
from gated.office.passes import PSEUDONYM_PREFIXES, Holder, PassKind, RegisteredPass, RevokedWhy
from gated.office.schema import open_database, translated
from gated.vocabulary import HolderCategory

_COLUMNS = (
    "p.number, p.kind, p.claims, p.key_id, p.issued_s, p.revoked_s, p.revoked_why, p.replaced_by, "
    "h.pseudonym, h.name, h.category, h.grp, h.detail"
)
_MADE = re.compile(r"([a-z])-([0-9]{1,9})", re.ASCII)
_NUMBER_DIGITS = 4


class Register:
    """One office's register. Writes happen inside ``change`` only, all of them or none.

    Args:
        path: ``register.db``; made if it is not there.

    Raises: StorageError: see ``open_database``; so does every method where SQLite fails.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_database(path)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make what happens inside one transaction: durable at its end, undone by an exception."""
        with translated(f"register {self._path}"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    # --- facts ---------------------------------------------------------------------------------

    def fact(self, key: str) -> str | None:
        with translated(f"register {self._path}"):
            row = self._db.execute("SELECT value FROM fact WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (key, value))

    # --- holders -------------------------------------------------------------------------------

    def holders(self) -> tuple[Holder, ...]:
        with translated(f"register {self._path}"):
            rows = self._db.execute(
                "SELECT pseudonym, name, category, grp, detail FROM holder ORDER BY pseudonym"
            ).fetchall()
        return tuple(self._holder(row) for row in rows)

    def put_holder(self, holder: Holder) -> None:
        """Add ``holder``, or write over what is known of that pseudonym."""
        self._db.execute(
            "INSERT INTO holder VALUES (?, ?, ?, ?, ?) ON CONFLICT (pseudonym) DO UPDATE SET "
            "name = excluded.name, category = excluded.category, grp = excluded.grp, "
            "detail = excluded.detail",
            (holder.pseudonym, holder.name, holder.category, holder.group, holder.detail),
        )

    # --- passes --------------------------------------------------------------------------------

    def passes(self) -> tuple[RegisteredPass, ...]:
        """Return every pass there ever was, by number."""
        with translated(f"register {self._path}"):
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM pass p JOIN holder h USING (pseudonym) ORDER BY p.number"  # noqa: S608  constants
            ).fetchall()
        return tuple(self._pass(row) for row in rows)

    def add_pass(
        self, kind: PassKind, claims: Gp1Claims, key_id: bytes, issued_at: datetime
    ) -> int:
        """Return the number of the new pass; its holder is in the register."""
        times = (claims.not_before, claims.expires_at, issued_at)
        begins_s, ends_s, issued_s = (int(moment.timestamp()) for moment in times)
        return int(
            self._db.execute(
                "INSERT INTO pass (pseudonym, kind, cti, claims, key_id, begins_s, ends_s, "
                "issued_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
                (
                    *(claims.sub, kind, claims.cti, encode_claims(claims)),
                    *(key_id, begins_s, ends_s, issued_s),
                ),
            ).fetchone()[0]
        )

    def revoke(
        self, number: int, why: RevokedWhy, at: datetime, *, replaced_by: int | None = None
    ) -> None:
        """Note that pass ``number`` holds no longer; what was noted before stays."""
        self._db.execute(
            "UPDATE pass SET revoked_s = COALESCE(revoked_s, ?), revoked_why = COALESCE("
            "revoked_why, ?), replaced_by = COALESCE(replaced_by, ?) WHERE number = ?",
            (int(at.timestamp()), why, replaced_by, number),
        )

    # --- rows to values ------------------------------------------------------------------------

    def _holder(self, row: tuple[str, str, str, str | None, str]) -> Holder:
        pseudonym, name, category, group, detail = row
        try:
            return Holder(pseudonym, name, HolderCategory(category), group, detail)
        except ValueError as exc:
            raise self._damaged() from exc

    def _pass(self, row: tuple[Any, ...]) -> RegisteredPass:
        number, kind, claims, key_id, issued_s, revoked_s, why, replaced_by, *holder = row
        try:
            return RegisteredPass(
                number=number,
                kind=PassKind(kind),
                holder=self._holder((holder[0], holder[1], holder[2], holder[3], holder[4])),
                claims=parse_claims(claims),
                key_id=key_id,
                issued_at=datetime.fromtimestamp(issued_s, UTC),
                revoked_at=None if revoked_s is None else datetime.fromtimestamp(revoked_s, UTC),
                revoked_why=None if why is None else RevokedWhy(why),
                replaced_by=replaced_by,
            )
        except (ValueError, MalformedCode) as exc:
            raise self._damaged() from exc

    def _damaged(self) -> StorageError:
        return StorageError(
            f"register {self._path}: has an entry that cannot be read; put back its last copy "
            "(登记册已损坏，请恢复备份)"
        )


class Pseudonyms:
    """Gives out pseudonyms: a letter and the next number, so never anything about the person."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._highest: dict[str, int] = {}
        for pseudonym in taken:
            self.take(pseudonym)

    def take(self, pseudonym: str) -> None:
        """Never give out ``pseudonym`` or a number below it."""
        match = _MADE.fullmatch(pseudonym)
        if match is not None:
            prefix, number = match[1], int(match[2])
            self._highest[prefix] = max(number, self._highest.get(prefix, 0))

    def next_for(self, category: HolderCategory) -> str:
        prefix = PSEUDONYM_PREFIXES[category]
        self._highest[prefix] = self._highest.get(prefix, 0) + 1
        return f"{prefix}-{self._highest[prefix]:0{_NUMBER_DIGITS}d}"
