"""What crosses between controller and uplink about one token: datagrams, in memory alone."""

from __future__ import annotations

import enum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gated.config.verifier import MAX_TOKEN_CHARACTERS, PlatformResult
from gated.errors import WireError

QUESTION_SOCKET = "verifier.sock"
"""The uplink's, in the run folder."""
ANSWER_SOCKET = "verified.sock"
"""The controller's."""

_ID = r"^[0-9a-f]{32}$"
_LAST_MS = 2**53


class AskFailure(enum.StrEnum):
    """Why the platform has not said what a code is."""

    NO_UPLINK = "no_uplink"
    BUSY = "busy"
    NAME = "name"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    TOO_SLOW = "too_slow"
    REFUSES_US = "refuses_us"
    ERROR = "error"
    GARBLED = "garbled"
    UNCLEAR = "unclear"  # the platform is there; perhaps it is only this one code


FAILURE_IN_WORDS = {
    AskFailure.NO_UPLINK: "the uplink process does not take questions",
    AskFailure.BUSY: "the uplink still waits for earlier answers",
    AskFailure.NAME: "the platform's name cannot be resolved",
    AskFailure.UNREACHABLE: "the platform cannot be reached, or hangs up",
    AskFailure.TLS: "the platform's certificate or TLS is not accepted",
    AskFailure.TOO_SLOW: "the platform does not answer in time",
    AskFailure.REFUSES_US: "the platform refuses this gate (app_id, key_file, clock)",
    AskFailure.ERROR: "the platform answers with an error or a redirect",
    AskFailure.GARBLED: "what answers is not the platform, or answers too much",
    AskFailure.UNCLEAR: "the platform's answers are not as url, result_member and results say",
}


class _Datagram(BaseModel):
    # An error of pydantic's would quote the token.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Question(_Datagram):
    """Ask about ``token`` until CLOCK_BOOTTIME is ``until_boot_ms``; later nobody listens."""

    id: str = Field(pattern=_ID)
    token: str = Field(min_length=1, max_length=MAX_TOKEN_CHARACTERS, repr=False)
    until_boot_ms: int = Field(ge=0, le=_LAST_MS)


class Answer(_Datagram):
    """What the platform said of the token in question ``id``, or why it said nothing."""

    id: str = Field(pattern=_ID)
    result: PlatformResult | None = None
    failure: AskFailure | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.result is None) is (self.failure is None):
            raise ValueError("a result or a failure")
        return self


def encode(datagram: Question | Answer) -> bytes:
    return datagram.model_dump_json(exclude_none=True).encode()


def decode_question(payload: bytes) -> Question:
    """Return the question. Raises: WireError: it is none; the message quotes nothing of it."""
    try:
        return Question.model_validate_json(payload)
    except ValidationError:
        raise WireError("not a question") from None


def decode_answer(payload: bytes) -> Answer:
    """Return the answer. Raises: WireError: it is none."""
    try:
        return Answer.model_validate_json(payload)
    except ValidationError:
        raise WireError("not an answer") from None
