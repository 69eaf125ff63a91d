"""A lane for the tests of gated.visit: plays events and keeps every command, in order."""

from __future__ import annotations

from dataclasses import replace

from gated.contents import AlarmContent, AlarmName, ClaimContent, PassageContent, VisitContent
from gated.messages import (
    ButtonPressed,
    CodeNotRead,
    CommitFailed,
    Committed,
    ContactValueSeen,
    Credential,
    CredentialChecked,
    DeviceChanged,
    EnergiseRelay,
    GateMoved,
    KeyTurned,
    PassageSensed,
    PresenceEnded,
    PresenceStarted,
    ReadingTaken,
)
from gated.policy import Rules
from gated.units import MonoSeconds
from gated.visit import advance, next_deadline
from gated.visit.state import (
    Command,
    Commit,
    Event,
    Lane,
    LaneState,
    ModeRequested,
    Tick,
    Timing,
    Visit,
    new_visit_id,
)
from gated.vocabulary import (
    Button,
    ClaimStep,
    CredentialStatus,
    Direction,
    HolderCategory,
    Key,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    UnreadCause,
    Verdict,
)
from gated.wire import PassUse
from tests.policy_cases import card, reading

SEED = "test"
IDS = tuple(new_visit_id(SEED, count) for count in range(20))
"""The ids of the visits of one lane, in the order in which they begin."""
LANE = Lane(thermometers=("main",), id_seed=SEED)
PAIR = Lane(thermometers=("child", "adult"), id_seed=SEED)
PUPIL = card()
ESCORT = card(holder="k1:parent", category=HolderCategory.ESCORT)
EXPIRED = card(CredentialStatus.EXPIRED)
TEACHER = replace(card(holder="k1:teacher", category=HolderCategory.STAFF), is_attendant=True)


class LaneRig:
    """One lane under test. Each method is one event; it returns the commands that follow."""

    def __init__(self, lane: Lane = LANE, *, mode: Mode = Mode.NORMAL) -> None:
        self.state = LaneState(lane=lane, mode=mode)
        self.now = 100.0

    def send(self, event: Event) -> list[Command]:
        self.state, commands = advance(self.state, event)
        return list(commands)

    @property
    def at(self) -> MonoSeconds:
        return MonoSeconds(self.now)

    @property
    def deadline(self) -> float | None:
        return next_deadline(self.state)

    def is_in(self, mode: Mode, *, drill: bool = False) -> bool:
        return (self.state.mode, self.state.drill) == (mode, drill)

    def visit(self, number: int = 0) -> Visit:
        return next(v for v in self.state.visits if v.visit_id == IDS[number])

    def has(self, number: int) -> bool:
        return any(v.visit_id == IDS[number] for v in self.state.visits)

    def arrive(self, thermometer: str = "main") -> list[Command]:
        return self.send(PresenceStarted(thermometer, self.at))

    def leave(self, thermometer: str = "main") -> list[Command]:
        return self.send(PresenceEnded(thermometer, self.at))

    def measure(
        self,
        body_c: float | None = 36.6,
        thermometer: str = "main",
        *,
        refusal: Reason | None = None,
        age_s: float = 0.0,
    ) -> list[Command]:
        taken = reading(body_c, at=self.now - age_s, thermometer=thermometer, refusal=refusal)
        return self.send(ReadingTaken(taken, self.at))

    def show(self, credential: Credential = PUPIL) -> list[Command]:
        return self.send(CredentialChecked(credential, self.at))

    def contact(self, contact_c: float) -> list[Command]:
        return self.send(ContactValueSeen(contact_c, self.at))

    def pass_through(self) -> list[Command]:
        return self.send(PassageSensed(self.at))

    def gate(self, *, is_shut: bool) -> list[Command]:
        return self.send(GateMoved(is_shut, self.at))

    def key(self, *, is_on: bool = True) -> list[Command]:
        return self.send(KeyTurned(Key.RELEASE, is_on, self.at))

    def unread(self, cause: UnreadCause) -> list[Command]:
        return self.send(CodeNotRead(cause, self.at))

    def press(self, button: Button = Button.ATTENDANT) -> list[Command]:
        return self.send(ButtonPressed(button, self.at))

    def device(self, name: str, *, works: bool, reason: str = "") -> list[Command]:
        return self.send(DeviceChanged(name, works, reason, self.at))

    def commit(self, tag: str) -> list[Command]:
        return self.send(Committed(tag, 1, self.at, 4.0))

    def commit_visit(self, number: int = 0) -> list[Command]:
        return self.commit(f"visit/{IDS[number]}")

    def fail(self, tag: str, reason: str = "no space") -> list[Command]:
        return self.send(CommitFailed(tag, reason, self.at))

    def request(
        self, mode: Mode, *, drill: bool = False, for_s: float | None = None
    ) -> list[Command]:
        return self.send(ModeRequested(mode, drill, "office", self.at, for_s))

    def wait(self, seconds: float) -> list[Command]:
        """Let time pass, with a Tick at every deadline on the way and at the end."""
        until, commands = self.now + seconds, list[Command]()
        while self.deadline is not None and self.deadline <= until:
            self.now = max(self.now, self.deadline)
            commands += self.send(Tick(self.at))
        self.now = until
        return commands + self.send(Tick(self.at))


