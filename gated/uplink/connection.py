"""One connection to the broker: the only file of the uplink that knows paho.

A new client for every connection (an old one would send its own queue again), no thread of paho's,
no lock: the uplink's loop drives the socket, and paho's callbacks only append to a deque.
``is_connected()`` is never asked; it stays True for two keepalives on a silent network.
"""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers
from paho.mqtt.reasoncodes import ReasonCode

from gated.errors import BrokerUnavailable, ConfigError

CONNECT_TIMEOUT_S = 5.0
"""For each address of the broker, and for each step of the TLS handshake."""
DIAL_TIMEOUT_S = 60.0
"""A dial that takes longer is given up; the resolver alone may take half of it."""
MAX_PACKET_BYTES = 65_536
"""The largest packet that we accept: acks and states are far smaller."""
DEFAULT_RECEIVE_MAXIMUM = 65_535  # MQTT 5.0, 3.2.2.3.3
_QOS = 1
_USER_PROPERTY = b"\x26"
NO_MATCHING_SUBSCRIBERS = 0x10
FIRST_FAILURE = 0x80
"""Reason codes from here on mean that the broker did not take it (MQTT 5.0, 2.4)."""


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


# --- what a connection says ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connected:
    receive_maximum: int
    max_packet_bytes: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker answered and does not want us."""

    reason: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    refused: tuple[str, ...]  # topics that we may not read


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A PUBACK. ``code`` is MQTT's reason code."""

    message_id: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    reason: str


Happening = Connected | Refused | Subscribed | Confirmed | Received | Lost


class Connection:
    """One MQTT 5 connection without a session.

    Args:
        broker: where to connect to.
        will_topic: where the broker publishes ``will`` (retained) when it loses us.
        will: the payload of the last will.

    Raises: ConfigError: a TLS file cannot be used.
    """

    def __init__(self, broker: BrokerAddress, *, will_topic: str, will: bytes) -> None:
        self._broker = broker
        self._happenings: deque[Happening] = deque()
        self._topics: dict[int, Sequence[str]] = {}
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(0)  # the window is ours; paho's costs O(in flight) per ack
        client.will_set(will_topic, will, qos=_QOS, retain=True)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            client.tls_set_context(tls_context(broker.tls))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        self._client = client

    def dial(self) -> None:
        """Open the socket and send CONNECT. Blocks: see ``Dial``.

        Raises: BrokerUnavailable: with the reason in words.
        """
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        try:
            code = self._client.connect(
                self._broker.host,
                self._broker.port,
                keepalive=self._broker.keepalive_s,
                clean_start=True,
                properties=properties,
            )
        except ssl.SSLCertVerificationError as exc:
            raise BrokerUnavailable(f"its certificate is refused: {exc.verify_message}") from exc
        except (OSError, ValueError) as exc:  # ValueError: a host name that cannot be one
            raise BrokerUnavailable(_in_words(exc)) from exc
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerUnavailable("the connection broke at once")

    # --- driven by the uplink's loop ------------------------------------------------------------

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 once it is closed."""
        sock = self._client.socket()
        return -1 if sock is None else sock.fileno()

    def wants_write(self) -> bool:
        return self._client.want_write()

    def pump(self, *, is_readable: bool) -> None:
        """Read what is there, write what is due, keep the connection alive. Never blocks."""
        if is_readable:
            self._client.loop_read()
            while self._has_decrypted_bytes():
                self._client.loop_read()
        if self._client.want_write():
            self._client.loop_write()
        self._client.loop_misc()

    def happenings(self) -> Iterator[Happening]:
        """Yield what happened since the last call, oldest first."""
        while self._happenings:
            yield self._happenings.popleft()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        user_properties: Mapping[str, str] | None = None,
    ) -> int:
        """Send at QoS 1 and return the message id. A broken connection shows as ``Lost``."""
        packed = _UserProperties(user_properties) if user_properties else None
        return self._client.publish(
            topic, payload, _QOS, retain, cast("Properties | None", packed)
        ).mid

    def subscribe(self, topics: Sequence[str]) -> None:
        """Ask for ``topics`` at QoS 1; the answer is one ``Subscribed``."""
        code, message_id = self._client.subscribe([(topic, _QOS) for topic in topics])
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS and message_id is not None:
            self._topics[message_id] = topics

    def close(self) -> None:
        """Say goodbye (which withdraws the will) and close. Idempotent."""
        self._client.disconnect()
        self.abandon()

    def abandon(self) -> None:
        """Close without a goodbye, as if the network had gone: the broker publishes the will."""
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _has_decrypted_bytes(self) -> bool:
        # TLS may hold back whole packets that select() knows nothing of.
        sock = self._client.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending() > 0

    # --- paho's callbacks: they only append -----------------------------------------------------

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._happenings.append(Refused(str(reason)))
            return
        self._happenings.append(
            Connected(
                receive_maximum=getattr(properties, "ReceiveMaximum", DEFAULT_RECEIVE_MAXIMUM),
                max_packet_bytes=getattr(properties, "MaximumPacketSize", None),
            )
        )

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        said = f"the broker closed it: {reason}" if flags.is_disconnect_packet_from_server else ""
        self._happenings.append(Lost(said or "the connection broke"))

    def _on_publish(
        self,
        _client: Client,
        _userdata: object,
        message_id: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        self._happenings.append(Confirmed(message_id, reason.value, str(reason)))

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        message_id: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        topics = self._topics.pop(message_id, ())
        answers = zip(topics, reasons, strict=False)
        refused = tuple(topic for topic, reason in answers if reason.is_failure)
        self._happenings.append(Subscribed(refused))

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # no topic of ours
        self._happenings.append(Received(topic, bytes(message.payload)))


class Dial:
    """One attempt to reach the broker, on a thread of its own.

    The one thread that is not made by the process's wiring: the system's resolver blocks for as
    long as it likes, and the uplink's loop must show signs of life meanwhile. A dial that is given
    up is left to end by itself; it holds nothing but its socket.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._failure: BrokerUnavailable | None = None
        self._thread = threading.Thread(target=self._run, name="dial", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._connection.dial()
        except BrokerUnavailable as exc:
            self._failure = exc

    def wait(self, timeout_s: float) -> bool:
        """Return whether the attempt has ended, after at most ``timeout_s``.

        Raises: BrokerUnavailable: it has ended without a connection.
        """
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        if self._failure is not None:
            raise self._failure
        return True


class _UserProperties:
    """All that paho asks of a publish's properties: to be packed (MQTT 5.0, 2.2.2).

    paho's own class takes longer than everything else that a publish costs.
    """

    def __init__(self, pairs: Mapping[str, str]) -> None:
        strings = [text.encode() for pair in pairs.items() for text in pair]
        counted = [len(text).to_bytes(2, "big") + text for text in strings]
        named = zip(counted[::2], counted[1::2], strict=True)
        self._packed = b"".join(_USER_PROPERTY + name + value for name, value in named)

    def pack(self) -> bytes:
        length = VariableByteIntegers.encode(len(self._packed))  # type: ignore[no-untyped-call]  # paho
        return bytes(length) + self._packed


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]  # paho leaves it untyped


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the context of a connection. Raises: ConfigError: a file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=files.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if files.certificate is not None:
            context.load_cert_chain(files.certificate, files.key)
    except OSError as exc:  # an SSLError is one
        names = ", ".join(str(path) for path in (files.ca, files.certificate, files.key) if path)
        raise ConfigError(f"cannot use the TLS files {names}: {_in_words(exc)}") from exc
    return context


def _in_words(exc: Exception) -> str:
    text = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return text[:1].lower() + text[1:] if text else type(exc).__name__
