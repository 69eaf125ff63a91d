"""Asks the issuer's platform what the controller wants to know, one question after the other.

Two threads: ``verifier`` takes the questions and shows signs of life; ``asker`` talks to the
platform, where the system's resolver alone may block for half a minute. A token is in memory only.
"""

from __future__ import annotations

import logging
import queue
import secrets
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gated.clock import Clock
from gated.config import GateConfig, read_secret
from gated.config.verifier import PlatformAddress, PlatformResult
from gated.credentials.platform import (
    MAX_ANSWER_BYTES,
    MIN_KEY_BYTES,
    Dialect,
    Signer,
    Stamp,
    read_answer,
    request_body,
)
from gated.credentials.questions import (
    ANSWER_SOCKET,
    FAILURE_IN_WORDS,
    QUESTION_SOCKET,
    Answer,
    AskFailure,
    Question,
    decode_question,
    encode,
)
from gated.datagrams import Receiver, Sender
from gated.errors import ConfigError, GatedError, StorageError, WireError
from gated.http_post import HttpPost, PostFailure, Target
from gated.mqtt.address import TlsFiles, tls_context
from gated.units import MonoSeconds

log = logging.getLogger(__name__)

WAITING_BOUND = 4  # full: a question is answered with "busy"; the controller asks no more at once
POLL_S = 0.5
_NONCE_BYTES = 16
_MS_A_SECOND = 1_000


class Platform:
    """The issuer's platform, as it is asked about one token.

    Args:
        dialect: how it says its results.
    """

    def __init__(self, post: HttpPost, signer: Signer, dialect: Dialect, clock: Clock) -> None:
        self._post = post
        self._signer = signer
        self._dialect = dialect
        self._clock = clock
        self._is_told = False

    def ask(self, token: str, until: MonoSeconds) -> PlatformResult | AskFailure:
        """Return what the platform says of ``token``, or why it says nothing by ``until``."""
        body = request_body(token)
        made_ms = round(self._clock.now().timestamp() * _MS_A_SECOND)
        headers = self._signer.headers(body, Stamp(made_ms, secrets.token_hex(_NONCE_BYTES)))
        answer = self._post.post(body, headers, until)
        said = (
            AskFailure[answer.name]
            if isinstance(answer, PostFailure)
            else read_answer(answer.status, answer.body, self._dialect)
        )
        self._tell_once(said)
        return said

    def _tell_once(self, said: PlatformResult | AskFailure) -> None:
        """Log why the platform does not answer, once until it does."""
        if isinstance(said, PlatformResult):
            self._is_told = False
        elif not self._is_told:
            self._is_told = True
            log.warning("verifier: %s", FAILURE_IN_WORDS[said])


@dataclass(frozen=True, slots=True)
class VerifierSockets:
    """Where the controller is met."""

    questions: Path  # ours
    answers: Path  # the controller's


class VerifierWorker:
    """Answers the controller's questions.

    Args:
        ask: as ``Platform.ask``; may block for longer than it should, at one place at a time.
    """

    def __init__(
        self,
        sockets: VerifierSockets,
        ask: Callable[[str, MonoSeconds], PlatformResult | AskFailure],
        clock: Clock,
    ) -> None:
        self._sockets = sockets
        self._ask = ask
        self._clock = clock
        self._waiting: queue.Queue[Question] = queue.Queue(WAITING_BOUND)

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Serve until ``stop``. Raises: StorageError: the socket cannot be made."""
        questions, answers = Receiver(self._sockets.questions), Sender(self._sockets.answers)
        asker = threading.Thread(target=self._ask_all, args=(stop,), name="asker", daemon=True)
        asker.start()
        try:
            while not stop.is_set():
                beat()
                datagram = questions.receive(POLL_S)
                if not asker.is_alive() and not stop.is_set():
                    raise GatedError("the thread that asks the platform has ended")
                if datagram is not None:
                    self._take(datagram.payload, answers)
        finally:
            questions.close()
            answers.close()

    def _take(self, payload: bytes, answers: Sender) -> None:
        try:
            question = decode_question(payload)
        except WireError as exc:
            log.warning("verifier: a datagram was dropped: %s", exc)
            return
        try:
            self._waiting.put_nowait(question)
        except queue.Full:
            _answer(answers, Answer(id=question.id, failure=AskFailure.BUSY))

    def _ask_all(self, stop: threading.Event) -> None:
        answers = Sender(self._sockets.answers)
        try:
            while not stop.is_set():
                try:
                    question = self._waiting.get(timeout=POLL_S)
                except queue.Empty:
                    continue
                self._ask_one(question, answers)
        finally:
            answers.close()

    def _ask_one(self, question: Question, answers: Sender) -> None:
        left_s = (question.until_boot_ms - self._clock.boottime_ms()) / _MS_A_SECOND
        if left_s <= 0.0:
            return  # the controller has given it up
        said = self._ask(question.token, MonoSeconds(self._clock.monotonic_s() + left_s))
        if isinstance(said, PlatformResult):
            _answer(answers, Answer(id=question.id, result=said))
        else:
            _answer(answers, Answer(id=question.id, failure=said))


def _answer(answers: Sender, answer: Answer) -> None:
    try:
        answers.send(encode(answer))  # a controller that is away has forgotten the question
    except StorageError as exc:
        log.warning("verifier: %s", exc)


def platform_post(address: PlatformAddress, context: ssl.SSLContext, clock: Clock) -> HttpPost:
    """Return what posts to the platform at ``address``."""
    target = Target(address.host, address.port, address.target, is_tls=True)
    return HttpPost(target, context, clock, max_answer_bytes=MAX_ANSWER_BYTES)


def make_verifier(config: GateConfig, clock: Clock) -> VerifierWorker:
    """Return the worker for an enabled ``[verifier]``.

    Raises: ConfigError: the secret or the CA certificate cannot be used.
    """
    settings = config.verifier
    address = settings.address
    if address is None or settings.key_file is None:
        raise ConfigError("verifier: enabled needs url and key_file")
    key = read_secret(settings.key_file).reveal().encode()
    if len(key) < MIN_KEY_BYTES:
        raise ConfigError(f"{settings.key_file}: shorter than {MIN_KEY_BYTES} bytes")
    results = {entry.says: entry.means for entry in settings.results}
    platform = Platform(
        platform_post(address, tls_context(TlsFiles(ca=settings.ca_file)), clock),
        Signer(settings.app_id or config.client_id, address.target, key),
        Dialect(
            tuple(settings.result_member.split(".")),
            results or {result.value: result for result in PlatformResult},
        ),
        clock,
    )
    run = config.paths.run
    sockets = VerifierSockets(run / QUESTION_SOCKET, run / ANSWER_SOCKET)
    return VerifierWorker(sockets, platform.ask, clock)
