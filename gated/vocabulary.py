"""The closed vocabularies of the gate, as they stand on the wire: names, never numbers.

Every vendor numbers its colours and results differently. The words are the glossary's
(docs/glossary.md).
"""

from __future__ import annotations

import enum


class Verdict(enum.StrEnum):
    """What a visit's temperature readings say."""

    NORMAL = "normal"
    RECHECK = "recheck"
    HIGH = "high"
    NOT_JUDGED = "not_judged"


class Outcome(enum.StrEnum):
    """How a visit ended."""

    GRANTED = "granted"
    DENIED = "denied"
    SEE_STAFF = "see_staff"
    SCREENED_ONLY = "screened_only"
    ABANDONED = "abandoned"


TO_MEASURE = "to_measure"
"""The follow-up of a visit that ended without a judged temperature: measure that person by hand."""


class Mode(enum.StrEnum):
    """How the gate is being run."""

    NORMAL = "normal"
    CLOSED = "closed"
    OBSERVE = "observe"


class Direction(enum.StrEnum):
    IN = "in"
    OUT = "out"
    UNKNOWN = "unknown"


class Check(enum.StrEnum):
    """How strictly one check is applied."""

    HARD = "hard"  # a failure refuses
    SOFT = "soft"  # a failure is noted in the record
    OFF = "off"


class Reason(enum.StrEnum):
    """Why. From the most to the least severe: a record's ``reason`` is the first that holds."""

    # the gate cannot do its job
    STORAGE_FAILED = "storage_failed"
    RESTART = "restart"
    # the place is shut for this person, whatever else holds
    CLOSED = "closed"
    # somebody must be looked after
    TEMPERATURE_HIGH = "temperature_high"
    LISTED_PERSON = "listed_person"
    CODE_RED = "code_red"
    CODE_YELLOW = "code_yellow"
    # the credential
    REVOKED = "revoked"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    WRONG_USE = "wrong_use"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    DOES_NOT_EXIST = "does_not_exist"  # so says the issuer's platform
    VERIFICATION_FAILED = "verification_failed"  # the same
    AMBIGUOUS = "ambiguous"
    REPLAYED = "replayed"  # a changing code that was shown before
    STALE_CODE = "stale_code"  # a changing code made too long ago
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    CODE_GREY = "code_grey"  # the platform knows the holder and has no result
    NOT_ENOUGH = "not_enough"  # genuine, but not what this site asks for
    VERIFIER_TIME_OUT = "verifier_time_out"  # no answer from the platform
    REVOCATIONS_OLD = "revocations_old"  # the list of revoked codes is older than it may be
    # the rules of the place and the time
    CLOCK_UNKNOWN = "clock_unknown"
    CLOCK_HOLDOVER = "clock_holdover"
    USED_UP = "used_up"
    PASSBACK = "passback"
    WRONG_DIRECTION = "wrong_direction"
    WRONG_ZONE = "wrong_zone"
    NO_CREDENTIAL = "no_credential"
    # the temperature could not be judged
    SENSOR_LOST = "sensor_lost"
    SENSOR_FAULT = "sensor_fault"
    CHECKSUM = "checksum"
    UNCALIBRATED = "uncalibrated"
    WRONG_CALIBRATION = "wrong_calibration"
    WARMING_UP = "warming_up"
    NO_AMBIENT = "no_ambient"
    AMBIENT_OUT_OF_RANGE = "ambient_out_of_range"
    OUT_OF_DISTANCE = "out_of_distance"
    SPREAD_TOO_LARGE = "spread_too_large"
    COLD_FACE = "cold_face"
    STALE_READING = "stale_reading"
    NO_READING = "no_reading"
    # not a refusal
    ESCORT = "escort"
    WALKED_AWAY = "walked_away"
    SUNLIT = "sunlit"  # the lane lies in the sun: a hot face may be no more than that
    DEGRADED = "degraded"  # decided without the platform's fresh answer


class Prompt(enum.StrEnum):
    """What the person is told. Texts in both languages: gated/texts.py."""

    READY = "ready"
    FACE = "face"  # look at the sensor
    COME_CLOSER = "come_closer"
    STAND_STILL = "stand_still"
    MEASURE_AGAIN = "measure_again"
    AGAIN_LATER = "again_later"  # cool down, or warm up, and measure again in 3 minutes
    SHOW_CODE = "show_code"
    HOLD_CLOSER = "hold_closer"
    HOLD_FURTHER = "hold_further"
    BRIGHTER_SCREEN = "brighter_screen"
    TURN_FROM_GLARE = "turn_from_glare"
    HOLD_STILL = "hold_still"
    ONE_CODE_ONLY = "one_code_only"
    SHOW_ANOTHER_CODE = "show_another_code"
    ONE_MOMENT = "one_moment"  # somebody is passing, or a platform is being asked
    GO = "go"
    THANK_YOU_WAIT_OUTSIDE = "thank_you_wait_outside"  # the escort
    WAIT_STAFF = "wait_staff"  # the one neutral prompt
    STAFF_CARD_FIRST = "staff_card_first"  # to staff: a value or a button without a card
    STAFF_PRESS_BUTTON = "staff_press_button"  # to staff: the card was read
    SHUT_GATE = "shut_gate"  # it stands open
    CLOSED = "closed"
    OUT_OF_ORDER = "out_of_order"


