"""Everybody whom the scenario knows: how each kind is made, and how it must end. Tables only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gated.contents import AlarmName
from gated.simulation.acts import (
    CAMERA,
    HIGH_THERMOMETER,
    LOOKS_FOR_PHONE_S,
    LOW_READER,
    PASSES_AFTER_S,
    PLATFORM,
    Expected,
    Help,
    Kind,
)
from gated.simulation.office import Office
from gated.simulation.screens import Hold
from gated.vocabulary import (
    CodeColour,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    ReleaseResult,
    UnreadCause,
)

SEATED_M = (1.30, 1.40)
"""In a wheelchair: the head is at 115 to 135 cm."""
FAR = Hold(code_px=56.0, unsharp_px=0.9)
DIM = Hold(brightness=0.21, veil_levels=60.0, unsharp_px=6.0)
TILTED = Hold(tilt_deg=45.0)


@dataclass(frozen=True, slots=True)
class Part:
    """How one person of a kind is made."""

    expected: Expected
    is_child: bool | None = False  # None: either
    stature_m: tuple[float, float] | None = None  # None: a child's or an adult's
    body_c: tuple[float, float] = (36.3, 36.8)
    skin_error_c: float | None = None  # None: drawn for each person
    issue: Callable[[Office], str] | None = None  # None: carries nothing
    hold: Hold | None = None  # None: an ordinary phone
    colour: CodeColour = CodeColour.BLACK  # where a hold is given
    is_paper: bool = False
    mends: Prompt | None = None  # the prompt at which they hold it well
    stops: bool = True
    passes_after_s: float | None = PASSES_AFTER_S
    is_at_serial: bool = False
    holds_up_after_s: float = LOOKS_FOR_PHONE_S
    stands_back_m: float = 0.0  # behind the mark on the floor


def ends(*outcomes: Outcome, prompt: Prompt | None = None, **record: object) -> Expected:
    return Expected(frozenset(outcomes), prompt, record=record)


_GRANTED = Outcome.GRANTED
_STAFF = ends(Outcome.SEE_STAFF, prompt=Prompt.WAIT_STAFF)
_FEVER_C = (38.4, 39.3)
_FEVERISH = Part(_STAFF, True, body_c=_FEVER_C, issue=Office.student)
PARTS: Mapping[Kind, tuple[Part, ...]] = {
    Kind.HEALTHY: (Part(ends(_GRANTED, prompt=Prompt.GO), None, issue=Office.student),),
    Kind.FAR_PAPER: (
        Part(
            Expected(
                frozenset({_GRANTED}),
                Prompt.GO,
                heard=frozenset({Prompt.HOLD_CLOSER}),
                record={"unread_cause": UnreadCause.TOO_SMALL, "hints": [Prompt.HOLD_CLOSER]},
            ),
            issue=Office.visitor,
            hold=FAR,
            is_paper=True,
            mends=Prompt.HOLD_CLOSER,
        ),
    ),
    Kind.SUN: (
        Part(
            Expected(
                frozenset({Outcome.SEE_STAFF}),
                Prompt.AGAIN_LATER,
                heard=frozenset({Prompt.BRIGHTER_SCREEN}),
                record={
                    "unread_cause": UnreadCause.TOO_DARK,
                    "noted": [Reason.SUNLIT],
                },
            ),
            body_c=(36.6, 36.6),
            skin_error_c=1.0,
            issue=Office.staff,
            hold=DIM,
            mends=Prompt.BRIGHTER_SCREEN,
            holds_up_after_s=-0.6,  # comes with the phone in hand
        ),
    ),
    Kind.YELLOW: (
        Part(
            ends(
                Outcome.SEE_STAFF,
                prompt=Prompt.WAIT_STAFF,
                reason=Reason.CODE_YELLOW,
                code_colour=CodeColour.YELLOW,
            ),
            issue=Office.student,
            hold=TILTED,
            colour=CodeColour.YELLOW,
        ),
    ),
    Kind.PAIR: (
        Part(ends(_GRANTED, prompt=Prompt.GO, thermometer="child"), True, issue=Office.student),
        Part(
            ends(Outcome.SCREENED_ONLY, prompt=Prompt.THANK_YOU_WAIT_OUTSIDE, thermometer="adult"),
            issue=Office.escort,
        ),
    ),
    Kind.RELEASE: (_FEVERISH,),
    Kind.NO_CODE: (
        Part(
            Expected(
                frozenset({Outcome.SEE_STAFF}),
                Prompt.WAIT_STAFF,
                heard=frozenset({Prompt.SHOW_CODE}),
                record={"reason": Reason.NO_CREDENTIAL},
            )
        ),
    ),
    Kind.WHEELCHAIR: (
        Part(
            ends(_GRANTED, prompt=Prompt.GO, thermometer="child"),
            stature_m=SEATED_M,
            issue=Office.slow,
            passes_after_s=6.5,  # more than hold_s, less than hold_slow_s
        ),
    ),
    Kind.LISTED: (Part(_STAFF, True, issue=Office.listed),),
    Kind.EXPIRED: (
        Part(
            ends(Outcome.DENIED, prompt=Prompt.SHOW_ANOTHER_CODE, reason=Reason.EXPIRED),
            issue=Office.expired,
        ),
    ),
    Kind.FORGED: (
        Part(
            ends(Outcome.DENIED, prompt=Prompt.SHOW_ANOTHER_CODE, reason=Reason.BAD_SIGNATURE),
            issue=Office.forged,
        ),
    ),
    Kind.ISOLATED: (_FEVERISH,),
    Kind.STANDS_BACK: (
        # Measured only once they have come closer, as they are asked to.
        Part(ends(_GRANTED, prompt=Prompt.GO), issue=Office.staff, stands_back_m=0.35),
    ),
    Kind.GUARD_BAND: (
        # The mean of two readings decides, so either is right.
        Part(
            ends(_GRANTED, Outcome.SEE_STAFF),
            True,
            body_c=(37.3, 37.45),
            skin_error_c=0.0,
            issue=Office.student,
        ),
    ),
    Kind.TOO_COLD: (
        Part(
            ends(Outcome.SEE_STAFF, prompt=Prompt.AGAIN_LATER, reason=Reason.COLD_FACE),
            skin_error_c=-3.0,
            issue=Office.staff,
        ),
    ),
    Kind.WALK_THROUGH: (Part(ends(Outcome.ABANDONED), stops=False),),
    Kind.KEY: (Part(_STAFF),),
    Kind.TURNS_BACK: (
        Part(
            Expected(frozenset({_GRANTED}), passages=(PassageResult.NOBODY_PASSED,)),
            issue=Office.visitor,
            passes_after_s=None,
        ),
    ),
    Kind.LEAVES_OPEN: (
        Part(
            Expected(
                frozenset({_GRANTED}), passages=(PassageResult.PASSED, PassageResult.HELD_OPEN)
            ),
            issue=Office.student,
            is_child=True,
        ),
    ),
    Kind.FORCES: (Part(ends(Outcome.ABANDONED), stops=False),),
    Kind.CLOSED: (
        Part(
            ends(Outcome.DENIED, prompt=Prompt.CLOSED, reason=Reason.CLOSED, mode=Mode.CLOSED),
            True,
            issue=Office.student,
        ),
    ),
    Kind.OBSERVED: (
        Part(
            ends(_GRANTED, would_have=Outcome.SEE_STAFF, mode=Mode.OBSERVE),
            True,
            body_c=_FEVER_C,
            issue=Office.student,
        ),
    ),
    Kind.READER_OUT: (Part(ends(_GRANTED, prompt=Prompt.GO), issue=Office.visitor),),
    Kind.CAMERA_STALLS: (
        Part(ends(_GRANTED, prompt=Prompt.GO), True, issue=Office.student, is_at_serial=True),
    ),
    Kind.SENSOR_OUT: (
        Part(ends(_GRANTED, prompt=Prompt.GO, thermometer="child"), True, issue=Office.student),
    ),
    Kind.PROVINCIAL: (
        Part(
            ends(_GRANTED, prompt=Prompt.GO, credential_format="online", noted=[]),
            issue=Office.provincial,
        ),
    ),
    Kind.PLATFORM_AWAY: (
        Part(
            ends(
                _GRANTED,
                prompt=Prompt.GO,
                credential_format="online",
                noted=[Reason.PASSBACK, Reason.DEGRADED],
            ),
            issue=Office.provincial_again,
        ),
    ),
}
_DEVICE = frozenset({AlarmName.DEVICE_LOST, AlarmName.DEVICE_RETURNED})
AROUND: Mapping[Kind, Mapping[str, object]] = {
    Kind.SUN: {"is_sunny": True},
    Kind.RELEASE: {"help": Help(ReleaseResult.CLEARED, 36.8)},
    Kind.ISOLATED: {"help": Help(ReleaseResult.ISOLATED, 38.2)},
    Kind.KEY: {"help": Help(ReleaseResult.OVERRIDE, is_by_key=True)},
    Kind.LEAVES_OPEN: {
        "leaves_open": True,
        "alarms": frozenset({AlarmName.HELD_OPEN, AlarmName.GATE_SHUT_AGAIN}),
    },
    Kind.FORCES: {"forces": True, "alarms": frozenset({AlarmName.PASSAGE_FORCED})},
    Kind.CLOSED: {"mode": Mode.CLOSED, "is_by_key": True},
    Kind.OBSERVED: {"mode": Mode.OBSERVE},
    Kind.READER_OUT: {"breaks": LOW_READER, "alarms": _DEVICE},
    Kind.CAMERA_STALLS: {
        "breaks": CAMERA,
        "alarms": frozenset({AlarmName.SCANNER_LOST, AlarmName.SCANNER_RETURNED}),
    },
    Kind.SENSOR_OUT: {"breaks": HIGH_THERMOMETER, "alarms": _DEVICE},
    # One question without an answer is no alarm yet.
    Kind.PLATFORM_AWAY: {"breaks": PLATFORM},
}
NEEDS_SERIAL = frozenset({Kind.READER_OUT, Kind.CAMERA_STALLS})
NEEDS_PLATFORM = frozenset({Kind.PROVINCIAL, Kind.PLATFORM_AWAY})
FOLLOWED_BY: Mapping[Kind, Kind] = {Kind.PROVINCIAL: Kind.PLATFORM_AWAY}
"""These come only after those: the platform has just answered, and knows the code."""
FIRST = tuple(PARTS)[:11]
"""Those whom everybody should see first: twelve persons, in this order."""
