"""The uplink's half, before a platform that behaves as badly as real ones do."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gated.clock import SystemClock
from gated.config import parse_gate
from gated.config.verifier import PlatformAddress, PlatformResult, parse_platform
from gated.credentials.platform import Dialect, Signer, Stamp, request_body
from gated.credentials.questions import (
    ANSWER_SOCKET,
    QUESTION_SOCKET,
    Answer,
    AskFailure,
    Question,
    decode_answer,
    encode,
)
from gated.datagrams import Receiver, Sender
from gated.errors import ConfigError, GatedError
from gated.mqtt.address import TlsFiles, tls_context
from gated.simulation.authority import server_context
from gated.simulation.platform import (
    APP_ID,
    MASKED_ID,
    MASKED_NAME,
    NUMBERS,
    RESULT_MEMBER,
    SECRET,
    TARGET,
    WINDOW_MS,
    Asked,
    Mood,
    SimulatedPlatform,
)
from gated.units import MonoSeconds
from gated.uplink.verifier import (
    WAITING_BOUND,
    Platform,
    VerifierSockets,
    VerifierWorker,
    make_verifier,
    platform_post,
)
from tests.config_texts import with_keys
from tests.gate_processes import wait_for

TIME_OUT_S = 1.2
PATIENCE_S = 10.0
TOKEN = "PROV0123456789abcdef"
DIALECT = Dialect(
    tuple(RESULT_MEMBER.split(".")), {str(number): result for result, number in NUMBERS.items()}
)


class ShiftedClock(SystemClock):
    """The machine's clocks, moved by as much as a test says."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.wrong_by = timedelta()

    def monotonic_s(self) -> MonoSeconds:
        return MonoSeconds(super().monotonic_s() + self.ahead_s)

    def now(self) -> datetime:
        return super().now() + self.wrong_by


@dataclass
class Rig:
    """A platform and a gate that asks it."""

    province: SimulatedPlatform
    platform: Platform
    clock: ShiftedClock
    took_s: list[float] = field(default_factory=list)

    def ask(self, token: str = TOKEN) -> PlatformResult | AskFailure:
        began_s = self.clock.monotonic_s()
        said = self.platform.ask(token, MonoSeconds(began_s + TIME_OUT_S))
        self.took_s.append(self.clock.monotonic_s() - began_s)
        return said

    @property
    def connections(self) -> int:
        """How many connections the platform was asked over."""
        return len({asked.connection for asked in self.province.asked})


@contextmanager
def asking(
    folder: Path,
    *,
    ca_of: SimulatedPlatform | None = None,
    key: str = SECRET,
    host: str | None = None,
) -> Iterator[Rig]:
    clock = ShiftedClock()
    with SimulatedPlatform(folder, SystemClock()) as province:
        address = parse_platform(province.url)
        if host is not None:
            address = PlatformAddress(host, address.port, address.target)
        context = tls_context(TlsFiles(ca=(ca_of or province).ca_file))
        post = platform_post(address, context, clock)
        signer = Signer(APP_ID, TARGET, key.encode())
        province.know(TOKEN, PlatformResult.GREEN)
        yield Rig(province, Platform(post, signer, DIALECT, clock), clock)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with asking(tmp_path) as made:
        yield made


# --- a platform in good health -------------------------------------------------------------------


@pytest.mark.parametrize("result", PlatformResult)
def test_every_result_comes_through_by_its_name(rig: Rig, result: PlatformResult) -> None:
    rig.province.know(TOKEN, result)
    assert rig.ask() is result


def test_each_question_has_a_connection_of_its_own_and_is_signed_anew(rig: Rig) -> None:
    assert [rig.ask() for _ in range(5)] == [PlatformResult.GREEN] * 5
    assert [asked.refused for asked in rig.province.asked] == [""] * 5
    assert rig.connections == 5


def test_an_unknown_token_does_not_exist(rig: Rig) -> None:
    assert rig.ask("PROVnobodysnobodysno") is PlatformResult.DOES_NOT_EXIST


