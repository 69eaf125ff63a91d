"""One connection of the collector to its MQTT broker: the only file here that knows paho.

The broker keeps the collector's session, so that records which came while it was away are handed
over afterwards; a message is acknowledged only when it is stored. A new client for every
connection, no thread of paho's: our loop drives the socket, and the callbacks only note.
"""

from __future__ import annotations

import select
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gated.clock import Clock
from gated.collector.store import Arrival
from gated.errors import BrokerUnavailable, ConfigError

CONNECT_TIMEOUT_S = 5.0
"""For each address of the broker, and for its answer to CONNECT and to SUBSCRIBE."""
DIAL_TIMEOUT_S = 60.0
"""A dial that takes longer is given up; the resolver alone may take half of it."""
SESSION_EXPIRY_S = 7 * 86_400
"""How long the broker keeps what came while the collector was away."""
RECEIVE_MAXIMUM = 1_000
"""How many messages may be under way to us without an acknowledgement."""
MAX_PACKET_BYTES = 65_536
"""The largest packet that we accept: a record has at most 16 KiB and its link."""
_QOS = 1
_MAX_SEQ_DIGITS = 19


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of a TLS connection. The broker's name is always verified."""

    ca: Path | None = None  # None: the system's authorities
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and how the collector signs in."""

    host: str
    port: int
    client_id: str
    keepalive_s: int = 15
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsFiles | None = None

    @property
    def url(self) -> str:
        """Return the address as the configuration writes it, without credentials."""
        return f"{'mqtt' if self.tls is None else 'mqtts'}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Received:
    """A message that waits to be stored, and the number under which it is acknowledged."""

    message_id: int
    qos: int
    arrival: Arrival


class BrokerConnection:
    """One MQTT 5 connection with a lasting session.

    Args:
        broker: where to connect to.
        will_topic: where the broker publishes ``will`` (retained) when it loses us.
        will: the payload of the last will.
        clock: stamps what arrives.

    Raises: ConfigError: a TLS file cannot be used.
    """

    def __init__(
        self, broker: BrokerAddress, *, will_topic: str, will: bytes, clock: Clock
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._received_at_ms = 0
        self._is_connected = False
        self._lost: str | None = None
        self._topics: dict[int, str] = {}
        self.inbox: deque[Received] = deque()
        self.refused_publishes = 0
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.will_set(will_topic, will, qos=_QOS, retain=True)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            client.tls_set_context(_tls_context(broker.tls))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        # With this callback set, paho leaves the writing to us: acks of a batch go out together.
        client.on_socket_register_write = _leave_writing_to_us
        self._client = client

    # --- coming up ------------------------------------------------------------------------------

    def open(self, topics: Iterable[str], beat: Callable[[], None]) -> None:
        """Connect and ask for ``topics``, calling ``beat`` meanwhile.

        The answers to the subscriptions are not waited for: a broker with a full window of messages
        from the last connection (rumqttd) says nothing else before some of them are acknowledged.
        ``pump`` raises if one is refused.

        Raises: BrokerUnavailable: with the reason in words.
        """
        dial = _Dial(self._dial)
        deadline_s = self._clock.monotonic_s() + DIAL_TIMEOUT_S
        while not dial.wait(timeout_s=0.5):
            beat()
            if self._clock.monotonic_s() > deadline_s:
                raise BrokerUnavailable("nothing answers")
        self._await_connack(beat)
        for topic in topics:
            _, message_id = self._client.subscribe(topic, _QOS)
            if message_id is not None:
                self._topics[message_id] = topic
        self.flush()

    def _dial(self) -> None:
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        try:
            code = self._client.connect(
                self._broker.host,
                self._broker.port,
                keepalive=self._broker.keepalive_s,
                clean_start=False,
                properties=properties,
            )
        except ssl.SSLCertVerificationError as exc:
            raise BrokerUnavailable(f"its certificate is refused: {exc.verify_message}") from exc
        except (OSError, ValueError) as exc:  # ValueError: a host name that cannot be one
            raise BrokerUnavailable(_in_words(exc)) from exc
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerUnavailable("the connection broke at once")

    def _await_connack(self, beat: Callable[[], None]) -> None:
        deadline_s = self._clock.monotonic_s() + CONNECT_TIMEOUT_S
        while not self._is_connected:
            beat()
            if self._clock.monotonic_s() > deadline_s:
                raise BrokerUnavailable("it accepts connections but does not answer")
            self.pump(timeout_s=0.2)

    # --- driven by the collector's loop ---------------------------------------------------------

    def pump(self, timeout_s: float) -> None:
        """Wait at most ``timeout_s`` for the socket, then read and write what there is.

        Raises: BrokerUnavailable: the connection is gone.
        """
        sock = self._client.socket()
        if sock is not None and sock.fileno() >= 0:
            poll = select.poll()  # not select(): descriptors of a busy server go beyond 1,024
            wanted = select.POLLIN | (select.POLLOUT if self._client.want_write() else 0)
            poll.register(sock.fileno(), wanted)
            ready = poll.poll(0 if self._has_decrypted_bytes() else timeout_s * 1_000)
            is_ready = ready[0][1] if ready else 0
            if is_ready & ~select.POLLOUT or self._has_decrypted_bytes():
                self._read_on()
            if is_ready & select.POLLOUT:
                self._client.loop_write()
            self._client.loop_misc()
        if self._lost is not None or self._client.socket() is None:
            raise BrokerUnavailable(self._lost or "the connection broke")

    def _read_on(self) -> None:
        """Read as long as messages come: paho reads one packet at a time."""
        now = self._clock.now()
        self._received_at_ms = round(now.timestamp() * 1_000)
        before = -1
        while len(self.inbox) > before and len(self.inbox) < RECEIVE_MAXIMUM:
            before = len(self.inbox)
            self._client.loop_read()

    def acknowledge(self, received: Iterable[Received]) -> None:
        """Tell the broker that it may forget these. Only for what is stored."""
        for message in received:
            self._client.ack(message.message_id, message.qos)
        self.flush()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1, retained."""
        self._client.publish(topic, payload, _QOS, retain=True)
        self.flush()

    def flush(self) -> None:
        """Write what can be written without waiting."""
        if self._client.want_write():
            self._client.loop_write()

    def close(self) -> None:
        """Say goodbye, which withdraws the will, and close. The session stays. Idempotent."""
        self._client.disconnect()
        self.flush()
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _has_decrypted_bytes(self) -> bool:
        # TLS may hold back whole packets that select() knows nothing of.
        sock = self._client.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending() > 0

    # --- paho's callbacks: they only note --------------------------------------------------------

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._lost = f"it refuses us: {reason}"
        self._is_connected = True

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        is_said = flags.is_disconnect_packet_from_server
        said = f"it closed the connection: {reason}" if is_said else "the connection broke"
        self._lost = self._lost or said

    def _on_publish(
        self,
        _client: Client,
        _userdata: object,
        _message_id: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        if reason.is_failure:
            self.refused_publishes += 1

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        message_id: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        topic = self._topics.pop(message_id, "")
        for reason in reasons:
            if reason.is_failure:
                self._lost = f"it does not let us read {topic}: {reason}"

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # no topic of ours; acknowledged like every other
        epoch, seq = _placed_by(message.properties)
        arrival = Arrival(topic, bytes(message.payload), self._received_at_ms, epoch, seq)
        self.inbox.append(Received(message.mid, message.qos, arrival))


class _Dial:
    """One attempt to reach the broker, on a thread of its own.

    Not made by the process's wiring: the system's resolver blocks for as long as it likes, and the
    loop must show signs of life meanwhile. A dial that is given up holds nothing but its socket.
    """

    def __init__(self, dial: Callable[[], None]) -> None:
        self._dial = dial
        self._failure: BrokerUnavailable | None = None
        self._thread = threading.Thread(target=self._run, name="dial", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._dial()
        except BrokerUnavailable as exc:
            self._failure = exc

    def wait(self, timeout_s: float) -> bool:
        """Return whether the attempt has ended. Raises: BrokerUnavailable: it failed."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        if self._failure is not None:
            raise self._failure
        return True


def _placed_by(properties: Properties | None) -> tuple[str | None, int | None]:
    """Return the user properties ``epoch`` and ``seq``, each None if it is not there."""
    epoch = seq = None
    for name, value in getattr(properties, "UserProperty", ()):
        if name == "epoch":
            epoch = value
        elif name == "seq" and value.isascii() and value.isdigit():
            seq = int(value) if len(value) <= _MAX_SEQ_DIGITS else None
    return epoch, seq


def _leave_writing_to_us(_client: Client, _userdata: object, _sock: object) -> None:
    """Do nothing: ``pump`` asks ``want_write`` itself."""


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]  # paho leaves it untyped


def _tls_context(files: TlsFiles) -> ssl.SSLContext:
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
