"""The register as a table for a spreadsheet; its columns are those that a roster is read by."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from gated.durable import write_private_file
from gated.errors import GatedError
from gated.office.moments import first_day, last_day, shown
from gated.office.passes import Holder, PassKind, RegisteredPass
from gated.spreadsheets import cell_text

COLUMNS = (
    *("编号", "姓名", "班级", "区分", "类别", "区域", "行动较慢", "值守", "监护人"),
    *("生效日期", "有效期至", "卡号", "种类", "可用次数", "批准人", "签发时间", "作废时间"),
    *("作废原因", "补发卡号"),
)
"""As headed in the file."""
ROSTER_COLUMNS = COLUMNS.index("卡号")
"""Up to here they are a roster's (gated/office/roster.py)."""


def roster_rows(
    passes: Sequence[RegisteredPass], holders: Mapping[str, Holder]
) -> Iterable[tuple[str, ...]]:
    """Yield one row for each person with a card: a roster to change and read again."""
    guardians = _guardian_cards(passes)
    for item in sorted(passes, key=lambda item: (item.claims.group or "", item.number)):
        if item.kind is PassKind.CARD:
            row = list(_row(item, holders)[:ROSTER_COLUMNS])
            guardian = guardians.get(item.claims.sub)
            if guardian is not None:
                row[COLUMNS.index("监护人")] = guardian.claims.guardian_ref or ""
            yield tuple(cell_text(text) for text in row)


def guardians_left_out(passes: Sequence[RegisteredPass]) -> list[RegisteredPass]:
    """Return the guardians' cards that are in no row of a roster: a row has one guardian."""
    guardians = _guardian_cards(passes)
    pupils = {item.claims.sub for item in passes if item.kind is PassKind.CARD}
    return [
        item
        for item in passes
        if item.kind is PassKind.GUARDIAN
        and (item.claims.sub not in pupils or guardians[item.claims.sub] is not item)
    ]


def _guardian_cards(passes: Iterable[RegisteredPass]) -> dict[str, RegisteredPass]:
    """Return the newest guardian's card of each pupil."""
    return {item.claims.sub: item for item in passes if item.kind is PassKind.GUARDIAN}


def rows_of(
    passes: Iterable[RegisteredPass], holders: Mapping[str, Holder]
) -> Iterable[tuple[str, ...]]:
    """Yield one row for each pass, every cell safe to open in a spreadsheet."""
    for item in passes:
        yield tuple(cell_text(text) for text in _row(item, holders))


def _row(item: RegisteredPass, holders: Mapping[str, Holder]) -> tuple[str, ...]:
    claims = item.claims
    guardian = holders.get(claims.guardian_ref or "")
    return (
        *(claims.sub, item.holder.name, claims.group or "", item.holder.detail, claims.category),
        *("、".join(claims.zones), _yes(claims.is_slow), _yes(claims.is_attendant)),
        "" if guardian is None else guardian.name,
        *(str(first_day(claims.not_before)), str(last_day(claims.expires_at))),
        *(str(item.number), item.kind, str(claims.max_uses or ""), claims.approver or ""),
        *(shown(item.issued_at), "" if item.revoked_at is None else shown(item.revoked_at)),
        *(item.revoked_why or "", str(item.replaced_by or "")),
    )


def _yes(is_so: bool) -> str:
    return "是" if is_so else ""


def write_export(path: Path, rows: Iterable[tuple[str, ...]], now: datetime) -> None:
    """Write ``rows`` to ``path``, a new .csv or .xlsx that only its owner reads.

    Raises: GatedError: another ending, the file exists, or it cannot be written.
    """
    if path.exists():
        raise GatedError(f"{path} exists already and stays as it is (文件已存在)")
    table = list(rows)
    headed = [COLUMNS[: len(table[0])] if table else COLUMNS, *table]
    match path.suffix.lower():
        case ".csv":
            data = _csv(headed)
        case ".xlsx":
            data = _xlsx(headed, now)
        case _:
            raise GatedError(
                f"{path}: the name must end in .csv or .xlsx (须以 .csv 或 .xlsx 结尾)"
            )
    write_private_file(path, data)


def _csv(rows: Iterable[tuple[str, ...]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8-sig")  # the mark by which Excel knows UTF-8


def _xlsx(rows: Iterable[tuple[str, ...]], now: datetime) -> bytes:
    try:
        import openpyxl
    except ImportError as exc:
        raise GatedError(
            "writing .xlsx needs openpyxl: install gated with its extra 'office', or export a .csv "
            "(缺少 openpyxl，请改为导出 .csv)"
        ) from exc
    book = openpyxl.Workbook(write_only=True)
    book.properties.created = book.properties.modified = now.replace(tzinfo=None)
    sheet = book.create_sheet("register")
    for row in rows:
        sheet.append(row)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()
