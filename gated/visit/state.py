"""What a lane remembers, what can happen to it and what it may command. Values only.

The state machine over them is ``gated.visit.advance``.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from gated.clock import TimeQuality
from gated.contents import CommandContent, Content
from gated.messages import (
    ButtonPressed,
    CallStaff,
    CodeAwaited,
    CodeNotRead,
    CommitFailed,
    Committed,
    ContactValueSeen,
    Credential,
    CredentialChecked,
    DeviceChanged,
    DriftNoticed,
    EnergiseRelay,
    GateMoved,
    KeyTurned,
    MeasureAgain,
    PassageSensed,
    PresenceEnded,
    PresenceStarted,
    Reading,
    ReadingTaken,
    ShowPrompt,
    StopCallingStaff,
)
from gated.policy import Decision, Rules
from gated.units import MonoSeconds
from gated.vocabulary import Direction, Mode, Prompt, UnreadCause
from gated.wire import PassUse

LEAVE_GRACE_S = 2.0
"""Somebody who bends to the code reader leaves the thermometer's spot for about this long."""
FLICKER_S = 1.6
"""A presence that is back within this was hardly gone: two samples of the slowest thermometer."""
RELAY, INPUTS = "relay", "inputs"
"""What opens the gate, and what says who went through, as DeviceChanged names them."""
COME_CLOSER_S = 2.0
"""The thermometer repeats it about once a second while they stand there."""
KEY_SWITCH = "key_switch"
"""Who asked for a mode that the key switch set, as it is recorded."""
CLAIM_S = 30.0
"""How long a staff card waits for the button inside the fence, and the button for the disk."""


class Phase(enum.Enum):
    """Where one visit stands."""

    MEASURING = "measuring"  # collecting temperature and code
    COMMITTING = "committing"  # decided; the event is not yet durable
    PASSING = "passing"  # the relay has been commanded
    REFUSED = "refused"  # denied; another code may be shown
    WAITING_STAFF = "waiting_staff"  # at the side
    RELEASING = "releasing"  # staff's release is not yet durable
    LEAVING = "leaving"  # screened only; still before the sensor


@dataclass(frozen=True, slots=True)
class Timing:
    """The ``[visit]`` section."""

    hint_after_s: float = 3.0
    staff_after_s: float = 15.0
    hold_s: float = 5.0
    hold_slow_s: float = 15.0
    held_open_after_s: float = 10.0
    credential_hold_s: float = 10.0
    release_within_s: float = 900.0
    pulse_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Lane:
    """What the state machine knows of its surroundings; changes only by ``SettingsChanged``."""

    rules: Rules = field(default_factory=Rules)
    timing: Timing = field(default_factory=Timing)
    thermometers: tuple[str, ...] = ()  # by mount height, lowest first
    has_passage_sensor: bool = True
    has_contact: bool = False  # of the gate itself
    id_seed: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """How a pass was used so far."""

    count: int
    direction: Direction
    is_before_reset: bool = False  # the daily anti-passback reset came after it
    newest_code_s: int | None = None  # of a changing pass: when its newest used code was made
    at: MonoSeconds | None = None  # of the newest use; None: long ago


@dataclass(frozen=True, slots=True)
class Visit:
    """One person's way through, from the first sign of them to the passage outcome."""

    visit_id: str
    started_at: MonoSeconds
    last_progress_at: MonoSeconds
    phase: Phase = Phase.MEASURING
    group_id: str | None = None
    thermometer: str | None = None  # whose presence this is; None: only a code so far
    is_present: bool = False
    left_at: MonoSeconds | None = None
    readings: tuple[Reading, ...] = ()
    rechecks_asked: int = 0
    credential: Credential | None = None
    awaited: str | None = None  # the question about the code that they have shown
    is_answer_slow: bool = False
    decision: Decision | None = None
    order: Ordered | None = None  # the centre's, whose opening this is
    has_hinted: bool = False
    is_greeted: bool = False  # begun because somebody still stood there after a passage
    is_waiting_for_lane: bool = False  # everything is there; somebody else is passing
    deadline: MonoSeconds | None = None  # of the passage, or of leaving
    has_opened: bool = False  # the relay was commanded: never again for this visit
    use_before: Use | None = None  # of the pass, before this visit used it
    has_opened_gate: bool = False  # the contact has seen it
    was_gate_open: bool = False  # already: the contact cannot see this visit open it
    is_unwatched: bool = False  # the inputs were lost while it was to pass
    hints: tuple[Prompt, ...] = ()  # what they were asked to do on the way
    unread: tuple[UnreadCause, ...] = ()  # why their code was not read, the newest last


@dataclass(frozen=True, slots=True)
class StaffClaim:
    """A staff card was shown, or the key turned, while somebody waits; the button must follow."""

    credential: Credential | None  # None: the key switch
    until: MonoSeconds
    visit_id: str  # whom it means: the latest to wait, until another one's own pass is shown
    contact_c: float | None = None

    @property
    def holder_ref(self) -> str | None:
        """The pseudonym of the card's holder; None for the key switch."""
        return None if self.credential is None else self.credential.holder_ref


@dataclass(frozen=True, slots=True)
class OpenGate:
    """The contact says that the gate stands open."""

    since: MonoSeconds  # it was opened, or the last passage ended
    visit_id: str | None  # whose passage opened it
    is_forced: bool = False
    is_told: bool = False  # it has been open for too long


