"""A broker that ends, in good order or not, while it holds records for an absent collector."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable

from tests.brokers import BrokerUnderTest, IotCore
from tests.faults.fault import Fault, nothing_lacks
from tests.faults.line import Line, Scene, lacks_mosquitto, mosquitto
from tests.faults.verdict import Tally


def broker_away(line: Line, *, is_kill: bool) -> None:
    """Let the broker fill up for an absent collector, end it, and bring everything back."""
    line.centre.kill(line.rng.choice((signal.SIGTERM, signal.SIGKILL)))
    line.pause(0.1, 0.8)
    if is_kill:
        line.broker.kill()
    else:
        line.broker.stop()
    line.injected += 1
    line.pause(0.0, 0.5)
    line.broker.start()
    line.pause(0.0, 0.5)
    line.centre.start()


def broker_restarts(line: Line, *, is_kill: bool) -> None:
    """End the broker under a line at work and start it again."""
    if is_kill:
        line.broker.kill()
    else:
        line.broker.stop()
    line.injected += 1
    line.pause(0.0, 0.3)
    line.broker.start()


def ending(make: Callable[[Scene], BrokerUnderTest], *, is_kill: bool) -> Callable[[Scene], Tally]:
    """Return a run in which the broker that ``make`` makes ends a few times."""

    def run(scene: Scene) -> Tally:
        with contextlib.closing(Line(scene, make(scene))) as line:
            line.start(rate=scene.rng.choice((50, 200, 600)))
            line.pause(0.2, 0.6)
            for number in range(scene.times(3, 1)):
                end = broker_away if number % 2 == 0 else broker_restarts
                end(line, is_kill=is_kill)
                line.pause(0.1, 0.6)
            return line.finish()

    return run


def that_saves(scene: Scene) -> BrokerUnderTest:
    return mosquitto(scene.folder, is_persistent=True)


def that_forgets(scene: Scene) -> BrokerUnderTest:
    return mosquitto(scene.folder)


def that_drops(scene: Scene) -> BrokerUnderTest:
    """A queue that is soon full: what does not fit is confirmed to the gate and dropped."""
    return mosquitto(scene.folder, is_persistent=True, options="max_queued_messages 40")


def iotcore(scene: Scene) -> BrokerUnderTest:
    (scene.folder / "broker").mkdir(exist_ok=True)
    return IotCore(scene.folder / "broker")


def _fault(
    name: str,
    what: str,
    make: Callable[[Scene], BrokerUnderTest],
    *,
    is_kill: bool,
    lacks: Callable[[], str] = lacks_mosquitto,
) -> Fault:
    return Fault(name, what, ending(make, is_kill=is_kill), lacks)


FAULTS = (
    _fault("broker_term_saving", "SIGTERM of a broker that saves", that_saves, is_kill=False),
    _fault("broker_kill_saving", "SIGKILL of a broker that saves", that_saves, is_kill=True),
    _fault("broker_term_forgetting", "SIGTERM, nothing saved", that_forgets, is_kill=False),
    _fault("broker_kill_forgetting", "SIGKILL, nothing saved", that_forgets, is_kill=True),
    _fault(
        "hole_in_transit",
        "a broker that confirms and drops: holes in what the collector gets",
        that_drops,
        is_kill=False,
    ),
    _fault("iotcore_ends", "the demo's broker ends", iotcore, is_kill=True, lacks=nothing_lacks),
)
