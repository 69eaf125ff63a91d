"""The whole of gated.toml: ``GateConfig`` and the sections that are only rules and places."""

from __future__ import annotations

import enum
import zoneinfo
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gated.config.broker import UplinkSettings
from gated.config.certificates import CertificateSettings
from gated.config.credentials import CredentialSettings
from gated.config.devices import Camera, InputSettings, OutputSettings, ScannerSettings
from gated.config.settings import REQUIRED, Settings, setting
from gated.config.temperature import TemperatureSettings
from gated.config.verifier import VerifierSettings
from gated.texts import Language
from gated.vocabulary import Check, Direction, Mode
from gated.wire import COLLECTOR, USES, is_name

_live = partial(setting, live=True)


class ClockSource(enum.StrEnum):
    """What makes the wall clock trusted."""

    TIMESYNCD = "timesyncd"
    SYSTEM = "system"  # taken as it is: for development


def check_name(value: str) -> str:
    """Return ``value`` if it may stand in a topic. Raises: ValueError: otherwise."""
    if not is_name(value):
        raise ValueError(
            "must be 1-63 of a-z 0-9 and -, not starting with - (只能用小写字母、数字和 -)"
        )
    return value


def check_timezone(value: str) -> str:
    """Return ``value`` if it names a time zone. Raises: ValueError: otherwise."""
    try:
        zoneinfo.ZoneInfo(value)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError) as exc:
        raise ValueError('must be a time zone such as "Asia/Shanghai" (须为时区名)') from exc
    return value


class GateSettings(Settings):
    """Which gate this is."""

    site: str = setting(REQUIRED, en="The school, village or venue, as in topics.", zh="学校/地点")
    name: str = setting(REQUIRED, en="The gate's name; also its MQTT user.", zh="闸机名称")
    languages: tuple[Language, ...] = _live(
        ("zh-Hans", "en"),
        min_length=1,
        max_length=2,
        en="Languages of the prompts, first one first.",
        zh="提示语言，按先后",
    )
    timezone: str = setting("Asia/Shanghai", en="Time zone of the records.", zh="时区")
    direction: Literal[Direction.IN, Direction.OUT] = setting(
        Direction.IN, en="Which way people pass.", zh="通行方向"
    )
    zone: str | None = setting(
        None, en="The zone behind this gate, when passes name zones.", zh="闸机后的区域"
    )

    _zone_is_known = field_validator("timezone")(check_timezone)

    @field_validator("site", "name")
    @classmethod
    def _fits_a_topic(cls, value: str) -> str:
        return check_name(value)

    @field_validator("zone")
    @classmethod
    def _zone_is_a_name(cls, value: str | None) -> str | None:
        return None if value is None else check_name(value)

    @field_validator("site")
    @classmethod
    def _is_not_reserved(cls, value: str) -> str:
        if value == COLLECTOR:
            raise ValueError(f'"{COLLECTOR}" is reserved for collectors (保留名，请换一个)')
        return value

    @field_validator("name")
    @classmethod
    def _is_not_where_uses_are_told(cls, value: str) -> str:
        if value == USES:
            raise ValueError(f'"{USES}" is reserved for what gates share (保留名，请换一个)')
        return value

    @field_validator("languages")
    @classmethod
    def _once_each(cls, value: tuple[Language, ...]) -> tuple[Language, ...]:
        if len(set(value)) != len(value):
            raise ValueError("each language once (语言重复)")
        return value


