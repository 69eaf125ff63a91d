"""What the page and the reports say, in simplified Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gated import texts as gate_texts
from gated.collector.completeness import GapReason
from gated.collector.intake import UNREADABLE_KIND
from gated.collector.report import Completeness
from gated.collector.store import Problem
from gated.contents import AlarmName, Kind
from gated.texts import Pair
from gated.vocabulary import Direction

Lang = Literal["zh", "en"]
LANGS: tuple[Lang, ...] = ("zh", "en")

KINDS: Mapping[str, Pair] = {
    Kind.VISIT: ("通行", "visit"),
    Kind.PASSAGE: ("过闸", "passage"),
    Kind.RELEASE: ("值班处理", "handled by staff"),
    Kind.CLAIM: ("值班操作", "staff at the gate"),
    Kind.ALARM: ("提醒", "alarm"),
    Kind.MODE: ("模式切换", "mode changed"),
    Kind.CONFIG: ("配置更新", "configuration"),
    Kind.CALIBRATION: ("测温校准", "calibration"),
    Kind.CLOCK: ("时钟", "clock"),
    Kind.BOOT: ("闸机启动", "gate started"),
    Kind.HEALTH: ("设备状态", "health"),
    Kind.COMMAND: ("远程命令", "command from the centre"),
    UNREADABLE_KIND: ("无法读取的记录", "unreadable record"),
}

DIRECTIONS: Mapping[str, Pair] = {
    Direction.IN: ("进", "in"),
    Direction.OUT: ("出", "out"),
    Direction.UNKNOWN: ("方向不明", "direction not known"),
}

CATEGORIES: Mapping[str, Pair] = {str(k): pair for k, pair in gate_texts.CATEGORIES.items()}

PASSAGES: Mapping[str, Pair] = {str(k): pair for k, pair in gate_texts.PASSAGES.items()}

ALARMS: Mapping[str, Pair] = {
    AlarmName.TEMPERATURE_HIGH: ("体温达到阈值", "temperature at or above the threshold"),
    AlarmName.LISTED_PERSON: ("名单人员到达", "a person on the list has come"),
    AlarmName.CODE_RED_OR_YELLOW: ("红码或黄码", "red or yellow code"),
    AlarmName.STAFF_CALLED: ("请值班人员到闸机", "staff called to the gate"),
    AlarmName.PASSAGE_FORCED: ("有人未经放行通过", "passage without a grant"),
    AlarmName.HELD_OPEN: ("闸门未关上", "the gate is held open"),
    AlarmName.GATE_SHUT_AGAIN: ("闸门已关好", "the gate is shut again"),
    AlarmName.DEVICE_LOST: ("设备失联，请检查接线", "device lost: check its wiring"),
    AlarmName.DEVICE_RETURNED: ("设备已恢复", "device is back"),
    AlarmName.SCANNER_LOST: ("扫码失联", "scanner lost"),
    AlarmName.SCANNER_RETURNED: ("扫码已恢复", "scanner is back"),
    AlarmName.LEDGER_RECOVERED: ("记录文件已修复", "ledger file recovered"),
    AlarmName.LEDGER_FULL: ("存储曾满，期间未放行", "storage was full: nobody was let in"),
    AlarmName.CHAIN_MISMATCH: ("记录链不一致，请检查存储卡", "chain mismatch: check the card"),
    AlarmName.CODE_REFUSED_REPEATEDLY: ("多次出示无效码", "codes refused again and again"),
    AlarmName.COMMAND_REFUSED: ("已拒绝无效指令", "a command was refused"),
    AlarmName.THERMOMETER_DRIFTING: ("测温偏移，请校准", "thermometer has drifted: calibrate it"),
    AlarmName.THERMOMETER_STEADY: ("测温恢复正常", "thermometer is as expected again"),
    AlarmName.CERTIFICATE_EXPIRING: ("连接证书即将到期", "a certificate ends soon: renew it"),
    AlarmName.CERTIFICATE_REFUSED: ("新证书未被接受", "a new certificate is not accepted"),
    AlarmName.SAFE_MODE: ("主控多次崩溃，无人能进", "crashed repeatedly: nobody enters"),
}

COMPLETENESS: Mapping[str, Pair] = {
    Completeness.COMPLETE: ("完整", "complete"),
    Completeness.INCOMPLETE: ("不完整", "incomplete"),
    Completeness.SO_FAR: ("当日未结束", "so far"),
}

GAPS: Mapping[str, Pair] = {
    GapReason.MISSING: ("记录尚未收到", "records not received"),
    GapReason.REPLACED: (
        "闸机更换了记录文件，旧文件末尾可能缺失",
        "the gate began a new ledger: the end of the old one may be missing",
    ),
    GapReason.NOTHING_SINCE: ("此后没有收到任何消息", "nothing heard since"),
    GapReason.NO_SIGN_OF_LIFE: (
        "全天没有任何记录，闸机可能未开机",
        "no record of any kind: the gate may have been off",
    ),
    GapReason.UNREADABLE: ("有记录无法读取", "a record cannot be read"),
    GapReason.CONFLICT: ("同一编号出现两份不同记录", "two different records under one number"),
    GapReason.CHAIN: ("记录链在此断开", "the chain breaks here"),
}

PROBLEMS: Mapping[str, Pair] = {
    Problem.UNREADABLE: ("无法读取", "unreadable"),
    Problem.CONFLICT: ("编号冲突", "conflicts"),
    Problem.CHAIN: ("链断开", "chain breaks"),
    Problem.LINK: ("个人关联不符", "person links that do not fit"),
}

DEVICES: Mapping[str, Pair] = {"ok": ("正常", "works"), "lost": ("失联", "lost")}

REPORT: Mapping[str, Pair] = {
    "title": ("防控日报", "Daily report"),
    "made_at": ("生成于", "made at"),
    "visits": ("人次", "visits"),
    "refusals": ("未放行原因", "why not granted"),
    "to_measure": ("未测出体温，须补测", "not measured, to be measured by hand"),
    "second_measurements": ("复测", "second measurements"),
    "releases": ("值班处理", "handled by staff"),
    "passages": ("过闸异常", "passages to look at"),
    "alarms": ("提醒", "alarms"),
    "would_have_been_refused": ("试运行：本应不放行", "observing: would not have been granted"),
    "boots": ("闸机启动", "starts of the gate"),
    "drills": ("演练记录（未计入）", "drill records (not counted)"),
    "undated_visits": ("时间不可信的通行（未计入）", "visits of unknown time (not counted)"),
    "total": ("合计", "All gates"),
    "at_least": ("至少", "at least"),
    "none_received": ("未收到通行记录", "none received"),
    "zero_report": ("零报告：记录完整，无异常", "Zero report: complete, no abnormality"),
    "zero_report_nobody": (
        "零报告：记录完整，当日无人通行，无异常",
        "Zero report: complete, nobody came, no abnormality",
    ),
    "not_complete": (
        "不完整：不能作零报告，以下数字为已收到的部分",
        "Incomplete: no zero report can be given; the figures are what has been received",
    ),
    "no_gates": (
        "尚未收到任何闸机的消息，不能作零报告",
        "No gate has been heard of: no zero report can be given",
    ),
    "from": ("自", "from"),
    "to": ("至", "to"),
    "records": ("条", "records"),
}

GATES: Mapping[str, Pair] = {
    "online": ("在线", "online"),
    "offline": ("离线", "offline"),
    "stored_upto": ("已存至", "stored up to"),
    "gaps": ("缺口", "gaps"),
    "backlog": ("闸机待传", "waiting in the gate"),
    "last_seen": ("最近消息", "last heard"),
    "last_record": ("最近记录", "last record"),
    "quarantine": ("隔离区", "quarantine"),
    "none": ("尚未收到任何闸机的消息", "No gate has been heard of"),
}

PAGE: Mapping[str, Pair] = {
    "title": ("入口闸机", "Entry gates"),
    "today": ("今日", "Today"),
    "live": ("实时记录", "Live"),
    "gates": ("闸机", "Gates"),
    "all_visits": ("通行人次", "Visits"),
    "connected": ("实时", "live"),
    "disconnected": ("连接中断，正在重连", "connection lost, trying again"),
    "no_entries": ("还没有记录", "Nothing yet"),
    "no_entries_hint": (
        "有人经过闸机后会立即显示在这里",
        "As soon as somebody comes to a gate, it shows here",
    ),
    "threshold": ("阈值", "threshold"),
    "mode": ("模式", "mode"),
    "devices": ("设备", "devices"),
    "devices_ok": ("设备正常", "all devices work"),
    "late": ("补传", "late"),
    "drill": ("演练", "drill"),
    "second": ("复测", "second measurement"),
    "time_unknown": ("时间不可信", "time not known"),
    "language": ("English", "中文"),
    "theme": ("切换明暗", "Light or dark"),
    "skip": ("跳到实时记录", "Skip to the live records"),
    "no_names": ("本页不显示姓名", "No names are shown here"),
    "just_now": ("刚刚", "just now"),
    "seconds_ago": ("秒前", "s ago"),
    "minutes_ago": ("分钟前", "min ago"),
    "hours_ago": ("小时前", "h ago"),
    "days_ago": ("天前", "d ago"),
    "at_gate": ("待传", "waiting"),
    "problems": ("需要查看", "to look at"),
    "not_measured": ("未测到体温", "not measured"),
}

GROUPS: Mapping[str, Mapping[str, Pair]] = {
    "outcome": {word.value: pair for word, pair in gate_texts.OUTCOMES.items()},
    "reason": {word.value: pair for word, pair in gate_texts.REASONS.items()},
    "mode": {word.value: pair for word, pair in gate_texts.MODES.items()},
    "release": {word.value: pair for word, pair in gate_texts.RELEASES.items()},
    "kind": KINDS,
    "direction": DIRECTIONS,
    "category": CATEGORIES,
    "passage": PASSAGES,
    "alarm": ALARMS,
    "completeness": COMPLETENESS,
    "gap": GAPS,
    "problem": PROBLEMS,
    "device": DEVICES,
    "report": REPORT,
    "gates": GATES,
    "page": PAGE,
}
"""Every text by group and key; the page gets all of it."""


def say(group: str, key: str, lang: Lang) -> str:
    """Return a text, or ``key`` itself where a later version's word is not known here."""
    pair = GROUPS[group].get(key)
    return key if pair is None else pair[LANGS.index(lang)]


def all_texts() -> dict[str, dict[str, dict[str, str]]]:
    """Return every text as language → group → key → text."""
    return {
        lang: {
            group: {str(key): pair[number] for key, pair in pairs.items()}
            for group, pairs in GROUPS.items()
        }
        for number, lang in enumerate(LANGS)
    }
