"""Reads a PUBLISH packet of MQTT 5 (3.3) that carries a record or an answer to one. Pure.

For every message paho makes an object that knows all properties of MQTT and looks at each letter:
more than half of what receiving costs. Whatever is not plain here goes paho's way.
"""

from __future__ import annotations

from gated.mqtt.happenings import Received

_RETAIN = 0x01
_QOS_BITS = 0x06
_QOS_1 = 0x02
_USER_PROPERTY = 0x26
_LONGER = 0x80
"""A length from here on takes another byte (MQTT 5.0, 1.5.5)."""


def read_publish(first_byte: int, packet: bytes | bytearray) -> Received | None:
    """Return the message at QoS 1 in ``packet``, or None: paho shall read it.

    Args:
        first_byte: the fixed header's.
        packet: everything behind the remaining length.
    """
    if first_byte & _QOS_BITS != _QOS_1:
        return None
    try:
        return _read(first_byte, packet)
    except (IndexError, UnicodeDecodeError):
        return None


def _read(first_byte: int, packet: bytes | bytearray) -> Received | None:
    topic, at = _text(packet, 0)
    message_id = packet[at] << 8 | packet[at + 1]
    length, at = packet[at + 2], at + 3
    if length >= _LONGER:
        if packet[at] >= _LONGER:
            return None
        length, at = length - _LONGER + packet[at] * _LONGER, at + 1
    end = at + length
    pairs = []
    while at < end:
        if packet[at] != _USER_PROPERTY:
            return None
        name, at = _text(packet, at + 1)
        value, at = _text(packet, at)
        if "\0" in name + value or "\ufeff" in name + value:
            return None
        pairs.append((name, value))
    if at != end or end > len(packet):
        return None
    payload = bytes(packet[end:])
    return Received(topic, payload, message_id, 1, pairs, bool(first_byte & _RETAIN))


def _text(packet: bytes | bytearray, at: int) -> tuple[str, int]:
    """Return the text with its length before it at ``at``, and what comes behind it."""
    begin = at + 2
    end = begin + (packet[at] << 8 | packet[at + 1])
    return packet[begin:end].decode(), end
