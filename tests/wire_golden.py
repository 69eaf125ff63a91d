"""The drafts behind tests/golden/wire: one record of each kind, as version 1 writes them.

The files are frozen: years of records and other people's ingesters depend on these bytes. A change
that breaks the tests on them needs a new wire version, never new files.
"""

from __future__ import annotations

from pathlib import Path

from gated.clock import TimeQuality
from gated.contents import (
    AlarmContent,
    AlarmName,
    BootContent,
    CalibrationContent,
    ClaimContent,
    ClockContent,
    CommandContent,
    CommandName,
    CommandOutcome,
    ConfigContent,
    Content,
    HealthContent,
    ModeContent,
    PassageContent,
    ReleaseContent,
    VisitContent,
)
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
)
from gated.wire import Draft, PersonLink, Place, Stamp, commit_to_holder

GOLDEN = Path(__file__).parent / "golden" / "wire"
LINK = PersonLink("k4:9c41f07be2d85a13", "AAECAwQFBgcICQoLDA0ODw")
VISIT_ID = "7f3a91c2e05b"

CONTENTS: tuple[Content, ...] = (
    BootContent(boot_id="0f1f6a1e-5b8e-4ce6-9c88-7d1f54f1c001", ledger="new"),
    VisitContent(
        visit_id=VISIT_ID,
        direction=Direction.IN,
        outcome=Outcome.SEE_STAFF,
        reason=Reason.TEMPERATURE_HIGH,
        reasons=(Reason.TEMPERATURE_HIGH,),
        noted=(Reason.PASSBACK,),
        prompt=Prompt.WAIT_STAFF,
        body_c=37.42,
        skin_c=34.62,
        ambient_c=18.3,
        distance_m=0.34,
        samples=3,
        spread_c=0.06,
        attempt=2,
        readings_c=(37.5, 37.34),
        verdict="high",
        temperature_quality="good",
        thermometer="child",
        calibration="child.7",
        threshold_c=37.3,
        threshold_inclusive=True,
        credential_status=CredentialStatus.VALID,
        credential_format="GP1",
        code_colour=CodeColour.NONE,
        holder_commitment=commit_to_holder(LINK),
        holder_category=HolderCategory.STUDENT,
        holder_group="三(2)班",
        took_ms=2_140,
    ),
    ReleaseContent(
        visit_id=VISIT_ID,
        result=ReleaseResult.CLEARED,
        contact_c=36.9,
        holder_commitment=commit_to_holder(LINK),
    ),
    PassageContent(visit_id=VISIT_ID, result=PassageResult.PASSED, took_ms=61_003),
    AlarmContent(
        alarm=AlarmName.DEVICE_LOST, device="adult", detail='no "answer", errno 121 (远程 I/O)'
    ),
    ModeContent(
        to_mode=Mode.CLOSED, to_drill=True, expires_at="2026-11-24T06:00:00.000+08:00", by="office"
    ),
    ConfigContent(accepted=True, changed=("temperature.fever_threshold_c",)),
    ClockContent(to_quality=TimeQuality.HOLDOVER, step_ms=-1_500),
    HealthContent(
        devices={"child": "ok", "scanner": "lost"},
        backlog=12,
        rss_kb=41_224,
        disk_free_kb=90_000,
    ),
    ClaimContent(
        step=ClaimStep.VALUE,
        visit_id=VISIT_ID,
        contact_c=36.8,
        holder_commitment=commit_to_holder(LINK),
    ),
    CalibrationContent(
        thermometer="child",
        calibration="child.7",
        chip_id="123456789abcdef0",
        made_at="2026-11-22T16:02:11+08:00",
        made_by="staff",
        gain=1.004,
        offset_c=-0.21,
        site_a_c=5.71,
        site_b=0.146,
        pairs=34,
        bias_c=0.07,
        loa_low_c=-0.92,
        loa_high_c=1.06,
    ),
    CommandContent(
        command=CommandName.OPEN,
        command_id="00112233445566778899aabbccddeeff",
        outcome=CommandOutcome.DONE,
        by="centre:duty-desk",
        key="0123456789abcdef",
        counter=1_790_000_000_123,
        visit_id=VISIT_ID,
    ),
)
"""In the order of their seq, from 1."""


def draft(content: Content) -> Draft:
    has_link = isinstance(content, VisitContent | ReleaseContent | ClaimContent)
    return Draft(
        content=content,
        stamp=Stamp(
            at="2026-11-23T07:41:08.412+08:00",
            time_quality=TimeQuality.TRUSTED,
            boot_ms=5_023_117,
            mode=Mode.NORMAL,
            drill=False,
            rules="2026-11-20.2",
            software="0.4.1",
        ),
        link=LINK if has_link else None,
    )


def place(seq: int, prev: bytes) -> Place:
    return Place("lixin-primary", "east-1", "k3v4q2m7x2c5d4zt", seq, 37, prev)
