"""The clock: how far it can be believed, what sets it, and whether it survives a power cut."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gated.clock import TIMESYNCD_SYNCHRONIZED, Clock, TimeQuality, clock_floor, judge_time_quality
from gated.config import GateConfig
from gated.config.gate import ClockSource
from gated.doctor.findings import Finding, error, ok, warning
from gated.doctor.host import Host

CLOCK, BATTERY = "clock", "battery_clock"
RTC = "sys/class/rtc/rtc0"
_SET_ZH = "连上网络自动对时，或 sudo timedatectl set-time '2026-11-23 07:30:00'"
_SET_EN = "connect a network with a time server, or sudo timedatectl set-time '2026-11-23 07:30:00'"


def look_at_clock(
    config: GateConfig | None, host: Host, clock: Clock, told: TimeQuality | None
) -> Iterator[Finding]:
    """Yield how far the wall clock can be believed.

    Args:
        config: of the gate, where there is one.
        host: the machine.
        clock: its clocks.
        told: what a running controller says; it knows the newest record.
    """
    now = clock.now()
    quality = told if told is not None else _judge(config, host, now)
    shown = f"{now:%Y-%m-%d %H:%M} UTC"
    match quality:
        case TimeQuality.TRUSTED:
            yield ok(CLOCK, says=(f"{shown}，时钟可信", f"the clock is trusted: {shown}"))
        case TimeQuality.HOLDOVER:
            yield warning(
                CLOCK,
                says=(
                    f"{shown}，本次开机后尚未对时",
                    f"the clock was not set since this start (holdover): {shown}",
                ),
                mend=(_SET_ZH, _SET_EN),
            )
        case TimeQuality.UNKNOWN:
            yield error(
                CLOCK,
                says=(f"时钟错误：{shown}", f"the clock is wrong: {shown}"),
                mend=(_SET_ZH, _SET_EN),
            )


def _judge(config: GateConfig | None, host: Host, now: datetime) -> TimeQuality:
    is_system = config is not None and config.clock.source is ClockSource.SYSTEM
    is_set = is_system or host.has(str(TIMESYNCD_SYNCHRONIZED).lstrip("/"))
    return judge_time_quality(now, clock_floor(None), is_synchronised=is_set)


def look_at_battery(host: Host) -> Iterator[Finding]:
    """Yield whether a clock of its own runs on while the machine is off."""
    if host.has(RTC):
        name = (host.read(f"{RTC}/name") or "").strip()
        yield ok(
            BATTERY, says=(f"有硬件时钟 {name}".rstrip(), f"there is a clock chip {name}".rstrip())
        )
        return
    yield warning(
        BATTERY,
        says=(
            "没有硬件时钟：断电又断网后，闸机不知道时间",
            "no clock chip: after a power cut without a network the gate does not know the time",
        ),
        mend=("加装 DS3231，见 docs/wiring.md", "add a DS3231: docs/wiring.md"),
    )
