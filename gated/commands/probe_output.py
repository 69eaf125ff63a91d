"""How ``gated probe`` shows what it found: lines in the terminal's language, and JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from gated.errors import ExitCode
from gated.probe.findings import (
    Answer,
    CameraFound,
    Checked,
    ChipFound,
    FrameSeen,
    I2CFound,
    LineFound,
    Machine,
    StartFindings,
    State,
)
from gated.probe.words import STATES, Text, complaint, scanner_runs, title
from gated.texts import Language, say

# --- the devices of a configuration --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of checking one configuration."""

    devices: tuple[Checked, ...] = ()
    frames: tuple[FrameSeen, ...] = ()
    start: StartFindings = field(default_factory=StartFindings)
    held_by: int | None = None  # the process of a controller: nothing was touched
    scanner: str | None = None  # the process that has camera and serial scanners: left out


def check_lines(result: CheckResult, language: Language) -> Iterator[str]:
    """Yield one line for each device, and one for whatever else was asked for."""
    if result.held_by is not None:
        yield f"! {say(runs(result.held_by), language)}"
    if result.scanner is not None:
        yield f"! {say(scanner_runs(result.scanner), language)}"
    for device in result.devices:
        if device.state is State.OK:
            line = f"{say(STATES[State.OK], language)}  {title(device, language)}"
            yield f"{line}: {device.reading}" if device.reading else line
        else:
            yield f"! {complaint(device, language)}"
    for frame in result.frames:
        yield frame_line(frame, language)
    for finding in (*result.start.faults, *result.start.doubts):
        yield f"! {finding}"
    if any(device.state is not State.OK for device in result.devices):
        yield say(("本机有什么：gated probe", "what this machine has: gated probe"), language)


def check_code(result: CheckResult) -> ExitCode:
    """Return OK, FAILED if something is missing, CONFIG where trying again would not mend it.

    UNAVAILABLE: nothing is missing of what could be looked at, the rest is in use.
    """
    if result.held_by is not None:
        return ExitCode.UNAVAILABLE
    states = {device.state for device in result.devices}
    if State.REFUSED in states or result.start.faults:
        return ExitCode.CONFIG
    is_well = states <= {State.OK} and not any(frame.problem for frame in result.frames)
    if not is_well or result.start.doubts:
        return ExitCode.FAILED
    return ExitCode.OK if result.scanner is None else ExitCode.UNAVAILABLE


def parse_check(document: dict[str, Any]) -> CheckResult:
    """Return what a document is made of that is a CheckResult under names, as ``--json`` has it."""
    return TypeAdapter(CheckResult).validate_python(document)


def starts_all_the_same() -> Text:
    """Return what ``gated run`` says after the list of what is missing."""
    return (
        "闸机照常启动；缺少的设备会一直重试，齐备之前不放行",
        "the gate starts all the same and tries again for ever; until then it stays shut",
    )


# --- the machine ---------------------------------------------------------------------------------

NOTHING: dict[str, Text] = {
    "i2c": (
        "! 没有 I2C 总线：用 raspi-config 打开，或在 config.txt 加 dtparam=i2c_arm=on",
        "! no I2C bus: switch it on with raspi-config, or dtparam=i2c_arm=on in config.txt",
    ),
    "gpio": (
        "! 没有可用的 GPIO 芯片：用户须在 gpio 组；只有树莓派这类板子才有",
        "! no GPIO chip: the user must be in the group gpio; only boards such as a Pi have one",
    ),
    "cameras": (
        "! 没有摄像头：检查排线或 USB 线；用户须在 video 组",
        "! no camera: check its ribbon or USB cable; the user must be in the group video",
    ),
    "serial": ("没有串口设备", "none"),
    "sound": ("没有声卡：提示只有灯和蜂鸣", "none: prompts are lamps and beeps only"),
}
HEADS: dict[str, Text] = {
    "i2c": ("I2C 总线", "I2C buses"),
    "gpio": ("GPIO 芯片", "GPIO chips"),
    "cameras": ("摄像头", "cameras"),
    "frames": ("画面", "frames"),
    "serial": ("串口设备", "serial devices"),
    "sound": ("声卡", "sound cards"),
}
_NEEDED = ("i2c", "gpio", "cameras")


