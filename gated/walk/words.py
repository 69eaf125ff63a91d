"""What the guide says: before each step, as its question, and when the answer is no. Pure.

The mends are those of docs/wiring.md, docs/sensors.md and docs/scanning.md, in a sentence each;
docs/doctor.md has them in a table, and a test holds both together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gated.actuators.signals import Lamp
from gated.config import GateConfig
from gated.probe.toggle import MAX_TOGGLE_S
from gated.texts import LANGUAGES, PROMPTS
from gated.vocabulary import Button, Key, Prompt
from gated.walk.course import Mark, Phase, Text
from gated.walk.steps import ASKED_FIRST, Step, What, button_name

SPOKEN = Prompt.READY
BUZZ_S = 0.5
RING_S = 1.0

LAMPS: Mapping[str, Text] = {
    f"lamp {Lamp.GO}": ("通行灯（绿）", "the lamp for go (green)"),
    f"lamp {Lamp.WAIT}": ("等待灯（黄）", "the lamp for wait (amber)"),
    f"lamp {Lamp.CODE}": ("出示码灯（蓝）", "the lamp for the code (blue)"),
    f"lamp {Lamp.OBSERVE}": ("试运行灯（紫）", "the lamp for observing (violet)"),
}
BUTTONS: Mapping[str, Text] = {
    button_name(Button.ATTENDANT): ("围栏内的老师按钮", "the staff's button inside the fence"),
    button_name(Button.CALL): ("访客呼叫按钮", "the visitors' call button"),
    Key.RELEASE.value: ("放行钥匙", "the key to its release position, and let it spring back"),
    Key.MODE.value: ("模式钥匙", "the key to its mode position, and back"),
}
MARKS: Mapping[Mark, Text] = {
    Mark.WORKS: ("正常", "works"),
    Mark.FAILS: ("不正常", "does not work"),
    Mark.SKIPPED: ("跳过", "skipped"),
    Mark.NOT_CONFIGURED: ("未配置", "not configured"),
}
_BEGIN: Text = ("回车 开始", "Enter begin")
_BEGIN_SURE: Text = ("y 是，开门", "y yes, open it")
_SKIP_STOP: Text = ("s 跳过 · q 结束", "s skip · q stop")
_ANSWERS: Text = ("y 正常 · n 不正常 · r 再来一次", "y works · n does not · r again")
_BROKEN: Text = ("n 不正常 · r 再试", "n does not work · r try again")


def keys(step: Step, phase: Phase) -> Text:
    """Return which keys can be pressed now."""
    begin = _BEGIN_SURE if step.what in ASKED_FIRST else _BEGIN
    first = {Phase.ANNOUNCED: begin, Phase.TRIED: _ANSWERS, Phase.BROKEN: _BROKEN}[phase]
    return f"{first[0]} · {_SKIP_STOP[0]}", f"{first[1]} · {_SKIP_STOP[1]}"


def announce(step: Step, config: GateConfig) -> Text:
    """Return what is about to happen. Nothing has happened yet when it is read."""
    name = step.name
    match step.what:
        case What.RELAY:
            pulse_s = config.outputs.relay.pulse_s
            return (
                f"闸门将打开 {pulse_s:g} 秒。请确认通道内没有人",
                f"the gate will open for {pulse_s:g} s. Let nobody stand in it",
            )
        case What.LAMP:
            zh, en = LAMPS[name]
            return (
                f"{zh}将亮起，回答后熄灭，最多 {MAX_TOGGLE_S:g} 秒",
                f"{en} will light up until you answer, for {MAX_TOGGLE_S:g} s at most",
            )
        case What.BUZZER:
            return (f"蜂鸣器将响 {BUZZ_S:g} 秒", f"the buzzer will sound for {BUZZ_S:g} s")
        case What.BELL:
            return (
                f"叫老师的铃将响 {RING_S:g} 秒，请有人在值班处听",
                f"the bell will ring for {RING_S:g} s: let somebody listen where staff sit",
            )
        case What.VOICE:
            said = dict(zip(LANGUAGES, PROMPTS[SPOKEN], strict=True))
            text = " / ".join(said[language] for language in config.gate.languages)
            return f"将播放语音：“{text}”", f"the voice will say: “{text}”"
        case What.BUTTON | What.KEY:
            zh, en = BUTTONS[name]
            verb = ("按", "press") if step.what is What.BUTTON else ("转动", "turn")
            return f"{verb[0]}{zh}，两次", f"{verb[1]} {en}, twice"
        case What.CAMERA | What.SERIAL_SCANNER:
            zh = "摄像头" if step.what is What.CAMERA else f"扫码器 {name}"
            en = "the camera" if step.what is What.CAMERA else f"the scanner {name}"
            return (
                f"把任意二维码举到{zh}前，拿开，再举一次。内容不会保存",
                (
                    f"hold any QR code up to {en}, take it away, hold it up again. What it says "
                    "is not kept"
                ),
            )
        case _:
            zh, en = _ANNOUNCED[step.what]
            return zh.format(name=name), en.format(name=name)


_ANNOUNCED: Mapping[What, Text] = {
    What.PASSAGE: (
        "从光电之间走过，或伸手穿过，两次",
        "walk through the light barrier, or reach through it, twice",
    ),
    What.CONTACT: (
        "用手打开闸门，再关好",
        "open the gate by hand, and shut it again",
    ),
    What.FACE: (
        "一个人站到测温头 {name} 前，露出额头，看着它站稳",
        "let somebody stand before {name}, forehead free, look at it and hold still",
    ),
    What.WARMTH: (
        "所有人离开测温头 {name}，开始后三秒再把手掌或一杯温水放到它前面几厘米",
        (
            "let everybody step away from {name}; three seconds after the beginning hold a palm or "
            "a cup of warm water a few centimetres before it"
        ),
    ),
    What.DISTANCE: (
        "站在 {name} 前一米半处，慢慢走近到一掌远",
        "stand a metre and a half before {name}, and walk slowly up to a hand's width",
    ),
    What.AIR: (
        "在 {name} 旁放一支温度计对照，然后用手握住它",
        "hold a room thermometer beside {name} to compare, then hold the sensor in your hand",
    ),
    What.PLATE: (
        "读参考板里的温度计 {name}；用手按住参考板片刻",
        "the thermometer in the plate ({name}) is read; lay a hand on the plate for a moment",
    ),
    What.WAY_OUT: (
        "本步骤不动任何设备：出口须在本机断电时、消防报警时都能打开",
        (
            "nothing is moved now: the way out must open while this machine has no power, and on "
            "the fire alarm"
        ),
    ),
}
QUESTIONS: Mapping[What, Text] = {
    What.RELAY: ("闸门打开一次又关上了吗？", "did the gate open, once, and is it shut again?"),
    What.LAMP: ("只有这盏灯亮着吗？", "is this lamp lit, and no other?"),
    What.BUZZER: ("响了吗？", "did it sound?"),
    What.BELL: ("值班处听到了吗？", "was it heard where staff sit?"),
    What.VOICE: ("听得清吗？", "is it heard clearly?"),
    What.PASSAGE: (
        "每次都感应到，没有别的吗？",
        "was it felt each time, and nothing else with it?",
    ),
    What.CONTACT: (
        "显示与闸门一致吗？",
        "did it say open and shut as the gate was?",
    ),
    What.BUTTON: ("每次都感应到，没有别的吗？", "was it felt each time, and nothing else with it?"),
    What.KEY: ("两个位置都感应到了吗？", "were both positions felt, and nothing else with them?"),
    What.FACE: (
        "读数稳定，且在应有范围内吗？",
        "is the reading steady, and where it should be?",
    ),
    What.WARMTH: ("读数随之升高又降回吗？", "did the reading rise with it, and fall again?"),
    What.DISTANCE: ("读数与实际距离一致吗？", "did the figures follow, and are they right?"),
    What.AIR: (
        "与温度计相差不到 1 °C，握住后升高吗？",
        "is it within 1 °C of the room thermometer, and did it rise in the hand?",
    ),
    What.PLATE: ("读数合理，按住后有变化吗？", "is it plausible, and did it follow the hand?"),
    What.CAMERA: ("很快就读出了吗？", "was it read soon, each time?"),
    What.SERIAL_SCANNER: ("很快就读出了吗？", "was it read soon, each time?"),
    What.WAY_OUT: (
        "断电和消防都试过，出口都打开了吗？",
        "were both tried, and did it open each time?",
    ),
}

_LINE_MENDS: tuple[Text, ...] = (
    (
        "线接错：逐根核对 GPIO 线名与排针号 (docs/wiring.md 引脚表)",
        "two wires exchanged: compare line name and pin, wire by wire (docs/wiring.md, pins)",
    ),
    (
        "驱动板没有自己的 12/24 V 供电，或没有共地",
        "the driver board has no supply of its own (12 or 24 V), or no common ground",
    ),
    (
        "驱动板须高电平有效：ULN2803 一类",
        "the driver board must switch on by a high level (ULN2803 and the like)",
    ),
)
_CONTACT_MENDS: tuple[Text, ...] = (
    (
        "触点须接到地：没有感应就用万用表量按下时线与地是否导通",
        "contacts close to ground: see with a multimeter whether line and ground connect",
    ),
    (
        "接到了别的线：感应到的是哪个名字，就查哪根线",
        "wired to another line: look at the wire of whatever was felt instead",
    ),
    (
        "一次感应到多次：把 debounce_ms 加大；长于一米的线加 4.7 kΩ 上拉和 100 nF",
        "felt several times: a larger debounce_ms; 4.7 kΩ to 3.3 V and 100 nF on longer wires",
    ),
)
_SENSOR_MENDS: tuple[Text, ...] = (
    (
        "接线、供电或上拉电阻：gated probe 显示总线上有什么应答",
        "cable, supply or pull-ups: gated probe shows what answers on the bus",
    ),
)
_CODE_MENDS: tuple[Text, ...] = (
    (
        "太远或太近：码宽不少于 95 px，镜头离码 10–30 cm",
        "too far or too near: 95 px at least across the code, the lens 10–30 cm away from it",
    ),
    (
        "画面暗或反光：从侧面加白光灯，屏幕调亮",
        "dark, or a reflex: a white lamp from the side, a brighter screen",
    ),
    (
        "画面模糊：对焦到举码处 (scanner.focus_m，或转动镜头环)，擦镜头",
        "blurred: focus where codes are held (scanner.focus_m, or the lens ring); wipe the lens",
    ),
)
MENDS: Mapping[What, tuple[Text, ...]] = {
    What.RELAY: (
        (
            "听不到继电器响：线接错，或继电器板没有 5 V",
            "the relay does not click: a wrong line, or no 5 V at the board",
        ),
        (
            "继电器响而闸门不动：常开触点未接到闸机的开门输入，或脉冲太短 (outputs.relay.pulse_s)",
            (
                "it clicks and the gate stays shut: its NO contact is not at the turnstile's open "
                "input, or the pulse is too short (outputs.relay.pulse_s)"
            ),
        ),
        (
            "闸门一直开着：触点粘连，或接成了常闭；先断开闸门再查",
            "the gate stays open: a welded contact, or wired to NC; take the gate off it first",
        ),
    ),
    What.LAMP: _LINE_MENDS,
    What.BUZZER: (
        *_LINE_MENDS,
        ("须用有源蜂鸣器", "it must be an active buzzer, which sounds by itself"),
    ),
    What.BELL: _LINE_MENDS,
    What.VOICE: (
        (
            "声卡静音或音量为零：alsamixer；outputs.voice.volume_percent",
            "the card is muted or turned down: alsamixer, and outputs.voice.volume_percent",
        ),
        (
            "声卡名不对：aplay -L 列出名字 (outputs.voice.device)",
            "another card: aplay -L lists the names (outputs.voice.device)",
        ),
        ("功放没有电", "the amplifier has no supply"),
    ),
    What.PASSAGE: _CONTACT_MENDS,
    What.CONTACT: (
        (
            "开关说反了：门磁须在闸门关好时闭合 (接地)",
            "open and shut are exchanged: the reed must be closed while the gate is shut",
        ),
        *_CONTACT_MENDS,
    ),
    What.BUTTON: _CONTACT_MENDS,
    What.KEY: _CONTACT_MENDS,
    What.FACE: (
        *_SENSOR_MENDS,
        (
            "读数偏低：站得太远，或测温头没对准额头；按视场角贴地面脚印 (docs/sensors.md)",
            (
                "too low: too far away, or it does not look at the forehead; put the floor mark "
                "where its optics want it (docs/sensors.md)"
            ),
        ),
        (
            "读数偏高或飘动：日晒、热源、供电不是 3.3 V (supply_v)",
            "too high, or unsteady: sun, something hot, or a supply other than 3.3 V (supply_v)",
        ),
        (
            "前面有玻璃或塑料：红外线透不过",
            "glass or plastic before it: infrared does not pass",
        ),
    ),
    What.WARMTH: (
        *_SENSOR_MENDS,
        (
            "升高的是另一支：两条总线接反",
            "another one rises: both buses are exchanged",
        ),
        (
            "前面有玻璃或塑料：红外线透不过",
            "glass or plastic before it: infrared does not pass",
        ),
    ),
    What.AIR: (
        *_SENSOR_MENDS,
        (
            "偏高：离树莓派、灯或日晒太近；装到半米外的阴处",
            "too warm: too near to the Pi, a lamp or the sun; half a metre away, in the shade",
        ),
    ),
    What.PLATE: (
        *_SENSOR_MENDS,
        (
            "温度计没有贴紧参考板背面",
            "its thermometer is not glued to the plate's back",
        ),
    ),
    What.DISTANCE: (
        *_SENSOR_MENDS,
        (
            "保护膜未撕，或窗口有污渍",
            "the protective foil is still on it, or its window is dirty",
        ),
        (
            "差一个固定值：offset_mm",
            "wrong by the same everywhere: offset_mm",
        ),
    ),
    What.CAMERA: _CODE_MENDS,
    What.SERIAL_SCANNER: (
        (
            "扫码器还是键盘模式：扫说明书里的 USB-COM (虚拟串口) 设置码",
            "it still is a keyboard: scan the setup code for USB-COM (virtual port) of its manual",
        ),
        (
            "没有后缀：设为加回车换行；9600 Bd 以外写 baud",
            "no suffix: set it to CR LF; another speed than 9600 Bd: baud",
        ),
        (
            "亮而不读：屏幕调亮、纸张补光；scanner.serial 的 trigger",
            "it shines and does not read: a brighter screen; see trigger of scanner.serial",
        ),
    ),
    What.WAY_OUT: (
        (
            "出口绝不经过树莓派：推杆、串在锁电源里的出门按钮、消防联动 (docs/wiring.md 出口)",
            (
                "it must not go through the Pi: panic bar, exit button in series with the lock's "
                "supply, fire alarm (docs/wiring.md, the way out)"
            ),
        ),
    ),
}


def mends(step: Step) -> Iterator[Text]:
    """Yield the likely causes, most likely first, each with its mend."""
    yield from MENDS[step.what]
