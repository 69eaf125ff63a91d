"""Alarms to a webhook: each is posted, signed, until the receiver has said that it has it.

The body is the record as a CloudEvent; the headers are those of Standard Webhooks 1.0, so that a
receiver checks them with a library that it already has. At least once: after a crash between the
receiver's answer and our note of it the same alarm comes again, under the same ``webhook-id``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import queue
import random
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from gated.clock import Clock
from gated.collector.alarm_queue import AlarmQueue, OwedAlarm
from gated.collector.cloud_events import MEDIA_TYPE, cloud_event
from gated.collector.intake import Readable, read_arrival
from gated.collector.store import Arrival
from gated.contents import Kind
from gated.errors import ConfigError, StorageError, WireError
from gated.http_post import Answer, PostFailure
from gated.units import MonoSeconds
from gated.wire import GateTopics, parse_gate_topic

log = logging.getLogger(__name__)

SECRET_PREFIX = "whsec_"  # noqa: S105  what such a secret begins with
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
LIVE_WAITING = 1_000
"""Live copies between two looks; more are left to their records, which follow."""
LOOK_EVERY_S = 0.25
FIRST_DELAY_S = 1.0
MAX_DELAY_S = 60.0
MAX_REFUSED_DELAY_S = 3_600.0
"""An alarm that the receiver refuses by itself is tried this often at least."""
OVERTIME_S = 1.0
"""Beyond the time-out; only looking up the name can take longer than told."""
_TAKEN = range(200, 300)
_REFUSED = range(400, 500)
_NOT_ITS_FAULT = frozenset({401, 403, 404, 405, 407, 408, 410, 425, 429})
"""Answers that any alarm would get: the receiver, its address or the secret is wrong."""


class Post(Protocol):
    """What the sender needs: ``http_post.HttpPost`` is the real one."""

    def post(
        self, body: bytes, headers: Mapping[str, str], until: MonoSeconds
    ) -> Answer | PostFailure: ...


def parse_secret(text: str) -> bytes:
    """Return the key in ``text``: base64 of 24 to 64 bytes, with or without ``whsec_``.

    Raises: ConfigError: it is none; the message does not repeat it.
    """
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise ConfigError(
            f"the webhook's secret must be base64 of {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES}"
            " bytes, for example from `openssl rand -base64 32`"
        )
    return key


def message_id(alarm: OwedAlarm) -> str:
    """Return the id by which a receiver knows an alarm that comes twice."""
    return f"gated_{alarm.chain.epoch}_{alarm.seq}"


def sign(key: bytes, id_: str, timestamp_s: int, body: bytes) -> str:
    """Return the signature of Standard Webhooks: HMAC-SHA-256 over ``id.timestamp.body``."""
    digest = hmac.new(key, f"{id_}.{timestamp_s}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def encode(alarm: OwedAlarm) -> bytes:
    """Return the body that is posted. Raises: WireError: the record is no JSON."""
    event = cloud_event(alarm.chain, alarm.seq, Kind.ALARM, alarm.body)
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def live_alarm(arrival: Arrival, wanted: Collection[str]) -> OwedAlarm | None:
    """Return the alarm of which ``arrival`` is a live copy; None: it is none, or not wanted."""
    try:
        topics, branch, _ = parse_gate_topic(arrival.topic)
    except WireError:
        return None
    if branch != "live":
        return None
    record_topic = GateTopics(topics.site, topics.gate).record(Kind.ALARM)
    found = read_arrival(Arrival(record_topic, arrival.payload, arrival.received_at_ms))
    if not isinstance(found, Readable) or found.extract.drill:
        return None
    is_wanted = found.extract.alarm in wanted
    return OwedAlarm(found.chain, found.seq, found.body, is_live=True) if is_wanted else None


class LiveInbox:
    """Hands live copies from the receiving loop to the sender; bounded, never blocking."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Arrival] = queue.Queue(LIVE_WAITING)

    def put(self, arrivals: Sequence[Arrival]) -> None:
        """Take the live copies among ``arrivals``. What does not fit comes with its record."""
        for arrival in arrivals:
            if arrival.topic.endswith("/live"):
                try:
                    self._waiting.put_nowait(arrival)
                except queue.Full:
                    return

    def take(self) -> list[Arrival]:
        """Return all that wait."""
        found = []
        while True:
            try:
                found.append(self._waiting.get_nowait())
            except queue.Empty:
                return found


