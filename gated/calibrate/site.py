"""``gated calibrate site``: the site offset, from people who were measured by contact as well."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from gated.calibrate.bench import Bench, present_chip
from gated.calibrate.case import Case
from gated.calibrate.dialog import Dialog, Text
from gated.calibrate.output import agreed_lines, old_and_new
from gated.calibrate.pairs import Pairs, Visits, take_file, take_ledger
from gated.calibrate.typed import take_typed
from gated.calibrate.write import write
from gated.errors import ExitCode, GatedError, StorageError
from gated.facts.alone import Busy, running_gate
from gated.ledger.reader import LedgerReader
from gated.sensors.agreement import MIN_PAIRS, Agreed, agreement
from gated.sensors.calibration import Agreement, Calibration
from gated.sensors.two_point import NotCalibrated

PAIRS_TO_WRITE, PAIRS_RECOMMENDED = 10, 30
MAX_CHANGE_C = 1.5
"""More is a chip, a distance or a typing error, not a site."""
SCATTER_C = 0.9
"""Settled foreheads differ from an oral reading by 0.64 °C (sd); these are not settled."""
MAX_LAST = 100
EVERYBODY = 200
"""Visits that the people of the pairs are compared with."""
MIN_EVERYBODY = 30
SELECTED_MORE = 0.25
"""If so many more of the pairs' people read high than of everybody, that is why they were chosen.
Not their share alone: a gate that reads everybody too high must be told so."""
MILDER_C = -0.05


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say."""

    files: tuple[Path, ...] = ()
    is_typed: bool = False
    last: int = 10  # visits shown for typing
    keep: Path | None = None  # typed pairs are added to this file
    is_ledger: bool = False
    since: date | None = None
    without: frozenset[str] = frozenset()  # visits
    is_sure: bool = False
    accepts_selected: bool = False
    as_json: bool = False


def wanted_of(args: argparse.Namespace) -> Wanted:
    """Return what the options say. Raises: GatedError: they do not fit together."""
    if not (args.pairs or args.typed or args.ledger):
        raise GatedError(
            "where are the pairs? --pairs FILE.csv, --typed or --ledger (请指定配对来源)"
        )
    if args.keep is not None and not args.typed:
        raise GatedError("--keep keeps what --typed asks for: give both")
    if not 1 <= args.last <= MAX_LAST:
        raise GatedError(f"--last: 1 to {MAX_LAST} visits")
    return Wanted(
        files=tuple(args.pairs),
        is_typed=args.typed,
        last=args.last,
        keep=args.keep,
        is_ledger=args.ledger,
        since=args.since,
        without=args.without,
        is_sure=args.yes,
        accepts_selected=args.accept_selected,
        as_json=args.json,
    )


@dataclass(frozen=True, slots=True)
class _Result:
    agreed: Agreed
    draft: Calibration
    warnings: tuple[Text, ...]
    refusal: str  # "": it may be written


def calibrate(case: Case, bench: Bench, wanted: Wanted, dialog: Dialog) -> ExitCode:
    """Gather pairs, show what they say, ask, write. Raises: GatedError: why nothing was written."""
    if wanted.as_json:  # standard output is the program's
        dialog = replace(dialog, out=dialog.aside)
    old = case.in_force()
    if not wanted.as_json or wanted.is_sure:
        case.folder.check_writable()
    chip_id = _chip(case, bench, old)
    found = _gather(case, wanted, dialog)
    for left_out in found.left_out:
        dialog.note((f"未计入 {left_out[0]}", f"left out: {left_out[1]}"))
    if len(found.pairs) < MIN_PAIRS:
        raise NotCalibrated(
            f"usable pairs: {len(found.pairs)}; {PAIRS_TO_WRITE} at least, "
            f"{PAIRS_RECOMMENDED} are good (配对太少)"
        )
    result = _evaluate(case, bench, wanted, found, chip_id)
    where = [str(pair) for pair in found.pairs]
    for text in (*agreed_lines(result.agreed, where), *old_and_new(case, result.draft)):
        dialog.tell(text)
    for warning in result.warnings:
        dialog.note((f"! {warning[0]}", f"! {warning[1]}"))
    written = None
    if not result.refusal and (not wanted.as_json or wanted.is_sure):
        write(case, result.draft, dialog, bench.clock, is_sure=wanted.is_sure)
        written = result.draft.name
    if wanted.as_json:
        print(json.dumps(_document(case, result, found, where, written), ensure_ascii=False))
    if result.refusal:
        raise NotCalibrated(result.refusal)
    return ExitCode.OK