class CheckSettings(Settings):
    """How strictly each check is applied: hard refuses, soft is noted, off."""

    temperature: Check = _live(Check.HARD, en="The temperature.", zh="体温")
    credential: Check = _live(Check.HARD, en="The pass or code.", zh="通行码")
    exit_reader: StrictBool = _live(
        False, en="Whether people show their code on the way out too.", zh="出口是否也扫码"
    )
    anti_passback: Check = _live(
        Check.SOFT,
        en="A pass that came in may not come in again. hard only with an exit reader.",
        zh="防重复进入；无出口扫码勿用 hard",
    )
    anti_passback_reset: str = _live(
        "04:00",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        example="04:00",
        en="Every day at this time everybody counts as outside.",
        zh="每天此时清零",
    )

    static_when_holdover: Check = _live(
        Check.OFF,
        en="A pass that stays the same, while the clock is plausible and not set yet.",
        zh="静态码，时钟尚未校准时",
    )
    static_when_unknown: Check = _live(
        Check.SOFT,
        en="The same, while the clock is certainly wrong: judged at the time of the last record.",
        zh="静态码，时钟明显错误时(按最后记录的时间判断)",
    )
    dynamic_when_holdover: Check = _live(
        Check.SOFT,
        en="A changing pass, while the clock is plausible and not set yet.",
        zh="动态码，时钟尚未校准时",
    )
    dynamic_when_unknown: Check = _live(
        Check.HARD,
        en="A changing pass, while the clock is certainly wrong: its age cannot be told.",
        zh="动态码，时钟明显错误时(无法判断是否过期)",
    )

    @field_validator("anti_passback")
    @classmethod
    def _needs_exit_reader(cls, value: Check, info: ValidationInfo) -> Check:
        if value is Check.HARD and not info.data.get("exit_reader", True):
            raise ValueError(
                "hard would lock out everybody who left without scanning: set it to soft, or "
                "exit_reader = true if the exit has a reader (无出口扫码勿用 hard)"
            )
        return value


class VisitSettings(Settings):
    """The rhythm of one visit. Time-outs count progress, not seconds."""

    hint_after_s: StrictFloat = _live(
        3.0, ge=1.0, le=30.0, unit="s", en="No progress: give a hint.", zh="无进展多久后提示"
    )
    staff_after_s: StrictFloat = _live(
        15.0, ge=5.0, le=120.0, unit="s", en="No progress: call staff.", zh="无进展多久后叫老师"
    )
    hold_s: StrictFloat = _live(5.0, ge=1.0, le=30.0, unit="s", en="Time to pass.", zh="通行时间")
    hold_slow_s: StrictFloat = _live(
        15.0, ge=1.0, le=60.0, unit="s", en="Time to pass in a wheelchair.", zh="轮椅通行时间"
    )
    held_open_after_s: StrictFloat = _live(
        10.0,
        ge=3.0,
        le=600.0,
        unit="s",
        en="The gate stands open this long after the passage: an alarm. Needs inputs.contact.",
        zh="闸门敞开超过此时间报警(需门磁)",
    )
    credential_hold_s: StrictFloat = _live(
        10.0,
        ge=0.0,
        le=60.0,
        unit="s",
        en="A code shown before the face counts this long.",
        zh="先扫码后测温时，码的有效时间",
    )
    release_within_s: StrictFloat = _live(
        900.0,
        ge=30.0,
        le=7200.0,
        unit="s",
        en="Staff can release a visitor this long after the call.",
        zh="老师可在多久内处理",
    )
    observe_for_h: StrictFloat = _live(
        168.0,
        ge=1.0,
        le=744.0,
        unit="h",
        en="Observing ends by itself after this long, back to normal.",
        zh="试运行多久后自动转为正常",
    )
    initial_mode: Mode = _live(
        Mode.NORMAL,
        en="Mode at the very first start; afterwards the gate keeps its mode.",
        zh="首次启动时的模式",
    )

    @field_validator("staff_after_s")
    @classmethod
    def _hint_comes_first(cls, value: float, info: ValidationInfo) -> float:
        hint = info.data.get("hint_after_s")
        if hint is not None and value <= hint:
            raise ValueError(f"must be above hint_after_s = {hint} s (须大于 hint_after_s)")
        return value

    @field_validator("hold_slow_s")
    @classmethod
    def _slow_is_longer(cls, value: float, info: ValidationInfo) -> float:
        hold = info.data.get("hold_s")
        if hold is not None and value < hold:
            raise ValueError(f"must not be below hold_s = {hold} s (不得小于 hold_s)")
        return value


class LedgerSettings(Settings):
    """How much the gate keeps of its own."""

    keep_acked_days: StrictInt = setting(
        30, ge=0, le=366, unit="d", en="Acknowledged events stay this long.", zh="已上传记录保留"
    )
    max_bytes: StrictInt = setting(
        1_073_741_824,
        ge=16_777_216,
        le=1_099_511_627_776,
        unit="B",
        en="Largest ledger; beyond, nobody enters until the collector has caught up.",
        zh="本地台账上限",
    )
    min_free_mb: StrictInt = setting(
        200, ge=20, le=100_000, unit="MB", en="Space that must stay free.", zh="磁盘最少剩余"
    )


