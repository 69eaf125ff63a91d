"""Asks the platform about tokens, by way of the uplink: this process has no network.

Everything is in memory alone. Of a token's text nothing is kept once its question is sent.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gated.clock import Clock
from gated.config import GateConfig
from gated.config.verifier import PlatformResult, TokenSettings, WhenUnreachable
from gated.controller.breaker import Breaker
from gated.credentials.online import (
    AnswerCache,
    TokenRefs,
    is_token,
    online_credential,
    token_refs,
)
from gated.credentials.pseudonym import SiteKey
from gated.credentials.questions import (
    FAILURE_IN_WORDS,
    AskFailure,
    Question,
    decode_answer,
    encode,
)
from gated.errors import StorageError, WireError
from gated.messages import CodeAwaited, CodeSeen, Credential, CredentialChecked, DeviceChanged
from gated.units import MonoSeconds
from gated.vocabulary import CodeColour, HolderCategory

log = logging.getLogger(__name__)

DEVICE = "verifier"
"""As alarms and the status name the platform."""
MAX_UNDER_WAY = 4
"""More people do not stand before one gate; any further code counts as unanswered."""
GRACE_S = 0.2
"""For the uplink to say why there is no answer."""
SLOW_AFTER_S = 0.7
"""People hold a code up about this long before they look for what is wrong."""
UNCLEAR_ALARM_AFTER = 5
"""So many answers in a row that nobody understands are no longer a bad code or two."""
_ID_BYTES = 16

OnlineEvent = CredentialChecked | CodeAwaited | DeviceChanged


def _random_id() -> str:
    return secrets.token_hex(_ID_BYTES)


@dataclass(frozen=True, slots=True)
class OnlineRules:
    """The ``[verifier]`` section, as far as this process needs it."""

    tokens: tuple[TokenSettings, ...]
    time_out_s: float
    cache_s: float
    cache_max_age_s: float
    when_unreachable: WhenUnreachable
    category: HolderCategory


def online_rules(config: GateConfig) -> OnlineRules | None:
    """Return the rules, or None where nothing is verified online."""
    verifier = config.verifier
    if not verifier.enabled:
        return None
    return OnlineRules(
        tokens=verifier.tokens,
        time_out_s=verifier.time_out_s,
        cache_s=verifier.cache_s,
        cache_max_age_s=verifier.cache_max_age_s,
        when_unreachable=verifier.when_unreachable,
        category=verifier.category,
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """A token's presentation without its text."""

    refs: TokenRefs = field(repr=False)
    presentation: str
    colour: CodeColour


@dataclass(frozen=True, slots=True)
class _UnderWay:
    shown: _Shown
    asked_at: MonoSeconds
    is_slow_told: bool = False


