"""The demo's broker: rumqttd, which the package ``iotcore`` carries in its wheel.

It runs with a configuration of ours: MQTT 5 on this machine alone. By default iotcore speaks MQTT
3.1.1 to the whole network. It keeps nothing over a restart, which the collector's acks make up for,
and it never says "no matching subscribers" (0x10). A client id with a slash in it that connects
twice brings it down for everybody (0.4.0). Production runs mosquitto or an EMQX cluster.
"""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gated.errors import BrokerUnavailable

if TYPE_CHECKING:
    from iotcore import Broker

HOST = "127.0.0.1"
MAX_PAYLOAD_BYTES = 65_536
"""A connection that sends more is ended; the 20,480 of iotcore come close to our largest record."""
START_TIMEOUT_S = 10.0

_CONFIGURATION = """\
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "demo"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 10000
max_payload_size = {max_payload_bytes}
max_inflight_count = 200
dynamic_filters = true
"""


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class DemoBroker:
    """A broker in a child process, which ends with this one.

    Args:
        port: where it listens; 0 is not possible, see ``free_port``.
        folder: where its configuration is written.
    """

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._file = folder / f"broker-{port}.toml"
        self._broker: Broker | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{HOST}:{self.port}"

    def start(self) -> None:
        """Start and return once it accepts connections.

        Raises: BrokerUnavailable: iotcore is not installed, or the port is taken.
        """
        try:
            from iotcore import Broker
        except ImportError as exc:
            raise BrokerUnavailable(
                "the demo's broker is not installed: pip install 'gated[demo]'"
            ) from exc
        text = _CONFIGURATION.format(host=HOST, port=self.port, max_payload_bytes=MAX_PAYLOAD_BYTES)
        self._file.write_text(text, encoding="ascii")
        broker = Broker(config_path=str(self._file))
        try:
            broker.start(timeout=START_TIMEOUT_S)
        except (OSError, RuntimeError) as exc:
            raise BrokerUnavailable(f"no broker at {self.url}: {exc}") from exc
        self._broker = broker

    def stop(self) -> None:
        """Stop it; what it held is gone. Idempotent."""
        if self._broker is not None:
            self._broker.stop()
            self._broker = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