def test_nothing_of_the_holder_is_logged_or_returned(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    for mood in (Mood.ANSWERS, Mood.CUTS, Mood.NONSENSE, Mood.ERROR):
        rig.province.mood = mood
        said = repr(rig.ask())
        assert not any(word in said for word in (MASKED_NAME, MASKED_ID, TOKEN))
    assert caplog.text
    assert not any(word in caplog.text for word in (MASKED_NAME, MASKED_ID, TOKEN, SECRET))


# --- the connection ------------------------------------------------------------------------------


def test_a_platform_that_was_away_is_asked_again_unnoticed(rig: Rig) -> None:
    assert rig.ask() is PlatformResult.GREEN
    rig.province.stop()
    rig.province.start()
    assert rig.ask() is PlatformResult.GREEN
    assert [asked.refused for asked in rig.province.asked] == ["", ""]


def test_nothing_is_said_to_a_server_of_another_authority(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    other = SimulatedPlatform(tmp_path / "b", SystemClock())
    with asking(tmp_path / "a", ca_of=other) as rig:
        assert rig.ask() is AskFailure.TLS
        assert rig.province.asked == []


def test_nothing_is_said_to_a_server_of_another_name(tmp_path: Path) -> None:
    with asking(tmp_path, host="localhost") as rig:
        assert rig.ask() is AskFailure.TLS
        assert rig.province.asked == []


def test_a_name_that_is_none_is_said(tmp_path: Path) -> None:
    with asking(tmp_path, host="no..name") as rig:
        assert rig.ask() is AskFailure.NAME


def test_a_proxy_of_the_environment_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with asking(tmp_path) as rig:
        assert rig.ask() is PlatformResult.GREEN


# --- a platform that is ill ----------------------------------------------------------------------

FAILURES = {
    Mood.HANGS: AskFailure.TOO_SLOW,
    Mood.DRIPS: AskFailure.TOO_SLOW,
    Mood.HANGS_UP: AskFailure.UNREACHABLE,
    Mood.CUTS: AskFailure.UNREACHABLE,
    Mood.ERROR: AskFailure.ERROR,
    Mood.REDIRECTS: AskFailure.ERROR,
    Mood.NONSENSE: AskFailure.GARBLED,
    Mood.FLOODS: AskFailure.GARBLED,
}


@pytest.mark.parametrize("mood", FAILURES)
def test_whatever_it_does_it_costs_no_more_than_the_time_out_and_the_next_one_is_served(
    rig: Rig, mood: Mood
) -> None:
    rig.ask()
    rig.province.mood = mood
    assert rig.ask() is FAILURES[mood]
    assert rig.took_s[-1] < TIME_OUT_S + 0.8
    rig.province.mood = Mood.ANSWERS
    assert rig.ask() is PlatformResult.GREEN


def test_a_redirect_is_not_followed(rig: Rig) -> None:
    rig.province.mood = Mood.REDIRECTS
    rig.ask()
    assert len(rig.province.asked) == 1


def test_a_slow_answer_within_the_time_out_counts(rig: Rig) -> None:
    rig.province.mood, rig.province.slow_s = Mood.SLOW, 0.2
    assert rig.ask() is PlatformResult.GREEN


def test_where_nobody_listens_it_is_known_at_once(rig: Rig) -> None:
    rig.province.stop()
    assert rig.ask() is AskFailure.UNREACHABLE
    assert rig.took_s[-1] < TIME_OUT_S


def test_no_time_left_is_no_attempt(rig: Rig) -> None:
    said = rig.platform.ask(TOKEN, rig.clock.monotonic_s())
    assert said is AskFailure.TOO_SLOW
    assert rig.province.asked == []


def test_why_it_does_not_answer_is_logged_once_until_it_does(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        rig.province.mood = Mood.ERROR
        rig.ask()
        rig.ask()
        rig.province.mood = Mood.ANSWERS
        rig.ask()
    assert len(caplog.records) == 2


# --- the simulated platform checks what real ones check ------------------------------------------


def test_a_request_that_another_secret_signed_is_refused(tmp_path: Path) -> None:
    with asking(tmp_path, key="another secret than theirs") as rig:
        assert rig.ask() is AskFailure.REFUSES_US
        assert [asked.refused for asked in rig.province.asked] == ["signature"]


@pytest.mark.parametrize("wrong_by_ms", [WINDOW_MS + 5_000, -WINDOW_MS - 5_000])
def test_a_gate_whose_clock_is_wrong_is_refused(rig: Rig, wrong_by_ms: int) -> None:
    rig.clock.wrong_by = timedelta(milliseconds=wrong_by_ms)
    assert rig.ask() is AskFailure.REFUSES_US
    assert [asked.refused for asked in rig.province.asked] == ["time"]


def test_a_request_that_was_listened_in_on_is_refused_the_second_time(rig: Rig) -> None:
    body = request_body(TOKEN)
    stamp = Stamp(round(SystemClock().now().timestamp() * 1_000), "00112233")
    headers = Signer(APP_ID, TARGET, SECRET.encode()).headers(body, stamp)
    context = ssl.create_default_context(cafile=rig.province.ca_file)
    statuses = []
    for _ in range(2):
        connection = http.client.HTTPSConnection("127.0.0.1", rig.province.port, context=context)
        with closing(connection):
            connection.request("POST", TARGET, body, headers)
            statuses.append(connection.getresponse().status)
    assert statuses == [200, 401]
    assert [a.refused for a in rig.province.asked] == ["", "seen before"]
    assert isinstance(rig.province.asked[0], Asked)
    assert TOKEN not in repr(rig.province.asked)


# --- the worker between the controller and the platform ------------------------------------------


@dataclass
class Uplink:
    """A worker that runs, and the controller's ends of its sockets."""

    questions: Sender
    answers: Receiver
    beats: list[float]
    failures: list[Exception]

    def ask(self, number: int, *, for_s: float = PATIENCE_S) -> None:
        until_ms = SystemClock().boottime_ms() + round(for_s * 1_000)
        question = Question(id=f"{number:032x}", token=TOKEN, until_boot_ms=until_ms)
        wait_for(lambda: bool(self.beats), "a worker that takes questions")
        assert self.questions.send(encode(question))

    def hear(self, within_s: float = PATIENCE_S) -> Answer | None:
        datagram = self.answers.receive(within_s)
        return None if datagram is None else decode_answer(datagram.payload)


@contextmanager
def uplink(ask: Callable[[str, MonoSeconds], PlatformResult | AskFailure]) -> Iterator[Uplink]:
    stop, clock = threading.Event(), SystemClock()
    beats: list[float] = []
    failures: list[Exception] = []
    with tempfile.TemporaryDirectory(prefix="gated-") as name, ExitStack() as stack:
        sockets = VerifierSockets(Path(name) / QUESTION_SOCKET, Path(name) / ANSWER_SOCKET)
        answers = stack.enter_context(closing(Receiver(sockets.answers)))
        questions = stack.enter_context(closing(Sender(sockets.questions)))
        worker = VerifierWorker(sockets, ask, clock)

        def run() -> None:
            try:
                worker.run(stop, lambda: beats.append(clock.monotonic_s()))
            except GatedError as exc:
                failures.append(exc)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield Uplink(questions, answers, beats, failures)
        finally:
            stop.set()
            thread.join()


def test_a_question_is_answered_under_its_own_id() -> None:
    def ask(token: str, until: MonoSeconds) -> PlatformResult:
        assert token == TOKEN
        assert 0.0 < until - SystemClock().monotonic_s() <= PATIENCE_S
        return PlatformResult.YELLOW

    with uplink(ask) as rig:
        rig.ask(7)
        assert rig.hear() == Answer(id=f"{7:032x}", result=PlatformResult.YELLOW)


def test_a_failure_is_answered_as_one() -> None:
    with uplink(lambda *_: AskFailure.TLS) as rig:
        rig.ask(7)
        assert rig.hear() == Answer(id=f"{7:032x}", failure=AskFailure.TLS)


def test_a_question_that_is_overdue_is_not_asked_any_more() -> None:
    asked: list[str] = []

    def ask(token: str, _: MonoSeconds) -> PlatformResult:
        asked.append(token)
        return PlatformResult.GREEN

    with uplink(ask) as rig:
        rig.ask(1, for_s=-0.001)
        rig.ask(2)
        assert rig.hear() == Answer(id=f"{2:032x}", result=PlatformResult.GREEN)
    assert len(asked) == 1


def test_nonsense_is_dropped_and_the_next_question_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with uplink(lambda *_: PlatformResult.GREEN) as rig:
        wait_for(lambda: bool(rig.beats), "a worker")
        rig.questions.send(b"\xff" + TOKEN.encode())
        rig.ask(3)
        assert rig.hear() is not None
    assert [TOKEN in record.getMessage() for record in caplog.records] == [False]


def test_while_one_question_blocks_others_are_told_and_the_heart_beats() -> None:
    release = threading.Event()

    def ask(*_: object) -> PlatformResult:
        release.wait(PATIENCE_S)
        return PlatformResult.GREEN

    with uplink(ask) as rig:
        rig.ask(0)
        for number in range(1, WAITING_BOUND + 3):
            rig.ask(number)
        busy = rig.hear()
        assert busy is not None
        assert busy.failure is AskFailure.BUSY
        before = len(rig.beats)
        wait_for(lambda: len(rig.beats) > before + 2, "signs of life")
        release.set()
        answered = [rig.hear() for _ in range(WAITING_BOUND)]
        assert PlatformResult.GREEN in [a.result for a in answered if a is not None]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_whose_other_half_has_died_says_so() -> None:
    def ask(*_: object) -> PlatformResult:
        raise RuntimeError("a defect")

    with uplink(ask) as rig:
        rig.ask(1)
        wait_for(lambda: bool(rig.failures), "a failure")
    assert "has ended" in str(rig.failures[0])


# --- its settings --------------------------------------------------------------------------------


def settings(folder: Path, *more: str) -> str:
    return with_keys(
        "verifier",
        "enabled = true",
        'url = "https://127.0.0.1:1/verify"',
        f'key_file = "{folder}/verifier.key"',
        'tokens = [{ prefix = "PROV" }]',
        *more,
    )


def test_a_worker_is_made_of_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "verifier.key").write_text("sixteen bytes or more\n", encoding="utf-8")
    (tmp_path / "verifier.key").chmod(0o640)
    config = parse_gate(settings(tmp_path), "gated.toml")
    assert isinstance(make_verifier(config, SystemClock()), VerifierWorker)


@pytest.mark.parametrize(
    ("secret", "mode", "word"),
    [
        (None, 0o600, "missing"),
        ("hunter2", 0o600, "shorter"),
        ("long enough for it", 0o644, "chmod"),
    ],
)
def test_a_secret_that_cannot_be_used_is_said_at_the_start(
    tmp_path: Path, secret: str | None, mode: int, word: str
) -> None:
    if secret is not None:
        (tmp_path / "verifier.key").write_text(secret, encoding="utf-8")
        (tmp_path / "verifier.key").chmod(mode)
    with pytest.raises(ConfigError, match=word) as caught:
        make_verifier(parse_gate(settings(tmp_path), "gated.toml"), SystemClock())
    assert secret is None or secret not in str(caught.value)


def test_a_ca_file_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "verifier.key").write_text("sixteen bytes or more", encoding="utf-8")
    (tmp_path / "verifier.key").chmod(0o600)
    text = settings(tmp_path, f'ca_file = "{tmp_path}/none.pem"')
    with pytest.raises(ConfigError, match=r"none\.pem"):
        make_verifier(parse_gate(text, "gated.toml"), SystemClock())


# --- whatever bytes a server sends ---------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"
GREEN = b'{"data":{"healthStatus":1}}'
LENGTH = f"Content-Length: {len(GREEN)}\r\n".encode()
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
G, U = AskFailure.GARBLED, AskFailure.UNREACHABLE
RAW: list[tuple[bytes, PlatformResult | AskFailure]] = [
    (HEAD + LENGTH + b"\r\n" + GREEN, PlatformResult.GREEN),
    (CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(GREEN), GREEN), PlatformResult.GREEN),
    (HEAD + b"Connection: close\r\n\r\n" + GREEN, PlatformResult.GREEN),
    (HEAD + LENGTH + b"\r\n" + GREEN[:-1], U),
    (HEAD + b"Content-Length: -1\r\n\r\n" + GREEN, G),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD + LENGTH + b"\r\n" + GREEN, PlatformResult.GREEN),
    (CHUNKED + b"%x\r\n%s" % (len(GREEN), GREEN), U),
    (CHUNKED + b"zz\r\n" + GREEN, G),
    (CHUNKED + b"fffffffffffffffffff\r\n" + GREEN, U),
    (b"", U),
    (b"green", G),
    (b"HTTP/1.1 2", U),
    (b"\x00\xff" * 40, G),
    (b"HTTP/1.1 green OK\r\n\r\n", G),
    (b"HTTP/1.1 99 OK\r\n\r\n", G),
    (b"HTTP/9.9 200 OK\r\n" + LENGTH + b"\r\n" + GREEN, G),
    (HEAD + b"X: " + b"y" * 70_000, G),
    (HEAD + b"X: y\r\n" * 101 + b"\r\n" + GREEN, G),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000, G),
    (HEAD + b"Content-Length: 99999999\r\n\r\n" + b" " * 40_000, G),
    (CHUNKED + b"ffff\r\n" + b" " * 40_000, G),
]


