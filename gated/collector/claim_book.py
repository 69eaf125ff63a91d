"""The centre's claims and the certificates that it gave: small files in one folder, one a claim.

Written by ``gated collector claim`` and by the collector that runs beside it, under one lock: a
code is good for one machine, however many processes look at it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gated.claims import Grant
from gated.config.files import read_small_file
from gated.durable import give_to_owner_of, write_private_file
from gated.errors import CannotWrite, ConfigError, StorageError

MAX_FAILURES = 5
"""So many wrong attempts, and a code is spent."""
_KEPT_AFTER_END = timedelta(days=7)
"""That long a list shows what became of a code."""
_MAX_BYTES = 1_048_576
_ISSUED_FILE = "issued.json"
_FOLDER_MODE = 0o700


class Claim(BaseModel):
    """One code. Its key and what it gives are forgotten as soon as it is over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    site: str
    gate: str
    user: str  # the gate's at the broker: what its certificate names
    made_at: datetime
    expires_at: datetime
    replaces: bool = False  # a new machine: the certificates of the old one are revoked
    failures: int = 0
    used_at: datetime | None = None
    request_digest: str | None = None  # the one request that it was good for …
    answer: str | None = None  # … and its answer, should that be lost on the way
    # hex; derived from the code, which is kept nowhere
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    grant: Grant | None = None

    @property
    def is_spent(self) -> bool:
        return self.failures >= MAX_FAILURES

    def is_open(self, now: datetime) -> bool:
        """Return whether a gate may still use it."""
        return self.used_at is None and not self.is_spent and now < self.expires_at

    def without_secrets(self) -> Claim:
        """Return what may be kept for the list."""
        return self.model_copy(update={"key": None, "grant": None, "answer": None})


class Issued(BaseModel):
    """A certificate that a claim gave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    serial: int
    site: str
    gate: str
    issued_at: datetime
    not_after: datetime
    revoked_at: datetime | None = None


class _AllIssued(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    certificates: tuple[Issued, ...] = ()


class ClaimBook:
    """The folder of the claims."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from changing anything. Raises: CannotWrite."""
        try:
            self._folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as exc:
            raise CannotWrite(f"{self._folder}: {exc.strerror}: try sudo (请用 sudo)") from exc
        try:
            # One made by root is the collector's all the same.
            give_to_owner_of(self._folder.parent, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def claims(self) -> list[Claim]:
        """Return all claims, the newest first. Raises: StorageError."""
        try:
            files = sorted(self._folder.glob("???.json"))
        except OSError as exc:
            raise StorageError(f"{self._folder}: {exc.strerror}") from exc
        found = (self.claim(file.stem) for file in files)
        return sorted((c for c in found if c is not None), key=lambda c: c.made_at, reverse=True)

    def claim(self, claim_id: str) -> Claim | None:
        """Return one claim; None: there is none. Raises: StorageError."""
        data = self._read(self._file(claim_id))
        try:
            return None if data is None else Claim.model_validate_json(data)
        except ValidationError as exc:
            raise StorageError(f"{self._file(claim_id)}: damaged; delete it (文件已损坏)") from exc

    def put(self, claim: Claim) -> None:
        """Write one claim, in the place of what was known of it. Raises: CannotWrite."""
        data = claim.model_dump_json(exclude_defaults=True).encode()
        write_private_file(self._file(claim.id), data, for_service=True)

    def remove(self, claim_id: str) -> None:
        """Forget one claim. Raises: CannotWrite."""
        try:
            self._file(claim_id).unlink(missing_ok=True)
        except OSError as exc:
            raise CannotWrite(f"{self._file(claim_id)}: {exc.strerror}") from exc

    def tidy(self, now: datetime) -> None:
        """Forget the secrets of what is over, and all of what was over long ago.

        Raises: CannotWrite; StorageError.
        """
        for claim in self.claims():
            if now >= claim.expires_at + _KEPT_AFTER_END:
                self.remove(claim.id)
            elif now >= claim.expires_at and claim != claim.without_secrets():
                self.put(claim.without_secrets())

    def issued(self) -> tuple[Issued, ...]:
        """Return every certificate that was given, oldest first. Raises: StorageError."""
        data = self._read(self._folder / _ISSUED_FILE)
        try:
            return () if data is None else _AllIssued.model_validate_json(data).certificates
        except ValidationError as exc:
            raise StorageError(
                f"{self._folder / _ISSUED_FILE}: damaged; it lists the certificates of gates: "
                "bring it back from a backup (文件已损坏)"
            ) from exc

    def put_issued(self, certificates: Sequence[Issued]) -> None:
        """Write which certificates were given. Raises: CannotWrite."""
        data = _AllIssued(certificates=tuple(certificates)).model_dump_json(indent=1).encode()
        write_private_file(self._folder / _ISSUED_FILE, data, for_service=True)

    def _file(self, claim_id: str) -> Path:
        return self._folder / f"{claim_id}.json"

    def _read(self, path: Path) -> bytes | None:
        try:
            return read_small_file(path, most_bytes=_MAX_BYTES, forbidden_mode=0, why="")
        except FileNotFoundError:
            return None
        except ConfigError as exc:
            raise StorageError(str(exc)) from exc
