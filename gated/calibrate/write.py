"""The end of every ``gated calibrate``: asked, written as the next version, and how to use it."""

from __future__ import annotations

from gated.calibrate.case import Case
from gated.calibrate.dialog import Dialog
from gated.clock import Clock
from gated.errors import ExitCode
from gated.facts.alone import Busy, running_gate
from gated.sensors.calibration import Calibration


def write(
    case: Case, draft: Calibration, dialog: Dialog, clock: Clock, *, is_sure: bool
) -> ExitCode:
    """Write ``draft`` if whoever is asked wants it.

    Raises: GivenUp: no; StorageError: it cannot be written.
    """
    dialog.confirm((f"写入 {draft.name}？", f"write {draft.name}?"), is_sure=is_sure)
    path = case.folder.save(draft)
    dialog.tell((f"已写入 {path}", f"written: {path}"))
    try:
        is_running = running_gate(case.config.paths, clock) is not None
    except Busy:
        is_running = True
    command = f"sudo systemctl {'reload' if is_running else 'start'} gated.target"
    dialog.note(
        (f"启用（主控会记录一条事件）：{command}", f"to use it (the gate records it): {command}")
    )
    return ExitCode.OK