class PathSettings(Settings):
    """Where the gate keeps its files."""

    state: Path = setting(Path("/var/lib/gated"), en="The ledger and the state.", zh="数据文件夹")
    run: Path = setting(Path("/run/gated"), en="The sockets.", zh="运行文件夹")


class ClockSettings(Settings):
    """What makes the wall clock trusted."""

    source: ClockSource = setting(
        ClockSource.TIMESYNCD,
        en="timesyncd: trusted once synchronised. system: trusted as it is (development).",
        zh="timesyncd:对时后可信;system:直接采信(开发用)",
    )


class GateConfig(Settings):
    """The configuration of one gate. Pass on the smallest section that is needed."""

    gate: GateSettings = setting(REQUIRED, en="Which gate this is.", zh="本机")
    temperature: TemperatureSettings = setting(REQUIRED, en="How readings are judged.", zh="测温")
    checks: CheckSettings = setting(
        CheckSettings(), en="hard refuses, soft is noted, off.", zh="hard 拒绝,soft 记录,off 关闭"
    )
    scanner: ScannerSettings = setting(REQUIRED, en="The code scanner.", zh="扫码")
    credentials: CredentialSettings = setting(
        CredentialSettings(), en="Which passes are believed.", zh="通行码的信任"
    )
    certificates: CertificateSettings = setting(
        CertificateSettings(), en="What health certificates are worth.", zh="健康证明"
    )
    verifier: VerifierSettings = setting(
        VerifierSettings(), en="The platform that codes are verified by.", zh="联网核验"
    )
    visit: VisitSettings = setting(VisitSettings(), en="The rhythm of one visit.", zh="通行节奏")
    outputs: OutputSettings = setting(REQUIRED, en="Relay, lamps, bell, voice.", zh="输出")
    inputs: InputSettings = setting(InputSettings(), en="Contacts and buttons.", zh="输入")
    uplink: UplinkSettings = setting(REQUIRED, en="The way to the collector.", zh="上传")
    ledger: LedgerSettings = setting(
        LedgerSettings(), en="How much the gate keeps of its own.", zh="本地台账"
    )
    paths: PathSettings = setting(PathSettings(), en="Where files are kept.", zh="文件夹")
    clock: ClockSettings = setting(ClockSettings(), en="The wall clock.", zh="时钟")

    @property
    def client_id(self) -> str:
        """The MQTT client id: unique for each gate. A slash in it brings rumqttd down."""
        return f"gate.{self.gate.site}.{self.gate.name}"

    @property
    def mqtt_user(self) -> str | None:
        """The MQTT user, or None if the broker is used without one."""
        if self.uplink.user is None and self.uplink.password_file is not None:
            return self.gate.name
        return self.uplink.user

    @model_validator(mode="after")
    def _answers_come_before_staff(self) -> Self:
        if self.verifier.enabled and self.verifier.time_out_s >= self.visit.staff_after_s:
            raise ValueError(
                f"verifier.time_out_s must be below visit.staff_after_s = "
                f"{self.visit.staff_after_s} s (须小于 visit.staff_after_s)"
            )
        return self

    @model_validator(mode="after")
    def _each_line_once(self) -> Self:
        wired = _named_twice(self.outputs.lines() | self.inputs.lines())
        faults = [
            f"{line} is wired to {' and '.join(keys)} (同一 GPIO 线用了多次)"
            for line, keys in wired
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _each_device_once(self) -> Self:
        devices = {f"scanner.serial[{s.name}].device": s.device for s in self.scanner.serial}
        if self.scanner.camera is Camera.V4L2:
            devices["scanner.device"] = self.scanner.device
        if self.outputs.relay.device is not None:
            devices["outputs.relay.device"] = self.outputs.relay.device
        faults = [
            f"{device} is named by {' and '.join(keys)}: one device is one thing (同一设备用了多次)"
            for device, keys in _named_twice(devices)
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _named_twice(named: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Return what several keys name, and by which keys."""
    keys_of: dict[str, list[str]] = {}
    for key, what in named.items():
        keys_of.setdefault(what, []).append(key)
    return [(what, keys) for what, keys in keys_of.items() if len(keys) > 1]
