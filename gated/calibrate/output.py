"""How ``gated calibrate`` shows calibrations and what was measured, in two languages. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from gated.calibrate.case import Case
from gated.calibrate.dialog import Text
from gated.errors import GatedError
from gated.sensors.agreement import PRECISION_C, Agreed
from gated.sensors.calibration import Agreement, Calibration, ReferencePoint
from gated.sensors.site import SiteOffset
from gated.sensors.two_point import Line, Steadiness, Unsteady, Window
from gated.texts import signed

FACTORY: Text = ("出厂值（未标定）", "as made (no calibration)")
SPOT_SKIN_C = 34.5
"""What a healthy forehead shows."""
_T95 = 1.96


# --- calibrations --------------------------------------------------------------------------------


def list_lines(case: Case, chip_id: str | None) -> Iterator[Text]:
    """Yield what is in force of one thermometer. ``chip_id``: the one there now, if known."""
    if case.trouble:
        yield (f"! {case.name}：{case.trouble}", f"! {case.name}: {case.trouble}")
        return
    now = case.newest
    if now is None:
        yield (f"{case.name}  {FACTORY[0]}", f"{case.name}  {FACTORY[1]}")
    else:
        yield same(f"{case.name}  {_head(now)}")
        yield device_line(now)
    yield site_line(case.site(now))
    if now is not None and now.agreement is not None:
        yield _agreement_line(now.agreement)
    if now is not None and chip_id is not None and chip_id != now.chip_id:
        yield (
            f"  ! 现在装的是另一芯片 {chip_id}：此标定不能用。gated calibrate confirm {case.name}",
            (
                f"  ! another chip is there now, {chip_id}: nobody is judged with this one. "
                f"gated calibrate confirm {case.name}"
            ),
        )


def history_lines(case: Case) -> Iterator[Text]:
    """Yield the versions before the newest, newest first, one line each."""
    for version in reversed(case.versions[:-1]):
        try:
            calibration = case.load(version)
        except GatedError as exc:
            yield same(f"  ! {exc}")
        else:
            a = "–" if calibration.site_a_c is None else f"{calibration.site_a_c:.2f}"
            rule = f"× {calibration.gain:.4f} {signed(calibration.offset_c)}, a {a}"
            yield same(f"  · {_head(calibration)}  {rule}")


def listed(case: Case, chip_id: str | None) -> dict[str, object]:
    """Return what is in force of one thermometer under names."""
    site, now = case.site(case.newest), case.newest
    return {
        "thermometer": case.name,
        "calibration": None if now is None else now.model_dump(mode="json"),
        "site_a_c": site.a_c,
        "site_b": site.b,
        "chip_id": chip_id,
        "is_other_chip": now is not None and chip_id is not None and chip_id != now.chip_id,
        "versions": list(case.versions),
        "trouble": case.trouble or None,
    }


def show_lines(calibration: Calibration, site: SiteOffset) -> Iterator[Text]:
    """Yield everything about one version."""
    yield same(_head(calibration))
    yield device_line(calibration)
    for point in calibration.points:
        yield _point_line(point)
    yield site_line(site)
    if calibration.agreement is not None:
        yield _agreement_line(calibration.agreement)


def same(text: str) -> Text:
    return text, text


def _head(calibration: Calibration) -> str:
    at = calibration.made_at[:16].replace("T", " ")
    head = f"{calibration.name}  {at}  {calibration.made_by}  {calibration.chip_id}"
    return f"{head}  {calibration.note}" if calibration.note else head


def device_line(calibration: Calibration | None) -> Text:
    """Return what is done to what the thermometer shows."""
    if calibration is None or (calibration.gain, calibration.offset_c) == (1.0, 0.0):
        return "  测温头  按出厂值", "  device  as made"
    sign = "−" if calibration.offset_c < 0 else "+"
    rule = f"{calibration.gain:.4f} × {{}} {sign} {abs(calibration.offset_c):.2f} °C"
    taken_zh, taken_en = "", ""
    if calibration.points:
        at = ", ".join(f"{point.reference_c:.1f}" for point in calibration.points)
        taken_zh, taken_en = f"，参考点 {at} °C", f", taken at {at} °C"
    return (
        f"  测温头  真实值 = {rule.format('示值')}{taken_zh}",
        f"  device  true = {rule.format('shown')}{taken_en}",
    )


def site_line(site: SiteOffset) -> Text:
    """Return the way from skin to body."""
    return (
        f"  部位    体温 = 皮肤 + {site.a_c:.2f} − {site.b:.3f} × 气温",
        f"  site    body = skin + {site.a_c:.2f} − {site.b:.3f} × air",
    )


def _agreement_line(agreement: Agreement) -> Text:
    low_high = f"{signed(agreement.loa_low_c)} … {signed(agreement.loa_high_c)} °C"
    bias = signed(agreement.bias_c)
    return (
        f"          {agreement.pairs} 对：标定前平均差 {bias} °C，一致性界限 {low_high}",
        f"          {agreement.pairs} pairs: bias before {bias} °C, limits of agreement {low_high}",
    )


def _point_line(point: ReferencePoint) -> Text:
    numbers = f"{point.reference_c:.2f} °C: {point.shown_c:.2f} °C ± {_uncertain_c(point):.2f}"
    return (
        f"          参考 {numbers}（{point.samples} 次）",
        f"          at {numbers} ({point.samples} samples)",
    )


def _uncertain_c(point: ReferencePoint) -> float:
    """Return the half width of the mean's 95 % interval."""
    return _T95 * point.sd_c / math.sqrt(point.samples)


