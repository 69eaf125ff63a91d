"""One MQTT 5 connection: the only file that knows paho.

A new client for every connection (an old one would send its own queue again), no thread of paho's,
no lock: the caller's loop drives the socket, and paho's callbacks only append to a deque.
``is_connected()`` is never asked; it stays True for two keepalives on a silent network.
"""

from __future__ import annotations

import select
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gated.clock import Clock
from gated.errors import BrokerUnavailable
from gated.mqtt.address import BrokerAddress, tls_context
from gated.mqtt.happenings import Confirmed, Connected, Happening, Lost, Received, Subscribed
from gated.mqtt.publish_packet import read_publish
from gated.mqtt.reach import told_by_socket
from gated.units import MonoSeconds

CONNECT_TIMEOUT_S = 5.0
"""For each address of the broker, and for each step of the TLS handshake."""
DIAL_TIMEOUT_S = 60.0
"""A dial that takes longer is given up; the resolver alone may take half of it."""
CONNACK_TIMEOUT_S = 10.0
MAX_PACKET_BYTES = 65_536
"""The largest packet that we accept: a record has at most 16 KiB and its link, acks are smaller."""
PUBLISH_WINDOW = 20
"""Publishes under way without an answer, as mosquitto allows them unless told otherwise."""
DEFAULT_RECEIVE_MAXIMUM = 65_535  # MQTT 5.0, 3.2.2.3.3
_MAX_READ = 1_000
"""Packets read at once: a flood leaves time to show signs of life."""
_QOS = 1
_USER_PROPERTY = b"\x26%b%b%b%b"  # each text behind its length


@dataclass(frozen=True, slots=True)
class LastingSession:
    """The broker keeps what comes while we are away; every message waits for ``acknowledge``."""

    expiry_s: int
    receive_maximum: int  # how many messages may be under way to us without an acknowledgement


