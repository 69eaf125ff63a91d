"""The plugs that somebody can pull during a demo: their names, keys and words, and when. Pure."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gated.texts import Pair


class Plug(enum.StrEnum):
    NETWORK = "network"
    BROKER = "broker"
    COLLECTOR = "collector"
    UPLINK = "uplink"
    SCANNER = "scanner"
    CONTROLLER = "controller"
    POWER = "power"


KEYS: Mapping[str, Plug] = {
    "n": Plug.NETWORK,
    "b": Plug.BROKER,
    "c": Plug.COLLECTOR,
    "u": Plug.UPLINK,
    "s": Plug.SCANNER,
    "g": Plug.CONTROLLER,  # the one that decides: the gate itself
    "p": Plug.POWER,
}
HELP_KEYS = "h?"
DARKENS = frozenset({Plug.CONTROLLER, Plug.POWER})
"""Without these the gate shows nothing, and nobody comes up."""


class Words(NamedTuple):
    """What is said of a plug."""

    name_zh: str
    out: Pair  # what has been done, and what follows


WORDS: Mapping[Plug, Words] = {
    Plug.NETWORK: Words(
        "网线",
        (
            "闸机到消息服务器的网线已拔，记录留在闸机里",
            "the cable from gate to broker is out, records wait in the gate",
        ),
    ),
    Plug.BROKER: Words(
        "消息服务器",
        ("消息服务器已停，内存里的消息全丢", "the broker is down, and has forgotten all it held"),
    ),
    Plug.COLLECTOR: Words(
        "汇总端",
        (
            "汇总端已强行结束，没有回执，记录留在闸机里",
            "the collector is killed, nothing is acknowledged, records wait in the gate",
        ),
    ),
    Plug.UPLINK: Words(
        "上传进程",
        (
            "上传进程已强行结束，闸机照常放行，记录留在闸机里",
            "the uplink is killed, the gate works on, records wait in it",
        ),
    ),
    Plug.SCANNER: Words(
        "扫码进程",
        ("扫码进程已强行结束，无法读码", "the scanner is killed, no code is read"),
    ),
    Plug.CONTROLLER: Words(
        "主控",
        (
            "主控已强行结束，继电器随即断开，无人放行",
            "the controller is killed, the relay falls, nobody is let in",
        ),
    ),
    Plug.POWER: Words(
        "电源",
        (
            "闸机三个进程同时强行结束，如同断电",
            "all three processes of the gate are killed at once, as by a power cut",
        ),
    ),
}


def key_of(plug: Plug) -> str:
    return next(key for key, named in KEYS.items() if named is plug)


def keys_in_a_line() -> str:
    """Return what is said of the keys at the start."""
    plugs = " · ".join(f"{key} {plug} {WORDS[plug].name_zh}" for key, plug in KEYS.items())
    return f"{plugs} · {HELP_KEYS[0]} help 帮助"


def help_lines() -> list[str]:
    """Return what each key does."""
    lines = ["a key pulls a plug, the same key plugs it in again  按一下拔掉，再按一下插回"]
    for key, plug in KEYS.items():
        zh, en = WORDS[plug].out
        lines.append(f"  {key}  {plug:<11} {en}  {WORDS[plug].name_zh}：{zh}")
    return lines


# --- pulls without a terminal ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pull:
    """A plug that is pulled at a set time after the first person has come."""

    plug: Plug
    at_s: float
    for_s: float  # inf: to the end

    def __str__(self) -> str:
        lasts = "" if math.isinf(self.for_s) else f":{self.for_s:g}"
        return f"{self.plug}@{self.at_s:g}{lasts}"


PULL_EXAMPLE = "collector@5:20,network@30:8"
_PULL = re.compile(r"([a-z]+)@(\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?")


def parse_pulls(text: str) -> tuple[Pull, ...]:
    """Return the pulls that ``text`` lists, as in ``PULL_EXAMPLE``.

    Raises: ValueError: it cannot be read, or pulls a plug that is out already; says which and why.
    """
    pulls: list[Pull] = []
    for word in text.split(","):
        found = _PULL.fullmatch(word.strip())
        if found is None:
            raise ValueError(f"{word.strip()!r} is not PLUG@SECOND:SECONDS, as in {PULL_EXAMPLE}")
        name, at_s, for_s = found.groups()
        if name not in set(Plug):
            raise ValueError(f"there is no plug {name!r}; there are {', '.join(Plug)}")
        pull = Pull(Plug(name), float(at_s), math.inf if for_s is None else float(for_s))
        if pull.plug in DARKENS and math.isinf(pull.for_s):
            raise ValueError(f"{pull} needs :SECONDS, since nobody would come up any more")
        for other in pulls:
            first, second = sorted((pull, other), key=lambda p: p.at_s)
            if first.plug is second.plug and second.at_s <= first.at_s + first.for_s:
                raise ValueError(f"{second} would pull what is out already by {first}")
        pulls.append(pull)
    return tuple(pulls)


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One hand on one plug."""

    at_s: float
    plug: Plug
    is_out: bool


def steps_of(pulls: Iterable[Pull]) -> list[Step]:
    """Return what ``pulls`` do, in order of time."""
    steps: list[Step] = []
    for pull in pulls:
        steps.append(Step(pull.at_s, pull.plug, is_out=True))
        if not math.isinf(pull.for_s):
            steps.append(Step(pull.at_s + pull.for_s, pull.plug, is_out=False))
    return sorted(steps)
