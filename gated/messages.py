"""What crosses a thread inside the gate: immutable values. No behaviour."""

from __future__ import annotations

from dataclasses import dataclass

from gated.clock import TimeQuality
from gated.units import MonoSeconds
from gated.vocabulary import (
    Button,
    Check,
    CodeColour,
    CredentialStatus,
    Direction,
    HolderCategory,
    Key,
    Mode,
    Prompt,
    Reason,
    TemperatureFlag,
    UnreadCause,
)

# --- scanner → controller ------------------------------------------------------------------------

MAX_CODE_CHARACTERS = 4_296
"""The most a QR code can hold (ISO/IEC 18004, version 40-L, alphanumeric)."""


@dataclass(frozen=True, slots=True)
class CodeSeen:
    """One presentation of one code, as it arrives over the sighting socket."""

    text: str  # never leaves memory; "": what was read can be no pass (control characters, length)
    decoder: str
    colour: CodeColour
    presentation: str  # the same for every sighting of one presentation
    is_ambiguous: bool = False  # two different codes in view; text is then empty


@dataclass(frozen=True, slots=True)
class CodeUnread:
    """Something that looks like a code is held up, and cannot be read. Once for each cause."""

    cause: UnreadCause


# --- devices → decider ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """One plateau measured on one person, compensated; or the reason why it cannot be judged.

    Either ``body_c`` is a finite number and ``refusal`` is None, or ``body_c`` is None.
    """

    thermometer: str
    taken_at: MonoSeconds
    body_c: float | None
    object_c: float | None = None  # the plateau as the chip shows it
    die_c: float | None = None
    surface_c: float | None = None  # supply, emissivity and reflection taken out
    drift_c: float | None = None  # what the reference plate says is too much, taken off
    skin_c: float | None = None  # this device's calibration and the drift applied
    site_offset_c: float | None = None  # a − b · ambient, added
    cohort_offset_c: float | None = None  # the slow correction, added
    forehead_c: float | None = None  # arrays, as the chip shows it
    ambient_c: float | None = None
    distance_m: float | None = None
    samples: int = 0
    spread_c: float | None = None
    quality: str = "good"  # good | extrapolated
    flags: tuple[TemperatureFlag, ...] = ()
    calibration: str = "default"
    refusal: Reason | None = None
    surroundings_c: float | None = None  # what it saw shortly before, with nobody there


@dataclass(frozen=True, slots=True)
class PresenceStarted:
    thermometer: str
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class PresenceEnded:
    thermometer: str
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class ReadingTaken:
    reading: Reading
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class DriftNoticed:
    """A thermometer's readings have moved, or are as expected again. Sent once for each change."""

    thermometer: str
    is_drifting: bool
    detail: str
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class Credential:
    """A verified (or refused) code as the policy sees it: pseudonyms only, never the payload."""

    status: CredentialStatus
    format: str  # GP1, HC1, … or "none"
    presentation: str
    holder_ref: str | None = None  # key id and HMAC under the site key
    pass_ref: str | None = None  # the same over the pass's own id: counts uses
    category: HolderCategory | None = None
    group: str | None = None
    direction: Direction = Direction.UNKNOWN  # UNKNOWN: either way
    zones: tuple[str, ...] = ()  # empty: everywhere
    max_uses: int | None = None  # None: as often as one likes
    code_made_s: int | None = None  # of a changing code, Unix time; None: a static one
    findings: tuple[tuple[Reason, Check], ...] = ()  # what else is to be said, and how it counts
    time_quality: TimeQuality = TimeQuality.TRUSTED  # of the clock by which it was checked
    is_on_duty: bool = False  # on today's duty list
    is_attendant: bool = False
    is_slow: bool = False
    is_listed: bool = False
    is_ambiguous: bool = False
    colour: CodeColour = CodeColour.NONE


@dataclass(frozen=True, slots=True)
class CredentialChecked:
    credential: Credential
    at: MonoSeconds
    awaited: str | None = None  # the question that it answers, of ``CodeAwaited``


@dataclass(frozen=True, slots=True)
class CodeAwaited:
    """A code was shown, and the issuer's platform is being asked about it."""

    question: str
    credential: Credential  # as it is known without an answer
    at: MonoSeconds
    is_slow: bool = False  # said again once the answer takes longer than people expect


@dataclass(frozen=True, slots=True)
class CodeNotRead:
    """``CodeUnread``, as the decider takes it."""

    cause: UnreadCause
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class ContactValueSeen:
    """A line of the staff's value sheet was scanned: the contact thermometer's reading."""

    contact_c: float
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class PassageSensed:
    """Somebody went through."""

    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    button: Button
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class GateMoved:
    """The gate's contact: shut or open. Its state is also told once at the start."""

    is_shut: bool
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class KeyTurned:
    """The key switch. The state of ``Key.MODE`` is also told once at the start."""

    key: Key
    is_on: bool
    at: MonoSeconds


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    """A device was lost, or came back. Sent once for each change."""

    device: str
    is_working: bool
    reason: str
    at: MonoSeconds


# --- ledger → decider ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Committed:
    """The draft that was handed in under ``tag`` is durable as event ``seq``."""

    tag: str
    seq: int
    at: MonoSeconds
    fsync_ms: float


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """The draft under ``tag`` is not durable and will not become so."""

    tag: str
    reason: str
    at: MonoSeconds


# --- decider → actuators -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EnergiseRelay:
    """Open once, for one visit. The guard child ends the pulse by itself."""

    visit_id: str
    pulse_s: float
    ready_at: MonoSeconds | None = None  # when code and plateau were both there; for measuring
    fsync_ms: float = 0.0  # of the commit that allows it


@dataclass(frozen=True, slots=True)
class ShowPrompt:
    prompt: Prompt
    visit_id: str | None = None
    is_spoken: bool = False  # nothing has progressed for a while: the voice says it too
    mode: Mode = Mode.NORMAL  # observing has a lamp of its own


@dataclass(frozen=True, slots=True)
class CallStaff:
    """Call a member of staff; repeats until acknowledged."""

    visit_id: str | None
    reason: Reason | None  # None: a visitor pressed the call button


@dataclass(frozen=True, slots=True)
class StopCallingStaff:
    """A member of staff is there."""


# --- decider → thermometer -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MeasureAgain:
    """Take one more plateau of the person who stands there."""

    thermometer: str
