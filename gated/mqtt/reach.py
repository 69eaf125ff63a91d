"""Whether a broker can be reached, asked without a word of MQTT.

A CONNECT would end the session of whoever uses the same client id: a running uplink.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator

from gated.errors import BrokerUnavailable
from gated.mqtt.address import BrokerAddress, in_words, tls_context

STEP_WITHIN_S = 5.0
"""For each address of the broker, and for the TLS handshake."""
_REFUSAL_WITHIN_S = 0.5
"""TLS 1.3 says only after the handshake that it does not take our certificate [RFC 8446, 4.4.2]."""


@contextlib.contextmanager
def told_by_socket() -> Iterator[None]:
    """Turn what a socket raises into ours. Raises: BrokerUnavailable: with the reason in words."""
    try:
        yield
    except ssl.SSLCertVerificationError as exc:
        raise BrokerUnavailable(f"its certificate is refused: {exc.verify_message}") from exc
    except (OSError, ValueError) as exc:  # ValueError: a host name that cannot be one
        raise BrokerUnavailable(in_words(exc)) from exc


def shown_certificate(host: str, port: int) -> str:
    """Return the certificate that the broker shows, in PEM form. It is verified by nobody yet.

    Raises: BrokerUnavailable: with the reason in words.
    """
    with told_by_socket():
        return ssl.get_server_certificate((host, port), timeout=STEP_WITHIN_S)


def reach(broker: BrokerAddress) -> None:
    """Connect to ``broker``, TLS included, and hang up.

    Raises: BrokerUnavailable: with the reason in words. ConfigError: a TLS file cannot be used.
    """
    context = None if broker.tls is None else tls_context(broker.tls)
    with told_by_socket():
        plain = socket.create_connection((broker.host, broker.port), timeout=STEP_WITHIN_S)
        if context is None:
            plain.close()
            return
        with plain, context.wrap_socket(plain, server_hostname=broker.host) as secret:
            secret.settimeout(_REFUSAL_WITHIN_S)
            with contextlib.suppress(TimeoutError):  # it waits for us: we are welcome
                if not secret.recv(1):
                    raise BrokerUnavailable("it closed the connection at once")