class Connection:
    """One MQTT 5 connection.

    Args:
        broker: where to connect to.
        will_topic: where the broker publishes ``will`` (retained) when it loses us; None: nowhere.
        will: the payload of the last will.
        clock: for the wait for an answer.
        session: None: a clean start, and messages are acknowledged as they come.
        publish_window: more publishes than this wait here for an answer to earlier ones; 0: the
            caller counts, because paho's counting costs O(in flight) per answer.

    Raises: ConfigError: a TLS file cannot be used.
    """

    def __init__(
        self,
        broker: BrokerAddress,
        *,
        will_topic: str | None,
        will: bytes,
        clock: Clock,
        session: LastingSession | None = None,
        publish_window: int = PUBLISH_WINDOW,
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._session = session
        self._happenings: deque[Happening] = deque()
        self._topics: dict[int, Sequence[str]] = {}
        self._dialled_at = clock.monotonic_s()
        self._is_answered = False
        client = _Client(
            self._happenings,
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=session is not None,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(publish_window)
        if will_topic is not None:
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
        # With this callback set, paho leaves the writing to us: many packets go out together.
        client.on_socket_register_write = _leave_writing_to_us
        self._client = client

    def dial(self) -> None:
        """Open the socket; CONNECT goes out with the first ``pump``. Blocks: see ``Dial``.

        Raises: BrokerUnavailable: with the reason in words.
        """
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        if self._session is not None:
            properties.SessionExpiryInterval = self._session.expiry_s
            properties.ReceiveMaximum = self._session.receive_maximum
        with told_by_socket():
            code = self._client.connect(
                self._broker.host,
                self._broker.port,
                keepalive=self._broker.keepalive_s,
                clean_start=self._session is None,
                properties=properties,
            )
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerUnavailable("the connection broke at once")
        self._dialled_at = self._clock.monotonic_s()

    # --- driven by the caller's loop ------------------------------------------------------------

    def pump(self, timeout_s: float, *, waker: int = -1) -> None:
        """Wait at most ``timeout_s`` for the socket, then read, write, keep the connection alive.

        Something to read at the descriptor ``waker`` ends the wait as well.
        """
        sock = self._client.socket()
        if sock is None or sock.fileno() < 0:
            self._happenings.append(Lost("the connection broke"))
            return
        poll = select.poll()  # not select(): descriptors of a busy server go beyond 1,024
        poll.register(
            sock.fileno(), select.POLLIN | (select.POLLOUT if self._client.want_write() else 0)
        )
        if waker >= 0:
            poll.register(waker, select.POLLIN)
        ready = dict(poll.poll(0 if self._has_decrypted_bytes() else timeout_s * 1_000))
        if ready.get(sock.fileno(), 0) & ~select.POLLOUT or self._has_decrypted_bytes():
            self._read_on()
        self.flush()
        self._client.loop_misc()
        waited_s = self._clock.monotonic_s() - self._dialled_at
        if not self._is_answered and waited_s >= CONNACK_TIMEOUT_S:
            self._happenings.append(Lost("it accepts the connection and says nothing"))

    def fileno(self) -> int:
        """Return the socket's descriptor, for who waits for many at once; -1: it is closed."""
        sock = self._client.socket()
        return -1 if sock is None else sock.fileno()

    def _read_on(self) -> None:
        """Read as long as something comes: paho reads one packet at a time."""
        before = -1
        while before < len(self._happenings) < _MAX_READ:
            before = len(self._happenings)
            self._client.loop_read()

    def _has_decrypted_bytes(self) -> bool:
        # TLS may hold back whole packets that poll() knows nothing of.
        sock = self._client.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending() > 0

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
        # As published: else a message that is to be kept comes without that mark the first time.
        options = SubscribeOptions(qos=_QOS, retainAsPublished=True)
        code, message_id = self._client.subscribe([(topic, options) for topic in topics])
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS and message_id is not None:
            self._topics[message_id] = topics

    def acknowledge(self, message_id: int, qos: int) -> None:
        """Tell the broker that it may forget this message of a lasting session."""
        self._client.ack(message_id, qos)

    def flush(self) -> None:
        """Write what can be written without waiting. ``pump`` does, too."""
        if self._client.want_write():
            self._client.loop_write()

    def close(self, *, ends_session: bool = False) -> None:
        """Say goodbye (which withdraws the will) and close. Idempotent.

        A lasting session stays, unless ``ends_session``.
        """
        properties = None
        if ends_session:
            properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]  # paho
            properties.SessionExpiryInterval = 0
        self._client.disconnect(properties=properties)
        self.flush()
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    # --- paho's callbacks: they only append -----------------------------------------------------

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._is_answered = True
        if reason.is_failure:
            self._happenings.append(Lost(f"it refuses us: {reason}"))
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
        said = (
            f"it closed the connection: {reason}" if flags.is_disconnect_packet_from_server else ""
        )
        self._happenings.append(Lost(said or "the connection broke"))

    def _on_publish(
        self,
        _client: Client,
        _userdata: object,
        message_id: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        words = str(reason) if reason.is_failure else ""
        self._happenings.append(Confirmed(message_id, reason.value, words))

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
        refused = tuple(f"{topic} ({reason})" for topic, reason in answers if reason.is_failure)
        self._happenings.append(Subscribed(refused))

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        pairs = getattr(message.properties, "UserProperty", ())
        self._happenings.append(
            Received(topic, bytes(message.payload), message.mid, message.qos, pairs, message.retain)
        )


class _Client(Client):
    """paho's client; plain messages of a lasting session are read in a fraction of its time."""

    def __init__(self, happenings: deque[Happening], *args: Any, **settings: Any) -> None:  # noqa: ANN401 - paho's own
        super().__init__(*args, **settings)
        self._ours = happenings

    def _handle_publish(self) -> MQTTErrorCode:
        # A private method: should a later paho not call it, ``on_message`` gets everything.
        received = None
        if self._manual_ack:  # else paho has to answer
            received = read_publish(self._in_packet["command"], self._in_packet["packet"])
        if received is None:
            return super()._handle_publish()
        self._ours.append(received)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


class Dial:
    """One attempt to reach the broker, on a thread of its own.

    The one thread that is not made by the process's wiring: the system's resolver blocks for as
    long as it likes, and the caller's loop must show signs of life meanwhile. A dial that is given
    up is left to end by itself; it holds nothing but its socket.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._until = MonoSeconds(clock.monotonic_s() + DIAL_TIMEOUT_S)
        self._failure: BrokerUnavailable | None = None
        self._thread = threading.Thread(target=self._run, name="dial", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._connection.dial()
        except BrokerUnavailable as exc:
            self._failure = exc

    def wait(self, timeout_s: float) -> bool:
        """Return whether there is a connection, after at most ``timeout_s``.

        Raises: BrokerUnavailable: there is none, or the attempt takes too long.
        """
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            if self._clock.monotonic_s() >= self._until:
                raise BrokerUnavailable("nothing answers")
            return False
        if self._failure is not None:
            raise self._failure
        return True


class _UserProperties:
    """All that paho asks of a publish's properties: to be packed (MQTT 5.0, 2.2.2).

    paho's own class takes longer than everything else that a publish costs.
    """

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._packed = b"".join(map(_pack_pair, pairs.items()))

    def pack(self) -> bytes:
        length = VariableByteIntegers.encode(len(self._packed))  # type: ignore[no-untyped-call]  # paho
        return bytes(length) + self._packed


def _pack_pair(pair: tuple[str, str]) -> bytes:
    name, value = pair[0].encode(), pair[1].encode()
    return _USER_PROPERTY % (
        len(name).to_bytes(2, "big"),
        name,
        len(value).to_bytes(2, "big"),
        value,
    )


def _leave_writing_to_us(_client: Client, _userdata: object, _sock: object) -> None:
    """Do nothing: ``pump`` asks ``want_write`` itself."""
