"""Pairs of a contact reading and what the gate makes of the same person: from files or the ledger.

A pair's ``gate_c`` is what the gate would say *now*: the surface temperature that the visit's
record keeps, through the device calibration and the site offset in force, without the slow
correction by the people last admitted. So pairs from before and after a calibration go together.
Where a reference plate said how far the chip was off, that was under the calibration of the time:
both make the skin temperature, and a later calibration, which has that drift in it, is left out.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from gated.calibrate.case import Case
from gated.calibrate.dialog import Text
from gated.contents import Kind
from gated.errors import ConfigError, GatedError, WireError
from gated.ledger.reader import EventFilter, LedgerReader, StoredEvent
from gated.sensors.calibration import Calibration
from gated.sensors.compensation import DeviceCalibration, calibrated_c
from gated.sensors.site import body_c
from gated.wire import parse_json

MAX_LINES = 10_000
MAX_FILE_BYTES = 4_000_000
CONTACT_C = (34.0, 42.5)
SKIN_C = (20.0, 45.0)
BODY_C = (30.0, 45.0)
AMBIENT_C = (-30.0, 60.0)
COLUMNS = ("contact_c", "visit_id", "skin_c", "ambient_c", "body_c")
WAYS = "visit_id, or skin_c and ambient_c, or body_c"
_AS_NUMBER = re.compile(r"[0-9.]+(E[+]?[0-9]+)?", re.IGNORECASE)
"""What spreadsheets make of visits such as 123456789012 and 1234e5678901."""
BY_HAND: Text = ("已用 --without 排除", "left out by --without")
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class Pair:
    """One person, measured by both."""

    contact_c: float
    gate_c: float  # as the gate would say it now
    where: str  # how a person finds it again

    @property
    def difference_c(self) -> float:
        """Contact minus gate."""
        return self.contact_c - self.gate_c

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.contact_c:.2f} − {self.gate_c:.2f} = {self.difference_c:+.2f} °C"
        )


@dataclass(slots=True)
class Pairs:
    """What came of one or more sources."""

    pairs: list[Pair] = field(default_factory=list)
    left_out: list[Text] = field(default_factory=list)
    visits: dict[str, str] = field(default_factory=dict)  # visit → where it stands
    without: frozenset[str] = frozenset()  # visits that somebody left out by hand
    everybody_c: list[float] = field(default_factory=list)  # what the gate says of all, lately

    def leave_out(self, where: str, why: Text) -> None:
        """Tell of a reading that does not count."""
        self.left_out.append((f"{where}：{why[0]}", f"{where}: {why[1]}"))


class NotUsable(GatedError):
    """A visit that says nothing of the thermometer as it is now. Left out, and told."""

    def __init__(self, why: Text) -> None:
        super().__init__(" ".join(why))
        self.why = why


@dataclass(frozen=True, slots=True)
class Visits:
    """The ledger's visits, as pairs need them."""

    case: Case
    reader: LedgerReader

    def gate_c(self, visit_id: str) -> float:
        """Return what the gate would say now of the person of a visit.

        Raises: GatedError: there is no such visit; NotUsable: it says nothing of this thermometer.
        """
        wanted = EventFilter(kinds=frozenset({Kind.VISIT.value}), visit_id=visit_id, limit=1)
        event = next(self.reader.events(wanted), None)
        if event is None:
            raise GatedError(f"no visit {visit_id} in {self.reader.path}")
        return self.gate_c_of(event)

    def gate_c_of(self, event: StoredEvent) -> float:
        """Return the same of an event."""
        try:
            body = parse_json(event.body)
        except WireError as exc:
            raise NotUsable(("记录损坏", "the record is damaged")) from exc
        if body.get("thermometer") != self.case.name:
            other = body.get("thermometer") or "–"
            raise NotUsable((f"由 {other} 测量", f"measured by {other}"))
        if body.get("body_c") is None:
            raise NotUsable(("没有判断体温", "the temperature was not judged"))
        ambient_c = body.get("ambient_c")
        then, now = self._calibration_of(body), self.case.in_force()
        surface_c = _surface_c(body, then)
        if surface_c is None or not isinstance(ambient_c, float | int):
            raise NotUsable(("记录中没有皮肤温度", "the record has no skin temperature"))
        drift_c = body.get("drift_c")
        if isinstance(drift_c, float | int):
            skin = _calibrated_c(surface_c, then) - drift_c
        else:
            skin = _calibrated_c(surface_c, now)
        return body_c(skin, ambient_c, self.case.site(now))

    def _calibration_of(self, body: Mapping[str, object]) -> Calibration | None:
        """Return the calibration that a visit was measured with; None: as made."""
        name, now = body.get("calibration"), self.case.in_force()
        then = self._calibration(name) if isinstance(name, str) else None
        if then is not None and now is not None and then.chip_id != now.chip_id:
            raise NotUsable(("由更换前的芯片测量", "measured by the chip that was there before"))
        return then

    def _calibration(self, name: str) -> Calibration | None:
        thermometer, _, version = name.rpartition(".")
        if thermometer != self.case.name or not version.isdigit():
            return None  # as made
        try:
            return self.case.load(int(version))
        except GatedError as exc:
            raise NotUsable(
                (f"标定 {name} 已找不到", f"its calibration {name} is not there any more")
            ) from exc

    def last(self, count: int) -> list[tuple[StoredEvent, float]]:
        """Return the last usable visits of this thermometer, newest first, and what they say."""
        wanted = EventFilter(kinds=frozenset({Kind.VISIT.value}), newest_first=True)
        found: list[tuple[StoredEvent, float]] = []
        for event in self.reader.events(wanted):
            try:
                found.append((event, self.gate_c_of(event)))
            except NotUsable:
                continue
            if len(found) == count:
                break
        return found

    def released(self, since: date | None) -> Iterator[tuple[str, float]]:
        """Yield (visit, contact value) of every release that has one, the newest of each visit."""
        zone = ZoneInfo(self.case.config.gate.timezone)
        begin = None if since is None else datetime.combine(since, time(), zone)
        contacts: dict[str, float] = {}
        for event in self.reader.events(
            EventFilter(kinds=frozenset({Kind.RELEASE.value}), since=begin)
        ):
            try:
                contact_c = parse_json(event.body).get("contact_c")
            except WireError:
                continue  # `gated ledger verify` names it
            if event.visit_id is not None and isinstance(contact_c, float | int):
                contacts[event.visit_id] = float(contact_c)
        yield from contacts.items()


