"""A network that is silent, half open, slow, cut or talks nonsense, on both sides of the broker."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from tests.faults.bad_network import BadNetwork
from tests.faults.fault import Fault
from tests.faults.line import Line, Scene, any_broker
from tests.faults.verdict import Tally

_SLOW_BYTES_A_SECOND = (3_000, 20_000)


def fall_silent(line: Line, network: BadNetwork) -> None:
    network.fall_silent()


def half_open(line: Line, network: BadNetwork) -> None:
    network.half_open()


def slow_down(line: Line, network: BadNetwork) -> None:
    network.slow_down(line.rng.randrange(*_SLOW_BYTES_A_SECOND))


def talk_garbage(line: Line, network: BadNetwork) -> None:
    network.talk_garbage(line.rng.getrandbits(32))


def cut(line: Line, network: BadNetwork) -> None:
    network.cut()


Weather = Callable[[Line, BadNetwork], None]


def weather(turn: Weather) -> Callable[[Scene], Tally]:
    """Return a run with bad weather on one side or both, a few times."""

    def run(scene: Scene) -> Tally:
        with contextlib.closing(Line(scene, any_broker(scene))) as line:
            line.start(rate=scene.rng.choice((50, 200)))
            for _ in range(scene.times(3, 1)):
                line.pause(0.1, 0.6)
                sides = line.rng.choice(
                    [
                        [line.gate_side],
                        [line.centre_side],
                        [line.gate_side, line.centre_side],
                    ]
                )
                for side in sides:
                    turn(line, side)
                    line.injected += 1
                line.pause(0.2, 1.5)
                for side in sides:
                    side.heal()
            return line.finish()

    return run


FAULTS = (
    Fault("net_silent", "everything is swallowed, nobody is told", weather(fall_silent)),
    Fault("net_half_open", "one end is closed, the other is not told", weather(half_open)),
    Fault("net_slow", "3 to 20 kB a second", weather(slow_down)),
    Fault("net_garbage", "nonsense between two packets and for a greeting", weather(talk_garbage)),
    Fault("net_cut", "resets, and refuses", weather(cut)),
)
