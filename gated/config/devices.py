"""``[scanner]``, ``[outputs]`` and ``[inputs]``: the camera and everything on a GPIO line."""

from __future__ import annotations

import enum
from functools import partial
from pathlib import Path
from typing import Literal, Self

from pydantic import StrictBool, StrictFloat, StrictInt, field_validator, model_validator

from gated.config.serial_scanner import SerialScannerSettings
from gated.config.settings import REQUIRED, Settings, setting
from gated.vocabulary import Mode

_live = partial(setting, live=True)


class Camera(enum.StrEnum):
    """Where frames come from."""

    AUTO = "auto"  # picamera2 where there is one, else v4l2; nothing that is no camera
    PICAMERA2 = "picamera2"
    V4L2 = "v4l2"
    # No cameras, for tests at the desk:
    PICTURES = "pictures"  # a folder of pictures
    VIDEO = "video"  # a video file
    REPLAY = "replay"  # a session that ``gated scan --record`` wrote
    TEST_PATTERN = "test_pattern"  # a code that is no pass, for trying the installation
    NONE = "none"


class Metering(enum.StrEnum):
    """Which part of the frame a Raspberry Pi camera is exposed for."""

    CENTRE = "centre"
    SPOT = "spot"
    AVERAGE = "average"


class ColourUse(enum.StrEnum):
    """What the colour of a code is used for. It is never proof."""

    OFF = "off"
    ADVISORY = "advisory"  # noted in the record
    DENY_RED_YELLOW = "deny_red_yellow"  # red or yellow: see staff


class VoiceDriver(enum.StrEnum):
    ALSA = "alsa"
    NONE = "none"


DEFAULT_VIDEO_DEVICE = "/dev/video0"
NO_EYES = (
    'scanner.camera is "none": this gate has no camera to scan with; name a camera, or a scanner '
    "in scanner.serial (请设置摄像头或串口扫码器)"
)
"""What the scanner ends with, and what the doctor doubts: a gate may mean to measure only."""


class ScannerSettings(Settings):
    """The code scanner."""

    camera: Camera = setting(
        REQUIRED,
        en="Camera: picamera2 on a Raspberry Pi, v4l2 for a USB camera, auto for the one that is "
        "there. For trials only: pictures, video, replay, test_pattern.",
        zh="摄像头：树莓派用 picamera2,USB 用 v4l2,auto 自动选择；其余仅供试验",
    )
    device: str = setting(
        DEFAULT_VIDEO_DEVICE,
        min_length=1,
        en="For v4l2 and auto the device, for pictures and replay the folder, for video the file; "
        "otherwise not used.",
        zh="v4l2、auto 的设备,pictures、replay 的文件夹,video 的文件",
    )
    width: StrictInt = setting(
        1280, ge=320, le=4096, unit="px", en="Width of a frame.", zh="画面宽度"
    )
    height: StrictInt = setting(
        720, ge=240, le=3072, unit="px", en="Height of a frame.", zh="画面高度"
    )
    frame_rate_hz: StrictFloat = setting(
        10.0, ge=1.0, le=60.0, unit="Hz", en="Frames each second.", zh="每秒帧数"
    )
    focus_m: StrictFloat | None = setting(
        None,
        ge=0.05,
        le=10.0,
        unit="m",
        en="For picamera2 with a focus motor: it stays focused on this distance. Not set: it looks "
        "for what is near by itself.",
        zh="固定对焦距离；不设则自动近距对焦",
    )
    exposure_value: StrictFloat = setting(
        -0.5,
        ge=-4.0,
        le=4.0,
        unit="EV",
        en="For picamera2: brighter (+) or darker (-) than usual; screens are brighter than rooms.",
        zh="曝光补偿；手机屏幕比室内亮",
    )
    metering: Metering = setting(
        Metering.CENTRE,
        en="For picamera2: which part of the frame it is exposed for.",
        zh="测光方式：中央、点或平均",
    )
    colour: ColourUse = _live(
        ColourUse.DENY_RED_YELLOW,
        en="What the code's colour is used for; it is advisory evidence, never proof. If it is off "
        "when the scanner starts, picamera2 delivers grey frames until the scanner's next start.",
        zh="颜色仅辅助，不作凭证；启动时为 off 则采集灰度，改后须重启扫码进程",
    )
    hold_off_s: StrictFloat = setting(
        1.5,
        ge=0.5,
        le=60.0,
        unit="s",
        en="The same code counts as shown again only after being out of view this long.",
        zh="同一码离开画面多久后才算再次出示",
    )
    serial: tuple[SerialScannerSettings, ...] = setting(
        (), max_length=4, en="QR scanners on serial lines, besides the camera.", zh="串口扫码器"
    )

    @field_validator("serial")
    @classmethod
    def _each_once(
        cls, value: tuple[SerialScannerSettings, ...]
    ) -> tuple[SerialScannerSettings, ...]:
        for what in ("name", "device"):
            seen = [getattr(scanner, what) for scanner in value]
            twice = next((entry for entry in seen if seen.count(entry) > 1), None)
            if twice is not None:
                raise ValueError(f'two scanners have the {what} "{twice}" (两个扫码器重复)')
        return value