def _surface_c(body: Mapping[str, object], then: Calibration | None) -> float | None:
    """Return the surface before any calibration."""
    surface_c = body.get("surface_c")
    if isinstance(surface_c, float | int):
        return float(surface_c)
    skin_c = body.get("skin_c")
    # Records from before surface_c was kept knew no calibration.
    return float(skin_c) if isinstance(skin_c, float | int) and then is None else None


def _calibrated_c(surface_c: float, calibration: Calibration | None) -> float:
    if calibration is None:
        return surface_c
    device = DeviceCalibration(calibration.name, calibration.gain, calibration.offset_c)
    return calibrated_c(surface_c, device)


def take_ledger(found: Pairs, visits: Visits, since: date | None) -> None:
    """Add every release with a contact value."""
    for visit_id, contact_c in visits.released(since):
        where = f"visit {visit_id}"
        if visit_id in found.visits:
            continue  # a file has it
        try:
            if visit_id in found.without:
                raise NotUsable(BY_HAND)
            gate_c = visits.gate_c(visit_id)
        except NotUsable as exc:
            found.leave_out(where, exc.why)
        except GatedError:
            found.leave_out(where, ("记录已清理", "its record is not kept any more"))
        else:
            found.visits[visit_id] = where
            found.pairs.append(Pair(contact_c, gate_c, where))


# --- a file --------------------------------------------------------------------------------------


