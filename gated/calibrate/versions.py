"""``gated calibrate confirm`` and ``revert``: another chip, and back to an earlier version."""

from __future__ import annotations

from gated.calibrate.bench import Bench, present_chip
from gated.calibrate.case import FACTORY_VERSION, Case
from gated.calibrate.dialog import Dialog
from gated.calibrate.output import old_and_new
from gated.calibrate.write import write
from gated.errors import ExitCode, GatedError
from gated.facts.alone import Busy, running_gate
from gated.sensors.calibration import Calibration

_AS_MADE: dict[str, object] = {"gain": 1.0, "offset_c": 0.0, "points": ()}
_AS_CONFIGURED: dict[str, object] = {"site_a_c": None, "site_b": None, "agreement": None}


def confirm(case: Case, bench: Bench, dialog: Dialog, *, is_sure: bool) -> ExitCode:
    """Bind the site offset to the chip that is there now; the old chip's own correction ends."""
    old = case.in_force()
    if old is None:
        dialog.tell(
            (
                f"{case.name} 没有标定，任何芯片都可用：无需确认",
                f"{case.name} has no calibration, so any chip may measure: nothing to confirm",
            )
        )
        return ExitCode.OK
    chip_id = present_chip(case.settings, case.config.paths, bench)
    if chip_id == old.chip_id:
        dialog.tell(
            (
                f"{case.name} 仍是芯片 {chip_id}：无需确认",
                f"{case.name} still has the chip {chip_id}: nothing to confirm",
            )
        )
        return ExitCode.OK
    case.folder.check_writable()
    draft = case.draft(old, chip_id, bench.clock)
    draft = draft.model_copy(update=_AS_MADE | {"note": f"chip exchanged, was {old.chip_id}"})
    dialog.tell(
        (
            f"{old.name} 用芯片 {old.chip_id} 标定；现在是 {chip_id}",
            f"{old.name} was taken with chip {old.chip_id}; there is {chip_id} now",
        )
    )
    for text in old_and_new(case, draft):
        dialog.tell(text)
    if not case.site_stands_alone():
        dialog.note(
            (
                "! 部位系数含旧芯片自身偏差：请重新取成对读数 gated calibrate site",
                (
                    "! the site offset holds the old chip's own error, for that was never "
                    f"calibrated: take pairs again, gated calibrate site {case.name}"
                ),
            )
        )
    dialog.note(
        (
            f"新芯片未标定，之后请做：gated calibrate reference {case.name}",
            f"the new chip is as made; next: gated calibrate reference {case.name}",
        )
    )
    return write(case, draft, dialog, bench.clock, is_sure=is_sure)


def revert(
    case: Case, bench: Bench, dialog: Dialog, *, version: int | None, is_sure: bool
) -> ExitCode:
    """Write a new version that says what an old one said: what was recorded stays true."""
    if not case.versions:
        raise GatedError(f"{case.name} has no calibration to go back from (没有标定)")
    wanted = version
    if wanted is None:
        wanted = case.versions[-2] if len(case.versions) > 1 else FACTORY_VERSION
    if wanted == case.versions[-1]:
        raise GatedError(f"{case.name}.{wanted} is in force already (已在使用)")
    case.folder.check_writable()
    if case.trouble:
        dialog.note((f"! {case.trouble}", f"! {case.trouble}"))
    draft = _as_it_was(case, bench, wanted)
    for text in old_and_new(case, draft):
        dialog.tell(text)
    now = _chip_now(case, bench)
    if now is not None and now != draft.chip_id:
        dialog.note(
            (
                f"! 该版本属于芯片 {draft.chip_id}，现在是 {now}：写入后须 gated calibrate confirm",
                (
                    f"! that version is of chip {draft.chip_id}, there is {now}: nobody is judged "
                    f"with it until gated calibrate confirm {case.name}"
                ),
            )
        )
    return write(case, draft, dialog, bench.clock, is_sure=is_sure)


def _as_it_was(case: Case, bench: Bench, version: int) -> Calibration:
    if version != FACTORY_VERSION:
        base = case.load(version)
        draft = case.draft(base, base.chip_id, bench.clock)
        return draft.model_copy(update={"note": f"as {base.name}"})
    if case.newest is not None:
        chip_id = case.newest.chip_id
    else:
        chip_id = present_chip(case.settings, case.config.paths, bench)
    draft = case.draft(None, chip_id, bench.clock)
    return draft.model_copy(update=_AS_MADE | _AS_CONFIGURED | {"note": "as made"})


def _chip_now(case: Case, bench: Bench) -> str | None:
    try:
        gate = running_gate(case.config.paths, bench.clock)
    except Busy:
        return None
    return None if gate is None else gate.chips.get(case.name)
