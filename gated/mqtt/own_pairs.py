"""The pairs of own certificate and key: the one in force, and a new one that waits for its trial.

The configuration's ``cert_file`` and ``key_file`` are the first pair. Later ones lie in a folder of
the state, each as one file that holds key and certificates, replaced by one rename: a power cut
leaves the old pair or the new one, never a key without its certificate.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from gated.config.files import read_small_file
from gated.durable import write_private_file
from gated.errors import ConfigError
from gated.mqtt.address import TlsFiles
from gated.mqtt.certificates import (
    MAX_FILE_BYTES,
    Certificate,
    describe,
    parse_certificates,
    read_certificates,
)

log = logging.getLogger(__name__)

FOLDER = "uplink-certificate"
"""In the state folder. The uplink, the controller and ``gated certificate`` look into it."""


class Refusal(BaseModel):
    """The broker did not accept the new pair, but the one in force."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    fingerprint: str  # of the new certificate
    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class OwnPairs:
    """The pairs in ``folder``, and the configured files.

    ``new.pem`` stays where it is when it has become the pair in force: a new pair is one that
    differs. So taking over is one durable rename, and one that was put there meanwhile is not lost.
    """

    folder: Path
    configured: TlsFiles

    @property
    def request_key(self) -> Path:
        """The private key of a request that the CA has not answered yet."""
        return self.folder / "request.key"

    @property
    def new_file(self) -> Path:
        return self.folder / "new.pem"

    @property
    def in_force_file(self) -> Path:
        return self.folder / "in-force.pem"

    @property
    def refusal_file(self) -> Path:
        return self.folder / "refused.json"

    def in_force(self) -> TlsFiles:
        """Return the files to use: of the pair taken over last and the configured one, the newer.

        So files that somebody replaces by hand count, too.
        """
        taken_over, configured = _newest(self.in_force_file), _newest(self.configured.certificate)
        if taken_over is None:
            return self.configured
        if configured is not None and configured.not_before > taken_over.not_before:
            return self.configured
        return replace(self.configured, certificate=self.in_force_file, key=None)

    def with_new(self) -> TlsFiles:
        """Return the files to try the new pair with."""
        return replace(self.configured, certificate=self.new_file, key=None)

    def new(self) -> bytes | None:
        """Return the new pair, key and certificates in PEM form; None: there is none to try."""
        new = _read(self.new_file)
        return None if new is None or new == _read(self.in_force_file) else new

    def put_new(self, pair: bytes) -> None:
        """Let ``pair`` be tried at the next connection. Raises: CannotWrite."""
        write_private_file(self.new_file, pair, for_service=True)

    def take_over(self, tried: bytes) -> bool:
        """Put the new pair in force; return False if it is not the one that was tried any more.

        Raises: CannotWrite: the old one stays in force.
        """
        if _read(self.new_file) != tried:
            return False
        write_private_file(self.in_force_file, tried)
        return True

    def refuse(self, tried: bytes, reason: str, at: datetime) -> None:
        """Note for people that the broker did not accept ``tried``. Raises: CannotWrite."""
        refusal = Refusal(
            fingerprint=certificate_of(tried).fingerprint,
            reason=reason[:120],
            at=at.isoformat(timespec="seconds"),
        )
        write_private_file(self.refusal_file, refusal.model_dump_json().encode())

    def refusal(self) -> Refusal | None:
        """Return why the new pair of now was not accepted; None: it was not tried, or in vain."""
        new, said = self.new(), _read(self.refusal_file)
        if new is None or said is None:
            return None
        try:
            refusal = Refusal.model_validate_json(said)
            return refusal if refusal.fingerprint == certificate_of(new).fingerprint else None
        except (ValidationError, ConfigError):
            return None


def certificate_of(pair: bytes) -> Certificate:
    """Return the own certificate of ``pair``, the first. Raises: ConfigError."""
    return describe(parse_certificates(pair, "the new pair")[0])


def _read(path: Path) -> bytes | None:
    """Return what is in ``path``; None for what is not there or cannot be read."""
    try:
        return read_small_file(path, most_bytes=MAX_FILE_BYTES, forbidden_mode=0, why="")
    except FileNotFoundError:
        return None
    except ConfigError as exc:
        log.debug("%s", exc)
        return None


def _newest(path: Path | None) -> Certificate | None:
    try:
        return None if path is None else describe(read_certificates(path)[0])
    except ConfigError:  # the connection says what is wrong with a file that it needs
        return None
