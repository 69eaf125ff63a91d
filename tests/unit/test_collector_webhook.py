from __future__ import annotations

import base64
import resource
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from gated.clock import FakeClock, SystemClock
from gated.collector.sqlite_alarms import SqliteAlarmQueue, alarms_waiting
from gated.collector.sqlite_store import SqliteStore
from gated.collector.store import Arrival
from gated.collector.webhook import (
    LIVE_WAITING,
    MAX_DELAY_S,
    LiveInbox,
    WebhookSender,
    parse_secret,
    sign,
)
from gated.config.load import parse_collector
from gated.config.webhook import parse_webhook
from gated.contents import AlarmContent, AlarmName
from gated.errors import ConfigError
from gated.http_post import Answer, HttpPost, PostFailure, Target
from gated.units import MonoSeconds
from gated.wire import GateTopics, PersonLink, parse_json
from tests.collector_gate import MONDAY, LedgerOfGate, Message, alarm, visit
from tests.webhook_receiver import HOST, SECRET, Receiver

CLOCK = SystemClock()
EVERY = {name.value for name in AlarmName}


# --- the signature and the secret -----------------------------------------------------------------


def test_the_signature_is_that_of_the_standards_test_vector() -> None:
    key = parse_secret(f"whsec_{SECRET}")
    signature = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_may_stand_without_its_prefix() -> None:
    assert parse_secret(SECRET) == parse_secret(f"whsec_{SECRET}") == base64.b64decode(SECRET)


@pytest.mark.parametrize("text", ["", "short", "not base64 at all!", "QUJD", "whsec_", "A" * 200])
def test_a_secret_that_is_none_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_secret(text)
    assert len(text) < 5 or text not in str(raised.value)


# --- one post, to servers that misbehave ----------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def post(port: int, within_s: float = 5.0) -> int | PostFailure:
    target = Target(HOST, port, "/alarms", is_tls=False)
    until = MonoSeconds(CLOCK.monotonic_s() + within_s)
    answer = HttpPost(target, None, CLOCK).post(b"{}", {"webhook-id": "1"}, until)
    return answer if isinstance(answer, PostFailure) else answer.status


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (204, 204),
        (500, 500),
        (302, 302),
        ("hang up", PostFailure.UNREACHABLE),
        ("die in the middle", PostFailure.UNREACHABLE),
        ("garbage", PostFailure.GARBLED),
        ("endless head", PostFailure.GARBLED),
        ("endless 100", PostFailure.GARBLED),
    ],
)
def test_every_answer_is_a_status_or_a_reason(
    receiver: Receiver, answer: object, expected: object
) -> None:
    receiver.always = answer
    assert post(receiver.port) == expected
    assert len(receiver.deliveries) == 1, "a redirect is not followed, and nothing sent twice"


@pytest.mark.parametrize("answer", ["hang", "trickle"])
def test_a_server_that_is_slow_in_any_way_is_left_in_time(receiver: Receiver, answer: str) -> None:
    receiver.always = answer
    began_s = CLOCK.monotonic_s()
    assert post(receiver.port, within_s=0.5) is PostFailure.TOO_SLOW
    assert CLOCK.monotonic_s() - began_s < 2.0


def test_a_server_that_is_not_there_is_said_to_be_so(receiver: Receiver) -> None:
    receiver.end()
    assert post(receiver.port) is PostFailure.UNREACHABLE


def test_a_system_that_makes_no_socket_does_not_reach_the_server(receiver: Receiver) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))  # as where IPv6 is switched off
    try:
        answer = post(receiver.port)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert answer is PostFailure.UNREACHABLE


# --- the queue and the sender ---------------------------------------------------------------------


class Script:
    """A receiver without a network: answers as told, by the id or for everybody."""

    def __init__(self) -> None:
        self.always: int | PostFailure = 204
        self.by_id: dict[str, int] = {}
        self.posted: list[tuple[str, int | PostFailure]] = []
        self.bodies: list[bytes] = []

    def post(
        self, body: bytes, headers: Mapping[str, str], until: MonoSeconds
    ) -> Answer | PostFailure:
        answer = self.by_id.get(headers["webhook-id"], self.always)
        self.posted.append((headers["webhook-id"], answer))
        self.bodies.append(body)
        return answer if isinstance(answer, PostFailure) else Answer(answer)

    @property
    def ids(self) -> list[str]:
        return [id_ for id_, _ in self.posted]


