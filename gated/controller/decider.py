"""The decider's thread: the one owner of the lane's state. Pure code and queue operations.

It waits for ``Committed`` and never touches a file or a device itself.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar, assert_never

from gated.actuators.worker import Action
from gated.clock import Clock
from gated.contents import ClaimContent, Content, ReleaseContent, VisitContent
from gated.errors import GatedError
from gated.ledger.service import CommitRequest, LedgerRequest
from gated.logs import VISIT
from gated.messages import (
    CallStaff,
    CommitFailed,
    Committed,
    EnergiseRelay,
    MeasureAgain,
    ShowPrompt,
    StopCallingStaff,
)
from gated.units import MonoSeconds
from gated.visit import advance, idle_prompt, next_deadline
from gated.visit.state import Command, Commit, Event, LaneState, Tick
from gated.wire import Draft, PersonLink, Stamp, commit_to_holder

log = logging.getLogger(__name__)

BEAT_S = 0.5
SALT_BYTES = 16
HAND_OVER_S = 1.0
"""A neighbour whose bounded queue stays full this long is hung: the process must start afresh."""

_NAMES_HOLDER = (VisitContent, ReleaseContent, ClaimContent)

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Record:
    """An event that is not a visit's: boot, configuration, health. Committed as it is."""

    content: Content
    tag: str = "record"
    settings: tuple[tuple[str, str], ...] = ()


DeciderItem = Event | Record


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The queues that the decider puts into; each is bounded by whoever made it."""

    ledger: queue.Queue[LedgerRequest]
    actuators: queue.Queue[Action]
    thermometers: Mapping[str, queue.Queue[MeasureAgain]]


@dataclass
class _Pending:
    """What is remembered of a visit between its commit and its answer."""

    content: VisitContent
    ready_at: MonoSeconds  # the later of code and plateau


@dataclass
class Decider:
    """Runs the state machine over the queue of everything that happens.

    Args:
        events: bounded; a full one means that this thread hangs, and senders fail loudly.
        local_time: the wall clock as records show it, RFC 3339 with offset and milliseconds.
        hand_over_s: how long a neighbour's queue may stay full before the process starts afresh.
    """

    state: LaneState
    events: queue.Queue[DeciderItem]
    neighbours: Neighbours
    clock: Clock
    local_time: Callable[[], str]
    software: str
    hand_over_s: float = HAND_OVER_S
    _pending: dict[str, _Pending] = field(default_factory=dict)
    _fsync_ms: float = 0.0

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Serve events until ``stop``."""
        # After a restart the lamps still say what the last process said.
        self.state = replace(self.state, prompt=idle_prompt(self.state))
        self._hand_over(self.neighbours.actuators, ShowPrompt(self.state.prompt))
        while not stop.is_set():
            beat()
            self._tick_if_due()
            try:
                item = self.events.get(timeout=self._wait_s())
            except queue.Empty:
                continue
            if isinstance(item, Record):
                self._record(item)
            else:
                self.step(item)

    def step(self, event: Event) -> None:
        """Take one event and do what follows."""
        if isinstance(event, Committed):
            self._fsync_ms = event.fsync_ms
        self.state, commands = advance(self.state, event)
        for command in commands:
            self._perform(command, event.at)
        if isinstance(event, Committed | CommitFailed):
            self._log_visit(event)

    def _tick_if_due(self) -> None:
        deadline_s = next_deadline(self.state)
        now_s = self.clock.monotonic_s()
        if deadline_s is not None and deadline_s <= now_s:
            self.step(Tick(now_s))

    def _wait_s(self) -> float:
        deadline_s = next_deadline(self.state)
        if deadline_s is None:
            return BEAT_S
        return min(BEAT_S, max(0.001, deadline_s - self.clock.monotonic_s()))

    def _perform(self, command: Command, at: MonoSeconds) -> None:
        match command:
            case Commit():
                if isinstance(command.content, VisitContent):
                    self._pending[command.tag] = _Pending(command.content, at)
                draft, settings = self._draft(command), dict(command.settings)
                self._hand_over(self.neighbours.ledger, CommitRequest(command.tag, draft, settings))
            case EnergiseRelay():
                pending = self._pending.get(f"visit/{command.visit_id}")
                ready_at = pending.ready_at if pending is not None else None
                command = replace(command, ready_at=ready_at, fsync_ms=self._fsync_ms)
                self._hand_over(self.neighbours.actuators, command)
            case ShowPrompt() | CallStaff() | StopCallingStaff():
                self._hand_over(self.neighbours.actuators, command)
            case MeasureAgain():
                # A full queue asks for one already; a lost thermometer takes none for a while.
                with contextlib.suppress(queue.Full):
                    self.neighbours.thermometers[command.thermometer].put_nowait(command)
            case _:
                assert_never(command)

    def _draft(self, commit: Commit) -> Draft:
        content, link = commit.content, None
        if commit.holder_ref is not None and isinstance(content, _NAMES_HOLDER):
            salt = urlsafe_b64encode(secrets.token_bytes(SALT_BYTES)).rstrip(b"=").decode()
            link = PersonLink(commit.holder_ref, salt)
            content = content.model_copy(update={"holder_commitment": commit_to_holder(link)})
        return Draft(
            content=content,
            stamp=self._stamp(),
            link=link,
            use=commit.use,
            gives_back_use_of=commit.gives_back_use_of,
            opens_visit=commit.opens_visit,
            closes_visit=commit.closes_visit,
        )

    def _record(self, record: Record) -> None:
        draft = Draft(content=record.content, stamp=self._stamp())
        self._hand_over(
            self.neighbours.ledger, CommitRequest(record.tag, draft, dict(record.settings))
        )

    def _stamp(self) -> Stamp:
        return Stamp(
            at=self.local_time(),
            time_quality=self.state.time_quality,
            boot_ms=self.clock.boottime_ms(),
            mode=self.state.mode,
            drill=self.state.drill,
            rules=self.state.lane.rules.version,
            software=self.software,
        )

    def _log_visit(self, event: Committed | CommitFailed) -> None:
        """Write the one line that a visit has in the log: no name, no code, no pseudonym."""
        pending = self._pending.pop(event.tag, None)
        if pending is None:
            return
        if isinstance(event, CommitFailed):
            visit_id = pending.content.visit_id
            log.error("visit %s not recorded: %s", visit_id, event.reason, extra={VISIT: visit_id})
            return
        content = pending.content
        log.info(
            "visit %s seq=%d outcome=%s reasons=%s body_c=%s credential=%s took_ms=%d",
            content.visit_id,
            event.seq,
            content.outcome,
            ",".join(content.reasons) or "-",
            "-" if content.body_c is None else f"{content.body_c:.2f}",
            content.credential_status or "-",
            content.took_ms,
            extra={VISIT: content.visit_id},
        )

    def _hand_over(self, neighbour: queue.Queue[ItemT], item: ItemT) -> None:
        """Put ``item`` into a bounded queue. Raises: GatedError: its owner hangs."""
        try:
            neighbour.put(item, timeout=self.hand_over_s)
        except queue.Full as exc:
            raise GatedError("a worker takes nothing any more; starting afresh") from exc