# --- against a reference -------------------------------------------------------------------------

_STEADYING: dict[Unsteady, Text] = {
    Unsteady.FEW: ("读数中", "reading"),
    Unsteady.PLATE: ("等参考板到温", "waiting for the plate"),
    Unsteady.FAR: ("不像参考面", "this is not the reference"),
    Unsteady.DIE: ("芯片温度未稳", "the chip warms or cools"),
    Unsteady.DRIFT: ("读数漂移", "it drifts"),
    Unsteady.NOISE: ("读数抖动", "it is not still"),
}


def progress(window: Window, limits: Steadiness, trouble: Unsteady) -> Text:
    """Return one line while the reading becomes steady."""
    numbers = f"  {window.count:3d}/{limits.samples}  {window.shown_c:.2f} °C"
    die = window.die_c_per_min
    chip = "–" if die is None else signed(die)
    zh, en = _STEADYING[trouble]
    is_early = window.count < limits.samples / 2  # chance drifts more than a bath
    sd, drift = f"{window.sd_c:.2f}", "–" if is_early else signed(window.drift_c_per_min)
    return (
        (
            f"{numbers}  参考 {window.reference_c:.2f}  标准差 {sd}  漂移 {drift}/分  "
            f"芯片 {chip}/分  {zh}"
        ),
        (
            f"{numbers}  reference {window.reference_c:.2f}  sd {sd}  drift {drift}/min  "
            f"chip {chip}/min  {en}"
        ),
    )


def why_unsteady(trouble: Unsteady, window: Window) -> Text:
    """Return why no point came of it, and what to do."""
    shown, reference = f"{window.shown_c:.2f} °C", f"{window.reference_c:.2f} °C"
    drift, die = signed(window.drift_c_per_min), signed(window.die_c_per_min or 0.0)
    match trouble:
        case Unsteady.FEW:
            return "时间内读数太少", "too few readings came in time"
        case Unsteady.PLATE:
            return (
                f"参考板（{reference}）未到温或仍在变化",
                f"the plate, at {reference}, does not come to rest where it should",
            )
        case Unsteady.FAR:
            return (
                f"示值 {shown}，参考面 {reference}：参考面是否充满视场（距离见 docs/drivers.md）",
                (
                    f"the thermometer shows {shown}, the reference is at {reference}: does it fill "
                    "the view (docs/drivers.md has the distances)?"
                ),
            )
        case Unsteady.DIE:
            return (
                f"芯片温度每分钟变 {die} °C：等预热完成，避开日晒和风",
                (
                    f"the chip's own temperature changes by {die} °C a minute: let it warm up, "
                    "keep sun and draught away"
                ),
            )
        case Unsteady.DRIFT:
            return (
                f"读数每分钟变 {drift} °C：等参考面稳定，水浴要搅拌",
                (
                    f"the reading moves by {drift} °C a minute: wait until the reference is "
                    "steady, stir the bath"
                ),
            )
        case Unsteady.NOISE:
            return (
                f"读数标准差 {window.sd_c:.2f} °C：前面有东西在动，或总线受干扰",
                (
                    f"the readings scatter by {window.sd_c:.2f} °C: something moves before it, or "
                    "the bus is disturbed"
                ),
            )