class CredentialStatus(enum.StrEnum):
    """What verification says of a code. A closed set, also printed by ``gated verify``."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    WRONG_USE = "wrong_use"
    REVOKED = "revoked"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    STALE_CODE = "stale_code"
    # only where the issuer's platform was asked
    DOES_NOT_EXIST = "does_not_exist"
    VERIFICATION_FAILED = "verification_failed"
    CODE_RED = "code_red"
    CODE_YELLOW = "code_yellow"
    CODE_GREY = "code_grey"
    VERIFIER_TIME_OUT = "verifier_time_out"


class EvidenceKind(enum.StrEnum):
    """What a health certificate states."""

    VACCINATION = "vaccination"
    TEST = "test"
    RECOVERY = "recovery"


class LabTestKind(enum.StrEnum):
    """How a sample was tested."""

    NUCLEIC_ACID = "nucleic_acid"
    ANTIGEN = "antigen"
    OTHER = "other"


class HolderCategory(enum.StrEnum):
    STUDENT = "student"
    STAFF = "staff"
    VISITOR = "visitor"
    DUTY = "duty"
    EMERGENCY = "emergency"
    COURIER = "courier"
    RETEST_RELEASE = "retest_release"
    ESCORT = "escort"


class CodeColour(enum.StrEnum):
    """The colour of a code's dark modules; advisory evidence only."""

    NONE = "none"  # not looked for
    BLACK = "black"
    GREEN = "green"
    YELLOW = "yellow"
    ORANGE = "orange"
    RED = "red"
    PURPLE = "purple"
    GREY = "grey"
    UNSURE = "unsure"


class UnreadCause(enum.StrEnum):
    """Why something that looks like a code cannot be read."""

    TOO_SMALL = "too_small"  # too far away
    TOO_LARGE = "too_large"  # too near: only a part is in view
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"  # the dark modules are washed out
    GLARE = "glare"
    BLURRED = "blurred"


class Site(enum.StrEnum):
    """Where on the face a thermometer looks; each has its own way to the body temperature."""

    FOREHEAD_SPOT = "forehead_spot"  # one spot on the forehead
    FOREHEAD_MAX = "forehead_max"  # the hottest small area of the forehead
    HOTTEST = "hottest"  # the hottest small area of the whole face: mostly an eye's inner corner


class BaselineUse(enum.StrEnum):
    """What the median of the people last admitted is used for."""

    OFF = "off"
    ALARM = "alarm"
    CORRECT = "correct"  # and an alarm


class TemperatureFlag(enum.StrEnum):
    """What should be known of a reading that was judged all the same."""

    EXTRAPOLATED = "extrapolated"  # air outside the range of the study
    GRADIENT = "gradient"  # the chip warms or cools
    REFERENCE_UNSEEN = "reference_unseen"  # the reference plate, for too long
    DRIFTING = "drifting"  # the people last admitted are all warmer or colder than expected
    UNSETTLED = "unsettled"  # the people last measured differ more than settled faces do


class WhenNotJudged(enum.StrEnum):
    """What a valid pass is worth when the temperature could not be judged."""

    SEE_STAFF = "see_staff"
    ADMIT_AND_LIST = "admit_and_list"


class Button(enum.StrEnum):
    ATTENDANT = "attendant"  # inside the fence
    CALL = "call"  # a visitor asks for help


class Key(enum.StrEnum):
    """The positions of the key switch."""

    RELEASE = "key_release"  # stands for a staff card, where no code is read
    MODE = "key_mode"


class ClaimStep(enum.StrEnum):
    """What staff did on the way to a release; each step is an event of its own."""

    CARD = "card"
    KEY = "key"
    VALUE = "value"  # a line of the value sheet
    VALUE_WITHOUT_CARD = "value_without_card"
    BUTTON = "button"  # without a card before it: the call was answered
    EXPIRED = "expired"  # card or key, and no button after it


class PassageResult(enum.StrEnum):
    PASSED = "passed"
    NOBODY_PASSED = "nobody_passed"
    HELD_OPEN = "held_open"
    FORCED = "forced"
    UNKNOWN = "unknown"


class ReleaseResult(enum.StrEnum):
    CLEARED = "cleared"
    ISOLATED = "isolated"
    OVERRIDE = "override"
