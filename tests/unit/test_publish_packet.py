"""A PUBLISH packet is read as paho reads it, or left to paho."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gated.mqtt.happenings import Received
from gated.mqtt.publish_packet import read_publish

QOS_1 = 0x32
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=90)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=4)


def packet_of(topic: bytes, message_id: int, properties: bytes, payload: bytes) -> bytes:
    return (
        len(topic).to_bytes(2, "big")
        + topic
        + message_id.to_bytes(2, "big")
        + properties
        + (payload)
    )


def packed(pairs: list[tuple[str, str]], **others: object) -> bytes:
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.UserProperty = pairs
    for name, value in others.items():
        setattr(properties, name, value)
    return bytes(properties.pack())


def by_paho(first_byte: int, packet: bytes) -> Received | None:
    """What paho's own client makes of it; None: it refuses the packet."""
    heard: list[MQTTMessage] = []
    client: Any = Client(
        CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
    )
    client.on_message = lambda _client, _userdata, message: heard.append(message)
    client._in_packet |= {"command": first_byte, "packet": bytearray(packet)}
    try:
        client._handle_publish()
    except MalformedPacket:
        return None
    (message,) = heard
    pairs = list(getattr(message.properties, "UserProperty", ()))
    return Received(
        message.topic, bytes(message.payload), message.mid, message.qos, pairs, message.retain
    )


@given(topic=TEXTS, message_id=st.integers(1, 65_535), pairs=PAIRS, payload=st.binary(max_size=9))
def test_a_plain_message_is_read_as_paho_reads_it(
    topic: str, message_id: int, pairs: list[tuple[str, str]], payload: bytes
) -> None:
    packet = packet_of(topic.encode(), message_id, packed(pairs), payload)
    read = read_publish(QOS_1, bytearray(packet))
    if any(odd in text for pair in pairs for text in pair for odd in "\0\ufeff"):
        assert read is None
    else:
        assert read == Received(topic, payload, message_id, 1, pairs) == by_paho(QOS_1, packet)


def test_a_retained_one_is_told_from_others() -> None:
    packet = packet_of(b"t", 7, packed([]), b"{}")
    assert read_publish(QOS_1 | 0x01, packet) == Received("t", b"{}", 7, 1, [], is_retained=True)
    assert read_publish(QOS_1 | 0x08, packet) == Received("t", b"{}", 7, 1, [])  # sent again


@pytest.mark.parametrize(
    ("first_byte", "packet"),
    [
        (0x30, packet_of(b"t", 7, packed([]), b"")),  # QoS 0 has no message id
        (0x34, packet_of(b"t", 7, packed([]), b"")),  # QoS 2
        (QOS_1, packet_of(b"t", 7, packed([("a", "b")], ContentType="json"), b"")),
        (QOS_1, packet_of(b"t", 7, packed([("a", "b" * 20_000)]), b"")),
        (QOS_1, packet_of(b"\xff", 7, packed([]), b"")),
        (QOS_1, packet_of(b"t", 7, b"\x07\x26\x00\x01a\x00\x01\xff", b"")),
        (QOS_1, packet_of(b"t", 7, b"\x07\x26\x00\x01a\x00\x02b", b"")),  # longer than it says
        (QOS_1, packet_of(b"t", 7, b"\x09\x26\x00\x01a\x00\x01b", b"")),  # cut off
        (QOS_1, b"\x00\x09t"),
        (QOS_1, b""),
    ],
)
def test_what_is_not_plain_is_left_to_paho(first_byte: int, packet: bytes) -> None:
    assert read_publish(first_byte, packet) is None


PLAIN = packet_of(b"gates/v1/s/g/rec/visit", 7, packed([("epoch", "k3"), ("seq", "1")]), b"{}")


@given(
    at=st.integers(0, len(PLAIN)),
    gone=st.integers(0, 3),
    put=st.binary(max_size=3) | st.sampled_from([b"\x80\x00", b"\x00\x00", b"\xef\xbb\xbf"]),
)
def test_a_damaged_packet_is_read_no_other_way_than_by_paho(at: int, gone: int, put: bytes) -> None:
    packet = PLAIN[:at] + put + PLAIN[at + gone :]
    read = read_publish(QOS_1, packet)
    assert read is None or read == by_paho(QOS_1, packet)
