"""What the table and the page say, in simplified Chinese and English. Pure."""

from __future__ import annotations

from gated.sensors.agreement import Agreed
from gated.texts import signed
from gated.tuning.study import Verified
from gated.tuning.trial import Trial

Text = tuple[str, str]
"""Simplified Chinese, English."""

NAMED = 10
"""So many visits are named in a warning; the number of the others is said."""

TITLE: Text = (
    "换一组体温设置，这些通行会怎样",
    "What other temperature settings would have done to these visits",
)
READ: Text = ("读取", "read")
JUDGED: Text = ("体温", "temperature")
TODAY: Text = ("现在", "today")
PROPOSED: Text = ("改后", "proposed")
VISIT: Text = ("通行", "visit")
GATE_C: Text = ("闸机 °C", "gate °C")
CONTACT_C: Text = ("接触 °C", "contact °C")
MORE: Text = ("另有 {n} 例", "and {n} more")
CHANGE: Text = ("变化", "change")
CHECK: Text = ("核对", "check")
PER_DAY: Text = ("每天", "A day")
IN_ALL: Text = ("合计", "In all")
STOPPED: Text = ("判为高温", "stopped as high")
AGAIN: Text = ("复测", "measured again")
NOT_JUDGED: Text = ("无法判断", "not judged")
VISITS: Text = ("人次", "visits")
THRESHOLD: Text = ("发热阈值", "threshold")
SENSITIVITY: Text = ("灵敏度", "sensitivity")
SPECIFICITY: Text = ("特异度", "specificity")
CASES_LET_IN: Text = ("放行确认发热", "cases let in")
MORE_NEEDED: Text = ("±5 点还需", "more needed for ±5 points")
SWEEP_TITLE: Text = ("阈值逐档比较", "Threshold by threshold")
AS_PROPOSED: Text = ("（其余设置同改后）", " (everything else as proposed)")
CONTACT_TITLE: Text = (
    "与接触式体温计对照",
    "Held up against the contact thermometer",
)
HOUR_TITLE: Text = ("按时段", "By hour")
AMBIENT_TITLE: Text = ("按环境温度", "By ambient temperature")
THERMOMETER_TITLE: Text = ("按测温头", "By thermometer")
DAY_TITLE: Text = ("按日", "By day")
HOUR: Text = ("时", "hour")
AMBIENT: Text = ("环境 °C", "ambient °C")
THERMOMETER: Text = ("测温头", "thermometer")
DAY: Text = ("日期", "day")
PASTE: Text = (
    "写入闸机配置文件，替换同名的行",
    "To paste into the gate's configuration, in place of the same lines",
)
PASTE_INTO: Text = (
    "写入 {file}，替换同名的行",
    "To paste into {file}, in place of the same lines",
)
THEN_RUN: Text = ("然后运行", "then run")
RELOAD = "gated config check && sudo systemctl reload gated.target"
TRY: Text = (
    "试一组设置：gated tune --threshold 37.4；生成图表：--html page.html --png plots.png",
    "Try some: gated tune --threshold 37.4; plots: --html page.html --png plots.png",
)
NOT_SAFE: Text = (
    "写入之前请三思：见上方红色警告",
    "think twice before you paste this: see the red warning above",
)
UNCHANGED: Text = (
    "这组设置与现在相同，没有变化",
    "these are today's settings: nothing would change",
)
SAFE: Text = (
    "接触测温确认的发热，改后仍不放行：{cases} 例，即全部",
    "confirmed cases that would still be stopped: {cases} of {cases}",
)
BIAS: Text = (
    (
        "注意：接触测温几乎只对被拦下的人做过。未拦下、也没有接触测温的人是否发热，无人知道。"
        "所以灵敏度和特异度只说明这 {n} 人次；现在的灵敏度必然偏高。"
        "放宽会漏掉谁，这里看得出；收紧会多查出谁，看不出。"
    ),
    (
        "Mind: contact readings exist almost only for people who were stopped. Of everybody who "
        "was let in without one, nobody knows. So sensitivity and specificity hold for these {n} "
        "visits alone, and today's sensitivity is too good by construction. What a looser setting "
        "misses shows here; what a stricter one would find cannot."
    ),
)
NO_CONTACTS: Text = (
    (
        "没有接触测温值：无法说明灵敏度和特异度，也查不出会不会放行发热者。"
        "处理时请扫体温值（gated pass value-sheet）。"
    ),
    (
        "There is no contact reading: nothing can be said of sensitivity and specificity, nor if "
        "a case would be let in. Let staff show the contact value at each release "
        "(gated pass value-sheet)."
    ),
)
UNKNOWN: Text = (
    (
        "范围（如 1–3）：有的人次须复测（改后 {n}），当时没有测第二次，结果不明；"
        "最少按全部正常、最多按全部高温。"
    ),
    (
        "A range such as 1–3: some visits (as proposed: {n}) would be measured again and were not "
        "when it happened, so nobody knows with what result. At the least all of them normal, at "
        "the most all high."
    ),
)
UNKNOWN_IN_SWEEP: Text = (
    (
        "范围（如 1–3）：有的人次在该阈值下须复测，当时没有测第二次，结果不明；"
        "最少按全部正常、最多按全部高温。"
    ),
    (
        "A range such as 1–3: at that threshold some visits would be measured again and were not "
        "when it happened, so nobody knows with what result. At the least all of them normal, at "
        "the most all high."
    ),
)
ESTIMATE: Text = (
    "≈ 是估计：按 {n} 对首次与第二次读数之差推算。",
    "≈ is an estimate, from how {n} second readings differed from the first ones.",
)
NO_ESTIMATE: Text = (
    "不作估计：只有 {n} 人次测过两次，至少要 {enough}。",
    "No estimate: visits measured twice: {n}; at least {enough} are needed.",
)
OBSERVED: Text = (
    "{n} 人次在试运行模式：当时没有因体温拦人，此处按规则计。",
    (
        "In mode observe: {n}. Nobody was stopped for a temperature there; here they count as the "
        "rule says."
    ),
)
OTHER_SETTINGS: Text = (
    "{n} 人次记录时的阈值与现在不同；此处一律用当时的读数重新判定。",
    (
        "Recorded under another threshold than today's: {n}. All visits are judged anew from "
        "their readings."
    ),
)
UNDATED: Text = (
    "{n} 人次时间不可信：不计入每天和时段的数字。",
    "Without a trustworthy time: {n}. They are in no figure for a day or an hour.",
)
DAMAGED: Text = (
    "{n} 条记录已损坏，未计入；见 gated ledger verify。",
    "Damaged records, left out: {n}. See gated ledger verify.",
)
COLD_FACES: Text = (
    "{n} 人次因脸冷无法判断，未记录体温：加上偏移后也许可以判断，此处仍按无法判断计。",
    (
        "Refused as a cold face, without a temperature on record: {n}. With the offset some might "
        "be judged; here they stay as they were."
    ),
)
NO_CONFIG: Text = (
    (
        "未给出配置文件：“现在”的阈值取自最近一次通行，复测区间和次数取默认值。"
        "请用 --config 指明闸机的配置。"
    ),
    (
        "No configuration was given: today's threshold is the newest visit's, guard band and "
        "attempts are the defaults. Name the gate's own with --config."
    ),
)
SEVERAL_GATES: Text = (
    "共 {n} 台闸机一起计算：{names}。用 --site、--gate 只看一台。",
    "{n} gates are taken together: {names}. Choose with --site and --gate.",
)
NOT_HARD: Text = (
    "checks.temperature = {value}：本闸机现在不因体温拦人；此处按拦人计。",
    (
        "checks.temperature = {value}: this gate stops nobody for a temperature now; here it "
        "counts as if it did."
    ),
)
OFFSET_LINE: Text = (
    "offset_a_c：现在 {a:g}，加 {offset:+g}；已单独标定的测温头不受它影响，见 gated calibrate",
    (
        "offset_a_c: today's {a:g}, and {offset:+g}. It does not reach a thermometer with a "
        "calibration of its own: see gated calibrate"
    ),
)
OFFSET_BY_CALIBRATION: Text = (
    "偏移 {offset:+g} °C 不是一行配置：见 gated calibrate",
    "the offset of {offset:+g} °C is not one line: see gated calibrate",
)
OFFSET_WITHOUT_CONFIG: Text = (
    "偏移：把配置中的 offset_a_c 加 {offset:+g}（现值见 gated config show --all）",
    "the offset: add {offset:+g} to offset_a_c of the configuration (gated config show --all)",
)
OUT_OF_BOUNDS: Text = (
    "{key} = {value:g} 超出允许范围 {allowed}，闸机会拒绝这份配置",
    "{key} = {value:g} is outside {allowed}: the gate would refuse this configuration",
)
NOT_A_DIAGNOSIS: Text = (
    "这里只说明规则会怎样判。是否发热，以接触式体温计和医生为准。",
    "This is what the rule would have said. Who is ill, a contact thermometer and a doctor say.",
)
CONTACT_HELP: Text = (
    "“确认发热”：接触测温 ≥ {limit:.1f} °C。区间为 95 %（Wilson）。",
    "A confirmed case: a contact reading of {limit:.1f} °C or more. Intervals: 95 % (Wilson).",
)


