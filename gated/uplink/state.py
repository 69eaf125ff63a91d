"""The retained state of the gate: its birth, its will, and when it is told anew."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from gated import __version__
from gated.clock import Clock
from gated.units import MonoSeconds
from gated.uplink.feed import Feed
from gated.vocabulary import Mode
from gated.wire import GateState, GateTopics

log = logging.getLogger(__name__)

STATE_EVERY_S = 60.0
STATE_AT_MOST_EVERY_S = 2.0
COUNTS_EVERY_S = 15.0
"""Where only the numbers have moved on: with every visit, at every gate of a county at once."""
_COUNTS = ("backlog", "oldest_seq", "anchor", "newest_seq")
_MAX_STATUS_BYTES = 65_536


class ControllerStatus(BaseModel):
    """What the controller says of itself in ``status.json``; all of it may be missing."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    mode: Mode | None = None
    drill: bool | None = None
    devices: dict[str, str] = {}
    threshold_c: float | None = None
    boot_nonce: str | None = None


class StatusFile:
    """The controller's ``status.json``, read again only when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._status = ControllerStatus()
        self._is_bad = False

    def read(self) -> ControllerStatus:
        """Return the newest status; an empty one while there is none that can be read."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen == self._seen:
                return self._status
            self._seen = seen
            with self._path.open("rb") as file:
                self._status = ControllerStatus.model_validate_json(file.read(_MAX_STATUS_BYTES))
            self._is_bad = False
        except FileNotFoundError:
            self._seen, self._status = None, ControllerStatus()
        except (OSError, ValidationError) as exc:
            self._status = ControllerStatus()
            if not self._is_bad:
                log.warning("cannot use %s: %s", self._path, str(exc).splitlines()[0])
            self._is_bad = True
        return self._status


def is_state_due(told: GateState | None, state: GateState, age_s: float) -> bool:
    """Return whether ``state`` is to be published, ``age_s`` after ``told`` was. Pure."""
    if told is None:
        return True
    if age_s < STATE_AT_MOST_EVERY_S:
        return False
    if age_s >= STATE_EVERY_S:
        return True
    if age_s >= COUNTS_EVERY_S:
        return state != told
    counts = {name: getattr(told, name) for name in _COUNTS}
    return state.model_copy(update=counts) != told


@dataclass(frozen=True, slots=True)
class _Told:
    state: GateState
    at: MonoSeconds


class StateTeller:
    """Says what the state is, and when to publish it."""

    def __init__(self, gate: GateTopics, status: StatusFile, feed: Feed, clock: Clock) -> None:
        self._gate = gate
        self._status = status
        self._feed = feed
        self._clock = clock
        self._told: _Told | None = None

    def will(self, session: int) -> bytes:
        """Return what the broker publishes for us when it loses us."""
        return _encode(
            GateState(online=False, session=session, site=self._gate.site, gate=self._gate.gate)
        )

    def forget(self) -> None:
        """A new connection: the birth is due."""
        self._told = None

    def due(self, session: int) -> bytes | None:
        """Return the state to publish now, or None. The caller must then publish it."""
        now = self._clock.monotonic_s()
        told = self._told
        age_s = now - told.at if told is not None else float("inf")
        if age_s < STATE_AT_MOST_EVERY_S:
            return None  # before anything is read
        state = self._current(session)
        if not is_state_due(None if told is None else told.state, state, age_s):
            return None
        self._told = _Told(state, now)
        at = self._clock.now().isoformat(timespec="milliseconds")
        return _encode(state.model_copy(update={"at": at}))

    def _current(self, session: int) -> GateState:
        status = self._status.read()
        bounds = self._feed.bounds
        return GateState(
            online=True,
            session=session,
            site=self._gate.site,
            gate=self._gate.gate,
            epoch=self._feed.epoch,
            backlog=self._feed.backlog,
            oldest_seq=bounds.oldest_seq if bounds is not None else None,
            anchor=bounds.anchor.hash.hex() if bounds is not None else None,
            newest_seq=bounds.newest_seq if bounds is not None else None,
            mode=status.mode,
            drill=status.drill,
            devices=status.devices,
            threshold_c=status.threshold_c,
            software=__version__,
            boot_nonce=status.boot_nonce,
        )


def _encode(state: GateState) -> bytes:
    return state.model_dump_json().encode()
