"""What a gate's answer to a command means, in both languages."""

from __future__ import annotations

from collections.abc import Mapping

from gated.contents import CommandOutcome, CommandReason
from gated.texts import Pair

OUTCOMES: Mapping[CommandOutcome, Pair] = {
    CommandOutcome.DONE: ("已执行", "done"),
    CommandOutcome.REFUSED: ("闸机拒绝", "refused"),
    CommandOutcome.FAILED: ("未能执行", "failed"),
}

WHY: Mapping[CommandReason, Pair] = {
    CommandReason.TOO_LARGE: ("命令过大", "larger than a command may be"),
    CommandReason.RETAINED: ("保留消息不算命令", "a retained message is no command"),
    CommandReason.MALFORMED: ("内容无效", "not a command"),
    CommandReason.UNKNOWN_KEY: ("密钥不受信任", "its key is not in the trust folder"),
    CommandReason.BAD_SIGNATURE: ("签名错误", "its signature is wrong"),
    CommandReason.WRONG_USE: ("此密钥不能签命令", "its key may not sign commands"),
    CommandReason.WRONG_GATE: ("不是给这台闸机的", "meant for another gate"),
    CommandReason.REPLAYED: ("重复或过期的序号", "its number was used, or a later one was"),
    CommandReason.OLD_NONCE: (
        "闸机刚重启或消息延误，请再试一次",
        "the gate has restarted, or the command was long on its way; try again",
    ),
    CommandReason.EXPIRED: (
        "已超时，请核对双方时钟",
        "too late; if it was sent just now, compare the clocks of the gate and of the centre",
    ),
    CommandReason.NOT_YET_VALID: (
        "签发时间在未来，请核对双方时钟",
        "signed in the future; compare the clocks of the gate and of the centre",
    ),
    CommandReason.UNSUPPORTED: ("闸机版本不支持", "this gate's version does not know it"),
    CommandReason.MODE_CLOSED: ("闸机处于封闭模式", "the gate is closed"),
    CommandReason.KEY_SWITCH: ("现场钥匙已锁定", "the key switch at the gate holds it closed"),
    CommandReason.NOT_AN_ENTRY: ("这不是入口", "not an entry"),
    CommandReason.RELAY_LOST: ("继电器失联", "the relay is lost"),
    CommandReason.GATE_OPEN: ("闸门未关上", "the gate stands open already"),
    CommandReason.SOMEBODY_THERE: (
        "有人正在测温或通行，请稍候",
        "somebody is being measured, or on the way through; wait until the gate has done with them",
    ),
    CommandReason.NEEDS_STAFF: (
        "有人须由现场值班人员处理",
        "somebody waits there whom only staff at the gate may let in",
    ),
    CommandReason.SUPERSEDED: ("已被另一请求取代", "another request came before it was in force"),
    CommandReason.STORAGE_FAILED: ("无法记录", "it could not be recorded"),
    CommandReason.NOT_KEPT: ("闸机上已没有这些记录", "the gate does not have all these records"),
    CommandReason.NOT_CONFIGURED: (
        "闸机未配置该名单",
        "its configuration names no such list",
    ),
    CommandReason.LIST_REFUSED: ("名单无效", "not a list that the gate would take"),
    CommandReason.LIST_OLDER: ("名单不比现有的新", "not newer than the list that it has"),
    CommandReason.NOT_WRITABLE: (
        "闸机无权写入，或存储已满",
        "the gate may not write where this belongs, or its disk is full",
    ),
    CommandReason.CONFIG_REFUSED: (
        "配置无效，原配置不变",
        "not a valid configuration; nothing changed",
    ),
    CommandReason.TRUST_REFUSED: (
        "公钥文件不可远程添加",
        "not a file of keys that may be added from afar",
    ),
    CommandReason.UNKNOWN_NAME: (
        "中心未推送过此名称",
        "the centre has added nothing under this name",
    ),
    CommandReason.TOO_SOON: ("请一分钟后再试", "once a minute at most; try again in a minute"),
}
