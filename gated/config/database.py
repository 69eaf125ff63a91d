"""Where a collector keeps its records: a file, or a PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from gated.config.broker import is_loopback

_SCHEMES = frozenset({"postgresql", "postgres"})
_SECRET_PARAMETERS = frozenset({"password", "passfile", "sslpassword"})
VERIFYING = "verify-full"


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A PostgreSQL, as ``postgresql://USER@HOST:PORT/NAME``."""

    url: str
    is_local: bool  # a socket in this machine, or its own loopback
    sslmode: str | None

    @property
    def is_verified(self) -> bool:
        """Return whether nobody between us and the server can read along or pretend to be it."""
        return self.is_local or self.sslmode in {None, VERIFYING}  # None: we ask for it


def is_database_url(text: str) -> bool:
    """Return whether ``text`` means a PostgreSQL and not a file."""
    return text.partition("://")[0] in _SCHEMES and "://" in text


def parse_database_url(text: str) -> DatabaseUrl:
    """Return what ``text`` names. Raises: ValueError: saying what it should be.

    The message never repeats the URL: somebody may have written a password into it.
    """
    shape = 'must be a file or "postgresql://USER@HOST:PORT/NAME" (格式应为文件或 postgresql://…)'
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
        query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError as exc:
        raise ValueError(shape) from exc
    if parts.scheme not in _SCHEMES or not parts.path.strip("/") or parts.fragment:
        raise ValueError(shape)
    if parts.password is not None or _SECRET_PARAMETERS & query.keys():
        raise ValueError(
            "must not hold a password: use the key database_password_file, or PGPASSFILE "
            "(不要写入密码)"
        )
    place = query.get("host", host)
    is_local = place is None or place.startswith("/") or is_loopback(place)
    return DatabaseUrl(text, is_local, query.get("sslmode"))