def take_file(found: Pairs, path: Path, case: Case, visits: Visits | None) -> None:
    """Add the pairs of a CSV file. Raises: ConfigError: names the line that is wrong."""
    rows = _rows(path)
    for number, row in rows:
        where = f"{path.name} line {number}"
        contact_c = _number(row, "contact_c", CONTACT_C, where)
        if contact_c is None:
            found.leave_out(where, ("没有接触式读数", "no contact value"))
            continue
        visit_id = row.get("visit_id", "")
        try:
            if visit_id:
                _refuse_twice(found, visit_id, where)
                if visit_id in found.without:
                    raise NotUsable(BY_HAND)
                gate_c = _of_visit(visits, visit_id, where)
                where += f" (visit {visit_id})"
            else:
                gate_c = _of_numbers(row, case, where)
        except NotUsable as exc:
            found.leave_out(where, exc.why)
            continue
        found.pairs.append(Pair(contact_c, gate_c, where))


def _refuse_twice(found: Pairs, visit_id: str, where: str) -> None:
    if visit_id in found.visits:
        raise ConfigError(f"{where}: visit {visit_id} stands in {found.visits[visit_id]} already")
    found.visits[visit_id] = where


def _of_visit(visits: Visits | None, visit_id: str, where: str) -> float:
    if visits is None:
        raise ConfigError(f"{where}: visit_id needs the gate's ledger, and there is none")
    try:
        return visits.gate_c(visit_id)
    except NotUsable:
        raise
    except GatedError as exc:
        spoilt = "; a spreadsheet made a number of it: format that column as text (设为文本格式)"
        hint = spoilt if _AS_NUMBER.fullmatch(visit_id) else ""
        raise ConfigError(f"{where}: {exc}{hint}") from exc


def _of_numbers(row: Mapping[str, str], case: Case, where: str) -> float:
    site = case.site(case.in_force())
    skin_c = _number(row, "skin_c", SKIN_C, where)
    ambient_c = _number(row, "ambient_c", AMBIENT_C, where)
    body = _number(row, "body_c", BODY_C, where)
    if skin_c is not None and ambient_c is not None:
        return body_c(skin_c, ambient_c, site)
    if body is not None:
        return body
    raise ConfigError(f"{where}: needs {WAYS} beside contact_c")


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, its cells by column). Raises: ConfigError."""
    try:
        data = path.read_bytes()[: MAX_FILE_BYTES + 1]
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror}") from exc
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_FILE_BYTES // 1_000_000} MB")
    # Whatever else a list of a class holds, in whatever encoding, is not read.
    lines = data.decode("utf-8-sig", errors="replace").splitlines()
    head = next((line for line in lines if line.strip()), "")
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(lines, delimiter=delimiter)
    columns: list[str] | None = None
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if columns is None:
                columns = _header([cell.lower() for cell in cells], path)
                continue
            if reader.line_num > MAX_LINES:
                raise ConfigError(f"{path} has more than {MAX_LINES} lines")
            if delimiter != ",":
                cells = [cell.replace(",", ".") for cell in cells]
            yield reader.line_num, dict(zip(columns, cells, strict=False))
    except csv.Error as exc:
        raise ConfigError(f"{path.name} line {reader.line_num}: {exc}") from exc
    if columns is None:
        raise ConfigError(
            f"{path} is empty; its first line names the columns: contact_c and {WAYS}"
        )


def _header(columns: list[str], path: Path) -> list[str]:
    has_way = "visit_id" in columns or "body_c" in columns or {"skin_c", "ambient_c"} <= {*columns}
    if "contact_c" not in columns or not has_way:
        there = ", ".join(name for name in columns if name in COLUMNS) or "none of these"
        raise ConfigError(
            f"{path.name} line 1: the columns are contact_c and {WAYS}; there is: {there} "
            "(首行须写列名)"
        )
    return columns


def _number(
    row: Mapping[str, str], column: str, limits: tuple[float, float], where: str
) -> float | None:
    """Return the cell as a number, None if it is empty. Raises: ConfigError: it is none."""
    text = row.get(column, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    low, high = limits
    if not low <= value <= high:
        raise ConfigError(f"{where}: {column} = {text!r} is no temperature of {low:g}–{high:g} °C")
    return value