def filled(text: Text, **values: object) -> Text:
    """Return ``text`` with its places filled in."""
    zh, en = text
    return zh.format_map(values), en.format_map(values)


def counted(number: int, noun: str) -> str:
    """Return such as "1 visit" or "2,000 visits", in English."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def degrees(value_c: float) -> str:
    """Return ``value_c`` with one decimal, or as many as it needs."""
    text = f"{round(value_c, 3):g}"
    return text if "." in text else f"{text}.0"


def settings(trial: Trial) -> Text:
    """Return a rule in words."""
    rules = trial.rules
    limit = degrees(rules.fever_threshold_c)
    zh = (
        f"{limit} °C 及以上为高温" if rules.fever_threshold_inclusive else f"高于 {limit} °C 为高温"
    )
    en = "high from {} °C on" if rules.fever_threshold_inclusive else "high above {} °C"
    en = en.format(limit)
    if rules.max_attempts > 1 and trial.guard_from_c < trial.guard_to_c:
        first, last = degrees(trial.guard_from_c), degrees(trial.guard_to_c)
        zh += f"；首次读数 {first} 至不到 {last} °C 时复测，最多测 {rules.max_attempts} 次"
        en += f"; from {first} to below {last} °C measured again, {rules.max_attempts} readings"
    else:
        zh += "；不复测"
        en += "; never measured again"
    if trial.offset_c:
        zh += f"；每个读数 {trial.offset_c:+g} °C"
        en += f"; {trial.offset_c:+g} °C on every reading"
    return zh, en


def would_let_in(count: int) -> Text:
    """Return the warning that matters most."""
    return (
        f"危险：这一改动会放行 {count} 例接触测温确认的发热",
        f"DANGER: this change would let in {_cases(count)}",
    )


def might_let_in(count: int) -> Text:
    return (
        f"危险：这一改动可能放行 {count} 例接触测温确认的发热，取决于当时没有测的第二次读数",
        f"DANGER: this change might let in {_cases(count)} (an untaken second reading decides)",
    )


def lets_in_already(count: int) -> Text:
    return (
        f"危险：现在的设置已会放行 {count} 例接触测温确认的发热",
        f"DANGER: today's settings let in {_cases(count)} already",
    )


def _cases(count: int) -> str:
    return "a confirmed case" if count == 1 else f"{count} confirmed cases"


def case(found: Verified, *, is_one_gate: bool) -> tuple[str, str, str]:
    """Return (visit, gate's and contact temperature in °C) of a confirmed case."""
    site, gate, visit_id = found.key
    body = "–" if found.body_c is None else f"{found.body_c:.2f}"
    name = visit_id if is_one_gate else f"{site}/{gate} {visit_id}"
    return name, body, f"{found.contact_c:.1f}"


def agreement(found: Agreed) -> Text:
    """Return how far gate and contact thermometer lie apart."""
    bias = signed(found.bias_c)
    limits = f"{signed(found.loa_low_c)} … {signed(found.loa_high_c)}"
    return (
        f"接触减闸机：平均 {bias} °C，95 % 在 {limits} °C 之间（{found.pairs} 对）",
        f"contact minus gate: {bias} °C on average, 95 % within {limits} °C ({found.pairs} pairs)",
    )
