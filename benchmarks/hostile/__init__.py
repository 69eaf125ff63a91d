"""Searches for the code that costs a verifier most: families of codes, then changes of the worst.

Strangers know the key ids of a trust list, so theirs get as far as a signature that does not hold.
The families that are called signed are what an issuer could make, who is trusted and may err.
"""

from __future__ import annotations

import base64
import random
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fuzz import mutators, school, trees
from fuzz.targets import hc1, shc
from gated.credentials import base45, jws
from gated.credentials.verify import Verification, verify
from gated.messages import MAX_CODE_CHARACTERS
from gated.vocabulary import CredentialStatus

_TRIES = 3
_WIDEST = 65_536
_FILL = tuple(0.7**step for step in range(16))
"""Shares of what fits: less than the most may be what just passes a bound."""


@dataclass(frozen=True, slots=True)
class Family:
    """Codes of one build: ``make`` of some content, ``content`` of a size in bytes."""

    name: str
    make: Callable[[bytes], str]
    content: Callable[[int], bytes]
    mutate: mutators.Mutator
    is_signed: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A code and what it costs."""

    cpu_ms: float
    name: str
    text: str
    is_signed: bool


def judged(text: str) -> Verification:
    return verify(text, now=school.NOW, trust=school.TRUST, site_key=school.SITE_KEY.key)


def cpu_ms(text: str) -> float:
    """Return the least CPU time of a few tries in ms: of the code, not of what disturbed it."""
    spent = []
    for _ in range(_TRIES):
        begun_s = time.thread_time()
        judged(text)
        spent.append((time.thread_time() - begun_s) * 1_000)
    return min(spent)


def peak_mib(text: str) -> float:
    """Return the most memory that judging ``text`` holds at once, in MiB."""
    tracemalloc.start()
    try:
        judged(text)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak_bytes / 2**20


def fullest() -> Iterator[str]:
    """Yield the longest code of every family."""
    for family in _families():
        yield family.make(family.content(_largest(family, 1.0)))


def search(seconds: float, seed: int) -> list[Found]:
    """Return the worst of every family, the worst first, after ``seconds`` of changing them."""
    families = list(_families())
    best: dict[str, tuple[Found, bytes]] = {}
    for family in families:
        for share in _FILL:
            _try(family, family.content(_largest(family, share)), best)
    chance = random.Random(seed)
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        # The worst families are changed most; each has its turn all the same.
        ordered = sorted(best, key=lambda name: -best[name][0].cpu_ms)
        name = ordered[min(int(chance.expovariate(0.3)), len(ordered) - 1)]
        family = next(family for family in families if family.name == name)
        _try(family, family.mutate(best[name][1], chance), best)
    return sorted((found for found, _ in best.values()), key=lambda found: -found.cpu_ms)


def _try(family: Family, content: bytes, best: dict[str, tuple[Found, bytes]]) -> None:
    text = family.make(content)
    if len(text) > MAX_CODE_CHARACTERS:
        return
    assert family.is_signed or judged(text).status is not CredentialStatus.VALID
    spent_ms = cpu_ms(text)
    if family.name not in best or spent_ms > best[family.name][0].cpu_ms:
        best[family.name] = (Found(spent_ms, family.name, text, family.is_signed), content)


def _largest(family: Family, share: float) -> int:
    """Return ``share`` of the largest size whose code is short enough."""
    low, high = 1, _WIDEST
    while low < high:
        middle = (low + high + 1) // 2
        if len(family.make(family.content(middle))) <= MAX_CODE_CHARACTERS:
            low = middle
        else:
            high = middle - 1
    return max(1, int(low * share))


# --- families -------------------------------------------------------------------------------------

_JSON_ITEMS = {
    "objects": b"{}",
    "objects of one": b'{"a":0}',
    "lists": b"[]",
    "integers": b"0",
    "fractions": b"1.5",
    "texts": b'""',
    "half pairs": b'"\\ud800"',
}
_ITEMS = {
    "integers": b"\x00",
    "empty maps": b"\xa0",
    "maps of one": b"\xa1\x00\x00",
    "empty lists": b"\x80",
    "lists in lists": b"\x81\x81\x81\x80",
    "tags": b"\xd2\x00",
    "floats": b"\xf9\x3c\x00",
    "texts": b"\x62\xc3\xa9",
    "chunked texts": b"\x7f\x61a\xff",
    "large integers": b"\x1b" + 8 * b"\x7f",
}


def _list_of(item: bytes, size: int) -> bytes:
    count = max(1, size // len(item))
    return b"\x9a" + count.to_bytes(4, "big") + item * count


def _map_of_integers(size: int) -> bytes:
    """Return a map whose keys share their lower bits."""
    count = max(1, size // 10)
    pairs = b"".join(b"\x1b" + (n << 32).to_bytes(8, "big") + b"\x00" for n in range(count))
    return b"\xba" + count.to_bytes(4, "big") + pairs


def _unsigned(content: bytes) -> bytes:
    """Return a message under the ministry's key id with ``content`` in the open header."""
    key_id = bytes([0x40 | len(school.MINISTRY_KEY_ID)]) + school.MINISTRY_KEY_ID
    head = b"\xd2\x84\x43\xa1\x01\x26\xa2\x04" + key_id + b"\x18\x63"
    return head + content + b"\x40\x58\x40" + bytes(64)


