"""How ``gated status`` shows a gate: one screen in the terminal's language, and JSON. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from gated import __version__
from gated.clock import TimeQuality
from gated.contents import Kind
from gated.errors import ExitCode
from gated.facts.advice import LAMP, Text
from gated.facts.problems import clock_time, delivery, problems, size, span
from gated.facts.running import ControllerStatus
from gated.facts.status import AlarmSeen, GateStatus, LedgerFacts
from gated.texts import MODES, OUTCOMES, PROMPTS, Language, say
from gated.vocabulary import Outcome

QUALITIES: dict[TimeQuality, Text] = {
    TimeQuality.TRUSTED: ("时钟可信", "trusted"),
    TimeQuality.HOLDOVER: (
        "本次开机后尚未对时 (holdover)",
        "not set since this start (holdover)",
    ),
    TimeQuality.UNKNOWN: ("时钟错误 (unknown)", "wrong (unknown)"),
}


def exit_code(status: GateStatus) -> ExitCode:
    """Return OK, FAILED if something is wrong, UNAVAILABLE if no controller runs."""
    if not isinstance(status.controller, ControllerStatus):
        return ExitCode.UNAVAILABLE
    return ExitCode.FAILED if any(problems(status)) else ExitCode.OK


# --- the screen ----------------------------------------------------------------------------------


def screen(status: GateStatus, language: Language) -> Iterator[str]:
    """Yield the lines of the screen."""
    rows = [(say(label, language), text) for label, text in _rows(status, language)]
    widest = max(_columns(label) for label, _ in rows)
    for label, text in rows:
        yield f"{label}{' ' * (widest - _columns(label))}  {text}"
    yield ""
    found = list(problems(status))
    for problem in found:
        yield f"! {say(problem, language)}"
    if not found:
        yield say(("一切正常", "all is well"), language)


def _columns(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _rows(status: GateStatus, language: Language) -> Iterator[tuple[Text, str]]:
    yield ("闸机", "gate"), f"{status.site}/{status.gate}, gated {__version__}"
    yield ("时间", "time"), _time(status, language)
    yield ("主控", "controller"), _controller(status, language)
    if isinstance(status.controller, ControllerStatus):
        yield from _running(status.controller, status.ledger, language)
    if status.ledger is not None:
        yield ("今日", "today"), _today(status.ledger, language)
        yield ("上传", "uplink"), delivery(status, status.ledger, language)
        yield ("台账", "ledger"), _ledger(status, status.ledger, language)
        yield ("最近警报", "last alarm"), _alarm(status.ledger.last_alarm, status.now, language)
        yield ("最近故障", "last fault"), _alarm(status.ledger.last_fault, status.now, language)


def _time(status: GateStatus, language: Language) -> str:
    text = status.now.isoformat(sep=" ", timespec="seconds")
    if isinstance(status.controller, ControllerStatus):
        text += f", {say(QUALITIES[status.controller.time_quality], language)}"
    return text


def _controller(status: GateStatus, language: Language) -> str:
    controller = status.controller
    if isinstance(controller, ControllerStatus):
        shown = say(PROMPTS[controller.prompt], language)
        running = say(("运行中，进程", "runs, process"), language)
        return f"{running} {controller.pid}; “{shown}”"
    if status.is_hidden:
        return say(("无权查看", "cannot be seen by this account"), language)
    if controller is None:
        return say(("未运行", "not running"), language)
    if controller.silent_s is None:
        return say(("未运行（开机后未启动）", "not running since this machine started"), language)
    ago = span(controller.silent_s, language)
    return say((f"{ago}前停止响应", f"no sign of life for {ago}"), language)


def _running(
    controller: ControllerStatus, ledger: LedgerFacts | None, language: Language
) -> Iterator[tuple[Text, str]]:
    is_safe = controller.safe_mode_after is not None
    mode = say(("安全模式", "safe mode") if is_safe else MODES[controller.mode], language)
    if ledger is not None and ledger.mode_until is not None and not is_safe:
        until = f"{ledger.mode_until:%Y-%m-%d %H:%M}"
        mode += say((f"，到 {until}", f" until {until}"), language)
    if controller.drill:
        mode += say(("，演练", ", drill"), language)
    yield ("模式", "mode"), mode
    yield (
        ("发热阈值", "threshold"),
        f"{controller.threshold_c:g} °C, {say(('规则', 'rules'), language)} {controller.rules}",
    )
    states = {"ok": say(("正常", "ok"), language), "lost": say(("失联", "LOST"), language)}
    shown = _without_good_lamps(controller.devices, say(("灯", "lamps"), language))
    devices = (f"{name} {states.get(state, state)}" for name, state in shown.items())
    yield ("设备", "devices"), " · ".join(devices)
    if controller.gate is not None:
        gates = {"shut": ("关着", "shut"), "open": ("开着", "stands open")}
        yield ("闸门", "gate door"), say(gates[controller.gate], language)


def _without_good_lamps(devices: Mapping[str, str], together: str) -> dict[str, str]:
    """Return ``devices`` with all lamps that work as one."""
    good = [name for name, state in devices.items() if name.startswith(LAMP) and state == "ok"]
    others = {name: state for name, state in devices.items() if name not in good}
    return {**others, together: "ok"} if good else others


def _today(ledger: LedgerFacts, language: Language) -> str:
    visits = {o: ledger.counts.get((Kind.VISIT.value, o.value), 0) for o in Outcome}
    total = sum(visits.values())
    text = say((f"{total} 人次", f"{total} {'visit' if total == 1 else 'visits'}"), language)
    parts = [f"{say(OUTCOMES[o], language)} {n}" for o, n in visits.items() if n]
    if parts:
        text += f": {', '.join(parts)}"
    for kind, label in ((Kind.RELEASE, ("处理", "releases")), (Kind.ALARM, ("警报", "alarms"))):
        count = sum(n for (name, _), n in ledger.counts.items() if name == kind)
        if count:
            text += f"; {say(label, language)} {count}"
    return text


def _ledger(status: GateStatus, ledger: LedgerFacts, language: Language) -> str:
    events = say((f"{ledger.events} 条", f"{ledger.events} events"), language)
    free = "?" if status.free_bytes is None else size(status.free_bytes)
    free = say((f"磁盘剩余 {free}", f"{free} free on the disk"), language)
    return f"{events}, {size(ledger.size_bytes)}, epoch {ledger.epoch}; {free}"


def _alarm(alarm: AlarmSeen | None, now: datetime, language: Language) -> str:
    if alarm is None:
        return say(("无", "none"), language)
    text = f"{clock_time(datetime.fromisoformat(alarm.at), now)} {alarm.name}"
    if alarm.device is not None:
        text += f" {alarm.device}"
    if alarm.visit_id is not None:
        text += f" (visit {alarm.visit_id})"
    return f"{text}: {alarm.detail}" if alarm.detail else text


# --- for programs --------------------------------------------------------------------------------


def as_json(status: GateStatus) -> dict[str, Any]:
    """Return the same facts under names; ``problems`` in English."""
    controller, ledger = status.controller, status.ledger
    is_running = isinstance(controller, ControllerStatus)
    facts: dict[str, Any] = {
        "site": status.site,
        "gate": status.gate,
        "at": status.now.isoformat(timespec="milliseconds"),
        "software": __version__,
        "running": is_running,
        "problems": [en for _, en in problems(status)],
    }
    if isinstance(controller, ControllerStatus):
        facts |= controller.model_dump(mode="json", exclude={"v", "boottime_ms"})
    if ledger is not None:
        facts["ledger"] = {
            "epoch": ledger.epoch,
            "events": ledger.events,
            "size_bytes": ledger.size_bytes,
            "backlog": ledger.backlog,
            "waits_since": _iso(ledger.waits_since),
            "mode_until": _iso(ledger.mode_until),
            "last_alarm": _alarm_json(ledger.last_alarm),
            "last_fault": _alarm_json(ledger.last_fault),
        }
        facts["today"] = [
            {"kind": kind, "outcome": outcome, "count": count}
            for (kind, outcome), count in sorted(ledger.counts.items())
        ]
    return facts | {"acked_at": _iso(status.acked_at), "free_bytes": status.free_bytes}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def _alarm_json(alarm: AlarmSeen | None) -> dict[str, Any] | None:
    if alarm is None:
        return None
    return {"at": alarm.at, "alarm": alarm.name, "device": alarm.device, "detail": alarm.detail}