def _chip(case: Case, bench: Bench, old: Calibration | None) -> str:
    """Return the chip that the pairs are of. Raises: NotCalibrated: another is there now."""
    if old is None:
        return present_chip(case.settings, case.config.paths, bench)
    try:
        gate = running_gate(case.config.paths, bench.clock)
    except Busy:
        gate = None  # nothing is opened; who may not look at the gate may not write either
    now = old.chip_id if gate is None else gate.chips.get(case.name, old.chip_id)
    if now != old.chip_id:
        raise NotCalibrated(
            f"{old.name} was taken with another chip, {old.chip_id}; there is {now}. First: "
            f"gated calibrate confirm {case.name} (先确认更换的芯片)"
        )
    return old.chip_id


def _gather(case: Case, wanted: Wanted, dialog: Dialog) -> Pairs:
    found = Pairs(without=wanted.without)
    with ExitStack() as stack:
        visits = None
        try:
            reader = LedgerReader(case.config.paths.state / "ledger.db")
            visits = Visits(case, stack.enter_context(closing(reader)))
        except StorageError:
            if wanted.is_typed or wanted.is_ledger:
                raise
        for path in wanted.files:
            take_file(found, path, case, visits)
        if visits is not None and wanted.is_ledger:
            take_ledger(found, visits, wanted.since)
        if visits is not None and wanted.is_typed:
            take_typed(found, visits, dialog, last=wanted.last, keep=wanted.keep)
        if visits is not None:
            found.everybody_c += [gate_c for _, gate_c in visits.last(EVERYBODY)]
    return found


def _evaluate(case: Case, bench: Bench, wanted: Wanted, found: Pairs, chip_id: str) -> _Result:
    old, now = case.newest, case.site(case.newest)
    agreed = agreement([pair.difference_c for pair in found.pairs])
    draft = case.draft(old, chip_id, bench.clock).model_copy(
        update={
            "site_a_c": round(now.a_c + agreed.bias_c, 3),
            "site_b": now.b,
            "agreement": Agreement(
                pairs=agreed.pairs,
                bias_c=round(agreed.bias_c, 4),
                sd_c=round(agreed.sd_c, 4),
                loa_low_c=round(agreed.loa_low_c, 4),
                loa_high_c=round(agreed.loa_high_c, 4),
            ),
            "note": f"without {len(wanted.without)} visits" if wanted.without else "",
        }
    )
    choice = _choice(case, found, is_ledger=wanted.is_ledger)
    is_accepted = wanted.accepts_selected or not choice.is_by_reading
    warnings = tuple(_warnings(case, agreed, draft, choice))
    return _Result(agreed, draft, warnings, _refusal(agreed, is_accepted=is_accepted))


@dataclass(frozen=True, slots=True)
class _Choice:
    """How the people of the pairs came to be measured twice."""

    share: float  # of them, that read high
    is_by_reading: bool  # many more than of everybody
    is_of_released: bool


def _choice(case: Case, found: Pairs, *, is_ledger: bool) -> _Choice:
    temperature = case.config.temperature
    high_c = temperature.fever_threshold_c - temperature.guard_below_c
    share = _share_from(high_c, [pair.gate_c for pair in found.pairs])
    if len(found.everybody_c) < MIN_EVERYBODY:
        return _Choice(share, is_ledger, is_ledger)
    more = share - _share_from(high_c, found.everybody_c)
    return _Choice(share, more > SELECTED_MORE, is_ledger)