def granted(rig: LaneRig) -> LaneRig:
    """Bring the first visitor to the point where the relay has just been commanded."""
    rig.arrive()
    rig.measure()
    rig.show()
    assert EnergiseRelay(IDS[0], rig.state.lane.timing.pulse_s) in rig.commit_visit()
    return rig


# --- the commits that are expected, spelled out --------------------------------------------------


def visit_commit(
    number: int = 0,
    outcome: Outcome = Outcome.GRANTED,
    prompt: Prompt = Prompt.GO,
    *reasons: Reason,
    readings_c: tuple[float, ...] = (36.6,),
    credential: Credential | None = PUPIL,
    **more: object,
) -> Commit:
    """Return the commit of a visit; ``more`` are members that differ from the usual ones."""
    attempt = more.get("attempt", len(readings_c))
    members: dict[str, object] = {
        "visit_id": IDS[number],
        "direction": Direction.IN,
        "outcome": outcome,
        "reason": reasons[0] if reasons else None,
        "reasons": reasons,
        "prompt": prompt,
        "body_c": readings_c[-1] if readings_c else None,
        "attempt": attempt,
        "readings_c": readings_c,
        "verdict": Verdict.NORMAL if readings_c else Verdict.NOT_JUDGED,
        "temperature_quality": "good" if attempt else None,
        "calibration": "default" if attempt else None,
        "thermometer": "main",
        "threshold_c": 37.3,
        "threshold_inclusive": True,
        "credential_status": None if credential is None else credential.status,
        "credential_format": "none" if credential is None else credential.format,
        "holder_category": None if credential is None else credential.category,
        "took_ms": 0,
    }
    is_granted = outcome is Outcome.GRANTED
    is_known = credential is not None and credential.status is CredentialStatus.VALID
    pass_ref = None if credential is None else credential.pass_ref
    return Commit(
        tag=f"visit/{IDS[number]}",
        content=VisitContent.model_validate({**members, **more}),
        holder_ref=credential.holder_ref if credential is not None and is_known else None,
        use=PassUse(pass_ref, Direction.IN) if is_granted and pass_ref is not None else None,
        opens_visit=IDS[number] if is_granted else None,
    )


def passage_commit(
    number: int, result: PassageResult, took_ms: int, reason: Reason | None = None
) -> Commit:
    visit_id = IDS[number]
    return Commit(
        tag=f"passage/{visit_id}",
        content=PassageContent(visit_id=visit_id, result=result, reason=reason, took_ms=took_ms),
        gives_back_use_of=visit_id if result is PassageResult.NOBODY_PASSED else None,
        closes_visit=visit_id,
    )


def claim_commit(
    step: ClaimStep,
    number: int | None = 0,
    contact_c: float | None = None,
    holder: str | None = TEACHER.holder_ref,
) -> Commit:
    visit_id = None if number is None else IDS[number]
    return Commit(
        tag=f"claim/{visit_id or 'none'}",
        content=ClaimContent(step=step, visit_id=visit_id, contact_c=contact_c),
        holder_ref=holder,
    )


def alarm_commit(alarm: AlarmName, number: int | None = None, **more: str) -> Commit:
    visit_id = None if number is None else IDS[number]
    content = AlarmContent.model_validate({"alarm": alarm, "visit_id": visit_id, **more})
    return Commit(tag=f"alarm/{alarm}", content=content)


def lane_with(
    rules: Rules | None = None,
    timing: Timing | None = None,
    *,
    lane: Lane = LANE,
    has_passage_sensor: bool = True,
) -> Lane:
    return replace(
        lane,
        rules=rules or lane.rules,
        timing=timing or lane.timing,
        has_passage_sensor=has_passage_sensor,
    )