@contextmanager
def raw_server(folder: Path, reply: bytes) -> Iterator[tuple[PlatformAddress, Path]]:
    """Give a TLS server that answers each request with ``reply`` and hangs up."""
    ca_file = folder / "ca.pem"
    context = server_context(folder, ca_file, SystemClock())
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(PATIENCE_S)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    plain, _ = listening.accept()
                    with contextlib.suppress(OSError), plain:
                        secured = context.wrap_socket(plain, server_side=True)
                        with closing(secured):
                            secured.recv(65_536)
                            secured.sendall(reply)
                            secured.unwrap()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield PlatformAddress("127.0.0.1", listening.getsockname()[1], TARGET), ca_file
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


class Babbler:
    """A TLS server that says more than it was asked: of each first question the end comes late."""

    def __init__(self, folder: Path, begin: bytes) -> None:
        self._begin = begin
        self.go_on, self.has_gone_on = threading.Event(), threading.Event()
        self.ca_file = folder / "ca.pem"
        self._context = server_context(folder, self.ca_file, SystemClock())
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = PlatformAddress("127.0.0.1", self._listening.getsockname()[1], TARGET)

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listening.accept()
                threading.Thread(target=self._talk, args=(plain,), daemon=True).start()

    def _talk(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            secured = self._context.wrap_socket(plain, server_side=True)
            with closing(secured):
                asked = b""
                while said := secured.recv(65_536):
                    asked += said
                    if not asked.endswith(b"}"):
                        continue  # the body comes after the head
                    asked, question = b"", asked
                    if b"PROVred" in question:
                        secured.sendall(answer_of(3))
                        continue
                    secured.sendall(self._begin)
                    self.go_on.wait(PATIENCE_S)
                    try:
                        secured.sendall(answer_of(1))
                    finally:
                        self.has_gone_on.set()  # or there is nobody any more who could hear it

    def close(self) -> None:
        self.go_on.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def answer_of(number: int) -> bytes:
    body = b'{"data":{"healthStatus":%d}}' % number
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", AskFailure.TOO_SLOW),
        (b"HTTP/1.1 102 Processing\r\n\r\n", AskFailure.TOO_SLOW),
        (answer_of(1), PlatformResult.GREEN),
    ],
)
def test_what_comes_after_an_answer_is_nobodys_answer(
    tmp_path: Path, begin: bytes, said: PlatformResult | AskFailure
) -> None:
    clock = SystemClock()
    with ExitStack() as stack:
        server = stack.enter_context(closing(Babbler(tmp_path, begin)))
        threading.Thread(target=server.serve, daemon=True).start()
        context = tls_context(TlsFiles(ca=server.ca_file))
        post = platform_post(server.address, context, clock)
        platform = Platform(post, Signer(APP_ID, TARGET, b"k" * 16), DIALECT, clock)
        assert platform.ask("PROVgreen", MonoSeconds(clock.monotonic_s() + TIME_OUT_S)) is said
        server.go_on.set()
        assert server.has_gone_on.wait(PATIENCE_S)
        until = MonoSeconds(clock.monotonic_s() + PATIENCE_S)
        assert platform.ask("PROVred", until) is PlatformResult.RED


@pytest.mark.parametrize(("reply", "said"), RAW, ids=range(len(RAW)))
def test_whatever_bytes_come_they_are_an_answer_or_a_failure(
    tmp_path: Path, reply: bytes, said: PlatformResult | AskFailure
) -> None:
    clock = SystemClock()
    with raw_server(tmp_path, reply) as (address, ca_file):
        context = tls_context(TlsFiles(ca=ca_file))
        post = platform_post(address, context, clock)
        platform = Platform(post, Signer(APP_ID, TARGET, b"k" * 16), DIALECT, clock)
        until = MonoSeconds(clock.monotonic_s() + 5.0)
        assert platform.ask(TOKEN, until) is said
        assert clock.monotonic_s() < until
