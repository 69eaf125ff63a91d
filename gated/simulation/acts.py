"""What a scenario is made of: kinds of people, who they are, and how each must end. Values only."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from gated.contents import AlarmName
from gated.simulation.approach import Person
from gated.simulation.camera import Held
from gated.simulation.screens import Shown
from gated.vocabulary import (
    ClaimStep,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    ReleaseResult,
)

PASSES_AFTER_S = 1.0
"""From seeing the go lamp to the light barrier."""
LOOKS_FOR_PHONE_S = 0.5
"""From standing still to holding the code up."""
CAMERA, LOW_READER, HIGH_THERMOMETER = "scanner", "low", "adult"
PLATFORM = "verifier"
"""What a scenario can break, by the names of the demo's configuration."""


class Kind(enum.StrEnum):
    HEALTHY = "healthy, valid pass"
    FAR_PAPER = "grandmother, paper pass held too far"
    SUN = "teacher in the sun, dim phone"
    YELLOW = "yellow code on a tilted screen"
    PAIR = "adult with child"
    RELEASE = "feverish, cleared by staff"
    NO_CODE = "no code at all"
    WHEELCHAIR = "in a wheelchair"
    LISTED = "person on the list"
    EXPIRED = "expired pass"
    FORGED = "forged pass"
    ISOLATED = "feverish, kept apart by staff"
    STANDS_BACK = "stands too far away"
    GUARD_BAND = "within the guard band"
    TOO_COLD = "too cold to judge"
    WALK_THROUGH = "walking through"
    KEY = "no code, let in by key and button"
    TURNS_BACK = "granted, turns back"
    LEAVES_OPEN = "leaves the gate open"
    FORCES = "forces the gate"
    CLOSED = "comes while the key says closed"
    OBSERVED = "feverish, while only observing"
    READER_OUT = "while the low reader is unplugged"
    CAMERA_STALLS = "at the low reader while the camera stalls"
    SENSOR_OUT = "while the high thermometer is unplugged"
    PROVINCIAL = "provincial code, verified online"
    PLATFORM_AWAY = "the same again, while the platform is away"
    PICTURE = "a picture held up"


@dataclass(frozen=True, slots=True)
class Expected:
    """How one person's visit must end."""

    outcomes: frozenset[Outcome]
    prompt: Prompt | None = None  # of the record; None: whichever the outcome has
    heard: frozenset[Prompt] = frozenset()  # on the way
    record: Mapping[str, object] = field(default_factory=dict)  # members of the visit's record
    passages: tuple[PassageResult, ...] | None = None  # None: as the outcome has it


@dataclass(frozen=True, slots=True)
class Role:
    """One person of an act."""

    person: Person
    shows: Held | None  # a code's text, how it is held, a picture, or nothing
    expected: Expected
    stops: bool = True
    mends: Mapping[Prompt, Shown] = field(default_factory=dict)  # what they show once told
    passes_after_s: float | None = PASSES_AFTER_S  # None: turns back
    is_at_serial: bool = False  # shows the code to the low serial reader
    holds_up_after_s: float = LOOKS_FOR_PHONE_S


@dataclass(frozen=True, slots=True)
class Help:
    """What staff do for whoever was sent to them."""

    result: ReleaseResult
    contact_c: float | None = None  # None: the value sheet is not shown
    is_by_key: bool = False  # the key switch in place of the card

    @property
    def steps(self) -> tuple[ClaimStep, ...]:
        """What is recorded on the way."""
        card = ClaimStep.KEY if self.is_by_key else ClaimStep.CARD
        return (card,) if self.contact_c is None else (card, ClaimStep.VALUE)


@dataclass(frozen=True, slots=True)
class Act:
    """Who comes up to the gate together, and what happens around them."""

    kind: Kind
    roles: tuple[Role, ...]
    help: Help | None = None
    alarms: frozenset[AlarmName] = frozenset()  # about the gate itself, with these people
    mode: Mode | None = None  # asked for before they come, and normal again after them
    is_by_key: bool = False  # the key switch sets the mode, not the command line
    is_sunny: bool = False
    leaves_open: bool = False
    forces: bool = False
    breaks: str | None = None  # a device that fails before they come and is mended after them

    @property
    def is_alone(self) -> bool:
        """Whether nobody else may be before the gate meanwhile."""
        is_set_up = self.mode is not None or self.breaks is not None or self.is_sunny
        return is_set_up or self.leaves_open or self.forces
