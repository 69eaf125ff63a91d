"""``[temperature]``: the threshold, its guard band, and the way from a reading to a body."""

from __future__ import annotations

from functools import partial

from pydantic import (
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    field_validator,
)

from gated.config.sensors import AmbientSettings, ReferenceSettings, ThermometerSettings
from gated.config.settings import REQUIRED, Settings, setting
from gated.vocabulary import BaselineUse, WhenNotJudged

_live = partial(setting, live=True)


class TemperatureSettings(Settings):
    """How a reading is judged. Everything but the wiring is taken over by a reload."""

    fever_threshold_c: StrictFloat = _live(
        37.3,
        ge=36.0,
        le=40.0,
        unit="°C",
        en="Fever threshold, compared with the compensated body temperature.",
        zh="发热阈值(与换算后的体温比较)",
    )
    fever_threshold_inclusive: StrictBool = _live(
        True,
        en="Whether exactly the threshold counts as high.",
        zh="等于阈值是否也算",
    )
    guard_below_c: StrictFloat = _live(
        0.1,
        ge=0.0,
        le=1.0,
        unit="°C",
        en="Guard band below the threshold: from here on, measure again.",
        zh="阈值以下多少起复测",
    )
    guard_above_c: StrictFloat = _live(
        0.5,
        ge=0.0,
        le=2.0,
        unit="°C",
        en="Guard band above the threshold: from here on, staff at once, without a second reading.",
        zh="超过阈值多少起直接叫老师",
    )
    max_attempts: StrictInt = _live(
        2,
        ge=1,
        le=4,
        en="Readings in place, at most, before the verdict.",
        zh="最多测几次",
    )
    when_not_judged: WhenNotJudged = _live(
        WhenNotJudged.SEE_STAFF,
        en="When nobody can tell (too cold, sensor lost, …): call staff, or admit and list.",
        zh="无法判断时(太冷、探头故障等):叫老师，或放行并登记",
    )
    cold_face_below_c: StrictFloat = _live(
        34.5,
        ge=30.0,
        le=36.0,
        unit="°C",
        en="A compensated reading below this is a cold face: it is not judged.",
        zh="低于此值视为脸冷，不判断",
    )
    ambient_min_c: StrictFloat = _live(
        10.0,
        ge=-10.0,
        le=30.0,
        unit="°C",
        en="Coldest air in which a reading is judged.",
        zh="可判断的最低环境温度",
    )
    ambient_max_c: StrictFloat = _live(
        32.0,
        ge=20.0,
        le=45.0,
        unit="°C",
        en="Warmest air in which a reading is judged.",
        zh="可判断的最高环境温度",
    )
    extrapolated_below_c: StrictFloat = _live(
        18.0,
        ge=-10.0,
        le=45.0,
        unit="°C",
        en="In colder air a reading is judged but marked extrapolated: no study data there.",
        zh="环境低于此值：照判，但标记为外推",
    )
    extrapolated_above_c: StrictFloat = _live(
        30.0,
        ge=-10.0,
        le=45.0,
        unit="°C",
        en="In warmer air a reading is judged but marked extrapolated: no study data there.",
        zh="环境高于此值：照判，但标记为外推",
    )
    stale_after_s: StrictFloat = _live(
        2.0,
        ge=0.2,
        le=10.0,
        unit="s",
        en="A reading older than this is not judged.",
        zh="读数超过此时间不再有效",
    )
    max_spread_c: StrictFloat = _live(
        0.4,
        ge=0.05,
        le=2.0,
        unit="°C",
        en="Highest minus lowest sample of one reading; more is not judged.",
        zh="同一次测量的最大差值",
    )
    warm_up_s: StrictFloat = _live(
        900.0,
        ge=0.0,
        le=7200.0,
        unit="s",
        en="After power-on the sensors warm up; until then nothing is judged.",
        zh="上电后的预热时间，期间不判断",
    )
    emissivity: StrictFloat = _live(
        0.98,
        ge=0.8,
        le=1.0,
        en="Emissivity of skin, applied in software.",
        zh="皮肤发射率(软件修正)",
    )
    offset_a_c: StrictFloat | None = _live(
        None,
        ge=0.0,
        le=10.0,
        unit="°C",
        en="a in body = skin + a - b x ambient, for every thermometer without a calibration of its "
        "own. Left out: as published for each thermometer's site.",
        zh="换算式 体温 = 皮肤 + a - b x 环境 中的 a；不写则按测量部位取默认值",
    )
    offset_b: StrictFloat | None = _live(
        None,
        ge=0.0,
        le=0.5,
        unit="°C/°C",
        en="b in the same rule. Left out: as published for each thermometer's site.",
        zh="换算式中的 b；不写则按测量部位取默认值",
    )
    reflected_c: StrictFloat | None = _live(
        None,
        ge=-30.0,
        le=60.0,
        unit="°C",
        en="What the skin reflects into the thermometer. Left out: surroundings as warm as air.",
        zh="皮肤反射的环境温度；不写则取气温",
    )
    gradient_noted_c_per_min: StrictFloat = _live(
        0.2,
        ge=0.02,
        le=5.0,
        unit="°C/min",
        en="The chip's own temperature changes faster than this: readings are marked.",
        zh="芯片温度变化超过此值：读数加标记",
    )
    gradient_refused_c_per_min: StrictFloat = _live(
        1.0,
        ge=0.05,
        le=10.0,
        unit="°C/min",
        en="Faster than this: nothing is judged until it is steady (sun on the case, a draught).",
        zh="超过此值：不判断，等其稳定(日晒、穿堂风)",
    )
    face_contrast_max_c: StrictFloat = _live(
        2.0,
        ge=0.5,
        le=6.0,
        unit="°C",
        en="Arrays: a forehead colder than the face's hottest spot by more is a cold face.",
        zh="阵列测温：额头比脸上最热处低得多于此值，视为脸冷",
    )
    baseline: BaselineUse = _live(
        BaselineUse.ALARM,
        en="What the last 50 admitted people's median is used for: nothing, an alarm when it "
        "leaves baseline_expected_c, or also a slow correction (at most 0.05 °C an hour, 0.5 °C "
        "in all).",
        zh="用最近 50 位放行者的中位数：不用、偏离时报警、或再加缓慢修正",
    )
    baseline_expected_c: StrictFloat = _live(
        36.85,
        ge=36.0,
        le=37.2,
        unit="°C",
        en="What that median should be: in the published study it is 36.85 to 36.9 at every site.",
        zh="该中位数的期望值",
    )
    baseline_alarm_c: StrictFloat = _live(
        0.4,
        ge=0.1,
        le=2.0,
        unit="°C",
        en="So far from it: alarm.",
        zh="偏离多少报警",
    )
    thermometers: tuple[ThermometerSettings, ...] = setting(
        REQUIRED,
        min_length=1,
        max_length=8,
        en="One infrared thermometer per height, each on a bus of its own. Keys that are not "
        "listed here (variant, address, supply_v, …) belong to the driver.",
        zh="红外测温头，每个高度一支，各占一条总线；其余键属于驱动",
    )
    ambient: AmbientSettings | None = setting(
        None,
        en="The air thermometer. Without it no reading can be judged.",
        zh="环境温度计；没有它就无法判断体温",
    )
    reference: ReferenceSettings | None = setting(
        None,
        en="A reference plate in a thermometer's view.",
        zh="测温头视野内的参考板",
    )

    @field_validator("ambient_max_c")
    @classmethod
    def _range_is_open(cls, value: float, info: ValidationInfo) -> float:
        lowest = info.data.get("ambient_min_c")
        if lowest is not None and value <= lowest:
            raise ValueError(f"must be above ambient_min_c = {lowest} °C (须高于 ambient_min_c)")
        return value

    @field_validator("gradient_refused_c_per_min")
    @classmethod
    def _refused_after_noted(cls, value: float, info: ValidationInfo) -> float:
        noted = info.data.get("gradient_noted_c_per_min")
        if noted is not None and value < noted:
            raise ValueError(
                f"must be at least gradient_noted_c_per_min = {noted} °C/min (不得更小)"
            )
        return value

    @field_validator("reference")
    @classmethod
    def _is_seen(cls, value: ReferenceSettings | None, info: ValidationInfo) -> object:
        names = [t.name for t in info.data.get("thermometers", ())]
        if value is not None and names and value.seen_by not in names:
            raise ValueError(
                f'seen_by = "{value.seen_by}" is none of the thermometers: {", ".join(names)} '
                "(没有这支测温头)"
            )
        return value

    @field_validator("extrapolated_above_c")
    @classmethod
    def _studied_range_is_open(cls, value: float, info: ValidationInfo) -> float:
        lowest = info.data.get("extrapolated_below_c")
        if lowest is not None and value <= lowest:
            raise ValueError(
                f"must be above extrapolated_below_c = {lowest} °C (须高于 extrapolated_below_c)"
            )
        return value

    @field_validator("thermometers")
    @classmethod
    def _each_has_its_own(
        cls, value: tuple[ThermometerSettings, ...]
    ) -> tuple[ThermometerSettings, ...]:
        faults: list[str] = []
        by_name: set[str] = set()
        name_on_bus: dict[str, str] = {}
        for thermometer in value:
            if thermometer.name in by_name:
                faults.append(f'two are called "{thermometer.name}" (名称重复)')
            elif thermometer.bus in name_on_bus:
                faults.append(
                    f'"{name_on_bus[thermometer.bus]}" and "{thermometer.name}" share '
                    f"{thermometer.bus}: one infrared sensor per bus, because traffic on the bus "
                    "disturbs its reading (每条总线只接一支红外测温头)"
                )
            by_name.add(thermometer.name)
            name_on_bus.setdefault(thermometer.bus, thermometer.name)
        if faults:
            raise ValueError("; ".join(faults))
        return value
