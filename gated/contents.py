"""What each kind of record says: the members that the decider fills in. Pure.

The head that all records share, the chain and the topics are ``gated/wire.py``'s.
"""

from __future__ import annotations

import enum
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gated.clock import TimeQuality
from gated.vocabulary import (
    ClaimStep,
    CodeColour,
    CredentialStatus,
    Direction,
    HolderCategory,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    ReleaseResult,
    TemperatureFlag,
    UnreadCause,
)


class Kind(enum.StrEnum):
    """The kinds of record; each has its own topic."""

    VISIT = "visit"
    PASSAGE = "passage"
    RELEASE = "release"
    CLAIM = "claim"
    CALIBRATION = "calibration"
    ALARM = "alarm"
    MODE = "mode"
    CONFIG = "config"
    CLOCK = "clock"
    BOOT = "boot"
    HEALTH = "health"
    COMMAND = "command"


class AlarmName(enum.StrEnum):
    """What an alarm record says."""

    TEMPERATURE_HIGH = "temperature_high"
    LISTED_PERSON = "listed_person"
    CODE_RED_OR_YELLOW = "code_red_or_yellow"
    STAFF_CALLED = "staff_called"
    PASSAGE_FORCED = "passage_forced"
    HELD_OPEN = "held_open"
    GATE_SHUT_AGAIN = "gate_shut_again"
    DEVICE_LOST = "device_lost"
    DEVICE_RETURNED = "device_returned"
    SCANNER_LOST = "scanner_lost"
    SCANNER_RETURNED = "scanner_returned"
    LEDGER_RECOVERED = "ledger_recovered"
    LEDGER_FULL = "ledger_full"
    CHAIN_MISMATCH = "chain_mismatch"
    CODE_REFUSED_REPEATEDLY = "code_refused_repeatedly"
    COMMAND_REFUSED = "command_refused"
    THERMOMETER_DRIFTING = "thermometer_drifting"
    THERMOMETER_STEADY = "thermometer_steady"
    CERTIFICATE_EXPIRING = "certificate_expiring"
    CERTIFICATE_REFUSED = "certificate_refused"
    SAFE_MODE = "safe_mode"


class CommandName(enum.StrEnum):
    """What the centre may tell a gate to do."""

    PING = "ping"
    OPEN = "open"
    MODE = "mode"
    DRILL = "drill"
    RESEND = "resend"
    LIST = "list"
    CONFIG = "config"
    TRUST = "trust"
    DIAGNOSE = "diagnose"
    UNSUPPORTED = "unsupported"  # a later version's


class CommandOutcome(enum.StrEnum):
    """What came of a command."""

    DONE = "done"
    REFUSED = "refused"  # and nothing was changed
    FAILED = "failed"  # allowed, and could not be done


class CommandReason(enum.StrEnum):
    """Why a command was refused, or failed."""

    # not from whom it should be, or not for us, or not now: nothing is changed, and it is an alarm
    TOO_LARGE = "too_large"
    RETAINED = "retained"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_USE = "wrong_use"
    WRONG_GATE = "wrong_gate"
    REPLAYED = "replayed"
    OLD_NONCE = "old_nonce"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    # well meant
    UNSUPPORTED = "unsupported"
    MODE_CLOSED = "mode_closed"
    KEY_SWITCH = "key_switch"
    NOT_AN_ENTRY = "not_an_entry"
    RELAY_LOST = "relay_lost"
    GATE_OPEN = "gate_open"
    SOMEBODY_THERE = "somebody_there"
    NEEDS_STAFF = "needs_staff"
    SUPERSEDED = "superseded"
    STORAGE_FAILED = "storage_failed"
    NOT_KEPT = "not_kept"
    NOT_CONFIGURED = "not_configured"
    LIST_REFUSED = "list_refused"
    LIST_OLDER = "list_older"
    NOT_WRITABLE = "not_writable"
    CONFIG_REFUSED = "config_refused"
    TRUST_REFUSED = "trust_refused"
    UNKNOWN_NAME = "unknown_name"
    TOO_SOON = "too_soon"