def _share_from(high_c: float, gate_c: list[float]) -> float:
    return sum(value_c >= high_c for value_c in gate_c) / len(gate_c)


def _refusal(agreed: Agreed, *, is_accepted: bool) -> str:
    """Return why these pairs change nothing; "": they may."""
    if agreed.pairs < PAIRS_TO_WRITE:
        return (
            f"{agreed.pairs} pairs are too few to change anything: {PAIRS_TO_WRITE} at least, "
            f"{PAIRS_RECOMMENDED} are good; nothing is written (配对太少，未写入)"
        )
    if abs(agreed.bias_c) > MAX_CHANGE_C:
        return (
            f"a change of {agreed.bias_c:+.2f} °C is more than {MAX_CHANGE_C:g} °C: that is no "
            "site's. Look at variant, distance, contact thermometer and typing; nothing is written "
            "(改动过大，未写入)"
        )
    if agreed.bias_c < MILDER_C and not is_accepted:
        return (
            "these people were chosen because they read high, so the gate looks too hot by chance; "
            "a lower offset would let fevers in. Measure everybody of one class, whatever the gate "
            "says; --accept-selected if you know better; nothing is written (所选人群偏高，未写入)"
        )
    return ""


def _warnings(case: Case, agreed: Agreed, draft: Calibration, choice: _Choice) -> Iterator[Text]:
    if agreed.pairs < PAIRS_RECOMMENDED:
        yield (
            f"只有 {agreed.pairs} 对，建议至少 {PAIRS_RECOMMENDED} 对",
            f"only {agreed.pairs} pairs; {PAIRS_RECOMMENDED} or more are recommended",
        )
    if choice.is_by_reading or choice.is_of_released:
        yield (
            (
                f"这些人中 {choice.share:.0%} 读数偏高：因偏高才复测的人，会使闸机显得偏高"
                "（均值回归）。应整班都测"
            ),
            (
                f"{choice.share:.0%} of these people read high. People who are measured because "
                "they read high make the gate look too hot (regression to the mean): measure a "
                "whole class"
            ),
        )
    if agreed.sd_c > SCATTER_C:
        yield (
            f"差别分散（标准差 {agreed.sd_c:.2f} °C）：检查距离、刚从室外进来的人、接触式测法",
            (
                f"they scatter (sd {agreed.sd_c:.2f} °C): look at distance, people just come in "
                "from the cold, and how the contact thermometer is used"
            ),
        )
    if not draft.points:
        yield (
            "测温头未对参考面标定：此系数含该芯片自身偏差，换芯片后须重做",
            (
                "this thermometer was never calibrated against a reference: the offset holds its "
                "chip's own error, too, and ends with that chip"
            ),
        )
    published_c = case.site(None).a_c
    if draft.site_a_c is not None and abs(draft.site_a_c - published_c) > MAX_CHANGE_C:
        yield (
            f"与配置值 {published_c:.2f} 相差很大：检查型号与部位",
            f"far from the configured {published_c:.2f}: look at variant and site",
        )


def _document(
    case: Case, result: _Result, found: Pairs, where: list[str], written: str | None
) -> dict[str, object]:
    numbers = asdict(result.agreed) | {"pairs_missing": result.agreed.pairs_missing}
    numbers["outliers"] = [where[place] for place in result.agreed.outliers]
    return numbers | {
        "thermometer": case.name,
        "left_out": [en for _, en in found.left_out],
        "warnings": [en for _, en in result.warnings],
        "old_a_c": case.site(case.newest).a_c,
        "new_a_c": result.draft.site_a_c,
        "refused": result.refusal or None,
        "written": written,
    }