class Rig:
    """A store, a queue and a sender whose time moves when told to."""

    def __init__(self, folder: Path, wanted: set[str]) -> None:
        self.path = folder / "records.db"
        self.clock = FakeClock(wall=MONDAY)
        self.store = SqliteStore(self.path, keep_person_days=14)
        self.gate = LedgerOfGate()
        self.script = Script()
        self.inbox = LiveInbox()
        self.wanted = wanted
        self.sender = self.make_sender()

    def make_sender(self) -> WebhookSender:
        self.queue = SqliteAlarmQueue(self.path)
        return WebhookSender(
            self.script,
            base64.b64decode(SECRET),
            self.queue,
            self.inbox,
            wanted=self.wanted,
            clock=self.clock,
            time_out_s=5.0,
            jitter=lambda _low, high: high,
        )

    def store_late(self, *messages: Message, by: timedelta = timedelta()) -> None:
        self.store.ingest([message.arrival(message.at + by) for message in messages])

    def live(self, message: Message) -> None:
        topic = GateTopics(message.chain.site, message.chain.gate).live
        self.inbox.put([Arrival(topic, message.payload, message.arrival().received_at_ms)])

    def work(self, for_s: float = 0.0) -> None:
        """Let time pass and the sender work, a second at a time."""
        end_s = self.clock.elapsed_s + for_s
        while True:
            while self.sender.step(lambda: None, threading.Event()):
                pass
            if self.clock.elapsed_s >= end_s:
                return
            self.clock.advance(1.0)

    def id(self, message: Message) -> str:
        return f"gated_{message.chain.epoch}_{message.seq}"


@pytest.fixture
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    rig = Rig(tmp_path, getattr(request, "param", EVERY))
    yield rig
    rig.queue.close()
    rig.store.close()


def test_each_alarm_is_posted_once_and_nothing_else_is(rig: Rig) -> None:
    first = rig.gate.write(alarm(AlarmName.TEMPERATURE_HIGH))
    seen = rig.gate.write(visit())
    second = rig.gate.write(alarm(AlarmName.DEVICE_LOST))
    rig.store_late(first, seen, second)
    rig.work()
    assert rig.script.ids == [rig.id(first), rig.id(second)]
    rig.store_late(first, second)
    rig.work(600.0)
    assert len(rig.script.ids) == 2
    assert alarms_waiting(rig.path) == 0


def test_the_body_is_the_record_as_a_cloud_event_without_a_person_link(rig: Rig) -> None:
    link = PersonLink(holder_ref="k4:9c41f07be2d85a13", salt="c2FsdHNhbHRzYWx0c2E")
    message = rig.gate.write(alarm(AlarmName.LISTED_PERSON))
    linked = message.body[:-1] + (
        f',"link":{{"holder_ref":"{link.holder_ref}","salt":"{link.salt}"}}}}'.encode()
    )
    topic = GateTopics("lixin-primary", "east-1").live
    rig.inbox.put([Arrival(topic, linked, message.arrival().received_at_ms)])
    rig.work()
    (body,) = rig.script.bodies
    event = parse_json(body)
    assert event["type"] == "gated.record.v1.alarm"
    assert event["data"] == parse_json(message.body)
    assert b"holder_ref" not in body


def test_a_live_copy_goes_out_before_its_record_has_come_and_not_again_with_it(rig: Rig) -> None:
    message = rig.gate.write(alarm(AlarmName.TEMPERATURE_HIGH))
    rig.live(message)
    rig.live(message)
    rig.work()
    assert rig.script.ids == [rig.id(message)]
    rig.store_late(message, by=timedelta(hours=3))
    rig.work()
    assert rig.script.ids == [rig.id(message)]


