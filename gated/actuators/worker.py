"""The actuators' thread: the one owner of relay, lamps, buzzer and bell."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gated.actuators.line import AbsentLine, OpenLine
from gated.actuators.output import Output
from gated.actuators.relay import Relay
from gated.actuators.signals import OFF, SIGNALS, Lamp, Pattern, light
from gated.clock import Clock
from gated.errors import ActuationError
from gated.messages import CallStaff, DeviceChanged, EnergiseRelay, ShowPrompt, StopCallingStaff

log = logging.getLogger(__name__)

Action = EnergiseRelay | ShowPrompt | CallStaff | StopCallingStaff
RELAY, BUZZER, BELL = "relay", "buzzer", "call_staff"
CALL_PULSE_S = 1.0
REOPEN_AFTER_S = 2.0
REOPEN_MAX_S = 16.0
STOPS_WITHIN_S = 0.03
"""From the guard's end by a signal to this process's own: both are sent at once."""
WAIT_S = 0.5
WAIT_ENERGISED_S, LOOKED_AFTER_S = 0.02, 0.1
"""While the relay should be energised its guard is looked at this often: a dead one drives nothing,
but a Raspberry Pi's kernel may leave the line as it was until a successor takes it."""


class Announcer(Protocol):
    """Says or shows a prompt in words. Implementations never block and never raise."""

    def announce(self, prompt: ShowPrompt) -> None: ...


@dataclass(frozen=True, slots=True)
class Outputs:
    """Every output of one gate; what is not wired is an AbsentLine. The worker opens them."""

    relay: Relay
    lamps: Mapping[Lamp, OpenLine]
    buzzer: OpenLine
    bell: OpenLine
    announcer: Announcer | None = None
    call_repeat_s: float = 60.0

    def names(self) -> tuple[str, ...]:
        """Return the names of what is wired, as DeviceChanged and the status have them."""
        others = {BUZZER: self.buzzer, BELL: self.bell}
        wired = [name for name, open_line in others.items() if open_line is not AbsentLine]
        return (RELAY, *(lamp_name(lamp) for lamp in self.lamps), *wired)


def lamp_name(lamp: Lamp) -> str:
    return f"lamp {lamp}"


class ActuatorWorker:
    """Plays the decider's commands. The relay comes first, always.

    Args:
        actions: bounded; when it is full the decider fails loudly instead of waiting.
        publish: where DeviceChanged goes.
    """

    def __init__(
        self,
        outputs: Outputs,
        actions: queue.Queue[Action],
        clock: Clock,
        publish: Callable[[DeviceChanged], None],
    ) -> None:
        self._relay = outputs.relay
        self._announcer = outputs.announcer
        self._actions = actions
        self._clock = clock
        self._publish = publish
        self._is_relay_working = True
        self._reopen_at_s = 0.0
        self._reopen_s = REOPEN_AFTER_S
        self._looked_at_until_s = 0.0
        self._lamps = {
            lamp: Output(lamp_name(lamp), open_line, clock, publish)
            for lamp, open_line in outputs.lamps.items()
        }
        self._buzzer = Output(BUZZER, outputs.buzzer, clock, publish)
        self._bell = Output(BELL, outputs.bell, clock, publish)
        self._call = Pattern((CALL_PULSE_S,), every_s=outputs.call_repeat_s)
        self._outputs = (*self._lamps.values(), self._buzzer, self._bell)

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Serve actions until ``stop``. Everything is de-energised at the end."""
        try:
            self._open_relay()
            while not stop.is_set():
                beat()
                self._keep_up()
                with contextlib.suppress(queue.Empty):
                    self._perform(self._actions.get(timeout=self._wait_s()))
                # A stop of the service ends the guard as well: that is no fault to tell.
                if not self._relay.is_alive() and not stop.wait(STOPS_WITHIN_S):
                    self._replace_guard()
        finally:
            self._close()

    def _keep_up(self) -> None:
        for output in self._outputs:
            output.keep_up()

    def _wait_s(self) -> float:
        is_looked_at = self._clock.monotonic_s() < self._looked_at_until_s
        longest_s = WAIT_ENERGISED_S if is_looked_at else WAIT_S
        return min(longest_s, *(output.due_in_s() for output in self._outputs))

    def _perform(self, action: Action) -> None:
        match action:
            case EnergiseRelay():
                self._energise(action)
            case ShowPrompt():
                self._show(action)
            case CallStaff():
                self._bell.play(self._call)
            case StopCallingStaff():
                self._bell.play(OFF)

    def _energise(self, action: EnergiseRelay) -> None:
        try:
            at_ns = self._relay.pulse(action.visit_id, action.pulse_s)
        except ActuationError as exc:
            if self._is_relay_working:  # otherwise it has been told, and a successor is due
                self._relay_failed(str(exc))
            return
        self._looked_at_until_s = self._clock.monotonic_s() + action.pulse_s + LOOKED_AFTER_S
        if action.ready_at is not None:
            log.debug(
                "relay visit=%s ready_to_relay_ms=%.3f fsync_ms=%.3f",
                action.visit_id,
                at_ns / 1e6 - action.ready_at * 1e3,
                action.fsync_ms,
            )

    def _replace_guard(self) -> None:
        """There is no guard (any more): its successor takes the line, which de-energises it."""
        if self._is_relay_working:
            self._tell_relay(is_working=False, reason=self._relay.fault)
        now_s = self._clock.monotonic_s()
        if now_s >= self._reopen_at_s:
            self._reopen_at_s = now_s + REOPEN_AFTER_S  # one that dies at once is not chased
            self._open_relay()

    def _open_relay(self) -> None:
        try:
            self._relay.open()
        except ActuationError as exc:
            self._relay_failed(str(exc))
            return
        self._reopen_s = REOPEN_AFTER_S
        if not self._is_relay_working:
            self._tell_relay(is_working=True, reason="")

    def _relay_failed(self, reason: str) -> None:
        self._reopen_at_s = self._clock.monotonic_s() + self._reopen_s
        self._reopen_s = min(2 * self._reopen_s, REOPEN_MAX_S)
        if self._is_relay_working:
            self._tell_relay(is_working=False, reason=reason)

    def _tell_relay(self, *, is_working: bool, reason: str) -> None:
        self._is_relay_working = is_working
        if is_working:
            log.info("relay works")
        else:
            log.warning("relay lost: %s", reason)
        self._publish(DeviceChanged(RELAY, is_working, reason, self._clock.monotonic_s()))

    def _show(self, action: ShowPrompt) -> None:
        has_observe_lamp = Lamp.OBSERVE in self._lamps
        for lamp, output in self._lamps.items():
            output.play(light(lamp, action, has_observe_lamp=has_observe_lamp))
        self._buzzer.play(Pattern(SIGNALS[action.prompt].beeps_s))
        if self._announcer is not None:
            self._announcer.announce(action)

    def _close(self) -> None:
        self._relay.close()
        for output in self._outputs:
            output.close()