_LINE = partial(
    setting,
    pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,31}$",
    example="GPIO17",
    en="Name of the GPIO line.",
    zh="GPIO 线名",
)


class RelayDriver(enum.StrEnum):
    """What moves the relay."""

    GPIO = "gpio"
    LCUS = "lcus"  # a USB relay board of the LCUS type, by serial commands


class RelaySettings(Settings):
    """The relay that opens the gate: on a GPIO line, or on a serial relay board."""

    driver: RelayDriver = setting(
        RelayDriver.GPIO,
        en="gpio: a line. lcus: a USB relay board.",
        zh="gpio 线或 lcus 串口继电器板",
    )
    line: str | None = _LINE(None, en="For gpio: name of the GPIO line.", zh="gpio 的线名")
    device: str | None = setting(
        None,
        pattern=r"^/dev/[A-Za-z0-9._:/-]{1,200}$",
        example="/dev/serial/by-id/usb-relay-if00",
        en="For lcus: the board's stable path below /dev/serial/by-id.",
        zh="lcus 板的稳定路径",
    )
    channel: StrictInt = setting(1, ge=1, le=8, en="For lcus: the board's relay.", zh="lcus 第几路")
    pulse_s: StrictFloat = setting(
        0.5, ge=0.1, le=5.0, unit="s", en="Length of one opening pulse.", zh="一次开门脉冲的长度"
    )
    active_low: StrictBool = setting(
        False,
        en="Always false: an active-low relay board would open the gate at power-on.",
        zh="只能为 false:低电平有效的继电器板上电时会开门",
    )

    @model_validator(mode="after")
    def _names_its_wire(self) -> Self:
        wanted, other = (
            ("line", "device") if self.driver is RelayDriver.GPIO else ("device", "line")
        )
        if getattr(self, wanted) is None:
            raise ValueError(f'driver "{self.driver}" needs {wanted} (缺少 {wanted})')
        if getattr(self, other) is not None:
            raise ValueError(f'driver "{self.driver}" has no {other} (不应有 {other})')
        return self

    @field_validator("active_low")
    @classmethod
    def _never_active_low(cls, value: bool) -> bool:
        if value:
            raise ValueError(
                "must be false: a line is low while the Pi starts, so an active-low relay would "
                "open the gate; use an active-high board with a pull-down resistor "
                "(须为 false:上电时会开门，请用高电平有效的继电器板)"
            )
        return value


class BuzzerSettings(Settings):
    line: str = _LINE(REQUIRED)


class CallStaffSettings(Settings):
    """The bell or lamp that calls a member of staff."""

    line: str = _LINE(REQUIRED)
    repeat_s: StrictFloat = setting(
        60.0,
        ge=5.0,
        le=600.0,
        unit="s",
        en="The call repeats this often until somebody answers it.",
        zh="无人应答时每隔多久再叫",
    )


class LampSettings(Settings):
    go: str = _LINE(REQUIRED, en="The green lamp: go.", zh="通行灯")
    wait: str = _LINE(REQUIRED, en="The lamp that says: wait, look at the sensor.", zh="等待灯")
    code: str = _LINE(REQUIRED, en="The lamp that says: show your code.", zh="出示码灯")
    observe: str | None = _LINE(
        None,
        en="The lamp that is lit while the gate only observes. Without it the wait lamp winks.",
        zh="试运行灯；未接则等待灯闪烁",
    )