@dataclass(frozen=True, slots=True)
class HeldMode:
    """A mode, whose it is, and when it ends by itself."""

    mode: Mode
    by: str
    until: MonoSeconds | None = None
    expires_at: str | None = None  # the same moment for the record, RFC 3339


@dataclass(frozen=True, slots=True)
class LaneState:
    """Everything the lane remembers between two events."""

    lane: Lane
    mode: Mode = Mode.NORMAL
    drill: bool = False
    mode_until: MonoSeconds | None = None
    mode_expires_at: str | None = None  # the same moment for the record, RFC 3339
    mode_by: str = ""  # who asked for the mode in force
    before_key: HeldMode | None = None  # what the turned key has set aside
    pending_mode: ModeRequested | None = None  # the newest requested, not yet durable
    mode_requests: int = 0  # so far, for tags
    time_quality: TimeQuality = TimeQuality.TRUSTED
    visits: tuple[Visit, ...] = ()
    present: frozenset[str] = frozenset()  # thermometers with somebody before them
    lost: frozenset[str] = frozenset()  # devices
    uses: Mapping[str, Use] = field(default_factory=dict)  # at this gate, by pass_ref
    uses_elsewhere: Mapping[str, Use] = field(default_factory=dict)  # at the site's other gates
    claim: StaffClaim | None = None
    gate: OpenGate | None = None
    is_gate_known: bool = False  # the contact has said something since the start
    prompt: Prompt = Prompt.READY
    prompt_mode: Mode = Mode.NORMAL  # in force when the prompt was shown
    come_closer_until: MonoSeconds | None = None  # somebody is near, too far to be measured
    count: int = 0  # visits so far, for ids
    denied_in_a_row: int = 0
    unrecorded: int = 0  # events that could not be made durable since the last one that was


# --- events that are not messages of a device -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tick:
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order of the centre that is genuine and of this moment, as it is to be recorded."""

    content: CommandContent
    settings: tuple[tuple[str, str], ...]  # that its number is used up


@dataclass(frozen=True, slots=True)
class ModeRequested:
    mode: Mode
    drill: bool
    by: str
    at: MonoSeconds
    for_s: float | None = None
    expires_at: str | None = None  # the same moment for the record, RFC 3339
    order: Ordered | None = None  # the centre's; None: somebody at the gate
    kept_by: str | None = None  # whose mode it is, where ``by`` has not asked for it
    before_key: HeldMode | None = None  # what the turned key sets aside

    @property
    def held(self) -> HeldMode:
        """The mode as it holds once this is durable."""
        until = None if self.for_s is None else MonoSeconds(self.at + self.for_s)
        by = self.by if self.kept_by is None else self.kept_by
        return HeldMode(self.mode, by, until, self.expires_at)


@dataclass(frozen=True, slots=True)
class DrillRequested:
    """A drill begins or ends; the mode stays, with its end and whose it is."""

    is_on: bool
    by: str
    at: MonoSeconds
    order: Ordered | None = None  # the centre's; None: somebody at the gate


@dataclass(frozen=True, slots=True)
class ModeKeyTurned:
    """The key switch for a mode was turned; where it stands is also told at the start."""

    mode: Mode | None  # that it sets; None: it is turned back
    at: MonoSeconds
    for_s: float | None = None
    expires_at: str | None = None  # the same moment for the record, RFC 3339


@dataclass(frozen=True, slots=True)
class ModeEndJudged:
    """When a mode of before the start ends, now that the wall clock can be believed."""

    expires_at: str  # as recorded
    until: MonoSeconds
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class OpenOrdered:
    """The centre wants the gate to open once."""

    order: Ordered
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class ClockChanged:
    quality: TimeQuality
    at: MonoSeconds
    step_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    lane: Lane
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class PassbackReset:
    """The daily reset of anti-passback has come."""

    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class UsesShared:
    """How these passes were used at the site's other gates, all uses together."""

    uses: Mapping[str, Use]
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class Restarted:
    """These visits were open when the controller last stopped: nobody saw how they ended."""

    visit_ids: tuple[str, ...]
    at: MonoSeconds


Event = (
    PresenceStarted
    | PresenceEnded
    | ReadingTaken
    | CredentialChecked
    | CodeAwaited
    | CodeNotRead
    | ContactValueSeen
    | GateMoved
    | KeyTurned
    | PassageSensed
    | ButtonPressed
    | DeviceChanged
    | DriftNoticed
    | Committed
    | CommitFailed
    | Tick
    | ModeRequested
    | DrillRequested
    | ModeKeyTurned
    | ModeEndJudged
    | OpenOrdered
    | ClockChanged
    | SettingsChanged
    | PassbackReset
    | UsesShared
    | Restarted
)


# --- commands -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Commit:
    """Make ``content`` durable and answer under ``tag``."""

    tag: str
    content: Content
    holder_ref: str | None = None  # the decider adds the salt and the commitment
    use: PassUse | None = None
    gives_back_use_of: str | None = None
    opens_visit: str | None = None
    closes_visit: str | None = None
    settings: tuple[tuple[str, str], ...] = ()  # durable in the same transaction


Command = Commit | EnergiseRelay | ShowPrompt | CallStaff | StopCallingStaff | MeasureAgain


def new_visit_id(seed: str, count: int) -> str:
    """Return 12 hex digits, unlike any other visit's of this ledger."""
    return hashlib.sha256(f"{seed}/{count}".encode()).hexdigest()[:12]
