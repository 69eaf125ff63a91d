"""The centre's connection to one gate: its state is read, one command sent, one answer awaited."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from typing import Self

from pydantic import ValidationError

from gated.carried import MAX_BUNDLE_BYTES, PART_BYTES, part_count
from gated.clock import Clock
from gated.contents import CommandContent, Kind
from gated.errors import BrokerUnavailable, ExitCode, GatedError, WireError
from gated.mqtt.address import BrokerAddress
from gated.mqtt.connection import Connection, Dial
from gated.mqtt.happenings import Confirmed, Connected, Happening, Lost, Received, Subscribed
from gated.wire import GateState, GateTopics, parse_json

_SLICE_S = 0.2
_PART_DIGITS = 3


class NoAnswer(GatedError):
    """The gate is away, or says nothing. Printed; the exit code is 69."""

    exit_code = ExitCode.UNAVAILABLE


def answer_of(body: Mapping[str, object]) -> CommandContent:
    """Return the answer in a record. Raises: WireError: it is none that this version reads."""
    try:
        return CommandContent.model_validate(
            {name: body.get(name) for name in CommandContent.model_fields}
        )
    except ValidationError as exc:
        raise WireError("an answer that this version cannot read; update gated here") from exc


class Link:
    """One connection to the broker, closed at the end of the ``with``.

    Args:
        command_id: of the one command that will be sent.
        wants_bundle: whether diagnostics will be its answer.

    Raises: BrokerUnavailable: it is not to be reached, or does not let us read the gate's topics.
    """

    def __init__(
        self,
        address: BrokerAddress,
        topics: GateTopics,
        clock: Clock,
        *,
        command_id: str,
        wants_bundle: bool = False,
    ) -> None:
        self._topics = topics
        self._command_id = command_id
        self._wants_bundle = wants_bundle
        self._parts: dict[int, bytes] = {}
        self._clock = clock
        self._url = address.url
        self._connection = Connection(address, will_topic=None, will=b"", clock=clock)
        self._is_connected = self._is_listening = False
        self._state: GateState | None = None
        self._body: Mapping[str, object] | None = None
        self._refusal = ""

    def __enter__(self) -> Self:
        try:
            dial = Dial(self._connection, self._clock)
            while not dial.wait(_SLICE_S):
                pass
            while not self._is_connected:  # ends by itself: a silent broker counts as lost
                self._pump()
            parts = (self._topics.part(self._command_id, "+"),) if self._wants_bundle else ()
            self._connection.subscribe((self._topics.state, self._topics.response, *parts))
        except BrokerUnavailable as exc:
            self._connection.close()
            raise BrokerUnavailable(f"cannot reach {self._url}: {exc}") from exc
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    def wait_nonce(self, within_s: float) -> str:
        """Return what a command must quote now, as the gate's state says.

        Raises: NoAnswer: the broker knows no such gate, or it is away.
        """
        self._wait(self._is_gate_ready, within_s)  # it may have started just now
        gate = f"{self._topics.site}/{self._topics.gate}"
        if self._state is None:
            raise NoAnswer(f"{gate}: the broker knows no such gate (没有这台闸机)")
        if not self._state.online:
            raise NoAnswer(f"{gate} is away from the broker; nothing was sent (闸机离线，未发送)")
        if self._state.boot_nonce is None:
            raise NoAnswer(f"{gate}: its controller does not run; nothing was sent (主控未运行)")
        return self._state.boot_nonce

    def _is_gate_ready(self) -> bool:
        state = self._state
        is_there = state is not None and state.online and state.boot_nonce is not None
        return self._is_listening and is_there

    def ask(self, command: bytes, within_s: float) -> Mapping[str, object]:
        """Return the record that answers ``command``.

        Raises: NoAnswer: none came; whether the command came through is not known.
        """
        self._connection.publish(self._topics.command, command)
        self._wait(lambda: self._body is not None or bool(self._refusal), within_s)
        if self._body is not None:
            return self._body
        if self._refusal:
            raise NoAnswer(
                f"the broker does not take the command ({self._refusal}): see its access rules "
                "(服务器拒绝，请检查权限)"
            )
        raise NoAnswer(
            f"no answer within {within_s:g} s. A gate does not answer what it does not believe: is "
            "this key in its trust folder, for commands? See its alarms before you try again. "
            "(闸机没有应答，重试前请先查看闸机的提醒)"
        )

    def wait_bundle(self, answer: CommandContent, within_s: float) -> bytes:
        """Return the diagnostics that ``answer`` announces.

        Args:
            answer: to a command that was carried out.
            within_s: how long each part may take.

        Raises: NoAnswer: they did not come whole.
        """
        size = answer.bundle_bytes or 0
        count = part_count(min(size, MAX_BUNDLE_BYTES))
        while (come := len(self._parts)) < count:
            self._wait(lambda: len(self._parts) > come, within_s)
            if len(self._parts) == come:
                break
        data = b"".join(self._parts[number] for number in sorted(self._parts))
        if len(data) != size or hashlib.sha256(data).hexdigest() != answer.bundle_sha256:
            raise NoAnswer(
                f"the gate answered, but its diagnostics did not come whole ({len(data)} of {size} "
                "bytes): may this user read the topic diag? Ask again in a minute "
                "(诊断信息未收全，请一分钟后重试)"
            )
        return data

    def _wait(self, is_so: Callable[[], bool], within_s: float) -> None:
        until_s = self._clock.monotonic_s() + within_s
        while not is_so() and self._clock.monotonic_s() < until_s:
            self._pump()

    def _pump(self) -> None:
        self._connection.pump(_SLICE_S)
        for happening in self._connection.happenings():
            self._take(happening)

    def _take(self, happening: Happening) -> None:
        match happening:
            case Connected():
                self._is_connected = True
            case Lost(reason):
                raise BrokerUnavailable(f"lost {self._url}: {reason}")
            case Subscribed(refused) if refused:
                raise BrokerUnavailable(f"the broker does not let us read {', '.join(refused)}")
            case Subscribed():
                self._is_listening = True
            case Confirmed() if happening.is_failure:
                self._refusal = happening.reason
            case Received(topic=topic) if topic == self._topics.state:
                with contextlib.suppress(ValidationError):
                    self._state = GateState.model_validate_json(happening.payload)
            case Received(topic=topic) if topic == self._topics.response:
                self._take_answer(happening.payload)
            case Received(topic=topic) if self._wants_bundle:
                self._take_part(topic.rpartition("/")[2], happening.payload)
            case _:
                pass

    def _take_answer(self, payload: bytes) -> None:
        try:
            body = parse_json(payload)
        except WireError:
            return
        is_of_gate = (body.get("site"), body.get("gate")) == (self._topics.site, self._topics.gate)
        is_answer = body.get("kind") == Kind.COMMAND and body.get("command_id") == self._command_id
        if self._body is None and is_of_gate and is_answer:
            self._body = body

    def _take_part(self, number: str, data: bytes) -> None:
        """Keep one part. Whoever sends more than a gate would is not listened to."""
        is_number = number.isascii() and number.isdecimal() and len(number) <= _PART_DIGITS
        if is_number and int(number) < part_count(MAX_BUNDLE_BYTES) and len(data) <= PART_BYTES:
            self._parts[int(number)] = data
