"""What only a Raspberry Pi has: pins at power-on, lines that outlive their process, its supply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from gated.actuators.gpio import Gpio
from gated.config import GateConfig
from gated.doctor.findings import Finding, error, ok, same, warning
from gated.doctor.host import CannotLook, Host
from gated.doctor.pi import (
    NOW,
    SINCE_START,
    Throttled,
    boot_state,
    gpio_number,
    parse_throttled,
)
from gated.probe.gpio_chips import list_chips

CHIP, STRICT, BOOT_PINS, POWER = "gpio_chip", "strict_gpiod", "boot_pins", "power"
RELAY_KEY = "outputs.relay.line"
CONFIG_TXT = ("boot/firmware/config.txt", "boot/config.txt")
"""The second before Debian 12."""
PERSIST = "sys/module/{}/parameters/persist_gpio_outputs"
STRICT_PARAMETER = "sys/module/{}/parameters/strict_gpiod"
"""The same, the other way round, in kernels of a few weeks of 2024 (raspberrypi/linux #6117)."""
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
_PI_5 = re.compile(r"Raspberry Pi (5|Compute Module 5)")


def look_at_chip(config: GateConfig, gpio: Gpio | None) -> Iterator[Finding]:
    """Yield whether the GPIO chip with the configured label is there. Takes no line.

    Args:
        config: of the gate.
        gpio: the chips; None: this machine's.
    """
    wanted = config.outputs.chip
    if not (config.outputs.lines() or config.inputs.lines()):
        yield ok(CHIP, says=("不用 GPIO", "no GPIO line is used"))
        return
    chips = list_chips(gpio)
    found = [chip for chip in chips if chip.label and fnmatchcase(chip.label, wanted)]
    if found:
        text = ", ".join(f"{chip.path} {chip.label}" for chip in found)
        yield ok(CHIP, says=(f"GPIO 芯片 {text}", f"the GPIO chip is {text}"))
        return
    problems = [chip.problem for chip in chips if chip.problem]
    others = ", ".join(f"{chip.path} {chip.label}" for chip in chips if chip.label)
    yield error(
        CHIP,
        says=(
            f'没有标签为 "{wanted}" 的 GPIO 芯片' + (f"，只有 {others}" if others else ""),
            f'no GPIO chip is labelled "{wanted}"' + (f", only {others}" if others else ""),
        ),
        mend=same(problems[0])
        if problems
        else (
            "只有树莓派这类板子才有；查看 gated probe，改 outputs.chip",
            "only boards such as a Pi have one: see gated probe, and correct outputs.chip",
        ),
    )


def look_at_strict_gpiod(host: Host) -> Iterator[Finding]:
    """Yield whether this kernel lets go of the lines of a process that has died."""
    model = host.pi_model()
    if model is None:
        yield ok(
            STRICT,
            says=(
                "不是树莓派：strict_gpiod 不适用",
                "no Raspberry Pi: strict_gpiod does not apply",
            ),
        )
        return
    module = "pinctrl_rp1" if _PI_5.match(model) else "pinctrl_bcm2835"
    persists = (host.read(PERSIST.format(module)) or "").strip()
    strict = (host.read(STRICT_PARAMETER.format(module)) or "").strip()
    if persists == "N" or strict == "Y":
        yield ok(
            STRICT,
            says=(
                "进程死后继电器线自动释放",
                "a dead process's relay line is let go by the kernel",
            ),
        )
        return
    mend = (
        "在 /boot/firmware/config.txt 加 dtparam=strict_gpiod，再重启",
        "write dtparam=strict_gpiod into /boot/firmware/config.txt and restart the machine",
    )
    if persists or strict:
        yield error(
            STRICT,
            says=(
                "内核会让已死进程的继电器保持吸合 (strict_gpiod 未启用)",
                "this kernel leaves a dead process's relay as it was (strict_gpiod is off)",
            ),
            mend=mend,
        )
        return
    yield warning(
        STRICT,
        says=(
            f"内核没有 {module}.persist_gpio_outputs，不知道进程死后继电器线如何",
            (
                f"this kernel has no {module}.persist_gpio_outputs: what becomes of a dead "
                "process's relay cannot be told"
            ),
        ),
        mend=(
            f"更新内核 (sudo apt full-upgrade)；{mend[0]}",
            f"update the kernel (sudo apt full-upgrade), and {mend[1]}",
        ),
    )


def look_at_boot_pins(config: GateConfig, host: Host) -> Iterator[Finding]:
    """Yield how each output's line stands until gated takes it. All outputs are active-high."""
    model = host.pi_model()
    if model is None:
        yield ok(
            BOOT_PINS,
            says=(
                "不是树莓派：开机电平不适用",
                "no Raspberry Pi: nothing is known of its lines at start",
            ),
        )
        return
    config_txt = next((text for path in CONFIG_TXT if (text := host.read(path)) is not None), None)
    found = False
    for key, line in config.outputs.lines().items():
        number = gpio_number(line)
        if number is None:
            continue
        for finding in _boot_pin(key, line, number, config_txt, model):
            found = True
            yield finding
    if not found:
        yield ok(
            BOOT_PINS,
            says=("开机时输出都为低", "every output is low while the Pi starts"),
        )


def _boot_pin(
    key: str, line: str, number: int, config_txt: str | None, model: str
) -> Iterator[Finding]:
    state = boot_state(number, config_txt or "", model)
    is_relay = key == RELAY_KEY
    if state.is_high:
        made = error if is_relay else warning
        yield made(
            BOOT_PINS,
            says=(
                f"{key} = {line} 开机时为高电平" + ("，会误开门" if is_relay else "，会误亮误响"),
                f"{key} = {line} is high while the Pi starts, "
                + ("which opens the gate" if is_relay else "so it lights or sounds then"),
            ),
            mend=(
                f"改接 GPIO16 至 GPIO27，并在 config.txt 写 gpio={number}=op,dl",
                f"use GPIO16 to GPIO27, and write gpio={number}=op,dl into config.txt",
            ),
        )
    elif is_relay and state.drive is None:
        where_zh, where_en = (
            ("读不到 config.txt", "there is no config.txt to read")
            if config_txt is None
            else ("config.txt 未设定", "config.txt does not set it")
        )
        yield warning(
            BOOT_PINS,
            says=(
                f"{key} = {line} 开机时只靠弱下拉，{where_zh}",
                f"{key} = {line} is only pulled down weakly while the Pi starts: {where_en}",
            ),
            mend=(
                f"在 /boot/firmware/config.txt 写 gpio={number}=op,dl，并外接 10 kΩ 下拉",
                (
                    f"write gpio={number}=op,dl into /boot/firmware/config.txt, and wire 10 kΩ "
                    "to ground"
                ),
            ),
        )


def look_at_power(host: Host) -> Iterator[Finding]:
    """Yield what the firmware says of supply and heat, now and since the Pi was started."""
    if host.pi_model() is None:
        yield ok(
            POWER,
            says=("不是树莓派：不报告供电", "no Raspberry Pi: its supply tells nothing"),
        )
        return
    throttled = _throttled(host)
    now, once = throttled.troubles(NOW), throttled.troubles(SINCE_START)
    mend = (
        "用官方电源和短线，检查散热",
        "use the Pi's own supply and a short cable; look after its cooling",
    )
    if now:
        made = error if throttled.is_under_voltage else warning
        zh, en = "、".join(t[0] for t in now), ", ".join(t[1] for t in now)
        yield made(
            POWER, says=(f"供电或散热现在异常：{zh}", f"power or heat, now: {en}"), mend=mend
        )
    elif once:
        zh, en = "、".join(t[0] for t in once), ", ".join(t[1] for t in once)
        yield warning(
            POWER,
            says=(f"开机后曾异常：{zh}", f"power or heat, once since the Pi was started: {en}"),
            mend=mend,
        )
    else:
        yield ok(
            POWER,
            says=(
                "开机以来供电和温度正常",
                "supply and heat were in order since the Pi was started",
            ),
        )


def _throttled(host: Host) -> Throttled:
    """Return what the firmware says. Raises: CannotLook."""
    text = host.read(THROTTLED)
    if text is None:
        text = host.run(["vcgencmd", "get_throttled"]).text
    found = parse_throttled(text)
    if found is None:
        raise CannotLook(f"the firmware does not say how the supply is: {text.strip()[:80]}")
    return found