class WebhookSender:
    """The worker that owns the queue.

    Args:
        post: to the receiver.
        key: signs.
        alarms: the queue.
        inbox: where live copies come from.
        wanted: the names of the alarms that are sent.
        time_out_s: how long an answer is awaited.
        jitter: returns a random number between its two arguments, as ``random.uniform`` does.
    """

    def __init__(  # noqa: PLR0913  wiring: each is a different neighbour
        self,
        post: Post,
        key: bytes,
        alarms: AlarmQueue,
        inbox: LiveInbox,
        *,
        wanted: Collection[str],
        clock: Clock,
        time_out_s: float,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._post = post
        self._key = key
        self._alarms = alarms
        self._inbox = inbox
        self._wanted = frozenset(wanted)
        self._clock = clock
        self._time_out_s = time_out_s
        self._jitter = jitter
        self._asking: threading.Thread | None = None
        self._delay_s = FIRST_DELAY_S
        self._pause_until = MonoSeconds(float("-inf"))
        self._said: str | None = None
        self._is_storage_failing = False

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Send until ``stop``; then close the queue."""
        try:
            while not stop.is_set():
                beat()
                if not self.step(beat, stop):
                    stop.wait(LOOK_EVERY_S)
        finally:
            self._alarms.close()

    def step(self, beat: Callable[[], None], stop: threading.Event) -> bool:
        """Take over what is new and send one alarm; return whether there may be more to do now."""
        try:
            is_busy = self._take_over()
            if self._clock.monotonic_s() >= self._pause_until:
                alarm = self._alarms.next(self._now_ms())
                if alarm is not None:
                    self._send_or_wait(alarm, beat, stop)
                    is_busy = True
        except StorageError as exc:
            if not self._is_storage_failing:
                log.error("%s; alarms wait until this works", exc)
            self._is_storage_failing = True
            return False
        self._is_storage_failing = False
        return is_busy

    def _take_over(self) -> bool:
        copies = [alarm for arrival in self._inbox.take() if (alarm := self._live(arrival))]
        self._alarms.take_live(copies, self._now_ms())
        return self._alarms.take_recorded(self._wanted, self._now_ms())

    def _live(self, arrival: Arrival) -> OwedAlarm | None:
        return live_alarm(arrival, self._wanted)

    def _send_or_wait(
        self, alarm: OwedAlarm, beat: Callable[[], None], stop: threading.Event
    ) -> None:
        try:
            self._send(alarm, beat, stop)
        except StorageError:
            self._back_off()  # it may have been posted, and is the next one again
            raise

    def _send(self, alarm: OwedAlarm, beat: Callable[[], None], stop: threading.Event) -> None:
        id_ = message_id(alarm)
        try:
            body = encode(alarm)
        except WireError:  # it was read when it was stored: the disk has changed it
            log.error("%s cannot be read any more; it is kept", id_)
            self._put_off(alarm, MAX_REFUSED_DELAY_S)
            return
        timestamp_s = int(self._clock.now().timestamp())
        headers = {
            "content-type": MEDIA_TYPE,
            "user-agent": "gated-collector",
            "webhook-id": id_,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": sign(self._key, id_, timestamp_s, body),
        }
        answer = self._ask(body, headers, beat, stop)
        if answer is None:
            return  # the process ends; the alarm is still owed
        status = answer.status if isinstance(answer, Answer) else None
        if status in _TAKEN:
            self._alarms.delivered(alarm, self._now_ms())
            self._delay_s = FIRST_DELAY_S
            self._say("takes alarms", logging.INFO)
        elif status in _REFUSED and status not in _NOT_ITS_FAULT:
            delay_s = min(MAX_REFUSED_DELAY_S, FIRST_DELAY_S * 2 ** min(alarm.attempts, 12))
            self._put_off(alarm, delay_s)
            self._pause(FIRST_DELAY_S)  # if it refuses them all, it is asked once a second
            log.warning("the webhook refuses %s with %d; it is tried again", id_, status)
        else:
            self._put_off(alarm, 0.0)
            self._back_off()
            what = f"answers {answer.status}" if isinstance(answer, Answer) else answer.value
            self._say(f"does not take alarms: {what}; they are kept and tried again")

    def _ask(
        self,
        body: bytes,
        headers: Mapping[str, str],
        beat: Callable[[], None],
        stop: threading.Event,
    ) -> Answer | PostFailure | None:
        """Return the receiver's answer, or None if ``stop`` came first.

        On a thread of its own, since looking up a name cannot be bounded: one that hangs is left
        behind, and no other is started before it has ended.
        """
        if self._asking is not None and self._asking.is_alive():
            return PostFailure.NAME
        until = MonoSeconds(self._clock.monotonic_s() + self._time_out_s)
        answers: queue.Queue[Answer | PostFailure] = queue.Queue()

        def ask() -> None:
            answers.put(self._post.post(body, headers, until))

        self._asking = threading.Thread(target=ask, name="webhook-post", daemon=True)
        self._asking.start()
        while not stop.is_set():
            beat()
            try:
                return answers.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                if self._clock.monotonic_s() > until + OVERTIME_S:
                    return PostFailure.NAME
        return None

    def _put_off(self, alarm: OwedAlarm, delay_s: float) -> None:
        self._alarms.put_off(alarm, self._now_ms() + round(delay_s * 1_000))

    def _back_off(self) -> None:
        self._pause(self._delay_s * self._jitter(0.5, 1.0))
        self._delay_s = min(MAX_DELAY_S, self._delay_s * 2)

    def _pause(self, delay_s: float) -> None:
        self._pause_until = MonoSeconds(self._clock.monotonic_s() + delay_s)

    def _now_ms(self) -> int:
        return round(self._clock.now().timestamp() * 1_000)

    def _say(self, what: str, level: int = logging.WARNING) -> None:
        if what != self._said:  # once on loss and once on return, however long it lasts
            log.log(level, "the webhook %s", what)
        self._said = what
