"""How a device of the configuration is said: its name, and what is wrong with it. Pure.

What an adapter says of a missing device stays as it says it; what to do about it is added here.
"""

from __future__ import annotations

from gated.probe.findings import Checked, Kind, State
from gated.texts import Language, say

Text = tuple[str, str]
"""Simplified Chinese, English."""

KINDS: dict[Kind, Text] = {
    Kind.THERMOMETER: ("测温头", "thermometer"),
    Kind.AMBIENT: ("环境温度计", "the air's thermometer"),
    Kind.DISTANCE: ("测距传感器", "distance sensor"),
    Kind.CAMERA: ("摄像头", "camera"),
    Kind.SERIAL_SCANNER: ("串口扫码器", "serial scanner"),
    Kind.RELAY: ("开门继电器", "relay"),
    Kind.LAMP: ("指示灯", "lamp"),
    Kind.BUZZER: ("蜂鸣器", "buzzer"),
    Kind.BELL: ("叫老师的铃", "bell"),
    Kind.VOICE: ("语音", "voice"),
    Kind.INPUTS: ("输入", "inputs"),
}
STATES: dict[State, Text] = {
    State.OK: ("正常", "ok"),
    State.MISSING: ("缺失", "is missing"),
    State.REFUSED: ("配置有误", "is not configured"),
    State.SILENT: ("无响应", "hangs"),
}
CHECK_GPIO = "检查 GPIO 线名、outputs.chip 和权限"
MEND_ZH: dict[Kind, str] = {
    Kind.THERMOMETER: "检查接线、供电和总线",
    Kind.AMBIENT: "没有它就不能判断体温：检查接线、供电和总线",
    Kind.DISTANCE: "没有它就不能判断站得远近：检查接线、供电和总线",
    Kind.CAMERA: "检查摄像头及其接线",
    Kind.SERIAL_SCANNER: "检查 USB 线和稳定路径",
    Kind.RELAY: "没有它不能开门：检查接线和配置",
    Kind.LAMP: CHECK_GPIO,
    Kind.BUZZER: CHECK_GPIO,
    Kind.BELL: CHECK_GPIO,
    Kind.INPUTS: CHECK_GPIO,
    Kind.VOICE: '检查声卡和音量；不用语音则 driver = "none"',
}
"""What to do, in Chinese: the adapters say it in English."""


def title(device: Checked, language: Language) -> str:
    """Return what a device is called, what it is, and what the configuration says it should be."""
    kind = say(KINDS[device.kind], language)
    if language == "zh-Hans":
        return f"{device.name}（{kind}，{device.expected}）"
    what = device.expected if kind in device.name else f"{kind}, {device.expected}"
    return f"{device.name} ({what})"


def scanner_runs(process: str) -> Text:
    """Return why the camera and the serial scanners are left alone."""
    return (
        (
            f"扫码进程正在运行（进程 {process}），摄像头和串口扫码器由它占用："
            "要检查它们，先停止 sudo systemctl stop gated-scanner"
        ),
        (
            f"the scanner runs (process {process}) and has the camera and the serial scanners: to "
            "look at them, stop it first: sudo systemctl stop gated-scanner"
        ),
    )


def where(device: Checked) -> Text:
    """Return what to look at if ``device`` is not there, and where it is configured."""
    return f"{MEND_ZH[device.kind]} ({device.key})", f"see {device.key}: {device.expected}"


def complaint(device: Checked, language: Language) -> str:
    """Return one sentence: which device, what is wrong with it, what to do, and where it is set."""
    what, state = title(device, language), say(STATES[device.state], language)
    if language == "zh-Hans":
        return f"{what}{state}：{device.detail}。{MEND_ZH[device.kind]} ({device.key})"
    return f"{what} {state}: {device.detail}; see {device.key}"
