"""Safe mode: the controller after it has crashed again and again. It judges nobody.

No sensor, input or order is listened to. The relay is held de-energised, the outputs say "out of
order", whoever holds up a code is refused with the same words, and the ledger gets an alarm for the
centre. What may be the cause is left out as crashes go on: first the ledger, then the outputs with
the whole configuration. So what is left can always say what it is.

It ends by a stop, a reload, or after ``RETRY_AFTER_S``, with a normal start.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from gated import __version__
from gated.actuators.relay_off import SPEC_FILE
from gated.actuators.worker import Action, ActuatorWorker
from gated.clock import Clock
from gated.config import GateConfig
from gated.contents import AlarmContent, AlarmName
from gated.controller.crashes import RETRY_AFTER_S, SAFE_AFTER, WITHIN_S, sentence
from gated.controller.ports import MakeDevices
from gated.controller.rules import lane_of
from gated.controller.start_records import newest_record, open_ledger, start_contents
from gated.controller.status import STATUS_FILE, device_states, status_words, write_atomically
from gated.controller.timekeeper import timekeeper_of
from gated.datagrams import Nudge, Receiver
from gated.durable import make_folder
from gated.errors import StorageError
from gated.messages import DeviceChanged, ShowPrompt
from gated.supervisor import Supervisor
from gated.units import MonoSeconds
from gated.visit.state import LaneState
from gated.vocabulary import Mode, Prompt
from gated.wire import Draft, Stamp

log = logging.getLogger(__name__)

NO_LEDGER_AFTER = SAFE_AFTER + 2
BARE_AFTER = SAFE_AFTER + 4
SHOWN_BOUND = 8
DENIED_AT_MOST_EVERY_S = 3.0
WAIT_S = 0.5


def run_safe_mode(
    crashes: int, load: Callable[[], GateConfig], make_devices: MakeDevices, clock: Clock
) -> int:
    """Stay shut until staff or time ends it; return the exit code.

    Args:
        crashes: so far; the more there were, the less is touched.
        load: returns the configuration, unless that is what crashes.
        make_devices: the outputs are taken, the others never opened.
        clock: for the retry.
    """
    retry_at_s = clock.monotonic_s() + RETRY_AFTER_S
    zh, en = sentence(crashes)
    log.error("%s", en)
    shut = Shut(load(), crashes, make_devices, clock) if crashes < BARE_AFTER else None

    def start_normally() -> None:
        log.warning("safe mode ends: trying a normal start")
        supervisor.request_stop()

    def each_second() -> None:
        if shut is not None:
            shut.write_status()
        if clock.monotonic_s() >= retry_at_s:
            start_normally()

    supervisor = Supervisor(
        "controller",
        clock,
        on_reload=start_normally,
        status=lambda: f"{en} · {zh}",
        each_second=each_second,
    )
    if shut is not None:
        supervisor.add("actuators", shut.actuators.run)
        supervisor.add("sightings", shut.deny)
        if shut.speak is not None:
            supervisor.add("voice", shut.speak)
        if crashes < NO_LEDGER_AFTER:
            supervisor.add("ledger", shut.tell_centre)
    try:
        return supervisor.run()
    finally:
        if shut is not None:
            shut.close()


class Shut:
    """A gate that opens for nobody, as far as its configuration and its outputs still allow."""

    def __init__(
        self, config: GateConfig, crashes: int, make_devices: MakeDevices, clock: Clock
    ) -> None:
        self._config = config
        self._crashes = crashes
        self._clock = clock
        self._timekeeper = timekeeper_of(config, clock)
        self._state = LaneState(
            lane=lane_of(config, ""), mode=Mode.CLOSED, prompt=Prompt.OUT_OF_ORDER
        )
        self._is_failing = False
        devices = make_devices(config, clock)
        outputs, voice = devices.outputs, devices.voice
        self.speak = None if voice is None else partial(voice.run, publish=self._note_device)
        self._works: dict[str, bool] = dict.fromkeys(outputs.names(), True)
        make_folder(config.paths.run)
        write_atomically(config.paths.run / SPEC_FILE, outputs.relay.spec.encode())
        self._actions: queue.Queue[Action] = queue.Queue(SHOWN_BOUND)
        self.actuators = ActuatorWorker(outputs, self._actions, clock, self._note_device)
        self._show()

    def _show(self) -> None:
        with contextlib.suppress(queue.Full):  # it is being said
            prompt = ShowPrompt(Prompt.OUT_OF_ORDER, is_spoken=True, mode=Mode.CLOSED)
            self._actions.put_nowait(prompt)

    def _note_device(self, changed: DeviceChanged) -> None:
        self._works[changed.device] = changed.is_working

    # --- whoever comes ------------------------------------------------------------------------

    def deny(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Refuse everybody who holds up a code. What it says is not looked at."""
        denied_at_s = MonoSeconds(self._clock.monotonic_s() - DENIED_AT_MOST_EVERY_S)
        with contextlib.closing(Receiver(self._config.paths.run / "sighting.sock")) as sightings:
            while not stop.is_set():
                beat()
                if sightings.receive(WAIT_S) is None:
                    continue
                if self._clock.monotonic_s() - denied_at_s >= DENIED_AT_MOST_EVERY_S:
                    denied_at_s = self._clock.monotonic_s()
                    self._show()

    # --- who must know ------------------------------------------------------------------------

    def write_status(self) -> None:
        """Write the status. A full disk costs its readers the news."""
        self._timekeeper.watch()
        works = dict(self._works)
        lost = frozenset(name for name in works if not works[name])
        state = replace(self._state, time_quality=self._timekeeper.quality, lost=lost)
        status = {
            **status_words(state, device_states(state, tuple(works)), self._clock),
            "safe_mode_after": self._crashes,
        }
        try:
            write_atomically(self._config.paths.run / STATUS_FILE, json.dumps(status).encode())
        except StorageError as exc:
            if not self._is_failing:
                log.error("%s", exc)
            self._is_failing = True
        else:
            self._is_failing = False

    def tell_centre(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Record the alarm, if the ledger takes it; the uplink does the rest."""
        try:
            self._record()
        except StorageError as exc:
            log.error("safe mode is not recorded: %s", exc)
        while not stop.wait(WAIT_S):
            beat()

    def _record(self) -> None:
        """Record this start and the alarm. Raises: StorageError."""
        config, detail = self._config, f"{self._crashes} crashes within {WITHIN_S / 60:g} min"
        opened = open_ledger(config, self._clock)
        alarm = AlarmContent(alarm=AlarmName.SAFE_MODE, device="controller", detail=detail)
        with contextlib.closing(opened.ledger) as ledger:
            timekeeper = timekeeper_of(config, self._clock, newest_record(ledger))
            stamp = Stamp(
                at=timekeeper.rfc3339(),
                time_quality=timekeeper.quality,
                boot_ms=self._clock.boottime_ms(),
                mode=Mode.CLOSED,
                drill=ledger.setting("drill") == "1",
                rules=self._state.lane.rules.version,
                software=__version__,
            )
            ledger.append([Draft(content, stamp) for content in (*start_contents(opened), alarm)])
        with contextlib.closing(Nudge(config.paths.run / "uplink.sock")) as nudge:
            nudge.send()

    def close(self) -> None:
        """Take the status away: a status that nobody renews is no status."""
        (self._config.paths.run / STATUS_FILE).unlink(missing_ok=True)
