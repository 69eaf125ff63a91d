"""The collector's receiving loop: take a batch, commit it, and only then acknowledge it.

kill -9 at any line loses nothing: what was not acknowledged to the broker comes again, and what the
gate has no ack for stays in the gate. What comes twice is recognised by its number and its hash.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from heapq import nsmallest
from typing import Protocol

from gated.clock import Clock
from gated.collector.broker import Received
from gated.collector.store import Arrival, ChainKey, Progress, Store
from gated.collector.uses import UsesDesk
from gated.errors import BrokerUnavailable, ConfigError, StorageError
from gated.units import MonoSeconds
from gated.wire import (
    ALL_LIVE,
    ALL_RECORDS,
    ALL_STATES,
    ALL_USES,
    Ack,
    CollectorState,
    GateTopics,
    collector_state_topic,
)

log = logging.getLogger(__name__)

BATCH_RECORDS = 500
BATCH_IDLE_S = 0.020
"""A batch is committed when nothing has come for this long …"""
BATCH_AGE_S = 0.100
"""… or when its oldest message has waited this long."""
ACK_EVERY_S = 1.0
"""An ack about one chain is published at most this often; the first goes out at once."""
STORE_RETRY_S = 1.0
DELETE_EVERY_S = 3_600.0
FIRST_DELAY_S = 0.5
MAX_DELAY_S = 30.0
STABLE_AFTER_S = 10.0
"""A connection that held this long was a real one; a shorter one does not reset the back-off."""
_IDLE_POLL_S = 0.5
_LONG_AGO = MonoSeconds(float("-inf"))


class Connection(Protocol):
    """What the loop needs of a broker: ``broker.BrokerConnection`` is the real one."""

    @property
    def inbox(self) -> deque[Received]: ...

    @property
    def refused_publishes(self) -> int: ...

    @property
    def places(self) -> int: ...

    def open(self, topics: Iterable[str], beat: Callable[[], None]) -> None: ...

    def pump(self, timeout_s: float) -> None: ...

    def acknowledge(self, received: Iterable[Received]) -> None: ...

    def publish(self, topic: str, payload: bytes) -> None: ...

    def tell(self, topic: str, payload: bytes) -> None: ...

    def close(self) -> None: ...


class Ingest:
    """The worker that owns the store and the connection.

    Args:
        name: the collector's name: of the store, whoever fills it.
        ingester: this process's own name among several that fill one store, or None.
        broker_url: for messages to people.
        connect: makes an unopened connection that leaves (topic, payload) as its last will.
        store: written by this worker alone.
        clock: for pacing and for the times in acks.
        jitter: returns a random number between its two arguments, as ``random.uniform`` does.
        on_live: takes what has come, with alarms ahead of their records; None: nobody wants them.
        also: further topics, whose messages the connection deals with by itself.
    """

    def __init__(  # noqa: PLR0913 - wiring: each is a different neighbour
        self,
        *,
        name: str,
        broker_url: str,
        connect: Callable[[str, bytes], Connection],
        store: Store,
        clock: Clock,
        ingester: str | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
        on_live: Callable[[Sequence[Arrival]], None] | None = None,
        also: Sequence[str] = (),
    ) -> None:
        self._name = name
        self._also = also
        self._ingester = ingester
        self._broker_url = broker_url
        self._connect = connect
        self._store = store
        self._clock = clock
        self._jitter = jitter
        self._on_live = on_live
        self._is_said: str | None = None  # what was last logged about the broker
        self._delay_s = FIRST_DELAY_S
        self._delete_due = _LONG_AGO

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Receive until ``stop``, through every loss of the broker."""
        while not stop.is_set():
            beat()
            began = self._clock.monotonic_s()
            try:
                self._serve(stop, beat)
            except (BrokerUnavailable, ConfigError) as exc:  # a file may be just being replaced
                self._say(f"{exc}; trying again, the gates keep what they record")
            except StorageError as exc:
                self._say(f"{exc}; trying again")
            if self._clock.monotonic_s() - began >= STABLE_AFTER_S:
                self._delay_s = FIRST_DELAY_S
            self._pause(self._delay_s * self._jitter(0.5, 1.0), stop, beat)
            self._delay_s = min(MAX_DELAY_S, self._delay_s * 2)

    def _serve(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Hold one connection. Raises: BrokerUnavailable; StorageError: before it was open."""
        session = self._store.next_session()
        topic = collector_state_topic(self._process_name)
        connection = self._connect(topic, self._state(session, online=False))
        try:
            # Records last: the gates' states say where a chain begins, and uses do not wait.
            ahead = () if self._on_live is None else (ALL_LIVE,)
            connection.open(
                (*ahead, ALL_STATES, *self._shared(*self._also, ALL_USES, ALL_RECORDS)), beat
            )
            self._say("connected", level=logging.INFO)
            connection.publish(topic, self._state(session, online=True))
            if self._ingester is not None:
                # One that was alone before must not be believed to be away for ever.
                connection.publish(collector_state_topic(self._name), b"")
            desk = Desk(
                self._name,
                connection,
                self._store,
                self._clock,
                is_shared=self._ingester is not None,
                on_live=self._on_live,
            )
            desk.owe(self._store.current_chains())
            while not stop.is_set():
                beat()
                self._delete_expired()
                desk.work()
            desk.finish()
            connection.publish(topic, self._state(session, online=False))
        finally:
            connection.close()

    @property
    def _process_name(self) -> str:
        return self._name if self._ingester is None else f"{self._name}-{self._ingester}"

    def _shared(self, *topics: str) -> tuple[str, ...]:
        """Return ``topics`` so that each message comes to one of the ingesters.

        Not for what is retained: a shared subscription begins without it (MQTT 5.0, 4.8.2).
        """
        if self._ingester is None:
            return topics
        return tuple(f"$share/gated-{self._name}/{topic}" for topic in topics)

    def _state(self, session: int, *, online: bool) -> bytes:
        state = CollectorState(
            online=online,
            session=session,
            collector=self._process_name,
            collector_epoch=self._store.collector_epoch,
            at=self._clock.now().isoformat(timespec="milliseconds"),
        )
        return state.model_dump_json().encode()

    def _delete_expired(self) -> None:
        now = self._clock.monotonic_s()
        if now < self._delete_due:
            return
        self._delete_due = MonoSeconds(now + DELETE_EVERY_S)
        try:
            count = self._store.delete_expired(round(self._clock.now().timestamp() * 1_000))
        except StorageError as exc:
            log.warning("expired person links could not be deleted: %s", exc)
            return
        if count:
            log.info("deleted %d expired person links and uses of passes", count)

    def _say(self, what: str, level: int = logging.WARNING) -> None:
        if what != self._is_said:  # once on loss and once on return, however long it lasts
            log.log(level, "broker %s: %s", self._broker_url, what)
        self._is_said = what

    def _pause(self, delay_s: float, stop: threading.Event, beat: Callable[[], None]) -> None:
        until = self._clock.monotonic_s() + delay_s
        while not stop.is_set() and (left_s := until - self._clock.monotonic_s()) > 0:
            beat()
            self._delete_expired()  # a promise that no broker is needed for
            stop.wait(min(left_s, _IDLE_POLL_S))


class Desk:
    """The work on one connection: what came is stored, what is stored is acknowledged."""

    def __init__(
        self,
        name: str,
        connection: Connection,
        store: Store,
        clock: Clock,
        *,
        is_shared: bool = False,
        on_live: Callable[[Sequence[Arrival]], None] | None = None,
    ) -> None:
        self._name = name
        self._connection = connection
        self._store = store
        self._clock = clock
        self._oldest_at = self._newest_at = clock.monotonic_s()
        self._waiting = 0  # how many of the inbox were there at the last look
        self._retry_at = _LONG_AGO
        self._is_failing = False
        self._is_shared = is_shared
        self._owed: set[ChainKey] = set()
        self._doubted: dict[ChainKey, Progress] = {}  # what we last said, until it proves current
        self._acked_at: dict[ChainKey, MonoSeconds] = {}
        self._refused = 0
        self._uses = UsesDesk(name, store, connection.tell)
        self._on_live = on_live

    def owe(self, chains: Iterable[ChainKey]) -> None:
        """Publish acks about ``chains`` when it is their turn."""
        self._owed.update(chains)

    def work(self) -> None:
        """Receive for a moment, commit if a batch is due, publish the acks that are due.

        Raises: BrokerUnavailable: the connection is gone.
        """
        self._connection.pump(self._wait_s())
        self._look_at_inbox()
        if self._is_batch_due():
            self._commit()
        self._publish_acks()
        if self._connection.refused_publishes > self._refused:
            self._refused = self._connection.refused_publishes
            log.error(
                "the broker refuses what we publish: allow this collector to write "
                "gates/v1/+/+/ack and gates/v1/+/uses/#"
            )

    def finish(self) -> None:
        """Store and acknowledge what has come, before a regular end."""
        if self._connection.inbox:
            self._commit()
        self._acked_at.clear()
        self._publish_acks()

    def _look_at_inbox(self) -> None:
        now = self._clock.monotonic_s()
        count = len(self._connection.inbox)
        if count > self._waiting:
            if self._waiting == 0:
                self._oldest_at = now
            self._newest_at = now
        self._waiting = count

    def _wait_s(self) -> float:
        now = self._clock.monotonic_s()
        if self._is_failing:
            return min(_IDLE_POLL_S, max(0.0, self._retry_at - now))
        if self._connection.inbox:
            return max(0.0, self._batch_due_at() - now)
        waiting = self._owed | self._doubted.keys()
        if waiting and self._connection.places:
            due = min(self._acked_at.get(chain, _LONG_AGO) for chain in waiting) + ACK_EVERY_S
            return min(_IDLE_POLL_S, max(0.0, due - now))
        return _IDLE_POLL_S

    def _is_batch_due(self) -> bool:
        now = self._clock.monotonic_s()
        if not self._connection.inbox or now < self._retry_at:
            return False
        return len(self._connection.inbox) >= BATCH_RECORDS or now >= self._batch_due_at()

    def _batch_due_at(self) -> float:
        return min(self._newest_at + BATCH_IDLE_S, self._oldest_at + BATCH_AGE_S)

    def _commit(self) -> None:
        """Store the batch, then acknowledge it; or keep all of it for another attempt."""
        inbox = self._connection.inbox
        batch = list(inbox)
        try:
            result = self._store.ingest([received.arrival for received in batch])
        except StorageError as exc:
            # Nothing is acknowledged, so the broker stops sending at RECEIVE_MAXIMUM by itself.
            if not self._is_failing:
                log.error("%s; nothing is acknowledged until this works, the gates keep it", exc)
            self._is_failing = True
            self._retry_at = MonoSeconds(self._clock.monotonic_s() + STORE_RETRY_S)
            return
        if self._is_failing:
            log.info("storing works again")
        self._is_failing = False
        self._retry_at = _LONG_AGO
        inbox.clear()
        self._waiting = 0
        if result.quarantined:
            log.warning(
                "%d messages went to the quarantine: see `gated collector gates`",
                result.quarantined,
            )
        if self._on_live is not None:
            self._on_live([received.arrival for received in batch])
        self._connection.acknowledge(batch)
        self.owe(result.changed)
        self._uses.tell(result.uses_asked, result.sites_with_new_uses)

    def _publish_acks(self) -> None:
        """Publish as many acks as the broker takes now, those that have waited longest first.

        What is left stays owed: by its turn one ack says all that several would have said.
        """
        now = self._clock.monotonic_s()
        due = self._due(now)
        if not due:
            return
        try:
            found = self._store.progress(self._present_last(due))
        except StorageError as exc:
            log.warning("acks are late: %s", exc)
            return
        for progress in found:
            key = progress.chain
            if key not in self._owed and self._doubted.get(key) == progress:
                del self._doubted[key]
                continue
            self._connection.publish(*self._ack(progress))
            if self._is_shared:
                # Another ingester may have stored more and said so before us: look once more, so
                # that what stays retained is what is stored.
                self._doubted[key] = progress
        for key in due:
            self._acked_at[key] = now
        self._owed.difference_update(due)

    def _due(self, now: MonoSeconds) -> list[ChainKey]:
        """Return the chains whose turn it is, all of one gate together."""
        waiting = self._owed | self._doubted.keys()
        last_at = {chain: self._acked_at.get(chain, _LONG_AGO) for chain in waiting}
        due = {chain: at for chain, at in last_at.items() if now - at >= ACK_EVERY_S}
        places = self._connection.places
        if len(due) > places:
            first = nsmallest(places, due, key=due.__getitem__)
            lanes = {chain.lane for chain in first}
            return [chain for chain in due if chain.lane in lanes]
        return list(due)

    def _present_last(self, due: list[ChainKey]) -> list[ChainKey]:
        """Return ``due`` so that of one gate's chains that of its present epoch comes last.

        The ack topic is retained. Raises: StorageError.
        """
        if len({chain.lane for chain in due}) == len(due):
            return due  # nearly always, and asking takes as long as there are gates
        current = set(self._store.current_chains())
        return sorted(due, key=lambda chain: chain in current)

    def _ack(self, progress: Progress) -> tuple[str, bytes]:
        chain = progress.chain
        ack = Ack(
            collector=self._name,
            collector_epoch=self._store.collector_epoch,
            epoch=chain.epoch,
            upto=progress.upto,
            hash=progress.hash.hex(),
            have=progress.have,
            at=self._clock.now().isoformat(timespec="milliseconds"),
        )
        return GateTopics(chain.site, chain.gate).ack, ack.model_dump_json().encode()