class Content(BaseModel):
    """The part of a record that its kind defines. Frozen; NaN and infinities are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    kind: ClassVar[Kind]
    added: ClassVar[frozenset[str]] = frozenset()
    """Members that came after the first records were written: left out while they say nothing."""

    def members(self) -> dict[str, Any]:
        """Return what the record says, in the order of the model."""
        said = self.model_dump(mode="json")
        for name in self.added:
            if said[name] in (None, []):
                del said[name]
        return said


class VisitContent(Content):
    kind: ClassVar[Kind] = Kind.VISIT
    added: ClassVar[frozenset[str]] = frozenset(
        {
            "surroundings_c",
            "hints",
            "unread_cause",
            "object_c",
            "die_c",
            "surface_c",
            "drift_c",
            "site_offset_c",
            "cohort_offset_c",
            "forehead_c",
            "temperature_flags",
        }
    )
    visit_id: str
    group_id: str | None = None
    direction: Direction
    outcome: Outcome
    reason: Reason | None
    reasons: tuple[Reason, ...] = ()
    noted: tuple[Reason, ...] = ()
    would_have: Outcome | None = None
    prompt: Prompt
    body_c: float | None = None
    skin_c: float | None = None
    ambient_c: float | None = None
    distance_m: float | None = None
    samples: int = 0
    spread_c: float | None = None
    attempt: int = 0
    readings_c: tuple[float, ...] = ()
    verdict: str | None = None
    temperature_quality: str | None = None
    thermometer: str | None = None
    calibration: str | None = None
    threshold_c: float
    threshold_inclusive: bool
    credential_status: CredentialStatus | None = None
    credential_format: str = "none"
    code_colour: CodeColour = CodeColour.NONE
    holder_commitment: str | None = None
    holder_category: HolderCategory | None = None
    holder_group: str | None = None
    follow_up: str | None = None
    took_ms: int = 0
    surroundings_c: float | None = None  # what the thermometer saw with nobody there
    hints: tuple[Prompt, ...] = ()  # what the visitor was told to do, in this order
    unread_cause: UnreadCause | None = None  # the last one, if a code could not be read at once
    # The last reading, step by step: object → surface → skin → body.
    object_c: float | None = None  # as the chip shows it
    die_c: float | None = None  # the chip's own
    surface_c: float | None = None  # supply, emissivity and reflection taken out
    drift_c: float | None = None  # taken off: the error that the reference plate shows
    site_offset_c: float | None = None  # added to skin_c: a − b · ambient_c
    cohort_offset_c: float | None = None  # added: the slow correction by the people last admitted
    forehead_c: float | None = None  # arrays: the forehead's hottest area, as the chip shows it
    temperature_flags: tuple[TemperatureFlag, ...] = ()


class PassageContent(Content):
    kind: ClassVar[Kind] = Kind.PASSAGE
    visit_id: str | None
    result: PassageResult
    reason: Reason | None = None
    took_ms: int | None = None


class ReleaseContent(Content):
    kind: ClassVar[Kind] = Kind.RELEASE
    visit_id: str
    result: ReleaseResult
    contact_c: float | None = None
    holder_commitment: str | None = None  # of the member of staff who released
    released_by: Literal["staff_card", "key_switch"] = "staff_card"


class ClaimContent(Content):
    """What staff did on the way to a release, or tried to."""

    kind: ClassVar[Kind] = Kind.CLAIM
    step: ClaimStep
    visit_id: str | None = None  # the visit that the release would be of
    contact_c: float | None = None
    holder_commitment: str | None = None  # of the card


class AlarmContent(Content):
    kind: ClassVar[Kind] = Kind.ALARM
    alarm: AlarmName
    visit_id: str | None = None
    device: str | None = None
    detail: str = Field(default="", max_length=200)


class ModeContent(Content):
    kind: ClassVar[Kind] = Kind.MODE
    to_mode: Mode
    to_drill: bool
    expires_at: str | None = None
    by: str = Field(max_length=64)


class ConfigContent(Content):
    kind: ClassVar[Kind] = Kind.CONFIG
    accepted: bool
    changed: tuple[str, ...] = ()  # key paths, never values of secrets
    detail: str = Field(default="", max_length=1_000)


class CalibrationContent(Content):
    """A calibration that the controller has taken over: by whom, of which chip, what it says."""

    kind: ClassVar[Kind] = Kind.CALIBRATION
    thermometer: str
    calibration: str  # its name in records: child.7; "default": none of its own any more
    chip_id: str | None = None
    made_at: str | None = None
    made_by: str = Field(default="", max_length=64)
    gain: float = 1.0
    offset_c: float = 0.0
    site_a_c: float | None = None  # None: as configured
    site_b: float | None = None
    pairs: int = 0  # contact readings that it rests on
    bias_c: float | None = None
    loa_low_c: float | None = None
    loa_high_c: float | None = None


class ClockContent(Content):
    kind: ClassVar[Kind] = Kind.CLOCK
    to_quality: TimeQuality
    step_ms: int | None = None


class BootContent(Content):
    kind: ClassVar[Kind] = Kind.BOOT
    boot_id: str
    ledger: Literal["opened", "new", "recovered", "forked"]
    previous_epoch: str | None = None
    detail: str = Field(default="", max_length=200)


class HealthContent(Content):
    kind: ClassVar[Kind] = Kind.HEALTH
    devices: dict[str, str]
    backlog: int
    rss_kb: int
    disk_free_kb: int


class CommandContent(Content):
    """A command of the centre, and what came of it. Its copy on ``/resp`` is the answer."""

    kind: ClassVar[Kind] = Kind.COMMAND
    added: ClassVar[frozenset[str]] = frozenset({"bundle_bytes", "bundle_sha256"})
    command: CommandName
    command_id: str = Field(pattern=r"^[0-9a-f]{16,32}$")
    outcome: CommandOutcome
    reason: CommandReason | None = None
    by: str = Field(max_length=64)
    key: str = Field(pattern=r"^[0-9a-f]{16}$")  # fingerprint of the key that signed it
    counter: int = Field(ge=1, lt=2**53)
    visit_id: str | None = None  # of the passage that an opening begins
    first_seq: int | None = None  # of the records to be sent again
    last_seq: int | None = None
    detail: str = Field(default="", max_length=200)
    bundle_bytes: int | None = None  # of the diagnostics that follow on ``diag``
    bundle_sha256: str | None = None  # hex


CONTENT_OF_KIND: dict[Kind, type[Content]] = {
    cls.kind: cls
    for cls in (
        VisitContent,
        PassageContent,
        ReleaseContent,
        ClaimContent,
        AlarmContent,
        ModeContent,
        ConfigContent,
        CalibrationContent,
        ClockContent,
        BootContent,
        HealthContent,
        CommandContent,
    )
}
