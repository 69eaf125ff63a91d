"""Changes CBOR and JSON as trees, so that what comes out is mostly well-formed and seldom right.

The readers take what is well-formed, the writers write anything: equal keys, numbers without end,
half surrogate pairs, tags. A byte-wise fuzzer seldom gets past the first length field.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

_MAX_NODES = 2_000
_MAX_DEPTH = 60


@dataclass
class Leaf:
    """A scalar as it is written."""

    raw: bytes


@dataclass
class Branch:
    """A list's items; a map's keys and values in turn; what stands under a tag."""

    kind: Literal["list", "map", "tag"]
    items: list[Node]
    tag: int = 0


Node = Leaf | Branch


class NotATree(ValueError):
    """The bytes are not well-formed."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """How trees are read and written, and which scalars are worth a try."""

    read: Callable[[bytes], Node]
    write: Callable[[Node], bytes]
    text: Callable[[str], bytes]
    text_of: Callable[[bytes], str | None]
    odd: tuple[bytes, ...]


def change(data: bytes, syntax: Syntax, chance: random.Random) -> bytes:
    """Return ``data`` with one to four changes of its tree. Raises: NotATree."""
    root = Branch("list", [syntax.read(data)])
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        _change_once(root, syntax, chance)
    return syntax.write(root.items[0]) if root.items else b""


def _change_once(root: Branch, syntax: Syntax, chance: random.Random) -> None:
    places = _places(root)
    branch, at = chance.choice(places)
    node = branch.items[at]
    match chance.randrange(9):
        case 0 | 1:
            branch.items[at] = Leaf(chance.choice(syntax.odd))
        case 2 | 3 if isinstance(node, Leaf) and (text := syntax.text_of(node.raw)) is not None:
            branch.items[at] = Leaf(syntax.text(_change_text(text, chance)))
        case 4:
            other, there = chance.choice(places)
            branch.items[at] = deepcopy(other.items[there])  # a tree cannot hold itself
        case 5 if branch is not root:
            del branch.items[at]
        case 6 if branch is not root:
            branch.items.insert(at, deepcopy(node))
        case 7:
            wrap = Branch("list" if chance.random() < 0.7 else "tag", [node], chance.choice(_TAGS))
            branch.items[at] = wrap
        case 8 if isinstance(node, Branch):
            chance.shuffle(node.items)
        case _:
            if isinstance(node, Leaf) and node.raw:
                raw = bytearray(node.raw)
                raw[chance.randrange(len(raw))] = chance.randrange(256)
                branch.items[at] = Leaf(bytes(raw))


def _places(root: Branch) -> list[tuple[Branch, int]]:
    """Return the nodes' places, breadth first, up to a bound."""
    places: list[tuple[Branch, int]] = []
    level = [root]
    for _ in range(_MAX_DEPTH):
        below: list[Branch] = []
        for branch in level:
            for at, node in enumerate(branch.items):
                places.append((branch, at))
                if isinstance(node, Branch):
                    below.append(node)
                if len(places) >= _MAX_NODES:
                    return places
        level = below
    return places


_TAGS = (0, 1, 2, 4, 18, 24, 28, 29, 35, 61, 258, 55799, 2**32)
_ODD_TEXTS = (
    "", " ", "\x00", "\n", "\x1b[2J", "\u202e", "\ufffd", "=1+1", "é", "e\u0301",
    "１２３", "２０２１-01-01", "0000-00-00", "2021-02-30", "2021-13", "2021", "9999-12-31",
    "2021-06-01T00:00:00+99:99", "2021-06-01T12:00:00.123456789Z", "2021-06-01T24:00:00",
    "2021-06-01T12:00:60Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "2021-W01-1", "20210601", "nan", "1e999", "X" * 200,
    "did:web:example.org", "https://example.org", "840539006", "260415000",
)  # fmt: skip


