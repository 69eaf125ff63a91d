"""``[scanner]``, ``[outputs]`` and ``[inputs]``: the camera and everything on a GPIO line."""

from __future__ import annotations

import enum
from functools import partial

from pydantic import StrictBool, StrictFloat, StrictInt, field_validator

from gated.config.settings import REQUIRED, Settings, setting

_live = partial(setting, live=True)


class Camera(enum.StrEnum):
    """Where frames come from."""

    PICAMERA2 = "picamera2"
    V4L2 = "v4l2"
    PICTURES = "pictures"  # a folder of pictures, for tests at the desk
    NONE = "none"


class ColourUse(enum.StrEnum):
    """What the colour of a code is used for. It is never proof."""

    OFF = "off"
    ADVISORY = "advisory"  # noted in the record
    DENY_RED_YELLOW = "deny_red_yellow"  # red or yellow: see staff


class VoiceDriver(enum.StrEnum):
    ALSA = "alsa"
    NONE = "none"


class ScannerSettings(Settings):
    """The code scanner."""

    camera: Camera = setting(
        REQUIRED,
        en="Camera: picamera2 on a Raspberry Pi, v4l2 for a USB camera, pictures for a folder.",
        zh="摄像头：树莓派用 picamera2,USB 用 v4l2,pictures 为图片文件夹",
    )
    device: str = setting(
        "/dev/video0",
        min_length=1,
        en="For v4l2 the device, for pictures the folder; otherwise not used.",
        zh="v4l2 的设备或 pictures 的文件夹",
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
    colour: ColourUse = _live(
        ColourUse.DENY_RED_YELLOW,
        en="What the code's colour is used for; it is advisory evidence, never proof.",
        zh="颜色仅辅助，不作凭证",
    )
    hold_off_s: StrictFloat = setting(
        1.5,
        ge=0.5,
        le=60.0,
        unit="s",
        en="The same code counts as shown again only after being out of view this long.",
        zh="同一码离开画面多久后才算再次出示",
    )


_LINE = partial(
    setting,
    pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,31}$",
    example="GPIO17",
    en="Name of the GPIO line.",
    zh="GPIO 线名",
)


class RelaySettings(Settings):
    """The relay that opens the gate."""

    line: str = _LINE(REQUIRED)
    pulse_s: StrictFloat = setting(
        0.5, ge=0.1, le=5.0, unit="s", en="Length of one opening pulse.", zh="一次开门脉冲的长度"
    )
    active_low: StrictBool = setting(
        False,
        en="Always false: an active-low relay board would open the gate at power-on.",
        zh="只能为 false:低电平有效的继电器板上电时会开门",
    )

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


class VoiceSettings(Settings):
    driver: VoiceDriver = setting(
        VoiceDriver.NONE, en="How prompts are spoken, or none.", zh="语音输出方式"
    )
    volume_percent: StrictInt = _live(
        80, ge=0, le=100, unit="%", en="Loudness of the voice.", zh="音量"
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
        lines = {"outputs.relay.line": self.relay.line}
        if self.buzzer is not None:
            lines["outputs.buzzer.line"] = self.buzzer.line
        if self.call_staff is not None:
            lines["outputs.call_staff.line"] = self.call_staff.line
        if self.lamps is not None:
            lines |= {f"outputs.lamps.{k}": getattr(self.lamps, k) for k in ("go", "wait", "code")}
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

    def lines(self) -> dict[str, str]:
        """Return {key: GPIO line} of every input that is wired."""
        wired = {name: getattr(self, name) for name in type(self).model_fields}
        return {f"inputs.{name}.line": w.line for name, w in wired.items() if w is not None}
