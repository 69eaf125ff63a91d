"""Typing in contact readings beside the gate, while people go through it."""

from __future__ import annotations

import os
from pathlib import Path

from gated.calibrate.dialog import Dialog
from gated.calibrate.pairs import CONTACT_C, NotUsable, Pair, Pairs, Visits
from gated.errors import GatedError, StorageError

_AGAIN = frozenset({"r", "刷新"})
_HEAD = "visit_id,contact_c\n"


def take_typed(
    found: Pairs, visits: Visits, dialog: Dialog, *, last: int, keep: Path | None
) -> None:
    """Ask for a visit and its contact value, again and again; an empty answer ends it.

    The ``last`` visits are shown to choose from. Each pair is added to the CSV file ``keep`` at
    once, so that another day goes on with it.
    """
    number_of = _show(visits, dialog, last, found)
    while True:
        answer = dialog.ask(
            (
                "通行记录（序号或编号；r 刷新；回车结束）：",
                "Visit (number or id; r: again; Enter: all):",
            ),
            "--pairs FILE.csv",
        )
        if not answer:
            return
        if answer.lower() in _AGAIN:
            number_of = _show(visits, dialog, last, found)
            continue
        visit_id = number_of.get(answer, answer)
        if visit_id in found.visits:
            dialog.note((f"{visit_id} 已录入", f"{visit_id} is in already"))
            continue
        try:
            gate_c = visits.gate_c(visit_id)
        except NotUsable as exc:
            dialog.note(exc.why)
            continue
        except GatedError as exc:
            dialog.note((str(exc), str(exc)))
            continue
        contact_c = dialog.number(
            ("接触式读数 °C（回车跳过）：", "Contact value in °C (Enter: none):"),
            *CONTACT_C,
            "--pairs",
        )
        if contact_c is None:
            continue
        if keep is not None:
            _keep(keep, visit_id, contact_c)
        where = f"visit {visit_id}"
        found.visits[visit_id] = where
        found.pairs.append(Pair(contact_c, gate_c, where))


def _show(visits: Visits, dialog: Dialog, last: int, found: Pairs) -> dict[str, str]:
    """Print the newest visits; return {number: visit}."""
    newest = visits.last(last)
    if not newest:
        dialog.note(("还没有此测温头的通行记录", "no visit of this thermometer yet"))
    number_of = {}
    for number, (event, gate_c) in enumerate(newest, start=1):
        visit_id = event.visit_id or ""
        number_of[str(number)] = visit_id
        mark = "*" if visit_id in found.visits else " "
        line = f"{number:3d}{mark} {event.at[11:19]}  {visit_id}  {gate_c:.2f} °C"
        dialog.note((line, line))
    return number_of


def _keep(path: Path, visit_id: str, contact_c: float) -> None:
    """Add one line; the file is made for its owner alone: it is about people's health."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            if file.tell() == 0:
                file.write(_HEAD)
            file.write(f"{visit_id},{contact_c:.2f}\n")
    except OSError as exc:
        raise StorageError(f"cannot write {path}: {exc.strerror}") from exc
