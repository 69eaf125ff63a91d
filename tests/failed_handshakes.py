"""For tests in which a TLS handshake fails: paho leaves its socket to the garbage collector."""

from __future__ import annotations

import pytest

FAILED_HANDSHAKES = [
    pytest.mark.usefixtures("collected_sockets"),
    pytest.mark.filterwarnings(
        "ignore:unclosed:ResourceWarning",
        "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning",
    ),
]
