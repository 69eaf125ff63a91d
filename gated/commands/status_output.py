"""How ``gated status`` shows a gate: one screen in the terminal's language, and JSON.

Everything that is wrong is one line that says what to do. Pure.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from gated import __version__
from gated.clock import TimeQuality
from gated.commands.running import CertificateDue, ControllerStatus, Silent
from gated.commands.status_advice import LAMP, Text, advice
from gated.commands.status_facts import AlarmSeen, GateStatus, LedgerFacts
from gated.contents import Kind
from gated.controller.crashes import sentence
from gated.errors import ExitCode
from gated.mqtt.certificate_life import LifeStage
from gated.texts import MODES, OUTCOMES, PROMPTS, Language, say
from gated.vocabulary import Outcome

"""Simplified Chinese, English."""

LATE_AFTER = timedelta(minutes=5)
"""A record that waits longer is held up: an ack takes about a second where all is well."""
NEARLY_FULL = 0.9

QUALITIES: dict[TimeQuality, Text] = {
    TimeQuality.TRUSTED: ("时钟可信", "trusted"),
    TimeQuality.HOLDOVER: (
        "本次开机后尚未对时 (holdover)",
        "not set since this start (holdover)",
    ),
    TimeQuality.UNKNOWN: ("时钟错误 (unknown)", "wrong (unknown)"),
}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


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
    ago = _span(controller.silent_s, language)
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


def delivery(status: GateStatus, ledger: LedgerFacts, language: Language) -> str:
    if ledger.backlog == 0:
        text = say(("全部送达", "everything is delivered"), language)
    else:
        waits = "event waits" if ledger.backlog == 1 else "events wait"
        text = say((f"{ledger.backlog} 条待送达", f"{ledger.backlog} {waits}"), language)
        if ledger.waits_since is not None:
            since = _clock_time(ledger.waits_since, status.now)
            text += say((f"，最早 {since}", f", since {since}"), language)
    if status.acked_at is None:
        return text + say(("；从未收到回执", "; never acknowledged"), language)
    # The collector's clock against ours: a display, never a decision.
    age_s = max(0.0, (status.now - status.acked_at).total_seconds())
    ago = _span(age_s, language)
    return text + say((f"；最近回执 {ago}前", f"; last acknowledgement {ago} ago"), language)


def _ledger(status: GateStatus, ledger: LedgerFacts, language: Language) -> str:
    events = say((f"{ledger.events} 条", f"{ledger.events} events"), language)
    free = "?" if status.free_bytes is None else _size(status.free_bytes)
    free = say((f"磁盘剩余 {free}", f"{free} free on the disk"), language)
    return f"{events}, {_size(ledger.size_bytes)}, epoch {ledger.epoch}; {free}"


def _alarm(alarm: AlarmSeen | None, now: datetime, language: Language) -> str:
    if alarm is None:
        return say(("无", "none"), language)
    text = f"{_clock_time(datetime.fromisoformat(alarm.at), now)} {alarm.name}"
    if alarm.device is not None:
        text += f" {alarm.device}"
    if alarm.visit_id is not None:
        text += f" (visit {alarm.visit_id})"
    return f"{text}: {alarm.detail}" if alarm.detail else text


def _clock_time(moment: datetime, now: datetime) -> str:
    moment = moment.astimezone(now.tzinfo)
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M}"


def _span(seconds: float, language: Language) -> str:
    """Return a length of time in its largest unit that fits."""
    for length_s, unit in (
        (_DAY_S, ("天", "d")),
        (_HOUR_S, ("小时", "h")),
        (_MINUTE_S, ("分钟", "min")),
    ):
        if seconds >= length_s:
            return f"{int(seconds // length_s)} {say(unit, language)}"
    return f"{int(seconds)} {say(('秒', 's'), language)}"


def _size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size_bytes < 1_024:  # noqa: PLR2004 - the factor between the units
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1_024
    return f"{size_bytes:.1f} GB"


# --- what is wrong -------------------------------------------------------------------------------


def problems(status: GateStatus) -> Iterator[Text]:
    """Yield everything that is wrong, and what to do."""
    controller = status.controller
    if isinstance(controller, ControllerStatus):
        yield from _problems_of_controller(controller, status.serial)
    elif not status.is_hidden:
        yield not_running(status, controller)
    for line in status.trouble:
        yield line, line
    if status.ledger is not None:
        yield from problems_of_ledger(status, status.ledger)
    free = status.free_bytes
    if free is not None and free < status.min_free_bytes:
        need = _size(status.min_free_bytes)
        yield (
            f"磁盘只剩 {_size(free)}，低于 {need}：无人能进，请清理磁盘 (ledger.min_free_mb)",
            (
                f"only {_size(free)} free, less than {need}: nobody enters; make room on the disk "
                "(ledger.min_free_mb)"
            ),
        )


def not_running(status: GateStatus, silent: Silent | None) -> Text:
    start = f"sudo systemctl start gated.target; gated run --config {status.config_file}"
    start_zh = start.replace("; ", "，没有 systemd 则 ")
    start_en = start.replace("; ", ", or without systemd: ")
    if silent is not None and silent.silent_s is not None:
        return (
            f"主控无响应，无人能进。查看 journalctl -u gated-controller；启动：{start_zh}",
            (
                "the controller gives no sign of life, nobody enters: see journalctl -u "
                f"gated-controller; start it: {start_en}"
            ),
        )
    return f"主控未运行，无人能进。启动：{start_zh}", f"nobody enters; start it: {start_en}"


def _problems_of_controller(
    controller: ControllerStatus, serial: Collection[str]
) -> Iterator[Text]:
    if controller.safe_mode_after is not None:
        yield sentence(controller.safe_mode_after)
    for name, state in controller.devices.items():
        if state != "ok":
            zh, en = advice(name, serial)
            yield f"{name} 失联，{zh}", f"{name} is lost, {en}"
    for due in controller.certificates:
        yield _problem_of_certificate(due)
    if controller.time_quality is TimeQuality.UNKNOWN:
        yield (
            "时钟错误：连上网络自动对时，或 sudo timedatectl set-time '2026-11-23 07:30:00'",
            (
                "the clock is wrong: connect a network with a time server, or "
                "sudo timedatectl set-time '2026-11-23 07:30:00'"
            ),
        )


def _problem_of_certificate(due: CertificateDue) -> Text:
    day = f"{due.until:%Y-%m-%d}"
    zh, en = f"{day} 到期，应更新", f"ends on {day} and is to be renewed"
    if due.stage is LifeStage.EXPIRED:
        zh, en = f"已于 {day} 过期，记录留在本机", f"has expired on {day}, records wait here"
    help_zh, help_en = "gated certificate show，步骤见", "gated certificate show, and"
    page = "docs/broker-certificates.md"
    return f"{due.what} {zh}：{help_zh} {page}", f"{due.what} {en}: {help_en} {page}"


def problems_of_ledger(status: GateStatus, ledger: LedgerFacts) -> Iterator[Text]:
    if ledger.waits_since is not None and status.now - ledger.waits_since > LATE_AFTER:
        since = _clock_time(ledger.waits_since, status.now)
        yield (
            (
                f"记录从 {since} 起未送达（都已留存）：检查网络、uplink.broker 和汇总端，"
                "再看 journalctl -u gated-uplink"
            ),
            (
                f"records wait since {since} (all are kept): check the network, uplink.broker and "
                "the collector, then journalctl -u gated-uplink"
            ),
        )
    if ledger.size_bytes > status.max_bytes * NEARLY_FULL:
        limit = _size(status.max_bytes)
        yield (
            f"台账已近上限 {limit}，满后无人能进：查清汇总端为何不回执 (ledger.max_bytes)",
            (
                f"the ledger nears its limit of {limit}, then nobody enters: see why the collector "
                "does not acknowledge (ledger.max_bytes)"
            ),
        )


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
