"""Requests from this machine's own command line, over a datagram socket."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gated.errors import WireError
from gated.vocabulary import Mode

CONTROL_SOCKET = "control.sock"


class ModeRequest(BaseModel):
    """``gated mode``: change how the gate is run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    mode: Mode | None = None  # None: keep
    drill: bool | None = None  # None: keep
    for_s: float | None = Field(default=None, gt=0, le=366 * 86_400)  # of the mode
    by: str = Field(max_length=64)

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.mode is None and (self.drill is None or self.for_s is not None):
            raise ValueError("a mode that is kept keeps its end")
        return self


def encode_request(request: ModeRequest) -> bytes:
    return request.model_dump_json().encode()


def decode_request(payload: bytes) -> ModeRequest:
    """Return the request. Raises: WireError: it is none."""
    try:
        return ModeRequest.model_validate_json(payload)
    except ValidationError as exc:
        raise WireError("not a request") from exc
