"""The uplink's loop: one thread that waits for the ledger, reaches the broker and keeps at it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gated.carried import BUNDLE_FILE
from gated.clock import Clock, clock_floor
from gated.datagrams import Receiver, Sender
from gated.errors import BrokerUnavailable, ConfigError, StorageError
from gated.ledger.mailbox import Mailbox
from gated.mqtt.address import BrokerAddress
from gated.mqtt.connection import Connection, Dial
from gated.mqtt.happenings import Connected, Lost
from gated.mqtt.own_pairs import FOLDER
from gated.units import MonoSeconds
from gated.uplink.acks import AckDesk
from gated.uplink.backoff import MAX_DELAY_S, Backoff, shorten_for_alarms
from gated.uplink.commands import CommandCarrier
from gated.uplink.delivery import Context, Counts, Delivery, Epoch
from gated.uplink.feed import Feed
from gated.uplink.live import LiveCopies
from gated.uplink.pair_choice import PairChoice
from gated.uplink.state import StateTeller, StatusFile
from gated.uplink.uses import UsesDesk
from gated.uplink.window import MAX_IN_FLIGHT, SendWindow
from gated.wire import GateTopics

log = logging.getLogger(__name__)

_TICK_S = 0.5
"""The ledger is looked at this often, nudged or not."""
_DIAL_SLICE_S = 0.2
_GOODBYE_WAIT_S = 1.0
_CLOCK_LOOK_S = 1.0
_CLOCK = "the clock is wrong"  # among the reasons that were logged
_CURSOR_EVERY_S = 5.0
_MAX_NUDGES = 100
"""Datagrams taken at once: their content says nothing, one is as good as all."""

Beat = Callable[[], None]


@dataclass(frozen=True, slots=True)
class UplinkFiles:
    """Where the uplink meets the controller."""

    ledger: Path
    status: Path  # the controller's status.json
    nudge: Path  # our socket: the controller says that it committed
    controller: Path  # the controller's socket: we say that an ack came

    @property
    def commands(self) -> Path:
        """The controller's socket that takes the centre's commands, unread."""
        return self.controller.with_name("commands.sock")

    @property
    def bundle(self) -> Path:
        """The controller's diagnostics, when the centre asked for them."""
        return self.status.with_name(BUNDLE_FILE)

    @property
    def certificate(self) -> Path:
        """The folder of our own certificates that came after the configured one."""
        return self.ledger.with_name(FOLDER)


