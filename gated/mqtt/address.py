"""Where the broker is and how we sign in. Pure but for the files that the configuration names."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from gated.config import BrokerSettings, read_secret
from gated.config.files import as_handed_over
from gated.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of a TLS connection. The broker's name is always verified."""

    ca: Path | None = None  # None: the system's authorities
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and how we sign in."""

    host: str
    port: int
    client_id: str
    keepalive_s: int = 15  # a silent network is noticed after at most twice this
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsFiles | None = None

    @property
    def url(self) -> str:
        """Return the address as the configuration writes it, without credentials."""
        return f"{'mqtt' if self.tls is None else 'mqtts'}://{self.host}:{self.port}"


def broker_address(
    settings: BrokerSettings, client_id: str, username: str | None = None
) -> BrokerAddress:
    """Return the broker of ``settings``.

    Raises: ConfigError: the password or a TLS file is unusable; said now, not when connecting.
    """
    endpoint = settings.endpoint
    tls = None
    if endpoint.is_tls:
        tls = TlsFiles(settings.ca_file, settings.cert_file, settings.key_file)
        tls_context(tls)
    secret = None if settings.password_file is None else read_secret(settings.password_file)
    return BrokerAddress(
        host=endpoint.host,
        port=endpoint.port,
        client_id=client_id,
        keepalive_s=settings.keepalive_s,
        username=username,
        password=None if secret is None else secret.reveal(),
        tls=tls,
    )


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the context of a connection. Raises: ConfigError: a file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=files.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # As newer Pythons do by themselves: a CA file may name one certificate, and no other.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if files.certificate is not None:
            key = None if files.key is None else as_handed_over(files.key)
            context.load_cert_chain(files.certificate, key)
    except OSError as exc:  # an SSLError is one
        names = ", ".join(str(path) for path in (files.ca, files.certificate, files.key) if path)
        raise ConfigError(f"cannot use the TLS files {names}: {in_words(exc)}") from exc
    return context


def in_words(exc: Exception) -> str:
    """Return what ``exc`` says, to follow a colon."""
    text = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return text[:1].lower() + text[1:] if text else type(exc).__name__
