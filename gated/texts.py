"""Every text that a visitor or a maintainer reads at the gate, in simplified Chinese and English.

Accessible wording: what to do next, never what somebody is suspected of.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, get_args

from gated.vocabulary import (
    ClaimStep,
    HolderCategory,
    Mode,
    Outcome,
    PassageResult,
    Prompt,
    Reason,
    ReleaseResult,
    UnreadCause,
)

Pair = tuple[str, str]
"""A text in simplified Chinese and in English."""

Language = Literal["zh-Hans", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

PROMPTS: Mapping[Prompt, Pair] = {
    Prompt.READY: ("请上前测温", "Welcome. Please step up to the sensor"),
    Prompt.FACE: ("请看向测温口", "Please look at the sensor"),
    Prompt.COME_CLOSER: ("请再靠近一点", "Please come a little closer"),
    Prompt.STAND_STILL: ("请站稳别动", "Please stand still"),
    Prompt.MEASURE_AGAIN: ("请站好，再测一次", "Please stay, we measure once more"),
    Prompt.AGAIN_LATER: (
        "请到避风阴凉处休息，三分钟后再测",
        "Please rest out of sun and wind, and measure again in three minutes",
    ),
    Prompt.SHOW_CODE: ("请出示通行码", "Please show your code"),
    Prompt.HOLD_CLOSER: ("请把码靠近一点", "Please hold the code a little closer"),
    Prompt.HOLD_FURTHER: ("请把码拿远一点", "Please hold the code a little further away"),
    Prompt.BRIGHTER_SCREEN: ("请把屏幕调亮", "Please make the screen brighter"),
    Prompt.TURN_FROM_GLARE: (
        "有反光，请把码转动一下",
        "There is glare, please turn the code a little",
    ),
    Prompt.HOLD_STILL: ("请把码拿稳", "Please hold the code still"),
    Prompt.ONE_CODE_ONLY: ("请只出示一个码", "Please show one code only"),
    Prompt.SHOW_ANOTHER_CODE: (
        "此码不能用，请换一个码",
        "This code cannot be used, please show another",
    ),
    Prompt.ONE_MOMENT: ("请稍候", "One moment, please"),
    Prompt.GO: ("请通行", "Please go through"),
    Prompt.THANK_YOU_WAIT_OUTSIDE: ("谢谢，请在门外等候", "Thank you, please stay outside"),
    Prompt.WAIT_STAFF: (
        "请到旁边稍候，老师马上来",
        "Please wait at the side, a member of staff is coming",
    ),
    Prompt.STAFF_CARD_FIRST: ("老师：请先刷工作卡", "Staff: please show your card first"),
    Prompt.STAFF_PRESS_BUTTON: (
        "老师：请扫体温值，再按按钮",
        "Staff: show the contact value, then press the button",
    ),
    Prompt.SHUT_GATE: ("请把闸门关好", "Please shut the gate"),
    Prompt.CLOSED: ("暂不开放，请联系值班人员", "Closed now, please speak to the staff on duty"),
    Prompt.OUT_OF_ORDER: ("设备故障，请找值班人员", "Out of order, please find the staff on duty"),
}

OUTCOMES: Mapping[Outcome, Pair] = {
    Outcome.GRANTED: ("放行", "granted"),
    Outcome.DENIED: ("未放行", "denied"),
    Outcome.SEE_STAFF: ("请老师处理", "see staff"),
    Outcome.SCREENED_ONLY: ("已测温，不入内", "screened only"),
    Outcome.ABANDONED: ("已离开", "abandoned"),
}

MODES: Mapping[Mode, Pair] = {
    Mode.NORMAL: ("正常", "normal"),
    Mode.CLOSED: ("封闭", "closed"),
    Mode.OBSERVE: ("试运行（只记录）", "observe (records only)"),
}

RELEASES: Mapping[ReleaseResult, Pair] = {
    ReleaseResult.CLEARED: ("复测正常，放行", "cleared"),
    ReleaseResult.ISOLATED: ("复测偏高，不放行", "kept apart"),
    ReleaseResult.OVERRIDE: ("值班人员放行", "released by staff"),
}

REASONS: Mapping[Reason, Pair] = {
    Reason.STORAGE_FAILED: ("记录无法保存", "the record could not be stored"),
    Reason.RESTART: ("设备重启", "the gate restarted"),
    Reason.CLOSED: ("封闭管理", "closed to this category"),
    Reason.TEMPERATURE_HIGH: ("体温达到阈值", "at or above the threshold"),
    Reason.LISTED_PERSON: ("名单人员", "on the list"),
    Reason.CODE_RED: ("红码", "red code"),
    Reason.CODE_YELLOW: ("黄码", "yellow code"),
    Reason.REVOKED: ("通行码已作废", "pass revoked"),
    Reason.BAD_SIGNATURE: ("签名不符", "signature does not match"),
    Reason.UNKNOWN_KEY: ("签发者未知", "issuer not known"),
    Reason.WRONG_USE: ("签发者无此权限", "issuer may not sign this"),
    Reason.MALFORMED: ("码内容有误", "code is damaged"),
    Reason.UNSUPPORTED: ("不是通行码", "not a pass"),
    Reason.DOES_NOT_EXIST: ("平台查无此码", "the platform knows no such code"),
    Reason.VERIFICATION_FAILED: ("平台核验失败", "the platform could not verify it"),
    Reason.AMBIGUOUS: ("同时出现两个码", "two codes at once"),
    Reason.REPLAYED: ("动态码已使用过", "changing code shown before"),
    Reason.STALE_CODE: ("动态码已失效，请刷新", "changing code too old, refresh it"),
    Reason.EXPIRED: ("已过期", "expired"),
    Reason.NOT_YET_VALID: ("尚未生效", "not yet valid"),
    Reason.CODE_GREY: ("灰码", "grey code"),
    Reason.NOT_ENOUGH: ("证明不符合本处要求", "not what this site asks for"),
    Reason.VERIFIER_TIME_OUT: ("核验平台无应答", "no answer from the platform"),
    Reason.REVOCATIONS_OLD: ("作废名单过旧", "list of revoked codes is old"),
    Reason.CLOCK_UNKNOWN: ("时钟不可信", "clock not known"),
    Reason.CLOCK_HOLDOVER: ("时钟尚未校准", "clock not set yet"),
    Reason.USED_UP: ("次数已用完", "used up"),
    Reason.PASSBACK: ("重复进入", "used again without leaving"),
    Reason.WRONG_DIRECTION: ("方向不符", "not for this direction"),
    Reason.WRONG_ZONE: ("区域不符", "not for this place"),
    Reason.NO_CREDENTIAL: ("没有出示码", "no code shown"),
    Reason.SENSOR_LOST: ("测温器失联", "sensor lost"),
    Reason.SENSOR_FAULT: ("测温器故障", "sensor fault"),
    Reason.CHECKSUM: ("测温数据出错", "reading garbled"),
    Reason.UNCALIBRATED: ("未标定", "not calibrated"),
    Reason.WRONG_CALIBRATION: ("标定不属于此测温器", "calibration of another sensor"),
    Reason.WARMING_UP: ("测温器预热中", "sensor warming up"),
    Reason.NO_AMBIENT: ("缺少环境温度", "no ambient temperature"),
    Reason.AMBIENT_OUT_OF_RANGE: ("环境温度超出范围", "ambient out of range"),
    Reason.OUT_OF_DISTANCE: ("距离不合适", "too far or too near"),
    Reason.SPREAD_TOO_LARGE: ("读数不稳", "reading not steady"),
    Reason.COLD_FACE: ("面部太冷，请稍后再测", "face too cold, measure again later"),
    Reason.STALE_READING: ("读数过时", "reading too old"),
    Reason.NO_READING: ("未测到体温", "no reading"),
    Reason.ESCORT: ("陪送人员", "escort"),
    Reason.WALKED_AWAY: ("已走开", "walked away"),
    Reason.SUNLIT: ("通道有日晒", "sun on the lane"),
    Reason.DEGRADED: ("未取得平台最新结果", "without the platform's fresh answer"),
}

CATEGORIES: Mapping[HolderCategory, Pair] = {
    HolderCategory.STUDENT: ("学生", "student"),
    HolderCategory.STAFF: ("教职工", "staff"),
    HolderCategory.VISITOR: ("访客", "visitor"),
    HolderCategory.DUTY: ("值班人员", "on duty"),
    HolderCategory.EMERGENCY: ("应急人员", "emergency"),
    HolderCategory.COURIER: ("快递配送", "courier"),
    HolderCategory.RETEST_RELEASE: ("复检放行", "released after a retest"),
    HolderCategory.ESCORT: ("陪送人员", "escort"),
}

PASSAGES: Mapping[PassageResult, Pair] = {
    PassageResult.PASSED: ("已通过", "went through"),
    PassageResult.NOBODY_PASSED: ("未通过", "nobody went through"),
    PassageResult.HELD_OPEN: ("闸门未关上", "held open"),
    PassageResult.FORCED: ("未经放行通过", "passage without a grant"),
    PassageResult.UNKNOWN: ("结果不明", "not known"),
}

UNREAD_CAUSES: Mapping[UnreadCause, Pair] = {
    UnreadCause.TOO_SMALL: ("码太远", "code too far away"),
    UnreadCause.TOO_LARGE: ("码太近", "code too near"),
    UnreadCause.TOO_DARK: ("屏幕太暗", "screen too dark"),
    UnreadCause.TOO_BRIGHT: ("光线太强", "too much light"),
    UnreadCause.GLARE: ("反光", "glare"),
    UnreadCause.BLURRED: ("画面模糊", "blurred"),
}

CLAIM_STEPS: Mapping[ClaimStep, Pair] = {
    ClaimStep.CARD: ("老师已刷卡", "staff card shown"),
    ClaimStep.KEY: ("钥匙开关已转", "key switch turned"),
    ClaimStep.VALUE: ("已扫体温值", "contact value shown"),
    ClaimStep.VALUE_WITHOUT_CARD: ("未刷卡就扫体温值", "contact value without a staff card"),
    ClaimStep.BUTTON: ("已按按钮应答", "button pressed, call answered"),
    ClaimStep.EXPIRED: ("刷卡后未按按钮", "staff card without the button"),
}


def say(texts: Pair, language: Language) -> str:
    """Return one of a pair of texts."""
    return texts[LANGUAGES.index(language)]


def signed(value: float) -> str:
    """Return a difference with its sign and two decimals, as people write it."""
    return f"{'−' if round(value, 2) < 0 else '+'}{abs(value):.2f}"


def device_lost(name: str, reason: str) -> Pair:
    """Return what is said of a device that is not there.

    By the service's status line, ``gated status`` and the doctor alike.

    Args:
        name: as alarms have it.
        reason: what its adapter says is missing; "" if that is not known.
    """
    if not reason:
        return f"{name} 失联", f"{name} is lost"
    return f"{name} 失联：{reason}", f"{name} is lost: {reason}"


def cli_language() -> Language:
    """Return the language of this terminal: GATED_LANG, else the locale, else English."""
    wanted = os.environ.get("GATED_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG", "")
    return "zh-Hans" if wanted.lower().startswith("zh") else "en"
