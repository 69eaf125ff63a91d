"""What is wrong with a gate: one sentence each, which says what to do. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from gated.clock import TimeQuality
from gated.controller.crashes import sentence
from gated.facts.advice import Text, advice
from gated.facts.running import CertificateDue, ControllerStatus, Silent
from gated.facts.status import GateStatus, LedgerFacts
from gated.mqtt.certificate_life import LifeStage
from gated.texts import Language, device_lost, say

LATE_AFTER = timedelta(minutes=5)
"""A record that waits longer is held up: an ack takes about a second where all is well."""
NEARLY_FULL = 0.9
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400


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
        need = size(status.min_free_bytes)
        yield (
            f"磁盘只剩 {size(free)}，低于 {need}：无人能进，请清理磁盘 (ledger.min_free_mb)",
            (
                f"only {size(free)} free, less than {need}: nobody enters; make room on the disk "
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
            lost, mend = device_lost(name, controller.why.get(name, "")), advice(name, serial)
            yield f"{lost[0]}；{mend[0]}", f"{lost[1]}; {mend[1]}"
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
        since = clock_time(ledger.waits_since, status.now)
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
        limit = size(status.max_bytes)
        yield (
            f"台账已近上限 {limit}，满后无人能进：查清汇总端为何不回执 (ledger.max_bytes)",
            (
                f"the ledger nears its limit of {limit}, then nobody enters: see why the collector "
                "does not acknowledge (ledger.max_bytes)"
            ),
        )


# --- said of one thing ---------------------------------------------------------------------------


def delivery(status: GateStatus, ledger: LedgerFacts, language: Language) -> str:
    if ledger.backlog == 0:
        text = say(("全部送达", "everything is delivered"), language)
    else:
        waits = "event waits" if ledger.backlog == 1 else "events wait"
        text = say((f"{ledger.backlog} 条待送达", f"{ledger.backlog} {waits}"), language)
        if ledger.waits_since is not None:
            since = clock_time(ledger.waits_since, status.now)
            text += say((f"，最早 {since}", f", since {since}"), language)
    if status.acked_at is None:
        return text + say(("；从未收到回执", "; never acknowledged"), language)
    # The collector's clock against ours: a display, never a decision.
    age_s = max(0.0, (status.now - status.acked_at).total_seconds())
    ago = span(age_s, language)
    return text + say((f"；最近回执 {ago}前", f"; last acknowledgement {ago} ago"), language)


def clock_time(moment: datetime, now: datetime) -> str:
    moment = moment.astimezone(now.tzinfo)
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M}"


def span(seconds: float, language: Language) -> str:
    """Return a length of time in its largest unit that fits."""
    for length_s, unit in (
        (_DAY_S, ("天", "d")),
        (_HOUR_S, ("小时", "h")),
        (_MINUTE_S, ("分钟", "min")),
    ):
        if seconds >= length_s:
            return f"{int(seconds // length_s)} {say(unit, language)}"
    return f"{int(seconds)} {say(('秒', 's'), language)}"


def size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size_bytes < 1_024:  # noqa: PLR2004 - the factor between the units
            return f"{size_bytes:.0f} {unit}"
        size_bytes /= 1_024
    return f"{size_bytes:.1f} GB"
