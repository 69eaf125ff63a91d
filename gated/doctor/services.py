"""systemd: does it watch the machine and the units, and are the sandboxes as tight as promised."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping

from gated.controller.crashes import sentence
from gated.doctor.findings import Finding, error, ok, same, unknown, warning
from gated.doctor.host import Host
from gated.facts.problems import not_running
from gated.facts.running import ControllerStatus, Silent
from gated.facts.status import GateStatus
from gated.sensors.port import Pause

CONTROLLER, WATCHDOG, UNIT, SANDBOX = "controller", "watchdog", "unit_{}", "sandbox_{}"
GATE_UNITS = ("controller", "scanner", "uplink")
MOST_EXPOSED: Mapping[str, float] = {
    "controller": 1.0,
    "scanner": 1.0,
    "uplink": 1.5,
    "collector": 1.5,
}
"""Marks of `systemd-analyze security`: 0 is best, 10 worst."""
RUNS_HERE = "run/systemd/system"
"""systemd(1) makes this folder where it runs as the first process [sd_booted(3)]."""
WATCHDOG_DEVICE = "dev/watchdog"
UNIT_FOLDERS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
_OFF = frozenset({"", "0", "off", "infinity", "[not set]"})
_EXPOSURE = re.compile(r"Overall exposure level[^:]*: (\d+(?:\.\d+)?)")
_ASKED = "Id,LoadState,ActiveState,SubState,NRestarts,Result,WatchdogUSec,StatusText"
_STARTED_AGAIN = "auto-restart"
LISTENS, LISTENS_EVERY_S = 25, 0.4
"""Longer than a start takes on a Pi, and often enough for the second between two of them."""
UNITS_WITHIN_S = 45.0


def parse_properties(text: str) -> list[dict[str, str]]:
    """Return what ``systemctl show`` says of each unit."""
    return [
        {key: value for key, _, value in (line.partition("=") for line in block.splitlines())}
        for block in text.strip().split("\n\n")
        if block.strip()
    ]


def parse_exposure(text: str) -> float | None:
    """Return what ``systemd-analyze security`` says in the end."""
    found = _EXPOSURE.search(text)
    return None if found is None else float(found[1])


def look_at_watchdog(host: Host) -> Iterator[Finding]:
    """Yield whether the hardware restarts a machine whose kernel hangs."""
    if not host.has(RUNS_HERE):
        yield unknown(WATCHDOG, says=_NO_SYSTEMD)
        return
    if not host.has(WATCHDOG_DEVICE):
        yield warning(
            WATCHDOG,
            says=(
                "没有 /dev/watchdog：内核死机后无人重启它",
                "there is no /dev/watchdog: nothing restarts a machine whose kernel hangs",
            ),
            mend=(
                "树莓派：在 config.txt 加 dtparam=watchdog=on",
                "on a Pi: dtparam=watchdog=on in config.txt",
            ),
        )
        return
    answer = host.run(["systemctl", "show", "--property=RuntimeWatchdogUSec"]).text
    value = next((found.get("RuntimeWatchdogUSec", "") for found in parse_properties(answer)), "")
    if value in _OFF:
        yield error(
            WATCHDOG,
            says=(
                "硬件看门狗未启用：内核死机后闸机不会重启",
                "the hardware watchdog is not armed: a gate whose kernel hangs stays dead",
            ),
            mend=(
                "在 /etc/systemd/system.conf.d/watchdog.conf 写 [Manager] RuntimeWatchdogSec=14",
                (
                    "write RuntimeWatchdogSec=14 below [Manager] into "
                    "/etc/systemd/system.conf.d/watchdog.conf, then restart the machine"
                ),
            ),
        )
    else:
        yield ok(
            WATCHDOG,
            says=(f"硬件看门狗已启用 ({value})", f"the hardware watchdog is armed ({value})"),
        )


def look_at_controller(status: GateStatus) -> Iterator[Finding]:
    """Yield whether the process that decides runs and answers."""
    controller = status.controller
    if isinstance(controller, ControllerStatus) and controller.safe_mode_after is not None:
        yield error(CONTROLLER, says=sentence(controller.safe_mode_after))
    elif isinstance(controller, ControllerStatus):
        pid = controller.pid
        yield ok(
            CONTROLLER, says=(f"主控运行中，进程 {pid}", f"the controller runs, process {pid}")
        )
    elif status.is_hidden:
        why = status.trouble[0] if status.trouble else ""
        yield unknown(CONTROLLER, says=same(why))
    else:
        is_hung = isinstance(controller, Silent) and controller.silent_s is not None
        yield (error if is_hung else warning)(CONTROLLER, says=not_running(status, controller))


_NO_SYSTEMD = (
    "此处不由 systemd 运行，查不到看门狗和服务",
    "systemd does not run here: neither watchdog nor units can be asked",
)


def look_at_units(host: Host, pause: Pause = threading.Event().wait) -> Iterator[Finding]:  # noqa: B008 - waits alone
    """Yield whether the units of a gate are installed, watched, and have not failed."""
    if not host.has(RUNS_HERE):
        return  # said of the watchdog
    names = [f"gated-{name}.service" for name in GATE_UNITS]
    answer = host.run(["systemctl", "show", f"--property={_ASKED}", *names])
    for found in parse_properties(answer.text):
        yield from _of_unit(_heard(host, found, pause))


def _heard(host: Host, found: Mapping[str, str], pause: Pause) -> Mapping[str, str]:
    """Return ``found``, of a unit that is tried again and again with what it says each time.

    systemd 252 drops a unit's status when it starts it again: there is a second to hear it in.
    """
    for _ in range(LISTENS):
        if not _is_tried_again(found) or found.get("StatusText"):
            break
        pause(LISTENS_EVERY_S)
        answer = host.run(["systemctl", "show", f"--property={_ASKED}", found["Id"]])
        found = next(iter(parse_properties(answer.text)), found)
    return found


def _is_tried_again(found: Mapping[str, str]) -> bool:
    has_ended = found.get("SubState") == _STARTED_AGAIN or found.get("NRestarts", "0") != "0"
    return found.get("ActiveState") == "activating" and has_ended


def _of_unit(found: Mapping[str, str]) -> Iterator[Finding]:
    name = found.get("Id", "?")
    subject = UNIT.format(name.removeprefix("gated-").removesuffix(".service"))
    state, result = found.get("ActiveState", "?"), found.get("Result", "")
    told = found.get("StatusText", "")
    if found.get("LoadState") != "loaded":
        yield warning(
            subject,
            says=(f"{name} 未安装", f"{name} is not installed"),
            mend=("见 docs/systemd.md", "see docs/systemd.md"),
        )
    elif state == "failed" or _is_tried_again(found):
        # What it said in the end is what it would not start for: the very sentence.
        zh, en = _FAILED if state == "failed" else _AGAIN
        says = (f"{name} {zh} ({result})", f"{name} {en} ({result})")
        yield error(
            subject,
            says=(f"{says[0]}：{told}", f"{says[1]}: {told}") if told else says,
            mend=same(f"journalctl -u {name}"),
        )
    elif found.get("WatchdogUSec", "") in _OFF:
        yield error(
            subject,
            says=(f"{name} 没有看门狗", f"{name} has no watchdog: if it hangs, nobody ends it"),
            mend=(f"sudo systemctl revert {name}", f"sudo systemctl revert {name}"),
        )
    else:
        shown = f"{name}: {state}, watchdog {found['WatchdogUSec']}"
        yield ok(subject, says=same(f"{shown}; {told}" if told else shown))


_FAILED = ("已失败", "has failed")
_AGAIN = ("启动不了，反复重试", "does not start, and is tried again and again")


def look_at_sandboxes(host: Host) -> Iterator[Finding]:
    """Yield how exposed each installed unit is, with its drop-ins."""
    installed = {
        name: next((f for f in UNIT_FOLDERS if host.has(f"{f}/gated-{name}.service")), None)
        for name in MOST_EXPOSED
    }
    if not any(installed.values()):
        yield unknown(
            SANDBOX.format("gate"),
            says=(
                "没有安装服务，没有沙箱可查",
                "no unit is installed: there is no sandbox to rate",
            ),
        )
    for name, folder in installed.items():
        if folder is not None:
            yield _sandbox(host, name, f"{host.root / folder}/gated-{name}.service")


def _sandbox(host: Host, name: str, file: str) -> Finding:
    command = ["systemd-analyze", "--no-pager", "security", "--offline=true", file]
    answer = host.run(command)
    exposure, most = parse_exposure(answer.text), MOST_EXPOSED[name]
    subject = SANDBOX.format(name)
    if exposure is None:
        last = (answer.text.strip().splitlines() or ["?"])[-1]
        return unknown(subject, says=same(f"systemd-analyze security {file}: {last}"))
    says = (
        f"gated-{name} 的沙箱评分 {exposure:g}，应不高于 {most:g}",
        f"the sandbox of gated-{name} is rated {exposure:g}, at most {most:g} was promised",
    )
    if exposure <= most:
        return ok(subject, says=says)
    return warning(
        subject,
        says=says,
        mend=(
            f"查看 systemctl cat gated-{name} 里改松了什么",
            f"see what systemctl cat gated-{name} loosens",
        ),
    )
