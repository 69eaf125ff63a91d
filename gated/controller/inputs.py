"""The inputs' thread: sightings, contacts and buttons, requests, nudges, and the clock."""

from __future__ import annotations

import logging
import selectors
import threading
from collections.abc import Callable
from dataclasses import dataclass

from gated.actuators.inputs import InputSource
from gated.clock import Clock
from gated.contents import AlarmContent, AlarmName
from gated.controller.codes import CodeRules, check_code
from gated.controller.control import decode_request
from gated.controller.decider import DeciderItem, Record
from gated.controller.timekeeper import Timekeeper
from gated.datagrams import Receiver
from gated.errors import WireError
from gated.messages import CodeNotRead, CodeSeen, CodeUnread, DeviceChanged
from gated.scanner.sighting import CameraState, ScannerHealth, decode_sighting
from gated.visit.state import LaneState, ModeRequested

log = logging.getLogger(__name__)

WAIT_S = 0.25
WATCH_EVERY_S = 1.0
SCANNER_SILENT_S = 3.0
SCANNER_STARTS_WITHIN_S = 10.0
"""A scanner loads its decoders first; a gate that has just started does not call it lost."""
MAX_EACH_TURN = 32
"""So many datagrams of one kind are read before the others get their turn."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """What this thread listens to."""

    sightings: Receiver
    control: Receiver
    ledger_nudges: Receiver
    inputs: InputSource | None


class InputWorker:
    """Turns everything that comes in from outside the process into events for the decider."""

    def __init__(  # noqa: PLR0913 - wiring: each is a different neighbour
        self,
        sockets: Sockets,
        codes: CodeRules,
        timekeeper: Timekeeper,
        clock: Clock,
        *,
        publish: Callable[[DeciderItem], None],
        nudge_ledger: Callable[[], None],
        lane_state: Callable[[], LaneState],
        each_second: Callable[[], None],
    ) -> None:
        self._sockets = sockets
        self._codes = codes
        self._timekeeper = timekeeper
        self._clock = clock
        self._publish = publish
        self._nudge_ledger = nudge_ledger
        self._lane_state = lane_state
        self._each_second = each_second
        self._is_scanner_well: bool | None = None
        self._scanner_heard_s = clock.monotonic_s() + SCANNER_STARTS_WITHIN_S - SCANNER_SILENT_S

    def set_code_rules(self, codes: CodeRules) -> None:
        """Judge codes by ``codes`` from now on. May be called from any thread."""
        self._codes = codes

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Serve until ``stop``."""
        sockets = self._sockets
        with selectors.DefaultSelector() as selector:
            selector.register(sockets.sightings, selectors.EVENT_READ, self._take_sightings)
            selector.register(sockets.control, selectors.EVENT_READ, self._take_requests)
            selector.register(sockets.ledger_nudges, selectors.EVENT_READ, self._take_nudges)
            if sockets.inputs is not None:
                selector.register(sockets.inputs, selectors.EVENT_READ, self._take_inputs)
            watched_s = self._clock.monotonic_s()
            while not stop.is_set():
                beat()
                for key, _ in selector.select(WAIT_S):
                    key.data()
                if self._clock.monotonic_s() - watched_s >= WATCH_EVERY_S:
                    watched_s = self._clock.monotonic_s()
                    self._watch()

    def _take_sightings(self) -> None:
        for _ in range(MAX_EACH_TURN):
            datagram = self._sockets.sightings.receive()
            if datagram is None:
                return
            try:
                sighting = decode_sighting(datagram.payload)
            except WireError as exc:
                log.warning("a sighting was dropped: %s", exc)
                continue
            match sighting:
                case ScannerHealth():
                    self._hear_scanner(sighting)
                case CodeUnread():
                    self._publish(CodeNotRead(sighting.cause, self._clock.monotonic_s()))
                case CodeSeen():
                    self._take_code(sighting)

    def _take_code(self, code: CodeSeen) -> None:
        at = self._clock.monotonic_s()
        self._publish(check_code(code, self._timekeeper.judged_now(), at, self._codes))

    def _hear_scanner(self, health: ScannerHealth) -> None:
        self._scanner_heard_s = self._clock.monotonic_s()
        is_well = health.state is CameraState.OK
        self._tell_scanner(is_well=is_well, reason=health.reason or health.state.value)

    def _tell_scanner(self, *, is_well: bool, reason: str) -> None:
        if is_well is self._is_scanner_well:
            return
        if self._is_scanner_well is not None or not is_well:
            at = self._clock.monotonic_s()
            self._publish(DeviceChanged("scanner", is_well, "" if is_well else reason, at))
        self._is_scanner_well = is_well

    def _take_requests(self) -> None:
        datagram = self._sockets.control.receive()
        if datagram is None:
            return
        try:
            request = decode_request(datagram.payload)
        except WireError as exc:
            log.warning("a request by user %d was refused: %s", datagram.uid, exc)
            detail = f"control socket, user {datagram.uid}: {exc}"
            alarm = AlarmContent(alarm=AlarmName.COMMAND_REFUSED, detail=detail)
            self._publish(Record(alarm))
            return
        state = self._lane_state()
        self._publish(
            ModeRequested(
                mode=request.mode if request.mode is not None else state.mode,
                drill=request.drill if request.drill is not None else state.drill,
                by=request.by,
                at=self._clock.monotonic_s(),
                for_s=request.for_s,
                expires_at=self._timekeeper.after(request.for_s),
            )
        )

    def _take_nudges(self) -> None:
        while self._sockets.ledger_nudges.receive() is not None:
            pass
        self._nudge_ledger()

    def _take_inputs(self) -> None:
        if self._sockets.inputs is not None:
            for event in self._sockets.inputs.read():
                self._publish(event)

    def _watch(self) -> None:
        if self._clock.monotonic_s() - self._scanner_heard_s > SCANNER_SILENT_S:
            self._tell_scanner(is_well=False, reason="no sign of life from the scanner")
        for event in self._timekeeper.watch():
            self._publish(event)
        self._each_second()
