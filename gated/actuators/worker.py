"""The actuators' thread: the one owner of relay, lamps, buzzer and bell."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from gated.actuators.line import OutputLine
from gated.actuators.relay import Relay
from gated.actuators.signals import SIGNALS, Lamp
from gated.clock import Clock
from gated.errors import ActuationError
from gated.messages import CallStaff, DeviceChanged, EnergiseRelay, ShowPrompt, StopCallingStaff
from gated.units import MonoSeconds

log = logging.getLogger(__name__)

Action = EnergiseRelay | ShowPrompt | CallStaff | StopCallingStaff
CALL_PULSE_S = 1.0
REOPEN_AFTER_S = 2.0


class Announcer(Protocol):
    """Says or shows a prompt in words. Implementations never block and never raise."""

    def announce(self, prompt: ShowPrompt) -> None: ...


@dataclass(frozen=True, slots=True)
class Outputs:
    """Every output of one gate; what is not wired is an AbsentLine."""

    relay: Relay
    lamps: Mapping[Lamp, OutputLine]
    buzzer: OutputLine
    bell: OutputLine
    announcer: Announcer | None = None
    call_repeat_s: float = 60.0


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
        self._outputs = outputs
        self._actions = actions
        self._clock = clock
        self._publish = publish
        self._is_relay_working = True
        self._reopen_at_s = 0.0
        self._call_at_s: float | None = None
        self._edges: deque[tuple[float, OutputLine, bool]] = deque()  # what beeps are still due

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Serve actions until ``stop``. Everything is de-energised at the end."""
        try:
            self._open_relay()
            while not stop.is_set():
                beat()
                with contextlib.suppress(queue.Empty):
                    self._perform(self._actions.get(timeout=self._wait_s()))
                self._play_due()
                if not self._outputs.relay.is_alive():
                    self._replace_guard()
        finally:
            self._close()

    def _wait_s(self) -> float:
        due_s = self._edges[0][0] if self._edges else float("inf")
        if self._call_at_s is not None:
            due_s = min(due_s, self._call_at_s)
        return min(0.5, max(0.0, due_s - self._clock.monotonic_s()))

    def _perform(self, action: Action) -> None:
        match action:
            case EnergiseRelay():
                self._energise(action)
            case ShowPrompt():
                self._show(action)
            case CallStaff():
                self._call_at_s = self._clock.monotonic_s()
            case StopCallingStaff():
                self._call_at_s = None

    def _energise(self, action: EnergiseRelay) -> None:
        try:
            at_ns = self._outputs.relay.pulse(action.visit_id, action.pulse_s)
        except ActuationError as exc:
            self._relay_failed(str(exc))
            return
        if action.ready_at is not None:
            log.debug(
                "relay visit=%s ready_to_relay_ms=%.3f fsync_ms=%.3f",
                action.visit_id,
                at_ns / 1e6 - action.ready_at * 1e3,
                action.fsync_ms,
            )

    def _replace_guard(self) -> None:
        """The guard has died by itself: its successor takes the line, which de-energises it."""
        if self._is_relay_working:
            self._tell_relay(is_working=False, reason="the relay's guard has died")
        self._open_relay()

    def _open_relay(self) -> None:
        if self._clock.monotonic_s() < self._reopen_at_s:
            return
        try:
            self._outputs.relay.open()
        except ActuationError as exc:
            self._relay_failed(str(exc))
            return
        if not self._is_relay_working:
            self._tell_relay(is_working=True, reason="")

    def _relay_failed(self, reason: str) -> None:
        self._reopen_at_s = self._clock.monotonic_s() + REOPEN_AFTER_S
        if self._is_relay_working:
            self._tell_relay(is_working=False, reason=reason)

    def _tell_relay(self, *, is_working: bool, reason: str) -> None:
        self._is_relay_working = is_working
        self._publish(DeviceChanged("relay", is_working, reason, self._clock.monotonic_s()))

    def _show(self, action: ShowPrompt) -> None:
        signal = SIGNALS[action.prompt]
        for lamp, line in self._outputs.lamps.items():
            self._drive(line, energised=lamp in signal.lamps)
        at_s: float = self._clock.monotonic_s()
        self._edges = deque(edge for edge in self._edges if edge[1] is not self._outputs.buzzer)
        self._drive(self._outputs.buzzer, energised=False)
        for index, length_s in enumerate(signal.beeps_s):
            self._edges.append((at_s, self._outputs.buzzer, index % 2 == 0))
            at_s += length_s
        if signal.beeps_s:
            self._edges.append((at_s, self._outputs.buzzer, False))
        if self._outputs.announcer is not None:
            self._outputs.announcer.announce(action)

    def _play_due(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._call_at_s is not None and self._call_at_s <= now_s:
            self._drive(self._outputs.bell, energised=True)
            self._edges.append((now_s + CALL_PULSE_S, self._outputs.bell, False))
            self._call_at_s = MonoSeconds(now_s + self._outputs.call_repeat_s)
        due = [edge for edge in self._edges if edge[0] <= now_s]
        self._edges = deque(sorted((e for e in self._edges if e[0] > now_s), key=lambda e: e[0]))
        for _, line, energised in sorted(due, key=lambda edge: edge[0]):
            self._drive(line, energised=energised)

    def _drive(self, line: OutputLine, *, energised: bool) -> None:
        """Drive a lamp, buzzer or bell. A dead one is said in the log; it never stops a visit."""
        try:
            line.set(energised=energised)
        except ActuationError as exc:
            log.warning("%s", exc)

    def _close(self) -> None:
        self._outputs.relay.close()
        for line in (*self._outputs.lamps.values(), self._outputs.buzzer, self._outputs.bell):
            try:
                line.close()
            except ActuationError as exc:
                log.warning("%s", exc)