def _forged(payload: bytes) -> bytes:
    return school.sign1(payload, school.OTHER_MINISTRY, school.MINISTRY_KEY_ID)


def _hc1(message: bytes) -> str:
    return "HC1:" + base45.encode(zlib.compress(message, 9))


def _families() -> Iterator[Family]:
    tree, flat = mutators.of_tree(trees.CBOR), mutators.of_bytes
    for name, item in _ITEMS.items():
        fill = _filled(item)
        yield Family(f"HC1, header of {name}", lambda data: _hc1(_unsigned(data)), fill, tree)
        yield Family(f"HC1, {name}, no message", _hc1, fill, tree)
        yield Family(f"GP1, header of {name}", lambda data: _gp1(_unsigned(data)), fill, tree)
        yield Family(f"NZCP, header of {name}", lambda data: _nzcp(_unsigned(data)), fill, tree)
        yield Family(f"HC1, signed {name}", _of_claims, fill, tree, is_signed=True)
    for name, item in _JSON_ITEMS.items():
        fill = _json_filled(item)
        yield Family(
            f"SHC, signed {name}", _of_member, fill, mutators.of_tree(trees.JSON), is_signed=True
        )
    yield Family("HC1, map", lambda data: _hc1(_unsigned(data)), _map_of_integers, tree)
    yield Family("HC1, long payload", lambda data: _hc1(_forged(data)), bytes, flat)
    yield Family("HC1, zlib as it is", _of_zlib, _incompressible, flat)
    yield Family("GP1, long payload", _of_pass, _incompressible, flat)
    yield Family("base45", _gp1, _incompressible, flat)
    yield Family("base45, bad at its end", lambda data: _gp1(data) + ":::", bytes, flat)
    yield Family("NZCP, long payload", lambda data: _nzcp(_forged(data)), bytes, flat)
    yield Family("SHC, long payload", _of_card, bytes, flat)
    yield Family("SHC, header", _of_header, _json_filled(b"{}"), mutators.of_tree(trees.JSON))
    yield Family("SHC, digits", _of_letters, lambda size: b"z" * size, flat)
    yield Family("WeCom, base64", _of_base64, lambda size: b"\x01" * size, flat)
    yield Family("changing", _of_changing, _incompressible, flat)


def _gp1(message: bytes) -> str:
    return "GP1:" + base45.encode(message)


def _nzcp(message: bytes) -> str:
    return "NZCP:/1/" + school.base32(message)


def _of_letters(data: bytes) -> str:
    return school.digits(data.decode("latin-1"))


def _of_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _filled(item: bytes) -> Callable[[int], bytes]:
    return lambda size: _list_of(item, size)


def _incompressible(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def _of_zlib(data: bytes) -> str:
    return "HC1:" + base45.encode(b"\x78\xda" + data)


def _of_pass(data: bytes) -> str:
    return school.gp1(data, school.STRANGER)


def _of_changing(data: bytes) -> str:
    return school.gp1(data, school.STRANGER).replace("GP1:", "GP1T:" + "0" * 24)


def _of_card(data: bytes) -> str:
    header = f'{{"zip":"DEF","alg":"ES256","kid":"{school.SHC_KEY_ID}"}}'.encode()
    return school.shc_of(header, data, school.OTHER_MINISTRY)


def _of_header(data: bytes) -> str:
    header = f'{{"zip":"DEF","alg":"ES256","kid":"{school.SHC_KEY_ID}","x":'.encode() + data + b"}"
    return school.shc_of(header[: jws.MAX_HEADER_BYTES], b"", school.OTHER_MINISTRY)


def _json_filled(item: bytes) -> Callable[[int], bytes]:
    return lambda size: b"[" + b",".join([item] * max(1, size // (len(item) + 1))) + b"]"


def _of_claims(data: bytes) -> str:
    """Return a good certificate with one more claim, which is no business of ours."""
    claims = hc1.CLAIMS[0]
    return school.hc1(bytes([claims[0] + 1]) + claims[1:] + b"\x61x" + data)


def _of_member(data: bytes) -> str:
    """Return a good card with one more member."""
    return school.shc(shc.CARDS[0][:-1] + b',"x":' + data + b"}")
