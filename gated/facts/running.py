"""What a running controller says of itself: its ``status.json``, as the commands read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gated.clock import Clock, TimeQuality
from gated.controller.status import STATUS_FILE
from gated.errors import StorageError
from gated.mqtt.certificate_life import LifeStage
from gated.vocabulary import Mode, Prompt

SILENT_AFTER_MS = 3_000
"""The controller writes each second; three missed ones mean that it does not run, or hangs."""
_MAX_STATUS_BYTES = 65_536


class CertificateDue(BaseModel):
    """A certificate of the uplink that somebody should renew."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    what: str
    stage: LifeStage
    until: datetime


class ControllerStatus(BaseModel):
    """``status.json``. ``boottime_ms`` is CLOCK_BOOTTIME at the moment of writing."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    v: Literal[1]
    pid: int
    boottime_ms: int
    mode: Mode
    drill: bool
    prompt: Prompt
    gate: Literal["shut", "open"] | None = None  # by its contact
    chips: dict[str, str] = {}  # identity of each thermometer's chip
    time_quality: TimeQuality
    devices: dict[str, str]  # name → ok | lost
    why: dict[str, str] = {}  # of each that is lost, what its adapter says
    threshold_c: float
    rules: str
    certificates: tuple[CertificateDue, ...] = ()
    safe_mode_after: int | None = None  # so many crashes; None: it is not in safe mode


@dataclass(frozen=True, slots=True)
class Silent:
    """The newest status is too old: its controller was killed, or hangs."""

    pid: int
    silent_s: float | None  # None: it is from before this machine was started


def read_running(run: Path, clock: Clock) -> ControllerStatus | Silent | None:
    """Return the controller's status, or None where none has been running.

    Raises: StorageError: the status cannot be read.
    """
    path = run / STATUS_FILE
    try:
        with path.open("rb") as file:
            status = ControllerStatus.model_validate_json(file.read(_MAX_STATUS_BYTES))
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StorageError(f"cannot read {path}: {exc.strerror}") from exc
    except ValidationError as exc:
        where = ".".join(str(part) for part in exc.errors(include_url=False)[0]["loc"])
        raise StorageError(
            f"{path} is not what this gated writes ({where or 'no JSON'}); restart the controller"
        ) from exc
    silent_ms = clock.boottime_ms() - status.boottime_ms
    if 0 <= silent_ms <= SILENT_AFTER_MS:
        return status
    return Silent(status.pid, silent_ms / 1_000 if silent_ms > 0 else None)