def taken(point: ReferencePoint) -> Text:
    """Return one point in one line, as soon as it is steady."""
    error = signed(point.shown_c - point.reference_c)
    numbers = f"{point.shown_c:.2f} ± {_uncertain_c(point):.2f} °C"
    return (
        f"  已稳定：示值 {numbers}，参考 {point.reference_c:.2f} °C，偏差 {error} °C",
        f"  steady: shows {numbers}, reference {point.reference_c:.2f} °C, error {error} °C",
    )


def reference_lines(case: Case, draft: Calibration, line: Line) -> Iterator[Text]:
    """Yield old and new, and what is left at each point."""
    for point, residual_c in zip(draft.points, line.residuals_c, strict=True):
        was, left = signed(point.shown_c - point.reference_c), signed(residual_c)
        yield (
            f"{point.reference_c:.2f} °C：示值偏差 {was}，标定后 {left} °C",
            f"at {point.reference_c:.2f} °C: was {was}, will be {left} °C off",
        )
    yield from old_and_new(case, draft)
    if len(draft.points) == 1:
        yield (
            "只有一个点：只改偏移，增益保持 1",
            "one point sets the offset only; the gain stays 1",
        )
    if draft.site_a_c is None and case.newest is not None and case.newest.site_a_c is not None:
        yield (
            "! 原部位系数是在测温头未标定时得到的，含其偏差：改回配置值，请重新取成对读数",
            (
                "! the site offset was fitted while this chip was as made, and holds its error: it "
                "goes back to the configured one; take pairs again: "
                f"gated calibrate site {case.name}"
            ),
        )


def old_and_new(case: Case, draft: Calibration) -> Iterator[Text]:
    """Yield both, and what the change does to a healthy face."""
    old = case.newest
    name = "" if old is None else f" {old.name}"
    yield f"旧{name}", f"old{name}"
    yield device_line(old)
    yield site_line(case.site(old))
    yield f"新 {draft.name}", f"new {draft.name}"
    yield device_line(draft)
    yield site_line(case.site(draft))
    gain, offset_c = (1.0, 0.0) if old is None else (old.gain, old.offset_c)
    change_c = (draft.gain - gain) * SPOT_SKIN_C + draft.offset_c - offset_c
    change_c += case.site(draft).a_c - case.site(old).a_c
    size_c = f"{abs(change_c):.2f} °C"
    zh, en = ("低", "lower") if change_c < 0 else ("高", "higher")
    yield (
        f"正常额头（皮肤 {SPOT_SKIN_C:g} °C）的体温读数比以前{zh} {size_c}",
        f"a normal forehead (skin {SPOT_SKIN_C:g} °C) reads {size_c} {en} than before",
    )


# --- against contact readings --------------------------------------------------------------------


def agreed_lines(agreed: Agreed, where: Sequence[str]) -> Iterator[Text]:
    """Yield what the pairs say. ``where`` tells of each pair which one it is."""
    n, half = agreed.pairs, f"{agreed.bias_ci_c:.2f}"
    low_high = f"{signed(agreed.loa_low_c)} … {signed(agreed.loa_high_c)} °C"
    bias, sd, limit = signed(agreed.bias_c), f"{agreed.sd_c:.2f}", f"{agreed.loa_ci_c:.2f}"
    yield (
        f"{n} 对（接触式 − 闸机）：平均差 {bias} ± {half} °C（95 %），标准差 {sd} °C",
        f"{n} pairs (contact − gate): bias {bias} ± {half} °C (95 %), sd {sd} °C",
    )
    yield (
        f"一致性界限 {low_high}（每侧 ± {limit}）：95 % 的人差别在此之内",
        f"limits of agreement {low_high} (each ± {limit}): 95 % of people differ by no more",
    )
    if agreed.pairs_missing:
        yield (
            (
                f"平均差要准到 ±{PRECISION_C:g} °C，还需 {agreed.pairs_missing} 对"
                f"（共 {agreed.pairs_wanted} 对）"
            ),
            (
                f"until the bias is known to ±{PRECISION_C:g} °C: {agreed.pairs_missing} more "
                f"pairs ({agreed.pairs_wanted} in all)"
            ),
        )
    else:
        yield (
            f"平均差已准到 ±{PRECISION_C:g} °C",
            f"the bias is known to ±{PRECISION_C:g} °C; no more pairs are needed",
        )
    for place in agreed.outliers:
        yield (
            f"! 离群，请核对（仍计入）：{where[place]}",
            f"! far from the others, look at it (it counts): {where[place]}",
        )
    if abs(agreed.bias_c) <= agreed.bias_ci_c:
        yield (
            "平均差可能只是偶然：可以不改",
            "so small a bias may be chance: nothing needs to be changed",
        )