def test_what_is_no_live_copy_of_an_alarm_is_passed_over(rig: Rig) -> None:
    message = rig.gate.write(visit())
    other = LedgerOfGate(gate="west-2").write(alarm(AlarmName.HELD_OPEN))
    rig.live(message)
    topic = GateTopics("lixin-primary", "east-1").live
    rig.inbox.put([Arrival(topic, other.payload, 0), Arrival(topic, b"\xff{", 0)])
    rig.inbox.put([Arrival("gates/v1/+/#/live", b"{}", 0)])
    rig.work()
    assert rig.script.ids == []


def test_a_new_alarm_goes_ahead_of_a_backlog(rig: Rig) -> None:
    rig.script.always = PostFailure.UNREACHABLE
    old = [rig.gate.write(alarm(AlarmName.DEVICE_LOST)) for _ in range(3)]
    rig.store_late(*old, by=timedelta(days=1))
    rig.work()
    rig.script.posted.clear()
    new = rig.gate.write(alarm(AlarmName.TEMPERATURE_HIGH))
    rig.store_late(new)
    rig.script.always = 204
    rig.work(MAX_DELAY_S)
    assert rig.script.ids == [rig.id(message) for message in (new, *old)]


@pytest.mark.parametrize(
    "failure", [PostFailure.UNREACHABLE, PostFailure.TOO_SLOW, 500, 503, 429, 302, 401, 404]
)
def test_a_receiver_that_fails_is_tried_ever_more_rarely_and_nothing_is_lost(
    rig: Rig, failure: int | PostFailure
) -> None:
    rig.script.always = failure
    messages = [rig.gate.write(alarm(AlarmName.STAFF_CALLED)) for _ in range(20)]
    rig.store_late(*messages)
    rig.work(3_600.0)
    attempts = len(rig.script.ids)
    assert 3_600 / MAX_DELAY_S <= attempts <= 3_600 / MAX_DELAY_S + 8
    rig.script.always = 204
    rig.work(MAX_DELAY_S)
    assert set(rig.script.ids[attempts:]) == {rig.id(message) for message in messages}
    assert len(rig.script.ids) == attempts + 20


def test_one_alarm_that_is_refused_does_not_hold_up_the_others(rig: Rig) -> None:
    poison, *others = [rig.gate.write(alarm(AlarmName.STAFF_CALLED)) for _ in range(4)]
    rig.script.by_id[rig.id(poison)] = 422
    rig.store_late(poison, *others)
    rig.work(2.0)
    assert {rig.id(message) for message in others} < set(rig.script.ids)
    rig.work(3_600.0)
    assert 5 < rig.script.ids.count(rig.id(poison)) < 20
    rig.script.by_id.clear()
    rig.work(3_600.0)
    assert rig.script.posted[-1] == (rig.id(poison), 204)
    assert alarms_waiting(rig.path) == 0


@pytest.mark.parametrize("answer", [204, 422, 503])
def test_a_queue_that_cannot_be_written_does_not_flood_the_receiver(rig: Rig, answer: int) -> None:
    rig.script.always = answer
    message = rig.gate.write(alarm(AlarmName.STAFF_CALLED))
    rig.store_late(message)
    rig.queue.take_recorded(EVERY, 0)
    rig.queue._connection.execute("PRAGMA query_only = ON")
    rig.work(3_600.0)
    assert 3_600 / MAX_DELAY_S <= len(rig.script.ids) <= 3_600 / MAX_DELAY_S + 8
    rig.queue._connection.execute("PRAGMA query_only = OFF")
    rig.script.always = 204
    rig.work(MAX_DELAY_S)
    assert alarms_waiting(rig.path) == 0


def test_after_a_restart_what_is_owed_is_still_owed(rig: Rig) -> None:
    rig.script.always = 500
    message = rig.gate.write(alarm(AlarmName.STAFF_CALLED))
    rig.store_late(message)
    rig.work()
    rig.queue.close()
    rig.sender = rig.make_sender()
    rig.script.always = 204
    rig.work()
    assert rig.script.posted == [(rig.id(message), 500), (rig.id(message), 204)]