class Publisher:
    """Delivers one gate's ledger. ``run`` is the process's one worker.

    Args:
        broker: where to deliver to.
        topics: the gate's topics.
        files: where the uplink meets the controller.
        mailbox: ``uplink.db``; opened and closed by the caller.
        clock: for every interval.
        uniform: a random number between two bounds, for the back-off.
        places: how many publishes may be in flight.
        shares_uses: whether uses of passes are shared with the site's other gates.
    """

    def __init__(  # noqa: PLR0913  wiring: each is a different neighbour
        self,
        broker: BrokerAddress,
        topics: GateTopics,
        files: UplinkFiles,
        mailbox: Mailbox,
        *,
        clock: Clock,
        uniform: Callable[[float, float], float],
        places: int = MAX_IN_FLIGHT,
        shares_uses: bool = True,
    ) -> None:
        self._broker = broker
        self._topics = topics
        self._files = files
        self._mailbox = mailbox
        self._clock = clock
        self._places = places
        self._feed = Feed(files.ledger, topics)
        self._state = StateTeller(topics, StatusFile(files.status), self._feed, clock)
        self._backoff = Backoff(uniform)
        self._pair = PairChoice(broker, files.certificate, clock, needs=topics.ack)
        self._controller = Sender(files.controller)
        self._commands = Sender(files.commands)
        carrier = CommandCarrier(topics.command, self._commands.send, clock)
        self._acks = AckDesk(mailbox, self._nudge_controller, clock)
        uses = UsesDesk(topics, mailbox, self._feed, clock, self._nudge_controller)
        self._context = Context(
            topics,
            self._feed,
            self._state,
            self._acks,
            clock,
            carrier,
            uses if shares_uses else None,
        )
        self._epoch: Epoch | None = None
        self._session = 0
        self._looked_at = MonoSeconds(float("-inf"))
        self._cursor_saved_at = MonoSeconds(float("-inf"))
        self._cursor: tuple[str, int] | None = None
        self._connected_at: MonoSeconds | None = None
        self._reasons: set[str] = set()  # why the broker is away, as far as that was logged

    @property
    def counts(self) -> Counts:
        """What happened since the start."""
        return self._context.counts

    def run(self, stop: threading.Event, beat: Beat) -> None:
        """Deliver until ``stop`` is set.

        Raises: StorageError: the nudge socket cannot be made, or uplink.db cannot be used.
        """
        self._cursor = self._mailbox.cursor()
        nudges = Receiver(self._files.nudge)
        try:
            while not stop.is_set():
                epoch = self._take_epoch()
                if epoch is None:
                    self._rest(nudges, _TICK_S, stop, beat)
                else:
                    self._deliver(epoch, nudges, stop, beat)
        finally:
            nudges.close()
            self._feed.close()
            self._controller.close()
            self._commands.close()

    # --- the ledger -----------------------------------------------------------------------------

    def _look(self, *, is_nudged: bool) -> None:
        """Look at the ledger and do what is due now and then."""
        now = self._clock.monotonic_s()
        if not is_nudged and now - self._looked_at < _TICK_S:
            return
        self._looked_at = now
        self._feed.refresh()
        self._acks.retry()
        if self._epoch is not None:
            self._epoch.live.scan(self._feed)
            if now - self._cursor_saved_at >= _CURSOR_EVERY_S:
                self._cursor_saved_at = now
                self._save_cursor(self._epoch)

    def _take_epoch(self) -> Epoch | None:
        """Return what belongs to the ledger's present epoch; None while there is no ledger."""
        name = self._feed.epoch
        if name is None:
            return None
        if self._epoch is None or self._epoch.name != name:
            acked = self._feed.acked_upto
            is_known = self._cursor is not None and self._cursor[0] == name
            sent = self._cursor[1] if self._cursor is not None and is_known else 0
            self._epoch = Epoch(
                name,
                SendWindow(acked=acked, sent=min(sent, self._feed.newest_seq), places=self._places),
                LiveCopies(acked=acked, newest=self._feed.newest_seq, bundle=self._files.bundle),
            )
        return self._epoch

    def _save_cursor(self, epoch: Epoch) -> None:
        cursor = (epoch.name, epoch.window.taken)
        if cursor == self._cursor:
            return
        with contextlib.suppress(StorageError):  # a hint: losing it only sends again
            self._mailbox.save_cursor(*cursor)
            self._cursor = cursor

    def _nudge_controller(self) -> None:
        with contextlib.suppress(StorageError):  # it looks into uplink.db every second anyway
            self._controller.send(b"look")

    # --- one connection -------------------------------------------------------------------------

    def _deliver(self, epoch: Epoch, nudges: Receiver, stop: threading.Event, beat: Beat) -> None:
        """Reach the broker, deliver until the connection ends, and wait before the next one."""
        self._connected_at = None
        self._wait_for_clock(nudges, stop, beat)
        try:
            connection = self._dial(stop, beat)
            if connection is not None:
                self._converse(connection, epoch, nudges, stop, beat)
        except (BrokerUnavailable, ConfigError) as exc:
            if not self._pair.end_trial(str(exc)):
                self._rest(nudges, self._note_failure(str(exc)), stop, beat)

    def _dial(self, stop: threading.Event, beat: Beat) -> Connection | None:
        """Return a connection whose CONNECT is on its way, or None if asked to stop.

        Raises:
            BrokerUnavailable: there is none to be had now.
            ConfigError: a TLS file cannot be used (it may be in the middle of a renewal).
        """
        self._session = self._next_session()
        will = self._state.will(self._session)
        connection = Connection(
            self._pair.next_address(),
            will_topic=self._topics.state,
            will=will,
            clock=self._clock,
            publish_window=0,  # the window is ours
        )
        dial = Dial(connection, self._clock)
        while not dial.wait(_DIAL_SLICE_S):
            beat()
            if stop.is_set():
                return None
        return connection

    def _next_session(self) -> int:
        number = max(self._session, self._mailbox.last_session()) + 1
        try:
            self._mailbox.save_session(number)
        except StorageError as exc:  # a full disk must not keep records from leaving it
            log.warning("%s; going on with a session number that may come again", exc)
        return number

    def _converse(
        self,
        connection: Connection,
        epoch: Epoch,
        nudges: Receiver,
        stop: threading.Event,
        beat: Beat,
    ) -> None:
        """Deliver over ``connection`` until asked to stop, or until something else is to be tried:
        the ledger of another epoch, or another pair of own certificate and key.

        Raises: BrokerUnavailable: the connection ended.
        """
        delivery = Delivery(connection, session=self._session, epoch=epoch, context=self._context)
        try:
            self._keep_delivering(connection, delivery, epoch, nudges, stop, beat)
            self._say_goodbye(connection, delivery, beat)
        finally:
            delivery.end()
            connection.close()
            self._save_cursor(epoch)

    def _keep_delivering(
        self,
        connection: Connection,
        delivery: Delivery,
        epoch: Epoch,
        nudges: Receiver,
        stop: threading.Event,
        beat: Beat,
    ) -> None:
        while not (stop.is_set() or self._feed.epoch != epoch.name or self._pair.has_turn()):
            beat()
            connection.pump(_TICK_S, waker=nudges.fileno())
            self._look(is_nudged=_take(nudges))
            self._handle_all(connection, delivery)
            if self._connected_at is not None:
                delivery.work()
            if delivery.is_stalled():
                raise BrokerUnavailable("it has stopped confirming")

    def _handle_all(self, connection: Connection, delivery: Delivery) -> None:
        for happening in connection.happenings():
            match happening:
                case Lost():
                    raise BrokerUnavailable(happening.reason)
                case Connected():
                    self._connected_at = self._clock.monotonic_s()
                    self._reasons.clear()
                    log.info("connected to %s; backlog %d", self._broker.url, self._feed.backlog)
                    delivery.handle(happening)
                case _:
                    delivery.handle(happening)
                    self._pair.hear(happening)

    def _say_goodbye(self, connection: Connection, delivery: Delivery, beat: Beat) -> None:
        if self._connected_at is None:
            return
        delivery.say_goodbye()
        started_at = self._clock.monotonic_s()
        while not delivery.is_quiet() and self._clock.monotonic_s() - started_at < _GOODBYE_WAIT_S:
            beat()
            connection.pump(_DIAL_SLICE_S)
            self._handle_all(connection, delivery)

    # --- waiting --------------------------------------------------------------------------------

    def _wait_for_clock(self, nudges: Receiver, stop: threading.Event, beat: Beat) -> None:
        """Wait while the clock is certainly wrong: no certificate is good in 1970.

        Tried all the same now and then, in case that a record from the future is what is wrong.
        """
        if self._broker.tls is None:
            return
        started_at = self._clock.monotonic_s()
        while not stop.is_set() and self._clock.monotonic_s() - started_at < MAX_DELAY_S:
            now, floor = self._clock.now(), clock_floor(self._feed.newest_time())
            if now >= floor:
                return
            if _CLOCK not in self._reasons:
                self._reasons.add(_CLOCK)
                log.warning(
                    "the clock says %s, and %s has passed for certain: TLS would fail, so records "
                    "wait here until the clock is set (时钟错误，对时后上传)",
                    f"{now:%Y-%m-%d %H:%M} UTC",
                    f"{floor:%Y-%m-%d %H:%M} UTC",
                )
            self._rest(nudges, _CLOCK_LOOK_S, stop, beat)

    def _rest(self, nudges: Receiver, delay_s: float, stop: threading.Event, beat: Beat) -> None:
        """Wait ``delay_s``, less if an alarm waits, keeping an eye on the ledger."""
        started_at = self._clock.monotonic_s()
        while not stop.is_set():
            beat()
            wait_s = shorten_for_alarms(delay_s, alarms_wait=self._alarms_wait())
            left_s = started_at + wait_s - self._clock.monotonic_s()
            self._look(is_nudged=_take(nudges, max(0.0, min(_TICK_S, left_s))))
            if left_s <= _TICK_S:
                return

    def _alarms_wait(self) -> bool:
        epoch = self._epoch
        return epoch is not None and epoch.live.newest_alarm_seq > epoch.window.acked

    def _note_failure(self, reason: str) -> float:
        """Return how long to wait now; say once for each reason that the broker is away."""
        if self._connected_at is not None:
            self._backoff.note_connection(self._clock.monotonic_s() - self._connected_at)
        delay_s = self._backoff.next_delay_s()
        if reason in self._reasons:
            return delay_s
        self._reasons.add(reason)
        log.warning(
            "%s %s: %s; records are kept, trying again in %.0f s",
            "cannot reach" if self._connected_at is None else "lost",
            self._broker.url,
            reason,
            max(1.0, delay_s),
        )
        return delay_s


def _take(nudges: Receiver, timeout_s: float = 0.0) -> bool:
    """Take the nudges that are there; return whether one came within ``timeout_s``."""
    is_nudged = nudges.receive(timeout_s) is not None
    for _ in range(_MAX_NUDGES):
        if nudges.receive() is None:
            break
    return is_nudged
