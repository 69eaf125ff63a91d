"""How a gate is run, as those who change it meet it: the real inputs' thread and the real lane."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gated.clock import FakeClock
from gated.contents import ModeContent
from gated.controller.control import CONTROL_SOCKET, ModeRequest, encode_request
from gated.controller.decider import DeciderItem, Record
from gated.controller.inputs import InputWorker, ModeRules, Sockets
from gated.controller.mode_ends import ModeEnds
from gated.controller.remembered import run_as_before
from gated.controller.timekeeper import Timekeeper
from gated.datagrams import Receiver, Sender
from gated.messages import CommitFailed, Committed, KeyTurned
from gated.visit import advance, next_deadline
from gated.visit.state import Commit, Event, LaneState, Tick
from gated.vocabulary import Key, Mode
from tests.lane_rig import LANE

OBSERVE_FOR_S = 3_600.0


@dataclass
class ModeRig:
    """One gate. What is asked for waits until the decider gets to it; see ``settle``."""

    folder: Path
    state: LaneState = field(default_factory=lambda: LaneState(lane=LANE))
    rules: ModeRules = field(default_factory=lambda: ModeRules(Mode.CLOSED, OBSERVE_FOR_S))
    clock: FakeClock = field(default_factory=FakeClock)
    settings: dict[str, str] = field(default_factory=dict)  # that the ledger keeps
    is_disk_full: bool = False
    recorded: list[ModeContent] = field(default_factory=list)
    waiting: list[DeciderItem] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = ("s.sock", CONTROL_SOCKET, "n.sock")
        self.receivers = [Receiver(self.folder / name) for name in names]
        self.sender = Sender(self.folder / CONTROL_SOCKET)
        self.sync_file = self.folder / "synchronized"
        self.sync_file.touch()
        self._start(newest_record=None)

    def _start(self, newest_record: datetime | None) -> None:
        self.timekeeper = Timekeeper(
            self.clock, UTC, newest_record=newest_record, sync_file=self.sync_file
        )
        sightings, control, nudges = self.receivers
        self.worker = InputWorker(
            Sockets(sightings, control, nudges, None),
            None,  # type: ignore[arg-type]  # no code is shown here
            self.timekeeper,
            self.clock,
            eyes=(),
            modes=self.rules,
            publish=self.waiting.append,
            nudge_ledger=lambda: None,
            lane_state=lambda: self.state,
            each_second=lambda: None,
        )

    def close(self) -> None:
        self.sender.close()
        for receiver in self.receivers:
            receiver.close()

    # --- what happens ---------------------------------------------------------------------------

    def ask(self, mode: Mode | None = None, **wanted: object) -> None:
        """Ask as ``gated mode`` does."""
        request = ModeRequest.model_validate({"mode": mode, "by": "cli:li", **wanted})
        assert self.sender.send(encode_request(request))
        self.worker._take_requests()

    def turn_key(self, *positions: bool) -> None:
        """Turn the key for the mode, faster than anybody looks if to several positions."""
        at = self.clock.monotonic_s()
        self.worker._take_events([KeyTurned(Key.MODE, is_on, at) for is_on in positions])

    def settle(self) -> None:
        """Let the decider and the ledger get to what waits."""
        while self.waiting:
            item = self.waiting.pop(0)
            assert not isinstance(item, Record), item
            self._send(item)

    def wait(self, seconds: float) -> None:
        """Let time pass, with a Tick at every deadline on the way."""
        until_s = self.clock.elapsed_s + seconds
        while (deadline_s := next_deadline(self.state)) is not None and deadline_s <= until_s:
            self.clock.advance(max(0.0, deadline_s - self.clock.elapsed_s))
            self._send(Tick(self.clock.monotonic_s()))
        self.clock.advance(until_s - self.clock.elapsed_s)

    def _send(self, event: Event) -> None:
        events = [event]
        while events:
            self.state, commands = advance(self.state, events.pop(0))
            events += [self._answer(c) for c in commands if isinstance(c, Commit)]

    def _answer(self, commit: Commit) -> Committed | CommitFailed:
        at = self.clock.monotonic_s()
        if self.is_disk_full:
            return CommitFailed(commit.tag, "no space", at)
        self.settings |= dict(commit.settings)
        if isinstance(commit.content, ModeContent):
            self.recorded.append(commit.content)
        return Committed(commit.tag, 1, at, 4.0)

    def restart(self, wall: datetime | None = None) -> None:
        """Lose everything but what the ledger keeps; ``wall``: a clock that nobody has set yet."""
        newest_record = self.clock.now()
        if wall is not None:
            self.clock.wall = wall
            self.sync_file.unlink()
        self._start(newest_record)
        keeper, publish = self.timekeeper, self.waiting.append
        self.ends = ModeEnds(keeper, self.clock, OBSERVE_FOR_S, publish)
        setting = self.settings.get
        self.state = run_as_before(LaneState(lane=LANE), setting, Mode.NORMAL, self.ends)

    def set_clock(self, wall: datetime) -> None:
        """Let a time service set the clock."""
        self.clock.wall = wall
        self.sync_file.touch()
        for event in self.timekeeper.watch():
            self._send(event)
        self.ends.watch()
        self.settle()

    # --- what came of it ------------------------------------------------------------------------

    def shown(self) -> tuple[Mode, bool, str, float | None]:
        """Return the mode, the drill, whose mode it is, and for how long it still holds."""
        state = self.state
        left_s = None if state.mode_until is None else state.mode_until - self.clock.elapsed_s
        return (state.mode, state.drill, state.mode_by, left_s)