def test_alarms_from_before_there_was_a_webhook_are_history(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "records.db", keep_person_days=14)
    gate = LedgerOfGate()
    store.ingest([gate.write(alarm(AlarmName.STAFF_CALLED)).arrival()])
    store.close()
    rig = Rig(tmp_path, EVERY)
    rig.gate = gate
    message = gate.write(alarm(AlarmName.STAFF_CALLED))
    rig.store_late(message)
    rig.work()
    rig.queue.close()
    rig.store.close()
    assert rig.script.ids == [rig.id(message)]


@pytest.mark.parametrize("rig", [{AlarmName.HELD_OPEN.value}], indirect=True)
def test_only_the_alarms_that_are_wanted_are_posted(rig: Rig) -> None:
    unwanted = rig.gate.write(alarm(AlarmName.DEVICE_LOST))
    wanted = rig.gate.write(alarm(AlarmName.HELD_OPEN))
    rig.live(unwanted)
    rig.store_late(unwanted, wanted)
    rig.work()
    assert rig.script.ids == [rig.id(wanted)]


def test_a_drill_is_no_alarm(rig: Rig) -> None:
    rig.gate.drill = True
    message = rig.gate.write(AlarmContent(alarm=AlarmName.HELD_OPEN))
    rig.live(message)
    rig.store_late(message)
    rig.work()
    assert rig.script.ids == []


def test_thousands_of_records_hide_no_alarm(rig: Rig) -> None:
    messages = rig.gate.write_visits(4_500)
    last = rig.gate.write(alarm(AlarmName.HELD_OPEN))
    rig.store_late(*messages, last)
    rig.work()
    assert rig.script.ids == [rig.id(last)]


def test_more_live_copies_than_fit_block_nobody(rig: Rig) -> None:
    message = rig.gate.write(alarm(AlarmName.HELD_OPEN))
    topic = GateTopics("lixin-primary", "east-1").live
    rig.inbox.put([Arrival(topic, message.payload, 0)] * (LIVE_WAITING + 500))
    assert len(rig.inbox.take()) == LIVE_WAITING


def test_a_post_that_hangs_in_the_system_neither_stops_the_worker_nor_is_doubled(
    rig: Rig,
) -> None:
    release, calls = threading.Event(), []

    class Hanging:
        def post(
            self, body: bytes, headers: Mapping[str, str], until: MonoSeconds
        ) -> Answer | PostFailure:
            calls.append(headers["webhook-id"])
            release.wait(10.0)
            return Answer(204)

    rig.sender._post = Hanging()
    rig.sender._time_out_s = -10.0  # the deadline has passed before it begins
    rig.store_late(rig.gate.write(alarm(AlarmName.HELD_OPEN)))
    beats: list[None] = []
    rig.sender.step(lambda: beats.append(None), threading.Event())
    rig.clock.advance(MAX_DELAY_S)
    rig.sender.step(lambda: beats.append(None), threading.Event())
    assert len(calls) == 1
    assert beats
    release.set()


# --- the configuration ----------------------------------------------------------------------------

COLLECTOR = '[collector]\nname = "centre-1"\nbroker = "mqtt://127.0.0.1:1883"\n[webhook]\n'


@pytest.mark.parametrize(
    "url",
    [
        "http://alarms.example/x",
        "ftp://alarms.example/x",
        "https://user:secret@alarms.example/",
        "https://",
        "https://alarms.example:0/",
        "https://alarms.example/#x",
        "https://alarms.example/a b",
    ],
)
def test_a_url_that_is_not_safe_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the message is looked at below
        parse_webhook(url)
    assert "secret" not in str(raised.value)
    assert "alarms.example" not in str(raised.value)


@pytest.mark.parametrize("url", ["https://alarms.example/x?token=1", "http://127.0.0.1:9/x"])
def test_https_to_anybody_and_http_to_this_machine_are_taken(url: str) -> None:
    text = f'{COLLECTOR}url = "{url}"\nsecret_file = "/etc/gated/webhook.secret"\n'
    settings = parse_collector(text, "collector.toml").webhook
    assert settings.address is not None
    assert settings.wanted == frozenset(AlarmName)


def test_a_webhook_without_a_secret_is_refused() -> None:
    with pytest.raises(ConfigError, match="secret_file"):
        parse_collector(f'{COLLECTOR}url = "https://alarms.example/"\n', "collector.toml")