class VoiceSettings(Settings):
    driver: VoiceDriver = setting(
        VoiceDriver.NONE, en="How prompts are spoken, or none.", zh="语音输出方式"
    )
    volume_percent: StrictInt = _live(
        80, ge=0, le=100, unit="%", en="Loudness of the voice.", zh="音量"
    )
    device: str = setting(
        "default",
        min_length=1,
        max_length=200,
        en="ALSA's name of the sound card, as aplay -L prints it.",
        zh="ALSA 声卡名(aplay -L)",
    )
    folder: Path = setting(
        Path("/etc/gated/voice"),
        en="Your own recordings, LANGUAGE/PROMPT.wav; they are preferred to the built-in ones.",
        zh="自录语音文件夹(语言/提示名.wav)，优先于内置语音",
    )


class OutputSettings(Settings):
    """What the gate can move, light and say."""

    chip: str = setting(
        "pinctrl-*",
        min_length=1,
        max_length=64,
        en="Label of the GPIO chip, for outputs and inputs; * stands for anything.",
        zh="GPIO 芯片的标签(输出与输入共用)",
    )
    relay: RelaySettings = setting(REQUIRED, en="The relay that opens the gate.", zh="开门继电器")
    buzzer: BuzzerSettings | None = setting(None, en="The buzzer.", zh="蜂鸣器")
    call_staff: CallStaffSettings | None = setting(
        None, en="The bell that calls staff.", zh="叫老师的铃"
    )
    lamps: LampSettings | None = setting(None, en="The three lamps.", zh="三盏指示灯")
    voice: VoiceSettings = setting(VoiceSettings(), en="Spoken prompts.", zh="语音提示")

    def lines(self) -> dict[str, str]:
        """Return {key: GPIO line} of every output."""
        lines = {}
        if self.relay.line is not None:
            lines["outputs.relay.line"] = self.relay.line
        if self.buzzer is not None:
            lines["outputs.buzzer.line"] = self.buzzer.line
        if self.call_staff is not None:
            lines["outputs.call_staff.line"] = self.call_staff.line
        if self.lamps is not None:
            lamps = self.lamps.model_dump(exclude_none=True)
            lines |= {f"outputs.lamps.{name}": line for name, line in lamps.items()}
        return lines


class InputLine(Settings):
    """A contact or button."""

    line: str = _LINE(REQUIRED)
    active_low: StrictBool = setting(
        True, en="True when the contact pulls the line to ground.", zh="触点接地时为 true"
    )
    debounce_ms: StrictInt = setting(
        50, ge=0, le=1000, unit="ms", en="Shorter changes are bounce.", zh="消抖时间"
    )


class KeyMode(InputLine):
    """The key switch's position for a mode."""

    mode: Literal[Mode.CLOSED, Mode.OBSERVE] = setting(
        Mode.CLOSED, en="The mode while the key is turned.", zh="钥匙转到此位时的模式"
    )


class InputSettings(Settings):
    """What the gate can feel."""

    passage: InputLine | None = setting(
        None, en="Light barrier: somebody went through.", zh="通过检测(光电)"
    )
    contact: InputLine | None = setting(None, en="Door contact: the gate is shut.", zh="门磁")
    attendant_button: InputLine | None = setting(
        None, en="The staff's button inside the fence.", zh="围栏内的老师按钮"
    )
    call_button: InputLine | None = setting(
        None, en="The visitor's button: call somebody.", zh="访客呼叫按钮"
    )
    key_release: InputLine | None = setting(
        None,
        en="Key switch in place of a staff card, for when no code is read; the button must follow.",
        zh="钥匙开关：扫码坏时代替工作卡，之后仍须按按钮",
    )
    key_mode: KeyMode | None = setting(
        None, en="Key switch that sets the mode while it is turned.", zh="钥匙开关：转动时的模式"
    )

    def lines(self) -> dict[str, str]:
        """Return {key: GPIO line} of every input that is wired."""
        wired = {name: getattr(self, name) for name in type(self).model_fields}
        return {f"inputs.{name}.line": w.line for name, w in wired.items() if w is not None}