class OnlineVerifier:
    """One thread's. Every code that it takes gets exactly one answer, the platform's or its own.

    Args:
        send: hands a datagram to the uplink; False if nobody takes it.
        publish: takes what follows.
        new_id: of a question; nobody who does not read it may guess it.
    """

    def __init__(
        self,
        rules: OnlineRules,
        clock: Clock,
        *,
        send: Callable[[bytes], bool],
        publish: Callable[[OnlineEvent], None],
        new_id: Callable[[], str] = _random_id,
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._send = send
        self._publish = publish
        self._new_id = new_id
        self._under_way: dict[str, _UnderWay] = {}
        self._cache = AnswerCache()
        self._breaker = Breaker()
        self._unclear = 0  # answers in a row
        self._is_lost = False  # as it was told

    def takes(self, code: CodeSeen) -> bool:
        """Return whether ``code`` is one for the platform."""
        return not code.is_ambiguous and is_token(code.text, self._rules.tokens)

    def check(self, code: CodeSeen, site_key: SiteKey) -> None:
        """Answer from memory, ask, or say at once that there is no answer."""
        now = self._clock.monotonic_s()
        shown = _Shown(token_refs(code.text, site_key), code.presentation, code.colour)
        if any(asked.shown.refs == shown.refs for asked in self._under_way.values()):
            return  # its answer is on the way
        known = self._cache.find(shown.refs, now, max_age_s=self._rules.cache_s)
        if known is not None:
            self._publish(CredentialChecked(self._credential(known, shown), now))
        elif not self._breaker.may_ask(now):
            self._publish(CredentialChecked(self._without_answer(shown, now), now))
        elif len(self._under_way) >= MAX_UNDER_WAY:
            # Not the platform's failure: whoever is red since the last answer must not get that
            # answer back by showing four other codes first.
            credential = self._credential(PlatformResult.TIME_OUT, shown)
            self._publish(CredentialChecked(credential, now))
        else:
            self._ask(code.text, shown, now)

    def _ask(self, token: str, shown: _Shown, now: MonoSeconds) -> None:
        wait_ms = round(self._rules.time_out_s * 1_000)
        question = Question(
            id=self._new_id(), token=token, until_boot_ms=self._clock.boottime_ms() + wait_ms
        )
        self._breaker = self._breaker.asked()
        if not self._hand_over(encode(question)):
            self._fail(AskFailure.NO_UPLINK, now)
            self._publish(CredentialChecked(self._without_answer(shown, now), now))
            return
        self._under_way[question.id] = _UnderWay(shown, now)
        # Only to find whose code it is: the refs of what is not verified go into no record.
        unverified = replace(
            self._credential(PlatformResult.TIME_OUT, shown),
            category=self._rules.category,
            pass_ref=shown.refs.pass_ref,
        )
        self._publish(CodeAwaited(question.id, unverified, now))

    def _hand_over(self, datagram: bytes) -> bool:
        try:
            return self._send(datagram)
        except StorageError as exc:
            log.warning("verifier: %s", exc)
            return False

    def hear(self, payload: bytes) -> None:
        """Take a datagram of the uplink's. One that answers no open question is dropped."""
        now = self._clock.monotonic_s()
        try:
            answer = decode_answer(payload)
        except WireError as exc:
            log.warning("verifier: a datagram of the uplink's was dropped: %s", exc)
            return
        asked = self._under_way.pop(answer.id, None)
        if asked is None:
            return
        if answer.failure is AskFailure.UNCLEAR:
            self._count_unclear(now)
            credential = self._credential(PlatformResult.VERIFICATION_FAILED, asked.shown)
        elif answer.result is None:
            self._fail(answer.failure or AskFailure.GARBLED, now)
            credential = self._without_answer(asked.shown, now)
        else:
            self._succeed(now)
            self._cache.keep(asked.shown.refs, answer.result, now)
            credential = self._credential(answer.result, asked.shown)
            if answer.result is PlatformResult.TIME_OUT:
                credential = self._without_answer(asked.shown, now)
        self._publish(CredentialChecked(credential, now, answer.id))

    def watch(self) -> None:
        """Give up what is overdue, and say what takes long. Called several times a second."""
        now = self._clock.monotonic_s()
        for question, asked in list(self._under_way.items()):
            waited_s = now - asked.asked_at
            if waited_s >= self._rules.time_out_s + GRACE_S:
                del self._under_way[question]
                self._fail(AskFailure.TOO_SLOW, now)
                credential = self._without_answer(asked.shown, now)
                self._publish(CredentialChecked(credential, now, question))
            elif waited_s >= SLOW_AFTER_S and not asked.is_slow_told:
                self._under_way[question] = replace(asked, is_slow_told=True)
                credential = self._credential(PlatformResult.TIME_OUT, asked.shown)
                self._publish(CodeAwaited(question, credential, now, is_slow=True))

    # --- what an answer, or none, is worth -----------------------------------------------------

    def _credential(
        self, result: PlatformResult, shown: _Shown, *, is_old: bool = False
    ) -> Credential:
        return online_credential(
            result,
            shown.refs,
            presentation=shown.presentation,
            colour=shown.colour,
            category=self._rules.category,
            is_old=is_old,
        )

    def _without_answer(self, shown: _Shown, now: MonoSeconds) -> Credential:
        result = None
        if self._rules.when_unreachable is WhenUnreachable.LAST_ANSWER:
            result = self._cache.find(shown.refs, now, max_age_s=self._rules.cache_max_age_s)
        if result is None:
            return self._credential(PlatformResult.TIME_OUT, shown)
        return self._credential(result, shown, is_old=True)

    def _succeed(self, now: MonoSeconds) -> None:
        self._breaker, self._unclear = self._breaker.answered(), 0
        if self._is_lost:
            self._is_lost = False
            log.info("the platform verifies codes again")
            self._publish(DeviceChanged(DEVICE, True, "", now))

    def _fail(self, failure: AskFailure, now: MonoSeconds) -> None:
        self._breaker = self._breaker.failed(now)
        if self._breaker.is_open:
            self._lose(failure, now)

    def _count_unclear(self, now: MonoSeconds) -> None:
        """The platform is there, so others are asked about as before; but somebody should look."""
        self._breaker, self._unclear = self._breaker.answered(), self._unclear + 1
        if self._unclear >= UNCLEAR_ALARM_AFTER:
            self._lose(AskFailure.UNCLEAR, now)

    def _lose(self, failure: AskFailure, now: MonoSeconds) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        why = FAILURE_IN_WORDS[failure]
        log.warning("no code is verified online: %s", why)
        self._publish(DeviceChanged(DEVICE, False, why, now))