def machine_lines(machine: Machine, language: Language) -> Iterator[str]:
    """Yield the lines that show everything found."""
    if machine.held_by is not None:
        yield f"! {say(runs(machine.held_by), language)}"
    parts: dict[str, list[str]] = {
        "i2c": [line for bus in machine.i2c for line in _bus(bus, machine, language)],
        "gpio": [line for chip in machine.gpio for line in _chip(chip, language)],
        "cameras": [_camera(camera) for camera in machine.cameras],
        "frames": [frame_line(frame, language) for frame in machine.frames],
        "serial": [f"{found.path} → {found.device}" for found in machine.serial],
        "sound": [f"{card.device}  {card.name}" for card in machine.sound],
    }
    for part, lines in parts.items():
        if part == "frames" and not lines:
            continue
        yield say(HEADS[part], language)
        for line in lines or [say(NOTHING[part], language)]:
            yield f"  {line}"


def runs(pid: int) -> Text:
    """Return why the devices are left alone."""
    return (
        (
            f"主控正在运行（进程 {pid}），设备由它占用：用 gated status 查看，"
            "或先停止 sudo systemctl stop gated.target"
        ),
        (
            f"the controller runs (process {pid}) and holds the devices: see gated status, or stop "
            "it first: sudo systemctl stop gated.target"
        ),
    )


def machine_code(machine: Machine) -> ExitCode:
    """Return OK, UNAVAILABLE where a controller runs, FAILED if something needed is missing."""
    if machine.held_by is not None:
        return ExitCode.UNAVAILABLE
    has_all = all(getattr(machine, part) for part in _NEEDED)
    problems = (
        *(bus.problem for bus in machine.i2c),
        *(answer.problem for bus in machine.i2c for answer in bus.answers),
        *(chip.problem for chip in machine.gpio),
        *(camera.problem for camera in machine.cameras),
        *(frame.problem for frame in machine.frames),
    )
    is_well = has_all and not any(problems)
    return ExitCode.OK if is_well else ExitCode.FAILED


def _bus(bus: I2CFound, machine: Machine, language: Language) -> Iterator[str]:
    yield f"{bus.path}  {bus.name}".rstrip()
    if bus.problem:
        yield f"  ! {bus.problem}"
    elif not bus.answers and machine.held_by is None:
        yield f"  {say(('无应答', 'nothing answers'), language)}"
    for answer in bus.answers:
        yield f"  {_answer(answer, language)}"
    for address in bus.in_kernel:
        yield f"  {address}  {say(('由内核驱动占用', 'a kernel driver has it'), language)}"


def _answer(answer: Answer, language: Language) -> str:
    where = f"0x{answer.address:02X}"
    if not answer.driver:
        unknown = say(("有应答，未知器件", "something answers, not a chip of ours"), language)
        return f"! {where}  {answer.problem}" if answer.problem else f"{where}  {unknown}"
    what = f"{where}  {answer.driver} {answer.chip_id}"
    return f"! {what}: {answer.problem}" if answer.problem else f"{what}: {answer.reading}"


def _chip(chip: ChipFound, language: Language) -> Iterator[str]:
    if chip.problem:
        yield f"! {chip.problem}"
        return
    lines = say((f"{chip.lines} 条线", f"{chip.lines} lines"), language)
    yield f"{chip.path}  {chip.label}, {lines}"
    free = [line.name for line in chip.noted if not line.consumer]
    if free:
        yield f"  {say(('空闲', 'free'), language)}: {' '.join(free)}"
    used = [_used(line) for line in chip.noted if line.consumer]
    if used:
        yield f"  {say(('占用', 'in use'), language)}: {' · '.join(used)}"


def _used(line: LineFound) -> str:
    return f"{line.name or line.offset} ({line.consumer})"


def _camera(camera: CameraFound) -> str:
    if camera.problem:
        return f"! {camera.problem}"
    return f'camera = "{camera.source}", device = "{camera.device}"  {camera.model}'.rstrip()


def frame_line(frame: FrameSeen, language: Language) -> str:
    """Return what one frame is like, and where it was kept."""
    if frame.problem:
        return f"! {frame.problem}"
    code = ("有码可读", "a code is read") if frame.has_code else ("没有码", "no code")
    bright = f"{frame.brightness_percent:.0f} %"
    size = f"{frame.width_px} × {frame.height_px} px"
    text = say(
        (f"{size}，亮度 {bright}，{code[0]}", f"{size}, brightness {bright}, {code[1]}"), language
    )
    line = f"{frame.device}: {text}"
    if frame.saved_as:
        line += f"\n! {say(_saved(frame.saved_as), language)}"
    return line


def _saved(file: str) -> Text:
    return (
        f"画面已存入 {file}：可能拍到人，看完请删除",
        f"the picture is in {file}: it may show people, delete it when you have seen it",
    )


def toggled(name: str, for_s: float) -> Text:
    """Return what was done to an output."""
    return f"{name} 已接通 {for_s:g} 秒，又断开", f"{name} was on for {for_s:g} s and is off again"