def _change_text(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    match chance.randrange(5):
        case 0:
            return chance.choice(_ODD_TEXTS)
        case 1:
            return text[:at] + chance.choice(_ODD_TEXTS) + text[at:]
        case 2:
            return text[:at] + text[at + chance.randrange(4) :]
        case 3:
            return text[:at] + chr(chance.choice((0, 0x2F, 0x3A, 0xD800, 0x1F600))) + text[at + 1 :]
        case _:
            return text[:at] + str(chance.randrange(10)) + text[at + 1 :]


# --- CBOR (RFC 8949) -----------------------------------------------------------------------------

_WIDTH_OF_INFO = {24: 1, 25: 2, 26: 4, 27: 8}


def _read_cbor(data: bytes) -> Node:
    node, end = _read_item(data, 0, _MAX_DEPTH)
    if end != len(data):
        raise NotATree
    return node


def _read_item(data: bytes, start: int, depth: int) -> tuple[Node, int]:
    if start >= len(data) or not depth:
        raise NotATree
    major, info = data[start] >> 5, data[start] & 31
    at = start + 1
    if info in _WIDTH_OF_INFO:
        at += _WIDTH_OF_INFO[info]
        number = int.from_bytes(data[start + 1 : at], "big")
    elif info < min(_WIDTH_OF_INFO):
        number = info
    else:
        raise NotATree
    if major in (2, 3):
        at += number
    if at > len(data):
        raise NotATree
    if major not in (4, 5, 6):
        return Leaf(data[start:at]), at
    count = {4: number, 5: 2 * number, 6: 1}[major]
    if count > len(data):
        raise NotATree
    items: list[Node] = []
    for _ in range(count):
        item, at = _read_item(data, at, depth - 1)
        items.append(item)
    kinds: dict[int, Literal["list", "map", "tag"]] = {4: "list", 5: "map", 6: "tag"}
    return Branch(kinds[major], items, number), at


def _head(major: int, number: int) -> bytes:
    if number < min(_WIDTH_OF_INFO):
        return bytes([major << 5 | number])
    for info, width in _WIDTH_OF_INFO.items():
        if number < 1 << (8 * width):
            return bytes([major << 5 | info]) + number.to_bytes(width, "big")
    raise NotATree


def _write_cbor(node: Node) -> bytes:
    if isinstance(node, Leaf):
        return node.raw
    content = b"".join(_write_cbor(item) for item in node.items)
    if node.kind == "tag":
        return _head(6, node.tag) + content
    if node.kind == "map":
        return _head(5, len(node.items) // 2) + content
    return _head(4, len(node.items)) + content


def _cbor_text(text: str) -> bytes:
    raw = text.encode("utf-8", errors="surrogatepass")
    return _head(3, len(raw)) + raw


def _text_of_cbor(raw: bytes) -> str | None:
    if not raw or raw[0] >> 5 != 3:
        return None
    skipped = 1 + _WIDTH_OF_INFO.get(raw[0] & 31, 0)
    return raw[skipped:].decode("utf-8", errors="replace")


_ODD_CBOR = """
    00 01 20 17 1818 1800 f4 f5 f6 f7 e0 ff
    1a61000000 1a7fffffff 1b7fffffffffffffff 1bffffffffffffffff 3bffffffffffffffff
    1b0000003afff4417f 1b0000003afff44180
    f97e00 f97c00 f90000 f98000 fb7fefffffffffffff fb41d8400000000000
    40 4100 60 61ff 63eda080 80 a0 9fff bfff 5f4161ff 7f6161ff 9affffffff
    c249ffffffffffffffffff c100 c060 d8236128 d81c80 d81d00
    a201000101 a1f97e0000 8181818181818181818181818100
"""
"""Small and large numbers, seconds of the years 2021, 9999 and 10000, floats that are none,
indefinite lengths, half a surrogate pair, tags that do something, equal keys, depth."""

CBOR = Syntax(
    _read_cbor,
    _write_cbor,
    _cbor_text,
    _text_of_cbor,
    odd=tuple(bytes.fromhex(word) for word in _ODD_CBOR.split()),
)


# --- JSON (RFC 8259) -----------------------------------------------------------------------------


class _Pairs(list[tuple[str, object]]):
    pass


def _read_json(data: bytes) -> Node:
    try:
        return _node_of(json.loads(data, object_pairs_hook=_Pairs))
    except (ValueError, RecursionError) as exc:
        raise NotATree from exc


def _node_of(value: object) -> Node:
    if isinstance(value, _Pairs):
        items: list[Node] = []
        for name, member in value:
            items += [Leaf(json.dumps(name).encode()), _node_of(member)]
        return Branch("map", items)
    if isinstance(value, list):
        return Branch("list", [_node_of(item) for item in value])
    return Leaf(json.dumps(value).encode())


def _write_json(node: Node) -> bytes:
    if isinstance(node, Leaf):
        return node.raw
    parts = [_write_json(item) for item in node.items]
    if node.kind == "map":
        pairs = zip(parts[::2], parts[1::2], strict=False)
        return b"{" + b",".join(key + b":" + value for key, value in pairs) + b"}"
    return b"[" + b",".join(parts) + b"]"


def _text_of_json(raw: bytes) -> str | None:
    try:
        value: object = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, str) else None


_ODD_JSON = (
    "0", "-1", "1", "1.5", "1e999", "-1e999", "NaN", "Infinity", "1e308", "0.1e-400", "9" * 400,
    "253402300799", "253402300800", "-62135596801", "1606000000", "1606000000.5",
    "true", "false", "null", '""', '"\\ud800"', '"\\u0000"', '"１２３"', '"2021-06-01"',
    "[]", "{}", '{"":1,"":2}', "[" * 40 + "]" * 40, "[" * 2_000 + "]" * 2_000, "[", "",
)  # fmt: skip

JSON = Syntax(
    _read_json,
    _write_json,
    lambda text: json.dumps(text).encode(),
    _text_of_json,
    odd=tuple(word.encode() for word in _ODD_JSON),
)
