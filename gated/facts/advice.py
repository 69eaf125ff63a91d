"""What to do about each device that ``gated status`` finds lost, in both languages."""

from __future__ import annotations

from collections.abc import Collection

Text = tuple[str, str]  # 中文, English

LAMP = "lamp "
_BY_NAME: dict[str, Text] = {
    "scanner": (
        "扫码失效：检查摄像头及其接线，再看 journalctl -u gated-scanner",
        "no code is read: check the camera and its cable, then journalctl -u gated-scanner",
    ),
    "relay": (
        "不能开门：检查继电器接线和 outputs.relay，再看 journalctl -u gated-controller",
        (
            "it opens for nobody: check the relay's wiring and outputs.relay, then "
            "journalctl -u gated-controller"
        ),
    ),
    "ambient": (
        "没有气温就不能判断体温：检查环境温度计的接线 (temperature.ambient)",
        (
            "without the air's temperature nothing is judged: check its sensor's cable "
            "(temperature.ambient)"
        ),
    ),
    "inputs": (
        "光电、门磁、按钮和钥匙都无效，不能放行处理：检查接线和 [inputs]",
        (
            "light barrier, contact, buttons and keys are not felt, staff cannot release: check "
            "their wires and [inputs]"
        ),
    ),
    "voice": (
        "没有语音，灯和蜂鸣照常：检查声卡、静音和 outputs.voice",
        "nothing is spoken, lamps and beeps go on: check the sound card, mute and outputs.voice",
    ),
    "verifier": (
        "平台核验无应答，其余照常：检查网络和 [verifier]，再看 journalctl -u gated-uplink",
        (
            "the platform verifies no codes, passes go on: check the network and [verifier], then "
            "journalctl -u gated-uplink"
        ),
    ),
    "call_staff": (
        "叫老师的铃不响：检查接线和 outputs.call_staff",
        "the bell does not call staff: check its wire and outputs.call_staff",
    ),
    "buzzer": (
        "蜂鸣器不响：检查接线和 outputs.buzzer",
        "the buzzer is silent: check its wire and outputs.buzzer",
    ),
}
_ANY_LAMP: Text = (
    "这盏灯不亮：检查接线和 outputs.lamps",
    "this lamp stays dark: check its wire and outputs.lamps",
)
_ANY_THERMOMETER: Text = (
    "测不到体温：检查测温头的接线和总线，再看 journalctl -u gated-controller",
    "nobody is measured there: check its cable and bus, then journalctl -u gated-controller",
)
_ANY_SERIAL: Text = (
    "此扫码器失效：检查 USB 线和 scanner.serial，再看 journalctl -u gated-scanner",
    "it reads no code: check its plug and scanner.serial, then journalctl -u gated-scanner",
)


def advice(device: str, serial: Collection[str]) -> Text:
    """Return what to do about ``device``. ``serial``: the names of the serial scanners."""
    if device in _BY_NAME:
        return _BY_NAME[device]
    if device.startswith(LAMP):
        return _ANY_LAMP
    return _ANY_SERIAL if device in serial else _ANY_THERMOMETER
