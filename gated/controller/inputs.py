"""The inputs' thread: sightings, contacts and buttons, requests, nudges, and the clock."""

from __future__ import annotations

import logging
import selectors
import threading
from collections.abc import Callable
from dataclasses import dataclass

from gated.actuators.inputs import InputEvent, InputSource
from gated.clock import Clock
from gated.contents import AlarmContent, AlarmName
from gated.controller.codes import CodeRules, check_code
from gated.controller.commands import CommandDesk
from gated.controller.control import decode_request
from gated.controller.decider import DeciderItem, Record
from gated.controller.online import OnlineVerifier
from gated.controller.scanner_watch import ScannerWatch
from gated.controller.timekeeper import Timekeeper
from gated.controller.wires import Wires
from gated.datagrams import Receiver
from gated.errors import WireError
from gated.messages import CodeNotRead, CodeSeen, CodeUnread, KeyTurned
from gated.scanner.sighting import ScannerHealth, decode_sighting
from gated.visit.modes import lasts_s
from gated.visit.state import DrillRequested, LaneState, ModeKeyTurned, ModeRequested
from gated.vocabulary import Key, Mode

log = logging.getLogger(__name__)

WAIT_S = 0.25
WATCH_EVERY_S = 1.0
MAX_ORDERS_EACH_TURN = 4
"""Each costs a signature's check, and a hostile broker may send as many as it likes."""
MAX_EACH_TURN = 32
"""So many datagrams of one kind are read before the others get their turn."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """What this thread listens to."""

    sightings: Receiver
    control: Receiver
    ledger_nudges: Receiver
    inputs: InputSource | None
    answers: Receiver | None = None  # of the platform; None: nothing is verified online
    orders: Receiver | None = None  # of the centre, as the uplink carries them


@dataclass(frozen=True, slots=True)
class ModeRules:
    """What the configuration says of modes. Swapped as a whole on reload."""

    key: Mode = Mode.CLOSED  # while the key is turned
    observe_for_s: float = 168 * 3_600.0


class InputWorker:
    """Turns everything that comes in from outside the process into events for the decider."""

    def __init__(  # noqa: PLR0913 - wiring: each is a different neighbour
        self,
        sockets: Sockets,
        codes: CodeRules,
        timekeeper: Timekeeper,
        clock: Clock,
        *,
        eyes: tuple[str, ...],
        modes: ModeRules,
        publish: Callable[[DeciderItem], None],
        nudge_ledger: Callable[[], None],
        lane_state: Callable[[], LaneState],
        each_second: Callable[[], None],
        online: OnlineVerifier | None = None,
        orders: CommandDesk | None = None,
    ) -> None:
        self._sockets = sockets
        self._codes = codes
        self._timekeeper = timekeeper
        self._clock = clock
        self._publish = publish
        self._nudge_ledger = nudge_ledger
        self._lane_state = lane_state
        self._each_second = each_second
        self._modes = modes
        self._online = online
        self._orders = orders
        self._scanner = ScannerWatch(eyes, clock, publish)
        self._wires: Wires | None = None

    def set_rules(self, codes: CodeRules, modes: ModeRules) -> None:
        """Judge codes and modes by these from now on. May be called from any thread."""
        self._codes, self._modes = codes, modes

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Serve until ``stop``."""
        sockets = self._sockets
        with selectors.DefaultSelector() as selector:
            selector.register(sockets.sightings, selectors.EVENT_READ, self._take_sightings)
            selector.register(sockets.control, selectors.EVENT_READ, self._take_requests)
            selector.register(sockets.ledger_nudges, selectors.EVENT_READ, self._take_nudges)
            if sockets.answers is not None:
                selector.register(sockets.answers, selectors.EVENT_READ, self._take_answers)
            if sockets.orders is not None:
                selector.register(sockets.orders, selectors.EVENT_READ, self._take_orders)
            if sockets.inputs is not None:
                self._wires = Wires(
                    sockets.inputs, selector, self._take_inputs, self._clock, self._publish
                )
            try:
                self._serve(selector, stop, beat)
            finally:
                if self._wires is not None:
                    self._wires.close()

    def _serve(
        self, selector: selectors.BaseSelector, stop: threading.Event, beat: Callable[[], None]
    ) -> None:
        watched_s = self._clock.monotonic_s() - WATCH_EVERY_S
        while not stop.is_set():
            beat()
            for key, _ in selector.select(WAIT_S):
                key.data()
            self._scanner.watch()
            if self._online is not None:
                self._online.watch()
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
                    self._scanner.hear(sighting)
                case CodeUnread():
                    self._publish(CodeNotRead(sighting.cause, self._clock.monotonic_s()))
                case CodeSeen():
                    self._take_code(sighting)

    def _take_code(self, code: CodeSeen) -> None:
        if self._online is not None and self._online.takes(code):
            self._online.check(code, self._codes.site_key)
            return
        at = self._clock.monotonic_s()
        now, quality = self._timekeeper.judged_now(), self._timekeeper.quality
        self._publish(check_code(code, now, at, self._codes, time_quality=quality))

    def _take_answers(self) -> None:
        answers, online = self._sockets.answers, self._online
        for _ in range(MAX_EACH_TURN):
            datagram = answers.receive() if answers is not None else None
            if datagram is None or online is None:
                return
            online.hear(datagram.payload)

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
        drill = request.drill
        if request.mode is None and drill is not None:
            self._publish(DrillRequested(drill, request.by, self._clock.monotonic_s()))
        elif request.mode is not None:
            drill = self._lane_state().drill if drill is None else drill
            self._request(request.mode, drill=drill, by=request.by, for_s=request.for_s)

    def _take_orders(self) -> None:
        receiver, desk = self._sockets.orders, self._orders
        for _ in range(MAX_ORDERS_EACH_TURN):
            datagram = receiver.receive() if receiver is not None else None
            if datagram is None or desk is None:
                return
            desk.hear(datagram.payload, self._codes, self._modes.observe_for_s)

    def _request(self, mode: Mode, *, drill: bool, by: str, for_s: float | None = None) -> None:
        for_s = lasts_s(mode, for_s, self._modes.observe_for_s)
        at, expires_at = self._clock.monotonic_s(), self._timekeeper.after(for_s)
        self._publish(ModeRequested(mode, drill, by, at, for_s, expires_at))

    def _take_nudges(self) -> None:
        while self._sockets.ledger_nudges.receive() is not None:
            pass
        self._nudge_ledger()

    def _take_inputs(self) -> None:
        if self._wires is not None:
            self._take_events(self._wires.read())

    def _take_events(self, events: list[InputEvent]) -> None:
        for event in events:
            if isinstance(event, KeyTurned) and event.key is Key.MODE:
                self._turn_mode(is_on=event.is_on)
            else:
                self._publish(event)

    def _turn_mode(self, *, is_on: bool) -> None:
        at, mode = self._clock.monotonic_s(), self._modes.key if is_on else None
        for_s = None if mode is None else lasts_s(mode, None, self._modes.observe_for_s)
        self._publish(ModeKeyTurned(mode, at, for_s, self._timekeeper.after(for_s)))

    def _watch(self) -> None:
        if self._wires is not None:
            self._take_events(self._wires.keep_open())
        for event in self._timekeeper.watch():
            self._publish(event)
        if self._orders is not None:
            self._orders.watch()
        self._each_second()
