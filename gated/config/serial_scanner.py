"""``scanner.serial``: QR scanners on a serial line."""

from __future__ import annotations

import enum
from functools import partial
from typing import Self

from pydantic import StrictFloat, StrictInt, model_validator

from gated.config.settings import REQUIRED, Settings, setting

# 16 bytes take 133 ms at 1,200 Bd: a write that takes longer counts as a loss.
_HEX = partial(setting, pattern=r"^[0-9A-Fa-f]{2}( [0-9A-Fa-f]{2}){0,15}$")


class SerialProtocol(enum.StrEnum):
    """How a serial scanner marks its codes, and whether it is sent commands."""

    LINE = "line"  # CR, LF or a pause ends a code
    LENGTH = "length"  # 03 and two bytes of length before each code
    GM65 = "gm65"  # the same; switched to it, and looked after, by commands


class Trigger(enum.StrEnum):
    """What makes a serial scanner read."""

    CONTINUOUS = "continuous"  # it reads all the time, or as it has been set up
    INDUCTION = "induction"  # gm65: it reads, and lights up, when something moves before it
    COMMAND = "command"  # a command, again and again


class SerialScannerSettings(Settings):
    """One QR scanner on a serial line (USB CDC or UART)."""

    name: str = setting(
        REQUIRED,
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
        example="paper",
        en="Its name in alarms and in the status.",
        zh="名称",
    )
    device: str = setting(
        REQUIRED,
        pattern=r"^/dev/[A-Za-z0-9._:*/-]{1,200}$",
        example="/dev/serial/by-id/usb-scanner-if00",
        en="Stable path below /dev/serial/by-id; * stands for anything, but for one device only.",
        zh="稳定路径(/dev/serial/by-id 下)，* 可代任意字符，但只能对应一个设备",
    )
    baud: StrictInt = setting(
        9600, ge=1200, le=921_600, unit="Bd", en="Speed of the line.", zh="波特率"
    )
    protocol: SerialProtocol = setting(
        SerialProtocol.LINE,
        en="What ends a code: a line end, or a length before it; gm65 sets a Grow module up, too.",
        zh="码的分隔：行尾，或前置长度；gm65 另会自动设置 Grow 模块",
    )
    trigger: Trigger = setting(
        Trigger.CONTINUOUS,
        en="What makes it read: itself, something that moves (gm65 only), or a command.",
        zh="触发方式：自行连续、感应(仅 gm65)或命令",
    )
    trigger_on: str | None = _HEX(
        None,
        example="16 54 0D",
        en="The command that makes it read, in hexadecimal. gm65 knows its own.",
        zh="触发命令(十六进制)；gm65 自带",
    )
    trigger_off: str | None = _HEX(
        None,
        example="16 55 0D",
        en="The command that is sent at the end, in hexadecimal.",
        zh="结束时发送的停止命令(十六进制)",
    )
    retrigger_s: StrictFloat = setting(
        4.0,
        ge=0.5,
        le=60.0,
        unit="s",
        en="The command is repeated this often: before the scanner's own time-out.",
        zh="多久重发触发命令，须短于扫码器自身超时",
    )

    @model_validator(mode="after")
    def _can_be_triggered_so(self) -> Self:
        is_gm65 = self.protocol is SerialProtocol.GM65
        if self.trigger is Trigger.INDUCTION and not is_gm65:
            raise ValueError('trigger "induction" needs protocol "gm65" (仅 gm65 支持 induction)')
        is_ours = self.trigger is Trigger.COMMAND and not is_gm65
        if is_ours and self.trigger_on is None:
            raise ValueError('trigger "command" needs trigger_on (缺少 trigger_on)')
        if not is_ours and (self.trigger_on is not None or self.trigger_off is not None):
            raise ValueError(
                'trigger_on and trigger_off go with trigger "command", and not with protocol '
                '"gm65" (trigger_on/off 仅用于 command，且非 gm65)'
            )
        return self
